package mail

// The store's own numbers. Zero is never a valid one. The names follow RFC 8474 (OBJECTID).
type (
	AccountID int64 // one person's or program's mail
	MailboxID int64 // one mailbox of an account
	EmailID   int64 // one message of an account, in whatever mailboxes
	ThreadID  int64 // one conversation of an account
	BlobID    int64 // one stored body
	QueueID   int64 // one message on its way out
)

// TraceID names one message's passage through this system: the id in its Received field, in the
// reply to end-of-data and on each of its events. Lower-case base32 of time and random bits, 16 characters.
type TraceID string

package mail

import (
	"context"
	"time"
)

// Queued is one message on its way out, with the recipients that are not settled yet.
type Queued struct {
	ID         QueueID
	Trace      TraceID
	From       Path      // reverse-path; null for reports
	Account    AccountID // who submitted it; 0 for forwards and reports
	Blob       BlobID
	Prefix     []byte
	Size       int64 // len(Prefix) + the blob's size
	Body       BodyType
	UTF8       bool
	TLS        TLSWish
	Unproven   bool   // its sender may be forged: no report goes there
	MessageID  string // of the header, without angle brackets
	Created    time.Time
	Expires    time.Time // after this an unsettled recipient has failed
	Recipients []QueuedRecipient
}

// Answerable reports whether its sender may be told what becomes of it: there is one, and it is who it says (RFC 5321 4.5.5, RFC 3834 4).
func (q *Queued) Answerable() bool { return !q.From.IsNull() && !q.Unproven }

// QueuedRecipient is one recipient of a queued message.
type QueuedRecipient struct {
	N        int // its number in the message, from 1
	Address  Path
	Original Path   // as it was first given, where an alias led here; else equal to Address
	Route    string // what attempts are grouped and counted by: the next hop's domain or host
	Held     bool
	Attempts int
	Next     time.Time // the next attempt's time
	Last     string    // what the last attempt was told
	Delayed  bool      // a delay report was sent
	Lease    Lease
}

// LeaseID is a lease's number. It is never used twice, so that a late holder can be told apart.
type LeaseID int64

// Lease is a claim on recipients by one owner until a time. The zero Lease is none.
type Lease struct {
	ID    LeaseID
	Owner string
	Until time.Time
}

// Job is what one Claim leased of one message: recipients with one route. Message.Recipients is that part only.
type Job struct {
	Lease   Lease
	Route   string
	Message Queued
}

// QueueFilter selects queue entries. Zero fields do not restrict.
type QueueFilter struct {
	Trace   TraceID
	Address Path   // sender or a recipient
	Domain  string // of a recipient
	Held    bool   // only held ones
	After   QueueID
	Limit   int // 0: 1000
}

// Queue reads the queue of outgoing mail.
type Queue interface {
	// Queued lists entries by ID.
	Queued(ctx context.Context, f QueueFilter) ([]Queued, error)
	// QueuedMessage gives one entry. NotFound.
	QueuedMessage(ctx context.Context, id QueueID) (Queued, error)
	// NextDue is when the earliest recipient that is neither held nor leased is due, or when the first lease runs out; the zero time when there is none.
	NextDue(ctx context.Context) (time.Time, error)
}

package mail

import (
	"context"
	"iter"
	"time"
)

// SpecialUse is a mailbox's role (RFC 6154). Its values are stored as these words.
type SpecialUse string

// The special uses. Inbox is not one of RFC 6154's but of RFC 8621's roles.
const (
	NoUse     SpecialUse = ""
	UseInbox  SpecialUse = "inbox"
	UseSent   SpecialUse = "sent"
	UseDrafts SpecialUse = "drafts"
	UseJunk   SpecialUse = "junk"
	UseTrash  SpecialUse = "trash"
	UseArch   SpecialUse = "archive"
)

// Inbox is the name every account's first mailbox has, in any letter case.
const Inbox = "INBOX"

// Delimiter parts the levels of a mailbox name.
const Delimiter = "/"

// Mailbox is one mailbox with its counters.
type Mailbox struct {
	ID          MailboxID
	Account     AccountID
	Name        string // UTF-8 NFC, levels parted by Delimiter; "INBOX" in capitals
	Use         SpecialUse
	UIDValidity uint32
	UIDNext     uint32
	ModSeq      uint64 // HIGHESTMODSEQ: the latest change to a placement or expunge in it
	Messages    int64
	Unseen      int64
	Deleted     int64 // with \Deleted
	Size        int64 // octets of all its messages
	Subscribed  bool
	Sort        uint32 // its owner's order, least first (RFC 8621 2 sortOrder)
	Created     time.Time
}

// Placement is one message in one mailbox: what IMAP calls a message.
type Placement struct {
	Mailbox  MailboxID
	UID      uint32
	Email    EmailID
	Thread   ThreadID
	ModSeq   uint64
	Flags    Flags
	Size     int64     // RFC822.SIZE: prefix and body
	Received time.Time // INTERNALDATE, whole seconds with the zone's offset lost: UTC
	Saved    time.Time // when it was put into this mailbox (RFC 8514)
}

// Message is what does not change about a message, once for all its placements.
type Message struct {
	ID      EmailID
	Account AccountID
	Thread  ThreadID
	Blob    BlobID
	Prefix  []byte // header fields we added in front of the body, complete CRLF lines
	Size    int64  // len(Prefix) + the blob's size
	// Summary is proto/message's encoding of the body's envelope and MIME structure; offsets count
	// from the first octet of the blob, not of the prefix.
	Summary []byte
}

// UIDRange is the UIDs First to Last, both included. Last 0 means without end.
type UIDRange struct{ First, Last uint32 }

// Contains reports whether uid is in the range.
func (r UIDRange) Contains(uid uint32) bool { return uid >= r.First && (r.Last == 0 || uid <= r.Last) }

// Mailboxes reads an account's mailboxes and messages. Each call sees one consistent state, no
// older than the last Commit that returned before the call. A thing that does not exist is NotFound.
type Mailboxes interface {
	// Mailboxes lists an account's mailboxes by name, INBOX first.
	Mailboxes(ctx context.Context, account AccountID) ([]Mailbox, error)
	Mailbox(ctx context.Context, account AccountID, id MailboxID) (Mailbox, error)
	// Placements yields placements in UID order whose modseq is greater than since (0: all).
	Placements(ctx context.Context, mailbox MailboxID, in UIDRange, since uint64) iter.Seq2[Placement, error]
	// Expunged lists the UIDs that left the mailbox with a modseq greater than since, ascending. Tombstones
	// are kept for as long as the store remembers; a since older than that lists every UID that is not there.
	Expunged(ctx context.Context, mailbox MailboxID, since uint64) ([]UIDRange, error)
	// Message gives one message's facts. It is NotFound once its last placement is gone.
	Message(ctx context.Context, account AccountID, id EmailID) (Message, error)
	// Messages yields the facts of a mailbox's messages in UID order.
	Messages(ctx context.Context, mailbox MailboxID, in UIDRange) iter.Seq2[PlacedMessage, error]
	// PlacementsOf lists every mailbox a message is in.
	PlacementsOf(ctx context.Context, account AccountID, id EmailID) ([]Placement, error)
}

// History tells what happened to an account's mail, also of what is not there any more. It is the same on every node.
type History interface {
	// Changes tells what changed after the modseq since, each thing once and as it stands now.
	Changes(ctx context.Context, account AccountID, since uint64) (Changes, error)
}

// Changes is what changed in an account.
type Changes struct {
	From      uint64 // what is remembered begins here: of a since below it the rest cannot be relied on
	To        uint64 // the account's modseq
	Emails    []EmailChange
	Mailboxes []MailboxChange
}

// EmailChange is a message that changed: it came, its flags or its mailboxes changed, or it is gone.
type EmailChange struct {
	Email  EmailID
	Thread ThreadID
	ModSeq uint64 // of the latest change
	New    bool   // it came after since
	Gone   bool   // its last placement is gone
}

// MailboxChange is a mailbox that changed: it came, its name, use, order or subscription changed, what is in it did, or it is gone.
type MailboxChange struct {
	Mailbox MailboxID
	ModSeq  uint64
	New     bool
	Gone    bool
	Only    bool // nothing but what is in it changed: its counts (RFC 8621 2.2 updatedProperties)
}

// Place is a mailbox as filing needs to know it.
type Place struct {
	ID   MailboxID
	Name string
	Use  SpecialUse
}

// Places knows where an account's mail can be filed.
type Places interface {
	// Places lists the account's mailboxes by name, INBOX first. NotFound.
	Places(ctx context.Context, account AccountID) ([]Place, error)
}

// PlacedMessage is a message and one place of it.
type PlacedMessage struct {
	UID uint32
	Message
}

package mail

import (
	"context"
	"time"
)

// Outcome is how something ended for a recipient, or that a message came in at all.
type Outcome string

// The outcomes. Accepted is of the message; all others are of one recipient.
const (
	Accepted  Outcome = "accepted"  // taken over: ours to deliver
	Delivered Outcome = "delivered" // filed in a mailbox here
	Relayed   Outcome = "relayed"   // another host took it over
	Deferred  Outcome = "deferred"  // not yet: will be tried again
	Bounced   Outcome = "bounced"   // failed for good
	Rejected  Outcome = "rejected"  // refused in the session, never ours
	Discarded Outcome = "discarded" // dropped because its owner's rule, or an operator, said so
	Expanded  Outcome = "expanded"  // an alias: its targets have outcomes of their own
	Reported  Outcome = "reported"  // a report about it was sent to its sender
)

// Final reports whether nothing more will happen to the recipient.
func (o Outcome) Final() bool { return o != Accepted && o != Deferred && o != Reported }

// Event is one line of a message's trail.
type Event struct {
	ID        int64 // given by the store
	At        time.Time
	Trace     TraceID
	Outcome   Outcome
	MessageID string // of the header, without angle brackets
	From, To  Path   // To is empty for Accepted
	Account   AccountID
	Queue     QueueID // 0 when it was never queued; in the set that enqueues it, left 0
	Role      string  // msa, mta/inbound, mta/outbound, mda ...
	Peer      string  // the other side: host[ip] or user
	TLS       string  // "TLS1.3 TLS_AES_128_GCM_SHA256 verified", or ""
	Reason    string  // in the remote's own words where there are any
}

// TrailQuery asks for events. Set one of the first three.
type TrailQuery struct {
	Trace     TraceID
	MessageID string // without angle brackets
	Address   Path   // sender or recipient
	Limit     int    // the latest so many; 0: 1000
}

// Trail reads what happened.
type Trail interface {
	// Events lists events by time. For MessageID and Address it lists all events of each trace that has one.
	Events(ctx context.Context, q TrailQuery) ([]Event, error)
}

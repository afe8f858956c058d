package mail

import (
	"context"
	"io"
	"time"
)

// Letter is a message that has come in whole and is filed nowhere yet.
type Letter struct {
	Trace    TraceID
	Envelope Envelope
	Body     SealedBody
	Prefix   []byte // Received, and what else we put in front; complete CRLF lines
	Summary  []byte // proto/message's encoding
	Thread   ThreadKeys
	Arrived  time.Time
	Account  AccountID // whose submission it is; 0 for mail from outside
	Role     string    // which door: "msa", "mta/inbound", "mda/lmtp", "mta/bounce"
	Peer     string    // who brought it, for the trail
	TLS      string
	Unproven bool     // its sender failed authentication: nothing is to be sent back to them
	Notes    []string // what was found out about it, one sentence each, for the trail
	Junk     Suspicion
	Extra    []Change // what else is to be done by the commit that takes it, such as counting it
}

// Suspicion is how much a letter looks like mail nobody asked for, as far as can be told without knowing for whom it is.
type Suspicion struct {
	Junk   bool     // policy says that it is to be filed as junk, whatever a recipient's own mail says
	Score  float64  // of what speaks for and against it
	Why    []string // what the score is made of, one sentence each
	Tokens []uint64 // hashes of its words, for classifiers
}

// Size is the size of the message as it will be stored.
func (l *Letter) Size() int64 { return int64(len(l.Prefix)) + l.Body.Size() }

// Planner says what becomes of a letter for one local recipient (the mda). It writes nothing.
// A refusal (over quota, a rule's reject) is an error whose sentence is the reply to the sender.
type Planner interface {
	Plan(ctx context.Context, r LocalRecipient, l *Letter) (Plan, error)
}

// Plan is what is to be done with a letter for one recipient: changes for the set that commits it,
// its Record events among them.
type Plan struct {
	Changes []Change
}

// Poster turns a message that a role composes (a report, a reply) into changes for a set
// of the caller's, so that cause and consequence are one commit.
type Poster interface {
	// Post writes the message by calling write, resolves and plans its recipients. The posting must be
	// discarded once its set was committed or given up.
	Post(ctx context.Context, env Envelope, write func(io.Writer) error) (Posting, error)
}

// Posting is a composed message on its way into a set.
type Posting struct {
	Trace   TraceID
	Changes []Change
	Discard func()
}

// Submission is a message one of our users sends.
type Submission struct {
	Account  AccountID
	Envelope Envelope
	Peer     string // for Received and the trail
	Hello    string // the client's EHLO word; "" where there is none
	With     string // RFC 3848 word: ESMTPSA, HTTP ...
	TLS      string
	Body     io.Reader // CRLF lines
	Extra    []Change  // what else the commit that takes it is to do
}

// Submitter takes mail from our users: authorises the sender, repairs the header, commits (the msa).
type Submitter interface {
	Submit(ctx context.Context, s Submission) (TraceID, error)
}

package mail

import "context"

// Journal is the one way anything is changed.
type Journal interface {
	// Commit makes a change set durable, or refuses it whole. It returns once the set and every body in it is on
	// stable storage; sets that wait at the same moment share one sync. A condition that fails gives a
	// *ChangeError; after an error of another kind (Unavailable, Internal) nothing of the set happened, except that a
	// caller whose ctx ends while the set is being written may find later that it did happen.
	Commit(ctx context.Context, set ChangeSet) (Receipt, error)
}

// ChangeSet is everything one cause does, as values: it can be logged, replayed and generated.
// Later changes of a set see the earlier ones.
type ChangeSet struct {
	Changes []Change
}

// Add appends changes.
func (s *ChangeSet) Add(c ...Change) { s.Changes = append(s.Changes, c...) }

// Receipt tells what became of each change of a set, in its order.
type Receipt struct {
	Results []Result
}

// Result is what one change yielded. Which fields are set depends on the change and is said there.
type Result struct {
	Account     AccountID
	Mailbox     MailboxID
	UIDValidity uint32
	UID         uint32
	Email       EmailID
	Thread      ThreadID
	Blob        BlobID
	Queue       QueueID
	ModSeq      uint64      // the account's modseq that the change was given
	Placements  []Placement // as they are after the change
	Copied      []UIDPair   // CopyMessages, MoveMessages
	Expunged    []UIDRange  // Expunge, MoveMessages
	Unchanged   []UIDRange  // SetFlags: left alone because of UnchangedSince
	Claimed     []Job       // Claim, Enqueue
}

// UIDPair is a message's UID before and after a copy or move.
type UIDPair struct{ From, To uint32 }

// ChangeError tells which change of a set could not be made. Its Err is an *Error with the kind.
type ChangeError struct {
	Index int // into ChangeSet.Changes
	Err   error
}

// Error is the sentence of the change that failed.
func (e *ChangeError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *ChangeError) Unwrap() error { return e.Err }

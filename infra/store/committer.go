package store

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
)

// request is a change set that waits for its commit.
type request struct {
	set    mail.ChangeSet
	told   []telling
	chore  func(*group) error // of compaction: what to do in place of a set
	move   []blob.Append      // the records that move with it
	bodies []*blob.Sealed
	bytes  int64
	state  atomic.Int32 // waiting, taken or left
	answer chan answer
}

type answer struct {
	receipt mail.Receipt
	err     error
}

const (
	waiting int32 = iota
	taken         // the committer works on it
	left          // its caller has gone
)

// Commit makes a change set durable. See mail.Journal.
func (s *Store) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	if len(set.Changes) == 0 {
		return mail.Receipt{}, nil
	}
	told, err := tellings(set)
	if err != nil {
		return mail.Receipt{}, err
	}
	r := &request{set: set, told: told, answer: make(chan answer, 1)}
	if err := r.pin(s.packs); err != nil {
		return mail.Receipt{}, err
	}
	return s.submit(ctx, r)
}

// submit hands a request to the committer and waits for the answer.
func (s *Store) submit(ctx context.Context, r *request) (mail.Receipt, error) {
	select {
	case <-s.closing:
		r.unpin()
		return mail.Receipt{}, closedError()
	default:
	}
	select {
	case s.requests <- r:
	case <-ctx.Done():
		r.unpin()
		return mail.Receipt{}, gaveUp(ctx)
	case <-s.closing:
		r.unpin()
		return mail.Receipt{}, closedError()
	}
	select {
	case a := <-r.answer:
		return a.receipt, a.err
	case <-ctx.Done():
		r.state.CompareAndSwap(waiting, left) // else it is being written, and may happen
		return mail.Receipt{}, gaveUp(ctx)
	case <-s.done:
		select { // the answer may have come at the same moment
		case a := <-r.answer:
			return a.receipt, a.err
		default:
		}
		if r.state.CompareAndSwap(waiting, left) {
			r.unpin() // it came too late for the committer to see it
		}
		return mail.Receipt{}, closedError()
	}
}

func closedError() error {
	return mail.Errorf(mail.Unavailable, "the store is shutting down; try again in a moment: %w", errClosed)
}

func gaveUp(ctx context.Context) error {
	return mail.Errorf(mail.Unavailable, "the commit was not waited for: %w", context.Cause(ctx))
}

// pin keeps the bodies of a set until the committer is done with them, whatever its caller does.
func (r *request) pin(p *blob.Packs) error {
	var seen map[*blob.Sealed]bool
	for i, c := range r.set.Changes {
		var b mail.Body
		switch c := c.(type) {
		case mail.AddMessage:
			b = c.Body
		case mail.Enqueue:
			b = c.Body
		}
		sealed, ok := b.(*blob.Sealed)
		if !ok || seen[sealed] {
			continue
		}
		if !sealed.Of(p) || !sealed.Pin() {
			r.unpin()
			return &mail.ChangeError{Index: i, Err: mail.Errorf(mail.Invalid, "the body is of another store, or was discarded")}
		}
		if seen == nil {
			seen = map[*blob.Sealed]bool{}
		}
		seen[sealed] = true
		r.bodies = append(r.bodies, sealed)
		if _, _, own := sealed.Own(); !own {
			r.bytes += sealed.Size()
		}
	}
	return nil
}

func (r *request) unpin() {
	for _, b := range r.bodies {
		b.Unpin()
	}
	r.bodies = nil
}

// reply answers a request once.
func (r *request) reply(rec mail.Receipt, err error) {
	r.answer <- answer{rec, err}
}

// commits is the committer: it takes what waits, commits it, and answers.
func (s *Store) commits() {
	defer close(s.done)
	for {
		select {
		case r := <-s.requests:
			s.commitGroup(s.gather(r))
			s.checkpoint()
		case <-s.closing:
			s.refuseAll()
			return
		}
	}
}

// gather takes the requests that wait behind the first, up to the bounds of a group.
func (s *Store) gather(first *request) []*request {
	var group []*request
	var bytes int64
	for r := first; ; {
		if r.state.CompareAndSwap(waiting, taken) {
			group = append(group, r)
			bytes += r.bytes
		} else {
			r.unpin()
		}
		if len(group) >= s.opt.MaxBatch || bytes >= s.opt.MaxBatchBytes {
			return group
		}
		select {
		case r = <-s.requests:
		default:
			return group
		}
	}
}

// refuseAll answers what still waits at the end.
func (s *Store) refuseAll() {
	for {
		select {
		case r := <-s.requests:
			r.unpin()
			r.reply(mail.Receipt{}, closedError())
		default:
			return
		}
	}
}

// stop ends all committing: what is on the disk is unknown now.
func (s *Store) stop(cause error) error {
	err := s.packs.Fail(cause)
	var e *mail.Error
	if errors.As(err, &e) {
		if s.stopped.CompareAndSwap(nil, e) {
			close(s.failed)
		}
	}
	return err
}

// Failed is closed when the store can take nothing more: a sync or a commit failed, and what is on the disk only a
// restart can tell. Reading goes on.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Failure is why, once Failed is closed; else nil.
func (s *Store) Failure() error {
	if e := s.stopped.Load(); e != nil {
		return e
	}
	return nil
}

// checkpointFrames is how long the write-ahead log grows, in pages, before its pages go to the database file.
const checkpointFrames = 8192

// checkpoint moves the write-ahead log into the database when it has grown long, after everybody was answered. A crash in
// it is harmless: the log is kept until the database file is synced.
func (s *Store) checkpoint() {
	if s.stopped.Load() != nil {
		return
	}
	var frames, moved int64
	_, err := s.ledger.conn.one(func(r row) { frames, moved = r.int(1), r.int(2) }, `PRAGMA wal_checkpoint(NOOP)`)
	if err == nil && frames-moved < checkpointFrames {
		return
	}
	if err == nil {
		_, err = s.ledger.conn.one(func(row) {}, `PRAGMA wal_checkpoint(PASSIVE)`)
	}
	if err != nil && !diskIsFull(err) { // with a full disk the log stays as it is, and is moved later
		_ = s.stop(err)
	}
}

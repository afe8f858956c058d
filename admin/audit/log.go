package audit

import (
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/mail"
)

// writeTime is how long the last word about an act may take, whose client may have gone.
const writeTime = 10 * time.Second

// Log records acts. It is safe for use by many at once.
type Log struct {
	journal mail.Journal
	notes   mail.Notes
	clock   mail.Clock
	unnamed func() Actor
}

// New makes a log. notes may be nil: then nothing can be read. unnamed is who acts where the context does not say.
func New(journal mail.Journal, notes mail.Notes, clock mail.Clock, unnamed func() Actor) *Log {
	if journal == nil {
		journal = closed{}
	}
	return &Log{journal: journal, notes: notes, clock: clock, unnamed: unnamed}
}

// What is an act, in words without secrets.
type What struct {
	Act     string // "account.add"
	Subject string // canonical
	Asked   string
	// Outside is set for an act that does more than to commit through Journal: it is recorded before anything is done.
	Outside bool
}

// act is one that is under way, in one goroutine.
type act struct {
	entry Entry
	wrote Entry // what stands in the store
	done  bool  // something was committed
	idle  bool  // there was nothing to do
}

type actKey struct{}

func running(ctx context.Context) *act {
	a, _ := ctx.Value(actKey{}).(*act)
	return a
}

// Do does f, whose commits go through Journal with the context it is given, and records it. The error is f's, or tells that the act could not be
// recorded and so was not begun. An act within an act is part of it.
func (l *Log) Do(ctx context.Context, w What, f func(context.Context) error) error {
	if running(ctx) != nil {
		return f(ctx)
	}
	now := l.clock.Now()
	who, ok := By(ctx)
	if !ok {
		who = l.unnamed()
	}
	a := &act{entry: Entry{ID: newID(now), At: now.UTC(), Actor: who, Act: w.Act, Subject: clip(w.Subject, maxSubject), Asked: clip(w.Asked, maxAsked), Outcome: Begun}}
	if w.Outside {
		if err := l.write(ctx, a); err != nil {
			return err
		}
	} else {
		a.entry.Outcome = Done // so says the set that does it
	}
	err := f(context.WithValue(ctx, actKey{}, a))
	a.entry.settle(err, a.done)
	if a.entry != a.wrote && !(a.idle && err == nil) {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
		defer cancel()
		// Without it a record that was begun stays so, or one of a refusal is missing: nothing was done that is not written down.
		_ = l.write(last, a)
	}
	return err
}

func (l *Log) write(ctx context.Context, a *act) error {
	_, err := l.journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.PutNote{Note: a.entry.note()}}})
	if err == nil {
		a.wrote = a.entry
	}
	return err
}

// About names what the running act is done to, where that shows only after it began.
func About(ctx context.Context, subject string) {
	if a := running(ctx); a != nil {
		a.entry.Subject = clip(subject, maxSubject)
	}
}

// Tell says what came of the running act.
func Tell(ctx context.Context, text string) {
	if a := running(ctx); a != nil {
		a.entry.Text = clip(text, maxText)
	}
}

// Idle says that there was nothing to do for the running act: without an error it needs no record.
func Idle(ctx context.Context) {
	if a := running(ctx); a != nil {
		a.idle = true
	}
}

// Journal gives the journal through which acts commit.
func (l *Log) Journal() mail.Journal { return journal{l.journal} }

// closed is the journal of those who have none.
type closed struct{}

func (closed) Commit(context.Context, mail.ChangeSet) (mail.Receipt, error) {
	return mail.Receipt{}, mail.Errorf(mail.Unavailable, "nothing can be changed here")
}

type journal struct{ mail.Journal }

// Commit adds the record of the running act to the set.
func (j journal) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	a := running(ctx)
	if a == nil {
		return mail.Receipt{}, mail.Errorf(mail.Internal, "an operation wanted to change something without a record of it")
	}
	n := len(set.Changes)
	set.Changes = append(slices.Clip(set.Changes), mail.PutNote{Note: a.entry.note()})
	receipt, err := j.Journal.Commit(ctx, set)
	if err != nil {
		return receipt, err
	}
	a.wrote, a.done = a.entry, true
	receipt.Results = receipt.Results[:min(n, len(receipt.Results))]
	return receipt, nil
}

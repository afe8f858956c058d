package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// RFC 7162 3.2.5.2: a server that has forgotten tombstones may list more UIDs than those that were expunged since, never fewer.
func TestForgetTombstones(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Tombstones: 3})
	box := oneAccount(t, s)
	fill(t, s, box, 40)
	var seqs []uint64
	for uid := uint32(2); uid <= 20; uid += 2 {
		r := makeOne(t, s, mail.Expunge{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: uid, Last: uid}}})
		seqs = append(seqs, r.ModSeq)
	}
	gone := func(since uint64) (out []uint32) {
		t.Helper()
		list, err := s.Expunged(t.Context(), box.Mailbox, since)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			for u := r.First; u <= r.Last; u++ {
				out = append(out, u)
			}
		}
		return out
	}
	before := make([][]uint32, len(seqs))
	for i, since := range seqs {
		before[i] = gone(since)
	}
	if _, err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, since := range seqs {
		got := gone(since)
		if i >= 6 { // still remembered: exact
			if !slices.Equal(got, before[i]) {
				t.Errorf("since %d: %v, before %v", since, got, before[i])
			}
			continue
		}
		if !slices.Equal(got, gone(0)) || len(got) != 10 {
			t.Errorf("since %d, forgotten: %v", since, got)
		}
	}
	if n := s.Count(t, "expunged"); n != 3 {
		t.Errorf("%d tombstones are kept", n)
	}
}

// What an account's history has forgotten it says by where it begins; from there on it is exact.
func TestForgetHistory(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Tombstones: 3})
	box := oneAccount(t, s)
	fill(t, s, box, 40)
	var seqs []uint64
	changes := func(since uint64) mail.Changes {
		t.Helper()
		c, err := s.Changes(t.Context(), box.Account, since)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for i := range 10 {
		r := makeOne(t, s, mail.Expunge{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: uint32(i*3 + 1), Last: uint32(i*3 + 2)}}})
		seqs = append(seqs, r.ModSeq)
		if i == 8 {
			r = makeOne(t, s, mail.CreateMailbox{Account: box.Account, NewMailbox: mail.NewMailbox{Name: "x"}})
			seqs = append(seqs, makeOne(t, s, mail.DeleteMailbox{Account: box.Account, Mailbox: r.Mailbox}).ModSeq)
		}
	}
	before := map[uint64]mail.Changes{}
	for _, since := range seqs {
		before[since] = changes(since)
		if before[since].From != 0 {
			t.Errorf("before anything was forgotten the history begins at %d", before[since].From)
		}
	}
	if _, err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Kept are the last two messages and the mailbox.
	from := changes(0).From
	if from != seqs[8] || s.Count(t, "departed") != 2 || s.Count(t, "deleted_mailbox") != 1 {
		t.Errorf("the history begins at %d of %v, and %d departures are kept", from, seqs, s.Count(t, "departed"))
	}
	for _, since := range seqs {
		want := before[since]
		if want.From = from; since >= from && fmt.Sprint(changes(since)) != fmt.Sprint(want) {
			t.Errorf("since %d: %+v, before %+v", since, changes(since), want)
		}
	}
	if _, err := s.Compact(t.Context()); err != nil || changes(0).From != from {
		t.Errorf("compacting again took the beginning to %d, %v", changes(0).From, err)
	}
	// More than one step forgets at a time, all with one modseq.
	fill(t, s, box, 5_200)
	last := makeOne(t, s, mail.Expunge{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: 1}}})
	if _, err := s.Compact(t.Context()); err != nil || changes(0).From != last.ModSeq || s.Count(t, "departed")+s.Count(t, "deleted_mailbox") != 0 {
		t.Errorf("the history begins at %d, want %d; %d departures are kept, %v", changes(0).From, last.ModSeq, s.Count(t, "departed"), err)
	}
}

// fixedClock is a clock that a test sets.
type fixedClock struct {
	mail.SystemClock
	now time.Time
}

func (c *fixedClock) Now() time.Time { return c.now }

func TestForgetTrail(t *testing.T) {
	t.Parallel()
	c := &fixedClock{now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	s := open(t, store.Options{Clock: c, KeepTrail: 24 * time.Hour})
	const n = 12_000
	set := mail.ChangeSet{}
	for i := range n {
		at := c.now.Add(-48 * time.Hour)
		if i >= n-100 {
			at = c.now
		}
		set.Add(mail.Record{Event: mail.Event{At: at, Trace: mail.TraceID(fmt.Sprintf("t%d", i)), Outcome: mail.Accepted, From: "a@b.example"}})
	}
	if _, err := s.Commit(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e, k := s.Count(t, "event"), s.Count(t, "event_key"); e != 100 || k != 100 {
		t.Errorf("%d events and %d keys are kept", e, k)
	}
	if list, err := s.Events(t.Context(), mail.TrailQuery{Address: "A@B.example"}); err != nil || len(list) != 100 {
		t.Errorf("%d events, %v", len(list), err)
	}
}

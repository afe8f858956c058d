package store_test

import (
	"testing"
	"time"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// full opens a store with one inbox of n messages, all with one small body.
func full(b *testing.B, n int) (*store.Store, mail.Result) {
	b.Helper()
	s, boxes := benchStore(b, 1)
	if err := deliver(b.Context(), s, boxes[0], 1, []byte("text\r\n")); err != nil {
		b.Fatal(err)
	}
	var body mail.StoredBody
	for m, err := range s.Messages(b.Context(), boxes[0].Mailbox, mail.UIDRange{First: 1}) {
		if err != nil {
			b.Fatal(err)
		}
		body = mail.StoredBody{ID: m.Blob, Octets: m.Size - int64(len(m.Prefix))}
	}
	now := time.Now()
	for left := n - 1; left > 0; {
		var set mail.ChangeSet
		for range min(left, 1000) {
			set.Add(mail.AddMessage{Account: boxes[0].Account, Mailbox: boxes[0].Mailbox, Body: body, Summary: make([]byte, 300), Received: now, Saved: now})
			left--
		}
		if _, err := s.Commit(b.Context(), set); err != nil {
			b.Fatal(err)
		}
	}
	return s, boxes[0]
}

// perMessage reports the CPU time each of n messages took in each round.
func perMessage(b *testing.B, n int, round func() error) {
	b.ReportAllocs()
	started := usage()
	for b.Loop() {
		if err := round(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((usage()-started).Nanoseconds())/float64(b.N*n), "cpu-ns/message")
}

func BenchmarkMessages(b *testing.B) {
	const n = 10_000
	s, box := full(b, n)
	perMessage(b, n, func() error {
		for _, err := range s.Messages(b.Context(), box.Mailbox, mail.UIDRange{First: 1}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkPlacements(b *testing.B) {
	const n = 10_000
	s, box := full(b, n)
	perMessage(b, n, func() error {
		for _, err := range s.Placements(b.Context(), box.Mailbox, mail.UIDRange{First: 1}, 0) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// BenchmarkChanged asks for what is new in a mailbox of 10,000 where one message changed.
func BenchmarkChanged(b *testing.B) {
	s, box := full(b, 10_000)
	set := mail.SetFlags{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: 5, Last: 5}}, Flags: mail.Flags{Bits: mail.Seen}}
	rec, err := s.Commit(b.Context(), mail.ChangeSet{Changes: []mail.Change{set}})
	if err != nil {
		b.Fatal(err)
	}
	perMessage(b, 1, func() error {
		for _, err := range s.Placements(b.Context(), box.Mailbox, mail.UIDRange{First: 1}, rec.Results[0].ModSeq-1) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkSetFlags(b *testing.B) {
	const n = 10_000
	s, box := full(b, n)
	on := true
	perMessage(b, n, func() error {
		set := mail.SetFlags{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: 1}}, Flags: mail.Flags{Bits: mail.Seen}}
		if !on {
			set.Op = mail.FlagsRemove
		}
		on = !on
		_, err := s.Commit(b.Context(), mail.ChangeSet{Changes: []mail.Change{set}})
		return err
	})
}

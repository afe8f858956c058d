package store_test

import (
	"context"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// TestLongBody takes 50 MB through Create, Seal, Commit and Open and looks at the heap.
func TestLongBody(t *testing.T) {
	s := open(t, store.Options{})
	box := oneAccount(t, s)
	piece := crashBody(2)[:9000]
	var base, peak uint64
	look := func() {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
		if base == 0 {
			base = m.HeapAlloc
		}
	}
	look()
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	for i := range 50 << 20 / len(piece) {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
		if i%1000 == 0 {
			look()
		}
	}
	b, err := w.Seal()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Discard()
	look()
	r := makeOne(t, s, mail.AddMessage{Account: box.Account, Mailbox: box.Mailbox, Body: b})
	look()
	rd, err := s.Open(t.Context(), r.Blob)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	buf := make([]byte, 4096)
	for i := 0; ; i++ {
		if _, err = rd.Read(buf); err != nil {
			break
		}
		if i%3000 == 0 {
			look()
		}
	}
	if err != io.EOF {
		t.Error(err)
	}
	if grown := int64(peak) - int64(base); grown > 2<<20 {
		t.Errorf("a body of %d octets took %d octets of heap", b.Size(), grown)
	}
}

// TestLargeMailbox changes 20,000 messages at once: what is linear must be so with a small factor.
func TestLargeMailbox(t *testing.T) {
	if testing.Short() {
		t.Skip("files 20,000 messages")
	}
	t.Parallel()
	const n = 20_000
	s := open(t, store.Options{})
	box := oneAccount(t, s)
	fill(t, s, box, n)
	archive := makeOne(t, s, mail.CreateMailbox{Account: box.Account, NewMailbox: mail.NewMailbox{Name: "Archive"}}).Mailbox
	all := []mail.UIDRange{{First: 1}}
	for _, c := range []struct {
		change mail.Change
		count  func(mail.Result) int
	}{
		{mail.SetFlags{Account: box.Account, Mailbox: box.Mailbox, UIDs: all, Flags: mail.Flags{Bits: mail.Seen}}, func(r mail.Result) int { return len(r.Placements) }},
		{mail.CopyMessages{Account: box.Account, From: box.Mailbox, To: archive, UIDs: all}, func(r mail.Result) int { return len(r.Copied) }},
		{mail.MoveMessages{Account: box.Account, From: box.Mailbox, To: archive, UIDs: all}, func(r mail.Result) int { return len(r.Copied) }},
		{mail.Expunge{Account: box.Account, Mailbox: archive, UIDs: []mail.UIDRange{{First: n + 1}}}, func(r mail.Result) int { return int(r.Expunged[0].Last - r.Expunged[0].First + 1) }},
	} {
		start := time.Now()
		if got := c.count(makeOne(t, s, c.change)); got != n {
			t.Errorf("%T took %d messages", c.change, got)
		}
		t.Logf("%T: %v", c.change, time.Since(start))
	}
	if list, err := s.Expunged(t.Context(), box.Mailbox, 0); err != nil || !slices.Equal(list, []mail.UIDRange{{First: 1, Last: n}}) {
		t.Errorf("tombstones %v, %v", list, err)
	}
}

// fill files n messages with bodies of their own, many to a set.
func fill(t testing.TB, s *store.Store, box mail.Result, n int) {
	t.Helper()
	for done := 0; done < n; {
		set := mail.ChangeSet{}
		var bodies []mail.SealedBody
		for range min(1000, n-done) {
			w, err := s.Create(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write([]byte("a short body\r\n"))
			b, err := w.Seal()
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, b)
			set.Add(mail.AddMessage{Account: box.Account, Mailbox: box.Mailbox, Body: b, Prefix: make([]byte, 300), Summary: make([]byte, 600)})
			done++
		}
		if _, err := s.Commit(context.Background(), set); err != nil {
			t.Fatal(err)
		}
		for _, b := range bodies {
			b.Discard()
		}
	}
}

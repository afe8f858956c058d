package store_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// An account's changes are of one state, however many write and read: two that follow each other, one from where the other ended, tell of
// each message that it came once, and of none that it changed before it came. Readers never wait for one another's connections.
func TestChangesAreOfOneState(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{})
	box := oneAccount(t, s)
	other := makeOne(t, s, mail.CreateMailbox{Account: box.Account, NewMailbox: mail.NewMailbox{Name: "Other"}}).Mailbox
	const n = 60
	done := make(chan struct{})
	var wg, readers sync.WaitGroup
	for range 8 {
		readers.Go(func() { followChanges(t, s, box, n, done) })
	}
	for w := range 3 {
		wg.Go(func() {
			for i := range n / 3 {
				if err := fileOne(s, box, w*n+i); err != nil {
					t.Error(err)
				}
				set := mail.MoveMessages{Account: box.Account, From: box.Mailbox, To: other, UIDs: []mail.UIDRange{{First: 1}}}
				if i%2 == 1 {
					set.From, set.To = other, box.Mailbox
				}
				if _, err := s.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{set}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(done)
	readers.Wait()
}

// followChanges asks for changes until all was written and seen.
func followChanges(t *testing.T, s *store.Store, box mail.Result, n int, done <-chan struct{}) {
	since, known, last := uint64(0), map[mail.EmailID]bool{}, false
	for !last {
		select {
		case <-done:
			last = true
		default:
		}
		c, err := s.Changes(t.Context(), box.Account, since)
		if err != nil {
			t.Error(err)
			return
		}
		for _, e := range c.Emails {
			if e.New == known[e.Email] || e.Gone || e.ModSeq > c.To || e.ModSeq <= since {
				t.Errorf("between %d and %d: %+v, which was known: %v", since, c.To, e, known[e.Email])
			}
			known[e.Email] = true
		}
		since = c.To
	}
	if len(known) != n {
		t.Errorf("of %d messages %d were told of", n, len(known))
	}
}

// BenchmarkChanges asks what changed in an account of 10,000 messages in one mailbox and 100 other mailboxes where "new": one
// message came, "flag": one changed, "none": nothing happened.
func BenchmarkChanges(b *testing.B) {
	s, box := full(b, 10_000)
	var set mail.ChangeSet
	for i := range 100 {
		set.Add(mail.CreateMailbox{Account: box.Account, NewMailbox: mail.NewMailbox{Name: fmt.Sprintf("box%d", i)}})
	}
	if _, err := s.Commit(b.Context(), set); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func() error
	}{
		{"none", func() error { return nil }},
		{"new", func() error { return deliver(b.Context(), s, box, 1, []byte("text\r\n")) }},
		{"flag", func() error {
			set := mail.SetFlags{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: 5, Last: 5}}, Flags: mail.Flags{Bits: mail.Seen}}
			_, err := s.Commit(b.Context(), mail.ChangeSet{Changes: []mail.Change{set}})
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			a, err := s.Account(b.Context(), box.Account)
			if err != nil {
				b.Fatal(err)
			}
			if err := c.change(); err != nil {
				b.Fatal(err)
			}
			perMessage(b, 1, func() error {
				_, err := s.Changes(b.Context(), box.Account, a.ModSeq)
				return err
			})
		})
	}
}

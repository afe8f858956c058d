package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/mail"
)

// A sync that fails: nobody is told that mail is safe, nothing more is taken, and reading goes on.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDisk(t, dir)
	s, err := store.Open(context.Background(), store.Options{Dir: dir, Log: quiet(), Bucket: d})
	if err != nil {
		t.Fatal(err)
	}
	box := oneAccount(t, s)
	if err := fileOne(s, box, 0); err != nil {
		t.Fatal(err)
	}
	eio := errors.New("input/output error")
	d.fail.Store(&eio)
	if err := fileOne(s, box, 4); !mail.Is(err, mail.Unavailable) || !errors.Is(err, eio) {
		t.Errorf("got %v", err)
	}
	d.fail.Store(nil)
	for n := range 4 {
		if err := fileOne(s, box, n); !mail.Is(err, mail.Unavailable) {
			t.Errorf("got %v", err)
		}
	}
	_, err = s.Commit(context.Background(), mail.ChangeSet{Changes: []mail.Change{mail.AddDomain{Domain: mail.Domain{Name: "x.example"}}}})
	if !mail.Is(err, mail.Unavailable) {
		t.Errorf("a set without a body gave %v", err)
	}
	if there := filed(t, s, box); len(there) != 1 {
		t.Errorf("there is %v", there)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	sound(t, dir, box, func(s *store.Store) {
		if there := filed(t, s, box); !there[0] || len(there) != 1 {
			t.Errorf("there is %v", there)
		}
	})
}

// RFC 3463 3.4: with the disk nearly full new bodies get 4.3.1; flags, deletions and reads go on.
func TestDiskNearlyFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDisk(t, dir)
	s, err := store.Open(context.Background(), store.Options{Dir: dir, Log: quiet(), Bucket: d})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	box := oneAccount(t, s)
	for n := range 2 {
		if err := fileOne(s, box, n); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	w, err := s.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("begun in time"))
	b, err := w.Seal()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Discard()
	d.full.Store(true)
	add := mail.ChangeSet{Changes: []mail.Change{mail.AddMessage{Account: box.Account, Mailbox: box.Mailbox, Body: b}}}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			var e *mail.Error
			if i%2 == 0 {
				if _, err := s.Commit(ctx, add); !errors.As(err, &e) || e.Kind != mail.Unavailable || e.Enhanced != "4.3.1" {
					t.Errorf("got %v", err)
				}
				return
			}
			if _, err := s.Create(ctx); !errors.As(err, &e) || e.Enhanced != "4.3.1" {
				t.Errorf("got %v", err)
			}
			_, err := s.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.SetFlags{Account: box.Account, Mailbox: box.Mailbox,
				UIDs: []mail.UIDRange{{First: 1}}, Flags: mail.Flags{Keywords: fmt.Sprintf("k%d", i)}}}})
			if err != nil {
				t.Errorf("flags: %v", err)
			}
		})
	}
	wg.Wait()
	if there := filed(t, s, box); len(there) != 2 {
		t.Errorf("there is %v", there)
	}
	d.full.Store(false)
	if _, err := s.Commit(ctx, add); err != nil {
		t.Errorf("once there was room: %v", err)
	}
	storetest.Check(t, s)
}

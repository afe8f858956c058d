package store_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// TestKnownIsExact reads the directory from memory while it is changed by many, and compares it with the index in
// the end. An address that was asked for before it existed is found once it does.
func TestKnownIsExact(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reopen := func() *store.Store {
		s, err := store.Open(t.Context(), store.Options{Dir: dir, Log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := reopen()
	do := func(c ...mail.Change) []mail.Result {
		t.Helper()
		r, err := s.Commit(t.Context(), mail.ChangeSet{Changes: c})
		if err != nil {
			t.Fatal(err)
		}
		return r.Results
	}
	ctx := t.Context()
	if _, err := s.Domain(ctx, "one.example"); !mail.Is(err, mail.NotFound) {
		t.Fatalf("a domain before its time: %v", err)
	}
	do(mail.AddDomain{Domain: mail.Domain{Name: "one.example"}})
	var ids []mail.AccountID
	for i := range 8 {
		p := mail.Path(fmt.Sprintf("u%d@one.example", i))
		if _, err := s.AccountByAddress(ctx, p); !mail.Is(err, mail.NotFound) {
			t.Fatalf("%s before its time: %v", p, err)
		}
		r := do(mail.AddAccount{Account: mail.Account{Address: p}, Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}, {Name: "Old"}}})
		ids = append(ids, r[0].Account)
		if a, err := s.AccountByAddress(ctx, p); err != nil || a.ID != r[0].Account {
			t.Fatalf("%s is not known: %+v, %v", p, a, err)
		}
	}
	var wg sync.WaitGroup
	for i, id := range ids {
		for w := range 4 {
			wg.Go(func() { changeAndRead(t, s, id, i*4+w) })
		}
	}
	wg.Wait()
	type seen struct {
		account mail.Account
		places  []mail.Place
	}
	look := func(s *store.Store) (all []seen) {
		for _, id := range ids {
			a, err := s.Account(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			places, err := s.Places(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, seen{a, places})
		}
		return all
	}
	known := look(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = reopen()
	defer s.Close()
	if diff := cmp.Diff(look(s), known, cmp.AllowUnexported(seen{})); diff != "" {
		t.Errorf("what the index has (-) is not what was known (+):\n%s", diff)
	}
}

// changeAndRead delivers, makes mailboxes and reads in turn; what it did itself it must see.
func changeAndRead(t *testing.T, s *store.Store, id mail.AccountID, seed int) {
	for n := range 20 {
		places, err := s.Places(t.Context(), id)
		if err != nil {
			t.Error(err)
			return
		}
		box := mail.Result{Account: id, Mailbox: places[0].ID}
		if err := deliver(t.Context(), s, box, int64(seed*100+n), []byte("Subject: x\r\n\r\n")); err != nil {
			t.Error(err)
			return
		}
		if n%5 > 0 {
			continue
		}
		name := fmt.Sprintf("m%d.%d", seed, n)
		r, err := s.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{
			mail.CreateMailbox{Account: id, NewMailbox: mail.NewMailbox{Name: name}},
		}})
		if err != nil {
			t.Error(err)
			return
		}
		a, err := s.Account(t.Context(), id)
		if err != nil || a.ModSeq < r.Results[0].ModSeq {
			t.Errorf("after modseq %d the account reads %+v, %v", r.Results[0].ModSeq, a, err)
		}
	}
}

package store_test

import (
	"context"
	"io"
	"testing"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// TestFileAndReopen files a message, closes the store and reads all of it back.
func TestFileAndReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: dir, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(ctx, store.Options{Dir: dir, Log: quiet()}); !mail.Is(err, mail.Conflict) {
		t.Fatalf("a second process opened the store: %v", err)
	}
	set := mail.ChangeSet{}
	set.Add(mail.AddDomain{Domain: mail.Domain{Name: "example.org"}}, mail.AddAccount{
		Account:   mail.Account{Address: "a@example.org"},
		Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}},
	})
	rec, err := s.Commit(ctx, set)
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := s.Mailboxes(ctx, rec.Results[1].Account)
	if err != nil || len(boxes) != 1 {
		t.Fatal(boxes, err)
	}
	if err := deliver(ctx, s, mail.Result{Account: boxes[0].Account, Mailbox: boxes[0].ID}, 1, []byte("hello\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(ctx, store.Options{Dir: dir, Log: quiet()}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := 0
	for m, err := range s.Messages(ctx, boxes[0].ID, mail.UIDRange{First: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(ctx, m.Blob)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil || string(b) != "hello\r\n" || m.UID != 1 || len(m.Prefix) != 400 {
			t.Fatalf("%q %v %+v", b, err, m)
		}
		r.Close()
		n++
	}
	if n != 1 {
		t.Fatalf("%d messages", n)
	}
}

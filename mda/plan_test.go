package mda_test

import (
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mda"
	"github.com/postrider/postrider/testkit/town"
)

// TestTarget chooses the mailbox by the subaddress (RFC 5233 4): a mailbox of that name in any letter case, else INBOX.
func TestTarget(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	ann := w.IDs["ann@one.example"]
	w.Do(t, mail.CreateMailbox{Account: ann, NewMailbox: mail.NewMailbox{Name: "INBOX/Shop"}})
	p := &mda.Planner{Places: w.Store, Clock: mail.SystemClock{}}
	boxes, err := w.Store.Mailboxes(t.Context(), ann)
	if err != nil {
		t.Fatal(err)
	}
	names := map[mail.MailboxID]string{}
	for _, b := range boxes {
		names[b.ID] = b.Name
	}
	for detail, want := range map[string]string{"": "INBOX", "lists": "Lists", "LISTS": "Lists", "shop": "INBOX/Shop", "inbox": "INBOX", "other": "INBOX", "../x": "INBOX"} {
		plan, err := p.Plan(t.Context(), mail.LocalRecipient{Account: ann, Address: "ann@one.example", Given: "ann@one.example", Detail: detail}, &mail.Letter{})
		if err != nil {
			t.Fatal(err)
		}
		add, ok := plan.Changes[0].(mail.AddMessage)
		if !ok || names[add.Mailbox] != want {
			t.Errorf("detail %q is filed in %q, want %q", detail, names[add.Mailbox], want)
		}
	}
}

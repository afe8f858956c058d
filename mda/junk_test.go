package mda_test

import (
	"context"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mda"
	"github.com/postrider/postrider/testkit/town"
)

// verdict is a Sorter with one opinion.
type verdict struct {
	junk bool
	why  string
}

func (v verdict) Sort(context.Context, mail.AccountID, *mail.Letter) (bool, string) {
	return v.junk, v.why
}

// TestJunk files junk in the mailbox for junk with its keyword, whatever the subaddress, and in INBOX where there is none; the trail says why.
func TestJunk(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	ann, bob := w.IDs["ann@one.example"], w.IDs["bob@one.example"]
	w.Do(t, mail.CreateMailbox{Account: ann, NewMailbox: mail.NewMailbox{Name: "Spam", Use: mail.UseJunk}})
	policy := &mail.Letter{Junk: mail.Suspicion{Junk: true, Why: []string{"one.example wants it so."}}}
	for name, c := range map[string]struct {
		account mail.AccountID
		detail  string
		sorter  mda.Sorter
		letter  *mail.Letter
		box     string
		flags   mail.FlagBits
		reason  string
	}{
		"junk":                  {ann, "", verdict{true, "score 9.0 of 5.0"}, &mail.Letter{}, "Spam", mail.Junk, "filed in Spam: score 9.0 of 5.0"},
		"junk to a subaddress":  {ann, "lists", verdict{true, "score 9.0 of 5.0"}, &mail.Letter{}, "Spam", mail.Junk, "filed in Spam: score 9.0 of 5.0"},
		"no mailbox for it":     {bob, "lists", verdict{true, "score 9.0 of 5.0"}, &mail.Letter{}, "INBOX", mail.Junk, "filed in INBOX: score 9.0 of 5.0"},
		"good":                  {ann, "lists", verdict{false, "score 1.0 of 5.0"}, &mail.Letter{}, "Lists", 0, "filed in Lists: score 1.0 of 5.0"},
		"nothing said":          {ann, "", verdict{}, policy, "INBOX", 0, "filed in INBOX"},
		"policy alone":          {ann, "", nil, policy, "Spam", mail.Junk, "filed in Spam: one.example wants it so."},
		"nobody sorts":          {ann, "", nil, &mail.Letter{Junk: mail.Suspicion{Score: 99}}, "INBOX", 0, "filed in INBOX"},
		"the owner's own Spam+": {ann, "spam", verdict{}, &mail.Letter{}, "Spam", 0, "filed in Spam"},
	} {
		p := &mda.Planner{Places: w.Store, Clock: mail.SystemClock{}, Sorter: c.sorter}
		plan, err := p.Plan(t.Context(), mail.LocalRecipient{Account: c.account, Given: "x@one.example", Detail: c.detail}, c.letter)
		if err != nil {
			t.Fatal(err)
		}
		places, err := w.Store.Places(t.Context(), c.account)
		if err != nil {
			t.Fatal(err)
		}
		add := plan.Changes[0].(mail.AddMessage)
		box := ""
		for _, b := range places {
			if b.ID == add.Mailbox {
				box = b.Name
			}
		}
		event := plan.Changes[1].(mail.Record).Event
		if box != c.box || add.Flags.Bits != c.flags || event.Reason != c.reason || event.Outcome != mail.Delivered {
			t.Errorf("%s: in %q with %b, %s %q; want %q, %b, %q", name, box, add.Flags.Bits, event.Outcome, event.Reason, c.box, c.flags, c.reason)
		}
		if got := string(add.Prefix); strings.Contains(strings.ToLower(got), "spam") {
			t.Errorf("%s: the message says so itself: %q", name, got)
		}
	}
}

package junk

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
)

// TestCorpus: an account that has sorted 40 messages of each sort has the others of them sorted for it, and its good mail left alone. What one
// account learns is no other's.
func TestCorpus(t *testing.T) {
	t.Parallel()
	n := newNotes()
	f := filter(t, func(c *Config) { c.Notes, c.Journal = n, n })
	r := rand.New(rand.NewPCG(4, 2))
	good, junk := lines(t, "good"), lines(t, "junk")
	for i := range 40 {
		for sort, corpus := range map[Verdict][]string{Good: good, Junk: junk} {
			e := example{key: uint64(i*2) + uint64(sort), verdict: sort, tokens: tokensOf(t, compose(r, corpus, i))}
			if _, err := f.models.learn(context.Background(), 1, []example{e}); err != nil {
				t.Fatal(err)
			}
		}
	}
	sorted := func(account mail.AccountID, text string) (bool, string) {
		m := from(text)
		m.Evidence = Evidence{SPF: "none", DKIM: "none", DMARC: "none", IPRev: "pass"}
		s, err := f.Assess(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return f.Sort(t.Context(), account, &mail.Letter{Junk: s, Summary: m.Summary})
	}
	var caught, missed, wrong int
	for i := range 100 {
		if is, why := sorted(1, compose(r, junk, 1000+i)); is {
			caught++
		} else {
			missed++
			t.Log("missed:", why)
		}
		if is, why := sorted(1, compose(r, good, 2000+i)); is {
			wrong++
			t.Log("wrong:", why)
		}
	}
	precision, recall := float64(caught)/float64(max(1, caught+wrong)), float64(caught)/float64(caught+missed)
	t.Logf("precision %.2f, recall %.2f", precision, recall)
	if precision < 0.99 || recall < 0.95 {
		t.Errorf("precision %.2f and recall %.2f, want at least 0.99 and 0.95", precision, recall)
	}
	if is, why := sorted(2, compose(r, junk, 1)); is || strings.Contains(why, "owner") {
		t.Errorf("an account that learnt nothing: %v, %s", is, why)
	}
	for _, note := range n.all {
		if len(note.Value) > mail.MaxNote/16 || note.Expires.IsZero() {
			t.Errorf("note %s has %d octets, expires %v", note.Key, len(note.Value), note.Expires)
		}
	}
}

package directory_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
)

// town is two domains with the people and aliases that the tables below speak of.
func town(t *testing.T) (*directory.Resolver, map[mail.Path]mail.AccountID) {
	t.Helper()
	s := newStore(t)
	ids := map[mail.Path]mail.AccountID{}
	commit(t, s, mail.AddDomain{Domain: mail.Domain{Name: "one.example"}})
	commit(t, s, mail.AddDomain{Domain: mail.Domain{Name: "two.example", CatchAll: "ann@one.example"}})
	for i, a := range []mail.Account{
		{Address: "ann@one.example"}, {Address: "bob@one.example"}, {Address: "plus+sign@one.example"},
		{Address: "full@one.example", Quota: 100}, {Address: "eve@two.example"},
	} {
		a.Created = epoch.AddDate(0, 0, i)
		r := commit(t, s, mail.AddAccount{Account: a, Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}}})
		ids[a.Address] = r.Results[0].Account
	}
	for _, a := range []mail.Alias{
		{Address: "team@one.example", Targets: []mail.Path{"ann@one.example", "bob@one.example", "kim@far.example"}},
		{Address: "deep@one.example", Targets: []mail.Path{"team@one.example", "ann+deep@one.example"}},
		{Address: "loop@one.example", Targets: []mail.Path{"pool@one.example"}},
		{Address: "pool@one.example", Targets: []mail.Path{"loop@one.example"}},
		{Address: "gone@one.example", Targets: []mail.Path{"nobody@one.example"}},
		{Address: "half@one.example", Targets: []mail.Path{"nobody@one.example", "bob@one.example"}},
		{Address: "forward@one.example", Targets: []mail.Path{"kim@far.example"}},
		{Address: "toofull@one.example", Targets: []mail.Path{"bob@one.example", "full@one.example"}},
	} {
		commit(t, s, mail.PutAlias{Alias: a})
	}
	return &directory.Resolver{Directory: s, Separator: "+"}, ids
}

// TestResolve shows what a recipient stands for: RFC 5321 3.6.2, RFC 5321 4.5.1 (postmaster), RFC 5233 2 (subaddresses).
func TestResolve(t *testing.T) {
	t.Parallel()
	r, ids := town(t)
	local := func(p mail.Path, detail string) string { return fmt.Sprintf("%d/%s", ids[p], detail) }
	for _, c := range []struct {
		to   mail.Path
		size int64
		want []string // accounts with detail, then addresses elsewhere
		kind mail.Kind
	}{
		{to: "ann@one.example", want: []string{local("ann@one.example", "")}},
		{to: "ANN@One.Example", want: []string{local("ann@one.example", "")}},
		{to: "ann+lists@one.example", want: []string{local("ann@one.example", "lists")}},
		{to: "plus+sign@one.example", want: []string{local("plus+sign@one.example", "")}},
		{to: "team@one.example", want: []string{local("ann@one.example", ""), local("bob@one.example", ""), "kim@far.example"}},
		{to: "team+x@one.example", want: []string{local("ann@one.example", ""), local("bob@one.example", ""), "kim@far.example"}},
		{to: "deep@one.example", want: []string{local("ann@one.example", ""), local("bob@one.example", ""), "kim@far.example"}},
		{to: "half@one.example", want: []string{local("bob@one.example", "")}},
		{to: "forward@one.example", want: []string{"kim@far.example"}},
		{to: "whoever@two.example", want: []string{local("ann@one.example", "")}},
		{to: "eve@two.example", want: []string{local("eve@two.example", "")}},
		{to: "postmaster@one.example", want: []string{local("ann@one.example", "")}},
		{to: "Postmaster", want: []string{local("ann@one.example", "")}},
		{to: "postmaster@two.example", want: []string{local("eve@two.example", "")}},
		{to: "full@one.example", size: 100, want: []string{local("full@one.example", "")}},
		{to: "full@one.example", size: 101, kind: mail.OverQuota},
		{to: "toofull@one.example", size: 101, kind: mail.OverQuota},
		{to: "nobody@one.example", kind: mail.NotFound},
		{to: "loop@one.example", kind: mail.NotFound},
		{to: "gone@one.example", kind: mail.NotFound},
		{to: "kim@far.example", kind: mail.Denied},
		{to: "not an address", kind: mail.Invalid},
	} {
		t.Run(string(c.to), func(t *testing.T) {
			t.Parallel()
			res, err := r.Resolve(t.Context(), c.to, c.size)
			if c.want == nil {
				if !mail.Is(err, c.kind) {
					t.Fatalf("error is %v, want kind %v", err, c.kind)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range res.Local {
				got = append(got, fmt.Sprintf("%d/%s", l.Account, l.Detail))
			}
			for _, p := range res.Remote {
				got = append(got, string(p))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("stands for %q, want %q", got, c.want)
			}
		})
	}
}

// TestMayUse covers RFC 6409 6.1: a user sends as an address that is theirs.
func TestMayUse(t *testing.T) {
	t.Parallel()
	r, ids := town(t)
	for _, c := range []struct {
		who, as mail.Path
		want    bool
	}{
		{"ann@one.example", "ann@one.example", true},
		{"ann@one.example", "ann+shop@one.example", true},
		{"ann@one.example", "team@one.example", true},
		{"ann@one.example", "anything@two.example", true}, // the catch-all is hers
		{"ann@one.example", "bob@one.example", false},
		{"ann@one.example", "nobody@one.example", false},
		{"ann@one.example", "kim@far.example", false},
		{"bob@one.example", "anything@two.example", false},
		{"full@one.example", "full@one.example", true},
		{"bob@one.example", "not an address", false},
	} {
		got, err := r.MayUse(t.Context(), ids[c.who], c.as)
		if err != nil || got != c.want {
			t.Errorf("%s as %s: %v, %v; want %v", c.who, c.as, got, err, c.want)
		}
	}
}

// TestAliasBomb expands a chain and a fan that are longer than any honest one.
func TestAliasBomb(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	commit(t, s, mail.AddDomain{Domain: mail.Domain{Name: "one.example"}})
	for i := range 30 {
		commit(t, s, mail.PutAlias{Alias: mail.Alias{
			Address: mail.Path(fmt.Sprintf("a%d@one.example", i)), Targets: []mail.Path{mail.Path(fmt.Sprintf("a%d@one.example", i+1))},
		}})
	}
	r := &directory.Resolver{Directory: s, Separator: "+"}
	if _, err := r.Resolve(context.Background(), "a0@one.example", 0); !mail.Is(err, mail.Denied) || !strings.Contains(err.Error(), "too far") {
		t.Errorf("a chain of 30 aliases: %v", err)
	}
}

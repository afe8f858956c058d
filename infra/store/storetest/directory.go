package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

func testDomains(f *fixture) {
	d := mail.Domain{Name: "example.org", CatchAll: "all@example.org", Created: f.now}
	f.do(mail.AddDomain{Domain: d})
	f.refuse(mail.Exists, mail.AddDomain{Domain: d})
	got, err := f.Domain(f.ctx, "example.org")
	f.ok(err)
	if got != d {
		f.Errorf("got %+v, want %+v", got, d)
	}
	f.do(mail.AddDomain{Domain: mail.Domain{Name: "a.example", Created: f.now}})
	f.do(mail.UpdateDomain{Domain: mail.Domain{Name: "example.org"}})
	f.refuse(mail.NotFound, mail.UpdateDomain{Domain: mail.Domain{Name: "no.example"}})
	list, err := f.Domains(f.ctx)
	f.ok(err)
	equal(f, "domains", list, []mail.Domain{{Name: "a.example", Created: f.now}, {Name: "example.org", Created: f.now}})

	f.refuse(mail.NotFound, mail.RemoveDomain{Name: "no.example"})
	f.do(mail.PutAlias{Alias: mail.Alias{Address: "x@example.org", Targets: []mail.Path{"y@elsewhere.example"}}})
	f.refuse(mail.Conflict, mail.RemoveDomain{Name: "example.org"})
	f.do(mail.RemoveAlias{Address: "x@example.org"}, mail.RemoveDomain{Name: "example.org"})
	_, err = f.Domain(f.ctx, "example.org")
	f.want(mail.NotFound, err)
}

func testAccounts(f *fixture) {
	p := f.person("ann")
	f.refuse(mail.Conflict, mail.RemoveDomain{Name: "example.org"})
	boxes := []mail.NewMailbox{{Name: "INBOX", Use: mail.UseInbox}}
	f.refuse(mail.Exists, mail.AddAccount{Account: mail.Account{Address: "ann@example.org"}, Mailboxes: boxes})
	f.refuse(mail.NotFound, mail.AddAccount{Account: mail.Account{Address: "ann@no.example"}, Mailboxes: boxes})
	f.refuse(mail.Invalid, mail.AddAccount{Account: mail.Account{Address: "bob@example.org"}})
	f.refuse(mail.Invalid, mail.AddAccount{Account: mail.Account{Address: "example.org"}, Mailboxes: boxes})
	f.do(mail.PutAlias{Alias: mail.Alias{Address: "info@example.org", Targets: []mail.Path{"ann@example.org"}}})
	f.refuse(mail.Exists, mail.AddAccount{Account: mail.Account{Address: "info@example.org"}, Mailboxes: boxes})

	a := f.account(p.id)
	if a.Address != "ann@example.org" || a.Used != 0 || a.Messages != 0 || a.ModSeq == 0 || !a.Created.Equal(f.now) || a.Quota != 0 {
		f.Errorf("a new account reads %+v", a)
	}
	f.do(mail.UpdateAccount{Account: mail.Account{ID: p.id, Address: "ignored@example.org", Name: "Ann", Quota: 1000, Disabled: true, Admin: true, Used: 7}})
	b := f.account(p.id)
	if b.Name != "Ann" || b.Quota != 1000 || !b.Disabled || !b.Admin || a.Admin || b.Address != a.Address || b.Used != 0 || !b.Created.Equal(f.now) {
		f.Errorf("an updated account reads %+v", b)
	}
	if b.ModSeq <= a.ModSeq {
		f.Errorf("an update left the modseq at %d", b.ModSeq)
	}
	f.refuse(mail.NotFound, mail.UpdateAccount{Account: mail.Account{ID: 999}})

	c, err := f.AccountByAddress(f.ctx, "ann@example.org")
	f.ok(err)
	if c != b {
		f.Errorf("by address %+v, by number %+v", c, b)
	}
	_, err = f.AccountByAddress(f.ctx, "no@example.org")
	f.want(mail.NotFound, err)
	_, err = f.Account(f.ctx, 999)
	f.want(mail.NotFound, err)

	f.do(mail.AddDomain{Domain: mail.Domain{Name: "other.example"}},
		mail.AddAccount{Account: mail.Account{Address: "zoe@other.example", Admin: true}, Mailboxes: []mail.NewMailbox{
			{Name: "Lists/go/dev"}, {Name: "inbox", Use: mail.UseInbox}, {Name: "Lists", Subscribed: true}}})
	addresses := func(domain string) (out []mail.Path) {
		list, err := f.Accounts(f.ctx, domain)
		f.ok(err)
		for _, a := range list {
			out = append(out, a.Address)
		}
		return out
	}
	equal(f, "all accounts", addresses(""), []mail.Path{"ann@example.org", "zoe@other.example"})
	equal(f, "accounts of a domain", addresses("other.example"), []mail.Path{"zoe@other.example"})
	z, err := f.AccountByAddress(f.ctx, "zoe@other.example")
	f.ok(err)
	if !z.Admin {
		f.Errorf("an administrator reads %+v", z)
	}
	everybody, err := f.Accounts(f.ctx, "")
	f.ok(err)
	equal(f, "all accounts, whole", everybody, []mail.Account{b, z})
	f.do(mail.UpdateAccount{Account: mail.Account{ID: z.ID}})
	f.reopen()
	if f.account(z.ID).Admin || !f.account(p.id).Admin {
		f.Error("who is an administrator did not last")
	}
	list, err := f.Mailboxes(f.ctx, z.ID)
	f.ok(err)
	var names []string
	for _, m := range list {
		names = append(names, m.Name)
	}
	equal(f, "mailboxes with their parents", names, []string{"INBOX", "Lists", "Lists/go", "Lists/go/dev"})
}

func testAliases(f *fixture) {
	f.person("ann")
	a := mail.Alias{Address: "info@example.org", Targets: []mail.Path{"ann@example.org", `"odd, one"@elsewhere.example`}, Created: f.now}
	f.do(mail.PutAlias{Alias: a})
	same := func(got, want mail.Alias) {
		f.Helper()
		if got.Address != want.Address || !got.Created.Equal(want.Created) || !slices.Equal(got.Targets, want.Targets) {
			f.Errorf("got %+v, want %+v", got, want)
		}
	}
	got, err := f.Alias(f.ctx, a.Address)
	f.ok(err)
	same(got, a)
	a.Targets = []mail.Path{"ann@example.org"}
	f.do(mail.PutAlias{Alias: a})
	list, err := f.Aliases(f.ctx, "example.org")
	f.ok(err)
	if len(list) != 1 {
		f.Fatalf("got %+v", list)
	}
	same(list[0], a)
	if list, err = f.Aliases(f.ctx, "other.example"); err != nil || len(list) != 0 {
		f.Errorf("got %+v, %v", list, err)
	}
	if list, err = f.Aliases(f.ctx, ""); err != nil || len(list) != 1 {
		f.Errorf("got %+v, %v", list, err)
	}
	f.refuse(mail.Exists, mail.PutAlias{Alias: mail.Alias{Address: "ann@example.org", Targets: a.Targets}})
	f.refuse(mail.NotFound, mail.PutAlias{Alias: mail.Alias{Address: "x@no.example", Targets: a.Targets}})
	f.refuse(mail.Invalid, mail.PutAlias{Alias: mail.Alias{Address: "x@example.org"}})
	f.do(mail.RemoveAlias{Address: a.Address})
	f.refuse(mail.NotFound, mail.RemoveAlias{Address: a.Address})
	_, err = f.Alias(f.ctx, a.Address)
	f.want(mail.NotFound, err)
}

func testCredentials(f *fixture) {
	p := f.person("ann")
	list, err := f.Credentials(f.ctx, p.id)
	if err != nil || len(list) != 0 {
		f.Errorf("got %v, %v", list, err)
	}
	_, err = f.Credentials(f.ctx, 999)
	f.want(mail.NotFound, err)
	c := mail.Credential{Account: p.id, Label: "password", Hash: "$argon2id$x", Salt: []byte{0, 1}, Iterations: 4096,
		StoredKey: []byte("stored"), ServerKey: []byte("server"), Created: f.now}
	f.do(mail.PutCredential{Credential: c})
	f.do(mail.PutCredential{Credential: mail.Credential{Account: p.id, Label: "phone", Hash: "$argon2id$y"}})
	c.Hash, c.Scope, c.Expires = "$argon2id$z", mail.ScopeIMAP|mail.ScopeWeb, f.now.Add(time.Hour)
	f.do(mail.PutCredential{Credential: c})
	if list, err = f.Credentials(f.ctx, p.id); err != nil || len(list) != 2 {
		f.Fatalf("got %v, %v", list, err)
	}
	got := list[0]
	if got.Label != "password" {
		got = list[1]
	}
	if got.ID == 0 || got.Account != p.id || got.Hash != c.Hash || string(got.Salt) != "\x00\x01" || got.Iterations != 4096 ||
		string(got.StoredKey) != "stored" || string(got.ServerKey) != "server" || !got.Created.Equal(f.now) ||
		got.Scope != c.Scope || !got.Expires.Equal(c.Expires) {
		f.Errorf("got %+v", got)
	}
	for _, k := range list {
		if k.Label == "phone" && (k.Scope != 0 || !k.Expires.IsZero()) {
			f.Errorf("a plain credential reads %+v", k)
		}
	}
	f.refuse(mail.NotFound, mail.PutCredential{Credential: mail.Credential{Account: 999, Label: "password"}})
	f.refuse(mail.NotFound, mail.RemoveCredential{Account: p.id, Label: "no"})
	f.refuse(mail.NotFound, mail.RemoveCredential{Account: 999, Label: "password"})
	f.do(mail.RemoveCredential{Account: p.id, Label: "password"})
	if list, err = f.Credentials(f.ctx, p.id); err != nil || len(list) != 1 || list[0].Label != "phone" {
		f.Errorf("got %v, %v", list, err)
	}
}

func testRemoveAccount(f *fixture) {
	p, q := f.person("ann"), f.person("bob")
	b := f.body("shared\r\n")
	add := f.message(p, "own\r\n")
	r := f.do(add, mail.AddMessage{Account: p.id, Mailbox: p.archive, Body: b}, mail.AddMessage{Account: q.id, Mailbox: q.inbox, Body: b},
		mail.PutCredential{Credential: mail.Credential{Account: p.id, Label: "password"}},
		mail.PutNote{Note: mail.Note{Kind: "k", Key: "hers", Account: p.id}}, mail.CountNote{Kind: "k", Key: "count", Account: p.id, By: 1},
		mail.PutNote{Note: mail.Note{Kind: "k", Key: "his", Account: q.id}}, mail.PutNote{Note: mail.Note{Kind: "k", Key: "nobody's"}})
	f.refuse(mail.NotFound, mail.RemoveAccount{Account: 999})
	f.do(mail.RemoveAccount{Account: p.id})
	f.refuse(mail.NotFound, mail.RemoveAccount{Account: p.id})
	_, err := f.Account(f.ctx, p.id)
	f.want(mail.NotFound, err)
	_, err = f.Mailboxes(f.ctx, p.id)
	f.want(mail.NotFound, err)
	_, err = f.Message(f.ctx, p.id, r[0].Email)
	f.want(mail.NotFound, err)
	_, err = f.Store.Open(f.ctx, r[0].Blob)
	f.want(mail.NotFound, err)
	_, err = f.Credentials(f.ctx, p.id)
	f.want(mail.NotFound, err)
	for _, err := range f.Placements(f.ctx, p.inbox, mail.UIDRange{First: 1}, 0) {
		f.want(mail.NotFound, err)
	}
	notes, err := f.Notes(f.ctx, mail.NoteQuery{Kind: "k"})
	f.ok(err)
	if len(notes) != 2 || notes[0].Key != "his" || notes[0].Account != q.id || notes[1].Account != 0 {
		f.Errorf("the notes that stay are %+v", notes)
	}
	f.refuse(mail.NotFound, mail.PutNote{Note: mail.Note{Kind: "k", Key: "late", Account: p.id}})
	f.refuse(mail.NotFound, mail.CountNote{Kind: "k", Key: "late", Account: p.id, By: 1})
	if got := f.read(r[2].Blob); got != "shared\r\n" {
		f.Errorf("another's body reads %q", got)
	}
	// The address is free again, and the number is not used again.
	if n := f.person("ann"); n.id <= q.id {
		f.Errorf("a new account got the number %d after %d", n.id, q.id)
	}
}

var _ testing.TB = (*fixture)(nil)

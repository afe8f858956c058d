package storetest

import (
	"slices"

	"github.com/postrider/postrider/mail"
)

func (f *fixture) names(p person) (out []string) {
	f.Helper()
	list, err := f.Mailboxes(f.ctx, p.id)
	f.ok(err)
	for _, m := range list {
		out = append(out, m.Name)
	}
	return out
}

func create(p person, name string) mail.CreateMailbox {
	return mail.CreateMailbox{Account: p.id, NewMailbox: mail.NewMailbox{Name: name}}
}

func testMailboxes(f *fixture) {
	p := f.person("ann")
	before := f.account(p.id).ModSeq
	r := f.do(mail.CreateMailbox{Account: p.id, NewMailbox: mail.NewMailbox{Name: "A/B/Ü", Use: mail.UseSent, Subscribed: true}})[0]
	m := f.box(p, r.Mailbox)
	if m.Name != "A/B/Ü" || m.Use != mail.UseSent || !m.Subscribed || m.UIDNext == 0 || m.UIDValidity == 0 || m.UIDValidity != r.UIDValidity ||
		m.ModSeq == 0 || m.Account != p.id || m.Created.IsZero() {
		f.Errorf("a new mailbox reads %+v, its result was %+v", m, r)
	}
	if got := f.account(p.id).ModSeq; got <= before || r.ModSeq > got {
		f.Errorf("making a mailbox took the modseq from %d to %d and said %d", before, got, r.ModSeq)
	}
	equal(f, "names", f.names(p), []string{"INBOX", "A", "A/B", "A/B/Ü", "Archive", "Junk"})
	f.do(mail.Subscribe{Account: p.id, Mailbox: r.Mailbox})
	if f.box(p, r.Mailbox).Subscribed {
		f.Error("still subscribed")
	}
	f.do(mail.Subscribe{Account: p.id, Mailbox: r.Mailbox, On: true})
	if !f.box(p, r.Mailbox).Subscribed {
		f.Error("not subscribed")
	}

	// A mailbox goes with its messages; those below it stay.
	add := f.message(p, "gone\r\n")
	list, err := f.Mailboxes(f.ctx, p.id)
	f.ok(err)
	add.Mailbox = list[1].ID
	got := f.do(add)[0]
	f.do(mail.DeleteMailbox{Account: p.id, Mailbox: list[1].ID})
	equal(f, "names", f.names(p), []string{"INBOX", "A/B", "A/B/Ü", "Archive", "Junk"})
	_, err = f.Message(f.ctx, p.id, got.Email)
	f.want(mail.NotFound, err)
	_, err = f.Store.Open(f.ctx, got.Blob)
	f.want(mail.NotFound, err)
	_, err = f.Mailbox(f.ctx, p.id, list[1].ID)
	f.want(mail.NotFound, err)
	if a := f.account(p.id); a.Used != 0 || a.Messages != 0 || a.ModSeq <= got.ModSeq {
		f.Errorf("the account reads %+v", a)
	}
}

func testMailboxErrors(f *fixture) {
	p, q := f.person("ann"), f.person("bob")
	for _, name := range []string{"Archive", "INBOX", "inbox", "InBoX"} {
		f.refuse(mail.Exists, create(p, name))
	}
	for _, name := range []string{"", "/", "a/", "/a", "a//b", "a\x00b", "a\nb", "\xff", string(make([]byte, 2000))} {
		f.refuse(mail.Invalid, create(p, name))
	}
	f.refuse(mail.Exists, mail.CreateMailbox{Account: p.id, NewMailbox: mail.NewMailbox{Name: "Other", Use: mail.UseJunk}})
	f.refuse(mail.NotFound, mail.CreateMailbox{Account: 999, NewMailbox: mail.NewMailbox{Name: "X"}})
	f.do(create(p, "archive"), create(p, "inbox/sub")) // names compare exactly, but for INBOX
	equal(f, "names", f.names(p), []string{"INBOX", "Archive", "INBOX/sub", "Junk", "archive"})

	for _, box := range []mail.MailboxID{999, q.inbox} {
		f.refuse(mail.NotFound, mail.DeleteMailbox{Account: p.id, Mailbox: box})
		f.refuse(mail.NotFound, mail.RenameMailbox{Account: p.id, Mailbox: box, Name: "X"})
		f.refuse(mail.NotFound, mail.Subscribe{Account: p.id, Mailbox: box})
		f.refuse(mail.NotFound, mail.AddMessage{Account: p.id, Mailbox: box, Body: f.body("x")})
		f.refuse(mail.NotFound, mail.SetFlags{Account: p.id, Mailbox: box, UIDs: all})
		f.refuse(mail.NotFound, mail.Expunge{Account: p.id, Mailbox: box, UIDs: all})
		f.refuse(mail.NotFound, mail.CopyMessages{Account: p.id, From: p.inbox, To: box, UIDs: all})
		f.refuse(mail.NotFound, mail.CopyMessages{Account: p.id, From: box, To: p.inbox, UIDs: all})
		f.refuse(mail.NotFound, mail.MoveMessages{Account: p.id, From: p.inbox, To: box, UIDs: all})
		_, err := f.Mailbox(f.ctx, p.id, box)
		f.want(mail.NotFound, err)
	}
	f.refuse(mail.Denied, mail.DeleteMailbox{Account: p.id, Mailbox: p.inbox})
	n := 0
	for _, err := range f.Messages(f.ctx, 999, mail.UIDRange{First: 1}) {
		n++
		f.want(mail.NotFound, err)
	}
	if n != 1 {
		f.Errorf("a mailbox that does not exist yielded %d times", n)
	}
	_, err := f.Expunged(f.ctx, 999, 0)
	f.want(mail.NotFound, err)
}

func testRenameMailbox(f *fixture) {
	p := f.person("ann")
	a := f.do(create(p, "A"), create(p, "A/x"), create(p, "A/x/y"), create(p, "Ab"), create(p, "A0"))
	rename := func(box mail.MailboxID, name string) mail.RenameMailbox {
		return mail.RenameMailbox{Account: p.id, Mailbox: box, Name: name}
	}
	before := f.box(p, a[0].Mailbox)
	f.do(rename(a[0].Mailbox, "New/Place"))
	equal(f, "names", f.names(p), []string{"INBOX", "A0", "Ab", "Archive", "Junk", "New", "New/Place", "New/Place/x", "New/Place/x/y"})
	if after := f.box(p, a[0].Mailbox); after.UIDValidity != before.UIDValidity || after.UIDNext != before.UIDNext {
		f.Errorf("a renamed mailbox reads %+v, before %+v", after, before)
	}
	f.refuse(mail.Invalid, rename(p.inbox, "Old"))
	f.refuse(mail.Invalid, rename(a[0].Mailbox, "New/Place/deeper"))
	f.refuse(mail.Invalid, rename(a[0].Mailbox, ""))
	f.refuse(mail.Exists, rename(a[0].Mailbox, "Archive"))
	f.refuse(mail.Exists, rename(a[0].Mailbox, "inbox"))
	f.refuse(mail.Exists, rename(a[0].Mailbox, "New/Place"))

	// A child's new name may be taken even when its parent's is free.
	f.do(create(p, "B/x"))
	list, err := f.Mailboxes(f.ctx, p.id)
	f.ok(err)
	for _, m := range list {
		if m.Name == "B" {
			f.do(mail.DeleteMailbox{Account: p.id, Mailbox: m.ID})
		}
	}
	f.refuse(mail.Exists, rename(a[0].Mailbox, "B"))

	// A tree may move up onto the old name of one of its own.
	c := f.do(create(p, "C/C"), create(p, "C/C/C"))
	list, err = f.Mailboxes(f.ctx, p.id)
	f.ok(err)
	for _, m := range list {
		if m.Name == "C" {
			f.do(mail.DeleteMailbox{Account: p.id, Mailbox: m.ID})
		}
	}
	f.do(rename(c[0].Mailbox, "C"))
	if got := f.box(p, c[1].Mailbox).Name; got != "C/C" {
		f.Errorf("the child is called %q", got)
	}
}

// RFC 8621 2: role and sortOrder of a mailbox can be set; a role is one mailbox's alone, and the inbox keeps its own.
func testUpdateMailbox(f *fixture) {
	p, q := f.person("ann"), f.person("bob")
	update := func(box mail.MailboxID, use mail.SpecialUse, sort uint32) mail.UpdateMailbox {
		return mail.UpdateMailbox{Account: p.id, Mailbox: box, Use: use, Sort: sort}
	}
	made := f.do(create(p, "Sent"))[0].Mailbox
	before, acc := f.box(p, made), f.account(p.id)
	if _, err := f.Places(f.ctx, p.id); err != nil { // so that an engine that remembers them does
		f.Error(err)
	}
	r := f.do(update(made, mail.UseSent, 7))[0]
	want := before
	want.Use, want.Sort = mail.UseSent, 7
	if got := f.box(p, made); got != want || r.Mailbox != made || r.UIDValidity != want.UIDValidity {
		f.Errorf("the mailbox reads %+v, the result %+v", got, r)
	}
	if got := f.account(p.id).ModSeq; r.ModSeq <= acc.ModSeq || got != r.ModSeq {
		f.Errorf("modseq %d after %d; the account reads %d", r.ModSeq, acc.ModSeq, got)
	}
	places, err := f.Places(f.ctx, p.id)
	f.ok(err)
	if i := slices.IndexFunc(places, func(x mail.Place) bool { return x.Use == mail.UseSent }); i < 0 || places[i].ID != made {
		f.Errorf("the places are %+v", places)
	}
	f.do(update(p.inbox, mail.UseInbox, 4_000_000_000), update(made, mail.UseSent, 8), update(p.junk, mail.NoUse, 1), update(made, mail.UseJunk, 8))
	f.reopen()
	if got := f.box(p, made); got.Use != mail.UseJunk || got.Sort != 8 {
		f.Errorf("the mailbox reads %+v", got)
	}
	if got := f.box(p, p.inbox); got.Sort != 4_000_000_000 || got.Use != mail.UseInbox {
		f.Errorf("the inbox reads %+v", got)
	}
	f.refuse(mail.Denied, update(p.inbox, mail.NoUse, 1))
	f.refuse(mail.Denied, update(p.inbox, mail.UseSent, 1))
	f.refuse(mail.Denied, update(made, mail.UseInbox, 1))
	f.refuse(mail.Exists, update(made, mail.UseArch, 1))
	f.refuse(mail.NotFound, update(999, mail.NoUse, 1))
	f.refuse(mail.NotFound, update(q.inbox, mail.UseInbox, 1))
	f.refuse(mail.NotFound, mail.UpdateMailbox{Account: 999, Mailbox: made})
}

// RFC 9051 2.3.1.1: a mailbox that is deleted and made again must not repeat a UIDVALIDITY.
func testUIDValidity(f *fixture) {
	p := f.person("ann")
	last := uint32(0)
	for range 5 {
		r := f.do(create(p, "Again"))[0]
		if r.UIDValidity <= last {
			f.Fatalf("UIDVALIDITY %d came after %d", r.UIDValidity, last)
		}
		last = r.UIDValidity
		f.do(mail.DeleteMailbox{Account: p.id, Mailbox: r.Mailbox})
		f.reopen()
	}
}

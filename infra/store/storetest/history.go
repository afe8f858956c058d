package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/postrider/postrider/mail"
)

// past is what a model knows of its earlier states. It looks at states only, never at what was done: two that follow each other differ in
// what changed between them.
type past struct {
	seqs   []uint64                        // modseqs of the states
	emails map[mail.EmailID]*pastEmail     // all there ever were
	boxes  map[mail.MailboxID]*pastMailbox // all there ever were
}

type pastEmail struct {
	state  string // flags and places; "" when it is gone
	thread mail.ThreadID
	born   uint64
	modseq uint64
}

type pastMailbox struct {
	gone            bool
	about, contents string // what it is, and what is in it
	born            uint64
	changed, filled uint64 // when about and contents changed last
}

// observe takes the model's state in.
func (p *past) observe(m *model) {
	var before uint64
	if n := len(p.seqs); n > 0 {
		before = p.seqs[n-1]
	} else {
		p.emails, p.boxes = map[mail.EmailID]*pastEmail{}, map[mail.MailboxID]*pastMailbox{}
	}
	if before == m.modseq {
		return
	}
	p.seqs = append(p.seqs, m.modseq)
	p.observeEmails(m, before)
	for id, b := range m.boxes {
		about, contents := fmt.Sprint(b.Name, b.Use, b.Sort, b.Subscribed), ""
		for _, x := range b.messages {
			contents += fmt.Sprint(x.UID, x.Email, x.Flags, ";")
		}
		have := p.boxes[id]
		if have == nil {
			have = &pastMailbox{born: m.modseq, about: about, changed: m.modseq, filled: m.modseq}
			p.boxes[id] = have
		}
		if have.about != about {
			have.about, have.changed = about, m.modseq
		}
		if have.contents != contents {
			have.contents, have.filled = contents, m.modseq
		}
	}
	for id, have := range p.boxes {
		if m.boxes[id] == nil && !have.gone {
			have.gone, have.changed = true, m.modseq
		}
	}
}

func (p *past) observeEmails(m *model, before uint64) {
	now := map[mail.EmailID][]*modelMessage{}
	for _, b := range m.boxes {
		for _, x := range b.messages {
			now[x.Email] = append(now[x.Email], x)
		}
	}
	for id, places := range now {
		var lines []string
		seq := m.modseq // of one that left a mailbox
		for _, x := range places {
			lines = append(lines, fmt.Sprint(x.Mailbox, x.UID, x.Flags))
			if x.ModSeq > before {
				seq = x.ModSeq // a set of several changes has several
			}
		}
		slices.Sort(lines)
		have := p.emails[id]
		if have == nil {
			have = &pastEmail{thread: places[0].Thread, born: seq}
			p.emails[id] = have
		}
		if state := fmt.Sprint(lines); have.state != state {
			have.state, have.modseq = state, seq
		}
	}
	for id, have := range p.emails {
		if now[id] == nil && have.state != "" {
			have.state, have.modseq = "", m.modseq
		}
	}
}

// since is what must be told of all that happened after a state.
func (p *past) since(since uint64) (c mail.Changes) {
	c.To = p.seqs[len(p.seqs)-1]
	for id, e := range p.emails {
		if e.modseq > since {
			c.Emails = append(c.Emails, mail.EmailChange{Email: id, Thread: e.thread, ModSeq: e.modseq, New: e.born > since, Gone: e.state == ""})
		}
	}
	for id, b := range p.boxes {
		x := mail.MailboxChange{Mailbox: id, ModSeq: max(b.changed, b.filled), New: b.born > since, Gone: b.gone, Only: b.changed <= since}
		if x.ModSeq > since {
			c.Mailboxes = append(c.Mailboxes, x)
		}
	}
	return c
}

// compareLately asks what changed since the latest states, and now and then since each there was.
func (m *model) compareLately(f *fixture) {
	f.Helper()
	seqs := m.past.seqs
	if n := len(seqs); n%8 != 0 {
		seqs = seqs[max(0, n-3):]
	}
	m.compareHistory(f, append([]uint64{0, m.modseq + 100}, seqs...))
}

// compareHistory asks what changed since some states.
func (m *model) compareHistory(f *fixture, seqs []uint64) {
	f.Helper()
	for _, since := range seqs {
		want := m.past.since(since)
		if got := f.changes(m.id, since); !sameChanges(got, want) {
			f.Fatalf("since %d of %v: got  %+v\nwant %+v", since, m.past.seqs, got, want)
		}
	}
}

// changes reads what happened since, and sorts it by number. Nothing was forgotten.
func (f *fixture) changes(id mail.AccountID, since uint64) mail.Changes {
	f.Helper()
	c, err := f.Changes(f.ctx, id, since)
	f.ok(err)
	if c.From != 0 {
		f.Fatalf("an account's history begins at %d, though nothing was forgotten", c.From)
	}
	return c
}

// sameChanges compares without regard to order.
func sameChanges(a, b mail.Changes) bool {
	for _, c := range []*mail.Changes{&a, &b} {
		slices.SortFunc(c.Emails, func(x, y mail.EmailChange) int { return cmp.Compare(x.Email, y.Email) })
		slices.SortFunc(c.Mailboxes, func(x, y mail.MailboxChange) int { return cmp.Compare(x.Mailbox, y.Mailbox) })
	}
	return a.From == b.From && a.To == b.To && slices.Equal(a.Emails, b.Emails) && slices.Equal(a.Mailboxes, b.Mailboxes)
}

// RFC 8620 5.2: what was created, updated and destroyed since a state, each thing once.
func testHistory(f *fixture) {
	p, q := f.person("ann"), f.person("bob")
	r := f.file(p, 4)
	start := f.account(p.id).ModSeq
	if c := f.changes(p.id, start); len(c.Emails)+len(c.Mailboxes) != 0 || c.To != start {
		f.Errorf("since now: %+v", c)
	}
	flagged := f.do(mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: single(1), Flags: mail.Flags{Bits: mail.Seen}})[0].ModSeq
	placed := f.do(place(p, r[1].Email, p.archive))[0].ModSeq
	moved := f.do(mail.MoveMessages{Account: p.id, From: p.inbox, To: p.junk, UIDs: single(3)})[0].ModSeq
	left := f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: single(2)})[0].ModSeq
	gone := f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: single(4)})[0].ModSeq
	fresh := f.do(f.message(p, "new\r\n"))[0]
	f.file(q, 2)
	email := func(x mail.Result, seq uint64, isNew, gone bool) mail.EmailChange {
		return mail.EmailChange{Email: x.Email, Thread: x.Thread, ModSeq: seq, New: isNew, Gone: gone}
	}
	box := func(id mail.MailboxID, seq uint64) mail.MailboxChange {
		return mail.MailboxChange{Mailbox: id, ModSeq: seq, Only: true}
	}
	want := mail.Changes{To: fresh.ModSeq,
		Emails: []mail.EmailChange{email(r[0], flagged, false, false), email(r[1], left, false, false), email(r[2], moved, false, false),
			email(r[3], gone, false, true), email(fresh, fresh.ModSeq, true, false)},
		Mailboxes: []mail.MailboxChange{box(p.inbox, fresh.ModSeq), box(p.archive, placed), box(p.junk, moved)}}
	for range 2 {
		if got := f.changes(p.id, start); !sameChanges(got, want) {
			f.Errorf("got  %+v\nwant %+v", got, want)
		}
		f.reopen()
	}
	// One that came since and is gone again is told as both.
	f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: single(fresh.UID)})
	got := f.changes(p.id, gone)
	if len(got.Emails) != 1 || got.Emails[0] != email(fresh, got.To, true, true) {
		f.Errorf("got %+v", got)
	}
	got = f.changes(p.id, fresh.ModSeq)
	if len(got.Emails) != 1 || got.Emails[0] != email(fresh, got.To, false, true) {
		f.Errorf("got %+v", got)
	}
	_, err := f.Changes(f.ctx, 999, 0)
	f.want(mail.NotFound, err)
	f.do(mail.RemoveAccount{Account: p.id})
	_, err = f.Changes(f.ctx, p.id, 0)
	f.want(mail.NotFound, err)
}

// RFC 8621 2.2: a mailbox in which nothing but the counts changed is told apart from one that changed itself.
func testHistoryOfMailboxes(f *fixture) {
	p := f.person("ann")
	made := f.do(create(p, "A/B"))[0]
	var parent mail.MailboxID
	list, err := f.Mailboxes(f.ctx, p.id)
	f.ok(err)
	for _, b := range list {
		if b.Name == "A" {
			parent = b.ID
		}
	}
	since := func(seq uint64, want ...mail.MailboxChange) {
		f.Helper()
		got := f.changes(p.id, seq)
		if got.Emails = nil; !sameChanges(got, mail.Changes{To: got.To, Mailboxes: want}) {
			f.Errorf("since %d: got %+v\nwant %+v", seq, got.Mailboxes, want)
		}
	}
	since(made.ModSeq-1, mail.MailboxChange{Mailbox: parent, ModSeq: made.ModSeq, New: true}, mail.MailboxChange{Mailbox: made.Mailbox, ModSeq: made.ModSeq, New: true})
	for _, c := range []mail.Change{
		mail.UpdateMailbox{Account: p.id, Mailbox: made.Mailbox, Sort: 3},
		mail.UpdateMailbox{Account: p.id, Mailbox: made.Mailbox, Use: mail.UseSent, Sort: 3},
		mail.Subscribe{Account: p.id, Mailbox: made.Mailbox, On: true},
		mail.RenameMailbox{Account: p.id, Mailbox: made.Mailbox, Name: "C"},
	} {
		last := f.account(p.id).ModSeq
		seq := f.do(c)[0].ModSeq
		since(last, mail.MailboxChange{Mailbox: made.Mailbox, ModSeq: seq})
	}
	renamed := f.account(p.id).ModSeq
	add := f.message(p, "x\r\n")
	add.Mailbox = made.Mailbox
	filed := f.do(add)[0]
	since(renamed, mail.MailboxChange{Mailbox: made.Mailbox, ModSeq: filed.ModSeq, Only: true})
	since(renamed-1, mail.MailboxChange{Mailbox: made.Mailbox, ModSeq: filed.ModSeq})
	// A tree that is renamed changes as a whole.
	child := f.do(create(p, "C/D"))[0]
	renamedTree := f.do(mail.RenameMailbox{Account: p.id, Mailbox: made.Mailbox, Name: "E"})[0].ModSeq
	since(child.ModSeq, mail.MailboxChange{Mailbox: made.Mailbox, ModSeq: renamedTree}, mail.MailboxChange{Mailbox: child.Mailbox, ModSeq: renamedTree})
	// A deleted one is told with its messages.
	last := f.account(p.id).ModSeq
	f.do(mail.PutCredential{Credential: mail.Credential{Account: p.id, Label: "x"}})
	since(last)
	seq := f.do(mail.DeleteMailbox{Account: p.id, Mailbox: made.Mailbox})[0].ModSeq
	f.reopen()
	since(last, mail.MailboxChange{Mailbox: made.Mailbox, ModSeq: seq, Gone: true})
	since(made.ModSeq-1, mail.MailboxChange{Mailbox: parent, ModSeq: made.ModSeq, New: true}, mail.MailboxChange{Mailbox: child.Mailbox, ModSeq: renamedTree, New: true},
		mail.MailboxChange{Mailbox: made.Mailbox, ModSeq: seq, New: true, Gone: true})
	want := []mail.EmailChange{{Email: filed.Email, Thread: filed.Thread, ModSeq: seq, Gone: true}}
	equal(f, "messages of a deleted mailbox", f.changes(p.id, last).Emails, want)
}

// What one set does is told with the modseq of each change.
func testHistoryOfOneSet(f *fixture) {
	p := f.person("ann")
	start := f.account(p.id).ModSeq
	r := f.do(f.message(p, "a\r\n"), f.message(p, "b\r\n"),
		mail.CopyMessages{Account: p.id, From: p.inbox, To: p.archive, UIDs: single(1)},
		mail.MoveMessages{Account: p.id, From: p.inbox, To: p.junk, UIDs: all},
		mail.Expunge{Account: p.id, Mailbox: p.junk, UIDs: single(1)},
		mail.SetFlags{Account: p.id, Mailbox: p.junk, UIDs: single(2), Flags: mail.Flags{Bits: mail.Seen}})
	copied := f.places(p.archive, 0)[0]
	want := map[mail.EmailID]mail.EmailChange{
		r[0].Email:   {Email: r[0].Email, Thread: r[0].Thread, ModSeq: r[4].ModSeq, New: true, Gone: true},
		r[1].Email:   {Email: r[1].Email, Thread: r[1].Thread, ModSeq: r[5].ModSeq, New: true},
		copied.Email: {Email: copied.Email, Thread: copied.Thread, ModSeq: r[2].ModSeq, New: true},
	}
	got := map[mail.EmailID]mail.EmailChange{}
	for _, e := range f.changes(p.id, start).Emails {
		got[e.Email] = e
	}
	if !maps.Equal(got, want) {
		f.Errorf("got %+v\nwant %+v", got, want)
	}
	// A refused set leaves nothing in the history.
	before := f.changes(p.id, 0)
	_, err := f.Commit(f.ctx, mail.ChangeSet{Changes: []mail.Change{
		mail.Expunge{Account: p.id, Mailbox: p.archive, UIDs: all}, mail.DeleteMailbox{Account: p.id, Mailbox: p.archive},
		mail.DeleteMailbox{Account: p.id, Mailbox: p.inbox}}})
	f.want(mail.Denied, err)
	if after := f.changes(p.id, 0); !sameChanges(after, before) {
		f.Errorf("got %+v\nwant %+v", after, before)
	}
}

package storetest

import (
	"cmp"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
)

// placeMessages puts messages the model knows into one more mailbox each, one set for each.
func (m *machine) placeMessages() {
	from, to := m.anyBox(), m.anyBox()
	if len(from.messages) == 0 {
		m.add()
		return
	}
	for range rapid.IntRange(1, 3).Draw(m.rt, "placements") {
		m.placeMessage(rapid.SampledFrom(from.messages).Draw(m.rt, "message"), to)
	}
}

func (m *machine) placeMessage(x *modelMessage, to *modelBox) {
	c := mail.PlaceMessage{Account: m.id, Email: x.Email, To: to.ID, Saved: m.clock}
	there := slices.IndexFunc(to.messages, func(y *modelMessage) bool { return y.Email == x.Email })
	rec, err := m.Commit(m.ctx, mail.ChangeSet{Changes: []mail.Change{c}})
	if there < 0 && m.quota > 0 && m.used()+x.Size > m.quota {
		m.want(mail.OverQuota, err)
		return
	}
	m.ok(err)
	r := rec.Results[0]
	if r.Mailbox != to.ID || r.UIDValidity != to.UIDValidity || r.Email != x.Email || r.Thread != x.Thread {
		m.Fatalf("placing %+v gave %+v", x.Placement, r)
	}
	if there >= 0 {
		if r.UID != to.messages[there].UID || r.ModSeq > m.modseq {
			m.Fatalf("placing a message where it is, %+v, gave %+v", to.messages[there].Placement, r)
		}
		return
	}
	if r.UID < to.UIDNext {
		m.Fatalf("UID %d was given where UIDNEXT was %d", r.UID, to.UIDNext)
	}
	y := *x
	y.Mailbox, y.UID, y.ModSeq, y.Saved = to.ID, r.UID, m.raise(r), m.clock.Truncate(time.Microsecond)
	to.UIDNext, to.ModSeq = r.UID+1, r.ModSeq
	to.messages = append(to.messages, &y)
	m.past.observe(m.model)
}

// placesOf lists where a message is, by mailbox.
func (f *fixture) placesOf(p person, id mail.EmailID) []mail.Placement {
	f.Helper()
	list, err := f.PlacementsOf(f.ctx, p.id, id)
	f.ok(err)
	return byMailbox(list...)
}

func byMailbox(list ...mail.Placement) []mail.Placement {
	slices.SortFunc(list, func(a, b mail.Placement) int { return cmp.Compare(a.Mailbox, b.Mailbox) })
	return list
}

func place(p person, id mail.EmailID, to mail.MailboxID) mail.PlaceMessage {
	return mail.PlaceMessage{Account: p.id, Email: id, To: to}
}

// RFC 8621 4.1.1: a message may be in several mailboxes, as one Email.
func testPlaceMessage(f *fixture) {
	p, q := f.person("ann"), f.person("bob")
	add := f.message(p, "in two\r\n")
	add.Flags = mail.Flags{Bits: mail.Flagged, Keywords: "k"}
	r := f.do(add)[0]
	before, src := f.account(p.id), f.placesOf(p, r.Email)[0]
	saved := f.now.Add(time.Hour)
	got := f.do(mail.PlaceMessage{Account: p.id, Email: r.Email, To: p.archive, Saved: saved})[0]
	box := f.box(p, p.archive)
	if got.Mailbox != p.archive || got.UIDValidity != box.UIDValidity || got.UID == 0 || got.Email != r.Email || got.Thread != r.Thread || got.ModSeq <= r.ModSeq {
		f.Errorf("the result is %+v", got)
	}
	want := src
	want.Mailbox, want.UID, want.ModSeq, want.Saved = p.archive, got.UID, got.ModSeq, saved
	equal(f, "its places", f.placesOf(p, r.Email), byMailbox(src, want))
	equal(f, "the other mailbox", f.places(p.archive, 0), []mail.Placement{want})
	if box.Messages != 1 || box.Unseen != 1 || box.Size != src.Size || box.ModSeq != got.ModSeq || box.UIDNext <= got.UID {
		f.Errorf("the mailbox reads %+v", box)
	}
	if in := f.box(p, p.inbox); in.ModSeq != r.ModSeq {
		f.Errorf("the first mailbox reads %+v", in)
	}
	if a := f.account(p.id); a.Used != 2*before.Used || a.Messages != 2 || a.ModSeq != got.ModSeq {
		f.Errorf("the account reads %+v, before %+v", a, before)
	}
	// Once more is no change.
	again := f.do(place(p, r.Email, p.archive), place(p, r.Email, p.inbox))
	if again[0].UID != got.UID || again[1].UID != r.UID || again[1].Mailbox != p.inbox || f.account(p.id).ModSeq != got.ModSeq {
		f.Errorf("placing it where it is gave %+v", again)
	}
	f.refuse(mail.NotFound, place(p, 999, p.archive))
	f.refuse(mail.NotFound, place(p, r.Email, q.inbox))
	f.refuse(mail.NotFound, place(p, r.Email, 999))
	f.refuse(mail.NotFound, place(q, r.Email, q.archive))
	f.refuse(mail.NotFound, place(person{id: 999}, r.Email, p.archive))
	// Every placement counts; one that is there already needs no room.
	f.do(mail.UpdateAccount{Account: mail.Account{ID: p.id, Quota: 3*src.Size - 1}})
	f.refuse(mail.OverQuota, place(p, r.Email, p.junk))
	f.do(place(p, r.Email, p.archive))
	f.do(mail.UpdateAccount{Account: mail.Account{ID: p.id, Quota: 3 * src.Size}}, place(p, r.Email, p.junk))
	// A set that fails later leaves it where it was.
	f.do(mail.Expunge{Account: p.id, Mailbox: p.junk, UIDs: all})
	_, err := f.Commit(f.ctx, mail.ChangeSet{Changes: []mail.Change{place(p, r.Email, p.junk), mail.DeleteMailbox{Account: p.id, Mailbox: p.inbox}}})
	f.want(mail.Denied, err)
	f.reopen()
	equal(f, "its places", f.placesOf(p, r.Email), byMailbox(src, want))
}

// A message's flags are the same in all its mailboxes, whichever they are set through; each of them counts and shows the change.
func testFlagsEverywhere(f *fixture) {
	p := f.person("ann")
	r := f.file(p, 3)
	f.do(place(p, r[1].Email, p.archive), place(p, r[1].Email, p.junk), place(p, r[2].Email, p.archive))
	lone := f.box(p, p.junk)
	set := f.do(mail.SetFlags{Account: p.id, Mailbox: p.archive, UIDs: single(2), Flags: mail.Flags{Bits: mail.Seen}},
		mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: 1, Last: 2}}, Flags: mail.Flags{Bits: mail.Seen | mail.Deleted, Keywords: "k"}})
	for i, want := range []struct {
		flags  mail.Flags
		modseq uint64
		places int
	}{
		{mail.Flags{Bits: mail.Seen | mail.Deleted, Keywords: "k"}, set[1].ModSeq, 1},
		{mail.Flags{Bits: mail.Seen | mail.Deleted, Keywords: "k"}, set[1].ModSeq, 3},
		{mail.Flags{Bits: mail.Seen}, set[0].ModSeq, 2},
	} {
		list := f.placesOf(p, r[i].Email)
		if len(list) != want.places {
			f.Errorf("message %d is at %+v", i, list)
		}
		for _, pl := range list {
			if pl.Flags != want.flags || pl.ModSeq != want.modseq {
				f.Errorf("message %d reads %+v, want %+v", i, pl, want)
			}
		}
	}
	for id, want := range map[mail.MailboxID][2]int64{p.inbox: {0, 2}, p.archive: {0, 1}, p.junk: {0, 1}} {
		if b := f.box(p, id); b.Unseen != want[0] || b.Deleted != want[1] || b.ModSeq != set[1].ModSeq {
			f.Errorf("the mailbox reads %+v, want unseen and deleted %v", b, want)
		}
	}
	equal(f, "changed in a mailbox nobody named", f.places(p.junk, lone.ModSeq), f.places(p.junk, 0))
	// RFC 7162 3.1.3: a change through one mailbox counts against UNCHANGEDSINCE in another.
	c := f.do(mail.SetFlags{Account: p.id, Mailbox: p.junk, UIDs: all, Flags: mail.Flags{Bits: mail.Flagged}, CheckModSeq: true, UnchangedSince: set[0].ModSeq})[0]
	equal(f, "unchanged", expand(c.Unchanged), []uint32{1})
}

// RFC 6851 3.3: a message that is moved to a mailbox which has it gets a new UID there, like all that are moved, and is there once.
func testMoveWhereItIs(f *fixture) {
	p := f.person("ann")
	r := f.file(p, 3)
	old := f.do(place(p, r[2].Email, p.archive), place(p, r[0].Email, p.archive))
	before := f.account(p.id)
	m := f.do(mail.MoveMessages{Account: p.id, From: p.inbox, To: p.archive, UIDs: all})[0]
	from, to := pairs(m.Copied)
	equal(f, "moved from", from, []uint32{1, 2, 3})
	equal(f, "left behind", f.uids(p.inbox), nil)
	equal(f, "what is there", f.uids(p.archive), to)
	equal(f, "expunged of the first mailbox", expand(m.Expunged), []uint32{1, 2, 3})
	gone, err := f.Expunged(f.ctx, p.archive, before.ModSeq)
	f.ok(err)
	equal(f, "expunged of the other", expand(gone), []uint32{old[0].UID, old[1].UID})
	b, a := f.box(p, p.archive), f.account(p.id)
	if b.Messages != 3 || b.Unseen != 3 || a.Messages != 3 || a.Used != before.Used/5*3 || b.Size != a.Used {
		f.Errorf("the mailbox reads %+v, the account %+v", b, a)
	}
	// What the second places took is free again.
	f.do(mail.UpdateAccount{Account: mail.Account{ID: p.id, Quota: a.Used / 3 * 4}})
	f.do(place(p, r[1].Email, p.junk))
	f.refuse(mail.OverQuota, place(p, r[1].Email, p.inbox))
	f.do(mail.Expunge{Account: p.id, Mailbox: p.junk, UIDs: all})
	for _, x := range r {
		if list := f.placesOf(p, x.Email); len(list) != 1 || list[0].Mailbox != p.archive {
			f.Errorf("a message is at %+v", list)
		}
	}
}

// A message stays, with its body, until its last place is gone.
func testLeaveOnePlace(f *fixture) {
	p := f.person("ann")
	box := f.do(create(p, "Box"))[0].Mailbox
	r := f.file(p, 2)
	f.do(place(p, r[0].Email, p.archive), place(p, r[0].Email, box), place(p, r[1].Email, box))
	copied := f.do(mail.CopyMessages{Account: p.id, From: box, To: p.junk, UIDs: single(1)})[0]
	f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: all})
	if list := f.placesOf(p, r[0].Email); len(list) != 2 || copied.Copied[0].To == 0 {
		f.Errorf("the message is at %+v", list)
	}
	f.do(mail.DeleteMailbox{Account: p.id, Mailbox: box})
	if list := f.placesOf(p, r[0].Email); len(list) != 1 || list[0].Mailbox != p.archive {
		f.Errorf("the message is at %+v", list)
	}
	_, err := f.Message(f.ctx, p.id, r[1].Email)
	f.want(mail.NotFound, err)
	if got := f.read(r[0].Blob); got != "a message\r\n" {
		f.Errorf("the body reads %q", got)
	}
	f.do(mail.MoveMessages{Account: p.id, From: p.archive, To: p.inbox, UIDs: all}, mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: all})
	_, err = f.Message(f.ctx, p.id, r[0].Email)
	f.want(mail.NotFound, err)
	if got := f.read(r[0].Blob); got != "a message\r\n" { // the copy has it
		f.Errorf("the body reads %q", got)
	}
	f.do(mail.RemoveAccount{Account: p.id})
	_, err = f.Store.Open(f.ctx, r[0].Blob)
	f.want(mail.NotFound, err)
}

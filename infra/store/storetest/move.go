package storetest

import (
	"github.com/postrider/postrider/mail"
)

func pairs(list []mail.UIDPair) (from, to []uint32) {
	for _, p := range list {
		from, to = append(from, p.From), append(to, p.To)
	}
	return from, to
}

func testCopy(f *fixture) {
	p := f.person("ann")
	r := f.file(p, 5)
	f.do(mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: 2, Last: 3}}, Flags: mail.Flags{Bits: mail.Seen | mail.Deleted, Keywords: "k"}})
	saved := f.now.Add(1000)
	c := f.do(mail.CopyMessages{Account: p.id, From: p.inbox, To: p.archive, UIDs: []mail.UIDRange{{First: 4, Last: 4}, {First: 2, Last: 3}, {First: 9}}, Saved: saved})[0]
	from, to := pairs(c.Copied)
	equal(f, "copied from", from, []uint32{2, 3, 4})
	got := f.places(p.archive, 0)
	for i, pl := range got {
		src := f.places(p.inbox, 0)[from[i]-1]
		if pl.UID != to[i] || pl.Flags != src.Flags || pl.Size != src.Size || !pl.Received.Equal(src.Received) || !pl.Saved.Equal(saved) ||
			pl.Email == src.Email || pl.Thread != src.Thread || pl.ModSeq != c.ModSeq {
			f.Errorf("the copy of %+v is %+v", src, pl)
		}
		a, err := f.Message(f.ctx, p.id, src.Email)
		f.ok(err)
		b, err := f.Message(f.ctx, p.id, pl.Email)
		f.ok(err)
		if a.Blob != b.Blob || string(a.Prefix) != string(b.Prefix) || string(a.Summary) != string(b.Summary) || a.Size != b.Size {
			f.Errorf("the copy of %+v is %+v", a, b)
		}
	}
	m := f.box(p, p.archive)
	if c.Mailbox != p.archive || c.UIDValidity != m.UIDValidity || m.Messages != 3 || m.Unseen != 1 || m.Deleted != 2 || m.ModSeq != c.ModSeq {
		f.Errorf("the result is %+v, the mailbox %+v", c, m)
	}
	if a := f.account(p.id); a.Messages != 8 || a.Used != 8*f.places(p.inbox, 0)[0].Size {
		f.Errorf("the account reads %+v", a)
	}
	// A copy outlives its original.
	f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: all})
	if got := f.read(r[1].Blob); got != "a message\r\n" {
		f.Errorf("the body reads %q", got)
	}
	_, err := f.Store.Open(f.ctx, r[0].Blob)
	f.want(mail.NotFound, err)

	// To the same mailbox, endless range: what is copied is what was there.
	same := f.do(mail.CopyMessages{Account: p.id, From: p.archive, To: p.archive, UIDs: all})[0]
	if len(same.Copied) != 3 || f.box(p, p.archive).Messages != 6 {
		f.Errorf("a copy to the same mailbox gave %+v", same)
	}
	before := f.account(p.id).ModSeq
	none := f.do(mail.CopyMessages{Account: p.id, From: p.inbox, To: p.archive, UIDs: all})[0]
	if len(none.Copied) != 0 || none.Mailbox != p.archive || f.account(p.id).ModSeq != before {
		f.Errorf("copying nothing gave %+v", none)
	}
}

// RFC 6851 3.3: a move leaves a tombstone where the message was.
func testMove(f *fixture) {
	p := f.person("ann")
	r := f.file(p, 5)
	f.do(mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: 2, Last: 3}}, Flags: mail.Flags{Bits: mail.Seen}})
	before := f.account(p.id)
	src := f.places(p.inbox, 0)
	c := f.do(mail.MoveMessages{Account: p.id, From: p.inbox, To: p.archive, UIDs: []mail.UIDRange{{First: 1, Last: 2}, {First: 5}}, Saved: f.now.Add(5)})[0]
	from, to := pairs(c.Copied)
	equal(f, "moved from", from, []uint32{1, 2, 5})
	equal(f, "expunged", expand(c.Expunged), []uint32{1, 2, 5})
	equal(f, "left", f.uids(p.inbox), []uint32{3, 4})
	for i, pl := range f.places(p.archive, 0) {
		want := src[from[i]-1]
		want.Mailbox, want.UID, want.ModSeq, want.Saved = p.archive, to[i], c.ModSeq, pl.Saved
		if pl != want || !pl.Saved.Equal(f.now.Add(5).Truncate(1000)) {
			f.Errorf("moved to %+v, want %+v", pl, want)
		}
	}
	list, err := f.PlacementsOf(f.ctx, p.id, r[0].Email)
	f.ok(err)
	if len(list) != 1 || list[0].Mailbox != p.archive {
		f.Errorf("the message is at %+v", list)
	}
	gone, err := f.Expunged(f.ctx, p.inbox, before.ModSeq)
	f.ok(err)
	equal(f, "tombstones", expand(gone), []uint32{1, 2, 5})
	a, in, ar := f.account(p.id), f.box(p, p.inbox), f.box(p, p.archive)
	if a.Used != before.Used || a.Messages != 5 || a.ModSeq != c.ModSeq || in.ModSeq != c.ModSeq || ar.ModSeq != c.ModSeq ||
		in.Messages != 2 || in.Unseen != 1 || ar.Messages != 3 || ar.Unseen != 2 {
		f.Errorf("account %+v, from %+v, to %+v", a, in, ar)
	}
	// Within one mailbox it gives new UIDs.
	same := f.do(mail.MoveMessages{Account: p.id, From: p.inbox, To: p.inbox, UIDs: all})[0]
	equal(f, "moved", expand(same.Expunged), []uint32{3, 4})
	if got := f.uids(p.inbox); len(got) != 2 || got[0] <= 5 {
		f.Errorf("UIDs after a move in place: %v", got)
	}
	if m := f.box(p, p.inbox); m.Messages != 2 || m.Size != in.Size {
		f.Errorf("the mailbox reads %+v", m)
	}
}

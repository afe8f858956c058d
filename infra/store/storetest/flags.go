package storetest

import (
	"fmt"
	"strings"

	"github.com/postrider/postrider/mail"
)

// flags reads the flags of each message of the inbox.
func (f *fixture) flags(p person) (out []mail.Flags) {
	f.Helper()
	for _, pl := range f.places(p.inbox, 0) {
		out = append(out, pl.Flags)
	}
	return out
}

func testSetFlags(f *fixture) {
	p := f.person("ann")
	f.file(p, 3)
	set := func(op mail.FlagsOp, bits mail.FlagBits, keywords string, uids ...mail.UIDRange) mail.Result {
		f.Helper()
		return f.do(mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: uids, Op: op, Flags: mail.Flags{Bits: bits, Keywords: keywords}})[0]
	}
	fl := func(bits mail.FlagBits, keywords string) mail.Flags {
		return mail.Flags{Bits: bits, Keywords: keywords}
	}
	first := f.account(p.id).ModSeq

	r := set(mail.FlagsAdd, mail.Seen|mail.Flagged, "work", mail.UIDRange{First: 1, Last: 2}, mail.UIDRange{First: 77, Last: 78})
	equal(f, "flags", f.flags(p), []mail.Flags{fl(mail.Seen|mail.Flagged, "work"), fl(mail.Seen|mail.Flagged, "work"), {}})
	if r.ModSeq <= first || r.ModSeq != f.account(p.id).ModSeq || r.Mailbox != p.inbox || len(r.Unchanged) != 0 {
		f.Errorf("the result is %+v", r)
	}
	equal(f, "placements of the result", r.Placements, f.places(p.inbox, 0)[:2])
	if m := f.box(p, p.inbox); m.Unseen != 1 || m.Deleted != 0 || m.ModSeq != r.ModSeq {
		f.Errorf("the mailbox reads %+v", m)
	}

	// A message whose flags are so already keeps its modseq, but is listed.
	again := set(mail.FlagsAdd, mail.Seen, "work", mail.UIDRange{First: 1})
	if len(again.Placements) != 3 || again.Placements[0].ModSeq != r.ModSeq || again.Placements[2].ModSeq != again.ModSeq || again.ModSeq <= r.ModSeq {
		f.Errorf("the result is %+v", again)
	}
	equal(f, "flags", f.flags(p), []mail.Flags{fl(mail.Seen|mail.Flagged, "work"), fl(mail.Seen|mail.Flagged, "work"), fl(mail.Seen, "work")})
	if none := set(mail.FlagsAdd, mail.Seen, "", all...); f.account(p.id).ModSeq != again.ModSeq || len(none.Placements) != 3 {
		f.Errorf("changing nothing gave %+v and the modseq %d", none, f.account(p.id).ModSeq)
	}

	set(mail.FlagsRemove, mail.Flagged, "work nothere", mail.UIDRange{First: 2, Last: 3})
	equal(f, "flags", f.flags(p), []mail.Flags{fl(mail.Seen|mail.Flagged, "work"), fl(mail.Seen, ""), fl(mail.Seen, "")})
	set(mail.FlagsReplace, mail.Deleted, "x y", mail.UIDRange{First: 1, Last: 1}, mail.UIDRange{First: 3})
	equal(f, "flags", f.flags(p), []mail.Flags{fl(mail.Deleted, "x y"), fl(mail.Seen, ""), fl(mail.Deleted, "x y")})
	if m := f.box(p, p.inbox); m.Unseen != 2 || m.Deleted != 2 {
		f.Errorf("the mailbox reads %+v", m)
	}
	// Overlapping ranges count a message once.
	set(mail.FlagsReplace, 0, "", mail.UIDRange{First: 2}, mail.UIDRange{First: 1, Last: 3}, mail.UIDRange{First: 3, Last: 3})
	if m := f.box(p, p.inbox); m.Unseen != 3 || m.Deleted != 0 {
		f.Errorf("the mailbox reads %+v", m)
	}
	f.refuse(mail.Invalid, mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: all, Op: 99})
}

// RFC 7162 3.1.3: a conditional STORE leaves what changed since alone, and says so.
func testUnchangedSince(f *fixture) {
	p := f.person("ann")
	f.file(p, 5)
	base := f.account(p.id).ModSeq
	f.do(mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: 2, Last: 3}, {First: 5, Last: 5}}, Flags: mail.Flags{Bits: mail.Seen}})
	set := mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: all, Flags: mail.Flags{Bits: mail.Flagged}, CheckModSeq: true, UnchangedSince: base}
	r := f.do(set)[0]
	equal(f, "unchanged", expand(r.Unchanged), []uint32{2, 3, 5})
	equal(f, "placements of the result", r.Placements, []mail.Placement{f.places(p.inbox, 0)[0], f.places(p.inbox, 0)[3]})
	for _, pl := range f.places(p.inbox, 0) {
		if got := pl.Flags.Has(mail.Flagged); got != (pl.UID == 1 || pl.UID == 4) {
			f.Errorf("UID %d flagged: %v", pl.UID, got)
		}
	}
	set.UnchangedSince = 0
	set.Op = mail.FlagsRemove
	r = f.do(set)[0]
	equal(f, "unchanged since 0", expand(r.Unchanged), []uint32{1, 2, 3, 4, 5})
}

func testKeywords(f *fixture) {
	p := f.person("ann")
	f.file(p, 1)
	words := func(from, n int) mail.Flags {
		var w []string
		for i := range n {
			w = append(w, fmt.Sprintf("k%03d", from+i))
		}
		return mail.Flags{Keywords: strings.Join(w, " ")}
	}
	set := func(op mail.FlagsOp, fl mail.Flags) mail.SetFlags {
		return mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: all, Op: op, Flags: fl}
	}
	f.refuse(mail.Invalid, set(mail.FlagsReplace, words(0, mail.MaxKeywords+1)))
	f.do(set(mail.FlagsAdd, words(0, mail.MaxKeywords)))
	f.refuse(mail.Invalid, set(mail.FlagsAdd, words(500, 1)))
	f.do(set(mail.FlagsAdd, words(3, 1)))
	f.do(set(mail.FlagsRemove, words(0, 1)), set(mail.FlagsAdd, words(500, 1)))
	add := f.message(p, "x")
	add.Flags = words(0, mail.MaxKeywords+1)
	f.refuse(mail.Invalid, add)
	if got := len(strings.Fields(f.flags(p)[0].Keywords)); got != mail.MaxKeywords {
		f.Errorf("%d keywords are left", got)
	}
}

// RFC 7162 3.1.4.1: CHANGEDSINCE lists exactly what has a greater modseq.
func testChangedSince(f *fixture) {
	p := f.person("ann")
	var seqs []uint64
	note := func() { seqs = append(seqs, f.account(p.id).ModSeq) }
	note()
	for i := range 6 {
		f.file(p, 30)
		note()
		f.do(mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: uint32(5 * i), Last: uint32(9 * i)}},
			Op: mail.FlagsReplace, Flags: mail.Flags{Keywords: fmt.Sprintf("k%d", i)}})
		note()
		f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: uint32(17 * i), Last: uint32(17*i + 3)}}})
		note()
		f.do(mail.CopyMessages{Account: p.id, From: p.inbox, To: p.inbox, UIDs: []mail.UIDRange{{First: 10, Last: 12}}})
		note()
	}
	everything := f.places(p.inbox, 0)
	for _, since := range seqs {
		for _, in := range []mail.UIDRange{{First: 1}, {First: 20, Last: 60}, {First: 100}, {First: 1, Last: 1}} {
			var want, got []mail.Placement
			for _, pl := range everything {
				if pl.ModSeq > since && in.Contains(pl.UID) {
					want = append(want, pl)
				}
			}
			for pl, err := range f.Placements(f.ctx, p.inbox, in, since) {
				f.ok(err)
				got = append(got, pl)
			}
			equal(f, fmt.Sprintf("placements in %v changed since %d", in, since), got, want)
		}
	}
}

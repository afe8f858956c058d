package storetest

import (
	"github.com/postrider/postrider/mail"
)

// testSearchNumbers: what an index needs to know of new mail (mail.SearchStore).
func testSearchNumbers(f *fixture) {
	s := f.Store
	p, q := f.person("ann"), f.person("bob")
	before, err := s.SearchHorizon(f.ctx)
	f.ok(err)
	a := f.file(p, 3)
	b := f.file(q, 2)
	h, err := s.SearchHorizon(f.ctx)
	f.ok(err)
	if h.Last != b[1].Email || h.Noted != 0 {
		f.Errorf("the horizon is %+v after message %d", h, b[1].Email)
	}
	arrivals, err := s.Arrivals(f.ctx, before.Last, h.Last)
	f.ok(err)
	equal(f, "arrivals of accounts without an index", arrivals, nil)
	f.ok(s.ChangeSegments(f.ctx, mail.SegmentChange{Account: p.id, Upto: -1}))
	f.ok(s.ChangeSegments(f.ctx, mail.SegmentChange{Account: q.id, Upto: -1}))
	arrivals, err = s.Arrivals(f.ctx, before.Last, h.Last)
	f.ok(err)
	equal(f, "arrivals", arrivals, []mail.Arrivals{{Account: p.id, Messages: 3, First: a[0].Email}, {Account: q.id, Messages: 2, First: b[0].Email}})
	arrivals, err = s.Arrivals(f.ctx, a[0].Email, a[1].Email)
	f.ok(err)
	equal(f, "arrivals of a part", arrivals, []mail.Arrivals{{Account: p.id, Messages: 1, First: a[1].Email}})

	// A copy is a new message, a moved one is not; the account's list has each once.
	f.do(mail.MoveMessages{Account: p.id, From: p.inbox, To: p.junk, UIDs: single(a[1].UID), Saved: f.now})
	f.do(mail.CopyMessages{Account: p.id, From: p.inbox, To: p.archive, UIDs: single(a[0].UID), Saved: f.now})
	f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: single(a[2].UID)})
	copied := f.places(p.archive, 0)[0].Email
	emails, err := s.AccountEmails(f.ctx, p.id, 0)
	f.ok(err)
	equal(f, "the account's messages", emails, []mail.EmailID{a[0].Email, a[1].Email, copied})
	emails, err = s.AccountEmails(f.ctx, p.id, a[0].Email)
	f.ok(err)
	equal(f, "its later messages", emails, []mail.EmailID{a[1].Email, copied})
	placed, err := s.MailboxEmails(f.ctx, p.inbox, mail.UIDRange{First: 1})
	f.ok(err)
	equal(f, "the mailbox's messages", placed, []mail.PlacedEmail{{UID: a[0].UID, Email: a[0].Email}})
	placed, err = s.MailboxEmails(f.ctx, p.inbox, mail.UIDRange{First: a[0].UID + 1, Last: 100})
	f.ok(err)
	equal(f, "its later messages", placed, nil)
}

// segment is a step that puts a segment over some messages.
func segment(p person, first, last mail.EmailID, text string) mail.SegmentChange {
	return mail.SegmentChange{Account: p.id, Upto: last, Data: mail.SegmentData{mail.SegmentLines: []byte("lines of " + text), mail.SegmentWords: []byte("words of " + text)},
		Put: &mail.Segment{First: first, Last: last, Documents: int64(last - first + 1)}}
}

// testSegments: steps of an index happen whole or not at all, outlive a restart, and go with their account.
func testSegments(f *fixture) {
	p, q := f.person("ann"), f.person("bob")
	f.ok(f.ChangeSegments(f.ctx, segment(p, 10, 20, "one")))
	f.ok(f.ChangeSegments(f.ctx, segment(p, 30, 40, "three")))
	f.ok(f.ChangeSegments(f.ctx, segment(p, 21, 29, "two")))
	f.ok(f.ChangeSegments(f.ctx, segment(q, 15, 35, "foreign")))
	f.ok(f.ChangeSegments(f.ctx, mail.SegmentChange{Noted: 12}))
	f.want(mail.Invalid, f.ChangeSegments(f.ctx, segment(p, 40, 50, "overlapping")))
	f.want(mail.Invalid, f.ChangeSegments(f.ctx, mail.SegmentChange{Account: p.id, Put: &mail.Segment{First: 60, Last: 61, Documents: 2}}))
	f.want(mail.NotFound, f.ChangeSegments(f.ctx, segment(person{id: 999}, 1, 2, "nobody")))
	f.reopen()

	h, err := f.SearchHorizon(f.ctx)
	f.ok(err)
	if h.Noted != 12 {
		f.Errorf("%+v", h)
	}
	m, err := f.SearchMark(f.ctx, p.id)
	f.ok(err)
	if m.Upto != 29 || len(m.Segments) != 3 || m.Segments[0].First != 10 || m.Segments[1].Last != 29 || m.Segments[2].Documents != 11 || m.Segments[0].Octets != 24 {
		f.Fatalf("%+v", m)
	}
	for part, want := range map[mail.SegmentPart]string{mail.SegmentLines: "lines of two", mail.SegmentWords: "words of two"} {
		data, err := f.SegmentPart(f.ctx, m.Segments[1].ID, part)
		f.ok(err)
		if string(data) != want {
			f.Errorf("%q", data)
		}
	}

	// Joined; again it is a conflict, and nothing happens.
	join := segment(p, 10, 29, "one and two")
	join.Upto = 0
	join.Drop = []mail.SegmentID{m.Segments[0].ID, m.Segments[1].ID}
	f.ok(f.ChangeSegments(f.ctx, join))
	join.Upto = 99
	f.want(mail.Conflict, f.ChangeSegments(f.ctx, join))
	foreign, err := f.SearchMark(f.ctx, q.id)
	f.ok(err)
	f.want(mail.Conflict, f.ChangeSegments(f.ctx, mail.SegmentChange{Account: p.id, Drop: []mail.SegmentID{foreign.Segments[0].ID}}))
	_, err = f.SegmentPart(f.ctx, m.Segments[0].ID, mail.SegmentWords)
	f.want(mail.NotFound, err)
	m, err = f.SearchMark(f.ctx, p.id)
	f.ok(err)
	if m.Upto != 29 || len(m.Segments) != 2 || m.Segments[0].Last != 29 {
		f.Errorf("%+v", m)
	}
	f.ok(f.ChangeSegments(f.ctx, mail.SegmentChange{Account: p.id, Upto: -1}))
	f.do(mail.RemoveAccount{Account: q.id})
	gone, err := f.SearchMark(f.ctx, q.id)
	f.ok(err)
	if len(gone.Segments) != 0 || gone.Upto != 0 {
		f.Errorf("%+v of an account that is gone", gone)
	}
	_, err = f.SegmentPart(f.ctx, foreign.Segments[0].ID, mail.SegmentLines)
	f.want(mail.NotFound, err)
	if m, err = f.SearchMark(f.ctx, p.id); err != nil || m.Upto != 0 || len(m.Segments) != 2 {
		f.Errorf("%+v, %v", m, err)
	}
}

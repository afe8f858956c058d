package storetest

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/postrider/postrider/mail"
)

func testAddMessage(f *fixture) {
	p := f.person("ann")
	add := f.message(p, "Subject: hi\r\n\r\nhello\r\n")
	add.Flags = mail.Flags{Bits: mail.Seen | mail.Deleted, Keywords: "a b"}
	add.Received = time.Date(2026, 1, 2, 3, 4, 5, 999, time.FixedZone("", 3600))
	add.Saved = f.now
	r := f.do(add)[0]
	size := int64(len(add.Prefix)) + add.Body.Size()
	m := f.box(p, p.inbox)
	if r.Mailbox != p.inbox || r.UIDValidity != m.UIDValidity || r.UID == 0 || r.Email == 0 || r.Thread == 0 || r.Blob == 0 || r.ModSeq == 0 {
		f.Errorf("the result is %+v", r)
	}
	if m.Messages != 1 || m.Unseen != 0 || m.Deleted != 1 || m.Size != size || m.UIDNext <= r.UID || m.ModSeq != r.ModSeq {
		f.Errorf("the mailbox reads %+v", m)
	}
	if a := f.account(p.id); a.Used != size || a.Messages != 1 || a.ModSeq != r.ModSeq {
		f.Errorf("the account reads %+v", a)
	}
	want := mail.Placement{Mailbox: p.inbox, UID: r.UID, Email: r.Email, Thread: r.Thread, ModSeq: r.ModSeq, Flags: add.Flags, Size: size,
		Received: time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC), Saved: f.now}
	equal(f, "placements", f.places(p.inbox, 0), []mail.Placement{want})
	list, err := f.PlacementsOf(f.ctx, p.id, r.Email)
	f.ok(err)
	equal(f, "placements of the message", list, []mail.Placement{want})
	msg, err := f.Message(f.ctx, p.id, r.Email)
	f.ok(err)
	wantMsg := mail.Message{ID: r.Email, Account: p.id, Thread: r.Thread, Blob: r.Blob, Prefix: add.Prefix, Size: size, Summary: add.Summary}
	if !reflect.DeepEqual(msg, wantMsg) {
		f.Errorf("got %+v, want %+v", msg, wantMsg)
	}
	if got := f.read(r.Blob); got != "Subject: hi\r\n\r\nhello\r\n" {
		f.Errorf("the body reads %q", got)
	}

	// Somebody else's, or none.
	q := f.person("bob")
	_, err = f.Message(f.ctx, q.id, r.Email)
	f.want(mail.NotFound, err)
	_, err = f.PlacementsOf(f.ctx, q.id, r.Email)
	f.want(mail.NotFound, err)
	f.refuse(mail.Invalid, mail.AddMessage{Account: p.id, Mailbox: p.inbox})
	f.refuse(mail.NotFound, mail.AddMessage{Account: 999, Mailbox: p.inbox, Body: f.body("x")})
	f.refuse(mail.NotFound, mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: mail.StoredBody{ID: 999, Octets: 1}})
	if m.UIDNext != f.box(p, p.inbox).UIDNext {
		f.Error("a refused message took a UID")
	}
}

func testSharedBody(f *fixture) {
	p, q := f.person("ann"), f.person("bob")
	b := f.body("to many\r\n")
	add := func(p person, prefix, summary string) mail.AddMessage {
		return mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: b, Prefix: []byte(prefix), Summary: []byte(summary)}
	}
	r := f.do(add(p, "A: 1\r\n", "s"), add(q, "B: 22\r\n", "s"), add(q, "", ""), mail.Enqueue{Body: b, Message: mail.Queued{
		Prefix: []byte("C: 3\r\n"), Recipients: []mail.QueuedRecipient{{Address: "x@else.example", Original: "x@else.example"}}}})
	for _, x := range r {
		if x.Blob != r[0].Blob {
			f.Errorf("a shared body is stored as %d and as %d", r[0].Blob, x.Blob)
		}
	}
	for i, want := range []struct {
		who             person
		prefix, summary string
	}{{p, "A: 1\r\n", "s"}, {q, "B: 22\r\n", "s"}, {q, "", ""}} {
		m, err := f.Message(f.ctx, want.who.id, r[i].Email)
		f.ok(err)
		if string(m.Prefix) != want.prefix || string(m.Summary) != want.summary || m.Size != int64(len(want.prefix))+b.Size() {
			f.Errorf("message %d reads %+v", i, m)
		}
	}
	// Once more, as a stored body and, after its commit, as the sealed one.
	again := f.do(mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: mail.StoredBody{ID: r[0].Blob, Octets: b.Size()}}, add(p, "", ""))
	if got := f.read(again[1].Blob); got != "to many\r\n" {
		f.Errorf("the body reads %q", got)
	}
	// It stays until the last reference is gone.
	f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: all}, mail.Expunge{Account: q.id, Mailbox: q.inbox, UIDs: all})
	if got := f.read(r[0].Blob); got != "to many\r\n" {
		f.Errorf("the queued body reads %q", got)
	}
	f.do(mail.QueueAct{Queue: r[3].Queue, Act: mail.ActDelete})
	_, err := f.Store.Open(f.ctx, r[0].Blob)
	f.want(mail.NotFound, err)
	f.refuse(mail.NotFound, mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: mail.StoredBody{ID: r[0].Blob, Octets: b.Size()}})
}

// RFC 8621 3: messages are of one thread when they share an id and the base subject.
func testThreads(f *fixture) {
	p, q := f.person("ann"), f.person("bob")
	add := func(p person, id, subject string, refs ...string) mail.ThreadID {
		m := f.message(p, "x")
		m.Thread = mail.ThreadKeys{MessageID: id, Subject: subject, References: refs}
		return f.do(m)[0].Thread
	}
	first := add(p, "1@x", "hello")
	for name, got := range map[string]mail.ThreadID{
		"a reply":                        add(p, "2@x", "hello", "1@x"),
		"a reply to a reply":             add(p, "3@x", "hello", "2@x"),
		"a reply whose parent came not":  add(p, "5@x", "hello", "1@x", "4@x"),
		"the parent that came late":      add(p, "4@x", "hello"),
		"the same message again":         add(p, "1@x", "hello"),
		"without an id of its own":       add(p, "", "hello", "3@x"),
		"with more references than kept": add(p, "6@x", "hello", append(many(40), "5@x")...),
	} {
		if got != first {
			f.Errorf("%s is in thread %d, not %d", name, got, first)
		}
	}
	for name, got := range map[string]mail.ThreadID{
		"another subject":   add(p, "7@x", "else", "1@x"),
		"another account":   add(q, "8@x", "hello", "1@x"),
		"nothing to go by":  add(p, "", ""),
		"nothing once more": add(p, "", ""),
	} {
		if got == first || got == 0 {
			f.Errorf("%s is in thread %d", name, got)
		}
	}
}

func many(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("other%d@x", i))
	}
	return out
}

func testQuota(f *fixture) {
	p := f.person("ann")
	f.do(mail.UpdateAccount{Account: mail.Account{ID: p.id, Quota: 100}})
	add := func(n int, check bool) mail.AddMessage {
		return mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: f.body(string(bytes.Repeat([]byte("x"), n))), Prefix: []byte("12345"), CheckQuota: check}
	}
	f.refuse(mail.OverQuota, add(96, true))
	f.do(add(55, true))
	f.do(add(35, true)) // exactly full
	f.refuse(mail.OverQuota, add(0, true))
	f.do(add(50, false)) // who does not ask is not refused
	f.refuse(mail.OverQuota, mail.CopyMessages{Account: p.id, From: p.inbox, To: p.archive, UIDs: single(1)})
	f.do(mail.MoveMessages{Account: p.id, From: p.inbox, To: p.archive, UIDs: all})
	f.do(mail.Expunge{Account: p.id, Mailbox: p.archive, UIDs: all})
	if a := f.account(p.id); a.Used != 0 {
		f.Errorf("an empty account uses %d", a.Used)
	}
	f.do(add(95, true))
	f.do(mail.UpdateAccount{Account: mail.Account{ID: p.id}})
	f.do(add(200, true))
}

func testExpunge(f *fixture) {
	p := f.person("ann")
	r := f.file(p, 10)
	f.do(mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: 2, Last: 4}, {First: 8, Last: 8}}, Flags: mail.Flags{Bits: mail.Deleted}})
	before := f.account(p.id)
	x := f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: 3, Last: 9}, {First: 50, Last: 60}}, OnlyDeleted: true})[0]
	equal(f, "expunged", expand(x.Expunged), []uint32{3, 4, 8})
	equal(f, "left", f.uids(p.inbox), []uint32{1, 2, 5, 6, 7, 9, 10})
	if a := f.account(p.id); a.ModSeq != x.ModSeq || x.ModSeq <= before.ModSeq || a.Messages != 7 {
		f.Errorf("the account reads %+v, the result is %+v", a, x)
	}
	if m := f.box(p, p.inbox); m.Messages != 7 || m.Deleted != 1 || m.ModSeq != x.ModSeq || m.UIDNext != 11 {
		f.Errorf("the mailbox reads %+v", m)
	}
	_, err := f.Message(f.ctx, p.id, r[2].Email)
	f.want(mail.NotFound, err)
	_, err = f.Store.Open(f.ctx, r[2].Blob)
	f.want(mail.NotFound, err)
	y := f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: 9}, {First: 1, Last: 1}, {First: 9, Last: 9}}})[0]
	equal(f, "expunged", expand(y.Expunged), []uint32{1, 9, 10})

	gone := func(since uint64) []uint32 {
		list, err := f.Expunged(f.ctx, p.inbox, since)
		f.ok(err)
		return expand(list)
	}
	equal(f, "tombstones", gone(0), []uint32{1, 3, 4, 8, 9, 10})
	equal(f, "tombstones", gone(x.ModSeq-1), []uint32{1, 3, 4, 8, 9, 10})
	equal(f, "tombstones", gone(x.ModSeq), []uint32{1, 9, 10})
	equal(f, "tombstones", gone(y.ModSeq), nil)

	// Nothing to do is no change.
	none := f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: 100}}})[0]
	if len(none.Expunged) != 0 || f.account(p.id).ModSeq != y.ModSeq {
		f.Errorf("expunging nothing gave %+v", none)
	}
	// The UIDs are not given out again.
	if n := f.file(p, 1)[0]; n.UID < 11 {
		f.Errorf("UID %d was used again", n.UID)
	}
}

func testIterators(f *fixture) {
	p := f.person("ann")
	const n = 2500 // several pages of any engine
	b := f.body("one for all\r\n")
	var set []mail.Change
	for i := range n {
		set = append(set, mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: b, Summary: fmt.Appendf(nil, "%d", i)})
	}
	f.do(set...)
	for _, in := range []mail.UIDRange{{First: 1}, {First: 0}, {First: 1000, Last: 1000}, {First: 999, Last: 2100}, {First: 2400}, {First: 9000}, {First: 10, Last: 5}} {
		var want []uint32
		for u := max(1, in.First); u <= n && in.Contains(u); u++ {
			want = append(want, u)
		}
		var got, facts []uint32
		for p, err := range f.Placements(f.ctx, p.inbox, in, 0) {
			f.ok(err)
			got = append(got, p.UID)
		}
		for m, err := range f.Messages(f.ctx, p.inbox, in) {
			f.ok(err)
			facts = append(facts, m.UID)
			if want := fmt.Sprint(m.UID - 1); string(m.Summary) != want {
				f.Fatalf("UID %d has the summary %q", m.UID, m.Summary)
			}
		}
		if !slices.Equal(got, want) || !slices.Equal(facts, want) {
			f.Errorf("range %v gave %d placements and %d messages, want %d", in, len(got), len(facts), len(want))
		}
	}
	// Early break, and writing while reading.
	count := 0
	for pl, err := range f.Placements(f.ctx, p.inbox, mail.UIDRange{First: 1}, 0) {
		f.ok(err)
		count++
		if count == 3 {
			f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: 2000}}}, set[0])
		}
		if pl.UID > n {
			f.Errorf("a message added meanwhile was shown: UID %d", pl.UID)
		}
		if count == 1500 {
			break
		}
	}
	if count != 1500 {
		f.Errorf("the iterator ended after %d", count)
	}
	// A context that has ended ends the reading with an error.
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	seen, last := 0, error(nil)
	for _, err := range f.Placements(ctx, p.inbox, mail.UIDRange{First: 1}, 0) {
		seen, last = seen+1, err
		cancel()
	}
	if seen < 1999 && last == nil {
		f.Errorf("after the context's end %d placements came and no error", seen)
	}
}

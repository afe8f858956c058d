package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/postrider/postrider/mail"
)

// A set happens whole or not at all, whichever change of it fails.
func testAtomic(f *fixture) {
	p := f.person("ann")
	f.file(p, 3)
	b := f.body("never\r\n")
	before, boxes := f.account(p.id), f.names(p)
	good := []mail.Change{
		mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: b},
		create(p, "New"),
		mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: all, Flags: mail.Flags{Bits: mail.Seen}},
		mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: single(1)},
		mail.MoveMessages{Account: p.id, From: p.inbox, To: p.archive, UIDs: single(2)},
		mail.Record{Event: mail.Event{Trace: "tr", Outcome: mail.Accepted}},
		f.queued("a.example"),
		mail.AddDomain{Domain: mail.Domain{Name: "new.example"}},
	}
	for at := range len(good) + 1 {
		set := append([]mail.Change{}, good[:at]...)
		set = append(set, mail.DeleteMailbox{Account: p.id, Mailbox: p.inbox})
		set = append(set, good[at:]...)
		_, err := f.Commit(f.ctx, mail.ChangeSet{Changes: set})
		var ce *mail.ChangeError
		if !mail.Is(err, mail.Denied) || !errors.As(err, &ce) || ce.Index != at {
			f.Fatalf("the failure at %d gave %v", at, err)
		}
	}
	if after := f.account(p.id); after != before {
		f.Errorf("the account reads %+v, before %+v", after, before)
	}
	equal(f, "names", f.names(p), boxes)
	equal(f, "UIDs", f.uids(p.inbox), []uint32{1, 2, 3})
	if list, err := f.Queued(f.ctx, mail.QueueFilter{}); err != nil || len(list) != 0 {
		f.Errorf("the queue holds %+v, %v", list, err)
	}
	if list, err := f.Events(f.ctx, mail.TrailQuery{Trace: "tr"}); err != nil || len(list) != 0 {
		f.Errorf("the trail holds %+v, %v", list, err)
	}
	// The body is still good for another set.
	r := f.do(good[0])[0]
	if got := f.read(r.Blob); got != "never\r\n" {
		f.Errorf("the body reads %q", got)
	}
	rec, err := f.Commit(f.ctx, mail.ChangeSet{})
	if err != nil || len(rec.Results) != 0 {
		f.Errorf("an empty set gave %+v, %v", rec, err)
	}
}

// Later changes of a set see the earlier ones.
func testLaterSeesEarlier(f *fixture) {
	p := f.person("ann")
	add := f.message(p, "short life\r\n")
	r := f.do(add,
		mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: all, Flags: mail.Flags{Bits: mail.Deleted}},
		mail.CopyMessages{Account: p.id, From: p.inbox, To: p.archive, UIDs: all},
		mail.MoveMessages{Account: p.id, From: p.archive, To: p.junk, UIDs: all},
		mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: all, OnlyDeleted: true},
		mail.Expunge{Account: p.id, Mailbox: p.archive, UIDs: all})
	if len(r[1].Placements) != 1 || len(r[2].Copied) != 1 || len(r[3].Copied) != 1 || len(r[4].Expunged) != 1 || len(r[5].Expunged) != 0 {
		f.Errorf("the results are %+v", r)
	}
	for i := 1; i < 5; i++ {
		if r[i].ModSeq <= r[i-1].ModSeq {
			f.Errorf("change %d has modseq %d after %d", i, r[i].ModSeq, r[i-1].ModSeq)
		}
	}
	if got := f.read(r[0].Blob); got != "short life\r\n" || len(f.uids(p.inbox)) != 0 || len(f.uids(p.junk)) != 1 {
		f.Errorf("the body reads %q", got)
	}
	// Born and gone in one set.
	again := f.message(p, "no life\r\n")
	x := f.do(again, again, mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: all})
	_, err := f.Store.Open(f.ctx, x[0].Blob)
	f.want(mail.NotFound, err)
	e := f.queued("a.example")
	y := f.do(mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: e.Body}, e)
	f.do(mail.QueueAct{Queue: y[1].Queue, Act: mail.ActDelete}, mail.AddMessage{Account: p.id, Mailbox: p.archive, Body: e.Body})
	if got := f.read(y[0].Blob); got != "queued\r\n" {
		f.Errorf("the body reads %q", got)
	}
}

// Writers at the same moment get what they would get one after another; one that fails does not disturb its neighbours.
func testConcurrent(f *fixture) {
	p := f.person("ann")
	const writers, each = 16, 20
	var wg sync.WaitGroup
	var mu sync.Mutex
	uids := map[uint32]mail.BlobID{}
	texts := map[mail.BlobID]string{}
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				text := fmt.Sprintf("writer %d message %d\r\n", w, i)
				b, err := f.Create(f.ctx)
				if err != nil {
					f.Error(err)
					return
				}
				_, _ = b.Write([]byte(text))
				s, err := b.Seal()
				if err != nil {
					f.Error(err)
					return
				}
				set := mail.ChangeSet{}
				set.Add(mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: s})
				bad := i%5 == 4
				if bad {
					set.Add(mail.DeleteMailbox{Account: p.id, Mailbox: p.inbox})
				}
				rec, err := f.Commit(f.ctx, set)
				s.Discard()
				if bad {
					if !mail.Is(err, mail.Denied) {
						f.Errorf("got %v", err)
					}
					continue
				}
				if err != nil {
					f.Error(err)
					return
				}
				mu.Lock()
				if uids[rec.Results[0].UID] != 0 {
					f.Errorf("UID %d was given twice", rec.Results[0].UID)
				}
				uids[rec.Results[0].UID], texts[rec.Results[0].Blob] = rec.Results[0].Blob, text
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if m := f.box(p, p.inbox); m.Messages != int64(len(uids)) || len(uids) != writers*each*4/5 {
		f.Errorf("%d messages of %d", m.Messages, len(uids))
	}
	for id, text := range texts {
		if got := f.read(id); got != text {
			f.Errorf("body %d reads %q, want %q", id, got, text)
		}
	}
}

func testReadYourWrites(f *fixture) {
	p := f.person("ann")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				rec, err := f.Commit(f.ctx, mail.ChangeSet{Changes: []mail.Change{
					mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: f.body("now\r\n")}}})
				if err != nil {
					f.Error(err)
					return
				}
				r := rec.Results[0]
				if a := f.account(p.id); a.ModSeq < r.ModSeq {
					f.Errorf("after modseq %d the account reads %d", r.ModSeq, a.ModSeq)
				}
				if _, err := f.Message(f.ctx, p.id, r.Email); err != nil {
					f.Error(err)
				}
				if got := f.read(r.Blob); got != "now\r\n" {
					f.Errorf("the body reads %q", got)
				}
			}
		})
	}
	wg.Wait()
}

func testReopen(f *fixture) {
	p := f.person("ann")
	r := f.file(p, 5)
	f.do(mail.SetFlags{Account: p.id, Mailbox: p.inbox, UIDs: single(2), Flags: mail.Flags{Bits: mail.Seen, Keywords: "k"}},
		mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: []mail.UIDRange{{First: 4}}})
	q := f.do(f.queued("a.example"))[0]
	f.claim(0, 1, 0)
	acc, places, entry := f.account(p.id), f.places(p.inbox, 0), f.entry(q.Queue)
	box := f.box(p, p.inbox)
	for range 2 {
		f.reopen()
		if got := f.account(p.id); got != acc {
			f.Errorf("the account reads %+v, before %+v", got, acc)
		}
		if got := f.box(p, p.inbox); got != box {
			f.Errorf("the mailbox reads %+v, before %+v", got, box)
		}
		equal(f, "placements", f.places(p.inbox, 0), places)
		if got := f.entry(q.Queue); got.Recipients[0] != entry.Recipients[0] {
			f.Errorf("the recipient reads %+v, before %+v", got.Recipients[0], entry.Recipients[0])
		}
	}
	// No number is used again, not even those of what is gone.
	n := f.file(p, 1)[0]
	if n.Email <= r[4].Email || n.UID <= r[4].UID || n.ModSeq <= acc.ModSeq || n.Blob <= r[4].Blob {
		f.Errorf("after a restart a message got %+v; the last before was %+v", n, r[4])
	}
	f.do(mail.QueueAct{Queue: q.Queue, Act: mail.ActDelete})
	f.reopen()
	if again := f.do(f.queued("a.example"))[0]; again.Queue <= q.Queue {
		f.Errorf("queue number %d came after %d", again.Queue, q.Queue)
	}
}

func testCancelled(f *fixture) {
	p := f.person("ann")
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	_, err := f.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{f.message(p, "x")}})
	if err != nil && !errors.Is(err, context.Canceled) {
		f.Errorf("got %v", err)
	}
	_, err = f.Account(ctx, p.id)
	if !mail.Is(err, mail.Unavailable) || !errors.Is(err, context.Canceled) {
		f.Errorf("got %v", err)
	}
	f.file(p, 1)
}

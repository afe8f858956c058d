package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// model is what one account and the queue must look like: the plainest thing that keeps the contract.
type model struct {
	id     mail.AccountID
	modseq uint64
	quota  int64
	boxes  map[mail.MailboxID]*modelBox
	queue  map[mail.QueueID]*modelEntry
	leases map[mail.LeaseID]bool // every one that was given
	texts  map[mail.BlobID]string
	past   past
}

type modelBox struct {
	mail.Mailbox // counters are not kept: they are counted
	messages     []*modelMessage
	gone         map[uint32]uint64 // expunged UIDs and the modseq they went with
}

type modelMessage struct {
	mail.Placement
	blob            mail.BlobID
	prefix, summary string
}

type modelEntry struct {
	mail.Queued
}

func (m *model) used() (n int64) {
	for _, b := range m.boxes {
		for _, x := range b.messages {
			n += x.Size
		}
	}
	return n
}

// refs counts who refers to a body.
func (m *model) refs(id mail.BlobID) (n int) {
	for _, b := range m.boxes {
		for _, x := range b.messages {
			if x.blob == id {
				n++
			}
		}
	}
	for _, q := range m.queue {
		if q.Blob == id {
			n++
		}
	}
	return n
}

// everywhere lists all places of a message.
func (m *model) everywhere(id mail.EmailID) (out []*modelMessage) {
	for _, b := range m.boxes {
		for _, x := range b.messages {
			if x.Email == id {
				out = append(out, x)
			}
		}
	}
	slices.SortFunc(out, func(x, y *modelMessage) int { return cmp.Compare(x.Mailbox, y.Mailbox) })
	return out
}

// named finds a mailbox by name.
func (m *model) named(name string) *modelBox {
	for _, b := range m.boxes {
		if b.Name == name {
			return b
		}
	}
	return nil
}

// in lists a mailbox's messages in a range.
func (b *modelBox) in(ranges []mail.UIDRange) (out []*modelMessage) {
	for _, x := range b.messages {
		if slices.ContainsFunc(ranges, func(r mail.UIDRange) bool { return r.Contains(x.UID) }) {
			out = append(out, x)
		}
	}
	return out
}

// remove takes messages out of a mailbox.
func (b *modelBox) remove(list []*modelMessage, modseq uint64) {
	for _, x := range list {
		b.gone[x.UID] = modseq
	}
	b.messages = slices.DeleteFunc(b.messages, func(x *modelMessage) bool { return slices.Contains(list, x) })
}

// expect is a mailbox as a reader must show it.
func (b *modelBox) expect() mail.Mailbox {
	e := b.Mailbox
	for _, x := range b.messages {
		e.Messages++
		e.Size += x.Size
		if !x.Flags.Has(mail.Seen) {
			e.Unseen++
		}
		if x.Flags.Has(mail.Deleted) {
			e.Deleted++
		}
	}
	return e
}

// agree reads everything and compares it with the model.
func (m *model) agree(f *fixture) {
	f.Helper()
	a := f.account(m.id)
	var count int64
	for _, b := range m.boxes {
		count += int64(len(b.messages))
	}
	if a.ModSeq != m.modseq || a.Used != m.used() || a.Messages != count || a.Quota != m.quota {
		f.Fatalf("the account reads %+v; want modseq %d, used %d, messages %d, quota %d", a, m.modseq, m.used(), count, m.quota)
	}
	list, err := f.Mailboxes(f.ctx, m.id)
	f.ok(err)
	if len(list) != len(m.boxes) {
		f.Fatalf("%d mailboxes, want %d", len(list), len(m.boxes))
	}
	for i, got := range list {
		if i > 1 && strings.Compare(list[i-1].Name, got.Name) >= 0 || (i == 0) != (got.Name == mail.Inbox) {
			f.Fatalf("mailbox %q is out of order", got.Name)
		}
		b := m.boxes[got.ID]
		if b == nil {
			f.Fatalf("the mailbox %+v should not be there", got)
		}
		want := b.expect()
		want.UIDNext, want.Created = got.UIDNext, got.Created
		if got != want || got.UIDNext < b.UIDNext {
			f.Fatalf("the mailbox reads %+v\nwant %+v", got, want)
		}
		if one := f.box(person{id: m.id}, got.ID); one != got {
			f.Fatalf("alone the mailbox reads %+v, in the list %+v", one, got)
		}
		m.compareBox(f, b)
	}
	m.compareQueue(f)
	m.past.observe(m)
	m.compareLately(f)
	for id, text := range m.texts {
		if m.refs(id) == 0 {
			_, err := f.Store.Open(f.ctx, id)
			f.want(mail.NotFound, err)
			delete(m.texts, id)
		} else if got := f.read(id); got != text {
			f.Fatalf("body %d reads %q, want %q", id, got, text)
		}
	}
}

func (m *model) compareBox(f *fixture, b *modelBox) {
	f.Helper()
	seqs := map[uint64]bool{0: true, b.ModSeq: true, m.modseq: true}
	for _, x := range b.messages {
		seqs[x.ModSeq] = true
	}
	for _, s := range b.gone {
		seqs[s] = true
	}
	for _, since := range slices.Sorted(maps.Keys(seqs)) {
		var want []mail.Placement
		for _, x := range b.messages {
			if x.ModSeq > since {
				want = append(want, x.Placement)
			}
		}
		if got := f.places(b.ID, since); !slices.Equal(got, want) {
			f.Fatalf("%s changed since %d:\n got %+v\nwant %+v", b.Name, since, got, want)
		}
		var gone []uint32
		for uid, s := range b.gone {
			if s > since {
				gone = append(gone, uid)
			}
		}
		slices.Sort(gone)
		list, err := f.Expunged(f.ctx, b.ID, since)
		f.ok(err)
		if got := expand(list); !slices.Equal(got, gone) {
			f.Fatalf("%s expunged since %d: got %v, want %v", b.Name, since, got, gone)
		}
	}
	i := 0
	for got, err := range f.Messages(f.ctx, b.ID, mail.UIDRange{First: 1}) {
		f.ok(err)
		if i >= len(b.messages) {
			f.Fatalf("%s has more messages than %d", b.Name, i)
		}
		x := b.messages[i]
		i++
		want := mail.Message{ID: x.Email, Account: m.id, Thread: x.Thread, Blob: x.blob, Size: x.Size, Prefix: []byte(x.prefix), Summary: []byte(x.summary)}
		if got.UID != x.UID || fmt.Sprintf("%+v", got.Message) != fmt.Sprintf("%+v", want) {
			f.Fatalf("UID %d of %s reads %+v, want %+v", got.UID, b.Name, got.Message, want)
		}
		one, err := f.Message(f.ctx, m.id, x.Email)
		f.ok(err)
		if !reflect.DeepEqual(one, got.Message) {
			f.Fatalf("alone the message reads %+v, in its mailbox %+v", one, got.Message)
		}
		of, err := f.PlacementsOf(f.ctx, m.id, x.Email)
		f.ok(err)
		slices.SortFunc(of, func(a, b mail.Placement) int { return cmp.Compare(a.Mailbox, b.Mailbox) })
		places := m.everywhere(x.Email)
		if !slices.EqualFunc(of, places, func(p mail.Placement, y *modelMessage) bool { return p == y.Placement }) {
			f.Fatalf("message %d is at %+v, want it in %d places, one of them %+v", x.Email, of, len(places), x.Placement)
		}
	}
	if i != len(b.messages) {
		f.Fatalf("%s yields %d messages, want %d", b.Name, i, len(b.messages))
	}
}

func (m *model) compareQueue(f *fixture) {
	f.Helper()
	list, err := f.Queued(f.ctx, mail.QueueFilter{})
	f.ok(err)
	ids := slices.Sorted(maps.Keys(m.queue))
	if len(list) != len(ids) {
		f.Fatalf("the queue has %d entries, want %d", len(list), len(ids))
	}
	var due time.Time
	for i, id := range ids {
		want := m.queue[id].Queued
		if fmt.Sprintf("%+v", list[i]) != fmt.Sprintf("%+v", want) {
			f.Fatalf("the entry reads %+v\nwant %+v", list[i], want)
		}
		if got := f.entry(id); !reflect.DeepEqual(got, list[i]) {
			f.Fatalf("alone the entry reads %+v, in the list %+v", got, list[i])
		}
		for _, r := range want.Recipients {
			t := r.Next
			if r.Lease.ID != 0 {
				t = r.Lease.Until
			}
			if !r.Held && (due.IsZero() || t.Before(due)) {
				due = t
			}
		}
	}
	got, err := f.NextDue(f.ctx)
	f.ok(err)
	if !got.Equal(due) {
		f.Fatalf("the queue is due at %v, want %v", got, due)
	}
}

// sort keeps a mailbox in UID order.
func (b *modelBox) sort() {
	slices.SortFunc(b.messages, func(x, y *modelMessage) int { return cmp.Compare(x.UID, y.UID) })
}

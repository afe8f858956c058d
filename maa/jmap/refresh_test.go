package jmap

import (
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// boxesOf is a store of one account, of which the whole state is told by placements. before runs when a mailbox is about to be read.
type boxesOf struct {
	notAsked
	modseq  uint64
	names   map[mail.MailboxID]string
	at      []mail.Placement
	gone    map[mail.MailboxID][]mail.UIDRange
	boxSeq  map[mail.MailboxID]uint64
	before  func(mail.MailboxID)
	reading int
}

// notAsked is what refreshing never needs.
type notAsked struct{}

func (notAsked) Mailbox(context.Context, mail.AccountID, mail.MailboxID) (mail.Mailbox, error) {
	return mail.Mailbox{}, mail.Errorf(mail.Internal, "not asked")
}

func (notAsked) Message(context.Context, mail.AccountID, mail.EmailID) (mail.Message, error) {
	return mail.Message{}, mail.Errorf(mail.Internal, "not asked")
}

func (notAsked) Messages(context.Context, mail.MailboxID, mail.UIDRange) iter.Seq2[mail.PlacedMessage, error] {
	return func(func(mail.PlacedMessage, error) bool) {}
}

func newBoxes() *boxesOf {
	return &boxesOf{names: map[mail.MailboxID]string{1: "INBOX", 2: "Other", 3: "Trash"}, gone: map[mail.MailboxID][]mail.UIDRange{}, boxSeq: map[mail.MailboxID]uint64{}}
}

func (b *boxesOf) put(box mail.MailboxID, uid uint32, email mail.EmailID, bits mail.FlagBits) {
	b.modseq++
	b.boxSeq[box] = b.modseq
	b.at = append(b.at, mail.Placement{Mailbox: box, UID: uid, Email: email, Thread: mail.ThreadID(email/10 + 1), ModSeq: b.modseq, Received: time.Unix(int64(email), 0), Flags: mail.Flags{Bits: bits}})
}

func (b *boxesOf) drop(box mail.MailboxID, uid uint32) {
	b.modseq++
	b.boxSeq[box] = b.modseq
	b.at = slices.DeleteFunc(b.at, func(p mail.Placement) bool { return p.Mailbox == box && p.UID == uid })
	b.gone[box] = append(b.gone[box], mail.UIDRange{First: uid, Last: uid})
}

func (b *boxesOf) Mailboxes(context.Context, mail.AccountID) (out []mail.Mailbox, err error) {
	for _, id := range []mail.MailboxID{1, 2, 3} {
		use := mail.NoUse
		if id == 3 {
			use = mail.UseTrash
		}
		out = append(out, mail.Mailbox{ID: id, Name: b.names[id], Use: use, ModSeq: b.boxSeq[id]})
	}
	return out, nil
}

func (b *boxesOf) Placements(_ context.Context, box mail.MailboxID, _ mail.UIDRange, since uint64) iter.Seq2[mail.Placement, error] {
	return func(yield func(mail.Placement, error) bool) {
		if b.before != nil {
			b.before(box)
		}
		for _, p := range slices.Clone(b.at) {
			if p.Mailbox == box && p.ModSeq > since && !yield(p, nil) {
				return
			}
		}
	}
}

func (b *boxesOf) Expunged(_ context.Context, box mail.MailboxID, _ uint64) ([]mail.UIDRange, error) {
	return b.gone[box], nil
}

func (b *boxesOf) PlacementsOf(_ context.Context, _ mail.AccountID, id mail.EmailID) (out []mail.Placement, err error) {
	for _, p := range b.at {
		if p.Email == id {
			out = append(out, p)
		}
	}
	if out == nil {
		return nil, mail.Errorf(mail.NotFound, "no message")
	}
	return out, nil
}

func (b *boxesOf) refresh(t *testing.T, old *snapshot) *snapshot {
	t.Helper()
	s, err := refresh(t.Context(), b, 7, func(context.Context) (uint64, error) { return b.modseq, nil }, old)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOneEmailInTwoMailboxes: a message in several mailboxes is one Email (RFC 8621 4.1.1 mailboxIds), is counted in each, and stays while it is in one.
func TestOneEmailInTwoMailboxes(t *testing.T) {
	t.Parallel()
	b := newBoxes()
	b.put(1, 1, 5, 0)
	b.put(2, 1, 5, 0)
	b.put(1, 2, 6, mail.Seen) // of the same thread
	b.put(3, 1, 15, 0)
	s := b.refresh(t, nil)
	if len(s.emails) != 3 || len(s.email(5).mailboxIDs()) != 2 {
		t.Fatalf("%d emails, the first in %v", len(s.emails), s.email(5).mailboxIDs())
	}
	for id, want := range map[mail.MailboxID]counts{1: {2, 1, 1, 1}, 2: {1, 1, 1, 1}, 3: {1, 1, 1, 1}} {
		if got := s.countsOf(id); got != want {
			t.Errorf("mailbox %d: %+v, want %+v", id, got, want)
		}
	}
	b.drop(1, 1)
	after := b.refresh(t, s)
	if e := after.email(5); e == nil || e.in(1) || !e.in(2) || e.changed <= s.state {
		t.Errorf("after it left one mailbox: %+v", e)
	}
	b.drop(2, 1)
	gone := b.refresh(t, after)
	if gone.email(5) != nil || len(gone.goneEmails) != 1 || gone.goneEmails[0].died != b.modseq {
		t.Errorf("after it left both: %+v", gone.goneEmails)
	}
	if s.email(5) == nil || after.email(5) == nil {
		t.Error("an older snapshot was changed")
	}
}

// TestMovedWhileReading moves a message between the reading of two mailboxes, again and again: it is never told as destroyed.
func TestMovedWhileReading(t *testing.T) {
	t.Parallel()
	b := newBoxes()
	b.put(1, 1, 5, 0)
	s := b.refresh(t, nil)
	b.put(2, 9, 6, 0)
	uid := uint32(1000)
	b.before = func(box mail.MailboxID) {
		// Just before a mailbox is read, the message leaves it for one that was read already, or will not be.
		if i := slices.IndexFunc(b.at, func(p mail.Placement) bool { return p.Email == 5 }); b.at[i].Mailbox == box && b.reading < 50 {
			b.reading++
			uid++
			b.drop(box, b.at[i].UID)
			b.put(3-box, uid, 5, 0)
		}
	}
	b.drop(1, 1)
	b.put(2, 10, 5, 0)
	for range 10 {
		s = b.refresh(t, s)
		if len(s.goneEmails) > 0 || s.email(5) == nil {
			t.Fatalf("it is told as destroyed: %+v", s.goneEmails)
		}
	}
	b.before = nil
	b.put(1, 99, 7, 0)
	s = b.refresh(t, s)
	p := b.at[slices.IndexFunc(b.at, func(p mail.Placement) bool { return p.Email == 5 })]
	if e := s.email(5); len(e.places) != 1 || e.places[0] != (place{p.Mailbox, p.UID}) {
		t.Errorf("at rest it is in %v, not in %v", e.places, p)
	}
}

// TestCutChanges cuts changes between states, and says where that cannot be (RFC 8620 5.2).
func TestCutChanges(t *testing.T) {
	t.Parallel()
	list := []event{{id: "c", at: 9}, {id: "a", at: 7}, {id: "b", at: 7}, {id: "d", at: 12}}
	for _, c := range []struct {
		limit, n int
		upto     uint64
		cut, bad bool
	}{{4, 4, 20, false, false}, {3, 3, 9, true, false}, {2, 2, 7, true, false}, {1, 0, 0, false, true}} {
		got, upto, cut, err := firstOf(slices.Clone(list), 20, c.limit)
		if (err != nil) != c.bad || len(got) != c.n || upto != c.upto || cut != c.cut {
			t.Errorf("limit %d: %v up to %d, %v, %v", c.limit, got, upto, cut, err)
		}
	}
}

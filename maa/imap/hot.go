package imap

import (
	"container/list"
	"context"
	"sync"

	"github.com/postrider/postrider/mail"
)

// snapshot is a mailbox as it was at one moment. Nobody changes it: views borrow its entries.
type snapshot struct {
	id          mail.MailboxID
	uidValidity uint32
	modseq      uint64 // all up to it is in
	entries     []entry
	sets        []flagSet
}

// octets is about what a snapshot costs.
func (s *snapshot) octets() int {
	n := 512 + cap(s.entries)*16
	for _, f := range s.sets {
		n += 64 + len(f.Keywords) + len(f.words)
	}
	return n
}

// hotOctets is what all snapshots of a server may cost together.
const hotOctets = 16 << 20

// hot remembers mailboxes that were selected lately, so that the next SELECT reads what changed alone. Nothing in it is believed without
// asking the store for the mailbox's mod-sequence.
type hot struct {
	mu     sync.Mutex
	boxes  map[mail.MailboxID]*list.Element // of snapshots, the one used last in front
	order  list.List
	octets int
}

func newHot() *hot { return &hot{boxes: make(map[mail.MailboxID]*list.Element)} }

// get gives the snapshot of a mailbox, or nil.
func (h *hot) get(id mail.MailboxID) *snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.boxes[id]
	if e == nil {
		return nil
	}
	h.order.MoveToFront(e)
	return e.Value.(*snapshot)
}

// put remembers a snapshot, unless there is a later one.
func (h *hot) put(s *snapshot) {
	n := s.octets()
	if n > hotOctets {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.boxes[s.id]; e != nil {
		old := e.Value.(*snapshot)
		if old.uidValidity == s.uidValidity && old.modseq > s.modseq {
			return
		}
		h.octets -= old.octets()
		e.Value = s
		h.order.MoveToFront(e)
	} else {
		h.boxes[s.id] = h.order.PushFront(s)
	}
	for h.octets += n; h.octets > hotOctets; {
		last := h.order.Back()
		old := h.order.Remove(last).(*snapshot)
		delete(h.boxes, old.id)
		h.octets -= old.octets()
	}
}

// open fills a view with a mailbox: from a snapshot and what changed since, or by reading it.
func (h *hot) open(ctx context.Context, v *view, boxes mail.Mailboxes, box mail.Mailbox) error {
	s := h.get(v.id)
	if s == nil || s.uidValidity != v.uidValidity {
		if err := v.load(ctx, boxes, box); err != nil {
			return err
		}
		h.keep(v)
		return nil
	}
	v.borrow(s)
	if box.ModSeq <= v.seen {
		return nil
	}
	if err := v.refresh(ctx, boxes, box.ModSeq); err != nil {
		return err
	}
	h.keep(v)
	return nil
}

// borrow takes a snapshot as what the view knows.
func (v *view) borrow(s *snapshot) {
	v.entries, v.sets, v.borrowed = s.entries, s.sets, true
	v.seen, v.goneAt, v.goneTold = s.modseq, s.modseq, s.modseq
}

// refresh brings a view up to date that no client knows yet.
func (v *view) refresh(ctx context.Context, boxes mail.Mailboxes, now uint64) error {
	gone, err := boxes.Expunged(ctx, v.id, v.seen)
	if err != nil {
		return err
	}
	v.remove(v.uidSpans(v.known(gone)))
	for p, err := range boxes.Placements(ctx, v.id, mail.UIDRange{First: 1}, v.seen) {
		if err != nil {
			return err
		}
		if _, err := v.put(p.UID, p.Flags, p.ModSeq); err != nil {
			return err
		}
	}
	v.seen, v.goneAt, v.goneTold = now, now, now
	v.fresh = false
	return nil
}

// keep makes a snapshot of a view that knows all up to one moment. The view goes on with the snapshot's entries.
func (h *hot) keep(v *view) {
	if v.borrowed || len(v.gone) > 0 || v.goneAt != v.seen {
		return
	}
	v.tidy()
	v.borrowed = true
	h.put(&snapshot{id: v.id, uidValidity: v.uidValidity, modseq: v.seen, entries: v.entries, sets: v.sets})
}

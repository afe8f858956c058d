package jmap

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
)

// refresher makes a snapshot of the one before (or of none) and of what the store says.
type refresher struct {
	boxes mail.Mailboxes
	id    mail.AccountID
	old   *snapshot
	next  *snapshot
	// touched are emails that changed, as they will be; nil while they have no place.
	touched map[mail.EmailID]*email
	words   map[string]string // keywords, once each
}

// refreshTries is how often the account is read again because it changed meanwhile.
const refreshTries = 5

// refresh reads what changed since old; nil reads all. It is of one moment, unless the account changes all the time: then a message that moves
// meanwhile may be in both mailboxes, until the next time.
func refresh(ctx context.Context, boxes mail.Mailboxes, id mail.AccountID, modseq func(context.Context) (uint64, error), old *snapshot) (*snapshot, error) {
	r := &refresher{boxes: boxes, id: id, old: old, words: map[string]string{}}
	var settled *snapshot
	for try := 0; ; try++ {
		state, err := modseq(ctx)
		if err != nil {
			return nil, err
		}
		if settled != nil && (state == settled.state || try >= refreshTries) {
			return settled, nil
		}
		if settled, err = r.once(ctx, state, modseq); err != nil {
			return nil, err
		}
		r.old = settled
	}
}

// once reads what changed up to state and maybe a little later. Where the account changed meanwhile, it asks once more for each message that
// seems gone.
func (r *refresher) once(ctx context.Context, state uint64, modseq func(context.Context) (uint64, error)) (*snapshot, error) {
	list, err := r.boxes.Mailboxes(ctx, r.id)
	if err != nil {
		return nil, err
	}
	r.next = &snapshot{account: r.id, state: state, base: state}
	r.touched = map[mail.EmailID]*email{}
	if r.old == nil {
		r.old = &snapshot{account: r.id, base: state}
		if err := r.load(ctx, list); err != nil {
			return nil, err
		}
		r.next.boxes = r.shape(list, true)
		return r.next, nil
	}
	r.next.base = r.old.base
	r.next.goneEmails, r.next.goneBoxes, r.next.goneThreads = slices.Clip(r.old.goneEmails), slices.Clip(r.old.goneBoxes), slices.Clip(r.old.goneThreads)
	r.next.threads = maps.Clone(r.old.threads)
	if r.next.threads == nil {
		r.next.threads = map[mail.ThreadID]threadMark{}
	}
	r.next.boxes = r.shape(list, false)
	if err := r.changed(ctx, list); err != nil {
		return nil, err
	}
	if now, err := modseq(ctx); err != nil {
		return nil, err
	} else if now != state {
		if err := r.ask(ctx); err != nil {
			return nil, err
		}
	}
	r.merge()
	r.next.trim()
	return r.next, nil
}

// load reads all messages of all mailboxes.
func (r *refresher) load(ctx context.Context, list []mail.Mailbox) error {
	var total int64
	for _, b := range list {
		total += b.Messages
	}
	n := int(min(max(total, 0), 1<<24))
	all := make([]email, 0, n)
	places := make([]place, 0, n)
	var more []mail.Placement // of messages that are in another mailbox too
	known := make(map[mail.EmailID]struct{}, n)
	for _, b := range list {
		for p, err := range r.boxes.Placements(ctx, b.ID, mail.UIDRange{First: 1}, 0) {
			if mail.Is(err, mail.NotFound) {
				break // deleted meanwhile
			}
			if err != nil {
				return err
			}
			if _, twice := known[p.Email]; twice {
				more = append(more, p)
				continue
			}
			known[p.Email] = struct{}{}
			places = append(places, place{p.Mailbox, p.UID})
			e := r.of(p)
			e.places = places[len(places)-1 : len(places) : len(places)]
			all = append(all, e)
		}
	}
	r.next.emails = make([]*email, len(all))
	for i := range all {
		r.next.emails[i] = &all[i]
	}
	slices.SortFunc(r.next.emails, func(a, b *email) int { return int(a.id - b.id) })
	for _, p := range more {
		e := r.next.email(p.Email)
		e.places = append(e.places, place{p.Mailbox, p.UID})
	}
	return nil
}

// of makes an email of a placement, without places.
func (r *refresher) of(p mail.Placement) email {
	if w := p.Flags.Keywords; w != "" {
		if have, ok := r.words[w]; ok {
			p.Flags.Keywords = have
		} else {
			r.words[w] = w
		}
	}
	return email{id: p.Email, thread: p.Thread, received: p.Received.Unix(), size: p.Size, flags: p.Flags}
}

// shape makes the mailboxes of the new snapshot and notes what is new, changed and gone of them.
func (r *refresher) shape(list []mail.Mailbox, first bool) []*box {
	out := make([]*box, len(list))
	names := make(map[string]mail.MailboxID, len(list))
	for i, m := range list {
		names[m.Name] = m.ID
		b := &box{Mailbox: m, leaf: m.Name}
		if at := strings.LastIndex(m.Name, mail.Delimiter); at >= 0 {
			b.leaf, b.parent = m.Name[at+1:], names[m.Name[:at]] // parents come before by name
		}
		out[i] = b
		if first {
			continue
		}
		was := r.old.box(m.ID)
		switch {
		case was == nil:
			b.created, b.shaped = r.next.state, r.next.state
		case was.Name != m.Name || was.Use != m.Use || was.Sort != m.Sort || was.Subscribed != m.Subscribed || was.parent != b.parent:
			b.created, b.shaped, b.counted = was.created, r.next.state, was.counted
		default:
			b.created, b.shaped, b.counted = was.created, was.shaped, was.counted
		}
	}
	for _, b := range r.old.boxes {
		if !slices.ContainsFunc(out, func(n *box) bool { return n.ID == b.ID }) {
			r.next.goneBoxes = append(r.next.goneBoxes, tomb{id: int64(b.ID), created: b.created, died: r.next.state})
		}
	}
	return out
}

// changed reads what came, changed and went in each mailbox.
func (r *refresher) changed(ctx context.Context, list []mail.Mailbox) error {
	for _, b := range r.old.boxes {
		if r.next.box(b.ID) == nil {
			r.leave(b.ID, func(uint32) bool { return true })
		}
	}
	for _, m := range list {
		was := r.old.box(m.ID)
		since := r.old.state
		switch {
		case was == nil:
			since = 0
		case was.ModSeq == m.ModSeq:
			continue
		default:
			since = min(since, was.ModSeq)
			gone, err := r.boxes.Expunged(ctx, m.ID, since)
			if err != nil && !mail.Is(err, mail.NotFound) {
				return err
			}
			if len(gone) > 0 {
				r.leave(m.ID, func(uid uint32) bool {
					return slices.ContainsFunc(gone, func(g mail.UIDRange) bool { return g.Contains(uid) })
				})
			}
		}
		for p, err := range r.boxes.Placements(ctx, m.ID, mail.UIDRange{First: 1}, since) {
			if mail.Is(err, mail.NotFound) {
				break
			}
			if err != nil {
				return err
			}
			r.put(p)
		}
	}
	return nil
}

// touch gives the copy of an email that may be changed; nil when there is none.
func (r *refresher) touch(id mail.EmailID) *email {
	if e, ok := r.touched[id]; ok {
		return e
	}
	was := r.old.email(id)
	if was == nil {
		return nil
	}
	e := *was
	e.places = slices.Clone(was.places)
	r.touched[id] = &e
	return &e
}

// leave takes messages out of a mailbox.
func (r *refresher) leave(id mail.MailboxID, gone func(uid uint32) bool) {
	for _, was := range r.old.emails {
		for _, p := range was.places {
			if p.mailbox == id && gone(p.uid) {
				e := r.touch(was.id)
				e.places = slices.DeleteFunc(e.places, func(q place) bool { return q == p })
				e.changed = r.next.state
			}
		}
	}
}

// put takes in a placement as the store tells it.
func (r *refresher) put(p mail.Placement) {
	e := r.touch(p.Email)
	if e == nil {
		fresh := r.of(p)
		e = &fresh
		e.created = max(p.ModSeq, r.old.state+1)
		r.touched[p.Email] = e
	}
	e.flags = r.of(p).flags
	e.changed = max(e.changed, p.ModSeq, r.old.state+1)
	at := place{p.Mailbox, p.UID}
	if !slices.Contains(e.places, at) {
		e.places = append(e.places, at)
	}
}

// ask makes sure of messages that seem to be nowhere: one that was moved while mailboxes were read is somewhere.
func (r *refresher) ask(ctx context.Context) error {
	for id, e := range r.touched {
		if len(e.places) > 0 {
			continue
		}
		list, err := r.boxes.PlacementsOf(ctx, r.id, id)
		if mail.Is(err, mail.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for _, p := range list {
			r.put(p)
		}
	}
	return nil
}

// merge makes the new lists, and notes what became of threads and counts.
func (r *refresher) merge() {
	n := r.next
	if len(r.touched) == 0 {
		n.emails = r.old.emails
		// Nothing that was worked out is different: the lists are the same.
		r.old.lazy.Lock()
		n.lazy.byReceived, n.lazy.byThread, n.lazy.queries = r.old.lazy.byReceived, r.old.lazy.byThread, nil
		r.old.lazy.Unlock()
		return
	}
	fresh := make([]*email, 0, len(r.touched))
	for _, e := range r.touched {
		was := r.old.email(e.id)
		r.markThread(was, e)
		if len(e.places) > 0 {
			fresh = append(fresh, e)
		} else if was != nil {
			n.goneEmails = append(n.goneEmails, tomb{int64(e.id), e.thread, was.created, n.state})
		}
	}
	r.old.lazy.Lock()
	byReceived, byThread := r.old.lazy.byReceived, r.old.lazy.byThread
	r.old.lazy.Unlock()
	n.emails = r.join(r.old.emails, fresh, func(a, b *email) int { return int(a.id - b.id) })
	if byReceived != nil {
		n.lazy.byReceived = r.join(byReceived, fresh, newest)
	}
	if byThread != nil {
		n.lazy.byThread = r.join(byThread, fresh, conversation)
	}
	r.settleThreads()
}

// join puts the changed emails into an ordered list in place of what they were.
func (r *refresher) join(list, fresh []*email, order func(a, b *email) int) []*email {
	fresh = slices.SortedFunc(slices.Values(fresh), order)
	out := make([]*email, 0, len(list)+len(fresh))
	for _, e := range list {
		if _, gone := r.touched[e.id]; gone {
			continue
		}
		for len(fresh) > 0 && order(fresh[0], e) < 0 {
			out = append(out, fresh[0])
			fresh = fresh[1:]
		}
		out = append(out, e)
	}
	return append(out, fresh...)
}

// markThread notes that a thread has an email more or less.
func (r *refresher) markThread(was, is *email) {
	if was != nil && len(is.places) > 0 && was.thread == is.thread {
		return
	}
	m := r.next.threads[is.thread]
	m.changed = r.next.state
	if was == nil {
		m.changed = is.changed
	}
	r.next.threads[is.thread] = m
}

// settleThreads finds out which threads are new or gone, and marks the mailboxes whose counts may differ.
func (r *refresher) settleThreads() {
	n := r.next
	seen := map[mail.ThreadID]bool{}
	mark := map[mail.MailboxID]uint64{}
	for _, e := range r.touched {
		if seen[e.thread] {
			continue
		}
		seen[e.thread] = true
		was, is := r.old.threadOf(e.thread), n.threadOf(e.thread)
		m, marked := n.threads[e.thread]
		switch {
		case len(was) == 0 && len(is) > 0:
			m.created = is[0].created
			for _, e := range is {
				m.created = min(m.created, e.created)
			}
			n.threads[e.thread] = m
		case len(was) > 0 && len(is) == 0:
			n.goneThreads = append(n.goneThreads, tomb{int64(e.thread), e.thread, m.created, n.state})
			delete(n.threads, e.thread)
		case len(is) == 0 && marked:
			delete(n.threads, e.thread) // came and went between two looks
		}
		for _, e := range slices.Concat(was, is) {
			for _, p := range e.places {
				mark[p.mailbox] = n.state
			}
		}
	}
	for _, b := range n.boxes {
		if at := mark[b.ID]; at > 0 {
			b.counted = at
		}
	}
}

package imap

import (
	"context"

	"github.com/postrider/postrider/mail"
)

// item is a message of the view with what was read about it.
type item struct {
	index     int // in the view
	placement mail.Placement
	message   mail.Message
	found     bool // in the store still
}

// What placement and message both have is that of whichever was read.

func (it *item) size() int64           { return max(it.placement.Size, it.message.Size) }
func (it *item) email() mail.EmailID   { return max(it.placement.Email, it.message.ID) }
func (it *item) thread() mail.ThreadID { return max(it.placement.Thread, it.message.Thread) }

// need says what of a message is to be read.
type need struct{ placement, message bool }

// loadSize is how many messages are read at once, and loadOctets how much of summaries and prefixes. The store is never read
// while the client is written to, so that a slow client holds nothing open there.
const (
	loadSize   = 1000
	loadOctets = 512 << 10
)

// load reads about the entries from index from on, at most up to to. It gives at least one item, and one for each
// entry in turn.
func (s *session) load(ctx context.Context, from, to int, what need) ([]item, error) {
	if ctx.Err() != nil {
		return nil, mail.Errorf(mail.Unavailable, "the command takes too long: %w", ctx.Err())
	}
	v := s.box
	to = min(to, from+loadSize)
	items := make([]item, 0, to-from)
	for i := from; i < to; i++ {
		items = append(items, item{index: i, found: !what.placement && !what.message})
	}
	uids := mail.UIDRange{First: v.entries[from].uid, Last: v.entries[to-1].uid}
	if what.message {
		n, err := s.loadMessages(ctx, items, uids)
		if err != nil {
			return nil, err
		}
		if n < len(items) {
			items = items[:n]
			uids.Last = v.entries[from+n-1].uid
		}
	}
	if what.placement {
		if err := s.loadPlacements(ctx, items, uids, what); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// loadMessages fills in messages, and gives how many of the items are done.
func (s *session) loadMessages(ctx context.Context, items []item, uids mail.UIDRange) (int, error) {
	next, octets := 0, 0
	for m, err := range s.cfg.Mailboxes.Messages(ctx, s.box.id, uids) {
		if err != nil {
			return 0, err
		}
		for next < len(items) && s.box.entries[items[next].index].uid < m.UID {
			next++ // gone
		}
		if next == len(items) {
			break
		}
		if s.box.entries[items[next].index].uid != m.UID {
			continue
		}
		items[next].message, items[next].found = m.Message, true
		next++
		if octets += len(m.Summary) + len(m.Prefix); octets >= loadOctets {
			return next, nil
		}
	}
	return len(items), nil
}

func (s *session) loadPlacements(ctx context.Context, items []item, uids mail.UIDRange, what need) error {
	next := 0
	here := make([]bool, len(items))
	for p, err := range s.cfg.Mailboxes.Placements(ctx, s.box.id, uids, 0) {
		if err != nil {
			return err
		}
		for next < len(items) && s.box.entries[items[next].index].uid < p.UID {
			next++
		}
		if next == len(items) {
			break
		}
		if s.box.entries[items[next].index].uid == p.UID {
			items[next].placement, here[next] = p, true
			next++
		}
	}
	for i := range items {
		items[i].found = here[i] && (items[i].found || !what.message)
	}
	return nil
}

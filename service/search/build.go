package search

import (
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/proto/textindex"
)

// Bounds on a segment while it is built.
const (
	slice         = 64       // messages that are read without a rest
	buildMessages = 4096     // messages of one segment at first
	buildMemory   = 24 << 20 // octets of memory
)

// build is one account's way to an index that is up to date.
type build struct {
	ix      *indexer
	account mail.AccountID
	rest    int // how many times as long as a slice took it rests after it, while mail comes in
	texts   Texts
	b       *textindex.Builder
	ids     []mail.EmailID
	began   time.Time
}

// account brings an account's index up to date. A damaged segment is dropped first, with all that come after it: the mark goes
// back in front of them.
func (ix *indexer) account(ctx context.Context, account mail.AccountID, damaged mail.SegmentID, rest int) error {
	store := ix.s.cfg.Store
	mark, err := store.SearchMark(ctx, account)
	if err != nil {
		return err
	}
	if damaged != 0 {
		if mark, err = ix.drop(ctx, account, mark, damaged); err != nil {
			return ignore(err, mail.NotFound)
		}
	}
	emails, err := store.AccountEmails(ctx, account, mark.Upto)
	if err != nil {
		return err
	}
	w := &build{ix: ix, account: account, rest: rest, b: textindex.NewBuilder(tag), began: ix.s.cfg.Clock.Now()}
	for i, id := range emails {
		if err := w.add(ctx, id); err != nil {
			return err
		}
		if (i+1)%slice == 0 {
			if err := w.pause(ctx); err != nil {
				return err
			}
		}
		if w.b.Len() >= buildMessages || w.b.Size() >= buildMemory || i == len(emails)-1 {
			if err := w.write(ctx, id); err != nil {
				return ignore(err, mail.NotFound) // the account is gone
			}
		}
	}
	delete(ix.pending, account)
	if len(emails) == 0 && damaged == 0 {
		return nil
	}
	return ignore(w.merge(ctx), mail.NotFound)
}

// ignore drops an error of a kind.
func ignore(err error, k mail.Kind) error {
	if mail.Is(err, k) {
		return nil
	}
	return err
}

// drop takes a segment out, and all after it.
func (ix *indexer) drop(ctx context.Context, account mail.AccountID, mark mail.SearchMark, damaged mail.SegmentID) (mail.SearchMark, error) {
	at := slices.IndexFunc(mark.Segments, func(g mail.Segment) bool { return g.ID == damaged })
	if at < 0 {
		return mark, nil
	}
	c := mail.SegmentChange{Account: account, Upto: mark.Segments[at].First - 1}
	if c.Upto <= 0 {
		c.Upto = -1
	}
	for _, g := range mark.Segments[at:] {
		c.Drop = append(c.Drop, g.ID)
		ix.s.forget(g.ID)
	}
	if err := ix.s.cfg.Store.ChangeSegments(ctx, c); err != nil {
		return mark, err
	}
	return mail.SearchMark{Upto: max(c.Upto, 0), Segments: mark.Segments[:at]}, nil
}

// add indexes one message. One that cannot be read is in the index as unsure, so that each search tries again and says so.
func (w *build) add(ctx context.Context, id mail.EmailID) error {
	cfg := &w.ix.s.cfg
	m, err := cfg.Mailboxes.Message(ctx, w.account, id)
	if mail.Is(err, mail.NotFound) {
		return nil // expunged meanwhile
	}
	if err != nil {
		return err
	}
	w.b.Begin(uint64(id))
	w.ids = append(w.ids, id)
	root, err := message.Decode(m.Summary)
	if err != nil {
		w.b.Unsure()
		return nil
	}
	r, err := cfg.Blobs.Open(ctx, m.Blob)
	if err == nil {
		defer r.Close()
		if r.Size() != m.Size-int64(len(m.Prefix)) {
			w.b.Unsure()
			return nil
		}
		w.texts.Set(m.Prefix, root, r)
		err = w.texts.Index(w.b)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		w.b.Unsure()
	}
	return nil
}

// pause rests between slices: long while mail comes in, else just long enough for others to have a turn.
func (w *build) pause(ctx context.Context) error {
	busy, err := w.ix.busy(ctx)
	if err != nil {
		return err
	}
	clock := w.ix.s.cfg.Clock
	if took := clock.Now().Sub(w.began); busy && took > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-clock.After(time.Duration(w.rest) * took):
		}
	}
	w.began = clock.Now()
	return ctx.Err()
}

// write makes a segment of what was built. Messages up to upto are done with.
func (w *build) write(ctx context.Context, upto mail.EmailID) error {
	c := mail.SegmentChange{Account: w.account, Upto: upto}
	if n := len(w.ids); n > 0 {
		c.Data[mail.SegmentWords], c.Data[mail.SegmentLines] = w.b.Encode()
		c.Put = &mail.Segment{First: w.ids[0], Last: w.ids[n-1], Documents: int64(n)}
	}
	w.b, w.ids = textindex.NewBuilder(tag), nil
	return w.ix.s.cfg.Store.ChangeSegments(ctx, c)
}

// Sizes of segments, in octets.
const (
	levels     = 3
	fan        = 8       // so many of one level make one of the next
	fullAt     = 2 << 20 // from here on a segment is left alone
	mergeLimit = 4 << 20 // of what is joined at once
)

// level is 0 for the smallest segments; those of level levels are full.
func level(g mail.Segment) int {
	l, size := levels, int64(fullAt)
	for l > 0 && g.Octets < size {
		l--
		size /= fan
	}
	return l
}

// plan chooses neighbours to join: so many of a level and below as make one of the next, or enough for a full one. It gives the empty
// range when there is nothing to do.
func plan(list []mail.Segment) (from, to int) {
	for l := range levels {
		for from = 0; from < len(list); from = max(to, from+1) {
			sum := int64(0)
			for to = from; to < len(list) && level(list[to]) <= l && sum+list[to].Octets <= mergeLimit; to++ {
				sum += list[to].Octets
			}
			if to-from >= fan || to-from > 1 && sum >= fullAt {
				return from, to
			}
		}
	}
	return 0, 0
}

// merge joins small segments, and drops what was expunged from those it touches.
func (w *build) merge(ctx context.Context) error {
	store := w.ix.s.cfg.Store
	var alive []mail.EmailID
	for {
		mark, err := store.SearchMark(ctx, w.account)
		if err != nil {
			return err
		}
		if alive == nil && len(mark.Segments) > 0 {
			if alive, err = store.AccountEmails(ctx, w.account, mark.Segments[0].First-1); err != nil {
				return err
			}
		}
		from, to := plan(mark.Segments)
		if from == to {
			from, to = sparse(mark.Segments, alive)
		}
		if from == to {
			return nil
		}
		if err := w.join(ctx, mark.Segments[from:to], alive); err != nil {
			return err
		}
		if err := w.pause(ctx); err != nil {
			return err
		}
	}
}

// sparse finds a segment most of whose messages are gone.
func sparse(list []mail.Segment, alive []mail.EmailID) (from, to int) {
	for i, g := range list {
		first, _ := slices.BinarySearch(alive, g.First)
		end, _ := slices.BinarySearch(alive, g.Last+1)
		if 2*int64(end-first) < g.Documents {
			return i, i + 1
		}
	}
	return 0, 0
}

// join makes one segment of some.
func (w *build) join(ctx context.Context, list []mail.Segment, alive []mail.EmailID) error {
	c := mail.SegmentChange{Account: w.account}
	put := &mail.Segment{}
	for p := range c.Data {
		var segments []*textindex.Segment
		for _, g := range list {
			seg, err := w.ix.s.segment(ctx, part{g.ID, mail.SegmentPart(p)})
			if err != nil {
				w.ix.s.want(w.account, g.ID) // the next search would find it too
				return err
			}
			segments = append(segments, seg)
		}
		*put = mail.Segment{}
		c.Data[p] = textindex.Merge(segments, func(id uint64) bool {
			if _, there := slices.BinarySearch(alive, mail.EmailID(id)); !there {
				return false
			}
			if put.Last = mail.EmailID(id); put.First == 0 {
				put.First = put.Last
			}
			put.Documents++
			return true
		})
	}
	for _, g := range list {
		c.Drop = append(c.Drop, g.ID)
	}
	if put.Documents > 0 {
		c.Put = put
	}
	if err := w.ix.s.cfg.Store.ChangeSegments(ctx, c); err != nil {
		return err
	}
	for _, g := range list {
		w.ix.s.forget(g.ID)
	}
	return nil
}

// forget lets go of a segment in memory.
func (s *Service) forget(id mail.SegmentID) {
	s.segments.remove(part{id, mail.SegmentLines})
	s.segments.remove(part{id, mail.SegmentWords})
}

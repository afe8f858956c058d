package store

import (
	"context"
	"errors"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
)

// group is the change sets that share one commit.
type group struct {
	s        *Store
	requests []*request
	appends  []blob.Append
	pack     int64 // where the appends go, and where that pack ends then
	end      int64
	receipts []mail.Receipt
	errs     []error
	topics   map[mail.Topic]struct{}
	moved    []blob.Append // compaction's records, with their new places
}

// commitGroup takes a group of requests through all steps and answers each.
func (s *Store) commitGroup(requests []*request) {
	for len(requests) > 0 {
		g := &group{s: s, requests: requests, topics: map[mail.Topic]struct{}{}}
		g.receipts = make([]mail.Receipt, len(requests))
		g.errs = make([]error, len(requests))
		requests = g.commit()
	}
}

// commit does the steps that the package comment lists. It returns the requests that are to be tried again because bodies of others
// found no room; all others are answered.
func (g *group) commit() []*request {
	s := g.s
	if e := s.stopped.Load(); e != nil {
		g.failAll(e)
		g.answer()
		return nil
	}
	if err := g.place(); err != nil {
		return g.split(err)
	}
	s.opt.Step("gathered")

	synced := make(chan error, 1)
	go func() { synced <- g.writeBodies() }()
	sqlErr := g.runSQL()
	bodyErr := <-synced // always waited for: it reads the bodies' memory

	l := s.ledger
	if bodyErr != nil || sqlErr != nil {
		g.rollback()
		if s.packs.Failed() != nil {
			g.failAll(s.stop(errors.Join(bodyErr, sqlErr)))
		} else if bodyErr != nil {
			return g.split(bodyErr)
		} else {
			g.failAll(sqlError(sqlErr))
		}
		g.answer()
		return nil
	}
	s.opt.Step("sql-done")
	if !l.group { // nothing was written: there is nothing to make durable
		g.rollback()
		g.answer()
		return nil
	}
	if _, err := l.conn.exec(`COMMIT`); diskIsFull(err) {
		// The frame that makes a transaction count is written last, and was not: nothing happened.
		g.rollback()
		g.failAll(sqlError(err))
		g.answer()
		return nil
	} else if err != nil {
		// It may have happened all the same: packs that it may refer to must outlive their callers' Discard. If it
		// has not, the next Open removes them.
		for sealed, b := range l.bodies {
			sealed.MarkFiled(b.id)
		}
		g.rollback()
		g.failAll(s.stop(err))
		g.answer()
		return nil
	}
	s.opt.Step("committed")
	g.finish()
	s.opt.Step("answered")
	return nil
}

// finish tells everybody after the commit.
func (g *group) finish() {
	l := g.s.ledger
	gone := l.gone
	for sealed, b := range l.bodies {
		if b.set >= 0 {
			sealed.MarkFiled(b.id)
		}
	}
	_, l.news.directory = g.topics[mail.Topic{Kind: mail.TopicDirectory}]
	g.s.known.apply(l.news)
	l.committed()
	g.answer()
	// A crash before the removal leaves packs that the index does not know: the next Open removes them.
	for _, pack := range gone {
		g.s.packs.Remove(pack)
	}
	if g.s.bus != nil && len(g.topics) > 0 {
		topics := make([]mail.Topic, 0, len(g.topics))
		for t := range g.topics {
			topics = append(topics, t)
		}
		g.s.bus.Publish(topics...)
	}
}

// place gives new bodies numbers and places in the active pack.
func (g *group) place() error {
	s := g.s
	l := s.ledger
	l.bodies = map[*blob.Sealed]*body{}
	var bytes int64
	fresh := false
	for _, r := range g.requests {
		for _, b := range r.bodies {
			if b.Filed() != 0 || l.bodies[b] != nil {
				continue
			}
			fresh = true
			if id, ref, own := b.Own(); own {
				l.bodies[b] = &body{id: id, ref: ref, own: true, set: -1}
				continue
			}
			id := s.packs.NextID()
			l.bodies[b] = &body{id: id, set: -1}
			g.appends = append(g.appends, blob.Append{ID: id, Body: b})
			bytes += b.Size() + blob.HeaderSize
		}
		g.appends = append(g.appends, r.move...)
		for _, m := range r.move {
			bytes += m.Move.From.Octets()
		}
	}
	if fresh {
		if err := s.packs.Room(context.Background(), bytes); err != nil {
			return err
		}
	}
	if len(g.appends) == 0 {
		return nil
	}
	pack, end, err := s.packs.Place(context.Background(), g.appends)
	if err != nil {
		return err
	}
	g.pack, g.end = pack, end
	for i := range g.appends {
		if a := &g.appends[i]; a.Body != nil {
			l.bodies[a.Body].ref = a.Ref
		} else {
			g.moved = append(g.moved, *a)
		}
	}
	return nil
}

// writeBodies appends the group's bodies to the active pack and syncs it, while the SQL runs.
func (g *group) writeBodies() error {
	s := g.s
	if len(g.appends) == 0 {
		s.opt.Step("bodies-appended")
		s.opt.Step("bodies-synced")
		return nil
	}
	if err := s.packs.Write(g.appends); err != nil {
		return err
	}
	s.opt.Step("bodies-appended")
	if err := s.packs.Sync(); err != nil {
		return err
	}
	s.opt.Step("bodies-synced")
	return nil
}

// errDirty says that a set failed and the transaction may hold a part of it, or may be gone: SQLite ends it by itself after
// some errors.
var errDirty = errors.New("a set failed after it wrote")

// runSQL runs all sets in one transaction and leaves it open.
func (g *group) runSQL() error {
	err := g.runFast()
	if !errors.Is(err, errDirty) {
		return err
	}
	g.rollback()
	clear(g.errs)
	clear(g.topics)
	return g.runCareful()
}

// runFast runs the sets without savepoints. A set whose condition fails before it wrote is merely left out.
func (g *group) runFast() error {
	l := g.s.ledger
	if _, err := l.conn.exec(sqliteDialect.begin); err != nil {
		return err
	}
	for i, r := range g.requests {
		err := g.runOne(i, r)
		if err != nil && (l.set.wrote || !isCondition(err)) {
			return errDirty
		}
		g.errs[i] = err
	}
	return g.flush()
}

// runCareful runs each set in a savepoint, so that one that fails leaves nothing behind.
func (g *group) runCareful() error {
	l := g.s.ledger
	if _, err := l.conn.exec(sqliteDialect.begin); err != nil {
		return err
	}
	for i, r := range g.requests {
		if _, err := l.conn.exec(`SAVEPOINT one`); err != nil {
			return err
		}
		gone, written, told := l.gone, l.group, l.news
		err := g.runOne(i, r)
		if err == nil {
			err = g.flush()
		}
		g.errs[i] = err
		if err == nil {
			if _, err := l.conn.exec(`RELEASE one`); err != nil {
				return err
			}
			continue
		}
		for _, q := range []string{`ROLLBACK TO one`, `RELEASE one`} {
			if _, err := l.conn.exec(q); err != nil {
				return err // SQLite gave the whole transaction up: so do we
			}
		}
		l.forget() // what is remembered may be of the set that failed; all else is in the index
		l.gone, l.group, l.news = gone, written, told
		l.undoBodies(i)
	}
	return nil
}

// runOne runs one request's changes.
func (g *group) runOne(i int, r *request) error {
	l := g.s.ledger
	if r.chore != nil {
		l.begin(i)
		err := r.chore(g)
		l.group = l.group || l.set.wrote
		return err
	}
	rec, err := l.run(i, r.set, r.told)
	if err != nil {
		return err
	}
	g.receipts[i] = rec
	for t := range l.set.topics {
		g.topics[t] = struct{}{}
	}
	return nil
}

// flush writes counters, once the pack's new end is among them.
func (g *group) flush() error {
	l := g.s.ledger
	if !l.group {
		return nil
	}
	if len(g.appends) > 0 {
		p, err := l.packRow(g.pack)
		if err != nil {
			return err
		}
		p.octets, p.dirty = g.end, true
	}
	return l.flush()
}

// rollback undoes the transaction and what is remembered of it. Numbers that were given out stay given out.
func (g *group) rollback() {
	l := g.s.ledger
	_, _ = l.conn.exec(`ROLLBACK`) // it fails where SQLite has rolled back already
	l.forget()
	l.undoBodies(-1)
}

// split answers the sets with new bodies that found no room, and gives back the others.
func (g *group) split(err error) []*request {
	var rest []*request
	keep := g.requests[:0:0]
	for _, r := range g.requests {
		fresh := len(r.move) > 0
		for _, b := range r.bodies {
			fresh = fresh || b.Filed() == 0
		}
		if fresh {
			keep = append(keep, r)
		} else {
			rest = append(rest, r)
		}
	}
	g.requests = keep
	g.errs = make([]error, len(keep))
	g.failAll(err)
	g.answer()
	return rest
}

// failAll gives every request of the group the same error.
func (g *group) failAll(err error) {
	for i := range g.errs {
		g.errs[i] = err
	}
}

// answer answers every request and lets go of its bodies.
func (g *group) answer() {
	for i, r := range g.requests {
		r.unpin()
		if err := g.errs[i]; err != nil {
			r.reply(mail.Receipt{}, setError(err))
			continue
		}
		r.reply(g.receipts[i], nil)
	}
}

// isCondition reports that a change said no, rather than that the index failed.
func isCondition(err error) bool {
	var c *mail.ChangeError
	var e *mail.Error
	return errors.As(err, &c) && errors.As(c.Err, &e)
}

// setError gives a failed set's error its form: a condition keeps its change's number, trouble with the index does not.
func setError(err error) error {
	if isCondition(err) {
		return err
	}
	var c *mail.ChangeError
	if errors.As(err, &c) {
		err = c.Err
	}
	return sqlError(err)
}

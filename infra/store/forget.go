package store

import (
	"context"
	"database/sql"

	"github.com/postrider/postrider/mail"
)

// forgetTombstones drops the oldest tombstones of mailboxes that have too many, and remembers up to which modseq.
func (s *Store) forgetTombstones(ctx context.Context) error {
	keep := s.opt.Tombstones
	boxes, err := collect(ctx, s, func(r *sql.Rows) (id mail.MailboxID, err error) { return id, r.Scan(&id) },
		`SELECT mailbox FROM expunged GROUP BY mailbox HAVING count(*) > ?`, keep)
	if err != nil {
		return err
	}
	for _, id := range boxes {
		err := s.chore(ctx, func(g *group) error {
			l := g.s.ledger
			var cut int64
			_, err := l.conn.one(func(r row) { cut = r.int(0) },
				`SELECT modseq FROM expunged WHERE mailbox = ? ORDER BY modseq DESC, first DESC LIMIT 1 OFFSET ?`, id, keep)
			if err != nil || cut == 0 {
				return err
			}
			if _, err := l.exec(`DELETE FROM expunged WHERE mailbox = ? AND modseq <= ?`, id, cut); err != nil {
				return err
			}
			_, err = l.exec(`UPDATE mailbox SET forgotten = ? WHERE id = ?`, cut, id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetHistory drops the oldest of what accounts remember of messages and mailboxes that went, where it is too much. The horizon is
// moved first: a crash before the end leaves rows that nobody relies on, and the next run drops them.
func (s *Store) forgetHistory(ctx context.Context) error {
	keep := s.opt.Tombstones
	accounts, err := collect(ctx, s, func(r *sql.Rows) (id mail.AccountID, err error) { return id, r.Scan(&id) },
		`SELECT account FROM departed GROUP BY account HAVING count(*) > ?1 UNION SELECT account FROM deleted_mailbox GROUP BY account HAVING count(*) > ?1`, keep)
	if err != nil {
		return err
	}
	for _, id := range accounts {
		var cut int64
		err := s.chore(ctx, func(g *group) error {
			l := g.s.ledger
			_, err := l.conn.one(func(r row) { cut = r.int(0) }, `SELECT modseq FROM (SELECT modseq FROM departed WHERE account = ?1
				UNION ALL SELECT modseq FROM deleted_mailbox WHERE account = ?1) ORDER BY modseq DESC LIMIT 1 OFFSET ?2`, id, keep)
			if err == nil && cut > 0 {
				_, err = l.exec(`UPDATE account SET forgotten = ? WHERE id = ?`, cut, id)
			}
			return err
		})
		for _, q := range []string{
			`DELETE FROM departed WHERE (account, modseq, email) IN (SELECT account, modseq, email FROM departed WHERE account = ? AND modseq <= ? LIMIT ?)`,
			`DELETE FROM deleted_mailbox WHERE (account, modseq, mailbox) IN (SELECT account, modseq, mailbox FROM deleted_mailbox WHERE account = ? AND modseq <= ? LIMIT ?)`,
		} {
			for n := int64(forgetStep); n == forgetStep && err == nil; {
				err = s.chore(ctx, func(g *group) (err error) {
					n, err = g.s.ledger.exec(q, id, cut, int64(forgetStep))
					return err
				})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetStep is how many rows one commit forgets, so that deliveries do not wait long.
const forgetStep = 5000

// forgetTrail drops events that are too old, the oldest first. Events are nearly in the order of their times; the first young
// one ends it.
func (s *Store) forgetTrail(ctx context.Context) error {
	if s.opt.KeepTrail <= 0 {
		return nil
	}
	before := micros(s.clock.Now().Add(-s.opt.KeepTrail))
	for {
		// The first event that stays, or the end of a step.
		upTo, err := one(collect(ctx, s, func(r *sql.Rows) (id int64, err error) { return id, r.Scan(&id) },
			`SELECT coalesce(min(CASE WHEN at >= ? THEN id END), max(id) + 1, 0) FROM (SELECT id, at FROM event ORDER BY id LIMIT ?)`, before, forgetStep))(nil)
		if err != nil {
			return err
		}
		var n int64
		err = s.chore(ctx, func(g *group) (err error) {
			l := g.s.ledger
			if n, err = l.exec(`DELETE FROM event WHERE id < ?`, upTo); err != nil || n == 0 {
				return err
			}
			// Whole buckets by their range; in the last one key by key.
			if _, err := l.exec(`DELETE FROM event_key WHERE bucket < ?`, upTo>>bucketBits); err != nil {
				return err
			}
			_, err = l.exec(`DELETE FROM event_key WHERE bucket = ? AND event < ?`, upTo>>bucketBits, upTo)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// chore has the committer do something of the store's own.
func (s *Store) chore(ctx context.Context, fn func(*group) error) error {
	_, err := s.submit(ctx, &request{chore: fn, answer: make(chan answer, 1)})
	return err
}

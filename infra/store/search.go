package store

import (
	"context"
	"database/sql"

	"github.com/postrider/postrider/mail"
)

var _ mail.SearchStore = (*Store)(nil)

// SearchHorizon tells how far numbers of messages and the index of them have come.
func (s *Store) SearchHorizon(ctx context.Context) (mail.SearchHorizon, error) {
	return one(collect(ctx, s, func(r *sql.Rows) (h mail.SearchHorizon, err error) { return h, r.Scan(&h.Last, &h.Noted) },
		`SELECT c.email, h.noted FROM counter c, search_horizon h`))(mail.Errorf(mail.Internal, "the index has lost its counters; run verify"))
}

// Arrivals counts new messages of accounts with an index, by account. The table is read in the order it is stored in.
func (s *Store) Arrivals(ctx context.Context, after, upto mail.EmailID) ([]mail.Arrivals, error) {
	return collect(ctx, s, func(r *sql.Rows) (a mail.Arrivals, err error) { return a, r.Scan(&a.Account, &a.Messages, &a.First) },
		`SELECT account, count(*), min(id) FROM message WHERE id > ? AND id <= ? AND account IN (SELECT account FROM search_mark) GROUP BY account ORDER BY account`, int64(after), int64(upto))
}

// AccountEmails lists an account's messages. They are found through its mailboxes: deliveries would have to pay for an index of
// messages by account.
func (s *Store) AccountEmails(ctx context.Context, account mail.AccountID, after mail.EmailID) ([]mail.EmailID, error) {
	return collect(ctx, s, func(r *sql.Rows) (id mail.EmailID, err error) { return id, r.Scan(&id) },
		`SELECT DISTINCT p.email FROM mailbox m CROSS JOIN placement p ON p.mailbox = m.id WHERE m.account = ? AND p.email > ? ORDER BY p.email`,
		int64(account), int64(after))
}

// MailboxEmails lists which message each UID of a range stands for.
func (s *Store) MailboxEmails(ctx context.Context, mailbox mail.MailboxID, in mail.UIDRange) ([]mail.PlacedEmail, error) {
	return collect(ctx, s, func(r *sql.Rows) (p mail.PlacedEmail, err error) { return p, r.Scan(&p.UID, &p.Email) },
		`SELECT uid, email FROM placement WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid`, int64(mailbox), in.First, lastUID(in))
}

// SearchMark tells an account's segments.
func (s *Store) SearchMark(ctx context.Context, account mail.AccountID) (mail.SearchMark, error) {
	// One statement, so that mark and segments are of one state. Its first row is the mark.
	var m mail.SearchMark
	_, err := collect(ctx, s, func(r *sql.Rows) (none struct{}, err error) {
		var g mail.Segment
		if err = r.Scan(&g.ID, &g.First, &g.Last, &g.Documents, &g.Octets); err != nil {
			return none, err
		}
		if g.ID == 0 {
			m.Upto = g.Last
		} else {
			m.Segments = append(m.Segments, g)
		}
		return none, nil
	}, `SELECT 0, 0 AS first, upto, 0, 0 FROM search_mark WHERE account = ?1
		UNION ALL SELECT id, first, last, documents, octets FROM search_segment WHERE account = ?1 ORDER BY 2`, int64(account))
	return m, err
}

// SegmentPart reads one part of a segment.
func (s *Store) SegmentPart(ctx context.Context, id mail.SegmentID, part mail.SegmentPart) ([]byte, error) {
	query := `SELECT lines FROM search_segment WHERE id = ?`
	if part == mail.SegmentWords {
		query = `SELECT words FROM search_segment WHERE id = ?`
	}
	return one(collect(ctx, s, func(r *sql.Rows) (b []byte, err error) { return b, r.Scan(&b) }, query, int64(id)))(
		mail.Errorf(mail.NotFound, "there is no segment %d of a search index", id))
}

// ChangeSegments has the committer make a step of an index.
func (s *Store) ChangeSegments(ctx context.Context, c mail.SegmentChange) error {
	var refused *mail.Error
	err := s.chore(ctx, func(g *group) (err error) {
		// A refusal is kept beside: as an error it would have the committer run the whole group once more. The group may be run
		// twice all the same.
		refused, err = g.s.ledger.changeSegments(c)
		return err
	})
	if err == nil && refused != nil {
		return refused
	}
	return err
}

// changeSegments makes a step, or says why not before anything is written.
func (l *ledger) changeSegments(c mail.SegmentChange) (*mail.Error, error) {
	if c.Account != 0 {
		if refused, err := l.checkSegments(c); refused != nil || err != nil {
			return refused, err
		}
	}
	for _, id := range c.Drop {
		if _, err := l.exec(`DELETE FROM search_segment WHERE id = ?`, int64(id)); err != nil {
			return nil, err
		}
	}
	if p := c.Put; p != nil && c.Account != 0 {
		_, err := l.exec(`INSERT INTO search_segment (account, first, last, documents, octets, lines, words) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			c.Account, p.First, p.Last, p.Documents, len(c.Data[0])+len(c.Data[1]), c.Data[mail.SegmentLines], c.Data[mail.SegmentWords])
		if err != nil {
			return nil, err
		}
	}
	if c.Upto != 0 && c.Account != 0 {
		_, err := l.exec(`INSERT INTO search_mark (account, upto) VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET upto = excluded.upto`, c.Account, max(c.Upto, 0))
		if err != nil {
			return nil, err
		}
	}
	if c.Noted != 0 {
		if _, err := l.exec(`UPDATE search_horizon SET noted = ?`, c.Noted); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// checkSegments looks whether a step can be made.
func (l *ledger) checkSegments(c mail.SegmentChange) (*mail.Error, error) {
	there, err := l.conn.one(func(row) {}, `SELECT 1 FROM account WHERE id = ?`, c.Account)
	if err != nil {
		return nil, err
	}
	if !there {
		return noAccount(c.Account).(*mail.Error), nil
	}
	dropped := map[int64]bool{}
	for _, id := range c.Drop {
		there, err := l.conn.one(func(row) {}, `SELECT 1 FROM search_segment WHERE id = ? AND account = ?`, int64(id), c.Account)
		if err != nil {
			return nil, err
		}
		if !there {
			return mail.Errorf(mail.Conflict, "segment %d of the search index is not there any more", id), nil
		}
		dropped[int64(id)] = true
	}
	if c.Put == nil {
		return nil, nil
	}
	var overlaps *mail.Error
	err = l.conn.each(func(r row) error {
		if !dropped[r.int(0)] {
			overlaps = mail.Errorf(mail.Invalid, "the segment overlaps segment %d of the search index", r.int(0))
		}
		return nil
	}, `SELECT id FROM search_segment WHERE account = ? AND first <= ? AND last >= ?`, c.Account, c.Put.Last, c.Put.First)
	if overlaps == nil && (c.Put.First > c.Put.Last || len(c.Data[0]) == 0 || len(c.Data[1]) == 0) {
		overlaps = mail.Errorf(mail.Invalid, "the segment has no messages or no data")
	}
	return overlaps, err
}

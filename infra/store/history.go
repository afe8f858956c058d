package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/postrider/postrider/mail"
)

// Changes tells what happened in an account after a modseq, all of one state. What came and went again is told as both. A message that
// got another UID in its mailbox counts as changed. Lists are in the order of their modseqs. The cost is that of the account's mailboxes,
// of which there are few, and of what changed: messages that did not change are not looked at, but for one in each mailbox that did.
// NotFound (account).
func (s *Store) Changes(ctx context.Context, account mail.AccountID, since uint64) (mail.Changes, error) {
	h := &history{s: s, ctx: ctx, account: account, since: since}
	if err := h.read(); err != nil {
		return mail.Changes{}, readError(ctx, err)
	}
	return h.out, nil
}

// The questions, in the order they are asked. A mailbox's latest messages are read as far back as they came after since; those before them that
// changed are found by an index.
var historyQueries = [...]string{
	askAccount:   `SELECT forgotten, max(modseq, (SELECT max(m.modseq) FROM mailbox m WHERE m.account = a.id)) FROM account a WHERE id = ?`,
	askMailboxes: `SELECT id, modseq, born, changed FROM mailbox WHERE account = ?1 AND (modseq > ?2 OR changed > ?2)`,
	askDeleted:   `SELECT mailbox, modseq, born FROM deleted_mailbox WHERE account = ? AND modseq > ?`,
	askArrived: `SELECT p.email, p.thread, p.modseq, p.born, m.born FROM placement p CROSS JOIN message m ON m.id = p.email
		WHERE p.mailbox = ? ORDER BY p.uid DESC`,
	askChanged: `SELECT email, thread, modseq FROM placement INDEXED BY placement_changed
		WHERE mailbox = ?1 AND modseq > ?2 AND modseq > born AND born <= ?2`,
	askDeparted: `SELECT email, thread, modseq, born, NOT EXISTS (SELECT 1 FROM message m WHERE m.id = d.email) FROM departed d
		WHERE account = ? AND modseq > ?`,
}

const (
	askAccount = iota
	askMailboxes
	askDeleted
	askArrived
	askChanged
	askDeparted
)

// history is the reading of an account's changes.
type history struct {
	s       *Store
	ctx     context.Context
	asks    [len(historyQueries)]*sql.Stmt
	account mail.AccountID
	since   uint64
	out     mail.Changes
}

// read reads everything in one transaction, which is one state. It writes nothing, and never commits. Statements are prepared before it: that
// takes another connection, which must not be waited for while one is held.
func (h *history) read() (err error) {
	for i, query := range historyQueries {
		if h.asks[i], err = h.s.statement(h.ctx, query); err != nil {
			return err
		}
	}
	tx, err := h.s.reads.BeginTx(h.ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	for i := range h.asks {
		h.asks[i] = tx.StmtContext(h.ctx, h.asks[i])
	}
	if err := h.whole(); err != nil {
		return err
	}
	boxes, err := h.mailboxes()
	if err != nil {
		return err
	}
	for _, id := range boxes {
		if err := h.placed(id); err != nil {
			return err
		}
	}
	if err := h.departed(); err != nil {
		return err
	}
	h.merge()
	return nil
}

// rows asks a question and calls fn for each row, until it returns errEnough.
func (h *history) rows(fn func(*sql.Rows) error, ask int, args ...any) error {
	rows, err := h.asks[ask].QueryContext(h.ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err == errEnough {
			return nil
		} else if err != nil {
			return err
		}
	}
	return rows.Err()
}

// whole finds the account.
func (h *history) whole() error {
	err := h.rows(func(r *sql.Rows) error { return r.Scan(&h.out.From, &h.out.To) }, askAccount, int64(h.account))
	if err == nil && h.out.To == 0 { // each begins with 1
		err = noAccount(h.account)
	}
	return err
}

// mailboxes finds which of the account's mailboxes changed. It gives those in which something did.
func (h *history) mailboxes() (boxes []mail.MailboxID, err error) {
	err = h.rows(func(r *sql.Rows) error {
		var born, changed uint64
		var b mail.MailboxChange
		err := r.Scan(&b.Mailbox, &b.ModSeq, &born, &changed)
		if b.ModSeq > h.since {
			boxes = append(boxes, b.Mailbox)
		}
		b.ModSeq, b.New, b.Only = max(b.ModSeq, changed), born > h.since, changed <= h.since
		h.out.Mailboxes = append(h.out.Mailboxes, b)
		return err
	}, askMailboxes, int64(h.account), int64(h.since))
	if err != nil {
		return nil, err
	}
	return boxes, h.rows(func(r *sql.Rows) error {
		b := mail.MailboxChange{Gone: true}
		var born uint64
		err := r.Scan(&b.Mailbox, &b.ModSeq, &born)
		b.New = born > h.since
		h.out.Mailboxes = append(h.out.Mailboxes, b)
		return err
	}, askDeleted, int64(h.account), int64(h.since))
}

// placed finds the messages of a mailbox that came to it or changed.
func (h *history) placed(id mail.MailboxID) error {
	err := h.rows(func(r *sql.Rows) error {
		var e mail.EmailChange
		var placed, born uint64
		if err := r.Scan(&e.Email, &e.Thread, &e.ModSeq, &placed, &born); err != nil {
			return err
		}
		if placed <= h.since {
			return errEnough
		}
		e.New = born > h.since
		h.out.Emails = append(h.out.Emails, e)
		return nil
	}, askArrived, int64(id))
	if err != nil {
		return err
	}
	return h.rows(func(r *sql.Rows) error {
		var e mail.EmailChange
		err := r.Scan(&e.Email, &e.Thread, &e.ModSeq)
		h.out.Emails = append(h.out.Emails, e) // its place is not new, so that it is not
		return err
	}, askChanged, int64(id), int64(h.since))
}

// departed finds the messages that left a mailbox, and whether they are in another.
func (h *history) departed() error {
	return h.rows(func(r *sql.Rows) error {
		var e mail.EmailChange
		var born uint64
		err := r.Scan(&e.Email, &e.Thread, &e.ModSeq, &born, &e.Gone)
		e.New = born > h.since
		h.out.Emails = append(h.out.Emails, e)
		return err
	}, askDeparted, int64(h.account), int64(h.since))
}

// merge makes one of all that was found of a message.
func (h *history) merge() {
	list := h.out.Emails
	slices.SortFunc(list, func(a, b mail.EmailChange) int {
		return cmp.Or(cmp.Compare(a.Email, b.Email), cmp.Compare(b.ModSeq, a.ModSeq))
	})
	h.out.Emails = slices.CompactFunc(list, func(a, b mail.EmailChange) bool { return a.Email == b.Email })
	slices.SortFunc(h.out.Emails, func(a, b mail.EmailChange) int {
		return cmp.Or(cmp.Compare(a.ModSeq, b.ModSeq), cmp.Compare(a.Email, b.Email))
	})
	slices.SortFunc(h.out.Mailboxes, func(a, b mail.MailboxChange) int {
		return cmp.Or(cmp.Compare(a.ModSeq, b.ModSeq), cmp.Compare(a.Mailbox, b.Mailbox))
	})
}

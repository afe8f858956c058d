package store

import (
	"context"
	"database/sql"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
)

// maxName is how many octets a mailbox name may have.
const maxName = 1000

// box is what the committer remembers of a mailbox: its counters.
type box struct {
	id          mail.MailboxID
	account     mail.AccountID
	uidvalidity uint32
	uidnext     uint32
	modseq      uint64
	messages    int64
	unseen      int64
	deleted     int64
	size        int64
	dirty       bool
}

// count adds n placements of the given flags and sizes together.
func (b *box) count(n int64, bits mail.FlagBits, size int64) {
	b.messages += n
	b.size += size
	if bits&mail.Seen == 0 {
		b.unseen += n
	}
	if bits&mail.Deleted != 0 {
		b.deleted += n
	}
}

// recount changes a placement's flags in the counters.
func (b *box) recount(from, to mail.FlagBits) {
	b.count(-1, from, 0)
	b.count(1, to, 0)
}

// result begins the result of a change in the mailbox.
func (b *box) result() mail.Result {
	return mail.Result{Account: b.account, Mailbox: b.id, UIDValidity: b.uidvalidity}
}

// box loads a mailbox of an account. NotFound.
func (l *ledger) box(account mail.AccountID, id mail.MailboxID) (*box, error) {
	b, err := l.anyBox(id)
	if err != nil {
		return nil, err
	}
	if b == nil || b.account != account {
		return nil, noMailbox(id)
	}
	return b, nil
}

// anyBox loads a mailbox, or gives nil.
func (l *ledger) anyBox(id mail.MailboxID) (*box, error) {
	if b := l.boxes[id]; b != nil {
		return b, nil
	}
	b := &box{id: id}
	found, err := l.conn.one(func(r row) {
		b.account, b.uidvalidity, b.uidnext = mail.AccountID(r.int(0)), uint32(r.int(1)), uint32(r.int(2))
		b.modseq, b.messages, b.unseen, b.deleted, b.size = uint64(r.int(3)), r.int(4), r.int(5), r.int(6), r.int(7)
	}, `SELECT account, uidvalidity, uidnext, modseq, messages, unseen, deleted, size FROM mailbox WHERE id = ?`, id)
	if err != nil || !found {
		return nil, err
	}
	l.boxes[id] = b
	return b, nil
}

func (l *ledger) saveBox(b *box) error {
	_, err := l.exec(`UPDATE mailbox SET uidnext = ?, modseq = ?, messages = ?, unseen = ?, deleted = ?, size = ? WHERE id = ?`,
		b.uidnext, b.modseq, b.messages, b.unseen, b.deleted, b.size, b.id)
	b.dirty = false
	return err
}

func noMailbox(id mail.MailboxID) error {
	return mail.Errorf(mail.NotFound, "the account has no mailbox number %d", id)
}

// place loads an account and one of its mailboxes.
func (l *ledger) place(account mail.AccountID, id mail.MailboxID) (*account, *box, error) {
	a, err := l.account(account)
	if err != nil {
		return nil, nil, err
	}
	b, err := l.box(account, id)
	return a, b, err
}

// cleanName checks a mailbox name and spells INBOX as RFC 9051 5.1 wants it, also as the first of several levels.
func cleanName(name string) (string, error) {
	switch {
	case name == "" || len(name) > maxName:
		return "", mail.Errorf(mail.Invalid, "a mailbox name has 1 to %d octets", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", mail.Errorf(mail.Invalid, "a mailbox name is UTF-8 without control characters")
	}
	levels := strings.Split(name, mail.Delimiter)
	for _, l := range levels {
		if l == "" {
			return "", mail.Errorf(mail.Invalid, "the mailbox name %q has an empty level", name)
		}
	}
	if strings.EqualFold(levels[0], mail.Inbox) {
		levels[0] = mail.Inbox
	}
	return strings.Join(levels, mail.Delimiter), nil
}

// mailboxNamed gives a mailbox's number, or 0.
func (l *ledger) mailboxNamed(account mail.AccountID, name string) (id mail.MailboxID, err error) {
	_, err = l.conn.one(func(r row) { id = mail.MailboxID(r.int(0)) },
		`SELECT id FROM mailbox WHERE account = ? AND name = ?`, account, name)
	return id, err
}

func (l *ledger) mailboxIDs(account mail.AccountID) (ids []mail.MailboxID, err error) {
	err = l.conn.each(func(r row) error {
		ids = append(ids, mail.MailboxID(r.int(0)))
		return nil
	}, `SELECT id FROM mailbox WHERE account = ?`, account)
	return ids, err
}

func (l *ledger) createMailbox(c mail.CreateMailbox) (mail.Result, error) {
	a, err := l.account(c.Account)
	if err != nil {
		return mail.Result{}, err
	}
	n := c.NewMailbox
	if n.Name, err = cleanName(n.Name); err != nil {
		return mail.Result{}, err
	}
	id, err := l.mailboxNamed(a.id, n.Name)
	if err != nil {
		return mail.Result{}, err
	}
	if id != 0 {
		return mail.Result{}, mail.Errorf(mail.Exists, "the mailbox %q exists already", n.Name)
	}
	if n.Use != mail.NoUse {
		if err := l.freeUse(a.id, n.Use); err != nil { // an account always has one for new mail
			return mail.Result{}, err
		}
	}
	l.touch(a)
	b, err := l.makeMailbox(a, n)
	if err != nil {
		return mail.Result{}, err
	}
	r := b.result()
	r.ModSeq = b.modseq
	return r, nil
}

// makeMailbox makes a mailbox with a clean, free name, and what is missing above it. The account's modseq was raised.
func (l *ledger) makeMailbox(a *account, n mail.NewMailbox) (*box, error) {
	if err := l.makeParents(a, n.Name); err != nil {
		return nil, err
	}
	return l.insertMailbox(a, n)
}

func (l *ledger) makeParents(a *account, name string) error {
	for i := range len(name) {
		if name[i:i+1] != mail.Delimiter {
			continue
		}
		id, err := l.mailboxNamed(a.id, name[:i])
		if err != nil {
			return err
		}
		if id == 0 {
			if _, err := l.insertMailbox(a, mail.NewMailbox{Name: name[:i]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertMailbox gives a mailbox its number and a UIDVALIDITY greater than any before, and at least the time, so that
// also a store that was made anew does not repeat one (RFC 9051 2.3.1.1).
func (l *ledger) insertMailbox(a *account, n mail.NewMailbox) (*box, error) {
	now := l.now()
	l.last.mailbox++
	l.last.uidvalidity = max(l.last.uidvalidity+1, now.Unix())
	b := &box{id: mail.MailboxID(l.last.mailbox), account: a.id, uidvalidity: uint32(l.last.uidvalidity), uidnext: 1, modseq: a.modseq}
	_, err := l.exec(`INSERT INTO mailbox (id, account, name, use, uidvalidity, uidnext, modseq, messages, unseen, deleted, size, subscribed, sort, created, forgotten, born, changed)
		VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, 0, 0, 0, 0, ?7, 0, ?8, 0, ?6, ?6)`,
		b.id, b.account, n.Name, n.Use, b.uidvalidity, b.modseq, n.Subscribed, micros(now))
	if err != nil {
		return nil, err
	}
	l.boxes[b.id] = b
	return b, nil
}

// named is a mailbox's number and name.
type named struct {
	id   mail.MailboxID
	name string
}

func (l *ledger) renameMailbox(c mail.RenameMailbox) (mail.Result, error) {
	a, b, err := l.place(c.Account, c.Mailbox)
	if err != nil {
		return mail.Result{}, err
	}
	to, err := cleanName(c.Name)
	if err != nil {
		return mail.Result{}, err
	}
	var old string
	if _, err := l.conn.one(func(r row) { old = r.str(0) }, `SELECT name FROM mailbox WHERE id = ?`, b.id); err != nil {
		return mail.Result{}, err
	}
	switch {
	case old == mail.Inbox:
		return mail.Result{}, mail.Errorf(mail.Invalid, "%s cannot be renamed", mail.Inbox)
	case strings.HasPrefix(to, old+mail.Delimiter):
		return mail.Result{}, mail.Errorf(mail.Invalid, "a mailbox cannot move below itself")
	}
	moved, err := l.renames(a.id, old, to)
	if err != nil {
		return mail.Result{}, err
	}
	n := l.touch(a)
	// The old names are put out of the way first: one of the new names may be the old name of another.
	for _, step := range []string{`UPDATE mailbox SET name = char(1) || ?2, changed = ?3 WHERE id = ?1`, `UPDATE mailbox SET name = ?2, changed = ?3 WHERE id = ?1`} {
		for _, m := range moved {
			if _, err := l.exec(step, m.id, m.name, n); err != nil {
				return mail.Result{}, err
			}
		}
	}
	if err := l.makeParents(a, to); err != nil {
		return mail.Result{}, err
	}
	r := b.result()
	r.ModSeq = n
	return r, nil
}

// renames lists a mailbox and those below it with their new names. Exists where one is taken by a mailbox that stays.
func (l *ledger) renames(account mail.AccountID, old, to string) ([]named, error) {
	var moved []named
	err := l.conn.each(func(r row) error {
		name, err := cleanName(to + strings.TrimPrefix(r.str(1), old))
		moved = append(moved, named{mail.MailboxID(r.int(0)), name})
		return err
	}, `SELECT id, name FROM mailbox WHERE account = ?1 AND (name = ?2 OR (name >= ?2 || '/' AND name < ?2 || '0'))`, account, old)
	if err != nil {
		return nil, err
	}
	moving := make(map[mail.MailboxID]bool, len(moved))
	for _, m := range moved {
		moving[m.id] = true
	}
	for _, m := range moved {
		id, err := l.mailboxNamed(account, m.name)
		if err != nil {
			return nil, err
		}
		if id != 0 && (!moving[id] || m.name == old && to == old) {
			return nil, mail.Errorf(mail.Exists, "the mailbox %q exists already", m.name)
		}
	}
	return moved, nil
}

func (l *ledger) deleteMailbox(c mail.DeleteMailbox) (mail.Result, error) {
	a, b, err := l.place(c.Account, c.Mailbox)
	if err != nil {
		return mail.Result{}, err
	}
	inbox, err := l.conn.one(func(row) {}, `SELECT 1 FROM mailbox WHERE id = ? AND (name = ? OR use = ?)`, b.id, mail.Inbox, mail.UseInbox)
	if err != nil {
		return mail.Result{}, err
	}
	if inbox {
		return mail.Result{}, mail.Errorf(mail.Denied, "%s cannot be deleted", mail.Inbox)
	}
	r := b.result()
	r.ModSeq = l.touch(a)
	a.used -= b.size
	_, err = l.exec(`INSERT INTO deleted_mailbox (account, modseq, mailbox, born) SELECT account, ?, id, born FROM mailbox WHERE id = ?`, r.ModSeq, b.id)
	if err != nil {
		return mail.Result{}, err
	}
	return r, l.dropMailbox(b.id, r.ModSeq)
}

// dropMailbox removes a mailbox with all that is in it, whose departure is remembered under a modseq; 0: not at all.
func (l *ledger) dropMailbox(id mail.MailboxID, modseq uint64) error {
	if err := l.dropPlacements(id, mail.UIDRange{First: 1}, 0, modseq); err != nil {
		return err
	}
	for _, q := range []string{`DELETE FROM expunged WHERE mailbox = ?`, `DELETE FROM mailbox WHERE id = ?`} {
		if _, err := l.exec(q, id); err != nil {
			return err
		}
	}
	delete(l.boxes, id)
	return nil
}

// updateMailbox gives a mailbox its use and its place in its owner's order.
func (l *ledger) updateMailbox(c mail.UpdateMailbox) (mail.Result, error) {
	a, b, err := l.place(c.Account, c.Mailbox)
	if err != nil {
		return mail.Result{}, err
	}
	var name string
	var use mail.SpecialUse
	_, err = l.conn.one(func(r row) { name, use = r.str(0), mail.SpecialUse(r.str(1)) }, `SELECT name, use FROM mailbox WHERE id = ?`, b.id)
	if err != nil {
		return mail.Result{}, err
	}
	if (name == mail.Inbox || use == mail.UseInbox) != (c.Use == mail.UseInbox) {
		return mail.Result{}, mail.Errorf(mail.Denied, "%s, and no other mailbox, is for new mail; its use cannot change", mail.Inbox)
	}
	if c.Use != mail.NoUse && c.Use != use {
		if err := l.freeUse(a.id, c.Use); err != nil {
			return mail.Result{}, err
		}
	}
	r := b.result()
	r.ModSeq = l.touch(a)
	_, err = l.exec(`UPDATE mailbox SET use = ?, sort = ?, changed = ? WHERE id = ?`, c.Use, c.Sort, r.ModSeq, b.id)
	return r, err
}

// freeUse looks whether no mailbox of an account has a use. Exists.
func (l *ledger) freeUse(account mail.AccountID, use mail.SpecialUse) error {
	taken, err := l.conn.one(func(row) {}, `SELECT 1 FROM mailbox WHERE account = ? AND use = ?`, account, use)
	if err == nil && taken {
		err = mail.Errorf(mail.Exists, "another mailbox is the account's %q already", use)
	}
	return err
}

func (l *ledger) subscribe(c mail.Subscribe) (mail.Result, error) {
	a, b, err := l.place(c.Account, c.Mailbox)
	if err != nil {
		return mail.Result{}, err
	}
	r := b.result()
	r.ModSeq = l.touch(a)
	_, err = l.exec(`UPDATE mailbox SET subscribed = ?, changed = ? WHERE id = ?`, c.On, r.ModSeq, b.id)
	return r, err
}

const selectMailboxes = `SELECT id, account, name, use, uidvalidity, uidnext, modseq, messages, unseen, deleted, size, subscribed, sort, created FROM mailbox`

// Mailboxes lists an account's mailboxes by name, INBOX first. An account that does not exist is NotFound.
func (s *Store) Mailboxes(ctx context.Context, account mail.AccountID) ([]mail.Mailbox, error) {
	list, err := s.mailboxes(ctx, selectMailboxes+` WHERE account = ? ORDER BY name <> 'INBOX', name`, int64(account))
	if err == nil && len(list) == 0 {
		return nil, noAccount(account)
	}
	return list, err
}

// Mailbox reads one mailbox of an account.
func (s *Store) Mailbox(ctx context.Context, account mail.AccountID, id mail.MailboxID) (mail.Mailbox, error) {
	return one(s.mailboxes(ctx, selectMailboxes+` WHERE id = ? AND account = ?`, int64(id), int64(account)))(noMailbox(id))
}

func (s *Store) mailboxes(ctx context.Context, query string, args ...any) ([]mail.Mailbox, error) {
	return collect(ctx, s, func(r *sql.Rows) (m mail.Mailbox, err error) {
		var created int64
		err = r.Scan(&m.ID, &m.Account, &m.Name, &m.Use, &m.UIDValidity, &m.UIDNext, &m.ModSeq, &m.Messages, &m.Unseen,
			&m.Deleted, &m.Size, &m.Subscribed, &m.Sort, &created)
		m.Created = fromMicros(created)
		return m, err
	}, query, args...)
}

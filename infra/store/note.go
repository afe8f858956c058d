package store

import (
	"bytes"
	"context"
	"database/sql"

	"github.com/postrider/postrider/mail"
)

// current is the condition of a note that has not expired. Its argument is the time.
const current = `(expires = 0 OR expires > ?)`

func checkNote(kind, key string, value []byte) error {
	switch {
	case kind == "" || key == "":
		return mail.Errorf(mail.Invalid, "a note must have a kind and a key")
	case len(key) > mail.MaxNoteKey || len(kind) > mail.MaxNoteKey:
		return mail.Errorf(mail.Invalid, "a note's key can have %d octets at most", mail.MaxNoteKey)
	case len(value) > mail.MaxNote:
		return mail.Errorf(mail.Invalid, "a note can have %d octets at most", mail.MaxNote)
	}
	return nil
}

// note reads a note as it is now. there is false when it has expired.
func (l *ledger) note(kind, key string) (n mail.Note, there bool, err error) {
	there, err = l.conn.one(func(r row) { n = readNote(kind, r) },
		`SELECT key, account, n, expires, value FROM note WHERE kind = ? AND key = ? AND `+current, kind, key, micros(l.now()))
	return n, there, err
}

func (l *ledger) putNote(c mail.PutNote) error {
	n := c.Note
	if err := checkNote(n.Kind, n.Key, n.Value); err != nil {
		return err
	}
	if err := l.noteIs(n.Kind, n.Key, c.If, c.Was); err != nil {
		return err
	}
	if err := l.noteOwner(n.Account); err != nil {
		return err
	}
	return l.writeNote(n)
}

// noteOwner looks whether the account a note is to go with is there: the note of one that has gone would stay for ever. NotFound.
func (l *ledger) noteOwner(id mail.AccountID) error {
	if id == 0 {
		return nil
	}
	_, err := l.account(id)
	return err
}

// noteIs looks whether a condition holds.
func (l *ledger) noteIs(kind, key string, cond mail.NoteIf, was []byte) error {
	if cond == mail.NoteAlways {
		return nil
	}
	have, there, err := l.note(kind, key)
	switch {
	case err != nil:
		return err
	case cond == mail.NoteAbsent && there:
		return mail.Errorf(mail.Exists, "there is a note %s %q already", kind, key)
	case cond == mail.NoteIs && !(there && bytes.Equal(have.Value, was)):
		return mail.Errorf(mail.Conflict, "the note %s %q was changed meanwhile", kind, key)
	}
	return nil
}

func (l *ledger) writeNote(n mail.Note) error {
	if n.Value == nil {
		n.Value = []byte{}
	}
	_, err := l.exec(`INSERT INTO note (kind, key, account, n, expires, value) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind, key) DO UPDATE SET account = excluded.account, n = excluded.n, expires = excluded.expires, value = excluded.value`,
		n.Kind, n.Key, n.Account, n.N, micros(n.Expires), n.Value)
	return err
}

func (l *ledger) removeNote(c mail.RemoveNote) error {
	if err := l.noteIs(c.Kind, c.Key, c.If, c.Was); err != nil {
		return err
	}
	_, err := l.exec(`DELETE FROM note WHERE kind = ? AND key = ?`, c.Kind, c.Key)
	return err
}

func (l *ledger) countNote(c mail.CountNote) error {
	if err := checkNote(c.Kind, c.Key, c.Value); err != nil {
		return err
	}
	n, there, err := l.note(c.Kind, c.Key)
	if err != nil {
		return err
	}
	if !there {
		if err := l.noteOwner(c.Account); err != nil {
			return err
		}
		n = mail.Note{Kind: c.Kind, Key: c.Key, Account: c.Account, Value: c.Value, Expires: c.Expires}
	}
	if n.N += c.By; c.Most > 0 && n.N > c.Most {
		text := c.Text
		if text == "" {
			text = "a limit is reached; try again later"
		}
		return &mail.Error{Kind: mail.TooMany, Text: text}
	}
	return l.writeNote(n)
}

func (l *ledger) applyNote(c mail.Change) error {
	switch c := c.(type) {
	case mail.PutNote:
		return l.putNote(c)
	case mail.RemoveNote:
		return l.removeNote(c)
	case mail.CountNote:
		return l.countNote(c)
	}
	return mail.Errorf(mail.Invalid, "%T is not a change of a note", c)
}

func readNote(kind string, r row) mail.Note {
	return mail.Note{Kind: kind, Key: r.str(0), Account: mail.AccountID(r.int(1)), N: r.int(2), Expires: fromMicros(r.int(3)), Value: r.bytes(4)}
}

// Note implements mail.Notes.
func (s *Store) Note(ctx context.Context, kind, key string) (mail.Note, error) {
	list, err := s.someNotes(ctx, kind, `SELECT key, account, n, expires, value FROM note WHERE kind = ? AND key = ? AND `+current, kind, key, micros(s.clock.Now()))
	return one(list, err)(mail.Errorf(mail.NotFound, "there is no note %s %q", kind, key))
}

// Notes implements mail.Notes.
func (s *Store) Notes(ctx context.Context, q mail.NoteQuery) ([]mail.Note, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	from, past := max(q.After, q.Prefix), pastPrefix(q.Prefix)
	return s.someNotes(ctx, q.Kind, `SELECT key, account, n, expires, value FROM note
		WHERE kind = ?1 AND key >= ?2 AND key <> ?3 AND (?4 = '' OR key < ?4) AND (expires = 0 OR expires > ?5) ORDER BY key LIMIT ?6`,
		q.Kind, from, q.After, past, micros(s.clock.Now()), int64(q.Limit))
}

func (s *Store) someNotes(ctx context.Context, kind, query string, args ...any) ([]mail.Note, error) {
	return collect(ctx, s, func(r *sql.Rows) (mail.Note, error) {
		n := mail.Note{Kind: kind}
		var expires int64
		err := r.Scan(&n.Key, &n.Account, &n.N, &expires, &n.Value)
		n.Expires = fromMicros(expires)
		return n, err
	}, query, args...)
}

// pastPrefix is the least key greater than all that begin with prefix; "" when there is none.
func pastPrefix(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return ""
}

// forgetNotes drops notes that have expired, in steps so that deliveries do not wait long.
func (s *Store) forgetNotes(ctx context.Context) error {
	for {
		var n int64
		err := s.chore(ctx, func(g *group) (err error) {
			l := g.s.ledger
			n, err = l.exec(`DELETE FROM note WHERE (kind, key) IN (SELECT kind, key FROM note WHERE expires > 0 AND expires <= ? LIMIT ?)`,
				micros(l.now()), int64(forgetStep))
			return err
		})
		if err != nil || n < forgetStep {
			return err
		}
	}
}

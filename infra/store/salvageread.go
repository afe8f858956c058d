package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
)

// LostAndFound is the mailbox of messages whose own is not known any more.
const LostAndFound = "lost+found"

// Nobody is the address of the account whose messages' owners are not known any more.
const Nobody mail.Path = "unknown"

// meanings say what each table is for people.
var meanings = map[string]string{
	"account": "who has an account", "alias": "the aliases", "blob": "where the bodies of messages lie", "counter": "which numbers were given out",
	"credential": "passwords", "domain": "which domains are ours", "event": "the trail of what became of messages; no mail is lost by it",
	"departed": "which messages were deleted, for mail programs that ask; no mail is lost by it", "deleted_mailbox": "which mailboxes were deleted; no mail is lost by it",
	"note":      "what services remember: settings, limits, keys",
	"event_key": "how the trail is searched; no mail is lost by it", "expunged": "what was deleted, for mail programs that ask; no mail is lost by it",
	"mailbox": "the mailboxes and their names", "message": "which body is whose message", "pack": "the files of bodies",
	"placement": "which message is in which mailbox, with its flags", "queued": "mail on its way out", "queued_recipient": "mail on its way out",
	"thread_key": "which messages belong to one conversation; no mail is lost by it", "blob_extra": "how often a body is used",
}

// meaning says what a table is for people.
func meaning(table string) string {
	if text, ok := meanings[table]; ok {
		return text
	}
	if strings.HasPrefix(table, "search_") {
		return "how mail is searched; no mail is lost by it"
	}
	return "bookkeeping"
}

// putTogether makes mail of what was found.
func (s *Salvage) putTogether(ctx context.Context) error {
	for _, table := range slices.Sorted(maps.Keys(s.hurt)) {
		s.fault("a part of the table %q cannot be read: %s", table, meaning(table))
	}
	// Accounts and mailboxes of which only the number is known.
	for _, q := range []string{
		`INSERT OR IGNORE INTO account (id, address) SELECT DISTINCT account, 'account-' || account FROM mailbox WHERE account IS NOT NULL`,
		`INSERT OR IGNORE INTO account (id, address) SELECT DISTINCT account, 'account-' || account FROM message WHERE account IS NOT NULL`,
		`INSERT OR IGNORE INTO mailbox (id, account, name) SELECT p.mailbox, coalesce(max(m.account), 0), 'mailbox-' || p.mailbox
			FROM placement p LEFT JOIN message m ON m.id = p.email GROUP BY p.mailbox`,
		`INSERT OR IGNORE INTO account (id, address) SELECT 0, '` + string(Nobody) + `' WHERE EXISTS (SELECT 1 FROM mailbox WHERE account = 0)`,
		`UPDATE account SET address = 'account-' || id WHERE coalesce(address, '') = ''`,
		`UPDATE mailbox SET name = 'mailbox-' || id WHERE coalesce(name, '') = ''`,
		// Messages without a place: one mailbox for each account, with negative numbers, which no other has.
		`INSERT INTO mailbox (id, account, name, uidvalidity) SELECT DISTINCT -1 - account, account, '` + LostAndFound + `', 1 FROM message
			WHERE id NOT IN (SELECT email FROM placement)`,
		`INSERT INTO placement (mailbox, uid, email, bare) SELECT -1 - account, row_number() OVER (PARTITION BY account ORDER BY id), id, 1 FROM message
			WHERE id NOT IN (SELECT email FROM placement)`,
		`UPDATE placement SET received = coalesce((SELECT f.time FROM message m JOIN found f ON f.id = m.blob WHERE m.id = placement.email), 0) WHERE received = 0`,
		`UPDATE mailbox SET uidnext = coalesce((SELECT max(p.uid) + 1 FROM placement p WHERE p.mailbox = mailbox.id), 1)`,
	} {
		if _, err := s.db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%w: %w", errScratch, err)
		}
	}
	var bare, headless int
	err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM placement WHERE bare`).Scan(&bare)
	if err == nil && bare > 0 {
		s.fault("the flags of %d messages are lost", bare)
	}
	err = errors.Join(err, s.db.QueryRowContext(ctx, `SELECT count(*) FROM placement p JOIN message m ON m.id = p.email JOIN found f ON f.id = m.blob
		WHERE m.prefix IS NULL AND m.blob NOT IN (SELECT id FROM blob)`).Scan(&headless))
	if err == nil && headless > 0 {
		s.fault("%d messages are without the Received field that was put in front as they came", headless)
	}
	return err
}

// Accounts lists whose mail was found.
func (s *Salvage) Accounts(ctx context.Context) ([]mail.Account, error) {
	return list(ctx, s.db, `SELECT id, address, coalesce(name, ''), coalesce(quota, 0), coalesce(disabled, 0), coalesce(admin, 0) FROM account ORDER BY address`, func(r *sql.Rows) (a mail.Account, err error) {
		return a, r.Scan(&a.ID, &a.Address, &a.Name, &a.Quota, &a.Disabled, &a.Admin)
	})
}

// Domains lists the domains that were found.
func (s *Salvage) Domains(ctx context.Context) ([]mail.Domain, error) {
	return list(ctx, s.db, `SELECT name, coalesce(catch_all, '') FROM domain ORDER BY name`, func(r *sql.Rows) (d mail.Domain, err error) {
		return d, r.Scan(&d.Name, &d.CatchAll)
	})
}

// Aliases lists the aliases that were found.
func (s *Salvage) Aliases(ctx context.Context) ([]mail.Alias, error) {
	return list(ctx, s.db, `SELECT address, coalesce(targets, '[]') FROM alias ORDER BY address`, func(r *sql.Rows) (a mail.Alias, err error) {
		var targets string
		if err = r.Scan(&a.Address, &targets); err == nil {
			_ = json.Unmarshal([]byte(targets), &a.Targets) // of a damaged row as much as there is
		}
		return a, err
	})
}

// Mailboxes lists the mailboxes of an account in which something was found, or whose name is known.
func (s *Salvage) Mailboxes(ctx context.Context, account mail.AccountID) ([]mail.Mailbox, error) {
	return list(ctx, s.db, `SELECT id, account, name, coalesce(use, ''), coalesce(uidvalidity, 0), uidnext, coalesce(subscribed, 0), coalesce(sort, 0), (SELECT count(*) FROM placement p WHERE p.mailbox = mailbox.id)
		FROM mailbox WHERE account = ? ORDER BY name <> 'INBOX', name`, func(r *sql.Rows) (b mail.Mailbox, err error) {
		return b, r.Scan(&b.ID, &b.Account, &b.Name, &b.Use, &b.UIDValidity, &b.UIDNext, &b.Subscribed, &b.Sort, &b.Messages)
	}, int64(account))
}

// Placements yields what was found in a mailbox, as mail.Mailboxes does.
func (s *Salvage) Placements(ctx context.Context, box mail.MailboxID, in mail.UIDRange, _ uint64) iter.Seq2[mail.Placement, error] {
	return salvagePages(in, func(first, last uint32) ([]mail.Placement, error) {
		return list(ctx, s.db, `SELECT p.mailbox, p.uid, p.email, coalesce(p.bits, 0), coalesce(p.keywords, ''), p.received,
			coalesce(f.size, 0) + length(coalesce(m.prefix, b.prefix, '')) FROM placement p LEFT JOIN message m ON m.id = p.email LEFT JOIN blob b ON b.id = m.blob
			LEFT JOIN found f ON f.id = m.blob WHERE p.mailbox = ? AND p.uid BETWEEN ? AND ? ORDER BY p.uid LIMIT ?`,
			func(r *sql.Rows) (p mail.Placement, err error) {
				var received int64
				err = r.Scan(&p.Mailbox, &p.UID, &p.Email, &p.Flags.Bits, &p.Flags.Keywords, &received, &p.Size)
				p.Received = fromSeconds(received)
				return p, err
			}, int64(box), first, last, messagePage)
	}, func(p mail.Placement) uint32 { return p.UID })
}

// Messages yields the facts of what was found in a mailbox, as mail.Mailboxes does.
func (s *Salvage) Messages(ctx context.Context, box mail.MailboxID, in mail.UIDRange) iter.Seq2[mail.PlacedMessage, error] {
	return salvagePages(in, func(first, last uint32) ([]mail.PlacedMessage, error) {
		return list(ctx, s.db, `SELECT p.uid, m.id, coalesce(m.account, 0), m.blob, coalesce(m.prefix, b.prefix) FROM placement p JOIN message m ON m.id = p.email
			LEFT JOIN blob b ON b.id = m.blob WHERE p.mailbox = ? AND p.uid BETWEEN ? AND ? ORDER BY p.uid LIMIT ?`,
			func(r *sql.Rows) (m mail.PlacedMessage, err error) {
				return m, r.Scan(&m.UID, &m.ID, &m.Account, &m.Blob, &m.Prefix)
			}, int64(box), first, last, messagePage)
	}, func(m mail.PlacedMessage) uint32 { return m.UID })
}

// salvagePages reads page by page.
func salvagePages[T any](in mail.UIDRange, read func(first, last uint32) ([]T, error), uid func(T) uint32) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for last := lastUID(in); in.First <= last; {
			page, err := read(in.First, last)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, v := range page {
				if !yield(v, nil) {
					return
				}
			}
			if len(page) < messagePage {
				return
			}
			in.First = uid(page[len(page)-1]) + 1
		}
	}
}

// Open reads a body, wherever it was found.
func (s *Salvage) Open(ctx context.Context, id mail.BlobID) (mail.BlobReader, error) {
	type place struct {
		ref    blob.Ref
		damage string
	}
	got, err := list(ctx, s.db, `SELECT pack, start, stored, size, codec, damage FROM found WHERE id = ?`, func(r *sql.Rows) (p place, err error) {
		return p, r.Scan(&p.ref.Pack, &p.ref.Offset, &p.ref.Stored, &p.ref.Size, &p.ref.Codec, &p.damage)
	}, int64(id))
	switch {
	case err != nil:
		return nil, err
	case len(got) == 0:
		return nil, mail.Errorf(mail.Internal, "its body, number %d, is in no pack", id)
	case got[0].damage != "":
		return nil, mail.Errorf(mail.Internal, "body %d is damaged: pack %s at offset %d: %s", id, blob.PackName(got[0].ref.Pack), got[0].ref.Offset, got[0].damage)
	}
	return s.carver.Open(ctx, id, got[0].ref)
}

// LostBody is a body that stands in no mailbox.
type LostBody struct {
	ID     mail.BlobID
	Size   int64
	Time   time.Time // when its pack was last written
	Damage string    // "" where the body is sound
	ref    blob.Ref
}

// Lost yields the sound bodies nobody refers to any more, and the remains of all damaged ones that were not compressed. Where the index is whole, the former were
// deleted and are left out.
func (s *Salvage) Lost(ctx context.Context) iter.Seq2[LostBody, error] {
	query := `SELECT id, size, time, damage, pack, start, stored, codec FROM found WHERE id > ? AND (damage <> '' AND codec = 0`
	if s.guess() {
		query += ` OR damage = '' AND id NOT IN (SELECT m.blob FROM message m JOIN placement p ON p.email = m.id) AND id NOT IN (SELECT blob FROM queued WHERE blob IS NOT NULL)`
	}
	query += `) ORDER BY id LIMIT 100`
	return func(yield func(LostBody, error) bool) {
		for last := int64(0); ; {
			page, err := list(ctx, s.db, query, func(r *sql.Rows) (b LostBody, err error) {
				var seconds int64
				err = r.Scan(&b.ID, &b.Size, &seconds, &b.Damage, &b.ref.Pack, &b.ref.Offset, &b.ref.Stored, &b.ref.Codec)
				b.Time, b.ref.Size = fromSeconds(seconds), b.Size
				return b, err
			}, last)
			if err != nil {
				yield(LostBody{}, err)
				return
			}
			for _, b := range page {
				if !yield(b, nil) {
					return
				}
				last = int64(b.ID)
			}
			if len(page) < 100 {
				return
			}
		}
	}
}

// guess reports that an unused body may be mail whose message the index has lost.
func (s *Salvage) guess() bool {
	return !s.indexed || s.headed || s.hurt["message"] || s.hurt["placement"] || s.hurt["mailbox"] || s.hurt["queued"] || s.hurt["blob"]
}

// OpenLost reads a lost body; of a damaged one what lies there, without a check.
func (s *Salvage) OpenLost(ctx context.Context, b LostBody) (io.ReadCloser, error) {
	if b.Damage == "" {
		return s.carver.Open(ctx, b.ID, b.ref)
	}
	r, ok := s.carver.Remains(ctx, b.ref)
	if !ok {
		return nil, mail.Errorf(mail.Internal, "body %d is damaged: %s", b.ID, b.Damage)
	}
	return r, nil
}

// Waiting yields the mail that was on its way out.
func (s *Salvage) Waiting(ctx context.Context) ([]mail.Queued, error) {
	return list(ctx, s.db, `SELECT id, coalesce(trace, ''), coalesce(sender, ''), coalesce(blob, 0), prefix, coalesce(created, 0), coalesce(expires, 0),
		coalesce((SELECT group_concat(address, char(10)) FROM queued_recipient r WHERE r.queue = q.id), '') FROM queued q ORDER BY id`,
		func(r *sql.Rows) (q mail.Queued, err error) {
			var created, expires int64
			var to string
			err = r.Scan(&q.ID, &q.Trace, &q.From, &q.Blob, &q.Prefix, &created, &expires, &to)
			q.Created, q.Expires = fromMicros(created), fromMicros(expires)
			for n, address := range strings.Fields(to) {
				q.Recipients = append(q.Recipients, mail.QueuedRecipient{N: n + 1, Address: mail.Path(address)})
			}
			return q, err
		})
}

// list reads all rows of a query on what was found.
func list[T any](ctx context.Context, db *sql.DB, query string, scan func(*sql.Rows) (T, error), args ...any) (out []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errScratch, err)
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errScratch, err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Survey says what is damaged in a store that does not open any more, without changing anything. scratch is as for OpenSalvage.
func Survey(ctx context.Context, dir, scratch string, progress func(SalvageProgress)) ([]string, error) {
	s, err := OpenSalvage(ctx, dir, scratch, progress)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var out []string
	if s.bad != nil {
		for _, f := range surveyPages(func(pragma string) ([]string, error) {
			rows, err := s.bad.QueryContext(ctx, pragma)
			if err != nil {
				return nil, err
			}
			return complaints(rows)
		}, func() ([]root, error) { return list(ctx, s.bad, rootQuery, scanRoot) }) {
			out = append(out, f.Text)
		}
	}
	out = append(out, s.faults...)
	damaged, err := list(ctx, s.db, `SELECT id, pack, start, damage FROM found WHERE damage <> '' ORDER BY id`, func(r *sql.Rows) (text string, err error) {
		var id, pack, start int64
		err = r.Scan(&id, &pack, &start, &text)
		return fmt.Sprintf("body %d is damaged: pack %s at offset %d: %s", id, blob.PackName(pack), start, text), err
	})
	return append(out, damaged...), errors.Join(err, ctx.Err())
}

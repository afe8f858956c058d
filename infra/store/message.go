package store

import (
	"context"
	"database/sql"
	"iter"
	"math"
	"strings"

	"github.com/postrider/postrider/mail"
)

// maxUID is the greatest UID; the next one must still be a number of 32 bits (RFC 9051 2.3.1.1).
const maxUID = math.MaxUint32 - 1

// takeUIDs gives out n UIDs of a mailbox and returns the one before the first.
func (b *box) takeUIDs(n int64) (uint32, error) {
	if int64(b.uidnext)+n > maxUID {
		return 0, mail.Errorf(mail.TooMany, "the mailbox has given out all its message numbers; make a new one and move the messages there")
	}
	base := b.uidnext - 1
	b.uidnext += uint32(n)
	b.dirty = true
	return base, nil
}

func (l *ledger) addMessage(c mail.AddMessage) (mail.Result, error) {
	a, b, err := l.place(c.Account, c.Mailbox)
	if err != nil {
		return mail.Result{}, err
	}
	if c.Body == nil {
		return mail.Result{}, mail.Errorf(mail.Invalid, "a message needs a body")
	}
	if err := checkKeywords(c.Flags); err != nil {
		return mail.Result{}, err
	}
	size := int64(len(c.Prefix)) + c.Body.Size()
	if c.CheckQuota {
		if err := a.room(size); err != nil {
			return mail.Result{}, err
		}
	}
	if _, err := (&box{uidnext: b.uidnext}).takeUIDs(1); err != nil {
		return mail.Result{}, err
	}
	blobID, h, err := l.use(c.Body)
	if err != nil {
		return mail.Result{}, err
	}
	r := b.result()
	r.Blob, r.ModSeq = blobID, l.touch(a, b)
	base, err := b.takeUIDs(1)
	if err != nil {
		return mail.Result{}, err
	}
	r.UID = base + 1
	l.last.email++
	r.Email = mail.EmailID(l.last.email)
	if r.Thread, err = l.thread(a.id, r.Email, c.Thread); err != nil {
		return mail.Result{}, err
	}
	_, err = l.exec(`INSERT INTO message (id, account, thread, blob, size, prefix, summary) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		r.Email, a.id, r.Thread, r.Blob, size, unless(c.Prefix, h.prefix), unless(c.Summary, h.summary))
	if err != nil {
		return mail.Result{}, err
	}
	_, err = l.exec(`INSERT INTO placement (mailbox, uid, email, thread, modseq, born, bits, keywords, size, received, saved)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		b.id, r.UID, r.Email, r.Thread, r.ModSeq, r.ModSeq, c.Flags.Bits, c.Flags.Keywords, size, seconds(c.Received), micros(c.Saved))
	b.count(1, c.Flags.Bits, size)
	a.used += size
	return r, err
}

// checkKeywords guards mail.MaxKeywords.
func checkKeywords(f mail.Flags) error {
	if f.Keywords != "" && strings.Count(f.Keywords, " ") >= mail.MaxKeywords {
		return mail.Errorf(mail.Invalid, "a message can have at most %d keywords", mail.MaxKeywords)
	}
	return nil
}

// dropPlacements removes the placements of a range that have all the given bits, the messages that lose their last
// place by it, and the bodies that lose their last message. Counters and tombstones are the caller's.
func (l *ledger) dropPlacements(id mail.MailboxID, in mail.UIDRange, bits mail.FlagBits) error {
	if err := l.addReferences(); err != nil { // what the set has added must not look as if it were missing
		return err
	}
	last := lastUID(in)
	for _, q := range []string{
		`INSERT OR IGNORE INTO gone (email) SELECT email FROM placement WHERE mailbox = ? AND uid BETWEEN ? AND ? AND bits & ?4 = ?4`,
		`DELETE FROM placement WHERE mailbox = ? AND uid BETWEEN ? AND ? AND bits & ?4 = ?4`,
	} {
		n, err := l.exec(q, id, in.First, last, bits)
		if err != nil || n == 0 {
			return err
		}
	}
	for _, q := range []string{
		`DELETE FROM gone WHERE EXISTS (SELECT 1 FROM placement p WHERE p.email = gone.email)`,
		`INSERT INTO lost (blob, n) SELECT m.blob, count(*) FROM gone CROSS JOIN message m ON m.id = gone.email GROUP BY m.blob`,
		`DELETE FROM message WHERE id IN (SELECT email FROM gone)`,
		`DELETE FROM gone`,
	} {
		if _, err := l.exec(q); err != nil {
			return err
		}
	}
	return l.releaseLost()
}

// lastUID is a range's end as a number that bounds it.
func lastUID(r mail.UIDRange) uint32 {
	if r.Last == 0 {
		return math.MaxUint32
	}
	return r.Last
}

const selectMessages = `SELECT m.id, m.account, m.thread, m.blob, m.size, coalesce(m.prefix, b.prefix), coalesce(m.summary, b.summary)`

// Message gives one message's facts.
func (s *Store) Message(ctx context.Context, account mail.AccountID, id mail.EmailID) (mail.Message, error) {
	return one(collect(ctx, s, func(r *sql.Rows) (m mail.Message, err error) {
		err = r.Scan(&m.ID, &m.Account, &m.Thread, &m.Blob, &m.Size, &m.Prefix, &m.Summary)
		return clean(m), err
	}, selectMessages+` FROM message m JOIN blob b ON b.id = m.blob WHERE m.id = ? AND m.account = ?`, int64(id), int64(account)))(
		mail.Errorf(mail.NotFound, "the account has no message number %d", id))
}

// clean gives empty values as nil.
func clean(m mail.Message) mail.Message {
	if len(m.Prefix) == 0 {
		m.Prefix = nil
	}
	if len(m.Summary) == 0 {
		m.Summary = nil
	}
	return m
}

// messagePage and placementPage are how many rows a reader fetches at once. Between pages it holds nothing.
const (
	messagePage   = 256
	placementPage = 1000
)

// Messages yields the facts of a mailbox's messages in UID order. It reads page by page, so that a slow caller holds
// nothing up: each page is of one state, no older than the commits that returned before the call; a message that is
// expunged meanwhile may be left out, one that is added meanwhile is not shown, and nothing is shown twice.
func (s *Store) Messages(ctx context.Context, id mail.MailboxID, in mail.UIDRange) iter.Seq2[mail.PlacedMessage, error] {
	return func(yield func(mail.PlacedMessage, error) bool) {
		end, _, err := s.ceiling(ctx, id)
		if err != nil {
			yield(mail.PlacedMessage{}, err)
			return
		}
		next, last := in.First, min(lastUID(in), end)
		for next <= last {
			page, err := collect(ctx, s, func(r *sql.Rows) (m mail.PlacedMessage, err error) {
				err = r.Scan(&m.UID, &m.ID, &m.Account, &m.Thread, &m.Blob, &m.Size, &m.Prefix, &m.Summary)
				m.Message = clean(m.Message)
				return m, err
			}, `SELECT p.uid, `+selectMessages[len(`SELECT `):]+` FROM placement p CROSS JOIN message m ON m.id = p.email CROSS JOIN blob b ON b.id = m.blob
				WHERE p.mailbox = ? AND p.uid BETWEEN ? AND ? ORDER BY p.uid LIMIT ?`, int64(id), next, last, messagePage)
			if err != nil {
				yield(mail.PlacedMessage{}, err)
				return
			}
			for _, m := range page {
				if !yield(m, nil) {
					return
				}
			}
			if len(page) < messagePage {
				return
			}
			next = page[len(page)-1].UID + 1
		}
	}
}

// ceiling is a mailbox's greatest UID given out, and its tombstones' horizon. NotFound.
func (s *Store) ceiling(ctx context.Context, id mail.MailboxID) (uid uint32, forgotten uint64, err error) {
	type row struct {
		uid       uint32
		forgotten uint64
	}
	r, err := one(collect(ctx, s, func(r *sql.Rows) (v row, err error) {
		err = r.Scan(&v.uid, &v.forgotten)
		return v, err
	}, `SELECT uidnext - 1, forgotten FROM mailbox WHERE id = ?`, int64(id)))(noMailbox(id))
	return r.uid, r.forgotten, err
}

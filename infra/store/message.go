package store

import (
	"context"
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
	_, err = l.exec(`INSERT INTO message (id, account, thread, blob, size, born, prefix, summary) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		r.Email, a.id, r.Thread, r.Blob, size, r.ModSeq, unless(c.Prefix, h.prefix), unless(c.Summary, h.summary))
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
// place by it, and the bodies that lose their last message. The account's history remembers it under modseq, unless that is 0. Counters
// and the mailbox's tombstones are the caller's.
func (l *ledger) dropPlacements(id mail.MailboxID, in mail.UIDRange, bits mail.FlagBits, modseq uint64) error {
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
	if modseq > 0 {
		_, err := l.exec(`INSERT OR IGNORE INTO departed (account, modseq, email, thread, born)
			SELECT m.account, ?, m.id, m.thread, m.born FROM gone CROSS JOIN message m ON m.id = gone.email`, modseq)
		if err != nil {
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

// readMessage reads the columns of selectMessages, which begin at one.
func readMessage(r row, at int) mail.Message {
	return mail.Message{ID: mail.EmailID(r.int(at)), Account: mail.AccountID(r.int(at + 1)), Thread: mail.ThreadID(r.int(at + 2)),
		Blob: mail.BlobID(r.int(at + 3)), Size: r.int(at + 4), Prefix: some(r.bytes(at + 5)), Summary: some(r.bytes(at + 6))}
}

// some is nil for an empty value.
func some(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// Message gives one message's facts.
func (s *Store) Message(ctx context.Context, account mail.AccountID, id mail.EmailID) (mail.Message, error) {
	var list []mail.Message
	err := s.rows(ctx, 1, func(r row) error {
		list = append(list, readMessage(r, 0))
		return nil
	}, selectMessages+` FROM message m JOIN blob b ON b.id = m.blob WHERE m.id = ? AND m.account = ?`, int64(id), int64(account))
	return one(list, err)(noMessage(id))
}

func noMessage(id mail.EmailID) error {
	return mail.Errorf(mail.NotFound, "the account has no message number %d", id)
}

// messagePage and placementPage are how many rows a reader fetches at once, and pageOctets of how much of prefixes and summaries a page
// ends. Between pages it holds nothing.
const (
	messagePage   = 1000
	placementPage = 1000
	pageOctets    = 512 << 10
)

// Messages yields the facts of a mailbox's messages in UID order. It reads page by page, so that a slow caller holds
// nothing up: each page is of one state, no older than the commits that returned before the call; a message that is
// expunged meanwhile may be left out, and nothing is shown twice. One that is added meanwhile is not shown, unless a range of
// few UIDs, with long summaries, had room for it.
func (s *Store) Messages(ctx context.Context, id mail.MailboxID, in mail.UIDRange) iter.Seq2[mail.PlacedMessage, error] {
	return func(yield func(mail.PlacedMessage, error) bool) {
		if err := s.messages(ctx, id, in, yield); err != nil {
			yield(mail.PlacedMessage{}, err)
		}
	}
}

func (s *Store) messages(ctx context.Context, id mail.MailboxID, in mail.UIDRange, yield func(mail.PlacedMessage, error) bool) error {
	bounded := width(in) > messagePage // a range of one page needs no bound: see placements
	if bounded {
		end, _, err := s.ceiling(ctx, id)
		if err != nil {
			return err
		}
		in.Last = min(lastUID(in), end)
	}
	for {
		page, full, err := s.messagePage(ctx, id, in)
		if err == nil && len(page) == 0 && !bounded {
			_, _, err = s.ceiling(ctx, id) // is there a mailbox?
		}
		if err != nil || !each(page, yield) || !full {
			return err
		}
		in.First, bounded = page[len(page)-1].UID+1, true
	}
}

// messagePage reads the first messages of a range. full says that there may be more.
func (s *Store) messagePage(ctx context.Context, id mail.MailboxID, in mail.UIDRange) (page []mail.PlacedMessage, full bool, err error) {
	octets := 0
	err = s.rows(ctx, int(min(messagePage, width(in))), func(r row) error {
		if page == nil {
			page = make([]mail.PlacedMessage, 0, min(messagePage, width(in)))
		}
		m := mail.PlacedMessage{UID: uint32(r.int(0)), Message: readMessage(r, 1)}
		page = append(page, m)
		octets += len(m.Prefix) + len(m.Summary)
		if full = len(page) == messagePage || octets >= pageOctets; full {
			return errEnough
		}
		return nil
	}, `SELECT p.uid, `+selectMessages[len(`SELECT `):]+` FROM placement p CROSS JOIN message m ON m.id = p.email CROSS JOIN blob b ON b.id = m.blob
		WHERE p.mailbox = ? AND p.uid BETWEEN ? AND ? ORDER BY p.uid`, int64(id), int64(in.First), int64(lastUID(in)))
	return page, full, err
}

// ceiling is a mailbox's greatest UID given out, and its tombstones' horizon. NotFound.
func (s *Store) ceiling(ctx context.Context, id mail.MailboxID) (uid uint32, forgotten uint64, err error) {
	found := false
	err = s.rows(ctx, 1, func(r row) error {
		uid, forgotten, found = uint32(r.int(0)), uint64(r.int(1)), true
		return nil
	}, `SELECT uidnext - 1, forgotten FROM mailbox WHERE id = ?`, int64(id))
	if err == nil && !found {
		err = noMailbox(id)
	}
	return uid, forgotten, err
}

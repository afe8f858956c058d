package store

import (
	"slices"

	"github.com/postrider/postrider/mail"
)

// tally is what a range of placements adds up to.
type tally struct {
	n, size, unseen, deleted int64
}

// count adds one placement.
func (t *tally) count(bits mail.FlagBits, size int64) {
	t.n++
	t.size += size
	if bits&mail.Seen == 0 {
		t.unseen++
	}
	if bits&mail.Deleted != 0 {
		t.deleted++
	}
}

// tallyOf adds up the placements of a range that have all the given bits, and passes each UID to fn.
func (l *ledger) tallyOf(b *box, in mail.UIDRange, bits mail.FlagBits, fn func(uid uint32)) (t tally, err error) {
	err = l.conn.each(func(r row) error {
		fn(uint32(r.int(0)))
		t.count(mail.FlagBits(r.int(1)), r.int(2))
		return nil
	}, `SELECT uid, bits, size FROM placement WHERE mailbox = ? AND uid BETWEEN ? AND ? AND bits & ?4 = ?4 ORDER BY uid`,
		b.id, in.First, in.Last, bits)
	return t, err
}

// add counts a tally into a mailbox, or with sign -1 out of it.
func (b *box) add(t tally, sign int64) {
	b.messages += sign * t.n
	b.size += sign * t.size
	b.unseen += sign * t.unseen
	b.deleted += sign * t.deleted
	b.dirty = true
}

func (l *ledger) expunge(c mail.Expunge) (mail.Result, error) {
	a, b, err := l.place(c.Account, c.Mailbox)
	if err != nil {
		return mail.Result{}, err
	}
	var bits mail.FlagBits
	if c.OnlyDeleted {
		bits = mail.Deleted
	}
	r := b.result()
	r.ModSeq = a.modseq
	var total tally
	var hit []mail.UIDRange
	for _, in := range within(c.UIDs, b) {
		t, err := l.tallyOf(b, in, bits, func(uid uint32) { r.Expunged = appendUID(r.Expunged, uid) })
		if err != nil {
			return mail.Result{}, err
		}
		if t.n > 0 {
			total.plus(t)
			hit = append(hit, in)
		}
	}
	if total.n == 0 {
		return r, nil
	}
	r.ModSeq = l.touch(a, b)
	b.add(total, -1)
	a.used -= total.size
	for _, in := range hit {
		if err := l.dropPlacements(b.id, in, bits, r.ModSeq); err != nil {
			return mail.Result{}, err
		}
	}
	return r, l.bury(b, r)
}

func (t *tally) plus(u tally) {
	t.n += u.n
	t.size += u.size
	t.unseen += u.unseen
	t.deleted += u.deleted
}

// bury leaves tombstones for what a change expunged.
func (l *ledger) bury(b *box, r mail.Result) error {
	for _, u := range r.Expunged {
		if _, err := l.exec(`INSERT INTO expunged (mailbox, modseq, first, last) VALUES (?, ?, ?, ?)`, b.id, r.ModSeq, u.First, u.Last); err != nil {
			return err
		}
	}
	return nil
}

// transfer is what copies and moves have in common: which placements go, and what UIDs they get.
type transfer struct {
	a        *account
	from, to *box
	hit      []mail.UIDRange
	counts   []int64 // of each range
	total    tally
	uid      uint32 // the UID before the first new one
	r        mail.Result
}

// plan looks at what a copy or move takes, without writing.
func (l *ledger) plan(account mail.AccountID, from, to mail.MailboxID, uids []mail.UIDRange) (*transfer, error) {
	a, src, err := l.place(account, from)
	if err != nil {
		return nil, err
	}
	dst, err := l.box(account, to)
	if err != nil {
		return nil, err
	}
	t := &transfer{a: a, from: src, to: dst, r: dst.result()}
	t.r.ModSeq = a.modseq
	for _, in := range within(uids, src) {
		sum, err := l.tallyOf(src, in, 0, func(uid uint32) { t.r.Copied = append(t.r.Copied, mail.UIDPair{From: uid}) })
		if err != nil {
			return nil, err
		}
		if sum.n > 0 {
			t.total.plus(sum)
			t.hit = append(t.hit, in)
			t.counts = append(t.counts, sum.n)
		}
	}
	if _, err := (&box{uidnext: dst.uidnext}).takeUIDs(t.total.n); err != nil {
		return nil, err
	}
	return t, nil
}

// assign gives out the new UIDs.
func (t *transfer) assign() error {
	base, err := t.to.takeUIDs(t.total.n)
	if err != nil {
		return err
	}
	t.uid = base
	for i := range t.r.Copied {
		t.r.Copied[i].To = base + 1 + uint32(i)
	}
	return nil
}

func (l *ledger) copyMessages(c mail.CopyMessages) (mail.Result, error) {
	t, err := l.plan(c.Account, c.From, c.To, c.UIDs)
	if err != nil || t.total.n == 0 {
		return t.result(), err
	}
	if err := t.a.room(t.total.size); err != nil {
		return mail.Result{}, err
	}
	if err := t.assign(); err != nil {
		return mail.Result{}, err
	}
	t.r.ModSeq = l.touch(t.a, t.to)
	t.to.add(t.total, 1)
	t.a.used += t.total.size
	uid, first := int64(t.uid), l.last.email+1
	for i, in := range t.hit {
		_, err := l.exec(`INSERT INTO message (id, account, thread, blob, size, born, prefix, summary)
			SELECT ?1 + row_number() OVER (ORDER BY p.uid), m.account, m.thread, m.blob, m.size, ?5, m.prefix, m.summary
			FROM placement p CROSS JOIN message m ON m.id = p.email
			WHERE p.mailbox = ?2 AND p.uid BETWEEN ?3 AND ?4 ORDER BY p.uid`, l.last.email, t.from.id, in.First, in.Last, t.r.ModSeq)
		if err != nil {
			return mail.Result{}, err
		}
		_, err = l.exec(`INSERT INTO placement (mailbox, uid, email, thread, modseq, born, bits, keywords, size, received, saved)
			SELECT ?1, ?2 + row_number() OVER (ORDER BY uid), ?3 + row_number() OVER (ORDER BY uid), thread, ?4, ?4, bits, keywords, size, received, ?5
			FROM placement WHERE mailbox = ?6 AND uid BETWEEN ?7 AND ?8 ORDER BY uid`,
			t.to.id, uid, l.last.email, t.r.ModSeq, micros(c.Saved), t.from.id, in.First, in.Last)
		if err != nil {
			return mail.Result{}, err
		}
		uid += t.counts[i]
		l.last.email += t.counts[i]
	}
	_, err = l.exec(`INSERT INTO blob_extra (blob, refs) SELECT blob, count(*) FROM message WHERE id BETWEEN ? AND ? GROUP BY blob
		ON CONFLICT (blob) DO UPDATE SET refs = refs + excluded.refs`, first, l.last.email)
	return t.r, err
}

func (t *transfer) result() mail.Result {
	if t == nil {
		return mail.Result{}
	}
	return t.r
}

func (l *ledger) moveMessages(c mail.MoveMessages) (mail.Result, error) {
	t, err := l.plan(c.Account, c.From, c.To, c.UIDs)
	if err != nil || t.total.n == 0 {
		return t.result(), err
	}
	if err := t.assign(); err != nil {
		return mail.Result{}, err
	}
	t.r.ModSeq = l.touch(t.a, t.from, t.to)
	if err := l.makeWay(t); err != nil {
		return mail.Result{}, err
	}
	t.from.add(t.total, -1)
	t.to.add(t.total, 1)
	uid := int64(t.uid)
	for i, in := range t.hit {
		_, err := l.exec(`INSERT INTO placement (mailbox, uid, email, thread, modseq, born, bits, keywords, size, received, saved)
			SELECT ?1, ?2 + row_number() OVER (ORDER BY uid), email, thread, ?3, ?3, bits, keywords, size, received, ?4
			FROM placement WHERE mailbox = ?5 AND uid BETWEEN ?6 AND ?7 ORDER BY uid`,
			t.to.id, uid, t.r.ModSeq, micros(c.Saved), t.from.id, in.First, in.Last)
		if err != nil {
			return mail.Result{}, err
		}
		if _, err := l.exec(`DELETE FROM placement WHERE mailbox = ? AND uid BETWEEN ? AND ?`, t.from.id, in.First, in.Last); err != nil {
			return mail.Result{}, err
		}
		uid += t.counts[i]
	}
	for _, p := range t.r.Copied {
		t.r.Expunged = appendUID(t.r.Expunged, p.From)
	}
	return t.r, l.bury(t.from, t.r)
}

// makeWay takes messages that a move brings to a mailbox which has them already out of their places there: they get new ones like
// the others, so that a message is in a mailbox once.
func (l *ledger) makeWay(t *transfer) error {
	if t.from == t.to {
		return nil
	}
	var had tally
	old := mail.Result{ModSeq: t.r.ModSeq}
	var uids []uint32
	for _, in := range t.hit {
		err := l.conn.each(func(r row) error {
			uids = append(uids, uint32(r.int(0)))
			had.count(mail.FlagBits(r.int(1)), r.int(2))
			return nil
		}, `SELECT q.uid, q.bits, q.size FROM placement p CROSS JOIN placement q INDEXED BY placement_email ON q.email = p.email AND q.mailbox = ?
			WHERE p.mailbox = ? AND p.uid BETWEEN ? AND ?`, t.to.id, t.from.id, in.First, in.Last)
		if err != nil {
			return err
		}
	}
	if len(uids) == 0 {
		return nil
	}
	slices.Sort(uids)
	for _, uid := range uids {
		if _, err := l.exec(`DELETE FROM placement WHERE mailbox = ? AND uid = ?`, t.to.id, uid); err != nil {
			return err
		}
		old.Expunged = appendUID(old.Expunged, uid)
	}
	t.to.add(had, -1)
	t.a.used -= had.size
	return l.bury(t.to, old)
}

func (l *ledger) placeMessage(c mail.PlaceMessage) (mail.Result, error) {
	a, b, err := l.place(c.Account, c.To)
	if err != nil {
		return mail.Result{}, err
	}
	var p mail.Placement
	found := false
	err = l.conn.each(func(r row) error {
		if here := mail.MailboxID(r.int(0)) == b.id; !found || here {
			p, found = readPlacement(r), true
		}
		return nil
	}, `SELECT `+placementColumns+` FROM placement WHERE email = ?1 AND EXISTS (SELECT 1 FROM message WHERE id = ?1 AND account = ?2)`, c.Email, a.id)
	if err != nil {
		return mail.Result{}, err
	}
	if !found {
		return mail.Result{}, noMessage(c.Email)
	}
	r := b.result()
	r.Email, r.Thread, r.UID, r.ModSeq = p.Email, p.Thread, p.UID, a.modseq
	if p.Mailbox == b.id {
		return r, nil
	}
	if err := a.room(p.Size); err != nil {
		return mail.Result{}, err
	}
	base, err := b.takeUIDs(1)
	if err != nil {
		return mail.Result{}, err
	}
	r.UID, r.ModSeq = base+1, l.touch(a, b)
	_, err = l.exec(`INSERT INTO placement (mailbox, uid, email, thread, modseq, born, bits, keywords, size, received, saved)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		b.id, r.UID, r.Email, r.Thread, r.ModSeq, r.ModSeq, p.Flags.Bits, p.Flags.Keywords, p.Size, seconds(p.Received), micros(c.Saved))
	b.count(1, p.Flags.Bits, p.Size)
	a.used += p.Size
	return r, err
}

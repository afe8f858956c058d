package store

import (
	"slices"

	"github.com/postrider/postrider/mail"
)

// flagRun is placements without another one between them that get the same flags, so that one statement sets them.
type flagRun struct {
	first, last uint32
	flags       mail.Flags
	n           int64
	low, high   mail.EmailID // among these are its messages
	words       bool         // keywords change as well
}

// flagged is a placement that changes: its index in the result and the bits it had.
type flagged struct {
	index int
	had   mail.FlagBits
}

// flagPlan is what a SetFlags is going to write.
type flagPlan struct {
	c       mail.SetFlags
	r       mail.Result
	runs    []flagRun
	changed []flagged
	broken  bool // the next change does not touch the run before
}

func (l *ledger) setFlags(c mail.SetFlags) (mail.Result, error) {
	a, b, err := l.place(c.Account, c.Mailbox)
	if err != nil {
		return mail.Result{}, err
	}
	if err := checkKeywords(c.Flags); err != nil {
		return mail.Result{}, err
	}
	p := &flagPlan{c: c, r: b.result()}
	p.r.ModSeq = a.modseq
	for _, in := range within(c.UIDs, b) {
		p.broken = true
		if room := min(int(in.Last-in.First)+1, maxGuess); cap(p.r.Placements)-len(p.r.Placements) < room {
			p.r.Placements = slices.Grow(p.r.Placements, room)
		}
		err := l.conn.each(func(r row) error { return p.see(readPlacement(r)) },
			`SELECT `+placementColumns+` FROM placement WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid`, b.id, in.First, in.Last)
		if err != nil {
			return mail.Result{}, err
		}
	}
	if len(p.changed) == 0 {
		return p.r, nil
	}
	p.r.ModSeq = l.touch(a, b)
	for _, f := range p.changed {
		pl := &p.r.Placements[f.index]
		pl.ModSeq = p.r.ModSeq
		b.recount(f.had, pl.Flags.Bits)
	}
	for _, run := range p.runs {
		if err := l.setRun(a, b, run); err != nil {
			return mail.Result{}, err
		}
	}
	return p.r, nil
}

// maxGuess bounds how many placements there is room made for before any was seen.
const maxGuess = 10_000

// see looks at one placement of the range, in UID order.
func (p *flagPlan) see(pl mail.Placement) error {
	if p.c.CheckModSeq && pl.ModSeq > p.c.UnchangedSince {
		p.r.Unchanged = appendUID(p.r.Unchanged, pl.UID)
		p.broken = true
		return nil
	}
	to, err := combine(pl.Flags, p.c.Op, p.c.Flags)
	if err != nil {
		return err
	}
	if to == pl.Flags {
		p.broken = true
		p.r.Placements = append(p.r.Placements, pl)
		return nil
	}
	p.changed = append(p.changed, flagged{len(p.r.Placements), pl.Flags.Bits})
	words := pl.Flags.Keywords != to.Keywords
	pl.Flags = to
	p.r.Placements = append(p.r.Placements, pl)
	p.extend(pl, words)
	return nil
}

// extend adds a placement to the run before it, or begins one.
func (p *flagPlan) extend(pl mail.Placement, words bool) {
	if n := len(p.runs); p.broken || p.runs[n-1].flags != pl.Flags {
		p.runs = append(p.runs, flagRun{first: pl.UID, flags: pl.Flags, low: pl.Email, high: pl.Email})
	}
	run := &p.runs[len(p.runs)-1]
	run.last = pl.UID
	run.n++
	run.low, run.high = min(run.low, pl.Email), max(run.high, pl.Email)
	run.words = run.words || words
	p.broken = false
}

// combine applies an operation to a message's flags. Invalid past MaxKeywords.
func combine(have mail.Flags, op mail.FlagsOp, f mail.Flags) (mail.Flags, error) {
	switch op {
	case mail.FlagsAdd:
		to := have.With(f)
		if f.Keywords != "" && to.Without(have).Keywords != f.Without(have).Keywords {
			return have, mail.Errorf(mail.Invalid, "a message can have at most %d keywords", mail.MaxKeywords)
		}
		return to, nil
	case mail.FlagsRemove:
		return have.Without(f), nil
	case mail.FlagsReplace:
		return f, nil
	}
	return have, mail.Errorf(mail.Invalid, "flags cannot be changed in way number %d", op)
}

// setRun writes a run's flags, also to the same messages' placements in other mailboxes.
func (l *ledger) setRun(a *account, b *box, run flagRun) error {
	others, err := l.elsewhere(b, run)
	if err != nil {
		return err
	}
	if run.words {
		_, err = l.exec(`UPDATE placement SET bits = ?, keywords = ?, modseq = ? WHERE mailbox = ? AND uid BETWEEN ? AND ?`,
			run.flags.Bits, run.flags.Keywords, a.modseq, b.id, run.first, run.last)
	} else {
		_, err = l.exec(`UPDATE placement SET bits = ?, modseq = ? WHERE mailbox = ? AND uid BETWEEN ? AND ?`,
			run.flags.Bits, a.modseq, b.id, run.first, run.last)
	}
	if err != nil {
		return err
	}
	for _, o := range others {
		ob, err := l.box(a.id, o.mailbox)
		if err != nil {
			return err
		}
		ob.recount(o.had, run.flags.Bits)
		ob.modseq, ob.dirty = a.modseq, true
		if _, err := l.exec(`UPDATE placement SET bits = ?, keywords = ?, modseq = ? WHERE mailbox = ? AND uid = ?`,
			run.flags.Bits, run.flags.Keywords, a.modseq, o.mailbox, o.uid); err != nil {
			return err
		}
	}
	return nil
}

// otherPlace is where else a message is.
type otherPlace struct {
	mailbox mail.MailboxID
	uid     uint32
	had     mail.FlagBits
}

// elsewhere lists the places of a run's messages beyond the run. Most messages have none: where those of the run were filed
// close to one another, a look along the index at all that were filed in that time says so.
func (l *ledger) elsewhere(b *box, run flagRun) ([]otherPlace, error) {
	if int64(run.high-run.low) < 4*run.n {
		found, err := l.conn.one(func(row) {}, `SELECT 1 FROM placement INDEXED BY placement_email
			WHERE email BETWEEN ? AND ? AND (mailbox <> ? OR uid NOT BETWEEN ? AND ?) LIMIT 1`, run.low, run.high, b.id, run.first, run.last)
		if err != nil || !found {
			return nil, err
		}
	}
	var others []otherPlace
	err := l.conn.each(func(r row) error {
		others = append(others, otherPlace{mail.MailboxID(r.int(0)), uint32(r.int(1)), mail.FlagBits(r.int(2))})
		return nil
	}, `SELECT q.mailbox, q.uid, q.bits FROM placement p CROSS JOIN placement q INDEXED BY placement_email ON q.email = p.email
		WHERE p.mailbox = ? AND p.uid BETWEEN ? AND ? AND (q.mailbox <> p.mailbox OR q.uid NOT BETWEEN ?2 AND ?3)`, b.id, run.first, run.last)
	return others, err
}

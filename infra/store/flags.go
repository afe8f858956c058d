package store

import (
	"github.com/postrider/postrider/mail"
)

// flagRun is placements without another one between them that get the same flags, so that one statement sets them.
type flagRun struct {
	first, last uint32
	flags       mail.Flags
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
	pl.Flags = to
	p.r.Placements = append(p.r.Placements, pl)
	if n := len(p.runs); !p.broken && p.runs[n-1].flags == to {
		p.runs[n-1].last = pl.UID
	} else {
		p.runs = append(p.runs, flagRun{pl.UID, pl.UID, to})
	}
	p.broken = false
	return nil
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
	type other struct {
		mailbox mail.MailboxID
		uid     uint32
		had     mail.FlagBits
	}
	var others []other
	err := l.conn.each(func(r row) error {
		others = append(others, other{mail.MailboxID(r.int(0)), uint32(r.int(1)), mail.FlagBits(r.int(2))})
		return nil
	}, `SELECT q.mailbox, q.uid, q.bits FROM placement p CROSS JOIN placement q INDEXED BY placement_email ON q.email = p.email
		WHERE p.mailbox = ? AND p.uid BETWEEN ? AND ? AND (q.mailbox <> p.mailbox OR q.uid NOT BETWEEN ?2 AND ?3)`, b.id, run.first, run.last)
	if err != nil {
		return err
	}
	const update = `UPDATE placement SET bits = ?, keywords = ?, modseq = ? WHERE mailbox = ? AND uid BETWEEN ? AND ?`
	if _, err := l.exec(update, run.flags.Bits, run.flags.Keywords, a.modseq, b.id, run.first, run.last); err != nil {
		return err
	}
	for _, o := range others {
		ob, err := l.box(a.id, o.mailbox)
		if err != nil {
			return err
		}
		ob.recount(o.had, run.flags.Bits)
		ob.modseq, ob.dirty = a.modseq, true
		if _, err := l.exec(update, run.flags.Bits, run.flags.Keywords, a.modseq, o.mailbox, o.uid, o.uid); err != nil {
			return err
		}
	}
	return nil
}

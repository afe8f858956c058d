package junk

import (
	"context"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Bounds on what waits to be learnt.
const (
	maxWaiting = 256  // lessons
	maxMany    = 1000 // messages of one lesson; the first ones of a change of more
)

// Watch is a journal for whoever changes mailboxes for their owner (maa): what is moved into Junk and out of it, and marked as one or the other,
// is learnt. Nothing waits for that, and a lesson that finds no room is lost with a line in the log.
type Watch struct {
	Journal mail.Journal
	Filter  *Filter
}

// Commit implements mail.Journal.
func (w *Watch) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	receipt, err := w.Journal.Commit(ctx, set)
	if err == nil && w.Filter != nil && len(receipt.Results) == len(set.Changes) {
		w.Filter.notice(set, receipt)
	}
	return receipt, err
}

// lesson is one change to messages that may teach something. Where they are now, and what the mailboxes are for, is found out when it is learnt.
type lesson struct {
	account  mail.AccountID
	from, to mail.MailboxID // the messages came from here (0: nowhere) and are there
	copied   bool
	uids     []mail.UIDRange // in to
	said     Verdict         // by a keyword; Neutral leaves it to the mailboxes
	unsaid   Verdict         // what a keyword said that was taken off
	weak     bool
	gone     bool // the account is removed
}

// notice finds the lessons in a commit.
func (f *Filter) notice(set mail.ChangeSet, receipt mail.Receipt) {
	delivery := false
	for _, c := range set.Changes {
		if _, ok := c.(mail.Record); ok {
			delivery = true // what is filed with an event was filed by us, not by its owner
		}
	}
	for i, c := range set.Changes {
		r := &receipt.Results[i]
		switch c := c.(type) {
		case mail.MoveMessages:
			f.wait(lesson{account: c.Account, from: c.From, to: c.To, uids: f.arrived(r.Copied)})
		case mail.CopyMessages:
			f.wait(lesson{account: c.Account, from: c.From, to: c.To, uids: f.arrived(r.Copied), copied: true})
		case mail.SetFlags:
			f.flagged(c, r)
		case mail.AddMessage:
			if !delivery && r.UID != 0 {
				said := opinion(c.Flags)
				f.wait(lesson{account: c.Account, to: c.Mailbox, uids: []mail.UIDRange{{First: r.UID, Last: r.UID}}, said: said})
			}
		case mail.RemoveAccount:
			f.wait(lesson{account: c.Account, gone: true})
		}
	}
}

// flagged finds the lesson in a change of flags.
func (f *Filter) flagged(c mail.SetFlags, r *mail.Result) {
	l := lesson{account: c.Account, to: c.Mailbox}
	switch said := opinion(c.Flags); {
	case c.Op == mail.FlagsRemove && said == Neutral:
		return
	case c.Op == mail.FlagsRemove:
		l.unsaid = said
	case said != Neutral:
		l.said = said
	case c.Flags.Has(mail.Answered):
		l.said, l.weak = Good, true
	default:
		return
	}
	pairs := make([]mail.UIDPair, 0, len(r.Placements))
	for _, p := range r.Placements {
		pairs = append(pairs, mail.UIDPair{To: p.UID})
	}
	l.uids = f.arrived(pairs)
	f.wait(l)
}

// opinion is what flags say: $Junk and $NotJunk, and the words that some programs use instead.
func opinion(flags mail.Flags) Verdict {
	junk, good := flags.Has(mail.Junk), flags.Has(mail.NotJunk)
	for word := range strings.FieldsSeq(flags.Keywords) {
		junk = junk || word == "junk"
		good = good || word == "nonjunk" || word == "notjunk"
	}
	switch {
	case junk && !good:
		return Junk
	case good && !junk:
		return Good
	}
	return Neutral
}

// arrived makes ranges of where messages are now.
func (f *Filter) arrived(pairs []mail.UIDPair) (out []mail.UIDRange) {
	if len(pairs) > maxMany {
		f.missed.Add(int64(len(pairs) - maxMany))
		pairs = pairs[:maxMany]
	}
	for _, p := range pairs {
		if n := len(out); n > 0 && out[n-1].Last+1 == p.To {
			out[n-1].Last = p.To
		} else if p.To != 0 {
			out = append(out, mail.UIDRange{First: p.To, Last: p.To})
		}
	}
	return out
}

// wait puts a lesson where Run finds it. It never blocks.
func (f *Filter) wait(l lesson) {
	if f.cfg.Notes == nil || len(l.uids) == 0 && !l.gone {
		return
	}
	select {
	case f.lessons <- l:
	default:
		f.missed.Add(1)
	}
}

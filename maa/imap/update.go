package imap

import (
	"context"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// update brings the view up to the store and tells the client each step of it. Expunges wait while sequence
// numbers must stay (RFC 9051 7.5.1); new messages and flags do not.
func (s *session) update(ctx context.Context, expunges bool) error {
	v := s.box
	box, err := s.cfg.Mailboxes.Mailbox(ctx, s.account.ID, v.id)
	if err != nil {
		return err
	}
	if box.UIDValidity != v.uidValidity {
		return mail.Errorf(mail.NotFound, "the mailbox was replaced by another of its name")
	}
	if err := s.askGone(ctx, box.ModSeq); err != nil {
		return err
	}
	if expunges {
		s.tellGone()
	}
	if box.ModSeq <= v.seen {
		return nil
	}
	return s.tellChanged(ctx, box.ModSeq)
}

// askGone notes what was expunged since it was asked last, up to now at least.
func (s *session) askGone(ctx context.Context, now uint64) error {
	v := s.box
	if now <= v.goneAt {
		return nil
	}
	gone, err := s.cfg.Mailboxes.Expunged(ctx, v.id, v.goneAt)
	if err != nil {
		return err
	}
	v.gone = wire.Merge(append(v.gone, v.known(gone)...))
	v.goneAt = now
	return nil
}

// known gives ranges of UIDs up to the last of the view: what is beyond came and went unseen.
func (v *view) known(uids []mail.UIDRange) []wire.Range {
	last := v.lastUID()
	var out []wire.Range
	for _, r := range uids {
		if r.First > last {
			break
		}
		if r.Last == 0 || r.Last > last {
			r.Last = last
		}
		out = append(out, wire.Range{First: r.First, Last: r.Last})
	}
	return out
}

// tellGone takes what was expunged out of the view.
func (s *session) tellGone() {
	v := s.box
	v.goneTold = v.goneAt
	if len(v.gone) == 0 {
		return
	}
	spans := v.uidSpans(v.gone)
	v.gone = nil
	if len(spans) == 0 {
		return
	}
	if s.qresync { // RFC 7162 3.2.10: VANISHED in place of EXPUNGE
		var uids []wire.Range
		for _, sp := range spans {
			for _, e := range v.entries[sp.from:sp.to] {
				uids = wire.AppendNumber(uids, e.uid)
			}
		}
		s.untagged("VANISHED " + wire.FormatRanges(uids))
	} else {
		// From the last to the first, so that no number depends on one told before.
		for i := len(spans) - 1; i >= 0; i-- {
			for n := spans[i].to; n > spans[i].from; n-- {
				s.enc.Raw("* ").Number(uint64(n)).Raw(" EXPUNGE").CRLF()
			}
		}
	}
	v.remove(spans)
}

// tellChanged tells new messages and changed flags.
func (s *session) tellChanged(ctx context.Context, now uint64) error {
	v := s.box
	before := len(v.entries)
	var told []uint32 // UIDs whose flags changed
	flush := func() {
		s.tellFlagNames()
		for _, uid := range told {
			if i, ok := v.find(uid); ok {
				s.tellFlags(i)
			}
		}
		told = told[:0]
	}
	for p, err := range s.cfg.Mailboxes.Placements(ctx, v.id, mail.UIDRange{First: 1}, v.seen) {
		if err != nil {
			return err
		}
		what, err := v.put(p.UID, p.Flags, p.ModSeq)
		if err != nil {
			return err
		}
		if what == changed {
			told = append(told, p.UID)
		}
	}
	v.seen = now
	if len(v.entries) != before {
		s.tellExists()
	}
	flush()
	return nil
}

// tellExists tells how many messages there are.
func (s *session) tellExists() {
	s.enc.Raw("* ").Number(uint64(len(s.box.entries))).Raw(" EXISTS").CRLF()
	if !s.rev2 {
		s.untagged("0 RECENT") // RFC 3501 7.3.2; see the package comment
	}
}

// tellFlagNames tells of keywords that are new (RFC 9051 7.3.5).
func (s *session) tellFlagNames() {
	if !s.box.fresh {
		return
	}
	s.box.fresh = false
	s.enc.Raw("* FLAGS ").Words(s.box.flagNames()).CRLF()
}

// tellFlags tells the flags of entry i unasked: with its UID, and its mod-sequence once the client knows of those
// (RFC 7162 3.1).
func (s *session) tellFlags(i int) {
	e := s.box.entries[i]
	s.enc.Raw("* ").Number(uint64(i + 1)).Raw(" FETCH (UID ").Number(uint64(e.uid)).Raw(" FLAGS ").Raw(s.box.words(e))
	if s.condstore {
		s.enc.Raw(" MODSEQ (").Number(e.modseq).Raw(")")
	}
	s.enc.Raw(")").CRLF()
}

// trouble ends the session when its mailbox is gone (RFC 2180 3.3), and logs what else kept it from the news: the next
// command will ask again.
func (s *session) trouble(err error) {
	if mail.Is(err, mail.NotFound) {
		s.over = true
		s.untagged("BYE [NONEXISTENT] the selected mailbox was deleted by another session")
		return
	}
	s.log.Error("the selected mailbox could not be read", "account", s.account.Address, "err", err)
}

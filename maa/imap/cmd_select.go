package imap

import (
	"context"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdSelect serves SELECT and EXAMINE (RFC 9051 6.3.2, RFC 9051 6.3.3).
func (s *session) cmdSelect(ctx context.Context, c *call, a *wire.Select) (reply, error) {
	if a.QResync != nil && !s.qresync {
		return bad("QRESYNC must be enabled first"), nil // RFC 7162 3.2.5
	}
	if s.box != nil {
		s.deselect() // also when the command fails (RFC 9051 6.3.2)
		s.untagged("OK [CLOSED] the mailbox selected before is closed")
	}
	// News is watched for before the mailbox is read, so that none falls in between.
	news, stop := s.cfg.Bus.Watch(mail.Topic{Kind: mail.TopicAccount, Account: s.account.ID})
	box, err := s.mailbox(ctx, a.Mailbox)
	if err != nil {
		stop()
		return reply{}, err
	}
	v := &view{id: box.ID, name: box.Name, uidValidity: box.UIDValidity, readOnly: c.head.Name == "EXAMINE", news: news, stop: stop}
	if err := s.srv.hot.open(ctx, v, s.cfg.Mailboxes, box); err != nil {
		stop()
		return reply{}, err
	}
	s.box, s.saved = v, nil
	s.condstore = s.condstore || a.CondStore
	s.tellSelected(box)
	if q := a.QResync; q != nil && q.UIDValidity == v.uidValidity {
		if err := s.resync(ctx, q); err != nil {
			s.deselect()
			return reply{}, err
		}
	}
	if v.readOnly {
		return okCode("READ-ONLY", "opened to be read only"), nil
	}
	return okCode("READ-WRITE", "opened"), nil
}

// deselect gives the view up.
func (s *session) deselect() {
	if s.box == nil {
		return
	}
	s.box.stop()
	s.srv.hot.keep(s.box)
	s.box, s.saved = nil, nil
}

// tellSelected tells what SELECT must (RFC 9051 6.3.2).
func (s *session) tellSelected(box mail.Mailbox) {
	v := s.box
	v.fresh = false
	s.enc.Raw("* FLAGS ").Words(v.flagNames()).CRLF()
	if v.readOnly {
		s.untagged("OK [PERMANENTFLAGS ()] nothing can be changed")
	} else {
		s.enc.Raw("* OK [PERMANENTFLAGS ").Words(append(v.flagNames(), `\*`)).Raw("] these are kept").CRLF()
	}
	s.tellExists()
	if !s.rev2 { // RFC 3501 6.3.1; gone from RFC 9051
		for i, e := range v.entries {
			if !v.flags(e).Has(mail.Seen) {
				s.enc.Raw("* OK [UNSEEN ").Number(uint64(i + 1)).Raw("] is the first unseen message").CRLF()
				break
			}
		}
	}
	s.enc.Raw("* OK [UIDVALIDITY ").Number(uint64(v.uidValidity)).Raw("] UIDs are valid").CRLF()
	s.enc.Raw("* OK [UIDNEXT ").Number(uint64(max(box.UIDNext, v.lastUID()+1))).Raw("] is the next UID").CRLF()
	s.enc.Raw("* OK [HIGHESTMODSEQ ").Number(v.highest()).Raw("] is the latest change").CRLF()
	s.enc.Raw("* OK [MAILBOXID (").Raw(mailboxID(box.ID)).Raw(")] is its name for ever").CRLF()
	if s.rev2 {
		s.enc.Raw("* LIST () \"" + mail.Delimiter + "\" ").Mailbox(box.Name).CRLF()
	}
}

// flagNames are the flags of the mailbox: those with a meaning, and the keywords in use.
func (v *view) flagNames() []string {
	names := slices.Clone(systemFlags)
	var words []string
	if v.index == nil && slices.ContainsFunc(v.sets, func(f flagSet) bool { return f.Keywords != "" }) {
		v.indexSets()
	}
	for w := range v.keywords {
		words = append(words, w)
	}
	slices.Sort(words)
	return append(names, words[:min(len(words), 500)]...)
}

// systemFlags are all flags of mail.FlagBits.
var systemFlags = mail.Flags{Bits: mail.Seen | mail.Answered | mail.Flagged | mail.Deleted | mail.Draft | mail.Forwarded |
	mail.MDNSent | mail.Junk | mail.NotJunk | mail.Phishing}.Names()

// highest is the mod-sequence up to which the client knows everything (RFC 7162 3.1.2): expunges it was not told
// of hold it back.
func (v *view) highest() uint64 {
	n := v.seen
	if len(v.gone) > 0 {
		n = min(n, v.goneTold)
	}
	return max(n, 1)
}

// resync tells a client that comes back what it missed (RFC 7162 3.2.5).
func (s *session) resync(ctx context.Context, q *wire.QResync) error {
	v := s.box
	known := []wire.Range{{First: 1, Last: max(v.lastUID(), 1)}}
	if len(q.Known.Ranges) > 0 {
		known = q.Known.Resolve(v.lastUID())
	} else if q.UIDs.Ranges == nil {
		// All it may know lies below UIDNEXT; what is above the last message may have gone as well.
		known[0].Last = wire.Star - 1
	}
	if err := s.tellVanished(ctx, known, q.ModSeq); err != nil {
		return err
	}
	for _, sp := range v.uidSpans(known) {
		for i := sp.from; i < sp.to; i++ {
			if v.entries[i].modseq > q.ModSeq {
				s.tellFlags(i)
			}
		}
	}
	return nil
}

// tellVanished tells which of some UIDs were expunged after a mod-sequence (RFC 7162 3.2.10.1).
func (s *session) tellVanished(ctx context.Context, of []wire.Range, since uint64) error {
	box, err := s.cfg.Mailboxes.Mailbox(ctx, s.account.ID, s.box.id)
	if err != nil {
		return err
	}
	gone, err := s.cfg.Mailboxes.Expunged(ctx, s.box.id, since)
	if err != nil {
		return err
	}
	var out []wire.Range
	for i := 0; i < len(gone) && len(of) > 0; {
		g := gone[i]
		if g.Last == 0 || g.Last >= box.UIDNext {
			g.Last = box.UIDNext - 1
		}
		if from, to := max(of[0].First, g.First), min(of[0].Last, g.Last); from <= to {
			out = append(out, wire.Range{First: from, Last: to})
		}
		if of[0].Last <= g.Last { // both ascend: who ends first is done with
			of = of[1:]
		} else {
			i++
		}
	}
	// What the client will be told as a VANISHED of its own at the end of the command is in the view still.
	out = s.box.without(wire.Merge(out))
	if len(out) > 0 {
		s.untagged("VANISHED (EARLIER) " + wire.FormatRanges(out))
	}
	return nil
}

// without takes the UIDs of the view out of ranges.
func (v *view) without(ranges []wire.Range) []wire.Range {
	var out []wire.Range
	for _, r := range ranges {
		i, _ := v.find(r.First)
		for ; i < len(v.entries) && v.entries[i].uid <= r.Last; i++ {
			uid := v.entries[i].uid
			if uid > r.First {
				out = append(out, wire.Range{First: r.First, Last: uid - 1})
			}
			r.First = uid + 1
		}
		if r.First <= r.Last {
			out = append(out, r)
		}
	}
	return out
}

// mailbox finds a mailbox by its name.
func (s *session) mailbox(ctx context.Context, name string) (mail.Mailbox, error) {
	list, err := s.cfg.Mailboxes.Mailboxes(ctx, s.account.ID)
	if err != nil {
		return mail.Mailbox{}, err
	}
	name = strings.TrimSuffix(name, mail.Delimiter)
	for _, b := range list {
		if b.Name == name {
			return b, nil
		}
	}
	return mail.Mailbox{}, mail.Errorf(mail.NotFound, "there is no mailbox %q", name)
}

package imap

import (
	"context"
	"errors"
	"fmt"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
	"github.com/postrider/postrider/proto/message"
)

// fetch is one FETCH on its way.
type fetch struct {
	s        *session
	c        *call
	items    []wire.FetchItem
	need     need
	envelope bool // of a summary, no more than the envelope is asked for
	seen     bool // \Seen is set on what is fetched

	src   source // of the message that is being answered for
	parts []part
	read  message.EnvelopeReader

	sent   []mail.UIDRange // to become \Seen
	marked []uint32        // UIDs that became so
	failed int             // messages that could not be read
	first  error           // why the first of them could not
}

// cmdFetch serves FETCH (RFC 9051 6.4.5), CHANGEDSINCE and VANISHED (RFC 7162 3.1.4.1, RFC 7162 3.2.6).
func (s *session) cmdFetch(ctx context.Context, c *call, a *wire.Fetch) (reply, error) {
	if a.Vanished && !s.qresync {
		return bad("VANISHED needs QRESYNC to be enabled"), nil
	}
	f := s.newFetch(a, c)
	spans, err := s.resolve(a.Set, c.head.UID)
	if err != nil {
		return reply{}, err
	}
	if a.Vanished {
		of := a.Set.Resolve(s.box.lastUID())
		if a.Set.Saved {
			of = s.saved
		}
		if err := s.tellVanished(ctx, of, a.ChangedSince); err != nil {
			return reply{}, err
		}
	}
	for _, sp := range spans {
		for from := sp.from; from < sp.to; {
			if a.Changed && s.box.entries[from].modseq <= a.ChangedSince {
				from++
				continue
			}
			to := from + 1
			for to < sp.to && (!a.Changed || s.box.entries[to].modseq > a.ChangedSince) {
				to++
			}
			if from, err = f.some(ctx, from, to); err != nil {
				return s.fetchBroken(c, err)
			}
		}
	}
	return f.done(), nil
}

// fetchBroken ends a FETCH that cannot go on.
func (s *session) fetchBroken(c *call, err error) (reply, error) {
	switch {
	case errors.Is(err, errStopping):
		s.bye(err)
		return reply{}, nil
	case errors.Is(err, errReading):
		s.log.Error("the connection is ended: a message could not be read after its size was announced", "err", err)
		s.over = true
		return reply{}, nil
	case s.over:
		return reply{}, nil
	}
	return reply{}, err
}

// newFetch works out what has to be read.
func (s *session) newFetch(a *wire.Fetch, c *call) *fetch {
	f := &fetch{s: s, c: c, envelope: true}
	has := make(map[wire.Item]bool)
	for _, it := range a.Items {
		has[it.Item] = true
	}
	if c.head.UID && !has[wire.ItemUID] { // RFC 9051 6.4.9
		f.items = append(f.items, wire.FetchItem{Item: wire.ItemUID})
	}
	f.items = append(f.items, a.Items...)
	if has[wire.ItemModSeq] || a.Changed {
		s.enableCondstore()
	}
	if a.Changed && !has[wire.ItemModSeq] { // RFC 7162 3.1.4.1
		f.items = append(f.items, wire.FetchItem{Item: wire.ItemModSeq})
	}
	either := false // the placement or the message has it
	for _, it := range f.items {
		switch it.Item {
		case wire.ItemUID, wire.ItemFlags, wire.ItemModSeq:
		case wire.ItemInternalDate, wire.ItemSaveDate:
			f.need.placement = true
		case wire.ItemSize, wire.ItemEmailID, wire.ItemThreadID:
			either = true
		case wire.ItemEnvelope:
			f.need.message = true
		default:
			f.need.message = true
			f.envelope = false
			sets := it.Item == wire.ItemSection || it.Item == wire.ItemBinary
			f.seen = f.seen || sets && !it.Section.Peek && !s.box.readOnly
		}
	}
	f.need.placement = f.need.placement || either && !f.need.message
	f.parts = make([]part, len(f.items))
	return f
}

// some answers for some of the entries from..to, at least one, and gives where to go on.
func (f *fetch) some(ctx context.Context, from, to int) (int, error) {
	if f.s.c.stop.Err() != nil {
		return 0, errStopping
	}
	if f.need == (need{}) {
		return f.known(from, min(to, from+loadSize))
	}
	items, err := f.s.load(ctx, from, to, f.need)
	if err != nil {
		return 0, err
	}
	for i := range items {
		if err := f.one(ctx, &items[i]); err != nil {
			return 0, err
		}
		if f.s.c.stop.Err() != nil {
			return 0, errStopping
		}
	}
	if from += len(items); from < to {
		if err := f.s.flush(); err != nil {
			return 0, err
		}
	}
	return from, f.markSeen(ctx)
}

// known answers with what the view has, and gives where to go on.
func (f *fetch) known(from, to int) (int, error) {
	e, v := f.s.enc, f.s.box
	for i := from; i < to; i++ {
		entry := v.entries[i]
		e.Raw("* ").Number(uint64(i + 1)).Raw(" FETCH (")
		for k := range f.items {
			if k > 0 {
				e.SP()
			}
			switch f.items[k].Item {
			case wire.ItemUID:
				e.Raw("UID ").Number(uint64(entry.uid))
			case wire.ItemFlags:
				e.Raw("FLAGS ").Raw(v.words(entry))
			case wire.ItemModSeq:
				e.Raw("MODSEQ (").Number(entry.modseq).Raw(")")
			}
		}
		e.Raw(")").CRLF()
	}
	return to, nil
}

// one answers for one message. What cannot be read costs this message's answer alone; it gives an error only when the
// session cannot go on.
func (f *fetch) one(ctx context.Context, it *item) error {
	if !it.found {
		f.fail(mail.Errorf(mail.NotFound, "the message was expunged by another session"))
		return nil
	}
	f.src = source{ctx: ctx, s: f.s, m: &it.message, room: maxKept}
	src := &f.src
	defer src.close()
	if err := f.prepare(src); err != nil {
		f.fail(err)
		return nil
	}
	e := f.s.enc.Raw("* ").Number(uint64(it.index + 1)).Raw(" FETCH (")
	for i := range f.items {
		if i > 0 {
			e.SP()
		}
		if err := f.write(it, src, &f.items[i], &f.parts[i]); err != nil {
			return err
		}
	}
	e.Raw(")").CRLF()
	if f.seen && !f.s.box.flags(f.s.box.entries[it.index]).Has(mail.Seen) {
		uid := f.s.box.entries[it.index].uid
		f.sent = append(f.sent, mail.UIDRange{First: uid, Last: uid})
	}
	return nil
}

// fail notes a message without an answer.
func (f *fetch) fail(err error) {
	if f.failed++; f.first == nil {
		f.first = err
	}
	if mail.KindOf(err) == mail.Internal && !errors.Is(err, errUnknownCTE) {
		f.s.log.Error("a message cannot be read", "mailbox", f.s.box.name, "err", err)
	}
}

// part is an item made ready: nothing that can fail is left to do but to write it.
type part struct {
	env     *message.Envelope
	root    *message.Part
	content *measured // nil: NIL
}

// prepare makes the items of a message ready before a word of the answer is written.
func (f *fetch) prepare(src *source) error {
	clear(f.parts)
	for i := range f.items {
		p := &f.parts[i]
		var err error
		switch it := &f.items[i]; it.Item {
		case wire.ItemEnvelope:
			if f.envelope {
				p.env, err = f.read.Read(src.m.Summary)
			} else if p.root, err = src.tree(); err == nil {
				p.env = p.root.Envelope
			}
		case wire.ItemBody, wire.ItemBodyStructure:
			p.root, err = src.tree()
		case wire.ItemSection, wire.ItemBinary, wire.ItemBinarySize:
			p.content, err = src.section(*it)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// section finds and measures a section.
func (src *source) section(it wire.FetchItem) (*measured, error) {
	if err := src.open(); err != nil {
		return nil, err
	}
	c, err := src.find(it)
	if err != nil || c == nil {
		return nil, err
	}
	return src.measure(c, it.Section)
}

// write writes one item of the answer (RFC 9051 7.5.2).
func (f *fetch) write(it *item, src *source, want *wire.FetchItem, p *part) error {
	e := f.s.enc
	entry := f.s.box.entries[it.index]
	switch want.Item {
	case wire.ItemUID:
		e.Raw("UID ").Number(uint64(entry.uid))
	case wire.ItemFlags:
		e.Raw("FLAGS ").Raw(f.s.box.words(entry))
	case wire.ItemModSeq:
		e.Raw("MODSEQ (").Number(entry.modseq).Raw(")")
	case wire.ItemInternalDate:
		e.Raw("INTERNALDATE ").DateTime(it.placement.Received)
	case wire.ItemSaveDate:
		e.Raw("SAVEDATE ").DateTime(it.placement.Saved)
	case wire.ItemSize:
		e.Raw("RFC822.SIZE ").Number(uint64(it.size()))
	case wire.ItemEmailID:
		e.Raw("EMAILID (").Raw(emailID(it.email())).Raw(")")
	case wire.ItemThreadID:
		e.Raw("THREADID (").Raw(threadID(it.thread())).Raw(")")
	case wire.ItemEnvelope:
		e.Raw("ENVELOPE ").Envelope(p.env)
	case wire.ItemBody:
		e.Raw("BODY ").Structure(p.root, false)
	case wire.ItemBodyStructure:
		e.Raw("BODYSTRUCTURE ").Structure(p.root, true)
	case wire.ItemBinarySize:
		e.Section(want.Item, want.Section).SP()
		if p.content == nil {
			e.Number(0)
			break
		}
		e.Number(uint64(p.content.size))
	default:
		return f.literal(want, p.content)
	}
	return nil
}

// literal writes a section as a literal, straight from the store.
func (f *fetch) literal(want *wire.FetchItem, m *measured) error {
	e := f.s.enc.Section(want.Item, want.Section).SP()
	if m == nil {
		e.Raw("NIL")
		return nil
	}
	if m.nul {
		e.Raw("~") // literal8 (RFC 9051 4.3.1)
	}
	e.Raw("{").Number(uint64(m.n)).Raw("}\r\n")
	return m.writeTo(f.s.c.bw)
}

// markSeen sets \Seen on what was sent. The client is told at the end.
func (f *fetch) markSeen(ctx context.Context) error {
	if len(f.sent) == 0 {
		return nil
	}
	s := f.s
	set := mail.SetFlags{Account: s.account.ID, Mailbox: s.box.id, UIDs: f.sent, Op: mail.FlagsAdd, Flags: mail.Flags{Bits: mail.Seen}}
	_, err := s.setFlags(ctx, f.c, set, func(p mail.Placement) error {
		what, err := s.box.put(p.UID, p.Flags, p.ModSeq)
		if what == changed {
			f.marked = append(f.marked, p.UID)
		}
		return err
	})
	f.sent = f.sent[:0:0]
	if err != nil { // the messages were sent all the same
		s.log.Warn("fetched messages could not be marked as seen", "err", err)
	}
	return nil
}

// done is the answer. Before it the client is told what became \Seen.
func (f *fetch) done() reply {
	f.s.tellFlagNames()
	for _, uid := range f.marked {
		if i, ok := f.s.box.find(uid); ok {
			f.s.tellFlags(i)
		}
	}
	switch {
	case f.failed == 0:
		return ok("fetched")
	case errors.Is(f.first, errUnknownCTE):
		return no("UNKNOWN-CTE", "%s", f.first.Error())
	case mail.Is(f.first, mail.NotFound):
		return no("EXPUNGEISSUED", "some messages were expunged by another session")
	}
	r := refusal(f.first)
	text := "a message is damaged and cannot be read; the others were fetched"
	if f.failed > 1 {
		text = fmt.Sprintf("%d messages are damaged and cannot be read; the others were fetched", f.failed)
	}
	if mail.KindOf(f.first) == mail.Internal {
		r.text = text
	}
	return r
}

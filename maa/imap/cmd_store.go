package imap

import (
	"context"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// batch is how many messages one change set or one reading of the store takes at most.
const batch = 5000

// cmdStore serves STORE (RFC 9051 6.4.6), and on condition (RFC 7162 3.1.3).
func (s *session) cmdStore(ctx context.Context, c *call, a *wire.Store) (reply, error) {
	if s.box.readOnly {
		return readOnly(), nil
	}
	flags, err := parseFlags(a.Flags)
	if err != nil {
		return reply{}, err
	}
	spans, err := s.resolve(a.Set, c.head.UID)
	if err != nil {
		return reply{}, err
	}
	if a.Conditional {
		s.enableCondstore()
	}
	var modified []wire.Range
	for part := range batches(spans, batch) {
		if c.changed { // somebody changed the account before the last batch; once the view has that, the next ones follow it
			if err := s.update(ctx, false); err != nil {
				return reply{}, err
			}
			c.changed = false
		}
		left, err := s.storeSome(ctx, c, a, flags, part)
		if err != nil {
			return reply{}, err
		}
		modified = append(modified, left...)
	}
	if len(modified) == 0 {
		return ok("stored"), nil
	}
	if !c.head.UID {
		modified = s.box.numbers(modified)
	}
	return okCode("MODIFIED "+wire.FormatRanges(modified), "some messages were changed by somebody else meanwhile"), nil
}

// parseFlags reads flags to be stored. \Recent is the server's to set and passed over (RFC 3501 2.3.2).
func parseFlags(names []string) (mail.Flags, error) {
	kept := names[:0:0]
	for _, n := range names {
		if !strings.EqualFold(n, `\Recent`) {
			kept = append(kept, n)
		}
	}
	return mail.ParseFlags(kept...)
}

// batches splits spans into groups of at most n entries.
func batches(spans []span, n int) func(yield func([]span) bool) {
	return func(yield func([]span) bool) {
		var group []span
		room := n
		for _, sp := range spans {
			for sp.from < sp.to {
				end := min(sp.to, sp.from+room)
				group = append(group, span{sp.from, end})
				room -= end - sp.from
				sp.from = end
				if room == 0 {
					if !yield(group) {
						return
					}
					group, room = nil, n
				}
			}
		}
		if len(group) > 0 {
			yield(group)
		}
	}
}

var flagOps = map[wire.StoreOp]mail.FlagsOp{wire.StoreAdd: mail.FlagsAdd, wire.StoreRemove: mail.FlagsRemove, wire.StoreReplace: mail.FlagsReplace}

// storeSome changes one batch and tells the client of it. It gives the UIDs that the client's condition held back.
func (s *session) storeSome(ctx context.Context, c *call, a *wire.Store, flags mail.Flags, part []span) ([]wire.Range, error) {
	v := s.box
	set := mail.SetFlags{Account: s.account.ID, Mailbox: v.id, UIDs: v.uidRanges(part), Op: flagOps[a.Op], Flags: flags,
		CheckModSeq: a.Conditional, UnchangedSince: a.UnchangedSince}
	told := func(p mail.Placement) error { return s.tellStored(a, set.Op, flags, p) }
	left, err := s.setFlags(ctx, c, set, told)
	if err != nil {
		return nil, err
	}
	var out []wire.Range
	for _, r := range left {
		out = append(out, wire.Range{First: r.First, Last: r.Last})
	}
	return out, nil
}

// tellStored takes a message whose flags were set into the view, and tells the client what it must know of it.
func (s *session) tellStored(a *wire.Store, op mail.FlagsOp, flags mail.Flags, p mail.Placement) error {
	v := s.box
	i, ok := v.find(p.UID)
	if !ok {
		return nil
	}
	expected := combine(v.flags(v.entries[i]), op, flags)
	if _, err := v.put(p.UID, p.Flags, p.ModSeq); err != nil {
		return err
	}
	s.tellFlagNames()
	// What somebody else changed meanwhile is told even to who asked for silence (RFC 9051 6.4.6).
	if !a.Silent || expected != p.Flags {
		s.tellFlags(i)
	} else if s.condstore {
		e := v.entries[i]
		s.enc.Raw("* ").Number(uint64(i + 1)).Raw(" FETCH (UID ").Number(uint64(e.uid)).Raw(" MODSEQ (").Number(e.modseq).Raw("))").CRLF()
	}
	return nil
}

// setFlags changes flags in the selected mailbox and hands each message it was to change to told. It gives those that the condition
// of set held back. Where nobody else changed the mailbox meanwhile the view has everything then; else catchUp
// will ask the store.
//
// To know that, a change without a condition is tried with one: nothing may have changed since the view was last brought up to
// date. What did change is set in a second change set.
func (s *session) setFlags(ctx context.Context, c *call, set mail.SetFlags, told func(mail.Placement) error) ([]mail.UIDRange, error) {
	v := s.box
	asked := set.CheckModSeq
	if !asked {
		set.CheckModSeq, set.UnchangedSince = true, v.seen
	}
	r, err := s.setOnce(ctx, set, told)
	if err != nil {
		return nil, err
	}
	ours := slices.ContainsFunc(r.Placements, func(p mail.Placement) bool { return p.ModSeq == r.ModSeq })
	switch {
	case asked && set.UnchangedSince > v.seen, ours && !v.follows(r.ModSeq):
		c.changed = true
	case ours:
		v.advance(r.ModSeq)
	}
	if asked || len(r.Unchanged) == 0 {
		return r.Unchanged, nil
	}
	c.changed = true
	set.CheckModSeq, set.UIDs = false, r.Unchanged
	_, err = s.setOnce(ctx, set, told)
	return nil, err
}

func (s *session) setOnce(ctx context.Context, set mail.SetFlags, told func(mail.Placement) error) (mail.Result, error) {
	rc, err := s.commit(ctx, set)
	if err != nil {
		return mail.Result{}, err
	}
	r := rc.Results[0]
	for _, p := range r.Placements {
		if err := told(p); err != nil {
			return r, err
		}
	}
	return r, nil
}

func combine(f mail.Flags, op mail.FlagsOp, with mail.Flags) mail.Flags {
	switch op {
	case mail.FlagsAdd:
		return f.With(with)
	case mail.FlagsRemove:
		return f.Without(with)
	}
	return with
}

// numbers turns ranges of UIDs into ranges of sequence numbers.
func (v *view) numbers(uids []wire.Range) []wire.Range {
	var out []wire.Range
	for _, sp := range v.uidSpans(wire.Merge(uids)) {
		out = append(out, wire.Range{First: uint32(sp.from + 1), Last: uint32(sp.to)})
	}
	return out
}

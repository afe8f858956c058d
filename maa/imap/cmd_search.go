package imap

import (
	"context"
	"fmt"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdSearch serves SEARCH (RFC 9051 6.4.4), the extended answer (RFC 4731) and saved results (RFC 5182).
func (s *session) cmdSearch(ctx context.Context, c *call, a *wire.Search) (reply, error) {
	switch a.Charset {
	case "", "UTF-8", "US-ASCII":
	default:
		if a.Save {
			s.saved = nil
		}
		return no("BADCHARSET (US-ASCII UTF-8)", "searches can be in US-ASCII and UTF-8"), nil
	}
	if a.ModSeq {
		s.enableCondstore()
	}
	found, err := s.find(ctx, c, a)
	if err != nil {
		if a.Save { // RFC 5182 2.1: a search that fails saves the empty set
			s.saved = nil
		}
		return reply{}, err
	}
	if found == nil {
		return reply{}, nil // the session ended
	}
	if a.Save {
		s.saved = found.saved(a)
	}
	if !a.Extended && !s.rev2 {
		s.tellSearch(c, found)
	} else if !a.Save || a.Min || a.Max || a.All || a.Count {
		s.tellESearch(c, a, found)
	}
	return ok("searched"), nil
}

// result is what a search found, as ranges.
type result struct {
	nums, uids []wire.Range
	count      int
	modseq     uint64 // the highest of what was found
	first      uint64 // mod-sequences of the first and the last
	last       uint64
}

func (r *result) add(i int, e entry) {
	r.nums, r.uids = wire.AppendNumber(r.nums, uint32(i+1)), wire.AppendNumber(r.uids, e.uid)
	if r.count++; r.count == 1 {
		r.first = e.modseq
	}
	r.last, r.modseq = e.modseq, max(r.modseq, e.modseq)
}

func ends(rs []wire.Range) (first, last uint32) { return rs[0].First, rs[len(rs)-1].Last }

// saved is what "$" means after the search (RFC 5182 2.4): all that was found, or, when only MIN or MAX were asked
// for, those.
func (r *result) saved(a *wire.Search) []wire.Range {
	if r.count == 0 || a.All || a.Count || !a.Min && !a.Max {
		return r.uids
	}
	lo, hi := ends(r.uids)
	var out []wire.Range
	if a.Min {
		out = append(out, wire.Range{First: lo, Last: lo})
	}
	if a.Max {
		out = append(out, wire.Range{First: hi, Last: hi})
	}
	return wire.Merge(out)
}

// tellSearch is the answer of RFC 3501 7.2.5.
func (s *session) tellSearch(c *call, r *result) {
	list := r.nums
	if c.head.UID {
		list = r.uids
	}
	s.enc.Raw("* SEARCH")
	for _, rg := range list {
		for n := uint64(rg.First); n <= uint64(rg.Last); n++ {
			s.enc.SP().Number(n)
		}
	}
	if c.args.(*wire.Search).ModSeq && r.count > 0 { // RFC 7162 3.1.5
		s.enc.Raw(" (MODSEQ ").Number(r.modseq).Raw(")")
	}
	s.enc.CRLF()
}

// tellESearch is the answer of RFC 9051 7.3.4.
func (s *session) tellESearch(c *call, a *wire.Search, r *result) {
	list := r.nums
	e := s.enc.Raw("* ESEARCH (TAG ").String(c.head.Tag).Raw(")")
	if c.head.UID {
		e.Raw(" UID")
		list = r.uids
	}
	all := a.All || !a.Extended
	if r.count > 0 {
		lo, hi := ends(list)
		if a.Min {
			e.Raw(" MIN ").Number(uint64(lo))
		}
		if a.Max {
			e.Raw(" MAX ").Number(uint64(hi))
		}
		if all {
			e.Raw(" ALL ").Raw(wire.FormatRanges(list))
		}
	}
	if a.Count {
		e.Raw(" COUNT ").Number(uint64(r.count))
	}
	if a.ModSeq && r.count > 0 {
		e.Raw(" MODSEQ ").Number(r.modSeqOf(a))
	}
	e.CRLF()
}

// modSeqOf is the highest mod-sequence of what is told (RFC 4731 3.2).
func (r *result) modSeqOf(a *wire.Search) uint64 {
	switch {
	case a.All || a.Count || !a.Extended || !a.Min && !a.Max:
		return r.modseq
	case !a.Max:
		return r.first
	case !a.Min:
		return r.last
	}
	return max(r.first, r.last)
}

// find searches the view. What can be told from the view and the search index is; for what is left open the store is read in batches: placements,
// then summaries, then the messages themselves, each only for messages that need it. It gives nil when the session ended.
func (s *session) find(ctx context.Context, c *call, a *wire.Search) (*result, error) {
	m, err := s.compile(a.Key)
	if err != nil {
		return nil, err
	}
	if err := m.narrow(ctx); err != nil {
		return nil, err
	}
	out := &result{}
	for from := 0; from < len(s.box.entries); from += loadSize {
		if s.c.stop.Err() != nil {
			s.bye(errStopping)
			return nil, nil
		}
		if err := m.some(ctx, from, min(from+loadSize, len(s.box.entries)), out); err != nil {
			return nil, err
		}
	}
	if m.unreadable > 0 {
		s.log.Error("messages could not be searched", "mailbox", s.box.name, "count", m.unreadable, "err", m.why)
		s.enc.Raw("* NO ").Text(fmt.Sprintf("%d messages are damaged and were passed over", m.unreadable)).CRLF()
	}
	return out, nil
}

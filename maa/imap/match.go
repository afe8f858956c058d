package imap

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/search"
)

// verdict is what a key says of a message as far as the message is known.
type verdict uint8

const (
	open verdict = iota // more has to be read
	yes
	nay
)

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return nay
}

// level is how much is known of a message.
type level uint8

const (
	byView level = iota
	byPlacement
	bySummary
	byBody
)

// candidate is a message that a search looks at.
type candidate struct {
	level     level
	num       uint32
	entry     entry
	flags     mail.Flags
	placement mail.Placement
	src       *source
	env       *message.Envelope
	err       error // what kept a body from being read
}

// test is a key made ready: it judges from what is known, and stays open while that does not do.
type test func(c *candidate) verdict

// matcher runs a search.
type matcher struct {
	s          *session
	test       test
	deepest    level // that a key may need
	texts      int   // keys that read whole messages
	asks       []ask // of the keys for texts
	read       search.Texts
	unreadable int
	why        error
}

// maxTexts is how many times one search may read each message through.
const maxTexts = 20

// compile makes a key ready.
func (s *session) compile(k wire.SearchKey) (*matcher, error) {
	m := &matcher{s: s}
	var err error
	m.test, err = m.key(k)
	return m, err
}

// some judges the entries from..to.
func (m *matcher) some(ctx context.Context, from, to int, out *result) error {
	verdicts := make([]verdict, to-from)
	undecided := 0
	for i := range verdicts {
		e := m.s.box.entries[from+i]
		c := candidate{num: uint32(from + i + 1), entry: e, flags: m.s.box.flags(e)}
		if verdicts[i] = m.test(&c); verdicts[i] == open {
			undecided++
		}
	}
	for at := from; undecided > 0 && at < to; {
		if verdicts[at-from] != open {
			at++
			continue
		}
		end := at + 1
		for end < to && verdicts[end-from] == open {
			end++
		}
		items, err := m.s.load(ctx, at, end, need{placement: true, message: m.deepest >= bySummary})
		if err != nil {
			return err
		}
		for i := range items {
			verdicts[at-from+i] = m.deeper(ctx, &items[i])
		}
		at += len(items)
	}
	for i, v := range verdicts {
		if v == yes {
			out.add(from+i, m.s.box.entries[from+i])
		}
	}
	return nil
}

// deeper judges a message by reading more of it until it is decided.
func (m *matcher) deeper(ctx context.Context, it *item) verdict {
	if !it.found {
		return nay // expunged meanwhile
	}
	e := m.s.box.entries[it.index]
	c := candidate{level: byPlacement, num: uint32(it.index + 1), entry: e, flags: m.s.box.flags(e), placement: it.placement}
	if v := m.test(&c); v != open {
		return v
	}
	c.level, c.src = bySummary, &source{ctx: ctx, s: m.s, m: &it.message}
	defer c.src.close()
	if c.env, c.err = message.DecodeEnvelope(it.message.Summary); c.env == nil {
		c.env = new(message.Envelope)
	}
	if v := m.test(&c); v != open {
		return m.noted(&c, v)
	}
	c.level = byBody
	return m.noted(&c, m.test(&c))
}

// noted counts a message that could not be read.
func (m *matcher) noted(c *candidate, v verdict) verdict {
	if c.err == nil {
		return v
	}
	m.unreadable++
	m.why = c.err
	return nay
}

func (m *matcher) needs(l level) { m.deepest = max(m.deepest, l) }

// key makes one key ready.
func (m *matcher) key(k wire.SearchKey) (test, error) {
	switch k.Op {
	case wire.SearchAll:
		return func(*candidate) verdict { return yes }, nil
	case wire.SearchNever:
		return func(*candidate) verdict { return nay }, nil
	case wire.SearchAnd, wire.SearchOr, wire.SearchNot:
		return m.joined(k)
	case wire.SearchSeq:
		if k.Set.Saved {
			saved := m.s.saved
			return func(c *candidate) verdict { return verdictOf(wire.Contains(saved, c.entry.uid)) }, nil
		}
		nums := k.Set.Resolve(uint32(len(m.s.box.entries)))
		return func(c *candidate) verdict { return verdictOf(wire.Contains(nums, c.num)) }, nil
	case wire.SearchUID:
		uids := k.Set.Resolve(m.s.box.lastUID())
		if k.Set.Saved {
			uids = m.s.saved
		}
		return func(c *candidate) verdict { return verdictOf(wire.Contains(uids, c.entry.uid)) }, nil
	case wire.SearchFlag:
		return flagTest(k.Value), nil
	case wire.SearchModSeq:
		return func(c *candidate) verdict { return verdictOf(c.entry.modseq >= k.Number) }, nil
	case wire.SearchHeader:
		return m.headerTest(k), nil
	case wire.SearchBody, wire.SearchText:
		if m.texts++; m.texts > maxTexts {
			return nil, mail.Errorf(mail.TooMany, "a search can have %d keys for texts in messages at most", maxTexts)
		}
		m.needs(byBody)
		return m.textTest(k), nil
	case wire.SearchSent:
		m.needs(bySummary)
		return func(c *candidate) verdict {
			if c.level < bySummary {
				return open
			}
			return verdictOf(!c.env.Time.IsZero() && compareDay(k.Field, c.env.Time, k.Date))
		}, nil
	}
	return m.placementTest(k)
}

// joined makes AND, OR and NOT ready.
func (m *matcher) joined(k wire.SearchKey) (test, error) {
	subs := make([]test, len(k.Keys))
	for i, sub := range k.Keys {
		var err error
		if subs[i], err = m.key(sub); err != nil {
			return nil, err
		}
	}
	switch k.Op {
	case wire.SearchNot:
		return func(c *candidate) verdict {
			switch subs[0](c) {
			case yes:
				return nay
			case nay:
				return yes
			}
			return open
		}, nil
	case wire.SearchOr:
		return any3(subs, yes), nil
	}
	return any3(subs, nay), nil
}

// any3 is decided as soon as one key says so: yes for OR, nay for AND. Keys that need more than is known are asked
// last, as they cost nothing until then.
func any3(subs []test, decides verdict) test {
	return func(c *candidate) verdict {
		undecided := false
		for _, t := range subs {
			switch t(c) {
			case decides:
				return decides
			case open:
				undecided = true
			}
		}
		switch {
		case undecided:
			return open
		case decides == yes:
			return nay
		}
		return yes
	}
}

// flagTest asks for a flag. One that no message can have is on none.
func flagTest(name string) test {
	want, err := mail.ParseFlags(name)
	return func(c *candidate) verdict {
		return verdictOf(err == nil && c.flags.With(want) == c.flags)
	}
}

// placementTest makes keys ready that ask what only the placement tells.
func (m *matcher) placementTest(k wire.SearchKey) (test, error) {
	now := m.s.cfg.Clock.Now()
	ago := func(t time.Time) uint64 { return uint64(max(0, now.Sub(t)/time.Second)) }
	var is func(p *mail.Placement) bool
	switch k.Op {
	case wire.SearchBefore:
		is = func(p *mail.Placement) bool { return compareDay("BEFORE", p.Received, k.Date) }
	case wire.SearchOn:
		is = func(p *mail.Placement) bool { return compareDay("ON", p.Received, k.Date) }
	case wire.SearchSince:
		is = func(p *mail.Placement) bool { return compareDay("SINCE", p.Received, k.Date) }
	case wire.SearchSaved:
		is = func(p *mail.Placement) bool { return compareDay(k.Field, p.Saved, k.Date) }
	case wire.SearchLarger:
		is = func(p *mail.Placement) bool { return uint64(p.Size) > k.Number }
	case wire.SearchSmaller:
		is = func(p *mail.Placement) bool { return uint64(p.Size) < k.Number }
	case wire.SearchOlder: // RFC 5032 3
		is = func(p *mail.Placement) bool { return ago(p.Received) >= k.Number }
	case wire.SearchYounger:
		is = func(p *mail.Placement) bool { return ago(p.Received) <= k.Number }
	case wire.SearchEmailID:
		id, known := objectID(k.Value, 'M')
		is = func(p *mail.Placement) bool { return known && p.Email == mail.EmailID(id) }
	case wire.SearchThreadID:
		id, known := objectID(k.Value, 'T')
		is = func(p *mail.Placement) bool { return known && p.Thread == mail.ThreadID(id) }
	default:
		return nil, mail.Errorf(mail.Internal, "search key %d is not known", k.Op)
	}
	m.needs(byPlacement)
	return func(c *candidate) verdict {
		if c.level < byPlacement {
			return open
		}
		return verdictOf(is(&c.placement))
	}, nil
}

// objectID reads an identifier of RFC 8474 as this server spells it.
func objectID(s string, letter byte) (int64, bool) {
	if s == "" || s[0] != letter {
		return 0, false
	}
	n, err := strconv.ParseInt(s[1:], 10, 64)
	return n, err == nil && fmt.Sprint(n) == s[1:]
}

// compareDay compares days, disregarding the time of day and the zone (RFC 9051 6.4.4).
func compareDay(how string, t, day time.Time) bool {
	y, mo, d := t.Date()
	t = time.Date(y, mo, d, 0, 0, 0, 0, time.UTC)
	switch how {
	case "BEFORE":
		return t.Before(day)
	case "ON":
		return t.Equal(day)
	}
	return !t.Before(day)
}

package crash

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// letter is a message that was handed in.
type letter struct {
	id   string
	raw  string
	mail bool // it came by SMTP: trace fields may stand in front of it
}

// held is a message in a mailbox.
type held struct {
	*letter
	uid    uint32
	flags  map[string]bool
	modseq uint64 // the highest that was seen
	floor  uint32 // while the UID is not known: it is not below
}

func (h held) clone() held {
	h.flags = maps.Clone(h.flags)
	return h
}

// box is what a mailbox must hold, by what was acknowledged.
type box struct {
	name     string
	validity uint64
	next     uint32 // no new message has a UID below
	modseq   uint64 // the highest HIGHESTMODSEQ that was seen
	messages map[uint32]held
	arrivals []held // filed, with UIDs that are not known yet
}

func newBox(name string) *box { return &box{name: name, messages: map[uint32]held{}} }

func (b *box) clone() *box {
	c := *b
	c.messages = map[uint32]held{}
	for uid, m := range b.messages {
		c.messages[uid] = m.clone()
	}
	c.arrivals = nil
	for _, m := range b.arrivals {
		c.arrivals = append(c.arrivals, m.clone())
	}
	return &c
}

// place puts a message whose UID is known.
func (b *box) place(m held, uid uint32) {
	m.uid = uid
	b.messages[uid] = m
	b.next = max(b.next, uid+1)
}

// arrive puts a message whose UID is not known.
func (b *box) arrive(m held) {
	m.floor = b.next
	b.arrivals = append(b.arrivals, m)
}

func (b *box) uids() []uint32 { return slices.Sorted(maps.Keys(b.messages)) }

// shown is a mailbox as the server shows it.
type shown struct {
	validity, modseq uint64
	next             uint32
	messages         []held
}

// look reads a whole mailbox.
func look(c *imapConn, name string) (s shown, err error) {
	list, _, err := c.do("EXAMINE "+name, "")
	if err != nil {
		return s, err
	}
	said := texts(list)
	s.validity = number(`\[UIDVALIDITY (\d+)`, said...)
	s.next = uint32(number(`\[UIDNEXT (\d+)`, said...))
	s.modseq = number(`\[HIGHESTMODSEQ (\d+)`, said...)
	s.messages, err = fetch(c, "1:*")
	return s, err
}

// fetch reads messages of the selected mailbox, whole.
func fetch(c *imapConn, set string) (messages []held, err error) {
	list, _, err := c.do("UID FETCH "+set+" (UID FLAGS MODSEQ BODY.PEEK[])", "")
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		if !strings.Contains(a.text, " FETCH (") || len(a.literals) != 1 {
			continue
		}
		m := held{uid: uint32(number(`UID (\d+)`, a.text)), modseq: number(`MODSEQ \((\d+)\)`, a.text), flags: flagsOf(a.text)}
		m.letter = &letter{raw: a.literals[0], id: field(a.literals[0], "Message-ID")}
		messages = append(messages, m)
	}
	return messages, nil
}

// flagsOf reads the flags of a FETCH answer.
func flagsOf(text string) map[string]bool {
	flags := map[string]bool{}
	_, rest, _ := strings.Cut(text, "FLAGS (")
	inside, _, _ := strings.Cut(rest, ")")
	for _, f := range strings.Fields(inside) {
		if f != `\Recent` {
			flags[f] = true
		}
	}
	return flags
}

// field is a header field's value; the messages here have no folded ones that matter.
func field(raw, name string) string {
	head, _, _ := strings.Cut(raw, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(key, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// same reports whether what is shown is the message that was handed in.
func (h held) same(as *letter) bool {
	if !as.mail {
		return h.raw == as.raw
	}
	return strings.HasSuffix(h.raw, as.raw) && !strings.Contains(strings.TrimSuffix(h.raw, as.raw), "\r\n\r\n")
}

// compare lists what is wrong with what is shown, and on success takes over the UIDs and modseqs that it tells.
func (b *box) compare(s shown) (wrong []string) {
	say := func(format string, args ...any) {
		wrong = append(wrong, b.name+": "+fmt.Sprintf(format, args...))
	}
	if b.validity != 0 && s.validity != b.validity {
		say("UIDVALIDITY was %d and is %d", b.validity, s.validity)
	}
	if s.next < b.next {
		say("UIDNEXT was %d and is %d", b.next, s.next)
	}
	if s.modseq < b.modseq {
		say("HIGHESTMODSEQ was %d and is %d", b.modseq, s.modseq)
	}
	seen := map[uint32]bool{}
	arrivals := slices.Clone(b.arrivals)
	next, modseq := b.next, s.modseq
	found := map[uint32]held{}
	for _, m := range s.messages {
		if seen[m.uid] {
			say("UID %d is there twice", m.uid)
		}
		seen[m.uid] = true
		if m.modseq > s.modseq {
			say("UID %d has modseq %d, above HIGHESTMODSEQ %d", m.uid, m.modseq, s.modseq)
		}
		want, ok := b.messages[m.uid]
		if !ok {
			i := slices.IndexFunc(arrivals, func(a held) bool { return a.id == m.id })
			if i < 0 {
				say("UID %d holds %s, which was expunged or never filed here", m.uid, m.id)
				continue
			}
			if m.uid < arrivals[i].floor {
				say("UID %d is given to a new message, but UIDNEXT was %d", m.uid, arrivals[i].floor)
			}
			want = arrivals[i].clone()
			arrivals = slices.Delete(arrivals, i, i+1)
		}
		if !m.same(want.letter) {
			say("UID %d is not what was handed in as %s: %d octets, %d were sent", m.uid, want.id, len(m.raw), len(want.raw))
		}
		if !maps.Equal(m.flags, want.flags) {
			say("UID %d has the flags %v, not %v", m.uid, slices.Sorted(maps.Keys(m.flags)), slices.Sorted(maps.Keys(want.flags)))
		}
		if m.modseq < want.modseq {
			say("UID %d had modseq %d and has %d", m.uid, want.modseq, m.modseq)
		}
		want.uid, want.modseq = m.uid, m.modseq
		found[m.uid] = want
		next = max(next, m.uid+1)
	}
	for _, uid := range b.uids() {
		if !seen[uid] {
			say("UID %d, %s, is gone", uid, b.messages[uid].id)
		}
	}
	for _, a := range arrivals {
		say("%s was filed and is not there", a.id)
	}
	if len(wrong) == 0 {
		b.validity, b.next, b.modseq, b.messages, b.arrivals = s.validity, max(next, s.next), modseq, found, nil
	}
	return wrong
}

// set writes UIDs as a sequence set.
func set(uids []uint32) string {
	var parts []string
	for _, u := range uids {
		parts = append(parts, strconv.FormatUint(uint64(u), 10))
	}
	return strings.Join(parts, ",")
}

// expand reads a sequence set of UIDs in its order.
func expand(text string) (uids []uint32) {
	for part := range strings.SplitSeq(text, ",") {
		a, b, ranged := strings.Cut(part, ":")
		first, err := strconv.ParseUint(a, 10, 32)
		if err != nil {
			return nil
		}
		last := first
		if ranged {
			if last, err = strconv.ParseUint(b, 10, 32); err != nil {
				return nil
			}
		}
		for u := min(first, last); u <= max(first, last); u++ {
			uids = append(uids, uint32(u))
		}
	}
	return uids
}

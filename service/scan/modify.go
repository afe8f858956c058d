package scan

import (
	"strings"

	"github.com/d--j/go-milter"
)

// Bounds on the fields that one milter may put in front.
const (
	maxAdded       = 50
	maxAddedOctets = 64 << 10
)

// change does what a milter wants changed, as far as that is possible without touching what is stored.
func (m *oneMilter) change(r Result, changes []milter.ModifyAction) Result {
	if r.Action > Junk {
		return r
	}
	octets, dropped := 0, 0
	for _, c := range changes {
		switch c.Type {
		case milter.ActionAddHeader, milter.ActionInsertHeader:
			octets += len(c.HeaderName) + len(c.HeaderValue)
			if len(m.added) >= maxAdded || octets > maxAddedOctets || !fieldName(c.HeaderName) {
				dropped++
				continue
			}
			f := [2]string{c.HeaderName, unfolded(c.HeaderValue)}
			if c.Type == milter.ActionInsertHeader && c.HeaderIndex <= 1 {
				m.added = append([][2]string{f}, m.added...)
			} else {
				m.added = append(m.added, f)
			}
		case milter.ActionQuarantine:
			r.Action = Junk
			m.note("wants the message set aside: %s", clean(c.Reason, 200))
		case milter.ActionChangeHeader:
			m.note("wanted to change the field %s; what is stored is never rewritten", clean(c.HeaderName, 60))
		case milter.ActionReplaceBody: // the guard keeps these away, and says so
		case milter.ActionAddRcpt, milter.ActionDelRcpt, milter.ActionChangeFrom:
			m.note("wanted to change the envelope, which was passed over")
		}
	}
	if dropped > 0 {
		m.note("wanted %d header fields too many, too large or without a proper name, which were left out", dropped)
	}
	return r
}

// fieldName reports a name that a field may have (RFC 5322 2.2).
func fieldName(s string) bool {
	return s != "" && len(s) <= 76 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' })
}

// unfolded makes one line of a value; FoldField folds it again. A fold keeps the space that follows it (RFC 5322 2.2.3).
func unfolded(s string) string {
	s = strings.NewReplacer("\r\n ", " ", "\r\n\t", "\t", "\n ", " ", "\n\t", "\t").Replace(s)
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}

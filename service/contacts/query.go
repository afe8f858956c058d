package contacts

import (
	"slices"
	"strings"
	"time"
)

// Condition is one condition of a query (RFC 9610 3.3.1): all of it must hold.
type Condition struct {
	Book, UID, Member, Kind                    *string
	CreatedBefore, CreatedAfter, UpdatedBefore *time.Time
	UpdatedAfter                               *time.Time
	Texts                                      []Text
}

// Text asks for words in a field, or in any.
type Text struct {
	Field Field
	Any   bool
	terms []string
	digit []string // of Phone: terms that are numbers, digits alone
}

// NewText makes a Text of what somebody typed: every word must be there, and what is in quotes as it stands.
func NewText(f Field, anywhere bool, query string) Text {
	t := Text{Field: f, Any: anywhere, terms: terms(query)}
	if f == Phone || anywhere {
		t.digit = make([]string, len(t.terms))
		for i, w := range t.terms {
			const least = 3
			if d := digits(w); len(d) >= least && strings.Trim(w, "0123456789+-./() ") == "" {
				t.digit[i] = d
			}
		}
	}
	return t
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// terms takes a query apart: words, and phrases in quotes, in which a backslash takes quotes as they are.
func terms(query string) (out []string) {
	q := []rune(fold(query))
	for i := 0; i < len(q); {
		var b strings.Builder
		switch c := q[i]; {
		case c == ' ' || c == '\t' || c == '\n':
			i++
			continue
		case (c == '"' || c == '\'') && slices.Contains(q[i+1:], c):
			for i++; i < len(q) && q[i] != c; i++ {
				if q[i] == '\\' && i+1 < len(q) {
					i++
				}
				b.WriteRune(q[i])
			}
			i++
		default:
			for ; i < len(q) && q[i] != ' ' && q[i] != '\t' && q[i] != '\n'; i++ {
				b.WriteRune(q[i])
			}
		}
		if b.Len() > 0 {
			out = append(out, b.String())
		}
	}
	return out
}

// Match reports whether a card meets the condition.
func (c *Condition) Match(e *Entry) bool {
	switch {
	case c.Book != nil && !slices.Contains(e.Books, *c.Book),
		c.UID != nil && *c.UID != e.UID,
		c.Kind != nil && *c.Kind != e.Kind,
		c.CreatedBefore != nil && !(!e.Created.IsZero() && e.Created.Before(*c.CreatedBefore)),
		c.CreatedAfter != nil && (e.Created.IsZero() || e.Created.Before(*c.CreatedAfter)),
		c.UpdatedBefore != nil && !(!e.Updated.IsZero() && e.Updated.Before(*c.UpdatedBefore)),
		c.UpdatedAfter != nil && (e.Updated.IsZero() || e.Updated.Before(*c.UpdatedAfter)):
		return false
	}
	if c.Member != nil {
		if _, there := slices.BinarySearch(e.Members, *c.Member); !there {
			return false
		}
	}
	for i := range c.Texts {
		if !c.Texts[i].match(e) {
			return false
		}
	}
	return true
}

func (t *Text) match(e *Entry) bool {
	for i, w := range t.terms {
		found := false
		for f := range e.text {
			if found = (t.Any || Field(f) == t.Field) && strings.Contains(e.text[f], w); found {
				break
			}
		}
		if !found && t.digit != nil && t.digit[i] != "" {
			found = strings.Contains(digits(e.text[Phone]), t.digit[i])
		}
		if !found {
			return false
		}
	}
	return true
}

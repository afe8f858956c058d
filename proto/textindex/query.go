package textindex

import (
	"strings"
	"unicode/utf8"
)

// Query is a question made ready: does a text contain this string, whatever its letter case?
type Query struct {
	folded string
	words  []pattern
	exact  bool // of words
	line   pattern
	whole  bool // line is all of it
}

// pattern is what to look for in a dictionary. It begins with "\n" where it begins a term, and ends with one where it ends one.
type pattern []byte

// NewQuery makes a question ready.
func NewQuery(text string) Query {
	q := Query{folded: Fold(text)}
	q.words, q.exact = wordPatterns(q.folded)
	if q.folded != "" && !strings.Contains(q.folded, "\n") {
		cut := q.folded[:boundary(q.folded, min(len(q.folded), Overlap))]
		q.line, q.whole = pattern(cut), len(cut) == len(q.folded)
	}
	return q
}

// NewHeaderQuery makes a question ready for texts of the form "name: value", asking for a name and a part of the value. It is never
// exact.
func NewHeaderQuery(name, value string) Query {
	q := NewQuery(value)
	q.exact = false
	q.line = nil
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return q
		}
	}
	names, _ := wordPatterns("\n" + Fold(name) + "\n")
	q.words = append(names, q.words...)
	return q
}

// Folded is the string that is looked for.
func (q *Query) Folded() string { return q.folded }

// Words reports whether words narrow the question at all, and whether they answer it exactly.
func (q *Query) Words() (narrows, exact bool) { return len(q.words) > 0, q.exact && len(q.words) > 0 }

// Lines reports the same of lines.
func (q *Query) Lines() (narrows, exact bool) { return len(q.line) > 0, q.whole && len(q.line) > 0 }

// wordPatterns cuts a folded string into the terms it has parts of. They answer exactly where the string is one part of a term.
func wordPatterns(s string) (out []pattern, exact bool) {
	exact = true
	start, open := -1, false // open: the term may have begun before the string
	give := func(end int) {
		text := s[start:end]
		closed := end < len(s)
		if len(text) > Overlap {
			text, closed, exact = text[:boundary(text, Overlap)], false, false
		}
		var p pattern
		if !open {
			p = append(p, '\n')
		}
		p = append(p, text...)
		if closed {
			p = append(p, '\n')
		}
		out = append(out, p)
		start = -1
	}
	for i, r := range s {
		switch {
		case !IsTerm(r):
			exact = false
			if start >= 0 {
				give(i)
			}
		case start < 0:
			start, open = i, i == 0
		}
	}
	if start >= 0 {
		give(len(s))
	}
	return out, exact
}

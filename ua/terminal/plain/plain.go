// Package plain makes what strangers have written fit for a terminal.
//
// It takes texts, names and HTML out of mail and hands out text of printable characters alone, in lines of a known width.
//
// Invariants: what Line, Block, Name and FromHTML give has no control character but the line feed (Block, FromHTML), none that turns the direction of
// writing, and no invisible one that could hide something, so that no terminal takes any of it for a command; work and memory are linear in the input,
// and the input is bounded.
//
// RFCs: RFC 2046 4.1 (plain text is text alone), RFC 3676 4.5 (quoting), UTR 36 for what is unsafe.
package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// maxMarks is how many marks may be heaped on one character.
const maxMarks = 6

// maxLine is how long a line of one-line text may be, in characters.
const maxLine = 2000

// Line gives a text on one line.
func Line(s string) string {
	var c cleaner
	for n, r := range s { // octets that are no UTF-8 come as U+FFFD
		if n > 4*maxLine || c.count >= maxLine {
			break
		}
		if unicode.IsSpace(r) {
			r = ' '
		}
		c.add(r)
	}
	return strings.TrimSpace(c.b.String())
}

// Block gives a text of several lines: line feeds stay, tabs become spaces.
func Block(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var c cleaner
	column := 0
	for _, r := range s {
		switch {
		case r == '\n' || r == '\u2028' || r == '\u2029' || r == '\f' || r == '\v':
			c.add('\n')
			column = 0
			continue
		case r == '\t':
			for {
				c.add(' ')
				if column++; column%8 == 0 {
					break
				}
			}
			continue
		}
		c.add(r)
		column++
	}
	return c.b.String()
}

// cleaner leaves out or replaces what a terminal must not get.
type cleaner struct {
	b     strings.Builder
	marks int // since the last character that takes a place
	count int
}

func (c *cleaner) add(r rune) {
	c.count++
	switch {
	case r == '\n':
	case r == '\u00ad' || r == '\ufeff' || r == '\u200b' || r == '\u2060' || r == '\u034f': // nothing to see: preheaders are full of them
		return
	case r == '\u200c' || r == '\u200d': // joiners, which some scripts and pictures need, but not in heaps
		if c.marks++; c.marks > maxMarks {
			return
		}
		c.b.WriteRune(r)
		return
	case unicode.In(r, unicode.Mn, unicode.Me):
		if c.marks++; c.marks > maxMarks {
			return
		}
		c.b.WriteRune(r)
		return
	case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), r == '\u2028', r == '\u2029', r >= 0xe0000 && r <= 0xe0fff:
		r = utf8.RuneError
	case unicode.Is(unicode.Zs, r) && r != '\u3000':
		r = ' '
	}
	c.marks = 0
	c.b.WriteRune(r)
}

// Width is how many columns a clean text takes.
func Width(s string) int { return ansi.StringWidth(s) }

// Cut gives the begin of a clean text, in at most width columns; what was cut off is told by an ellipsis.
func Cut(s string, width int) string {
	if width <= 0 {
		return ""
	}
	return ansi.Truncate(s, width, "…")
}

// Fit cuts or fills a clean text to a width.
func Fit(s string, width int) string {
	s = Cut(s, width)
	return s + strings.Repeat(" ", max(0, width-Width(s)))
}

// Wrap breaks a clean text into lines of at most width columns, between words where that can be. Quoted lines keep their marks.
func Wrap(s string, width int) []string {
	width = max(width, 8)
	var out []string
	for line := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if Width(line) <= width {
			out = append(out, line)
			continue
		}
		mark := quoteMark(line)
		if Width(mark) > width/2 {
			mark = ""
		}
		rest := line[len(mark):]
		for part := range strings.SplitSeq(ansi.Wrap(rest, width-Width(mark), ""), "\n") {
			out = append(out, strings.TrimRight(mark+part, " "))
		}
	}
	return out
}

// quoteMark is the "> > " that a line begins with.
func quoteMark(line string) string {
	n := 0
	for n < len(line) && (line[n] == '>' || line[n] == ' ' && n > 0) {
		n++
	}
	if n == 0 {
		return ""
	}
	return line[:n]
}

// Name makes the name of a file that somebody sends fit for this system: no directory, nothing hidden, nothing that is no name. It is never empty.
func Name(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || strings.ContainsRune(`<>:"|?*$`+"`", r) {
			return '_'
		}
		return r
	}, Line(s))
	s = strings.TrimLeft(strings.TrimSpace(s), ".-~ ")
	const most = 120 // octets
	for len(s) > most {
		dot := strings.LastIndexByte(s, '.')
		if dot < 0 || len(s)-dot > 12 {
			dot = len(s)
		}
		base := []rune(s[:dot])
		s = string(base[:len(base)-1]) + s[dot:]
	}
	if s == "" {
		return "file"
	}
	return s
}

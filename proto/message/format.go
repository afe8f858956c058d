package message

import (
	"strings"
)

// Line lengths of RFC 5322 2.1.1, without the line end.
const (
	preferLine = 78
	hardLine   = 998
	maxGap     = 64 // more space than this in one place is shortened
)

// FormatField writes a field of free text such as Subject, ready for a header: encoded where it is not ASCII,
// folded, with CRLF at its end. Whatever the value holds, it makes exactly one field.
func FormatField(name, value string) []byte { return FoldField(name, EncodeText(value)) }

// FoldField writes a field whose value is in its final form already (addresses, parameters, trace): it only folds
// at spaces, to 78 characters where that can be and to 998 always. UTF-8 in the value is kept (RFC 6532);
// control characters become spaces.
func FoldField(name, value string) []byte {
	value = strings.Trim(oneLine(value), " \t")
	name = fieldName(name)
	out := make([]byte, 0, len(name)+len(value)+len(value)/60*3+8)
	out = append(out, name...)
	out = append(out, ':')
	column := len(out)
	for len(value) > 0 {
		// One step: the spaces before a word, and the word.
		word := strings.TrimLeft(value, " \t")
		space := value[:len(value)-len(word)]
		if end := strings.IndexAny(word, " \t"); end >= 0 {
			word = word[:end]
		}
		value = value[len(space)+len(word):]
		space = space[:min(len(space), maxGap)]
		if space == "" && column == len(name)+1 {
			space = " "
		}
		// The first word stays beside the name as long as that can be; a line of nothing but
		// space must not come to be (RFC 5322 3.2.2).
		first := column == len(name)+1
		if !first && column+len(space)+len(word) > preferLine || first && column+1+len(word) > hardLine && len(word)+1 <= hardLine {
			out = append(out, "\r\n"...)
			column = 0
		}
		for column+len(space)+len(word) > hardLine && space+word != "" {
			n := cutAt(space+word, hardLine-column)
			out = append(out, (space + word)[:n]...)
			out = append(out, "\r\n "...)
			space, word, column = "", (space + word)[n:], 1
		}
		out = append(out, space...)
		out = append(out, word...)
		column += len(space) + len(word)
	}
	if column == len(name)+1 {
		out = append(out, ' ')
	}
	return append(out, "\r\n"...)
}

// cutAt gives the greatest n <= limit at which s can be cut without cutting a character.
func cutAt(s string, limit int) int {
	n := min(limit, len(s))
	for n > 0 && n < len(s) && s[n]&0xc0 == 0x80 && n > limit-4 {
		n--
	}
	return n
}

// fieldName makes of a name one that can be written; our own always can.
func fieldName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == ':' {
			return '-'
		}
		return r
	}, name)
	if name == "" || len(name) > 256 {
		return "X-Invalid-Name"
	}
	return name
}

package imap

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/proto/message"
)

// Values are spelt at the end of a slice, which goes to the writer as a whole: a FETCH of a large mailbox spells
// millions of them.

// What matters about the octets of a string. An octet of none of these stands for itself in quotes.
const (
	escaped  uint8 = 1 << iota // stands behind a backslash in quotes
	lineEnd                    // CR and LF
	nul                        // has no place anywhere
	eightBit                   // is of no ASCII character
)

var octets = func() (table [256]uint8) {
	for i := 0x80; i < len(table); i++ {
		table[i] = eightBit
	}
	table['"'], table['\\'] = escaped, escaped
	table['\r'], table['\n'] = lineEnd, lineEnd
	table[0] = nul
	return table
}()

// look gives what is in a string.
func look(s string) (found uint8) {
	for i := range len(s) {
		found |= octets[s[i]]
	}
	return found
}

// maxQuoted is the length from which on a string goes as a literal, so that no line grows long.
const maxQuoted = 1000

// appendString spells a quoted string where that can hold s, else a literal (RFC 9051 4.3). NUL, which neither can
// hold, is left out.
func (e *Encoder) appendString(b []byte, s string) []byte {
	found := look(s)
	if found&nul != 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	switch {
	case found&lineEnd != 0, len(s) > maxQuoted, found&eightBit != 0 && !(e.UTF8 && utf8.ValidString(s)):
		b = append(b, '{')
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, "}\r\n"...)
		return append(b, s...)
	case found&escaped == 0:
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	b = append(b, '"')
	for i := range len(s) {
		if octets[s[i]] == escaped {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// appendNString spells a string, or NIL for an empty one.
func (e *Encoder) appendNString(b []byte, s string) []byte {
	if s == "" {
		return append(b, "NIL"...)
	}
	return e.appendString(b, s)
}

// appendText spells what a header says, or NIL. A client that did not ask for UTF-8 gets encoded words
// in place of raw UTF-8 (RFC 2047).
func (e *Encoder) appendText(b []byte, s string) []byte { return e.appendNString(b, e.plain(s)) }

func (e *Encoder) plain(s string) string {
	if e.UTF8 || look(s)&eightBit == 0 {
		return s
	}
	return message.EncodeText(s)
}

// room gives the free end of the writer's buffer to spell in, n octets at least unless the whole buffer is smaller.
func (e *Encoder) room(n int) []byte {
	if e.w.Available() < n {
		_ = e.w.Flush()
	}
	return e.w.AvailableBuffer()
}

// put writes what was spelt, in the room or beyond it.
func (e *Encoder) put(b []byte) *Encoder {
	_, _ = e.w.Write(b)
	return e
}

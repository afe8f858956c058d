package imap

import (
	"bufio"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Encoder spells responses. Errors stick to the writer and show at its Flush.
type Encoder struct {
	// UTF8 says that the client reads UTF-8 in quoted strings and mailbox names.
	UTF8 bool

	w *bufio.Writer
}

// NewEncoder makes an encoder that writes to w.
func NewEncoder(w *bufio.Writer) *Encoder { return &Encoder{w: w} }

// Raw writes what is spelt already.
func (e *Encoder) Raw(s string) *Encoder {
	_, _ = e.w.WriteString(s)
	return e
}

// SP writes a space.
func (e *Encoder) SP() *Encoder { return e.Raw(" ") }

// CRLF ends a response.
func (e *Encoder) CRLF() *Encoder { return e.Raw("\r\n") }

// Number writes a number.
func (e *Encoder) Number(n uint64) *Encoder {
	_, _ = e.w.Write(strconv.AppendUint(e.w.AvailableBuffer(), n, 10))
	return e
}

// Text writes resp-text: what people read at the end of a response, on one line (RFC 9051 9 text).
func (e *Encoder) Text(s string) *Encoder {
	if len(s) > 1000 {
		s = s[:1000]
	}
	clean := strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f:
			return ' '
		case r == utf8.RuneError || r > 0x7e && !e.UTF8:
			return '?'
		}
		return r
	}, s)
	if clean == "" {
		clean = "-"
	}
	return e.Raw(clean)
}

// String writes a quoted string where that can hold s, else a literal (RFC 9051 4.3). NUL, which neither can
// hold, is left out.
func (e *Encoder) String(s string) *Encoder { return e.put(e.appendString(e.room(len(s)+2), s)) }

// NString writes a string, or NIL for an empty one.
func (e *Encoder) NString(s string) *Encoder { return e.put(e.appendNString(e.room(len(s)+2), s)) }

// Mailbox writes the name of a mailbox: UTF-8 or modified UTF-7 (RFC 3501 5.1.3).
func (e *Encoder) Mailbox(name string) *Encoder {
	if !e.UTF8 {
		name = EncodeUTF7(name)
	}
	if name != "" && strings.IndexFunc(name, func(r rune) bool { return r > 0x7e || !isAstringChar(byte(r)) }) < 0 &&
		!equalFold(name, "NIL") {
		return e.Raw(name)
	}
	return e.String(name)
}

// Astring writes s as an atom where it is one, else as a string.
func (e *Encoder) Astring(s string) *Encoder {
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return r > 0x7e || !isAstringChar(byte(r)) }) < 0 {
		return e.Raw(s)
	}
	return e.String(s)
}

// Words writes a parenthesised list of words that need no quotes, such as flags.
func (e *Encoder) Words(words []string) *Encoder {
	e.Raw("(")
	for i, w := range words {
		if i > 0 {
			e.SP()
		}
		e.Raw(w)
	}
	return e.Raw(")")
}

// DateTime writes a date and time in quotes (RFC 9051 9 date-time).
func (e *Encoder) DateTime(t time.Time) *Encoder {
	b := t.AppendFormat(e.w.AvailableBuffer(), `"_2-Jan-2006 15:04:05 -0700"`)
	_, _ = e.w.Write(b)
	return e
}

// Section writes the name of a section as the response repeats it (RFC 9051 7.5.2).
func (e *Encoder) Section(item Item, s Section) *Encoder {
	if s.Legacy != "" {
		return e.Raw(s.Legacy)
	}
	switch item {
	case ItemBinary:
		e.Raw("BINARY[")
	case ItemBinarySize:
		e.Raw("BINARY.SIZE[")
	default:
		e.Raw("BODY[")
	}
	for i, n := range s.Part {
		if i > 0 {
			e.Raw(".")
		}
		e.Number(uint64(n))
	}
	if s.Spec != SpecAll && len(s.Part) > 0 {
		e.Raw(".")
	}
	switch s.Spec {
	case SpecHeader:
		e.Raw("HEADER")
	case SpecMIME:
		e.Raw("MIME")
	case SpecText:
		e.Raw("TEXT")
	case SpecFields, SpecFieldsNot:
		e.Raw("HEADER.FIELDS")
		if s.Spec == SpecFieldsNot {
			e.Raw(".NOT")
		}
		e.Raw(" (")
		for i, f := range s.Fields {
			if i > 0 {
				e.SP()
			}
			e.Astring(f)
		}
		e.Raw(")")
	}
	e.Raw("]")
	if s.Partial {
		e.Raw("<").Number(uint64(s.Offset)).Raw(">")
	}
	return e
}

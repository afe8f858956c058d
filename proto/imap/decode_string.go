package imap

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// isAtomChar is ATOM-CHAR of RFC 9051 9.
func isAtomChar(b byte) bool {
	return b > ' ' && b < 0x7f && bytes.IndexByte([]byte(`(){%*"\]`), b) < 0
}

// isAstringChar is ASTRING-CHAR: an atom's, and "]".
func isAstringChar(b byte) bool { return b == ']' || isAtomChar(b) }

// isListChar is list-char: an atom's, "]" and the wildcards.
func isListChar(b byte) bool { return isAstringChar(b) || b == '%' || b == '*' }

// run takes octets for as long as they are of a kind; there must be one.
func (d *Decoder) run(what string, is func(byte) bool) string {
	var buf []byte
	for {
		b, ok := d.peek()
		if !ok {
			return ""
		}
		if !is(b) {
			if len(buf) == 0 {
				d.Fail("expected %s, found %s", what, show(b))
				return ""
			}
			return string(buf)
		}
		if !d.take() {
			return ""
		}
		buf = append(buf, b)
	}
}

// Atom reads an atom.
func (d *Decoder) Atom(what string) string { return d.run(what, isAtomChar) }

// Tag reads a command's tag: ASTRING-CHARs except "+".
func (d *Decoder) Tag() string {
	s := d.run("a tag", func(b byte) bool { return isAstringChar(b) && b != '+' })
	if len(s) > 256 {
		d.failLimit("the tag is longer than 256 octets")
		return ""
	}
	return s
}

// Astring reads an atom, quoted string or literal.
func (d *Decoder) Astring(what string) string {
	b, ok := d.peek()
	if ok && (b == '"' || b == '{') {
		return d.String(what)
	}
	return d.run(what, isAstringChar)
}

// String reads a quoted string or literal. It holds no NUL, and is UTF-8 where it goes beyond ASCII.
func (d *Decoder) String(what string) string {
	s := d.rawString(what)
	if d.err == nil && !utf8.ValidString(s) {
		d.Fail("%s is neither ASCII nor UTF-8", what)
		return ""
	}
	return s
}

func (d *Decoder) rawString(what string) string {
	b, ok := d.peek()
	switch {
	case !ok:
		return ""
	case b == '"':
		return d.quoted()
	case b == '{':
		return d.literalString()
	}
	d.Fail("expected %s as a string, found %s", what, show(b))
	return ""
}

// NilString reads a string or NIL.
func (d *Decoder) NilString(what string) (s string, isNil bool) {
	b, ok := d.peek()
	if ok && (b == '"' || b == '{') {
		return d.String(what), false
	}
	if w := d.Atom(what); d.err == nil && !equalFold(w, "NIL") {
		d.Fail("expected %s as a string or NIL", what)
	}
	return "", true
}

func (d *Decoder) quoted() string {
	if !d.Expect('"') {
		return ""
	}
	var buf []byte
	for {
		b, ok := d.peek()
		if !ok {
			return ""
		}
		switch b {
		case 0:
			d.Fail("a NUL in a quoted string")
			return ""
		case '\r', '\n':
			d.Fail("a quoted string ends before its line does")
			return ""
		}
		if !d.take() {
			return ""
		}
		switch b {
		case '"':
			return string(buf)
		case '\\':
			if b, ok = d.peek(); !ok {
				return ""
			}
			if b != '"' && b != '\\' {
				d.Fail(`only " and \ can follow a \ in a quoted string`)
				return ""
			}
			if !d.take() {
				return ""
			}
		}
		buf = append(buf, b)
	}
}

// Literal is the announcement of a literal (RFC 9051 4.3): how many octets follow.
type Literal struct {
	Size   int64
	Wait   bool // the client waits for leave to send it
	Binary bool // ~{n}: may hold NUL (RFC 3516 4.4)
}

// LiteralHead reads a literal's announcement up to its CRLF and no further.
func (d *Decoder) LiteralHead() Literal {
	var l Literal
	l.Binary = d.Accept('~')
	if !d.Expect('{') {
		return Literal{}
	}
	l.Size = int64(d.number("a literal's size", 1<<62))
	l.Wait = !d.Accept('+')
	if !d.Expect('}') {
		return Literal{}
	}
	if b, ok := d.peek(); ok && b != '\r' {
		d.Fail("expected the end of the line behind a literal's size")
	}
	if d.err != nil || !d.crlf() {
		return Literal{}
	}
	// Until it is asked for, a literal that waits is the end of what the client sends.
	d.ended = l.Wait
	if !l.Wait {
		d.undrawn = l.Size
	}
	return l
}

// LiteralBody asks for a literal and gives its octets. They must all be read before the decoder is used
// again; Recover passes over what was not.
func (d *Decoder) LiteralBody(l Literal) io.Reader {
	if d.err == nil && l.Wait {
		if err := d.proceed(); err != nil {
			d.failRead(err)
		}
		d.ended = false
	}
	if d.err != nil {
		return bytes.NewReader(nil)
	}
	d.undrawn = l.Size
	d.tail = literalTail{}
	return &literalReader{d}
}

type literalReader struct{ d *Decoder }

func (r *literalReader) Read(p []byte) (int, error) {
	if r.d.err != nil {
		return 0, r.d.err
	}
	if r.d.undrawn == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.d.undrawn {
		p = p[:r.d.undrawn]
	}
	n, err := r.d.r.Read(p)
	r.d.undrawn -= int64(n)
	if err != nil {
		r.d.failRead(err)
		return n, r.d.err
	}
	return n, nil
}

func (d *Decoder) literalString() string {
	l := d.LiteralHead()
	if d.err != nil {
		return ""
	}
	if l.Size > int64(d.lim.Literal-d.literal) {
		d.failLimit("the literals of a command can hold %d octets together", d.lim.Literal)
		return ""
	}
	d.literal += int(l.Size)
	// The buffer grows with what arrives, not with what was announced.
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, d.LiteralBody(l)); err != nil || d.err != nil {
		return ""
	}
	if bytes.IndexByte(buf.Bytes(), 0) >= 0 {
		d.Fail("a NUL in a literal")
		return ""
	}
	return buf.String()
}

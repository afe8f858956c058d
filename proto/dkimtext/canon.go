package dkimtext

import (
	"bytes"
	"hash"
)

// Canon is a way to bring text into a form that survives small changes on the way. RFC 6376 3.4.
type Canon string

// The two ways.
const (
	Simple  Canon = "simple"
	Relaxed Canon = "relaxed"
)

// AppendField appends the canonical form of a header field, given as written. It ends with CRLF. RFC 6376 3.4.1, RFC 6376 3.4.2.
func AppendField(dst []byte, c Canon, raw []byte) []byte {
	raw = bytes.TrimRight(raw, "\r\n")
	if c == Simple {
		return append(append(dst, raw...), '\r', '\n')
	}
	name, value, _ := bytes.Cut(raw, []byte{':'})
	for _, b := range bytes.TrimRight(name, " \t") {
		dst = append(dst, lower(b))
	}
	dst = append(dst, ':')
	start, space := len(dst), false
	for _, b := range value {
		switch b {
		case ' ', '\t', '\r', '\n':
			space = true
		default:
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, b)
		}
	}
	return append(dst, '\r', '\n')
}

// Body hashes the canonical form of a body that is written to it. Lines may end in CRLF or a bare LF, which is what a mail system that
// writes CRLF would have made of it. RFC 6376 3.4.3, RFC 6376 3.4.4.
type Body struct {
	sum     hash.Hash
	relaxed bool
	cr      bool  // a CR was last: with an LF it ends the line
	space   bool  // white space was last, which counts only where something follows on the line
	text    bool  // something was hashed
	lines   int64 // line ends held back, which count only where something follows
	out     []byte
}

// NewBody makes a Body. sum is written to until Close.
func NewBody(c Canon, sum hash.Hash) *Body {
	return &Body{sum: sum, relaxed: c == Relaxed, out: make([]byte, 0, bodyBuffer)}
}

const bodyBuffer = 2048

// Write takes a piece of the body. It never fails.
func (b *Body) Write(p []byte) (int, error) {
	for i := 0; i < len(p); {
		c := p[i]
		if c == '\n' {
			b.cr, b.space = false, false
			b.lines++
			i++
			continue
		}
		if b.cr {
			b.cr = false
			b.put('\r') // a CR on its own is text
		}
		switch {
		case c == '\r':
			b.cr = true
			i++
		case b.relaxed && (c == ' ' || c == '\t'):
			b.space = true
			i++
		default:
			n := b.run(p[i:])
			b.before()
			b.add(p[i : i+n])
			i += n
		}
	}
	return len(p), nil
}

// run is the length of what is hashed as it is.
func (b *Body) run(p []byte) int {
	if !b.relaxed {
		if n := bytes.IndexByte(p, '\n'); n >= 0 {
			p = p[:n]
		}
		if n := bytes.IndexByte(p, '\r'); n >= 0 {
			return n
		}
		return len(p)
	}
	for i, c := range p {
		if c > ' ' {
			continue
		}
		switch c {
		case ' ': // one space between words stands as it is: most lines are one run
			if i > 0 && p[i-1] > ' ' && i+1 < len(p) && p[i+1] > ' ' {
				continue
			}
			return i
		case '\t', '\r', '\n':
			return i
		}
	}
	return len(p)
}

func (b *Body) put(c byte) {
	b.before()
	b.room(1)
	b.out = append(b.out, c)
}

// before hashes what was held back, because something follows.
func (b *Body) before() {
	b.text = true
	for ; b.lines > 0; b.lines-- {
		b.end()
	}
	if b.space {
		b.space = false
		b.room(1)
		b.out = append(b.out, ' ')
	}
}

func (b *Body) end() {
	b.room(2)
	b.out = append(b.out, '\r', '\n')
}

// room makes sure that n octets fit. What is appended after it never escapes to the heap, as a slice given to the hash would.
func (b *Body) room(n int) {
	if len(b.out)+n > cap(b.out) {
		b.sum.Write(b.out)
		b.out = b.out[:0]
	}
}

func (b *Body) add(p []byte) {
	if b.room(len(p)); len(p) > cap(b.out)/2 {
		b.sum.Write(b.out)
		b.out = b.out[:0]
		b.sum.Write(p)
		return
	}
	b.out = append(b.out, p...)
}

// Close hashes the end. An empty body is one CRLF in the simple form and nothing in the relaxed one.
func (b *Body) Close() {
	if b.cr {
		b.cr = false
		b.put('\r')
	}
	if b.text || !b.relaxed {
		b.end()
	}
	b.sum.Write(b.out)
	b.out = b.out[:0]
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

package message

import (
	"bufio"
	"io"
)

// DecodeTransfer undoes a Content-Transfer-Encoding (RFC 2045 6) while r is read. It is tolerant: what is wrong in
// the encoding is skipped (base64) or kept as it stands (quoted-printable), and an unknown encoding changes nothing.
// Errors are only those of r.
func DecodeTransfer(encoding string, r io.Reader) io.Reader {
	switch lowered(encoding) {
	case "base64":
		return &base64Reader{r: r}
	case "quoted-printable":
		return &qpReader{r: bufio.NewReader(r)}
	}
	return r
}

// OpenSection gives length octets of a stored body from offset on.
type OpenSection func(offset, length int64) (io.ReadCloser, error)

// Contents gives the octets of a part's body, its transfer encoding undone.
func Contents(p *Part, open OpenSection) (io.ReadCloser, error) {
	body, err := open(p.BodyOffset, p.Size())
	if err != nil {
		return nil, err
	}
	return readCloser{DecodeTransfer(p.Encoding, body), body}, nil
}

// Text gives the text of a part in UTF-8, its transfer encoding and charset undone, while it is read.
func Text(p *Part, open OpenSection) (io.ReadCloser, error) {
	body, err := open(p.BodyOffset, p.Size())
	if err != nil {
		return nil, err
	}
	return readCloser{CharsetReader(p.Charset(), DecodeTransfer(p.Encoding, body)), body}, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// base64Reader decodes base64 (RFC 2045 6.8). Octets outside the alphabet are skipped as RFC 2045 asks; padding ends a
// run, so that pieces that were encoded apart and put together are read in full.
type base64Reader struct {
	r       io.Reader
	buf     [4096]byte
	in      []byte // read, not decoded
	bits, n uint
	err     error
}

// Read implements io.Reader.
func (d *base64Reader) Read(p []byte) (int, error) {
	out := 0
	for out < len(p) {
		if len(d.in) == 0 {
			if d.err != nil || out > 0 {
				break
			}
			var n int
			n, d.err = d.r.Read(d.buf[:])
			d.in = d.buf[:n]
			continue
		}
		c := d.in[0]
		d.in = d.in[1:]
		v := base64Values[c]
		if v >= 64 {
			if c == '=' {
				d.bits, d.n = 0, 0
			}
			continue
		}
		d.bits = d.bits<<6 | uint(v)
		if d.n += 6; d.n >= 8 {
			d.n -= 8
			p[out] = byte(d.bits >> d.n)
			d.bits &= 1<<d.n - 1
			out++
		}
	}
	if out > 0 || len(p) == 0 {
		return out, nil
	}
	return 0, d.err
}

// base64Values is base64Value as a table; 255 is none.
var base64Values = func() (t [256]byte) {
	for c := range t {
		t[c] = 255
		if v := base64Value(byte(c)); v >= 0 {
			t[c] = byte(v)
		}
	}
	return t
}()

// qpReader decodes quoted-printable (RFC 2045 6.7).
type qpReader struct {
	r     *bufio.Reader
	ready []byte // decoded, not handed out
	store [128]byte
	space []byte // space that counts only if something follows on the line
	err   error
}

// maxSpace bounds how much space at a line's end is taken for transport padding.
const maxSpace = 1024

// Read implements io.Reader.
func (d *qpReader) Read(p []byte) (int, error) {
	out := 0
	for out < len(p) {
		if len(d.ready) > 0 {
			n := copy(p[out:], d.ready)
			d.ready = d.ready[n:]
			out += n
			continue
		}
		if d.err != nil || out > 0 && d.r.Buffered() == 0 {
			break
		}
		if n := d.literal(p[out:]); n > 0 {
			out += n
			continue
		}
		d.next()
	}
	if out > 0 || len(p) == 0 {
		return out, nil
	}
	return 0, d.err
}

// literal copies a run of octets that stand for themselves.
func (d *qpReader) literal(p []byte) int {
	if len(d.space) > 0 {
		return 0
	}
	ahead, _ := d.r.Peek(min(d.r.Buffered(), len(p)))
	n := 0
	for n < len(ahead) && ahead[n] > ' ' && ahead[n] != '=' {
		n++
	}
	copy(p, ahead[:n])
	d.discard(n)
	return n
}

// next decodes one octet and what it makes certain.
func (d *qpReader) next() {
	c, err := d.r.ReadByte()
	if err != nil {
		d.err = err // space at the very end is padding
		return
	}
	switch c {
	case ' ', '\t':
		if d.space = append(d.space, c); len(d.space) < maxSpace {
			return
		}
		d.ready = append(d.store[:0], d.space...)
	case '\n':
		d.ready = append(d.store[:0], c)
	case '\r':
		if next, err := d.r.Peek(1); err == nil && next[0] == '\n' {
			d.ready = append(d.store[:0], c)
		} else {
			d.ready = append(append(d.store[:0], d.space...), c)
		}
	case '=':
		d.ready = d.escape(append(d.store[:0], d.space...))
	default:
		d.ready = append(append(d.store[:0], d.space...), c)
	}
	d.space = d.space[:0]
}

// escape decodes what follows a `=`: two hex digits, or a line end that does not count.
func (d *qpReader) escape(dst []byte) []byte {
	ahead, _ := d.r.Peek(2)
	if len(ahead) == 2 {
		if hi, lo := hexValue(ahead[0]), hexValue(ahead[1]); hi >= 0 && lo >= 0 {
			d.discard(2)
			return append(dst, byte(hi<<4|lo))
		}
	}
	// A soft line break; space after the = is padding (RFC 2045 6.7 (3)).
	const maxPadding = 256
	ahead, _ = d.r.Peek(maxPadding)
	for i, c := range ahead {
		switch {
		case c == '\n':
			d.discard(i + 1)
			return dst
		case c != ' ' && c != '\t' && c != '\r':
			return append(dst, '=')
		}
	}
	if len(ahead) < maxPadding { // the end
		d.discard(len(ahead))
		return dst
	}
	return append(dst, '=')
}

// discard drops octets that were peeked at, so they are there.
func (d *qpReader) discard(n int) { _, _ = d.r.Discard(n) }

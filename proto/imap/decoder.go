package imap

import (
	"bufio"
	"fmt"
	"io"
)

// Limits bound what one command may cost.
type Limits struct {
	Line    int // octets of the command outside its literals
	Literal int // octets of all its literals together, an appended message apart
	Depth   int // of parentheses within parentheses
	Items   int // members of its lists, search keys and ranges of numbers, together
}

// Error is a command that is not well formed or is over a limit. The client gets BAD with Text.
type Error struct {
	Text  string
	Limit bool // it may be well formed, but is more than is accepted
}

// Error gives the sentence.
func (e *Error) Error() string { return e.Text }

// Decoder reads one command. Its methods read as the grammar (RFC 9051 9) does: the first error sticks,
// after which every method does nothing and gives zero values. Nothing is ever read past the command's end.
type Decoder struct {
	// UTF8 says that names of mailboxes are UTF-8 and not modified UTF-7.
	UTF8 bool

	r       *bufio.Reader
	lim     Limits
	proceed func() error
	err     error
	line    int
	literal int
	depth   int
	items   int
	ended   bool  // the command's CRLF was read, or the client waits for leave to go on
	undrawn int64 // octets of a literal that are on their way though nobody wants them
	tail    literalTail
}

// NewDecoder makes a decoder for the next command of r. Proceed is called where the client waits for leave to
// send a literal; it must send the command continuation request (RFC 9051 7.6).
func NewDecoder(r *bufio.Reader, lim Limits, proceed func() error) *Decoder {
	return &Decoder{r: r, lim: lim, proceed: proceed}
}

// Err is the first error: an *Error, or what the reader failed with.
func (d *Decoder) Err() error { return d.err }

// Ended reports that the command was read to its end.
func (d *Decoder) Ended() bool { return d.ended }

// Fail refuses the command with a sentence, unless it was refused already.
func (d *Decoder) Fail(format string, args ...any) {
	if d.err == nil {
		d.err = &Error{Text: fmt.Sprintf(format, args...)}
	}
}

func (d *Decoder) failLimit(format string, args ...any) {
	if d.err == nil {
		d.err = &Error{Text: fmt.Sprintf(format, args...), Limit: true}
	}
}

func (d *Decoder) failRead(err error) {
	if d.err == nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		d.err = err
	}
}

// peek shows the next octet without taking it.
func (d *Decoder) peek() (byte, bool) {
	if d.err != nil {
		return 0, false
	}
	if d.ended {
		d.Fail("the command ends too early")
		return 0, false
	}
	b, err := d.r.Peek(1)
	if err != nil {
		d.failRead(err)
		return 0, false
	}
	return b[0], true
}

// take takes the octet that peek showed.
func (d *Decoder) take() bool {
	if d.line >= d.lim.Line {
		d.failLimit("the command line is longer than %d octets", d.lim.Line)
		return false
	}
	b, err := d.r.ReadByte()
	if err != nil {
		d.failRead(err)
		return false
	}
	d.tail.feed(b)
	d.line++
	return true
}

// Accept takes c if it comes next.
func (d *Decoder) Accept(c byte) bool {
	b, ok := d.peek()
	return ok && b == c && d.take()
}

// Next reports whether c comes next, and takes nothing.
func (d *Decoder) Next(c byte) bool {
	b, ok := d.peek()
	return ok && b == c
}

// Expect takes c, which must come next.
func (d *Decoder) Expect(c byte) bool {
	if d.Accept(c) {
		return true
	}
	if d.err == nil {
		b, _ := d.peek()
		d.Fail("expected %s, found %s", show(c), show(b))
	}
	return false
}

// SP takes the one space that parts two arguments.
func (d *Decoder) SP() bool { return d.Expect(' ') }

// End takes the CRLF that ends a command. A line that ends with a bare LF, or holds a bare CR, is refused.
func (d *Decoder) End() bool {
	b, ok := d.peek()
	switch {
	case !ok:
		return false
	case b == '\n':
		d.Fail("lines end with CRLF, not with LF alone")
		return false
	case b != '\r':
		d.Fail("expected the end of the command, found %s", show(b))
		return false
	}
	return d.crlf()
}

// crlf takes CRLF where the CR is known to come next. It leaves a bare CR in place of the line's end to Recover.
func (d *Decoder) crlf() bool {
	if !d.take() {
		return false
	}
	b, ok := d.peek()
	if !ok {
		return false
	}
	if b != '\n' {
		d.Fail("a CR without LF")
		return false
	}
	if !d.take() {
		return false
	}
	d.ended = true
	return true
}

// List reads a parenthesised list of at least min members, parted by single spaces; item reads one.
func (d *Decoder) List(least int, item func()) {
	if !d.Open() {
		return
	}
	n := 0
	if !d.Next(')') {
		for {
			if !d.Count() {
				return
			}
			item()
			n++
			if d.err != nil || !d.Accept(' ') {
				break
			}
		}
	}
	d.Close()
	if d.err == nil && n < least {
		d.Fail("the list has %d members, it needs %d", n, least)
	}
}

// Open takes a parenthesis that opens, and counts its depth.
func (d *Decoder) Open() bool {
	if !d.Expect('(') {
		return false
	}
	if d.depth++; d.depth > d.lim.Depth {
		d.failLimit("more than %d parentheses within one another", d.lim.Depth)
		return false
	}
	return true
}

// Close takes a parenthesis that closes.
func (d *Decoder) Close() bool {
	d.depth--
	return d.Expect(')')
}

// Count counts a member of a list against the limit.
func (d *Decoder) Count() bool {
	if d.items++; d.items > d.lim.Items {
		d.failLimit("more than %d items in one command", d.lim.Items)
	}
	return d.err == nil
}

// show spells an octet for a sentence.
func show(b byte) string {
	switch {
	case b == ' ':
		return "a space"
	case b == '\r' || b == '\n':
		return "the end of the line"
	case b > ' ' && b < 0x7f:
		return fmt.Sprintf("%q", string(rune(b)))
	}
	return fmt.Sprintf("octet 0x%02x", b)
}

package imap

import (
	"io"
)

// Recover passes over what is left of a refused command, so that the next one can be read: the rest of its line
// and literals that come without leave (RFC 7888 4). At most limit octets are passed over; more is an *Error with Limit
// set, after which the connection cannot be used. A literal that waits for leave ends the command, as the client
// will not send it after it was told BAD or NO (RFC 9051 7.6).
func (d *Decoder) Recover(limit int64) error {
	if d.ended && d.undrawn == 0 {
		return nil
	}
	for {
		if d.undrawn > 0 {
			if d.undrawn > limit {
				return &Error{Text: "the refused command is too long to pass over", Limit: true}
			}
			limit -= d.undrawn
			if _, err := io.CopyN(io.Discard, d.r, d.undrawn); err != nil {
				return err
			}
			d.undrawn = 0
			d.tail = literalTail{}
		}
		b, err := d.r.ReadByte()
		if err != nil {
			return err
		}
		if limit--; limit < 0 {
			return &Error{Text: "the refused command is too long to pass over", Limit: true}
		}
		if b != '\n' {
			d.tail.feed(b)
			continue
		}
		n, again := d.tail.size()
		if !again {
			d.ended = true
			return nil
		}
		d.undrawn = n
	}
}

// literalTail watches the octets of a line for {n+}, ~{n+} or their CR at its end.
type literalTail struct {
	state byte // 0 outside, 1 in digits, 2 behind +, 3 behind }, 4 behind CR
	n     int64
	over  bool
}

func (t *literalTail) feed(b byte) {
	switch {
	case b == '{':
		*t = literalTail{state: 1}
	case t.state == 1 && b >= '0' && b <= '9':
		if t.n > 1<<50 {
			t.over = true
			return
		}
		t.n = t.n*10 + int64(b-'0')
	case t.state == 1 && b == '+':
		t.state = 2
	case t.state == 2 && b == '}':
		t.state = 3
	case t.state == 3 && b == '\r':
		t.state = 4
	default:
		t.state = 0
	}
}

// size tells, at the LF, how many octets follow that belong to the command.
func (t *literalTail) size() (int64, bool) {
	if t.state != 4 {
		return 0, false
	}
	if t.over {
		return 1 << 62, true
	}
	return t.n, true
}

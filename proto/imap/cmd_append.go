package imap

import (
	"io"
	"time"
)

// Append is the first argument of APPEND (RFC 9051 6.3.12). Its messages are read one by one with Next.
type Append struct{ Mailbox string }

// Decode reads the mailbox and leaves the messages.
func (a *Append) Decode(d *Decoder) {
	d.SP()
	a.Mailbox = d.Mailbox()
}

// AppendMessage is one message of APPEND, up to its first octet.
type AppendMessage struct {
	Flags   []string
	Date    time.Time // the zero time: none was given
	Literal Literal
	wrapped bool // UTF8 (~{n}...) of RFC 9755 4
}

// NextMessage reads what stands in front of a message. It gives false at the end of the command, whose CRLF it
// leaves, and after an error. MULTIAPPEND (RFC 3502) sends several messages.
func (d *Decoder) NextMessage() (AppendMessage, bool) {
	var m AppendMessage
	if !d.Next(' ') && d.Err() == nil && d.Next('\r') {
		return m, false
	}
	d.SP()
	if d.Next('(') {
		m.Flags = d.Flags()
		d.SP()
	}
	if d.Next('"') {
		m.Date = d.DateTime()
		d.SP()
	}
	if d.Next('U') || d.Next('u') {
		d.Literally("UTF8")
		d.SP()
		d.Open()
		m.wrapped = true
	}
	m.Literal = d.LiteralHead()
	return m, d.Err() == nil
}

// Message asks for the octets of a message and gives them.
func (d *Decoder) Message(m AppendMessage) io.Reader { return d.LiteralBody(m.Literal) }

// MessageEnd reads what stands behind a message's octets.
func (d *Decoder) MessageEnd(m AppendMessage) {
	if m.wrapped {
		d.Close()
	}
}

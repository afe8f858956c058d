package smtpc

import (
	"fmt"

	"github.com/postrider/postrider/proto/smtp"
)

// CommandError says that the remote refused a command outside a transaction: the greeting, EHLO, STARTTLS, AUTH, RSET.
type CommandError struct {
	Command string // "greeting" or a verb
	Reply   *smtp.Reply
}

// Error names the command and quotes the reply.
func (e *CommandError) Error() string { return e.Command + " was refused: " + e.Reply.Error() }

// Unwrap gives the reply to errors.As.
func (e *CommandError) Unwrap() error { return e.Reply }

// ConnError says that the connection failed or timed out, or that what came was no SMTP. The connection is of no more use.
type ConnError struct {
	During string // what was under way: "greeting", "TLS handshake", a verb, "message"
	// Unknown is set when the end of the message had been sent, or may have been, and no reply came: the remote may
	// have taken it, and sending it again may deliver it twice (RFC 1047).
	Unknown bool
	Err     error
}

// Error tells what was under way and what went wrong.
func (e *ConnError) Error() string {
	if e.Unknown {
		return fmt.Sprintf("no reply to the end of the message, which may have been delivered: %v", e.Err)
	}
	return fmt.Sprintf("connection failed during %s: %v", e.During, e.Err)
}

// Unwrap gives the cause.
func (e *ConnError) Unwrap() error { return e.Err }

// UnsupportedError says that the message or the caller needs an extension that the remote does not offer. Nothing was sent.
type UnsupportedError struct {
	Extension string // SMTPUTF8, 8BITMIME, REQUIRETLS, STARTTLS or "AUTH " and a mechanism
	Why       string // one sentence
}

// Error gives the sentence.
func (e *UnsupportedError) Error() string { return e.Why }

// LimitError says that the message is over the size that the remote announced (RFC 1870 6.1). Nothing was sent.
type LimitError struct{ Size, Limit int64 }

// Error tells both numbers.
func (e *LimitError) Error() string {
	return fmt.Sprintf("the message has %d octets and the remote takes at most %d", e.Size, e.Limit)
}

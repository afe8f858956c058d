package smtpc

import (
	"io"
	"strconv"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
)

// Transaction is one message for one or more recipients.
type Transaction struct {
	From smtp.Path   // the zero Path for the null sender
	To   []smtp.Rcpt // Notify and ORcpt are sent where DSN is offered
	Size int64       // octets of the body with CR LF; 0 when not known
	// Body8Bit says that the body has octets over 127. Where 8BITMIME is not offered, Send refuses with an
	// UnsupportedError, or sends it all the same with Force8Bit.
	Body8Bit  bool
	Force8Bit bool
	UTF8      bool // the header needs SMTPUTF8; addresses that need it are noticed anyway
	// RequireTLS sends REQUIRETLS. Without TLS, or where the server did not offer it inside TLS, Send refuses with an UnsupportedError.
	RequireTLS bool
	Ret        string // RFC 3461 4.3, where DSN is offered
	EnvID      string // RFC 3461 4.4, where DSN is offered
	// Body opens the message: lines that end with CR LF, without stuffed dots. It is called once at most, before DATA is sent.
	Body func() (io.ReadCloser, error)
}

// Result is what the remote said. A nil reply means that it was not reached.
type Result struct {
	Mail *smtp.Reply
	Rcpt []*smtp.Reply // to each RCPT, by the index of Transaction.To
	// Data is the reply to DATA or, where that let us go on, to the end of the message: for SMTP the same for each
	// recipient that RCPT accepted, for LMTP each its own (RFC 2033 4.2). Nil for the others.
	Data []*smtp.Reply
}

// Outcome is the reply that decided about recipient i, or nil when none came.
func (r Result) Outcome(i int) *smtp.Reply {
	switch {
	case r.Mail == nil || r.Mail.Code/100 != 2:
		return r.Mail
	case r.Rcpt[i] == nil || r.Rcpt[i].Code/100 != 2:
		return r.Rcpt[i]
	}
	return r.Data[i]
}

// accepted counts the recipients that RCPT accepted.
func (r Result) accepted() int {
	n := 0
	for _, reply := range r.Rcpt {
		if reply != nil && reply.Code/100 == 2 {
			n++
		}
	}
	return n
}

// all gives every accepted recipient the same reply.
func (r Result) all(reply *smtp.Reply) {
	for i, rcpt := range r.Rcpt {
		if rcpt != nil && rcpt.Code/100 == 2 {
			r.Data[i] = reply
		}
	}
}

// commands writes the MAIL and RCPT commands that say all the server can understand, or tells why it cannot take the message.
func (c *Client) commands(tx *Transaction) ([]string, error) {
	m := &smtp.Mail{From: tx.From, UTF8: tx.UTF8}
	if tx.Body == nil || len(tx.To) == 0 {
		return nil, mail.Errorf(mail.Invalid, "a transaction needs a body and a recipient")
	}
	if !sound(tx.From) {
		return nil, mail.Errorf(mail.Invalid, "bad sender address %q", tx.From.String())
	}
	m.UTF8 = m.UTF8 || !tx.From.ASCII()
	dsn := c.offers("DSN")
	lines := make([]string, 1, len(tx.To)+3)
	for _, r := range tx.To {
		if !sound(r.To) || r.To.IsNull() {
			return nil, mail.Errorf(mail.Invalid, "bad recipient address %q", r.To.String())
		}
		m.UTF8 = m.UTF8 || !r.To.ASCII()
		if !dsn {
			r.Notify, r.ORcpt = 0, ""
		}
		lines = append(lines, r.String())
	}
	if m.UTF8 && !c.offers("SMTPUTF8") { // RFC 6531 3.2
		return nil, &UnsupportedError{"SMTPUTF8", "the server does not take internationalised addresses or headers (SMTPUTF8)"}
	}
	if tx.RequireTLS {
		if c.tls == nil || !c.offers("REQUIRETLS") { // RFC 8689 4.2.1: an offer in the clear is anybody's
			return nil, &UnsupportedError{"REQUIRETLS", "the server does not promise to hand the message on over verified TLS only (REQUIRETLS)"}
		}
		m.RequireTLS = true
	}
	if tx.Body8Bit {
		if !c.offers("8BITMIME") && !tx.Force8Bit { // RFC 6152 3
			return nil, &UnsupportedError{"8BITMIME", "the server does not take 8-bit text (8BITMIME)"}
		}
		if c.offers("8BITMIME") {
			m.Body = smtp.Body8BitMIME
		}
	}
	if limit, ok := c.Ext["SIZE"]; ok {
		m.Size = tx.Size
		if n, err := strconv.ParseInt(limit, 10, 64); err == nil && n > 0 && tx.Size > n {
			return nil, &LimitError{tx.Size, n}
		}
	}
	if dsn {
		m.Ret, m.EnvID = tx.Ret, tx.EnvID
	}
	lines[0] = m.String()
	for _, line := range lines {
		if _, err := smtp.Parse([]byte(line)); err != nil {
			return nil, mail.Errorf(mail.Invalid, "cannot be said in SMTP: %w", err)
		}
	}
	return lines, nil
}

// sound reports whether a path survives being written and read.
func sound(p smtp.Path) bool {
	if p.Domain == "" {
		return p.IsNull() || p.Local == "postmaster" || p.Local == "Postmaster"
	}
	again, ok := smtp.ParsePath(p.String())
	return ok && again.Local == p.Local
}

package msa

import (
	"io"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
)

// checked holds a body that did not come over SMTP to the same form: lines end in CRLF, no stray CR, LF or NUL
// (RFC 5321 2.3.8), so that what leaves over SMTP later cannot be read two ways.
type checked struct {
	r     io.Reader
	check smtp.TextCheck
}

// Read implements io.Reader. A body of another form is an error of kind Invalid.
func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	bad := c.check.Check(p[:n])
	if bad == nil && err == io.EOF {
		var open bool
		if open, bad = c.check.End(); open && bad == nil {
			return n, &mail.Error{Kind: mail.Invalid, Enhanced: "5.6.0", Text: "the message must end with a line end"}
		}
	}
	if bad != nil {
		return 0, &mail.Error{Kind: mail.Invalid, Enhanced: "5.6.0", Text: "the message is not in the form mail travels in: " + bad.Error(), Err: bad}
	}
	return n, err
}

package smtpd

import "github.com/postrider/postrider/proto/smtp"

// rset obeys RSET (RFC 5321 4.1.1.5).
func (c *conversation) rset(*smtp.Plain) {
	c.endTransaction()
	c.say(250, "2.0.0", "OK")
}

// noop obeys NOOP (RFC 5321 4.1.1.9).
func (c *conversation) noop(*smtp.Plain) { c.say(250, "2.0.0", "OK") }

// quit obeys QUIT (RFC 5321 4.1.1.10). Commands sent behind it are not obeyed.
func (c *conversation) quit(*smtp.Plain) {
	c.say(221, "2.0.0", c.cfg.Hostname+" says goodbye")
	c.closing, c.linger = true, c.in.Buffered() > 0
}

// vrfy obeys VRFY without telling who exists (RFC 5321 3.5.3, 7.3).
func (c *conversation) vrfy(*smtp.Plain) {
	c.say(252, "2.1.5", "who exists is told at RCPT")
}

// expn declines EXPN (RFC 5321 3.5.1 lets a host leave it out).
func (c *conversation) expn(*smtp.Plain) {
	c.fail(smtp.Errorf(502, "5.5.1", "lists are not expanded"))
}

// help obeys HELP (RFC 5321 4.1.1.8).
func (c *conversation) help(*smtp.Plain) {
	c.say(214, "2.0.0", string(c.helloWord())+" MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP STARTTLS AUTH\nsee RFC 5321")
}

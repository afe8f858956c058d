package smtpd

import (
	"context"
	"crypto/tls"

	"github.com/postrider/postrider/proto/smtp"
)

// starttls obeys STARTTLS (RFC 3207 4). It must be the last command of a group: what came behind it, in the clear, was put
// there by somebody in between or by a client that does not know what it does. Either way nothing of it may be obeyed as
// if it had come through TLS, and nothing in the clear either, so the connection ends.
func (c *conversation) starttls(*smtp.Plain) {
	switch {
	case c.pub.TLS != nil:
		c.fail(smtp.Errorf(503, "5.5.1", "TLS is active already"))
		return
	case c.srv.tls == nil:
		c.fail(smtp.Errorf(502, "5.5.1", "STARTTLS is not offered"))
		return
	case c.pub.AuthUser != "" || c.tx.bdat:
		c.fail(smtp.Errorf(503, "5.5.1", "too late for STARTTLS"))
		return
	case c.in.Buffered() > 0:
		c.log.Warn("commands pipelined behind STARTTLS", "octets", c.in.Buffered())
		c.close(smtp.Errorf(554, "5.5.1", "nothing may be sent behind STARTTLS before TLS is active"))
		return
	}
	c.say(220, "2.0.0", "go ahead with TLS")
	if c.flush() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Timeouts.Handshake)
	defer cancel()
	t := tls.Server(c.conn, c.srv.tls)
	c.link.waitRead(deadline(ctx), false)
	c.link.waitWrite(c.cfg.Timeouts.Handshake)
	if err := t.HandshakeContext(ctx); err != nil {
		c.log.Info("TLS handshake failed", "err", err)
		c.closing = true
		return
	}
	// RFC 3207 4.2: everything the client said before is forgotten.
	c.endTransaction()
	state := t.ConnectionState()
	c.pub.TLS, c.pub.Hello, c.pub.ESMTP = &state, "", false
	c.conn = t
	c.in.Reset(source{c})
}

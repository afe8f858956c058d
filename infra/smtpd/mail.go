package smtpd

import "github.com/postrider/postrider/proto/smtp"

// mail obeys MAIL (RFC 5321 4.1.1.2).
func (c *conversation) mail(m *smtp.Mail) {
	switch {
	case c.pub.Hello == "":
		c.fail(smtp.Errorf(503, "5.5.1", "introduce yourself first, with %s", c.helloWord()))
		return
	case c.tx.open:
		c.fail(smtp.Errorf(503, "5.5.1", "a transaction is open already"))
		return
	case c.transactions >= c.cfg.MaxTransactions:
		c.close(smtp.Errorf(421, "4.7.0", "enough messages for one connection; open another"))
		return
	case !c.cfg.DSN && (m.Ret != "" || m.EnvID != ""):
		c.fail(smtp.Errorf(555, "5.5.4", "parameters RET and ENVID are not offered"))
		return
	case m.RequireTLS && !c.cfg.RequireTLS:
		c.fail(smtp.Errorf(555, "5.5.4", "parameter REQUIRETLS is not offered"))
		return
	case m.RequireTLS && c.pub.TLS == nil: // RFC 8689 2
		c.fail(smtp.Errorf(530, "5.7.10", "REQUIRETLS is offered inside TLS only; say STARTTLS first"))
		return
	case c.cfg.MaxSize > 0 && m.Size > c.cfg.MaxSize: // RFC 1870 6.1
		c.reply(smtp.Errorf(552, "5.3.4", "the message is over the limit of %d octets (docs/problems.md#too-large)", c.cfg.MaxSize))
		return
	}
	c.pub.UTF8 = m.UTF8
	if err := c.sess.Mail(c.ctx, m); err != nil && ReplyFor(err).Code/100 != 2 {
		c.refuse(err)
		c.pub.UTF8 = false
		return
	} else if err != nil {
		c.reply(withEnhanced(ReplyFor(err)))
	} else {
		c.say(250, "2.1.0", "sender accepted")
	}
	c.tx.open = true
	c.transactions++
}

func (c *conversation) helloWord() smtp.Verb {
	if c.cfg.LMTP {
		return smtp.LHLO
	}
	return smtp.EHLO
}

package smtpd

import "github.com/postrider/postrider/proto/smtp"

// rcpt obeys RCPT (RFC 5321 4.1.1.3). Only accepted recipients count against the limit (RFC 5321 4.5.3.1.10).
func (c *conversation) rcpt(r *smtp.Rcpt) {
	switch {
	case !c.tx.open:
		c.fail(smtp.Errorf(503, "5.5.1", "MAIL comes before RCPT"))
		return
	case c.tx.bdat:
		c.fail(smtp.Errorf(503, "5.5.1", "the message is being sent already"))
		return
	case !c.pub.UTF8 && !r.To.ASCII(): // RFC 6531 3.4
		c.fail(smtp.Errorf(553, "5.6.7", "an address beyond ASCII needs the SMTPUTF8 parameter of MAIL"))
		return
	case !c.cfg.DSN && (r.Notify != 0 || r.ORcpt != ""):
		c.fail(smtp.Errorf(555, "5.5.4", "parameters NOTIFY and ORCPT are not offered"))
		return
	case c.tx.rcpts >= c.cfg.MaxRecipients:
		c.say(452, "4.5.3", "too many recipients; send to the others in another transaction")
		return
	}
	if err := c.sess.Rcpt(c.ctx, r); err != nil && ReplyFor(err).Code/100 != 2 {
		c.refuse(err)
		return
	} else if err != nil {
		c.reply(withEnhanced(ReplyFor(err)))
	} else {
		c.say(250, "2.1.5", "recipient accepted")
	}
	c.tx.rcpts++
}

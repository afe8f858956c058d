package smtpd

import (
	"errors"

	"github.com/postrider/postrider/proto/smtp"
)

// data obeys DATA (RFC 5321 4.1.1.4).
func (c *conversation) data(*smtp.Plain) {
	if !c.mayHaveData() {
		return
	}
	c.reply(&smtp.Reply{Code: 354, Text: "send the message; end it with a line of one dot"})
	if c.in.Buffered() == 0 {
		_ = c.flush() // DATA ends a group (RFC 2920 3.1); the session may do something else before it reads
	}
	c.grow()
	d := smtp.NewDataReader(c.in)
	b := &body{src: d, max: c.cfg.MaxSize}
	replies := c.deliver(b)
	if !d.Ended() {
		// The reply must not be taken for one to the rest of the message, so that is read first.
		if err := d.Drain(c.cfg.drainLimit()); errors.Is(err, smtp.ErrTooMuch) {
			c.close(smtp.Errorf(421, "4.3.0", "the message goes on and on"))
		} else if err != nil {
			c.lost(err)
		}
	}
	if !c.closing {
		c.answer(c.verdict(b, d.Violation(), replies))
	}
	c.endTransaction()
}

// mayHaveData checks the order of commands, and answers when it is wrong.
func (c *conversation) mayHaveData() bool {
	switch {
	case !c.tx.open:
		c.fail(smtp.Errorf(503, "5.5.1", "MAIL and RCPT come first"))
	case c.tx.bdat:
		c.fail(smtp.Errorf(503, "5.5.1", "the message is being sent already"))
	case c.tx.rcpts == 0 && c.cfg.LMTP: // RFC 2033 4.2
		c.fail(smtp.Errorf(503, "5.5.1", "no valid recipients"))
	case c.tx.rcpts == 0:
		c.fail(smtp.Errorf(554, "5.5.1", "no valid recipients"))
	default:
		return true
	}
	return false
}

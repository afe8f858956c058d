package smtpd

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/proto/smtp"
)

// maxAuthSteps bounds the challenges of one exchange; SCRAM needs three.
const maxAuthSteps = 8

// auth obeys AUTH (RFC 4954 4).
func (c *conversation) auth(cmd *smtp.Auth) {
	a, ok := c.sess.(Authenticator)
	switch {
	case !ok:
		c.fail(smtp.Errorf(502, "5.5.1", "AUTH is not offered"))
		return
	case !c.pub.ESMTP:
		c.fail(smtp.Errorf(503, "5.5.1", "EHLO comes before AUTH"))
		return
	case c.pub.AuthUser != "":
		c.fail(smtp.Errorf(503, "5.5.1", "you are authenticated already"))
		return
	case c.tx.open:
		c.fail(smtp.Errorf(503, "5.5.1", "not inside a transaction"))
		return
	case c.pub.TLS == nil && !c.cfg.AllowCleartextAuth:
		c.fail(smtp.Errorf(538, "5.7.11", "use TLS first, with STARTTLS or on the port for it"))
		return
	case !slices.Contains(c.mechanisms(), cmd.Mechanism):
		c.fail(smtp.Errorf(504, "5.5.4", "mechanism not offered"))
		return
	}
	exchange, err := a.Authenticate(c.ctx, cmd.Mechanism)
	if err != nil {
		c.authFailed(err)
		return
	}
	if !c.exchange(exchange, cmd.Initial) {
		return
	}
	user := exchange.Username()
	if user == "" {
		c.authFailed(mail.Errorf(mail.Internal, "mechanism %s gave no name", cmd.Mechanism))
		return
	}
	c.pub.AuthUser = user
	a.Authenticated(user)
	c.say(235, "2.7.0", "welcome")
}

// exchange carries challenges and responses. It reports success, or has answered.
func (c *conversation) exchange(s sasl.Server, response []byte) bool {
	for range maxAuthSteps {
		challenge, done, err := s.Next(response)
		if err != nil {
			c.authFailed(err)
			return false
		}
		if done {
			return true
		}
		c.out = append(c.room(), "334 "...)
		c.out = base64.StdEncoding.AppendEncode(c.out, challenge)
		c.out = append(c.out, "\r\n"...)
		line, err := c.readLine(smtp.MaxAuthLine, true)
		switch {
		case errors.Is(err, smtp.ErrLineTooLong):
			c.fail(smtp.Errorf(500, "5.5.6", "authentication line too long"))
			return false
		case err != nil:
			c.badLine(err)
			return false
		case string(line) == "*":
			c.fail(smtp.Errorf(501, "5.7.0", "authentication cancelled"))
			return false
		}
		var ok bool
		if response, ok = smtp.DecodeResponse(string(line)); !ok {
			c.fail(smtp.Errorf(501, "5.5.2", "not base64"))
			return false
		}
	}
	c.authFailed(sasl.ErrMalformed)
	return false
}

// authFailed answers and counts. After too many failures the next command gets 421, so that this one is still
// answered in its own right.
func (c *conversation) authFailed(err error) {
	r := authReply(err)
	c.log.Info("authentication failed", "reply", r.Code, "err", err)
	c.fail(r)
	if c.authTries++; c.authTries >= c.cfg.MaxAuthTries {
		c.doom = smtp.Errorf(421, "4.7.0", "too many failed authentications")
	}
}

// authReply tells a failure without telling which part was wrong (RFC 4954 4, 6).
func authReply(err error) *smtp.Reply {
	var own *smtp.Reply
	switch {
	case errors.As(err, &own):
		return ReplyFor(own)
	case errors.Is(err, sasl.ErrTooLong):
		return smtp.Errorf(500, "5.5.6", "authentication line too long")
	case errors.Is(err, sasl.ErrMalformed):
		return smtp.Errorf(501, "5.5.2", "malformed response")
	case errors.Is(err, sasl.ErrUnknownMechanism):
		return smtp.Errorf(504, "5.5.4", "mechanism not offered")
	case errors.Is(err, sasl.ErrRefused), errors.Is(err, sasl.ErrBinding):
		return smtp.Errorf(535, "5.7.8", "authentication failed (docs/problems.md#authentication-fails)")
	case errors.Is(err, context.Canceled):
		return stopping()
	}
	switch mail.KindOf(err) {
	case mail.Internal:
		return smtp.Errorf(454, "4.7.0", "authentication is not possible at the moment")
	case mail.Unavailable, mail.TooMany:
		return smtp.Errorf(454, "4.7.0", "%s", mail.Sentence(err))
	case mail.Denied:
		return smtp.Errorf(535, "5.7.8", "%s", mail.Sentence(err))
	}
	return smtp.Errorf(535, "5.7.8", "authentication failed (docs/problems.md#authentication-fails)")
}

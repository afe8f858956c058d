package imap

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
	"github.com/postrider/postrider/proto/sasl"
)

// cmdAuthenticate serves AUTHENTICATE (RFC 9051 6.2.2), with an initial response (RFC 4959).
func (s *session) cmdAuthenticate(ctx context.Context, c *call, a *wire.Authenticate) (reply, error) {
	if s.needsTLS() {
		return no("PRIVACYREQUIRED", "logins need TLS: use STARTTLS first"), nil
	}
	if !slices.Contains(s.cfg.Authenticator.Mechanisms(s.c.tls), a.Mechanism) {
		return no("CANNOT", "%s is not offered", a.Mechanism), nil
	}
	exchange, err := s.cfg.Authenticator.SASL(ctx, a.Mechanism, s.c.tls, s.peer)
	if err != nil {
		return s.loginFailed(err), nil
	}
	response := a.Initial
	for {
		challenge, done, err := exchange.Next(response)
		if err != nil {
			return s.loginFailed(err), nil
		}
		if done {
			break
		}
		s.enc.Raw("+ ").Raw(base64.StdEncoding.EncodeToString(challenge)).CRLF()
		if err := s.flush(); err != nil {
			return reply{}, nil
		}
		c.d = s.lines()
		var cancelled bool
		response, cancelled = c.d.SASLResponse()
		if err := c.d.Err(); err != nil {
			return refusal(err), nil
		}
		if cancelled {
			return bad("cancelled"), nil
		}
	}
	account, err := s.cfg.Authenticator.Account(ctx, exchange.Username())
	if err != nil {
		return s.loginFailed(err), nil
	}
	return s.login(account), nil
}

// login takes an account as proved.
func (s *session) login(account mail.Account) reply {
	s.account, s.loggedIn = account, true
	s.c.until = time.Time{}
	s.log = s.log.With("account", string(account.Address))
	s.log.Info("logged in", "tls", s.c.tls != nil)
	return okCode("CAPABILITY "+s.capabilities(), "logged in")
}

// loginFailed answers a login that did not succeed (RFC 5530 3), and ends the connection of who keeps trying.
func (s *session) loginFailed(err error) reply {
	var r reply
	switch {
	case errors.Is(err, sasl.ErrMalformed), errors.Is(err, sasl.ErrTooLong):
		r = bad("the response does not follow the mechanism")
	case errors.Is(err, sasl.ErrRefused), errors.Is(err, sasl.ErrBinding):
		r = no("AUTHENTICATIONFAILED", "%s", err.Error()[len("sasl: "):])
	case mail.Is(err, mail.Denied):
		r = no("AUTHORIZATIONFAILED", "%s", mail.Sentence(err))
	case mail.Is(err, mail.TooMany): // others' wrong passwords, or its own: it passes (RFC 5530 3)
		r = no("UNAVAILABLE", "%s", mail.Sentence(err))
	case mail.Is(err, mail.Internal):
		s.log.Error("login could not be checked", "err", err)
		r = no("UNAVAILABLE", "the login cannot be checked now; try again later")
	default:
		r = refusal(err)
	}
	if s.failures++; s.failures >= s.cfg.Limits.Failures {
		s.over = true
		s.untagged("BYE too many failed logins")
	}
	return r
}

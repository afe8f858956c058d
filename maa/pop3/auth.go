package pop3

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
)

func (s *session) offersTLS() bool { return s.cfg.TLS != nil && s.c.tls == nil }

func (s *session) needsTLS() bool { return s.cfg.RequireTLSForAuth && s.c.tls == nil }

var errNeedsTLS = mail.Errorf(mail.Denied, "logins need TLS: use STLS, or the POP3 port with TLS, first")

// stls begins TLS (RFC 2595 4). What was said before does not count after it.
func (s *session) stls([]string) error {
	switch {
	case s.c.tls != nil:
		return refused("TLS is active already")
	case s.cfg.TLS == nil:
		return refused("TLS is not offered here")
	case s.c.in.Buffered() > 0:
		// Somebody on the way may have put commands there that would seem to come from within TLS.
		s.over = true
		return refused("no command may follow STLS before TLS has begun")
	}
	s.ok("begin TLS")
	s.user = ""
	if err := s.c.startTLS(s.cfg.TLS); err != nil {
		s.log.Info("TLS handshake failed", "error", err)
		s.c.failed = err // there is no way to say anything any more
	}
	return nil
}

// userName takes the name of a login (RFC 1939 7). Whether there is such a user is not told.
func (s *session) userName(args []string) error {
	if s.needsTLS() {
		return errNeedsTLS
	}
	s.user = args[0]
	s.ok("now the password")
	return nil
}

func (s *session) pass(args []string) error {
	switch {
	case s.needsTLS():
		return errNeedsTLS
	case s.user == "":
		return refused("USER comes first")
	}
	user := s.user
	s.user = ""
	ctx, cancel := s.store()
	defer cancel()
	account, err := s.cfg.Authenticator.Login(ctx, user, args[0], s.peer)
	if err != nil {
		return s.loginFailed(err)
	}
	return s.login(ctx, account)
}

// auth runs a SASL exchange (RFC 5034 4).
func (s *session) auth(args []string) error {
	if s.needsTLS() {
		return errNeedsTLS
	}
	mechanism := strings.ToUpper(args[0])
	if !slices.Contains(s.cfg.Authenticator.Mechanisms(s.c.tls), mechanism) {
		return refused("this mechanism is not offered; CAPA lists those that are")
	}
	ctx, cancel := s.store()
	defer cancel()
	exchange, err := s.cfg.Authenticator.SASL(ctx, mechanism, s.c.tls, s.peer)
	if err != nil {
		return s.loginFailed(err)
	}
	var response []byte
	if len(args) == 2 {
		if response, err = decode(args[1]); err != nil {
			return err
		}
	}
	for {
		challenge, done, err := exchange.Next(response)
		if err != nil {
			return s.loginFailed(err)
		}
		if done {
			break
		}
		s.say("+ " + base64.StdEncoding.EncodeToString(challenge))
		line, err := s.c.readLine()
		if errors.Is(err, errLineTooLong) {
			return refused(err.Error())
		}
		if err != nil {
			s.over = true // shutdown, timeout, or nobody there
			return refused("the exchange did not end in time")
		}
		if string(line) == "*" {
			return refused("cancelled") // RFC 5034 4
		}
		if response, err = decode(string(line)); err != nil {
			return err
		}
	}
	account, err := s.cfg.Authenticator.Account(ctx, exchange.Username())
	if err != nil {
		return s.loginFailed(err)
	}
	return s.login(ctx, account)
}

// decode reads a response: base64, or "=" for an empty one (RFC 5034 4). It is never nil.
func decode(text string) ([]byte, error) {
	if text == "=" {
		return []byte{}, nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, refused("the response is not base64")
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

// login opens the INBOX of an account that was proved.
func (s *session) login(ctx context.Context, account mail.Account) error {
	if err := s.open(ctx, account); err != nil {
		return err
	}
	s.account = &account
	s.c.until = time.Time{}
	s.log = s.log.With("account", string(account.Address))
	n, octets := s.total()
	s.log.Info("logged in", "tls", s.c.tls != nil, "messages", n)
	s.ok("%d messages (%d octets)", n, octets)
	return nil
}

// loginFailed turns what a login failed of into an answer, and ends the connection of who keeps trying.
func (s *session) loginFailed(err error) error {
	if s.failures++; s.failures >= s.cfg.Limits.Failures {
		s.over = true
	}
	switch {
	case errors.Is(err, sasl.ErrMalformed), errors.Is(err, sasl.ErrTooLong):
		return refused("the response does not follow the mechanism")
	case errors.Is(err, sasl.ErrRefused):
		return mail.Errorf(mail.Unauthenticated, "name or secret is wrong")
	case errors.Is(err, sasl.ErrBinding):
		return mail.Errorf(mail.Unauthenticated, "channel binding does not match")
	case mail.Is(err, mail.NotFound):
		return mail.Errorf(mail.Unauthenticated, "name or secret is wrong")
	}
	return err
}

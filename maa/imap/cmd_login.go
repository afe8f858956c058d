package imap

import (
	"context"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdLogin serves LOGIN (RFC 9051 6.2.3).
func (s *session) cmdLogin(ctx context.Context, _ *call, a *wire.Login) (reply, error) {
	if s.needsTLS() {
		return no("PRIVACYREQUIRED", "logins need TLS: use STARTTLS first"), nil
	}
	account, err := s.cfg.Authenticator.Login(ctx, a.User, a.Password, s.peer)
	if err != nil {
		return s.loginFailed(err), nil
	}
	return s.login(account), nil
}

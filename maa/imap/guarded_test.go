package imap

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
)

// guarded is an Authenticator whose guard lets nobody try.
type guarded struct{ directoryAuth }

func (guarded) Login(context.Context, string, string, net.Addr) (mail.Account, error) {
	return mail.Account{}, &mail.Error{Kind: mail.TooMany, Enhanced: "4.7.0", Text: "too many wrong passwords came from your address; try again in 15 minutes"}
}

// TestLoginLater tells a client whose address is banned that it passes, and not that the password is wrong (RFC 5530 3).
func TestLoginLater(t *testing.T) {
	t.Parallel()
	s := &session{cfg: &Config{Limits: DefaultLimits()}}
	_, err := guarded{}.Login(t.Context(), "ann", "secret", nil)
	r := s.loginFailed(err)
	if r.code != "UNAVAILABLE" || !strings.Contains(r.text, "try again in 15 minutes") {
		t.Errorf("the answer is %+v", r)
	}
	if s.failures != 1 {
		t.Errorf("%d failures are counted", s.failures)
	}
}

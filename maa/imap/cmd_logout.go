package imap

import (
	"context"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdLogout serves LOGOUT (RFC 9051 6.1.3).
func (s *session) cmdLogout(context.Context, *call, *wire.None) (reply, error) {
	s.over = true
	s.untagged("BYE until next time")
	return ok("logged out"), nil
}

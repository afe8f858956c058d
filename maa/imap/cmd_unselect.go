package imap

import (
	"context"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdUnselect serves UNSELECT (RFC 9051 6.4.2).
func (s *session) cmdUnselect(context.Context, *call, *wire.None) (reply, error) {
	s.deselect()
	return ok("no mailbox is selected"), nil
}

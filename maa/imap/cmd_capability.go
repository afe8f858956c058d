package imap

import (
	"context"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdCapability serves CAPABILITY (RFC 9051 6.1.1).
func (s *session) cmdCapability(context.Context, *call, *wire.None) (reply, error) {
	s.untagged("CAPABILITY " + s.capabilities())
	return ok("that is what there is"), nil
}

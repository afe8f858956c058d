package imap

import (
	"context"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdNoop serves NOOP (RFC 9051 6.1.2) and CHECK (RFC 3501 6.4.1): what changed is told before the answer, by catchUp.
func (s *session) cmdNoop(_ context.Context, c *call, _ *wire.None) (reply, error) {
	c.changed = true
	return ok("done"), nil
}

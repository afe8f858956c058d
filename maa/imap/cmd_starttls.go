package imap

import (
	"context"
	"crypto/tls"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdStartTLS serves STARTTLS (RFC 9051 6.2.1). What a client, or somebody on the way, sent behind the command
// without TLS is never taken for something sent under it: the connection ends.
func (s *session) cmdStartTLS(ctx context.Context, c *call, _ *wire.None) (reply, error) {
	if s.cfg.TLS == nil {
		return bad("STARTTLS is not offered"), nil
	}
	if s.c.tls != nil {
		return bad("the connection is under TLS already"), nil
	}
	if s.c.waiting() {
		s.over = true
		s.untagged("BYE commands were sent behind STARTTLS before TLS began")
		return bad("nothing can be sent behind STARTTLS before TLS begins"), nil
	}
	s.tagged(c.head.Tag, ok("begin TLS"))
	if s.flush() != nil {
		return reply{}, nil
	}
	s.c.release()
	// A handshake that began cannot be interrupted half-way by a deadline of before.
	if err := s.c.handshake(ctx, tls.Server(s.c.base, s.cfg.TLS)); err != nil {
		s.log.Info("TLS handshake failed", "err", err)
		s.over = true
		return reply{}, nil
	}
	s.buffers()
	return reply{}, nil
}

package imap

import (
	"context"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdGetQuotaRoot serves GETQUOTAROOT (RFC 9208 4.1.3).
func (s *session) cmdGetQuotaRoot(ctx context.Context, _ *call, a *wire.Mailbox) (reply, error) {
	box, err := s.mailbox(ctx, a.Name)
	if err != nil {
		return reply{}, err
	}
	s.enc.Raw("* QUOTAROOT ").Mailbox(box.Name).Raw(` ""`).CRLF()
	if err := s.tellQuota(ctx); err != nil {
		return reply{}, err
	}
	return ok("done"), nil
}

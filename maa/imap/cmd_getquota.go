package imap

import (
	"context"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdGetQuota serves GETQUOTA (RFC 9208 4.1.2). There is one quota root, named "", for all mailboxes of the account.
func (s *session) cmdGetQuota(ctx context.Context, _ *call, a *wire.GetQuota) (reply, error) {
	if a.Root != "" {
		return no("NONEXISTENT", "there is no quota root but \"\""), nil
	}
	if err := s.tellQuota(ctx); err != nil {
		return reply{}, err
	}
	return ok("done"), nil
}

// tellQuota tells use and limit in units of 1024 octets (RFC 9208 5.1).
func (s *session) tellQuota(ctx context.Context) error {
	account, err := s.cfg.Authenticator.Account(ctx, string(s.account.Address))
	if err != nil {
		return err
	}
	if account.Quota <= 0 {
		s.untagged(`QUOTA "" ()`)
		return nil
	}
	s.enc.Raw(`* QUOTA "" (STORAGE `).Number(uint64(account.Used+1023) / 1024).SP().Number(uint64(account.Quota) / 1024).Raw(")").CRLF()
	return nil
}

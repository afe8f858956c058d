package imap

import (
	"context"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdMove serves MOVE (RFC 9051 6.4.8): where the messages went is told first, then that they are gone here.
func (s *session) cmdMove(ctx context.Context, c *call, a *wire.Copy) (reply, error) {
	if s.box.readOnly {
		return readOnly(), nil
	}
	to, uids, r, err := s.copyArgs(ctx, c, a)
	if err != nil || r.status != "" {
		return r, err
	}
	if to.ID == s.box.id {
		return no("CANNOT", "the messages are in that mailbox already"), nil
	}
	rc, err := s.commit(ctx, mail.MoveMessages{Account: s.account.ID, From: s.box.id, To: to.ID, UIDs: uids, Saved: s.cfg.Clock.Now()})
	if err != nil {
		return intoMissing(s.refuse(c, err)), nil
	}
	if len(rc.Results[0].Copied) == 0 {
		return no("EXPUNGEISSUED", "the messages are gone"), nil
	}
	s.untagged("OK [" + copyUID(rc.Results[0]) + "] moved")
	c.changed = !s.expunged(rc.Results[0])
	return ok("done"), nil
}

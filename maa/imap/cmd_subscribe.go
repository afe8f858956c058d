package imap

import (
	"context"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdSubscribe serves SUBSCRIBE and UNSUBSCRIBE (RFC 9051 6.3.7, RFC 9051 6.3.8). Only mailboxes that exist can be
// subscribed to; a subscription goes with its mailbox.
func (s *session) cmdSubscribe(ctx context.Context, c *call, a *wire.Mailbox) (reply, error) {
	box, err := s.mailbox(ctx, a.Name)
	if err != nil {
		return reply{}, err
	}
	on := c.head.Name == "SUBSCRIBE"
	if _, err := s.commit(ctx, mail.Subscribe{Account: s.account.ID, Mailbox: box.ID, On: on}); err != nil {
		return reply{}, err
	}
	return ok("done"), nil
}

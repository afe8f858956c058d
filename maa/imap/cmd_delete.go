package imap

import (
	"context"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdDelete serves DELETE (RFC 9051 6.3.5). A session that deletes its selected mailbox has none selected after.
func (s *session) cmdDelete(ctx context.Context, _ *call, a *wire.Mailbox) (reply, error) {
	box, err := s.mailbox(ctx, a.Name)
	if err != nil {
		return reply{}, err
	}
	if box.Name == mail.Inbox {
		return no("CANNOT", "INBOX cannot be deleted"), nil
	}
	if _, err := s.commit(ctx, mail.DeleteMailbox{Account: s.account.ID, Mailbox: box.ID}); err != nil {
		return reply{}, err
	}
	if s.box != nil && s.box.id == box.ID {
		s.deselect()
		s.untagged("OK [CLOSED] the selected mailbox was deleted")
	}
	return ok("deleted"), nil
}

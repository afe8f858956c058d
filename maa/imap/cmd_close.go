package imap

import (
	"context"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdClose serves CLOSE (RFC 9051 6.4.1): what is \Deleted goes, and nothing is told of it.
func (s *session) cmdClose(ctx context.Context, _ *call, _ *wire.None) (reply, error) {
	v := s.box
	if !v.readOnly && len(v.entries) > 0 {
		_, err := s.commit(ctx, mail.Expunge{Account: s.account.ID, Mailbox: v.id, UIDs: v.all(), OnlyDeleted: true})
		if err != nil {
			return reply{}, err
		}
	}
	s.deselect()
	return ok("closed"), nil
}

// all are the UIDs of the view: nothing the client has not heard of is ever expunged by it.
func (v *view) all() []mail.UIDRange { return []mail.UIDRange{{First: 1, Last: max(v.lastUID(), 1)}} }

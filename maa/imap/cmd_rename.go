package imap

import (
	"context"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdRename serves RENAME (RFC 9051 6.3.6).
func (s *session) cmdRename(ctx context.Context, c *call, a *wire.Rename) (reply, error) {
	to, err := checkName(a.To)
	if err != nil {
		return reply{}, err
	}
	box, err := s.mailbox(ctx, a.From)
	if err != nil {
		return reply{}, err
	}
	if to == mail.Inbox {
		return no("ALREADYEXISTS", "there is an INBOX"), nil
	}
	if box.Name == mail.Inbox {
		return s.emptyInbox(ctx, c, box, to)
	}
	if _, err := s.commit(ctx, mail.RenameMailbox{Account: s.account.ID, Mailbox: box.ID, Name: to}); err != nil {
		return reply{}, err
	}
	return ok("renamed"), nil
}

// emptyInbox is what renaming INBOX means: its messages move to a new mailbox, it stays, and mailboxes below it
// stay (RFC 9051 6.3.6). If moving fails the new mailbox is taken back where it is empty.
func (s *session) emptyInbox(ctx context.Context, c *call, inbox mail.Mailbox, to string) (reply, error) {
	r, err := s.commit(ctx, mail.CreateMailbox{Account: s.account.ID, NewMailbox: mail.NewMailbox{Name: to}})
	if err != nil {
		return reply{}, err
	}
	made := r.Results[0].Mailbox
	_, err = s.commit(ctx, mail.MoveMessages{Account: s.account.ID, From: inbox.ID, To: made,
		UIDs: []mail.UIDRange{{First: 1}}, Saved: s.cfg.Clock.Now()})
	c.changed = true
	if err != nil {
		if box, berr := s.cfg.Mailboxes.Mailbox(ctx, s.account.ID, made); berr == nil && box.Messages == 0 {
			_, _ = s.commit(ctx, mail.DeleteMailbox{Account: s.account.ID, Mailbox: made})
		}
		return reply{}, err
	}
	return ok("the messages of INBOX moved there"), nil
}

package imap

import (
	"context"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// commit makes changes durable.
func (s *session) commit(ctx context.Context, changes ...mail.Change) (mail.Receipt, error) {
	return s.cfg.Journal.Commit(ctx, mail.ChangeSet{Changes: changes})
}

// maxMailboxes is how many mailboxes an account may have before it cannot make more.
const maxMailboxes = 5000

// cmdCreate serves CREATE (RFC 9051 6.3.4), with a special use (RFC 6154 3).
func (s *session) cmdCreate(ctx context.Context, _ *call, a *wire.Create) (reply, error) {
	name, err := checkName(a.Mailbox)
	if err != nil {
		return reply{}, err
	}
	use, err := parseUse(a.Use)
	if err != nil {
		return no("USEATTR", "%s", err.Error()), nil
	}
	list, err := s.cfg.Mailboxes.Mailboxes(ctx, s.account.ID)
	if err != nil {
		return reply{}, err
	}
	if len(list) >= maxMailboxes {
		return no("LIMIT", "an account can have %d mailboxes at most", maxMailboxes), nil
	}
	for _, b := range list {
		if use != mail.NoUse && b.Use == use {
			return no("USEATTR", "%q has that use already", b.Name), nil
		}
	}
	r, err := s.commit(ctx, mail.CreateMailbox{Account: s.account.ID, NewMailbox: mail.NewMailbox{Name: name, Use: use}})
	if err != nil {
		return reply{}, err
	}
	return okCode("MAILBOXID ("+mailboxID(r.Results[0].Mailbox)+")", "created"), nil // RFC 8474 4.1
}

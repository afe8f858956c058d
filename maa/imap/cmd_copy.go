package imap

import (
	"context"
	"fmt"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdCopy serves COPY (RFC 9051 6.4.7): all of the messages or none.
func (s *session) cmdCopy(ctx context.Context, c *call, a *wire.Copy) (reply, error) {
	to, uids, r, err := s.copyArgs(ctx, c, a)
	if err != nil || r.status != "" {
		return r, err
	}
	rc, err := s.commit(ctx, mail.CopyMessages{Account: s.account.ID, From: s.box.id, To: to.ID, UIDs: uids, Saved: s.cfg.Clock.Now()})
	if err != nil {
		return intoMissing(s.refuse(c, err)), nil
	}
	c.changed = to.ID == s.box.id
	if len(rc.Results[0].Copied) == 0 {
		return no("EXPUNGEISSUED", "the messages are gone"), nil
	}
	return okCode(copyUID(rc.Results[0]), "copied"), nil
}

// copyArgs finds out what is to be copied where. A reply with a status is the answer already.
func (s *session) copyArgs(ctx context.Context, c *call, a *wire.Copy) (mail.Mailbox, []mail.UIDRange, reply, error) {
	spans, err := s.resolve(a.Set, c.head.UID)
	if err != nil {
		return mail.Mailbox{}, nil, reply{}, err
	}
	to, err := s.mailbox(ctx, a.Mailbox)
	if err != nil {
		return to, nil, intoMissing(s.refuse(c, err)), nil
	}
	if len(spans) == 0 {
		return to, nil, ok("there is no such message"), nil // RFC 9051 6.4.9
	}
	return to, s.box.uidRanges(spans), reply{}, nil
}

// copyUID tells where messages went (RFC 9051 7.1 COPYUID).
func copyUID(r mail.Result) string {
	var from, to []wire.Range
	for _, p := range r.Copied {
		from, to = wire.AppendNumber(from, p.From), wire.AppendNumber(to, p.To)
	}
	return fmt.Sprintf("COPYUID %d %s %s", r.UIDValidity, wire.FormatRanges(from), wire.FormatRanges(to))
}

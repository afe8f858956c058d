package imap

import (
	"context"
	"slices"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdStatus serves STATUS (RFC 9051 6.3.11).
func (s *session) cmdStatus(ctx context.Context, _ *call, a *wire.Status) (reply, error) {
	box, err := s.mailbox(ctx, a.Mailbox)
	if err != nil {
		return reply{}, err
	}
	if slices.Contains(a.Items, "HIGHESTMODSEQ") { // RFC 7162 3.1: this is asked by who knows of mod-sequences
		s.enableCondstore()
	}
	s.tellStatus(box, a.Items)
	return ok("done"), nil
}

func (s *session) tellStatus(box mail.Mailbox, items []string) {
	e := s.enc.Raw("* STATUS ").Mailbox(box.Name).Raw(" (")
	for i, item := range items {
		if i > 0 {
			e.SP()
		}
		e.Raw(item).SP()
		switch item {
		case "MESSAGES":
			e.Number(uint64(box.Messages))
		case "RECENT":
			e.Number(0)
		case "UIDNEXT":
			e.Number(uint64(box.UIDNext))
		case "UIDVALIDITY":
			e.Number(uint64(box.UIDValidity))
		case "UNSEEN":
			e.Number(uint64(box.Unseen))
		case "DELETED":
			e.Number(uint64(box.Deleted))
		case "SIZE": // RFC 8438
			e.Number(uint64(box.Size))
		case "HIGHESTMODSEQ":
			e.Number(max(box.ModSeq, 1))
		case "MAILBOXID":
			e.Raw("(").Raw(mailboxID(box.ID)).Raw(")")
		case "APPENDLIMIT": // RFC 7889 3.1
			e.Number(uint64(s.cfg.Limits.Append))
		}
	}
	e.Raw(")").CRLF()
}

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
	if err := s.tellStatus(ctx, box, a.Items); err != nil {
		return reply{}, err
	}
	return ok("done"), nil
}

func (s *session) tellStatus(ctx context.Context, box mail.Mailbox, items []string) error {
	var deleted uint64
	if slices.Contains(items, "DELETED-STORAGE") {
		var err error
		if deleted, err = s.deletedStorage(ctx, box); err != nil {
			return err
		}
	}
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
		case "DELETED-STORAGE":
			e.Number(deleted)
		}
	}
	e.Raw(")").CRLF()
	return nil
}

// deletedStorage is what an EXPUNGE of the mailbox would free, in units of 1024 octets (RFC 9208 4.1.4).
func (s *session) deletedStorage(ctx context.Context, box mail.Mailbox) (uint64, error) {
	if box.Deleted == 0 {
		return 0, nil
	}
	var octets uint64
	for p, err := range s.cfg.Mailboxes.Placements(ctx, box.ID, mail.UIDRange{First: 1}, 0) {
		if err != nil {
			return 0, err
		}
		if p.Flags.Has(mail.Deleted) {
			octets += uint64(p.Size)
		}
	}
	return (octets + 1023) / 1024, nil
}

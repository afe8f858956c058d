package mda

import (
	"context"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// Planner plans deliveries. It implements mail.Planner.
type Planner struct {
	Places mail.Places
	Clock  mail.Clock
}

// Plan files the letter in the mailbox that the recipient's subaddress names, or else in INBOX.
func (p *Planner) Plan(ctx context.Context, r mail.LocalRecipient, l *mail.Letter) (mail.Plan, error) {
	boxes, err := p.Places.Places(ctx, r.Account)
	if err != nil {
		return mail.Plan{}, err
	}
	box, ok := target(boxes, r.Detail)
	if !ok {
		return mail.Plan{}, mail.Errorf(mail.Internal, "account %d has no INBOX", r.Account)
	}
	now := p.Clock.Now()
	return mail.Plan{Changes: []mail.Change{
		mail.AddMessage{
			Account: r.Account, Mailbox: box.ID, Body: l.Body, Prefix: prefix(r, l), Summary: l.Summary,
			Received: l.Arrived, Saved: now, Thread: l.Thread, CheckQuota: true,
		},
		mail.Record{Event: mail.Event{
			At: now, Trace: l.Trace, Outcome: mail.Delivered, MessageID: l.Thread.MessageID, From: l.Envelope.From, To: r.Given,
			Account: r.Account, Role: "mda", Peer: string(r.Address), Reason: "filed in " + box.Name,
		}},
	}}, nil
}

// target is the mailbox a subaddress means: one of that name in any letter case, at the top level or below INBOX. A
// detail that names none is for the owner's own sorting and the letter stays in INBOX.
func target(boxes []mail.Place, detail string) (mail.Place, bool) {
	var inbox mail.Place
	for _, b := range boxes {
		if detail != "" && (strings.EqualFold(b.Name, detail) || strings.EqualFold(b.Name, mail.Inbox+mail.Delimiter+detail)) {
			return b, true
		}
		if b.Use == mail.UseInbox {
			inbox = b
		}
	}
	return inbox, inbox.ID != 0
}

// prefix is what this delivery puts in front of the letter: Return-Path keeps the reverse-path (RFC 5321 4.4),
// Delivered-To the address that led here.
func prefix(r mail.LocalRecipient, l *mail.Letter) []byte {
	return slices.Concat(message.ReturnPath(string(l.Envelope.From)), message.DeliveredTo(string(r.Given)), l.Prefix)
}

package mda

import (
	"context"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// Sorter tells junk from other mail (service/junk).
type Sorter interface {
	// Sort says whether the letter is junk for the account, and why: sentences for the trail, or "" when there is nothing to say.
	Sort(ctx context.Context, account mail.AccountID, l *mail.Letter) (junk bool, why string)
}

// Planner plans deliveries. It implements mail.Planner.
type Planner struct {
	Places mail.Places
	Clock  mail.Clock
	Sorter Sorter // may be nil: only what policy says is junk then
}

// Plan files the letter in the mailbox that the recipient's subaddress names, or else in INBOX; junk in the mailbox for junk, with $Junk.
func (p *Planner) Plan(ctx context.Context, r mail.LocalRecipient, l *mail.Letter) (mail.Plan, error) {
	boxes, err := p.Places.Places(ctx, r.Account)
	if err != nil {
		return mail.Plan{}, err
	}
	junk, why := p.sort(ctx, r.Account, l)
	box, ok := target(boxes, r.Detail)
	var flags mail.Flags
	if junk {
		box, ok = junkBox(boxes)
		flags.Bits = mail.Junk
	}
	if !ok {
		return mail.Plan{}, mail.Errorf(mail.Internal, "account %d has no INBOX", r.Account)
	}
	reason := "filed in " + box.Name
	if why != "" {
		reason += ": " + why
	}
	now := p.Clock.Now()
	return mail.Plan{Changes: []mail.Change{
		mail.AddMessage{
			Account: r.Account, Mailbox: box.ID, Body: l.Body, Prefix: prefix(r, l), Summary: l.Summary, Flags: flags,
			Received: l.Arrived, Saved: now, Thread: l.Thread, CheckQuota: true,
		},
		mail.Record{Event: mail.Event{
			At: now, Trace: l.Trace, Outcome: mail.Delivered, MessageID: l.Thread.MessageID, From: l.Envelope.From, To: r.Given,
			Account: r.Account, Role: "mda", Peer: string(r.Address), Reason: reason,
		}},
	}}, nil
}

// sort asks the Sorter. Without one, policy alone counts.
func (p *Planner) sort(ctx context.Context, account mail.AccountID, l *mail.Letter) (junk bool, why string) {
	if p.Sorter != nil {
		return p.Sorter.Sort(ctx, account, l)
	}
	if l.Junk.Junk {
		return true, strings.Join(l.Junk.Why, " ")
	}
	return false, ""
}

// junkBox is the mailbox for junk. Where its owner has none, junk is in INBOX and known by its keyword alone.
func junkBox(boxes []mail.Place) (mail.Place, bool) {
	for _, b := range boxes {
		if b.Use == mail.UseJunk {
			return b, true
		}
	}
	return target(boxes, "")
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

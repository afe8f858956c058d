package intake

import (
	"context"
	"errors"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Recipient is an envelope recipient with what it stands for.
type Recipient struct {
	Path mail.Path
	mail.Resolution
}

// Relay is the Recipient of an address elsewhere.
func Relay(p mail.Path) Recipient {
	return Recipient{Path: p, Resolution: mail.Resolution{Remote: []mail.Path{p}}}
}

// Changes says everything the letter causes: filing for each local recipient, one queue entry for all others, and the
// events. A mailbox that several recipients lead to gets the letter once.
func (in *Intake) Changes(ctx context.Context, l *mail.Letter, to []Recipient) ([]mail.Change, error) {
	c := collector{in: in, letter: l, filed: map[filedKey]bool{}, queued: map[mail.Path]bool{}}
	c.event(mail.Event{Outcome: mail.Accepted, Reason: strings.Join(l.Notes, " ")})
	for _, r := range to {
		if err := c.recipient(ctx, r); err != nil {
			return nil, err
		}
	}
	c.enqueue()
	c.changes = append(c.changes, l.Extra...)
	return c.changes, nil
}

type filedKey struct {
	account mail.AccountID
	detail  string
}

// collector gathers one letter's changes.
type collector struct {
	in      *Intake
	letter  *mail.Letter
	filed   map[filedKey]bool
	queued  map[mail.Path]bool
	remote  []mail.QueuedRecipient
	changes []mail.Change
}

func (c *collector) event(e mail.Event) {
	e.At, e.Trace, e.MessageID, e.From = c.letter.Arrived, c.letter.Trace, c.letter.Thread.MessageID, c.letter.Envelope.From
	e.Role, e.Peer, e.TLS = c.letter.Role, c.letter.Peer, c.letter.TLS
	if e.Account == 0 {
		e.Account = c.letter.Account
	}
	c.changes = append(c.changes, mail.Record{Event: e})
}

func (c *collector) recipient(ctx context.Context, r Recipient) error {
	if len(r.Via) > 0 {
		c.event(mail.Event{Outcome: mail.Expanded, To: r.Path, Reason: expansion(r.Resolution)})
	}
	for _, local := range r.Local {
		key := filedKey{local.Account, local.Detail}
		if c.filed[key] {
			c.event(mail.Event{Outcome: mail.Delivered, To: r.Path, Account: local.Account, Reason: "the same mailbox as another recipient of this message"})
			continue
		}
		c.filed[key] = true
		plan, err := c.in.Planner.Plan(ctx, local, c.letter)
		if err != nil {
			return err
		}
		c.changes = append(c.changes, plan.Changes...)
	}
	for _, p := range r.Remote {
		if c.queued[p] {
			continue
		}
		c.queued[p] = true
		c.remote = append(c.remote, mail.QueuedRecipient{
			N: len(c.remote) + 1, Address: p, Original: r.Path, Route: p.Domain(), Next: c.letter.Arrived,
		})
	}
	return nil
}

// expansion tells the trail what an alias became.
func expansion(r mail.Resolution) string {
	s := "by "
	for i, v := range r.Via {
		if i > 0 {
			s += ", "
		}
		s += string(v)
	}
	s += " to"
	const most = 20
	n := 0
	for _, l := range r.Local {
		if n++; n <= most {
			s += " " + string(l.Address)
		}
	}
	for _, p := range r.Remote {
		if n++; n <= most {
			s += " " + string(p)
		}
	}
	if n > most {
		s += " ..."
	}
	return s
}

func (c *collector) enqueue() {
	if len(c.remote) == 0 {
		return
	}
	l := c.letter
	c.changes = append(c.changes, mail.Enqueue{Body: l.Body, Message: mail.Queued{
		Trace: l.Trace, From: l.Envelope.From, Account: l.Account, Prefix: l.Prefix, Size: l.Size(), Body: l.Envelope.Body,
		UTF8: l.Envelope.UTF8, TLS: l.Envelope.TLS, Unproven: l.Unproven, MessageID: l.Thread.MessageID, Created: l.Arrived, Expires: l.Arrived.Add(c.in.QueueLife), Recipients: c.remote,
	}})
}

// Commit files the letter for all its recipients, durably, or for none.
func (in *Intake) Commit(ctx context.Context, l *mail.Letter, to []Recipient) error {
	changes, err := in.Changes(ctx, l, to)
	if err != nil {
		return err
	}
	_, err = in.Journal.Commit(ctx, mail.ChangeSet{Changes: changes})
	var failed *mail.ChangeError
	if !errors.As(err, &failed) {
		return err
	}
	switch mail.KindOf(err) {
	case mail.NotFound: // a mailbox that vanished between the plan and the commit: the next try plans anew
		return &mail.Error{Kind: mail.Unavailable, Text: "the mailbox changed at this moment; try again", Err: err}
	case mail.OverQuota: // how full it is, is its owner's affair
		return &mail.Error{Kind: mail.OverQuota, Enhanced: "4.2.2", Text: "the mailbox of a recipient is full; try again once its owner has made room (docs/problems.md#quota-full)", Err: err}
	}
	return err
}

package way

import (
	"bufio"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/advice"
)

// Arrival is how a message came in, and why it was believed or not.
type Arrival struct {
	From   string    `json:"from"` // the host that brought it
	TLS    string    `json:"tls"`
	At     time.Time `json:"at"`
	Hops   []Hop     `json:"hops"` // from the first host to ours
	Checks []Check   `json:"checks"`
	Junk   Junk      `json:"junk"`
}

// Hop is one host on the way, as the next one wrote it down.
type Hop struct {
	From  string    `json:"from"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
	Delay int64     `json:"delay_seconds"` // since the hop before
	TLS   string    `json:"tls,omitempty"`
	Ours  bool      `json:"ours"` // written by this server: the others are claims
}

// maxHops bounds the list.
const maxHops = 50

// letter is a stored message with what its header tells.
type letter struct {
	account mail.Account
	message mail.Message
	facts   message.Facts
	prefix  message.Header // what this server wrote
	header  message.Header // what came
	hops    int            // Received fields, in all
	places  []mail.Placement
}

// open reads what is needed of a message.
func (s *Service) open(ctx context.Context, account mail.Account, m mail.Message) (*letter, error) {
	root, err := message.Decode(m.Summary)
	if err != nil {
		return nil, mail.Errorf(mail.Internal, "message %d: %w", m.ID, err)
	}
	l := &letter{account: account, message: m, facts: root.Facts()}
	l.prefix, _ = message.ParseHeader(m.Prefix)
	body, err := s.cfg.Blobs.Open(ctx, m.Blob)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	h, err := message.ReadHeader(bufio.NewReader(body), 0)
	if err != nil && h.Len() == 0 {
		return nil, err
	}
	l.header = h
	l.hops = l.prefix.Count("Received") + l.header.Count("Received")
	l.places, err = s.cfg.Mailboxes.PlacementsOf(ctx, account.ID, m.ID)
	return l, err
}

// arrived reports that this server delivered the message: only it writes into the prefix.
func (l *letter) arrived() bool { return l.prefix.Has("Delivered-To") }

// trace is the number that our own Received field has.
func (l *letter) trace() mail.TraceID {
	if f, ok := l.prefix.Field("Received"); ok {
		return mail.TraceID(strings.ToLower(readHop(f.Value()).id))
	}
	return ""
}

// in is the way of a message that came in.
func (s *Service) in(ctx context.Context, l *letter) (Way, error) {
	way := Way{Direction: "in", MessageID: l.facts.MessageID, Trace: []string{}, Recipients: []Recipient{}}
	a := &Arrival{Hops: l.list(), Checks: []Check{}}
	way.Arrival = a
	if n := len(a.Hops); n > 0 {
		last := a.Hops[n-1]
		a.From, a.At, a.TLS = last.From, last.At, last.TLS
	}
	boxes, err := s.boxes(ctx, l.account.ID)
	if err != nil {
		return Way{}, err
	}
	if !l.arrived() {
		way.Text = "This message did not come in through this server: it was brought or saved here, so that nothing was checked."
		a.Junk = l.junk(boxes, nil)
		if a.At.IsZero() && len(l.places) > 0 {
			a.At = l.places[0].Received.UTC()
		}
		return way, nil
	}
	var events []mail.Event
	if t := l.trace(); t != "" {
		way.Trace = append(way.Trace, string(t))
		if events, err = s.cfg.Trail.Events(ctx, mail.TrailQuery{Trace: t, Limit: maxEvents}); err != nil {
			return Way{}, err
		}
	}
	accepted, own := mine(events, l.account.ID)
	if accepted != nil {
		a.At = accepted.At.UTC()
		a.TLS = cmpOr(advice.Encrypted(accepted.TLS), a.TLS)
	}
	a.TLS = cmpOr(a.TLS, advice.NoTLS)
	a.Checks = s.checks(l, accepted)
	a.Junk = l.junk(boxes, own)
	way.Recipients = l.recipients(own)
	return way, nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// mine finds in a trace its beginning and what happened for one account.
func mine(events []mail.Event, account mail.AccountID) (accepted *mail.Event, own []mail.Event) {
	for i, e := range events {
		if e.Outcome == mail.Accepted && accepted == nil {
			accepted = &events[i]
		}
		if e.Outcome == mail.Delivered && e.Account == account {
			own = append(own, e)
		}
	}
	return accepted, own
}

// recipients is the reader's own part of the way.
func (l *letter) recipients(own []mail.Event) []Recipient {
	out := []Recipient{}
	for _, e := range own {
		out = append(out, Recipient{Address: string(e.To), State: string(mail.Delivered), At: e.At.UTC(),
			Events: []Event{{At: e.At.UTC(), Outcome: string(mail.Delivered), Text: filedIn(e.Reason)}}})
	}
	if to := l.prefix.Get("Delivered-To"); len(out) == 0 && to != "" {
		out = append(out, Recipient{Address: printable(to), State: string(mail.Delivered), At: l.received(), Events: []Event{}})
	}
	return out
}

func (l *letter) received() time.Time {
	if len(l.places) == 0 {
		return time.Time{}
	}
	return l.places[0].Received.UTC()
}

// filedIn is the sentence about where a message was put.
func filedIn(reason string) string {
	box, _ := filing(reason)
	if box == "" {
		return "It is in your mailbox."
	}
	return "It was put into " + printable(box) + "."
}

// inByTrail is the way of a message that reached the reader and of which only the trail is known: it may have been deleted.
func (s *Service) inByTrail(account mail.Account, events []mail.Event) Way {
	accepted, own := mine(events, account.ID)
	way := Way{Direction: "in", Trace: []string{string(events[0].Trace)}, MessageID: events[0].MessageID, Recipients: (&letter{}).recipients(own)}
	way.Arrival = &Arrival{Hops: []Hop{}, Checks: []Check{}, Junk: (&letter{}).junk(nil, own)}
	if accepted != nil {
		way.Arrival.At, way.Arrival.From = accepted.At.UTC(), hostOf(accepted.Peer, "")
		way.Arrival.TLS = cmpOr(advice.Encrypted(accepted.TLS), advice.NoTLS)
	}
	return way
}

// boxes gives an account's mailboxes by number.
func (s *Service) boxes(ctx context.Context, account mail.AccountID) (map[mail.MailboxID]mail.Mailbox, error) {
	list, err := s.cfg.Mailboxes.Mailboxes(ctx, account)
	out := make(map[mail.MailboxID]mail.Mailbox, len(list))
	for _, b := range list {
		out[b.ID] = b
	}
	return out, err
}

// list gives all hops, the first host first.
func (l *letter) list() []Hop {
	out := []Hop{}
	for _, h := range []*message.Header{&l.prefix, &l.header} {
		for f := range h.Named("Received") {
			if len(out) == maxHops {
				break
			}
			x := readHop(f.Value())
			hop := Hop{From: x.client(), By: printable(x.by), At: x.at, TLS: x.tls, Ours: h == &l.prefix}
			if hop.TLS != "" {
				hop.TLS = advice.Encrypted(strings.ReplaceAll(hop.TLS, " ", ""))
			}
			out = append(out, hop)
		}
	}
	slices.Reverse(out)
	var before time.Time
	for i := range out {
		if at := out[i].At; !at.IsZero() {
			if !before.IsZero() && at.After(before) { // clocks that are behind make no negative times
				out[i].Delay = int64(at.Sub(before) / time.Second)
			}
			before = at
		}
	}
	return out
}

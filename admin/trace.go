package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// TraceQuery says whose way is asked for. Set one of Trace, MessageID and Address, or leave it to Query; without any it is the latest of all.
// Since, Until and Outcome choose among what is found.
type TraceQuery struct {
	Query     string `json:"query,omitempty"` // a Message-ID, trace number or address, whichever it looks like
	Trace     string `json:"trace,omitempty"`
	MessageID string `json:"message_id,omitempty"`
	Address   string `json:"address,omitempty"` // sender or recipient
	Limit     int    `json:"limit,omitempty"`   // the latest so many events; 0 is 1000

	Since   *time.Time `json:"since,omitempty"`   // passages that something happened in from then on
	Until   *time.Time `json:"until,omitempty"`   // and before then
	Outcome string     `json:"outcome,omitempty"` // with an event, or a recipient, of this outcome; "queued" for what waits
}

// RecentTrail is a Trail that can be asked for the latest messages of all.
type RecentTrail interface {
	// Recent gives all events of the traces that have an event that fits, of the latest of which there are at most limit. Zero times and an empty
	// outcome do not restrict.
	Recent(ctx context.Context, since, until time.Time, outcome mail.Outcome, limit int) ([]mail.Event, error)
}

// TraceReport is the reply to Trace: the passages of messages, by when they began.
type TraceReport struct {
	Passages []Passage `json:"passages"`
}

// Passage is one message's way through this system.
type Passage struct {
	Trace      string      `json:"trace"`
	MessageID  string      `json:"message_id,omitempty"`
	From       string      `json:"from"` // "" for reports
	Began      time.Time   `json:"began"`
	Recipients []Recipient `json:"recipients"` // how it stands with each
	Events     []Event     `json:"events"`     // what happened, in order
}

// Queued is the state of a recipient for whom nothing was tried yet.
const Queued = "queued"

// Recipient is how it stands with one recipient.
type Recipient struct {
	Address  string     `json:"address"`
	Outcome  string     `json:"outcome"` // as in events, or "queued"
	At       time.Time  `json:"at"`
	Final    bool       `json:"final"`
	Queue    int64      `json:"queue,omitempty"` // its number in the queue, while it waits there
	State    string     `json:"state,omitempty"` // waiting, held or sending, while it is in the queue
	Attempts int        `json:"attempts,omitempty"`
	Next     *time.Time `json:"next,omitempty"` // its next attempt
}

// Event is one thing that happened to a message.
type Event struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
	From    string    `json:"from"`
	To      string    `json:"to,omitempty"` // "" where it is about the whole message
	Role    string    `json:"role"`
	Peer    string    `json:"peer,omitempty"`
	TLS     string    `json:"tls,omitempty"`
	Reason  string    `json:"reason,omitempty"` // in the other side's own words where there are any
	Queue   int64     `json:"queue,omitempty"`
}

const (
	maxTraceLimit     = 10_000
	defaultTraceLimit = 1000
)

// Trace implements MessageOperator.
func (o *Operations) Trace(ctx context.Context, r TraceQuery) (TraceReport, error) {
	if err := r.check(); err != nil {
		return TraceReport{}, err
	}
	if strings.TrimSpace(r.Query) == "" && r.Trace+r.MessageID+r.Address == "" {
		return o.latest(ctx, r)
	}
	queries, what, err := o.trailQueries(ctx, r)
	if err != nil {
		return TraceReport{}, err
	}
	var events []mail.Event
	for _, q := range queries {
		q.Limit = min(r.Limit, maxTraceLimit)
		if events, err = o.p.Trail.Events(ctx, q); err != nil {
			return TraceReport{}, err
		}
		if len(events) > 0 {
			break
		}
	}
	if len(events) == 0 {
		return TraceReport{}, mail.Errorf(mail.NotFound, "nothing is known of %s; the trail knows messages by Message-ID, by the trace number of their Received field, and by sender and recipient address", what)
	}
	out, err := o.passages(ctx, events)
	if err != nil {
		return TraceReport{}, err
	}
	if out.Passages = slices.DeleteFunc(out.Passages, func(p Passage) bool { return !r.fits(p) }); len(out.Passages) == 0 {
		return TraceReport{}, mail.Errorf(mail.NotFound, "there are messages of %s, but none at that time with that outcome", what)
	}
	return out, nil
}

// outcomes are those that a TraceQuery may ask for.
var outcomes = []string{Queued, string(mail.Accepted), string(mail.Delivered), string(mail.Relayed), string(mail.Deferred), string(mail.Bounced),
	string(mail.Rejected), string(mail.Discarded), string(mail.Expanded), string(mail.Reported)}

func (r TraceQuery) check() error {
	if r.Outcome != "" && !slices.Contains(outcomes, r.Outcome) {
		return mail.Errorf(mail.Invalid, "%q is no outcome; there are %s", r.Outcome, strings.Join(outcomes, ", "))
	}
	if r.Since != nil && r.Until != nil && r.Until.Before(*r.Since) {
		return mail.Errorf(mail.Invalid, "the time ends before it begins")
	}
	return nil
}

// fits tells whether one thing that happened in the passage has both the time and the outcome.
func (r TraceQuery) fits(p Passage) bool {
	fits := func(at time.Time, outcome string) bool {
		return (r.Since == nil || !at.Before(*r.Since)) && (r.Until == nil || at.Before(*r.Until)) && (r.Outcome == "" || r.Outcome == outcome)
	}
	return slices.ContainsFunc(p.Events, func(e Event) bool { return fits(e.At, e.Outcome) }) ||
		slices.ContainsFunc(p.Recipients, func(c Recipient) bool { return fits(c.At, c.Outcome) })
}

// latest shows the latest messages of all, the latest first.
func (o *Operations) latest(ctx context.Context, r TraceQuery) (TraceReport, error) {
	trail, ok := o.p.Trail.(RecentTrail)
	if !ok || r.Outcome == Queued {
		return TraceReport{}, mail.Errorf(mail.Invalid, "nothing says which message is meant; give its Message-ID, its trace number, or an address")
	}
	limit := min(r.Limit, maxTraceLimit)
	if limit <= 0 {
		limit = defaultTraceLimit
	}
	events, err := trail.Recent(ctx, value(r.Since), value(r.Until), mail.Outcome(r.Outcome), limit)
	if err != nil {
		return TraceReport{}, err
	}
	out, err := o.passages(ctx, events)
	slices.Reverse(out.Passages)
	return out, err
}

// trailQueries makes of a request the questions to ask, the likeliest first.
func (o *Operations) trailQueries(ctx context.Context, r TraceQuery) (qs []mail.TrailQuery, what string, err error) {
	switch {
	case r.Trace != "":
		return []mail.TrailQuery{{Trace: traceID(r.Trace)}}, r.Trace, nil
	case r.MessageID != "":
		return []mail.TrailQuery{{MessageID: messageID(r.MessageID)}}, r.MessageID, nil
	case r.Address != "":
		path, _, err := o.anywhere(ctx, r.Address)
		return []mail.TrailQuery{{Address: path}}, r.Address, err
	}
	word := strings.TrimSpace(r.Query)
	switch {
	case word == "":
		return nil, "", mail.Errorf(mail.Invalid, "nothing says which message is meant; give its Message-ID, its trace number, or an address")
	case !strings.Contains(word, "@"):
		// Message-IDs without "@" break RFC 5322 3.6.4, and yet they come.
		return []mail.TrailQuery{{Trace: traceID(word)}, {MessageID: messageID(word)}}, word, nil
	}
	qs = []mail.TrailQuery{{MessageID: messageID(word)}}
	if path, _, err := o.anywhere(ctx, word); err == nil {
		byAddress := mail.TrailQuery{Address: path}
		if strings.HasPrefix(word, "<") {
			qs = append(qs, byAddress)
		} else {
			qs = slices.Insert(qs, 0, byAddress)
		}
	} else if !mail.Is(err, mail.Invalid) {
		return nil, "", err
	}
	return qs, word, nil
}

func traceID(s string) mail.TraceID { return mail.TraceID(strings.ToLower(strings.TrimSpace(s))) }

func messageID(s string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "<"), ">")
}

// passages groups events by trace.
func (o *Operations) passages(ctx context.Context, events []mail.Event) (TraceReport, error) {
	byTrace := map[mail.TraceID][]mail.Event{}
	for _, e := range events {
		byTrace[e.Trace] = append(byTrace[e.Trace], e)
	}
	out := TraceReport{Passages: make([]Passage, 0, len(byTrace))}
	for trace, list := range byTrace {
		p, err := o.passage(ctx, trace, list)
		if err != nil {
			return TraceReport{}, err
		}
		out.Passages = append(out.Passages, p)
	}
	slices.SortFunc(out.Passages, func(a, b Passage) int {
		return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.Trace, b.Trace))
	})
	return out, nil
}

func (o *Operations) passage(ctx context.Context, trace mail.TraceID, events []mail.Event) (Passage, error) {
	slices.SortStableFunc(events, func(a, b mail.Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	first := events[0]
	p := Passage{Trace: string(trace), From: string(first.From), Began: first.At.UTC(), Recipients: []Recipient{}}
	at := map[string]int{}
	var ids []mail.QueueID
	for _, e := range events {
		p.Events = append(p.Events, showEvent(e))
		if p.MessageID == "" {
			p.MessageID = e.MessageID
		}
		if e.Queue != 0 {
			ids = append(ids, e.Queue)
		}
		if e.To != "" && e.Outcome != mail.Reported {
			p.stand(at, Recipient{Address: string(e.To), Outcome: string(e.Outcome), At: e.At.UTC(), Final: e.Outcome.Final()})
		}
	}
	entries, err := o.waiting(ctx, trace, first.From, ids)
	if err != nil {
		return Passage{}, err
	}
	for _, q := range entries {
		for _, r := range showQueued(q, o.p.Clock.Now()).Recipients {
			now := Recipient{Address: r.Address, Outcome: Queued, At: q.Created.UTC(), Queue: int64(q.ID), State: r.State, Attempts: r.Attempts, Next: r.Next}
			if i, ok := at[r.Address]; ok && p.Recipients[i].Outcome == string(mail.Deferred) {
				now.Outcome, now.At = string(mail.Deferred), p.Recipients[i].At
			}
			p.stand(at, now)
		}
	}
	return p, nil
}

// stand notes how it stands with a recipient, in place of what was noted before.
func (p *Passage) stand(at map[string]int, r Recipient) {
	if i, ok := at[r.Address]; ok {
		p.Recipients[i] = r
		return
	}
	at[r.Address] = len(p.Recipients)
	p.Recipients = append(p.Recipients, r)
}

func showEvent(e mail.Event) Event {
	return Event{At: e.At.UTC(), Outcome: string(e.Outcome), From: string(e.From), To: string(e.To), Role: e.Role, Peer: e.Peer, TLS: e.TLS,
		Reason: e.Reason, Queue: int64(e.Queue)}
}

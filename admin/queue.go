package admin

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/admin/audit"
	"github.com/postrider/postrider/mail"
)

// QueueFilter restricts a list of queued messages. Zero fields do not.
type QueueFilter struct {
	Address string `json:"address,omitempty"` // sender or recipient
	Domain  string `json:"domain,omitempty"`  // of a recipient
	Held    bool   `json:"held,omitempty"`    // only messages that an operator holds
	After   int64  `json:"after,omitempty"`   // only numbers greater than this, to read on
	Limit   int    `json:"limit,omitempty"`   // 0 is 100
}

// QueueNumber names a queued message.
type QueueNumber struct {
	ID int64 `json:"id"`
}

// QueueAction asks for something to be done to messages: those numbered, or all that fit the filter.
type QueueAction struct {
	Act     string  `json:"act"` // retry, hold, release or delete
	IDs     []int64 `json:"ids,omitempty"`
	All     bool    `json:"all,omitempty"` // without this, no number and no filter means nothing at all
	Address string  `json:"address,omitempty"`
	Domain  string  `json:"domain,omitempty"`
}

// QueueActed is the reply to ActOnQueue.
type QueueActed struct {
	Act     string  `json:"act"`
	IDs     []int64 `json:"ids"`               // those it was done to
	Missing []int64 `json:"missing,omitempty"` // those that were not there
}

// QueueEntry is one message on its way out.
type QueueEntry struct {
	ID         int64             `json:"id"`
	Trace      string            `json:"trace"`
	From       string            `json:"from"` // "" for reports
	MessageID  string            `json:"message_id,omitempty"`
	Size       int64             `json:"size"`
	Created    time.Time         `json:"created"`
	Expires    time.Time         `json:"expires"`
	Recipients []QueuedRecipient `json:"recipients"` // those that are not settled yet
}

// The states of a queued recipient.
const (
	StateWaiting = "waiting" // for its next attempt
	StateHeld    = "held"    // by an operator
	StateSending = "sending" // an attempt is running
)

// QueuedRecipient is one recipient of a queued message.
type QueuedRecipient struct {
	Address  string     `json:"address"`
	Original string     `json:"original,omitempty"` // as it was first given, where an alias led here
	Route    string     `json:"route"`
	State    string     `json:"state"`
	Attempts int        `json:"attempts"`
	Next     *time.Time `json:"next,omitempty"`
	Last     string     `json:"last,omitempty"` // what the last attempt was told
	Delayed  bool       `json:"delay_reported,omitempty"`
}

// QueueList is the reply to Queued.
type QueueList struct {
	Messages []QueueEntry `json:"messages"`
	More     bool         `json:"more,omitempty"` // there are more, after the last of these
}

const (
	defaultQueueLimit = 100
	maxQueueLimit     = 1000
)

// Queued implements QueueOperator.
func (o *Operations) Queued(ctx context.Context, r QueueFilter) (QueueList, error) {
	f, err := o.queueFilter(ctx, r.Address, r.Domain)
	if err != nil {
		return QueueList{}, err
	}
	limit := r.Limit
	if limit <= 0 {
		limit = defaultQueueLimit
	}
	limit = min(limit, maxQueueLimit)
	f.Held, f.After, f.Limit = r.Held, mail.QueueID(r.After), limit+1
	entries, err := o.p.Queue.Queued(ctx, f)
	if err != nil {
		return QueueList{}, err
	}
	out := QueueList{Messages: make([]QueueEntry, 0, len(entries)), More: len(entries) > limit}
	now := o.p.Clock.Now()
	for _, q := range entries[:min(len(entries), limit)] {
		out.Messages = append(out.Messages, showQueued(q, now))
	}
	return out, nil
}

func (o *Operations) queueFilter(ctx context.Context, address, domain string) (f mail.QueueFilter, err error) {
	if address != "" {
		if f.Address, _, err = o.anywhere(ctx, address); err != nil {
			return f, err
		}
	}
	if domain != "" {
		f.Domain, err = domainName(domain)
	}
	return f, err
}

func showQueued(q mail.Queued, now time.Time) QueueEntry {
	out := QueueEntry{ID: int64(q.ID), Trace: string(q.Trace), From: string(q.From), MessageID: q.MessageID, Size: q.Size,
		Created: q.Created.UTC(), Expires: q.Expires.UTC(), Recipients: make([]QueuedRecipient, 0, len(q.Recipients))}
	for _, r := range q.Recipients {
		shown := QueuedRecipient{Address: string(r.Address), Route: r.Route, State: StateWaiting, Attempts: r.Attempts,
			Next: moment(r.Next), Last: r.Last, Delayed: r.Delayed}
		if r.Original != r.Address {
			shown.Original = string(r.Original)
		}
		switch {
		case r.Held:
			shown.State, shown.Next = StateHeld, nil
		case r.Lease.ID != 0 && r.Lease.Until.After(now):
			shown.State, shown.Next = StateSending, nil
		}
		out.Recipients = append(out.Recipients, shown)
	}
	return out
}

// QueuedMessage implements QueueOperator.
func (o *Operations) QueuedMessage(ctx context.Context, r QueueNumber) (QueueEntry, error) {
	q, err := o.p.Queue.QueuedMessage(ctx, mail.QueueID(r.ID))
	if mail.Is(err, mail.NotFound) {
		return QueueEntry{}, noQueued(r.ID)
	}
	if err != nil {
		return QueueEntry{}, err
	}
	return showQueued(q, o.p.Clock.Now()), nil
}

func noQueued(id int64) error {
	return mail.Errorf(mail.NotFound, "there is no message %d in the queue; it may have left: see postrider queue list, or postrider trace", id)
}

var acts = map[string]mail.Act{"retry": mail.ActRetry, "hold": mail.ActHold, "release": mail.ActRelease, "delete": mail.ActDelete}

func (o *Operations) actOnQueue(ctx context.Context, r QueueAction) (QueueActed, error) {
	act, ok := acts[r.Act]
	filtered := r.All || r.Address != "" || r.Domain != ""
	switch {
	case !ok:
		return QueueActed{}, mail.Errorf(mail.Invalid, "%q is nothing that can be done to queued mail; there are retry, hold, release and delete", r.Act)
	case !filtered && len(r.IDs) == 0:
		return QueueActed{}, mail.Errorf(mail.Invalid, "nothing says which messages are meant; give their numbers, --address, --domain or --all")
	case filtered && len(r.IDs) > 0:
		return QueueActed{}, mail.Errorf(mail.Invalid, "give either numbers or a filter, not both")
	}
	ids := r.IDs
	if filtered {
		var err error
		if ids, err = o.matching(ctx, r.Address, r.Domain); err != nil {
			return QueueActed{}, err
		}
	}
	audit.About(ctx, shortly(numbers(ids)))
	audit.Tell(ctx, count(len(ids), "message", "messages"))
	out := QueueActed{Act: r.Act, IDs: []int64{}}
	for _, id := range ids {
		err := o.act(ctx, mail.QueueID(id), act)
		switch {
		case err == nil:
			out.IDs = append(out.IDs, id)
		case mail.Is(err, mail.NotFound):
			out.Missing = append(out.Missing, id)
		default:
			return out, err
		}
	}
	if filtered {
		out.Missing = nil // what left while we looked is where it should be
	} else if len(out.IDs) == 0 {
		return out, noQueued(out.Missing[0])
	}
	return out, nil
}

// matching lists the numbers of all messages that fit, so that what is done to them cannot disturb the reading.
func (o *Operations) matching(ctx context.Context, address, domain string) ([]int64, error) {
	f, err := o.queueFilter(ctx, address, domain)
	if err != nil {
		return nil, err
	}
	var ids []int64
	err = o.eachQueued(ctx, f, func(q mail.Queued) { ids = append(ids, int64(q.ID)) })
	return ids, err
}

// eachQueued calls f for all messages that fit, in order of their numbers.
func (o *Operations) eachQueued(ctx context.Context, filter mail.QueueFilter, f func(mail.Queued)) error {
	filter.Limit = maxQueueLimit
	for {
		page, err := o.p.Queue.Queued(ctx, filter)
		if err != nil {
			return err
		}
		for _, q := range page {
			f(q)
			filter.After = q.ID
		}
		if len(page) < filter.Limit {
			return nil
		}
	}
}

func (o *Operations) act(ctx context.Context, id mail.QueueID, act mail.Act) error {
	now := o.p.Clock.Now()
	if act != mail.ActDelete {
		_, err := o.commit(ctx, mail.QueueAct{Queue: id, Act: act, Now: now})
		return err
	}
	// Holding breaks the leases, so that no attempt that is running can settle a recipient between our reading who is left
	// and taking them out: each ends in exactly one outcome. A crash in between leaves the message held.
	if _, err := o.commit(ctx, mail.QueueAct{Queue: id, Act: mail.ActHold, Now: now}); err != nil {
		return err
	}
	q, err := o.p.Queue.QueuedMessage(ctx, id)
	if err != nil {
		return err
	}
	set := []mail.Change{mail.QueueAct{Queue: id, Act: act, Now: now}}
	for _, r := range q.Recipients {
		set = append(set, mail.Record{Event: mail.Event{At: now, Trace: q.Trace, Outcome: mail.Discarded, MessageID: q.MessageID,
			From: q.From, To: r.Address, Account: q.Account, Queue: q.ID, Role: "admin", Reason: deletedReason(r.Last)}})
	}
	_, err = o.commit(ctx, set...)
	return err
}

func deletedReason(last string) string {
	reason := "deleted from the queue by an operator"
	if last = strings.TrimSpace(last); last != "" {
		reason += "; the last attempt was told: " + last
	}
	return reason
}

// waiting finds the queue entries of a trace. ids are those its events name.
func (o *Operations) waiting(ctx context.Context, trace mail.TraceID, from mail.Path, ids []mail.QueueID) ([]mail.Queued, error) {
	var out []mail.Queued
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		q, err := o.p.Queue.QueuedMessage(ctx, id)
		if err == nil {
			out = append(out, q)
		} else if !mail.Is(err, mail.NotFound) {
			return nil, err
		}
	}
	if len(ids) > 0 || from.IsNull() {
		return out, nil
	}
	// Nothing was attempted yet, so no event has a number: look among what the sender has in the queue.
	err := o.eachQueued(ctx, mail.QueueFilter{Address: from}, func(q mail.Queued) {
		if q.Trace == trace {
			out = append(out, q)
		}
	})
	return out, err
}

package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
)

// bucketBits is how many event numbers, as a power of two, share a bucket of event_key: few enough that the keys of
// one commit fall on few pages.
const bucketBits = 11

// telling is what a change set tells of one trace: a row of event, made by the caller of Commit so that the committer
// has little to do.
type telling struct {
	mail.Event         // what its events share: MessageID, From, Trace; At is the latest
	list       []byte  // of them, as storedEvents
	n          int64   // how many
	keys       []int64 // what it is found by
}

// storedEvent is an event in a telling's list. People read it with SQLite's JSON functions.
type storedEvent struct {
	At      int64          `json:"at"`
	Outcome mail.Outcome   `json:"outcome"`
	To      mail.Path      `json:"to,omitempty"`
	Account mail.AccountID `json:"account,omitempty"`
	Queue   mail.QueueID   `json:"queue,omitempty"`
	Role    string         `json:"role,omitempty"`
	Peer    string         `json:"peer,omitempty"`
	TLS     string         `json:"tls,omitempty"`
	Reason  string         `json:"reason,omitempty"`
}

func messageIDKey(id string) int64 { return hash64('m', id) }

// addressKey finds addresses in any letter case: who asks where mail went seldom knows how it was spelt.
func addressKey(a mail.Path) int64 { return hash64('a', strings.ToLower(string(a))) }

// tellings gathers a set's events.
func tellings(set mail.ChangeSet) ([]telling, error) {
	var all []telling
	for _, c := range set.Changes {
		r, ok := c.(mail.Record)
		if !ok {
			continue
		}
		e := r.Event
		last := len(all) - 1
		if last < 0 || all[last].Trace != e.Trace || all[last].MessageID != e.MessageID || all[last].From != e.From {
			t := telling{Event: mail.Event{Trace: e.Trace, MessageID: e.MessageID, From: e.From, At: e.At}, list: []byte{'['}}
			if e.MessageID != "" {
				t.keys = append(t.keys, messageIDKey(e.MessageID))
			}
			if e.From != "" {
				t.keys = append(t.keys, addressKey(e.From))
			}
			all = append(all, t)
			last++
		}
		if err := all[last].add(e); err != nil {
			return nil, err
		}
	}
	for i := range all {
		t := &all[i]
		t.list[len(t.list)-1] = ']'
		slices.Sort(t.keys)
		t.keys = slices.Compact(t.keys)
	}
	return all, nil
}

// add appends an event, and a comma for the next one.
func (t *telling) add(e mail.Event) error {
	text, err := json.Marshal(storedEvent{micros(e.At), e.Outcome, e.To, e.Account, e.Queue, e.Role, e.Peer, e.TLS, e.Reason})
	if err != nil {
		return mail.Errorf(mail.Invalid, "an event cannot be written: %w", err)
	}
	t.list = append(append(t.list, text...), ',')
	t.n++
	if e.At.After(t.At) {
		t.At = e.At
	}
	if e.To != "" {
		t.keys = append(t.keys, addressKey(e.To))
	}
	return nil
}

// tellAll writes what a set tells.
func (l *ledger) tellAll(all []telling) error {
	for i := range all {
		t := &all[i]
		id := l.last.event + 1
		l.last.event += t.n
		if _, err := l.exec(`INSERT INTO event (id, at, trace, message_id, sender, list) VALUES (?, ?, ?, ?, ?, ?)`,
			id, micros(t.At), t.Trace, t.MessageID, t.From, string(t.list)); err != nil {
			return err
		}
		if err := l.eventKeys(id, t.keys); err != nil {
			return err
		}
	}
	return nil
}

// insertKeys insert as many keys of one event as their index says.
var insertKeys = [...]string{
	1: `INSERT INTO event_key (bucket, event, hash) VALUES (?1, ?2, ?3)`,
	2: `INSERT INTO event_key (bucket, event, hash) VALUES (?1, ?2, ?3), (?1, ?2, ?4)`,
	3: `INSERT INTO event_key (bucket, event, hash) VALUES (?1, ?2, ?3), (?1, ?2, ?4), (?1, ?2, ?5)`,
}

func (l *ledger) eventKeys(id int64, keys []int64) error {
	for len(keys) > 0 {
		n := min(len(keys), len(insertKeys)-1)
		args := []any{id >> bucketBits, id}
		for _, hash := range keys[:n] {
			args = append(args, hash)
		}
		if _, err := l.exec(insertKeys[n], args...); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// defaultLimit is how many events or queue entries are listed when nobody says.
const defaultLimit = 1000

// Events lists the latest events by time. Addresses compare in any letter case.
func (s *Store) Events(ctx context.Context, q mail.TrailQuery) ([]mail.Event, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	var traces []mail.TraceID
	var err error
	switch {
	case q.Trace != "":
		traces = []mail.TraceID{q.Trace}
	case q.MessageID != "":
		traces, err = s.traces(ctx, messageIDKey(q.MessageID), limit)
	case q.Address != "":
		traces, err = s.traces(ctx, addressKey(q.Address), limit)
	default:
		return nil, mail.Errorf(mail.Invalid, "ask for a trace, a message id or an address")
	}
	if err != nil {
		return nil, err
	}
	var events []mail.Event
	for _, t := range traces {
		list, err := s.events(ctx, t, limit)
		if err != nil {
			return nil, err
		}
		events = append(events, list...)
	}
	slices.SortStableFunc(events, func(a, b mail.Event) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return events[max(0, len(events)-limit):], nil
}

// traces lists the traces that have a key, the latest first, at most n.
func (s *Store) traces(ctx context.Context, hash int64, n int) ([]mail.TraceID, error) {
	return collect(ctx, s, func(r *sql.Rows) (t mail.TraceID, err error) { return t, r.Scan(&t) },
		`WITH RECURSIVE bucket (b) AS (
			SELECT max(bucket) FROM event_key
			UNION ALL
			SELECT b - 1 FROM bucket WHERE b > (SELECT min(bucket) FROM event_key)
		)
		SELECT trace FROM (
			SELECT e.trace, max(e.id) AS latest FROM bucket
				CROSS JOIN event_key k ON k.bucket = bucket.b AND k.hash = ?
				CROSS JOIN event e ON e.id = k.event
			GROUP BY e.trace)
		ORDER BY latest DESC LIMIT ?`, hash, n)
}

// events lists the latest events of a trace.
func (s *Store) events(ctx context.Context, t mail.TraceID, limit int) ([]mail.Event, error) {
	told, err := collect(ctx, s, func(r *sql.Rows) (list []mail.Event, err error) {
		e := mail.Event{Trace: t}
		var text []byte
		if err := r.Scan(&e.ID, &e.MessageID, &e.From, &text); err != nil {
			return nil, err
		}
		return readTelling(e, text)
	}, `SELECT id, message_id, sender, list FROM event WHERE trace = ? ORDER BY at DESC, id DESC LIMIT ?`, string(t), limit)
	return slices.Concat(told...), err
}

// readTelling reads a row's events. e is what they share, with the number of the first.
func readTelling(e mail.Event, text []byte) ([]mail.Event, error) {
	var stored []storedEvent
	if err := json.Unmarshal(text, &stored); err != nil {
		return nil, mail.Errorf(mail.Internal, "event %d cannot be read: %w", e.ID, err)
	}
	list := make([]mail.Event, len(stored))
	for i, v := range stored {
		list[i] = e
		o := &list[i]
		o.ID, o.At, o.Outcome, o.To, o.Account, o.Queue = e.ID+int64(i), fromMicros(v.At), v.Outcome, v.To, v.Account, v.Queue
		o.Role, o.Peer, o.TLS, o.Reason = v.Role, v.Peer, v.TLS, v.Reason
	}
	return list, nil
}

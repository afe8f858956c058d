package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
)

// bucketBits is how many event numbers, as a power of two, share a bucket of event_key.
const bucketBits = 14

// eventKey is a key of an event in a running set, so that a trace's events write each key once.
type eventKey struct {
	hash  int64
	trace mail.TraceID
}

func messageIDKey(id string) int64 { return hash64('m', id) }

// addressKey finds addresses in any letter case: who asks where mail went seldom knows how it was spelt.
func addressKey(a mail.Path) int64 { return hash64('a', strings.ToLower(string(a))) }

func (l *ledger) record(c mail.Record) (mail.Result, error) {
	e := c.Event
	l.last.event++
	id := l.last.event
	_, err := l.exec(`INSERT INTO event (id, at, trace, outcome, message_id, sender, recipient, account, queue, role, peer, tls, reason)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, micros(e.At), e.Trace, e.Outcome, e.MessageID, e.From, e.To, e.Account, e.Queue, e.Role, e.Peer, e.TLS, e.Reason)
	if err != nil {
		return mail.Result{}, err
	}
	if e.MessageID != "" {
		err = l.eventKey(messageIDKey(e.MessageID), e.Trace, id)
	}
	if err == nil && e.From != "" {
		err = l.eventKey(addressKey(e.From), e.Trace, id)
	}
	if err == nil && e.To != "" {
		err = l.eventKey(addressKey(e.To), e.Trace, id)
	}
	return mail.Result{}, err
}

func (l *ledger) eventKey(hash int64, trace mail.TraceID, event int64) error {
	k := eventKey{hash, trace}
	if _, there := l.set.keys[k]; there {
		return nil
	}
	l.set.keys[k] = struct{}{}
	_, err := l.exec(`INSERT OR IGNORE INTO event_key (bucket, hash, event) VALUES (?, ?, ?)`, event>>bucketBits, hash, event)
	return err
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
	return collect(ctx, s, func(r *sql.Rows) (e mail.Event, err error) {
		var at int64
		err = r.Scan(&e.ID, &at, &e.Trace, &e.Outcome, &e.MessageID, &e.From, &e.To, &e.Account, &e.Queue, &e.Role, &e.Peer, &e.TLS, &e.Reason)
		e.At = fromMicros(at)
		return e, err
	}, `SELECT id, at, trace, outcome, message_id, sender, recipient, account, queue, role, peer, tls, reason
		FROM event WHERE trace = ? ORDER BY at DESC, id DESC LIMIT ?`, string(t), limit)
}

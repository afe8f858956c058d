package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/postrider/postrider/mail"
)

const (
	queuedColumns    = `id, trace, sender, account, blob, prefix, size, body, utf8, tls, unproven, message_id, created, expires`
	recipientColumns = `n, address, coalesce(original, address), route, held, attempts, next, last, delayed, lease, owner, until`
)

// readQueued is scanQueued for the writer's rows.
func readQueued(r row) mail.Queued {
	return mail.Queued{
		ID: mail.QueueID(r.int(0)), Trace: mail.TraceID(r.str(1)), From: mail.Path(r.str(2)), Account: mail.AccountID(r.int(3)),
		Blob: mail.BlobID(r.int(4)), Prefix: r.bytes(5), Size: r.int(6), Body: mail.BodyType(r.int(7)), UTF8: r.int(8) != 0,
		TLS: mail.TLSWish(r.int(9)), Unproven: r.int(10) != 0, MessageID: r.str(11), Created: fromMicros(r.int(12)), Expires: fromMicros(r.int(13)),
	}
}

func scanQueued(r *sql.Rows) (q mail.Queued, err error) {
	var created, expires int64
	err = r.Scan(&q.ID, &q.Trace, &q.From, &q.Account, &q.Blob, &q.Prefix, &q.Size, &q.Body, &q.UTF8, &q.TLS, &q.Unproven, &q.MessageID, &created, &expires)
	q.Created, q.Expires = fromMicros(created), fromMicros(expires)
	if len(q.Prefix) == 0 {
		q.Prefix = nil
	}
	return q, err
}

// readRecipient is scanRecipient for the writer's rows.
func readRecipient(r row) mail.QueuedRecipient {
	return mail.QueuedRecipient{
		N: int(r.int(0)), Address: mail.Path(r.str(1)), Original: mail.Path(r.str(2)), Route: r.str(3), Held: r.int(4) != 0,
		Attempts: int(r.int(5)), Next: fromMicros(r.int(6)), Last: r.str(7), Delayed: r.int(8) != 0,
		Lease: mail.Lease{ID: mail.LeaseID(r.int(9)), Owner: r.str(10), Until: fromMicros(r.int(11))},
	}
}

func scanRecipient(r *sql.Rows) (q mail.QueuedRecipient, err error) {
	var next, until int64
	err = r.Scan(&q.N, &q.Address, &q.Original, &q.Route, &q.Held, &q.Attempts, &next, &q.Last, &q.Delayed, &q.Lease.ID, &q.Lease.Owner, &until)
	q.Next, q.Lease.Until = fromMicros(next), fromMicros(until)
	return q, err
}

// Queued lists entries by ID. Addresses and the domain compare in any letter case. An entry that is settled between the
// two reads this takes is left out.
func (s *Store) Queued(ctx context.Context, f mail.QueueFilter) ([]mail.Queued, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	from := `queued q WHERE ?6 = ''`
	if f.Trace != "" {
		from = `queued q INDEXED BY queued_trace WHERE trace = ?6`
	}
	list, err := collect(ctx, s, scanQueued, `SELECT `+queuedColumns+` FROM `+from+` AND id > ?1
		AND (?2 = '' OR sender = ?2 COLLATE NOCASE OR EXISTS (SELECT 1 FROM queued_recipient r WHERE r.queue = q.id
			AND (r.address = ?2 COLLATE NOCASE OR r.original = ?2 COLLATE NOCASE)))
		AND (?3 = '' OR EXISTS (SELECT 1 FROM queued_recipient r WHERE r.queue = q.id AND substr(r.address, -length(?3) - 1) = '@' || ?3 COLLATE NOCASE))
		AND (NOT ?4 OR EXISTS (SELECT 1 FROM queued_recipient r WHERE r.queue = q.id AND r.held))
		ORDER BY id LIMIT ?5`, int64(f.After), string(f.Address), f.Domain, f.Held, limit, string(f.Trace))
	if err != nil {
		return nil, err
	}
	out := list[:0]
	for _, q := range list {
		if q.Recipients, err = s.recipients(ctx, q.ID); err != nil {
			return nil, err
		}
		if len(q.Recipients) > 0 {
			out = append(out, q)
		}
	}
	return out, nil
}

func (s *Store) recipients(ctx context.Context, id mail.QueueID) ([]mail.QueuedRecipient, error) {
	return collect(ctx, s, scanRecipient, `SELECT `+recipientColumns+` FROM queued_recipient WHERE queue = ? ORDER BY n`, int64(id))
}

// QueuedMessage gives one entry.
func (s *Store) QueuedMessage(ctx context.Context, id mail.QueueID) (mail.Queued, error) {
	q, err := one(collect(ctx, s, scanQueued, `SELECT `+queuedColumns+` FROM queued WHERE id = ?`, int64(id)))(noQueued(id))
	if err != nil {
		return q, err
	}
	if q.Recipients, err = s.recipients(ctx, id); err != nil {
		return mail.Queued{}, err
	}
	if len(q.Recipients) == 0 {
		return mail.Queued{}, noQueued(id)
	}
	return q, nil
}

// NextDue is when a Claim may find something next: the first recipient that waits, or the first lease to run out.
func (s *Store) NextDue(ctx context.Context) (first time.Time, err error) {
	times, err := collect(ctx, s, func(r *sql.Rows) (time.Time, error) {
		var due int64
		err := r.Scan(&due)
		if due == 0 {
			due = 1 // due for ever, yet not the zero time, which means none
		}
		return fromMicros(due), err
	}, `SELECT * FROM (SELECT due FROM queued_recipient INDEXED BY recipient_due WHERE due IS NOT NULL ORDER BY due LIMIT 1)
		UNION ALL SELECT * FROM (SELECT until FROM queued_recipient INDEXED BY recipient_lease WHERE lease > 0 ORDER BY until LIMIT 1)`)
	for _, t := range times {
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first, err
}

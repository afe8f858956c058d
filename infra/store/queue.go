package store

import (
	"bytes"
	"slices"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
)

func (l *ledger) enqueue(c mail.Enqueue) (mail.Result, error) {
	m := c.Message
	if c.Body == nil {
		return mail.Result{}, mail.Errorf(mail.Invalid, "a queued message needs a body")
	}
	if len(m.Recipients) == 0 {
		return mail.Result{}, mail.Errorf(mail.Invalid, "a queued message needs a recipient")
	}
	id, _, err := l.use(c.Body)
	if err != nil {
		return mail.Result{}, err
	}
	l.last.queue++
	q := mail.QueueID(l.last.queue)
	_, err = l.exec(`INSERT INTO queued (id, trace, sender, account, blob, prefix, size, body, utf8, tls, unproven, message_id, created, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		q, m.Trace, m.From, m.Account, id, orNull(m.Prefix), int64(len(m.Prefix))+c.Body.Size(), int64(m.Body), m.UTF8, int64(m.TLS), m.Unproven, m.MessageID,
		micros(m.Created), micros(m.Expires))
	if err != nil {
		return mail.Result{}, err
	}
	m.ID, m.Blob, m.Size = q, id, int64(len(m.Prefix))+c.Body.Size()
	var jobs []mail.Job
	for i, r := range m.Recipients {
		r.N = i + 1
		if r.Lease != (mail.Lease{}) {
			if jobs, err = l.leaseFresh(jobs, &m, &r); err != nil {
				return mail.Result{}, err
			}
		} else {
			l.tell(mail.Topic{Kind: mail.TopicQueue})
		}
		if err := l.addRecipient(q, &r); err != nil {
			return mail.Result{}, err
		}
	}
	if sealed, ok := c.Body.(*blob.Sealed); ok && len(jobs) > 0 && l.bodies[sealed] != nil {
		l.places.put(id, l.bodies[sealed].ref)
	}
	return mail.Result{Queue: q, Blob: id, Claimed: jobs}, nil
}

// leaseFresh leases a recipient that is being queued, as a part of its route's job.
func (l *ledger) leaseFresh(jobs []mail.Job, m *mail.Queued, r *mail.QueuedRecipient) ([]mail.Job, error) {
	if r.Held || r.Lease.Owner == "" || r.Lease.Until.IsZero() || r.Lease.ID != 0 {
		return nil, mail.Errorf(mail.Invalid, "recipient %d cannot be leased from the start: that takes an owner and an end, no number, and no hold", r.N)
	}
	if r.Original == "" {
		r.Original = r.Address
	}
	r.Next = fromMicros(micros(r.Next))
	i := slices.IndexFunc(jobs, func(j mail.Job) bool { return j.Route == r.Route })
	if i < 0 {
		i = len(jobs)
		l.last.lease++
		j := mail.Job{Route: r.Route, Message: *m}
		j.Lease = mail.Lease{ID: mail.LeaseID(l.last.lease), Owner: r.Lease.Owner, Until: fromMicros(micros(r.Lease.Until))}
		j.Message.Created, j.Message.Expires = fromMicros(micros(m.Created)), fromMicros(micros(m.Expires))
		j.Message.Prefix = bytes.Clone(m.Prefix) // the caller's own is the caller's
		j.Message.Recipients = nil
		jobs = append(jobs, j)
	}
	r.Lease = jobs[i].Lease
	jobs[i].Message.Recipients = append(jobs[i].Message.Recipients, *r)
	return jobs, nil
}

func (l *ledger) addRecipient(q mail.QueueID, r *mail.QueuedRecipient) error {
	var original, due any
	if r.Original != r.Address {
		original = r.Original
	}
	if !r.Held && r.Lease.ID == 0 {
		due = micros(r.Next)
	}
	_, err := l.exec(`INSERT INTO queued_recipient (queue, n, address, original, route, held, attempts, next, last, delayed, lease, owner, until, due)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		q, r.N, r.Address, original, r.Route, r.Held, r.Attempts, micros(r.Next), r.Last, r.Delayed,
		r.Lease.ID, r.Lease.Owner, micros(r.Lease.Until), due)
	return err
}

func (l *ledger) settle(c mail.Settle) (mail.Result, error) {
	running, others, err := l.leased(c.Queue, c.Lease)
	if err != nil {
		return mail.Result{}, err
	}
	if len(running) == 0 {
		return mail.Result{}, mail.Errorf(mail.Conflict, "lease %d of queue entry %d is not running any more; its work is somebody else's now", c.Lease, c.Queue)
	}
	for _, s := range c.Results {
		i, found := slices.BinarySearch(running, s.N)
		if !found {
			return mail.Result{}, mail.Errorf(mail.Conflict, "recipient %d is not part of lease %d, or is settled twice", s.N, c.Lease)
		}
		running = slices.Delete(running, i, i+1)
	}
	for _, s := range c.Results {
		if !s.Done {
			others++
		}
		if err := l.settleOne(c.Queue, s); err != nil {
			return mail.Result{}, err
		}
	}
	// Recipients that were leased and are not settled are due as they were.
	if len(running) > 0 {
		others += len(running)
		_, err := l.exec(`UPDATE queued_recipient SET lease = 0, owner = '', until = 0, due = next WHERE queue = ? AND lease = ?`, c.Queue, c.Lease)
		if err != nil {
			return mail.Result{}, err
		}
		l.tell(mail.Topic{Kind: mail.TopicQueue})
	}
	if others == 0 {
		err = l.unqueue(c.Queue)
	}
	return mail.Result{Queue: c.Queue}, err
}

// leased lists the recipients of a message that are under a lease, by number, and counts its others.
func (l *ledger) leased(q mail.QueueID, lease mail.LeaseID) (ns []int, others int, err error) {
	err = l.conn.each(func(r row) error {
		if lease > 0 && mail.LeaseID(r.int(1)) == lease {
			ns = append(ns, int(r.int(0)))
		} else {
			others++
		}
		return nil
	}, `SELECT n, lease FROM queued_recipient WHERE queue = ? ORDER BY n`, q)
	return ns, others, err
}

func (l *ledger) settleOne(q mail.QueueID, s mail.Settlement) error {
	if s.Done {
		_, err := l.exec(`DELETE FROM queued_recipient WHERE queue = ? AND n = ?`, q, s.N)
		return err
	}
	l.tell(mail.Topic{Kind: mail.TopicQueue})
	_, err := l.exec(`UPDATE queued_recipient SET lease = 0, owner = '', until = 0, next = ?3, due = ?3, last = ?4, delayed = delayed OR ?5,
		attempts = attempts + ?6, route = CASE WHEN ?7 = '' THEN route ELSE ?7 END WHERE queue = ?1 AND n = ?2`,
		q, s.N, micros(s.Next), s.Reply, s.Delay, s.Spent, s.Route)
	return err
}

// unqueue takes a message whose recipients are gone out of the queue, and its body out of the store unless others refer to it.
func (l *ledger) unqueue(q mail.QueueID) error {
	if err := l.addReferences(); err != nil {
		return err
	}
	var id, pack, stored, more int64
	counted := false // there is a row of further references
	_, err := l.conn.one(func(r row) {
		id, pack, stored, more, counted = r.int(0), r.int(1), r.int(2), r.int(3), r[3] != nil
	}, `SELECT q.blob, b.pack, b.stored, x.refs FROM queued q JOIN blob b ON b.id = q.blob LEFT JOIN blob_extra x ON x.blob = b.id WHERE q.id = ?`, q)
	if err != nil {
		return err
	}
	if _, err := l.exec(`DELETE FROM queued WHERE id = ?`, q); err != nil {
		return err
	}
	l.places.forget(mail.BlobID(id))
	if more > 0 {
		_, err = l.exec(`UPDATE blob_extra SET refs = refs - 1 WHERE blob = ?`, id)
		return err
	}
	if counted {
		if _, err := l.exec(`DELETE FROM blob_extra WHERE blob = ?`, id); err != nil {
			return err
		}
	}
	if id == 0 {
		return nil // the index is damaged, which verify tells
	}
	if _, err := l.exec(`DELETE FROM blob WHERE id = ?`, id); err != nil {
		return err
	}
	p, err := l.packRow(pack)
	if err != nil {
		return err
	}
	p.live -= stored + blob.HeaderSize
	p.dirty = true
	return nil
}

func (l *ledger) queueAct(c mail.QueueAct) (mail.Result, error) {
	there, err := l.conn.one(func(row) {}, `SELECT 1 FROM queued WHERE id = ?`, c.Queue)
	if err != nil {
		return mail.Result{}, err
	}
	if !there {
		return mail.Result{}, noQueued(c.Queue)
	}
	if c.Unleased {
		if err := l.unleased(c.Queue, micros(c.Now)); err != nil {
			return mail.Result{}, err
		}
	}
	const set = `UPDATE queued_recipient SET lease = 0, owner = '', until = 0, `
	now := micros(c.Now)
	switch c.Act {
	case mail.ActRetry:
		_, err = l.exec(set+`next = ?2, due = CASE WHEN held THEN NULL ELSE ?2 END WHERE queue = ?1`, c.Queue, now)
		l.tell(mail.Topic{Kind: mail.TopicQueue})
	case mail.ActRelease:
		_, err = l.exec(set+`next = ?2, due = ?2, held = 0 WHERE queue = ?1`, c.Queue, now)
		l.tell(mail.Topic{Kind: mail.TopicQueue})
	case mail.ActHold:
		_, err = l.exec(set+`due = NULL, held = 1 WHERE queue = ?`, c.Queue)
	case mail.ActDelete:
		if _, err = l.exec(`DELETE FROM queued_recipient WHERE queue = ?`, c.Queue); err == nil {
			err = l.unqueue(c.Queue)
		}
	default:
		err = mail.Errorf(mail.Invalid, "the queue knows no act number %d", c.Act)
	}
	return mail.Result{Queue: c.Queue}, err
}

// unleased looks whether none of an entry's recipients is in somebody's hand. Conflict.
func (l *ledger) unleased(q mail.QueueID, now int64) error {
	leased, err := l.conn.one(func(row) {}, `SELECT 1 FROM queued_recipient WHERE queue = ? AND lease > 0 AND until > ? LIMIT 1`, q, now)
	if err == nil && leased {
		err = mail.Errorf(mail.Conflict, "queue entry %d is being delivered at this moment", q)
	}
	return err
}

func noQueued(id mail.QueueID) error {
	return mail.Errorf(mail.NotFound, "there is no queue entry number %d", id)
}

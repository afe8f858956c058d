package store

import (
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
	_, err = l.exec(`INSERT INTO queued (id, trace, sender, account, blob, prefix, size, body, utf8, message_id, created, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		q, m.Trace, m.From, m.Account, id, orNull(m.Prefix), int64(len(m.Prefix))+c.Body.Size(), int64(m.Body), m.UTF8, m.MessageID,
		micros(m.Created), micros(m.Expires))
	if err != nil {
		return mail.Result{}, err
	}
	for i, r := range m.Recipients {
		var original any
		if r.Original != r.Address {
			original = r.Original
		}
		var due any
		if !r.Held {
			due = micros(r.Next)
		}
		_, err := l.exec(`INSERT INTO queued_recipient (queue, n, address, original, route, held, attempts, next, last, delayed, lease, owner, until, due)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', 0, ?)`,
			q, i+1, r.Address, original, r.Route, r.Held, r.Attempts, micros(r.Next), r.Last, r.Delayed, due)
		if err != nil {
			return mail.Result{}, err
		}
	}
	l.tell(mail.Topic{Kind: mail.TopicQueue})
	return mail.Result{Queue: q, Blob: id}, nil
}

func (l *ledger) settle(c mail.Settle) (mail.Result, error) {
	running := map[int]bool{}
	if c.Lease > 0 {
		err := l.conn.each(func(r row) error {
			running[int(r.int(0))] = true
			return nil
		}, `SELECT n FROM queued_recipient WHERE queue = ? AND lease = ?`, c.Queue, c.Lease)
		if err != nil {
			return mail.Result{}, err
		}
	}
	if len(running) == 0 {
		return mail.Result{}, mail.Errorf(mail.Conflict, "lease %d of queue entry %d is not running any more; its work is somebody else's now", c.Lease, c.Queue)
	}
	for _, s := range c.Results {
		if !running[s.N] {
			return mail.Result{}, mail.Errorf(mail.Conflict, "recipient %d is not part of lease %d, or is settled twice", s.N, c.Lease)
		}
		delete(running, s.N)
	}
	for _, s := range c.Results {
		if err := l.settleOne(c.Queue, s); err != nil {
			return mail.Result{}, err
		}
	}
	// Recipients that were leased and are not settled are due as they were.
	if len(running) > 0 {
		_, err := l.exec(`UPDATE queued_recipient SET lease = 0, owner = '', until = 0, due = next WHERE queue = ? AND lease = ?`, c.Queue, c.Lease)
		if err != nil {
			return mail.Result{}, err
		}
		l.tell(mail.Topic{Kind: mail.TopicQueue})
	}
	return mail.Result{Queue: c.Queue}, l.dropIfDone(c.Queue)
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

// dropIfDone takes a message without recipients out of the queue.
func (l *ledger) dropIfDone(q mail.QueueID) error {
	left, err := l.conn.one(func(row) {}, `SELECT 1 FROM queued_recipient WHERE queue = ? LIMIT 1`, q)
	if err != nil || left {
		return err
	}
	if err := l.addReferences(); err != nil {
		return err
	}
	if _, err := l.exec(`INSERT INTO lost (blob, n) SELECT blob, 1 FROM queued WHERE id = ?`, q); err != nil {
		return err
	}
	if _, err := l.exec(`DELETE FROM queued WHERE id = ?`, q); err != nil {
		return err
	}
	return l.releaseLost()
}

func (l *ledger) queueAct(c mail.QueueAct) (mail.Result, error) {
	there, err := l.conn.one(func(row) {}, `SELECT 1 FROM queued WHERE id = ?`, c.Queue)
	if err != nil {
		return mail.Result{}, err
	}
	if !there {
		return mail.Result{}, noQueued(c.Queue)
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
			err = l.dropIfDone(c.Queue)
		}
	default:
		err = mail.Errorf(mail.Invalid, "the queue knows no act number %d", c.Act)
	}
	return mail.Result{Queue: c.Queue}, err
}

func noQueued(id mail.QueueID) error {
	return mail.Errorf(mail.NotFound, "there is no queue entry number %d", id)
}

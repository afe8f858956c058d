package queue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// memory is a store of the queue in memory, as strict about leases as mail.Journal says.
type memory struct {
	mu      sync.Mutex
	bus     mail.Bus
	entries map[mail.QueueID]*mail.Queued
	last    mail.QueueID
	lease   mail.LeaseID
	events  []mail.Event
	fail    func(mail.ChangeSet) error // injected faults, asked before anything is done
	claims  map[mail.LeaseID][]string
}

func (m *memory) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(set); err != nil {
			return mail.Receipt{}, err
		}
	}
	var r mail.Receipt
	for i, c := range set.Changes {
		res, err := m.apply(c)
		if err != nil {
			return mail.Receipt{}, &mail.ChangeError{Index: i, Err: err}
		}
		r.Results = append(r.Results, res)
	}
	return r, nil
}

func (m *memory) apply(c mail.Change) (mail.Result, error) {
	switch c := c.(type) {
	case mail.Enqueue:
		m.last++
		q := c.Message
		q.ID, q.Recipients = m.last, slices.Clone(q.Recipients)
		for i := range q.Recipients {
			q.Recipients[i].N = i + 1
		}
		m.entries[q.ID] = &q
		m.bus.Publish(mail.Topic{Kind: mail.TopicQueue})
		return mail.Result{Queue: q.ID}, nil
	case mail.Claim:
		return mail.Result{Claimed: m.claim(c)}, nil
	case mail.Settle:
		return mail.Result{}, m.settle(c)
	case mail.Record:
		m.events = append(m.events, c.Event)
		return mail.Result{}, nil
	}
	return mail.Result{}, fmt.Errorf("the fake store does not know %T", c)
}

func (m *memory) claim(c mail.Claim) (jobs []mail.Job) {
	leased := map[string]int{}
	for _, q := range m.entries {
		for _, r := range q.Recipients {
			if r.Lease.Until.After(c.Now) {
				leased[r.Route]++
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.entries)) {
		q := m.entries[id]
		byRoute := map[string]int{}
		for i := range q.Recipients {
			r := &q.Recipients[i]
			if r.Held || r.Next.After(c.Now) || r.Lease.Until.After(c.Now) || c.Limit == 0 ||
				c.PerRoute > 0 && leased[r.Route] >= c.PerRoute {
				continue
			}
			c.Limit--
			leased[r.Route]++
			at, ok := byRoute[r.Route]
			if !ok {
				m.lease++
				at = len(jobs)
				byRoute[r.Route] = at
				job := mail.Job{Route: r.Route, Message: *q, Lease: mail.Lease{ID: m.lease, Owner: c.Owner, Until: c.Until}}
				job.Message.Recipients = nil
				jobs = append(jobs, job)
			}
			r.Lease = jobs[at].Lease
			jobs[at].Message.Recipients = append(jobs[at].Message.Recipients, *r)
		}
	}
	return jobs
}

func (m *memory) settle(c mail.Settle) error {
	q := m.entries[c.Queue]
	if q == nil {
		return mail.Errorf(mail.Conflict, "the entry is gone")
	}
	for _, s := range c.Results {
		i := slices.IndexFunc(q.Recipients, func(r mail.QueuedRecipient) bool { return r.N == s.N })
		if i < 0 || q.Recipients[i].Lease.ID != c.Lease {
			return mail.Errorf(mail.Conflict, "the lease is not the running one")
		}
		if s.Done {
			q.Recipients = slices.Delete(q.Recipients, i, i+1)
			continue
		}
		r := &q.Recipients[i]
		r.Lease, r.Next, r.Last = mail.Lease{}, s.Next, s.Reply
		r.Delayed = r.Delayed || s.Delay
		if s.Spent {
			r.Attempts++
		}
		if s.Route != "" {
			r.Route = s.Route
		}
	}
	if len(q.Recipients) == 0 {
		delete(m.entries, c.Queue)
	}
	return nil
}

func (m *memory) Queued(_ context.Context, f mail.QueueFilter) (out []mail.Queued, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(m.entries)) {
		if id > f.After {
			q := *m.entries[id]
			q.Recipients = slices.Clone(q.Recipients)
			out = append(out, q)
		}
	}
	return out, nil
}

func (m *memory) QueuedMessage(_ context.Context, id mail.QueueID) (mail.Queued, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if q := m.entries[id]; q != nil {
		return *q, nil
	}
	return mail.Queued{}, mail.Errorf(mail.NotFound, "no such entry")
}

func (m *memory) NextDue(context.Context) (due time.Time, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, q := range m.entries {
		for _, r := range q.Recipients {
			at := r.Next
			if r.Lease.ID != 0 {
				at = r.Lease.Until
			}
			if !r.Held && (due.IsZero() || at.Before(due)) {
				due = at
			}
		}
	}
	return due, nil
}

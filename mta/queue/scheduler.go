package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// Scheduler works the queue. Make it with New and run it with Run.
type Scheduler struct {
	Config
	rules rules

	mu      sync.Mutex
	running int
	backlog []mail.Job    // claimed, waiting for room to run
	freed   chan struct{} // an attempt ended: look again
}

// New makes a scheduler. It does nothing until Run. Invalid when the configuration lacks a part.
func New(c Config) (*Scheduler, error) {
	if c.Journal == nil || c.Queue == nil || c.Bus == nil || c.Sender == nil || c.Reporter == nil || c.Owner == "" {
		return nil, mail.Errorf(mail.Invalid, "the queue needs a journal, a queue, a bus, a sender, a reporter and an owner's name")
	}
	c = c.withDefaults()
	return &Scheduler{
		Config: c,
		rules:  rules{backoff: c.Backoff, delay: c.Times.Delay, random: c.Random},
		freed:  make(chan struct{}, 1),
	}, nil
}

// errStopping ends attempts that outlast the grace time.
var errStopping = errors.New("the server is stopping")

// Run works the queue until ctx ends. Then it claims nothing more, gives back what was not begun, lets running
// attempts finish within the grace time, calls off the others and settles all of them: an attempt that was called off
// before the message was sent is not counted, one whose answer was still due counts as deferred. A lease that cannot
// be settled any more runs out by itself, or is broken by the next Run with the same owner. Nothing is sent twice by
// stopping, except where the remote's answer was lost (RFC 1047). Run may be called once.
func (s *Scheduler) Run(ctx context.Context) error {
	news, stop := s.Bus.Watch(mail.Topic{Kind: mail.TopicQueue})
	defer stop()
	s.breakOwnLeases(ctx)

	attempts, callOff := context.WithCancelCause(context.WithoutCancel(ctx))
	defer callOff(nil)
	var workers sync.WaitGroup
	for ctx.Err() == nil {
		wait := s.fill(ctx, attempts, &workers)
		select {
		case <-ctx.Done():
		case <-news:
		case <-s.freed:
		case <-s.Clock.After(wait):
		}
	}
	s.drain(attempts, callOff, &workers)
	return nil
}

// fill starts what there is room for, claiming as needed, and tells how long to wait when no news comes.
func (s *Scheduler) fill(ctx, attempts context.Context, workers *sync.WaitGroup) time.Duration {
	for ctx.Err() == nil {
		full := s.start(attempts, workers)
		if full {
			return s.Times.Poll // an attempt that ends wakes us
		}
		if wait := s.untilDue(ctx); wait > 0 {
			return wait // a look costs less than a claim, which is a commit
		}
		jobs, err := s.claim(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Error("queue cannot be claimed", "error", err)
		}
		if len(jobs) == 0 {
			// What is due belongs to a route at its limit. An attempt of ours that ends wakes us; one of another node does not.
			return s.Times.Busy
		}
		s.mu.Lock()
		s.backlog = append(s.backlog, jobs...)
		s.mu.Unlock()
	}
	return 0
}

// start runs jobs of the backlog while there is room, and reports whether there is none left.
func (s *Scheduler) start(attempts context.Context, workers *sync.WaitGroup) (full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.backlog) > 0 && s.running < s.Limits.Concurrency {
		job := s.backlog[0]
		s.backlog[0] = mail.Job{}
		s.backlog = s.backlog[1:]
		s.running++
		workers.Go(func() {
			s.work(attempts, job)
			s.mu.Lock()
			s.running--
			s.mu.Unlock()
			select {
			case s.freed <- struct{}{}:
			default:
			}
		})
	}
	return s.running >= s.Limits.Concurrency
}

func (s *Scheduler) claim(ctx context.Context) ([]mail.Job, error) {
	now := s.Clock.Now()
	receipt, err := s.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.Claim{
		Owner: s.Owner, Now: now, Until: now.Add(s.Times.Lease), Limit: s.Limits.Batch, PerRoute: s.Limits.PerRoute,
	}}})
	if err != nil {
		return nil, err
	}
	return receipt.Results[0].Claimed, nil
}

// untilDue is how long nothing will be due; 0 when something is.
func (s *Scheduler) untilDue(ctx context.Context) time.Duration {
	due, err := s.Queue.NextDue(ctx)
	switch {
	case err != nil:
		if ctx.Err() == nil {
			s.Log.Error("queue cannot be read", "error", err)
		}
		return s.Times.Busy
	case due.IsZero():
		return s.Times.Poll
	}
	return min(max(due.Sub(s.Clock.Now()), 0), s.Times.Poll)
}

// drain ends the run: see Run.
func (s *Scheduler) drain(attempts context.Context, callOff context.CancelCauseFunc, workers *sync.WaitGroup) {
	s.mu.Lock()
	left := s.backlog
	s.backlog = nil
	s.mu.Unlock()
	for _, job := range left {
		s.giveBack(attempts, job)
	}
	done := make(chan struct{})
	go func() {
		workers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-s.Clock.After(s.Times.Grace):
		callOff(errStopping)
		<-done
	}
}

// breakOwnLeases puts back what a former process of this owner had claimed as it died. Each counts as an attempt, since
// how far it came is not known; the first is made again at once, later ones after a part of their usual wait, so that a
// message that brings the process down does not do so in a tight loop.
func (s *Scheduler) breakOwnLeases(ctx context.Context) {
	var after mail.QueueID
	for ctx.Err() == nil {
		page, err := s.Queue.Queued(ctx, mail.QueueFilter{After: after})
		if err != nil && ctx.Err() == nil {
			s.Log.Error("queue cannot be read for leases of a former run; they run out by themselves", "error", err)
		}
		if err != nil {
			return
		}
		if len(page) == 0 {
			return
		}
		for i := range page {
			if s.breakLeases(ctx, &page[i]); ctx.Err() != nil {
				return // told to stop already: the next run breaks the others
			}
		}
		after = page[len(page)-1].ID
	}
}

func (s *Scheduler) breakLeases(ctx context.Context, m *mail.Queued) {
	now := s.Clock.Now()
	broken := map[mail.LeaseID][]mail.Settlement{}
	for _, q := range m.Recipients {
		if q.Lease.ID == 0 || q.Lease.Owner != s.Owner || !q.Lease.Until.After(now) {
			continue
		}
		next := now
		if q.Attempts > 0 {
			next = now.Add(s.rules.backoff.delay(q.Attempts, s.Random) / 5)
		}
		reply := q.Last
		_, waitsForReport := reportStatus(q.Route)
		if !waitsForReport {
			reply = "the server stopped during an attempt; what became of it is not known"
		}
		broken[q.Lease.ID] = append(broken[q.Lease.ID],
			mail.Settlement{N: q.N, Next: next, Reply: reply, Spent: !waitsForReport})
	}
	for lease, results := range broken {
		set := mail.ChangeSet{Changes: []mail.Change{mail.Settle{Queue: m.ID, Lease: lease, Results: results}}}
		_, err := s.Journal.Commit(ctx, set)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !mail.Is(err, mail.Conflict) {
			s.Log.Error("lease of a former run cannot be broken; it runs out by itself", "queue", m.ID, "error", err)
			continue
		}
		s.Log.Warn("lease of a former run broken", "queue", m.ID, "trace", m.Trace, "recipients", len(results))
	}
}

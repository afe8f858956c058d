package queue

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// Scheduler works the queue. Make it with New and run it with Run.
type Scheduler struct {
	Config
	rules   rules
	workers sync.WaitGroup
	woken   chan struct{} // there is reason to look at the store

	mu       sync.Mutex
	lanes    *lanes
	attempts context.Context // of all attempts; nil while the scheduler takes no jobs
	stuck    bool            // what is due belongs to routes of which enough is in hand
	crammed  bool            // there was no room to claim for
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
		woken:  make(chan struct{}, 1),
		lanes:  newLanes(c.Limits),
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
	s.mu.Lock()
	s.attempts = attempts
	s.mu.Unlock()
	if s.Express != nil {
		s.Express.scheduler.Store(s)
	}
	for ctx.Err() == nil {
		wait := s.fill(ctx)
		select {
		case <-ctx.Done():
		case <-news:
			s.pause(ctx)
		case <-s.woken:
		case <-s.Clock.After(wait):
		}
	}
	s.drain(attempts, callOff)
	return nil
}

// pause keeps a flood of mail for routes that are at their limits from causing a look at the store, and a vain claim, for each message:
// news is gathered for a moment then. What is for other routes does not wait, it comes by Express.
func (s *Scheduler) pause(ctx context.Context) {
	s.mu.Lock()
	stuck := s.stuck
	s.mu.Unlock()
	if !stuck {
		return
	}
	select {
	case <-ctx.Done():
	case <-s.woken:
	case <-s.Clock.After(s.Times.Busy / 20):
	}
}

// fill claims what is due while there is room for it, and tells how long to wait when neither news nor an attempt that ends
// gives reason to look earlier.
func (s *Scheduler) fill(ctx context.Context) time.Duration {
	for ctx.Err() == nil {
		perRoute, room := s.room()
		if !room {
			return s.Times.Poll // an attempt that ends wakes us
		}
		if wait := s.untilDue(ctx); wait > 0 {
			return wait // a look costs less than a claim, which is a commit
		}
		claimed, err := s.claim(ctx, perRoute)
		if err != nil {
			if ctx.Err() == nil {
				s.Log.Error("queue cannot be claimed", "error", err)
			}
			return s.Times.Busy
		}
		if claimed == 0 {
			// What is due belongs to routes at their limits. An attempt of ours that ends wakes us; one of another node does not.
			s.setStuck()
			return s.Times.Busy
		}
	}
	return 0
}

// room tells whether more should be claimed, and how much of one route at most.
func (s *Scheduler) room() (perRoute int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stuck = false
	s.crammed = s.lanes.full() || s.lanes.held >= backlogs*s.Limits.Batch
	return s.lanes.ahead(), !s.crammed
}

func (s *Scheduler) setStuck() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stuck = true
}

// start runs what may run. s.mu is held.
func (s *Scheduler) start() {
	for {
		job, ok := s.lanes.next()
		if !ok {
			return
		}
		attempts := s.attempts
		s.workers.Go(func() { s.work(attempts, job) })
	}
}

// tried makes room for others once a job's attempt is over, before its settlement is on disk.
func (s *Scheduler) tried(job *mail.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes.tried(job.Route)
	s.goOn()
}

// settled forgets a job.
func (s *Scheduler) settled(job *mail.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes.settles--
	if s.lanes.drop(job.Route, len(job.Message.Recipients)) && s.stuck {
		s.wake()
	}
	s.goOn()
}

// goOn uses room that became free. s.mu is held.
func (s *Scheduler) goOn() {
	if s.attempts == nil {
		return
	}
	s.start()
	if s.crammed && !s.lanes.full() {
		s.wake()
	}
}

func (s *Scheduler) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// claim leases what is due, begins it, and tells how many recipients that were.
func (s *Scheduler) claim(ctx context.Context, perRoute int) (recipients int, err error) {
	now := s.Clock.Now()
	receipt, err := s.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.Claim{
		Owner: s.Owner, Now: now, Until: now.Add(s.Times.Lease), Limit: s.Limits.Batch, PerRoute: perRoute,
	}}})
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, job := range receipt.Results[0].Claimed {
		n := len(job.Message.Recipients)
		recipients += n
		s.lanes.hold(job.Route, n)
		s.lanes.add(job)
	}
	s.start()
	return recipients, nil
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
	wait := due.Sub(s.Clock.Now())
	if wait > s.longest() {
		if err := s.hurry(ctx); err != nil {
			if ctx.Err() == nil {
				s.Log.Error("queue cannot be hurried after the clock was set back", "error", err)
			}
			return s.Times.Busy
		}
		return min(s.Times.Busy, s.Times.Poll)
	}
	return min(max(wait, 0), s.Times.Poll)
}

// atOnce is how many jobs are given back at once: as many as share a commit well.
const atOnce = 64

// drain ends the run: see Run.
func (s *Scheduler) drain(attempts context.Context, callOff context.CancelCauseFunc) {
	if s.Express != nil {
		s.Express.scheduler.Store(nil)
	}
	s.mu.Lock()
	s.attempts = nil // nothing more begins
	left := s.lanes.rest()
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.giveBackAll(attempts, left)
		s.workers.Wait()
	}()
	select {
	case <-done:
	case <-s.Clock.After(s.Times.Grace):
		callOff(errStopping)
		<-done
	}
}

func (s *Scheduler) giveBackAll(ctx context.Context, jobs []mail.Job) {
	var all sync.WaitGroup
	for part := range min(atOnce, len(jobs)) {
		all.Go(func() {
			for i := part; i < len(jobs); i += atOnce {
				s.giveBack(ctx, jobs[i])
			}
		})
	}
	all.Wait()
}

// breakOwnLeases puts back what a former process of this owner had claimed as it died. Each counts as an attempt, since
// how far it came is not known; the first is made again at once, later ones after a part of their usual wait, so that a
// message that brings the process down does not do so in a tight loop.
func (s *Scheduler) breakOwnLeases(ctx context.Context) {
	for page, err := range s.pages(ctx) {
		if err != nil && ctx.Err() == nil {
			s.Log.Error("queue cannot be read for leases of a former run; they run out by themselves", "error", err)
		}
		if err != nil {
			return
		}
		for i := range page {
			if s.breakLeases(ctx, &page[i]); ctx.Err() != nil {
				return // told to stop already: the next run breaks the others
			}
		}
	}
}

// pages yields the whole queue, page by page. An error ends it.
func (s *Scheduler) pages(ctx context.Context) iter.Seq2[[]mail.Queued, error] {
	return func(yield func([]mail.Queued, error) bool) {
		var after mail.QueueID
		for {
			page, err := s.Queue.Queued(ctx, mail.QueueFilter{After: after})
			if err != nil {
				yield(nil, err)
				return
			}
			if len(page) == 0 {
				return
			}
			after = page[len(page)-1].ID
			if !yield(page, nil) {
				return
			}
		}
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

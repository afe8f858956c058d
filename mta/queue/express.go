package queue

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/postrider/postrider/mail"
)

// Express is a journal for whoever queues mail. It has fresh messages leased to the scheduler of this process by the commit that
// queues them, where it has room for them, and hands them over at once: they cost no Claim and are not waited for. What there is
// no room for takes the common way through the store. Nothing depends on it: a message whose hand-over is lost with the process is
// one whose lease is broken at the next start.
type Express struct {
	Journal   mail.Journal
	scheduler atomic.Pointer[Scheduler] // nil while none runs
}

// Commit implements mail.Journal.
func (e *Express) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	s := e.scheduler.Load()
	if s == nil {
		return e.Journal.Commit(ctx, set)
	}
	leased, promised := s.promise(set)
	if len(promised) == 0 {
		return e.Journal.Commit(ctx, set)
	}
	// Somebody has to take the jobs also when the caller does not wait for the commit to end, so that is not the caller.
	type outcome struct {
		receipt mail.Receipt
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		receipt, err := e.Journal.Commit(context.WithoutCancel(ctx), leased)
		done <- outcome{receipt, err}
		if err != nil {
			s.unpromise(promised)
			return
		}
		for _, i := range promised {
			s.take(receipt.Results[i.change].Claimed)
		}
	}()
	select {
	case o := <-done:
		return o.receipt, o.err
	case <-ctx.Done():
		return mail.Receipt{}, mail.Errorf(mail.Unavailable, "the commit was not waited for: %w", context.Cause(ctx))
	}
}

// promised is room that is kept for a message that is being queued.
type promised struct {
	change int // its place in the set
	counts map[string]int
}

// promise gives a set whose messages are leased as far as there is room for them now.
func (s *Scheduler) promise(set mail.ChangeSet) (leased mail.ChangeSet, kept []promised) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attempts == nil {
		return set, nil
	}
	leased = set
	for i, c := range set.Changes {
		e, ok := c.(mail.Enqueue)
		if !ok {
			continue
		}
		counts := s.countDue(e.Message.Recipients)
		if counts == nil || !s.promiseAll(counts) {
			continue
		}
		if kept == nil {
			leased.Changes = slices.Clone(set.Changes)
		}
		kept = append(kept, promised{i, counts})
		lease := mail.Lease{Owner: s.Owner, Until: s.Clock.Now().Add(s.Times.Lease)}
		e.Message.Recipients = slices.Clone(e.Message.Recipients)
		for r := range e.Message.Recipients {
			e.Message.Recipients[r].Lease = lease
		}
		leased.Changes[i] = e
	}
	return leased, kept
}

// countDue counts a message's recipients by route; nil when one of them is not to be tried now.
func (s *Scheduler) countDue(recipients []mail.QueuedRecipient) map[string]int {
	counts := make(map[string]int, 1)
	now := s.Clock.Now()
	for i := range recipients {
		r := &recipients[i]
		if _, report := reportStatus(r.Route); report || r.Held || r.Next.After(now) || r.Lease != (mail.Lease{}) {
			return nil
		}
		counts[r.Route]++
	}
	return counts
}

// promiseAll keeps room for all of a message, or for none. s.mu is held.
func (s *Scheduler) promiseAll(counts map[string]int) bool {
	var sure []string
	for route, n := range counts {
		if !s.lanes.promise(route, n) {
			for _, r := range sure {
				s.lanes.drop(r, counts[r])
			}
			return false
		}
		sure = append(sure, route)
	}
	return true
}

// unpromise gives room back that was kept for messages that were not queued after all.
func (s *Scheduler) unpromise(kept []promised) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range kept {
		for route, n := range k.counts {
			s.lanes.drop(route, n)
		}
	}
	s.wake()
}

// take takes jobs over that were promised room. A scheduler that is stopping gives them back.
func (s *Scheduler) take(jobs []mail.Job) {
	s.mu.Lock()
	attempts := s.attempts
	if attempts != nil {
		for _, job := range jobs {
			s.lanes.add(job)
		}
		s.start()
	}
	s.mu.Unlock()
	if attempts == nil {
		for _, job := range jobs {
			s.giveBack(context.Background(), job)
		}
	}
}

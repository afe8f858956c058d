package queue

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

// work makes one job's attempt and settles it. ctx is ended only to call the attempt off.
func (s *Scheduler) work(ctx context.Context, job mail.Job) {
	defer s.settled(&job)
	decisions := s.decide(ctx, &job)
	s.tried(&job)
	s.settle(ctx, job, decisions)
}

// decide makes a job's attempt, if it takes one, and the decisions that follow from it.
func (s *Scheduler) decide(ctx context.Context, job *mail.Job) []decision {
	if status, waitsForReport := reportStatus(job.Route); waitsForReport {
		return s.recallAll(job, status)
	}
	// A job may have waited for room; what is left of its lease must do for the attempt and the settlement.
	margin := (s.Times.Lease - s.Times.Attempt) / 2
	left := min(s.Times.Attempt, job.Lease.Until.Sub(s.Clock.Now())-margin)
	if left < s.Times.Attempt/4 {
		return s.untried(job)
	}
	verdicts := s.attempt(ctx, *job, left)
	now := s.Clock.Now()
	decisions := make([]decision, 0, len(job.Message.Recipients))
	for _, q := range job.Message.Recipients {
		v, ok := verdicts[q.N]
		if !ok {
			v = mta.Verdict{N: q.N, Outcome: mail.Deferred, Status: "4.3.0", Reason: "internal error: the attempt came to no verdict"}
		}
		decisions = append(decisions, s.rules.decide(now, &job.Message, q, v))
	}
	return decisions
}

// attempt runs the sender under a deadline. A panic in it ends this attempt alone: one odd message or remote must not
// take the queue down.
func (s *Scheduler) attempt(ctx context.Context, job mail.Job, limit time.Duration) (verdicts map[int]mta.Verdict) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			s.Log.Error("attempt broke", "queue", job.Message.ID, "trace", job.Message.Trace, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	verdicts = make(map[int]mta.Verdict, len(job.Message.Recipients))
	for _, v := range s.Sender.Attempt(ctx, job) {
		if v.Status == "" {
			v.Status = map[mail.Outcome]string{mail.Relayed: "2.0.0", mail.Bounced: "5.0.0"}[v.Outcome]
		}
		verdicts[v.N] = v
	}
	return verdicts
}

// recallAll makes the decisions for recipients that wait for their report alone.
func (s *Scheduler) recallAll(job *mail.Job, status string) []decision {
	decisions := make([]decision, 0, len(job.Message.Recipients))
	for _, q := range job.Message.Recipients {
		decisions = append(decisions, recall(&job.Message, q, status))
	}
	return decisions
}

// giveBack ends a lease under which nothing was done.
func (s *Scheduler) giveBack(ctx context.Context, job mail.Job) {
	s.settle(ctx, job, s.untried(&job))
}

// untried makes the decisions for a job that was not tried.
func (s *Scheduler) untried(job *mail.Job) []decision {
	decisions := make([]decision, 0, len(job.Message.Recipients))
	for _, q := range job.Message.Recipients {
		decisions = append(decisions, s.rules.decide(s.Clock.Now(), &job.Message, q,
			mta.Verdict{N: q.N, Outcome: mail.Deferred, Unspent: true}))
	}
	return decisions
}

// reportStatus tells whether a route is that of recipients which wait for their report alone, and with what status.
func reportStatus(route string) (status string, ok bool) {
	return strings.CutPrefix(route, reportRoute)
}

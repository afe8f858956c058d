package queue

import (
	"context"
	"time"

	"github.com/postrider/postrider/mail"
)

// longest is more than any recipient waits for its next try, or for a lease to run out, unless the clock was set back meanwhile.
func (s *Scheduler) longest() time.Duration {
	return max(time.Duration(float64(s.Backoff.Max)*(1+s.Backoff.Jitter)), s.Times.Lease) + time.Minute
}

// hurry makes due what would otherwise wait as long as the clock was set back. It is called when even the earliest waits longer than any
// may; what is leased is left to its lease.
func (s *Scheduler) hurry(ctx context.Context) error {
	now := s.Clock.Now()
	n := 0
	for page, err := range s.pages(ctx) {
		if err != nil {
			return err
		}
		var set mail.ChangeSet
		for _, m := range page {
			if s.late(now, m.Recipients) {
				set.Add(mail.QueueAct{Queue: m.ID, Act: mail.ActRetry, Now: now})
			}
		}
		n += len(set.Changes)
		if _, err := s.Journal.Commit(ctx, set); err != nil {
			return err
		}
	}
	if n > 0 {
		s.Log.Warn("the clock was set back; what waited is tried now", "messages", n)
	}
	return nil
}

// late tells whether some of a message waits too long and nothing of it is in somebody's hands.
func (s *Scheduler) late(now time.Time, to []mail.QueuedRecipient) bool {
	late := false
	for _, r := range to {
		if r.Lease.ID != 0 {
			return false
		}
		late = late || !r.Held && r.Next.Sub(now) > s.longest()
	}
	return late
}

// Package clock is a mail.Clock that stands still until a test moves it, so that five days of retries pass in milliseconds.
//
// It takes the test's word for what time it is, and hands it to whatever is under test. Invariants: After channels
// fire in the order of their times, those of one time in the order they were asked for; while one fires, Now is its
// time. For tests only.
package clock

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// Clock is a manual clock, safe for concurrent use.
type Clock struct {
	mu      sync.Mutex
	now     time.Time
	waiting []*waiter // by time, then by age
	added   chan struct{}
}

type waiter struct {
	at time.Time
	c  chan time.Time
}

var _ mail.Clock = (*Clock)(nil)

// Start is the time at which New's clock begins.
var Start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// New makes a clock that shows Start.
func New() *Clock { return At(Start) }

// At makes a clock that shows a given time.
func At(now time.Time) *Clock { return &Clock{now: now.UTC(), added: make(chan struct{})} }

// Now implements mail.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After implements mail.Clock. A wait that is already over fires at once.
func (c *Clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &waiter{at: c.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		w.c <- c.now
		return w.c
	}
	i, _ := slices.BinarySearchFunc(c.waiting, w.at, func(o *waiter, at time.Time) int {
		if o.at.After(at) {
			return 1
		}
		return -1 // equal ones were here first
	})
	c.waiting = slices.Insert(c.waiting, i, w)
	close(c.added)
	c.added = make(chan struct{})
	return w.c
}

// Advance moves the time on and fires what became due. A receiver that asks for another wait while Advance runs is
// too late for it: use Step to walk from wait to wait.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to(c.now.Add(d))
}

// Step moves the time to the next wait and fires all waits of that time. It reports false, and moves nothing, when
// nobody waits.
func (c *Clock) Step() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		return false
	}
	c.to(c.waiting[0].at)
	return true
}

func (c *Clock) to(end time.Time) {
	for len(c.waiting) > 0 && !c.waiting[0].at.After(end) {
		w := c.waiting[0]
		c.waiting = slices.Delete(c.waiting, 0, 1)
		c.now = w.at
		w.c <- w.at
	}
	c.now = end
}

// Waiters tells how many After channels have not fired. A wait that its owner gave up still counts.
func (c *Clock) Waiters() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// Await returns once at least n waits are open, and fails the test when that does not happen within ten seconds.
func (c *Clock) Await(t testing.TB, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		c.mu.Lock()
		have, added := len(c.waiting), c.added
		c.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-added:
		case <-ctx.Done():
			t.Fatalf("clock: %d waits are open after ten seconds, not %d", have, n)
		}
	}
}

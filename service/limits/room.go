package limits

import (
	"context"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// Bounds of waiting.
const (
	maxWait       = 5 * time.Second // of one answer
	roomForAll    = 256             // who wait at once
	roomForOne    = 16              // of them, those who wait for one account
	firstWait     = 250 * time.Millisecond
	freeFailures  = 3 // typing errors
	waitUnlimited = 0 // a key that roomForOne does not apply to
)

// slow is how long an answer waits after n failures: not at all for the first few, then longer with each, up to maxWait.
func slow(n int) time.Duration {
	if n <= freeFailures {
		return 0
	}
	return min(firstWait<<min(n-freeFailures-1, 10), maxWait)
}

// room is where those who are slowed down wait: in the connections' own goroutines, a bounded number at once.
type room struct {
	clock mail.Clock
	mu    sync.Mutex
	all   int
	of    map[uint64]int
}

// wait waits. It reports false, at once, when the room is full; an error when ctx ended first.
func (r *room) wait(ctx context.Context, key uint64, d time.Duration) (bool, error) {
	if d <= 0 {
		return true, nil
	}
	if !r.enter(key) {
		return false, nil
	}
	defer r.leave(key)
	select {
	case <-r.clock.After(d):
		return true, nil
	case <-ctx.Done():
		return true, &mail.Error{Kind: mail.Unavailable, Enhanced: "4.7.0", Text: "the login took too long; try again", Err: ctx.Err()}
	}
}

func (r *room) enter(key uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= roomForAll || key != waitUnlimited && r.of[key] >= roomForOne {
		return false
	}
	r.all++
	if key != waitUnlimited {
		r.of[key]++
	}
	return true
}

func (r *room) leave(key uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if key == waitUnlimited {
		return
	}
	if r.of[key]--; r.of[key] == 0 {
		delete(r.of, key)
	}
}

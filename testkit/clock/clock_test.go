package clock_test

import (
	"testing"
	"time"

	"github.com/postrider/postrider/testkit/clock"
)

func due(c <-chan time.Time) (time.Time, bool) {
	select {
	case at := <-c:
		return at, true
	default:
		return time.Time{}, false
	}
}

func TestAdvanceFiresWhatIsDue(t *testing.T) {
	t.Parallel()
	c := clock.New()
	late, early, now := c.After(2*time.Hour), c.After(time.Hour), c.After(0)
	if at, ok := due(now); !ok || !at.Equal(clock.Start) {
		t.Errorf("a wait of nothing: %v, %v", at, ok)
	}
	c.Advance(time.Hour - 1)
	if _, ok := due(early); ok || c.Waiters() != 2 {
		t.Error("a wait fired too early")
	}
	c.Advance(1)
	if at, ok := due(early); !ok || !at.Equal(clock.Start.Add(time.Hour)) {
		t.Errorf("a due wait: %v, %v", at, ok)
	}
	if _, ok := due(late); ok {
		t.Error("the later wait fired with the earlier")
	}
	if !c.Step() || !c.Now().Equal(clock.Start.Add(2*time.Hour)) || c.Step() {
		t.Errorf("Step led to %v", c.Now())
	}
	if _, ok := due(late); !ok {
		t.Error("Step did not fire the wait it went to")
	}
}

func TestFiveDaysOfRetries(t *testing.T) {
	t.Parallel()
	c := clock.New()
	done := make(chan int)
	go func() {
		n := 0
		for c.Now().Before(clock.Start.Add(5 * 24 * time.Hour)) {
			<-c.After(time.Hour)
			n++
		}
		done <- n
	}()
	for range 5 * 24 {
		c.Await(t, 1)
		c.Step()
	}
	if n := <-done; n != 5*24 {
		t.Errorf("%d retries in five days, want %d", n, 5*24)
	}
}

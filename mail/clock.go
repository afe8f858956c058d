package mail

import "time"

// Clock is where roles take time from, so that five days of retries can pass in a test's milliseconds.
type Clock interface {
	Now() time.Time
	// After gives a channel that receives once d has passed.
	After(d time.Duration) <-chan time.Time
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now is the present, in UTC.
func (SystemClock) Now() time.Time { return time.Now().UTC() }

// After waits on the machine's clock.
func (SystemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

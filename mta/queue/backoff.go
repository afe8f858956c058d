package queue

import (
	"math/rand/v2"
	"time"
)

// Backoff is the retry schedule: First after the first attempt, twice as long after each further one, at most Max,
// each spread by Jitter so that messages that failed together do not come back together. The zero value of a field
// stands for its default: 5 minutes, 4 hours, 0.2. RFC 5321 4.5.4.1
type Backoff struct {
	First  time.Duration
	Max    time.Duration
	Jitter float64 // the share of the delay it may be longer or shorter by; negative for none
}

func (b Backoff) withDefaults() Backoff {
	if b.First <= 0 {
		b.First = 5 * time.Minute
	}
	if b.Max <= 0 {
		b.Max = 4 * time.Hour
	}
	b.Max = max(b.Max, b.First)
	if b.Jitter == 0 {
		b.Jitter = 0.2
	}
	b.Jitter = min(max(b.Jitter, 0), 1)
	return b
}

// delay is the wait after so many attempts. random gives a number in [0, 1).
func (b Backoff) delay(attempts int, random func() float64) time.Duration {
	d := b.First
	for i := 1; i < attempts && d < b.Max; i++ {
		d *= 2
	}
	d = min(d, b.Max)
	spread := 1 + b.Jitter*(2*random()-1)
	return max(time.Duration(float64(d)*spread), time.Second)
}

// defaultRandom needs no seed and may be called by many at once.
func defaultRandom() float64 { return rand.Float64() }

package limits

import (
	"sync"
	"time"
)

// tallySample is how many entries an eviction looks at.
const tallySample = 8

// tally counts events per key within a window that begins with a key's first event. It keeps at most so many keys; when there are
// more, one of the least of a random few is forgotten, so that whoever has done much is remembered while others flood the table
// with little: forgetting it would take a table full of those who have done as much.
type tally struct {
	most   int
	window time.Duration

	mu sync.Mutex
	of map[uint64]count
}

type count struct {
	n     int
	since time.Time
}

func newTally(most int, window time.Duration) *tally {
	return &tally{most: most, window: window, of: map[uint64]count{}}
}

// get tells the key's count.
func (t *tally) get(key uint64, now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current(key, now).n
}

// add counts one more and tells how many there are.
func (t *tally) add(key uint64, now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.current(key, now)
	if c.n == 0 {
		c.since = now
		if len(t.of) >= t.most {
			t.evict(now)
		}
	}
	c.n++
	t.of[key] = c
	return c.n
}

// forget drops a key.
func (t *tally) forget(key uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, key)
}

// current is the key's entry, or an empty one when there is none or its window is over.
func (t *tally) current(key uint64, now time.Time) count {
	c, ok := t.of[key]
	if ok && now.Sub(c.since) >= t.window {
		delete(t.of, key)
		return count{}
	}
	return c
}

// evict makes room for one key.
func (t *tally) evict(now time.Time) {
	var victim uint64
	var least count
	seen, freed := 0, false
	for k, c := range t.of { // a random few: each range begins elsewhere
		switch {
		case now.Sub(c.since) >= t.window:
			delete(t.of, k)
			freed = true
		case seen == 0 || c.n < least.n || c.n == least.n && c.since.Before(least.since):
			victim, least = k, c
		}
		if seen++; seen == tallySample {
			break
		}
	}
	if !freed {
		delete(t.of, victim)
	}
}

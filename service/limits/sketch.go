package limits

import (
	"hash/maphash"
	"sync"
	"time"
)

// A sketch has rows of cells; a key has one cell in each row.
const (
	sketchRows = 4
	sketchBits = 14 // of a row's index; all rows' indices come from one hash of 64 bits
	sketchRow  = 1 << sketchBits
)

// sketch holds a token bucket for every key there is, in memory of a fixed size (512 KiB). A cell says until when its tokens are
// spent (the "theoretical arrival time" of the generic cell rate algorithm); a key's bucket is the least of its cells, as in a
// count-min sketch with conservative update. So nothing is ever evicted: a flood of other keys can make a key look busier than it
// is, where they meet in all rows, but never forgotten. To spend the cells of everybody, a flood would have to be some ten thousand
// times what one key may do. Which keys meet is a secret of the process.
type sketch struct {
	seed  maphash.Seed
	start time.Time
	every time.Duration // one token comes
	burst time.Duration // the bucket, in time: tokens * every

	mu    sync.Mutex
	until [sketchRows][sketchRow]time.Duration // since start
}

// newSketch allows most in per, all at once if need be.
func newSketch(most int, per time.Duration, start time.Time) *sketch {
	every := max(per/time.Duration(most), 1)
	return &sketch{seed: maphash.MakeSeed(), start: start, every: every, burst: every * time.Duration(most)}
}

// take spends one of the key's tokens. Without one it spends nothing and tells when there will be one.
func (s *sketch) take(key []byte, now time.Time) (wait time.Duration) {
	h := maphash.Bytes(s.seed, key)
	at := now.Sub(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	var cells [sketchRows]*time.Duration
	until := time.Duration(1<<63 - 1)
	for i := range cells {
		cells[i] = &s.until[i][h>>(i*sketchBits)&(sketchRow-1)]
		until = min(until, *cells[i])
	}
	until = max(until, at) + s.every
	if over := until - at - s.burst; over > 0 {
		return over
	}
	for _, c := range cells {
		*c = max(*c, until)
	}
	return 0
}

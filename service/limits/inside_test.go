package limits

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func key(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// TestSketchIsABucket compares the sketch with a bucket for each key: with few keys they agree.
func TestSketchIsABucket(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 10).Draw(t, "most")
		s := newSketch(most, time.Minute, epoch)
		now, spent := epoch, map[int]time.Time{}
		for range rapid.IntRange(1, 100).Draw(t, "acts") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "ms")) * time.Millisecond)
			k := rapid.IntRange(0, 5).Draw(t, "key")
			until := spent[k]
			if until.Before(now) {
				until = now
			}
			until = until.Add(s.every)
			want := max(0, until.Sub(now)-s.burst)
			if got := s.take(key(k), now); got != want {
				t.Fatalf("key %d waits %v, want %v", k, got, want)
			}
			if want == 0 {
				spent[k] = until
			}
		}
	})
}

// TestSketchForgetsNobody floods the sketch: who has spent theirs stays so, and a newcomer still has a full bucket.
func TestSketchForgetsNobody(t *testing.T) {
	t.Parallel()
	const most = 300
	s := newSketch(most, time.Minute, epoch)
	for s.take(key(0), epoch) == 0 { //nolint:revive // until it is spent
	}
	for i := range 300_000 { // within one moment, each from a network of its own
		s.take(key(1+i), epoch)
		if i%10_000 == 0 && s.take(key(0), epoch) == 0 {
			t.Fatalf("after %d others the flooder has tokens again", i)
		}
	}
	for i := range 100 {
		for n := range most / 2 {
			if s.take(key(-1-i), epoch) != 0 {
				t.Fatalf("newcomer %d is refused after %d", i, n)
			}
		}
	}
}

// TestTallyIsBounded floods a full table: it does not grow, and whoever has done much is not forgotten.
func TestTallyIsBounded(t *testing.T) {
	t.Parallel()
	s := newTally(1000, time.Minute)
	for range 5 {
		s.add(1, epoch)
	}
	for i := range uint64(200_000) {
		s.add(1000+i, epoch.Add(time.Second))
		if len(s.of) > 1000 {
			t.Fatalf("the table holds %d", len(s.of))
		}
	}
	if n := s.get(1, epoch.Add(time.Second)); n != 5 {
		t.Errorf("of the flooder's 5 events %d are remembered", n)
	}
	if n := s.get(1, epoch.Add(time.Minute)); n != 0 {
		t.Errorf("after the window %d events count", n)
	}
	if n := s.add(1, epoch.Add(time.Minute)); n != 1 {
		t.Errorf("the next window begins with %d", n)
	}
	s.add(2, epoch.Add(time.Hour)) // room is made of what is over
	if len(s.of) > 1000 {
		t.Errorf("the table holds %d", len(s.of))
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{0: 0, 3: 0, 4: 250 * time.Millisecond, 5: 500 * time.Millisecond, 8: 4 * time.Second, 9: maxWait, 1 << 30: maxWait} {
		if got := slow(n); got != want {
			t.Errorf("after %d failures %v, want %v", n, got, want)
		}
	}
}

func TestBanTime(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{0: time.Hour, 1: time.Hour, 2: 2 * time.Hour, 4: 8 * time.Hour, 8: 128 * time.Hour, 9: longestBan, 1 << 30: longestBan} {
		if got := banTime(time.Hour, n); got != want {
			t.Errorf("ban %d lasts %v, want %v", n, got, want)
		}
	}
	if got := banTime(30*24*time.Hour, 3); got != 30*24*time.Hour {
		t.Errorf("a first ban of 30 days becomes %v", got)
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{0: "1 second", time.Millisecond: "1 second", 90 * time.Second: "90 seconds", 121 * time.Second: "3 minutes",
		15 * time.Minute: "15 minutes", 3*time.Hour - 1: "3 hours", 48 * time.Hour: "48 hours", 49 * time.Hour: "3 days"} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

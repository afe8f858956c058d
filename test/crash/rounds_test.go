package crash

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/postrider/postrider/test/lab"
	"github.com/postrider/postrider/testkit/faultfs"
)

// seed is CRASH_SEED, or a new one.
func seed(t testing.TB) uint64 {
	t.Helper()
	if text := os.Getenv("CRASH_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("CRASH_SEED is %q; it must be a number", text)
		}
		return n
	}
	return uint64(time.Now().UnixNano()) & 0x7fffffff
}

// round is one life of the server and its end: at a random moment, or at a step of a commit.
func (w *town) round(power bool) {
	w.t.Helper()
	var s *script
	if w.rng.IntN(2) == 0 {
		s = &script{step: steps[w.rng.IntN(len(steps))], nth: 1 + w.rng.IntN(60)}
	}
	w.restart(s)
	w.begin()
	if s == nil {
		wait(time.Duration(20+w.rng.IntN(400)) * time.Millisecond)
	} else {
		lab.Within(w.t, lab.Patience, fmt.Sprintf("step %s is passed %d times", s.step, s.nth), func() (bool, string) {
			return w.t.Failed() || w.h.ended(50*time.Millisecond), ""
		})
	}
	w.faults++
	var l faultfs.Loss
	if power {
		w.disk.Cut()
	}
	w.h.strike()
	if power {
		var err error
		if l, err = w.mount.PowerLoss(w.rng.Uint64()); err != nil {
			w.t.Fatal(err)
		}
	}
	w.h.reap()
	w.group.Wait()
	if os.Getenv("CRASH_TELL") != "" {
		w.t.Logf("fault %d: %+v, power loss %v %v", w.faults, s, power, l)
	}
	if power || w.faults%5 == 0 {
		w.h.verify() // what a fault leaves must be sound before anybody repairs it
	}
}

// Servers killed at random moments and at every step of a commit: what was acknowledged is there, once and whole, with its UID and
// flags; what was expunged stays away. RFC 5321 4.2.5, RFC 9051 2.3.1.1, RFC 7162 3.1.
func TestMailboxKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills servers; left out by -short")
	}
	t.Parallel()
	w := newTown(t, seed(t), 2, nil)
	for range setting(t, "CRASH_KILLS", 8) {
		w.round(false)
	}
	w.restart(nil)
	w.finish("SIGKILL")
}

// The same with power losses, on a disk that keeps of what was not synced whatever the seed says.
func TestPowerLoss(t *testing.T) {
	if testing.Short() {
		t.Skip("kills servers; left out by -short")
	}
	total := setting(t, "CRASH_POWER", 8)
	for i, lenient := range []bool{false, true} {
		rounds := total - total/4
		if lenient {
			rounds = total / 4
		}
		t.Run(fmt.Sprintf("lenient=%v", lenient), func(t *testing.T) {
			t.Parallel()
			if rounds == 0 {
				t.Skip("too few losses are asked for")
			}
			w := newTown(t, seed(t)+uint64(i), 2, faultfs.New(faultfs.Options{Lenient: lenient, Sector: []int{512, 4096}[i]}))
			for range rounds {
				w.round(true)
			}
			w.restart(nil)
			w.finish("power loss")
		})
	}
}

package lab

import (
	"testing"
	"time"
)

// Patience is how long a suite waits for what should take milliseconds, on a slow and busy machine.
const Patience = 30 * time.Second

// Within asks again and again until done says yes; at the end of the time the test fails with what done
// last said in the way.
func Within(t testing.TB, limit time.Duration, what string, done func() (ok bool, state string)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, state := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s: %s", limit, what, state)
		}
		<-tick.C
	}
}

package crash

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/postrider/postrider/testkit/faultfs"
)

// Power losses in the first moments of an installation: whatever was there, the server starts again, and an account that was
// acknowledged is there. CRASH_POWER sets how often.
func TestInstallation(t *testing.T) {
	if testing.Short() {
		t.Skip("kills servers; left out by -short")
	}
	t.Parallel()
	seed := seed(t)
	rng := rand.New(rand.NewPCG(seed, 3))
	rounds, accounts := max(3, setting(t, "CRASH_POWER", 3)/4), 0
	sink := startSink(t)
	for n := range rounds {
		disk := faultfs.New(faultfs.Options{Lenient: n%3 == 2})
		m := faultfs.MountFor(t, disk)
		h := newHost(t, m.Dir+"/var/lib/data", sink.addr) // the directories above it are new too
		var acknowledged []string
		for range 2 { // the second time on what the first has left
			h.launch(nil)
			if rng.IntN(2) == 0 {
				wait(time.Duration(rng.IntN(150)) * time.Millisecond)
			} else {
				if err := h.await(); err != nil {
					t.Fatalf("round %d: %v; CRASH_SEED=%d repeats the choices", n, err, seed)
				}
				user := fmt.Sprintf("user%d@one.example", len(acknowledged))
				h.cli(password+"\n", "account", "add", user, "--password-stdin", "--create-domain")
				acknowledged = append(acknowledged, user)
			}
			disk.Cut()
			h.strike()
			if _, err := m.PowerLoss(rng.Uint64()); err != nil {
				t.Fatal(err)
			}
			h.reap()
		}
		h.mustStart(nil)
		for _, user := range acknowledged {
			c, err := dialIMAP(h.addr("imap"), user, password)
			if err != nil {
				t.Fatalf("round %d: %s was acknowledged: %v; CRASH_SEED=%d repeats the choices", n, user, err, seed)
			}
			c.conn.Close()
			accounts++
		}
		h.stop()
		h.verify()
	}
	t.Logf("installation: seed %d, %d power losses; %d accounts acknowledged, lost 0", seed, 2*rounds, accounts)
}

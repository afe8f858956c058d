// Package crash kills Postrider and looks whether it kept its promises.
//
// Two servers, one.example and two.example, exchange mail while a driver hands in messages on both: by submission, from strangers
// on port 25, and by IMAP APPEND. A journal notes what each of them was told. Again and again one of the two is killed without
// warning and started anew. In the end, when the queues have drained, every message that was acknowledged is there, once, whole and
// for all of its recipients; none that was refused is there; and one whose answer was lost is there for all of its recipients
// or for none.
//
// SMTP itself allows one duplicate: when a server dies between taking a message and the other's noting of its answer (RFC 1047).
// Such duplicates are counted, and each must have a kill at its time.
//
// A town (town_test.go) is one server with owners: clients that each drive mailboxes nobody else touches, by SMTP, submission,
// IMAP and POP3, so that their journals say exactly what must be there, up to the one deed that was under way when the fault came. After
// each fault the server starts again, `postrider verify` must find no damage, and every owner compares: octets, flags, UIDs, UIDNEXT,
// UIDVALIDITY, modseqs; nothing acknowledged is gone, nothing expunged is back. The faults: SIGKILL at random and at each step of a commit;
// power losses on a disk of testkit/faultfs, in the first moments of an installation too; a failure at every call that the server
// makes of its disk; a slow and a full disk; clock jumps; no file descriptors; little memory.
//
// CRASH_SEED repeats a run's choices. CRASH_KILLS, CRASH_POWER and CRASH_CALLS (a number, or "all") say how much is done; CRASH_CALL
// repeats one failing call by its name; CRASH_TELL=1 tells of every fault.
package crash

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/postrider/postrider/test/lab"
)

// setting reads a number from the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q; it must be a number greater than 0", name, text)
	}
	return n
}

const password = "correct-horse-battery"

// site is one of the two servers with its people.
type site struct {
	server *lab.Server
	domain string
	users  []string
	other  *site
}

// twoSites starts the two servers, each the mail host of its domain for the other.
func twoSites(t *testing.T) []*site {
	t.Helper()
	ca := lab.NewCA(t)
	var sites []*site
	for _, domain := range []string{"one.example", "two.example"} {
		s := &site{domain: domain, users: []string{"ann@" + domain, "bob@" + domain}}
		s.server = lab.New(t, ca, lab.Spec{Hostname: "mx." + domain, NoTLSLogin: true, Quick: true})
		sites = append(sites, s)
	}
	for i, s := range sites {
		s.other = sites[1-i]
		s.server.Spec.MX = map[string]lab.Exchange{s.other.domain: s.other.server.Exchange()}
	}
	for _, s := range sites {
		s.server.Expect("lease of a former run broken") // that is what a restart finds
		s.server.Start()
		for _, u := range s.users {
			s.server.AddAccount(u, password)
		}
	}
	return sites
}

// TestKill is the whole suite. CRASH_KILLS says how often a server is killed, CRASH_SEED repeats a run's choices.
// RFC 5321 4.2.5, RFC 5321 6.1, RFC 1047.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills servers; left out by -short")
	}
	t.Parallel()
	kills := setting(t, "CRASH_KILLS", 8)
	seed := setting(t, "CRASH_SEED", int(time.Now().UnixNano()&0x7fffffff))
	t.Logf("CRASH_SEED=%d CRASH_KILLS=%d", seed, kills)
	rng := rand.New(rand.NewPCG(uint64(seed), 0))

	sites := twoSites(t)
	j := newJournal()
	began, starting := time.Now(), time.Duration(0)
	d := startDrivers(t, sites, j, uint64(seed))
	for n := range kills {
		wait(time.Duration(50+rng.IntN(600)) * time.Millisecond)
		s := sites[rng.IntN(2)].server
		switch {
		case n%6 == 5:
			s.Stop() // the polite way, which finishes what it began and so gives no reason for a duplicate
		default:
			s.Kill()
			j.killed(time.Now())
		}
		if n%5 == 4 {
			s.Verify() // what a crash leaves must be sound before anybody repairs it
		}
		before := time.Now()
		s.Start()
		starting += time.Since(before)
	}
	wait(300 * time.Millisecond)
	d.stop()
	drained := time.Now()
	for _, s := range sites {
		drain(t, s)
	}
	t.Logf("kills took %s, of it %s until a server was ready again; then the queues drained in %s",
		drained.Sub(began).Round(time.Millisecond), starting.Round(time.Millisecond), time.Since(drained).Round(time.Millisecond))
	j.check(t, sites)
}

// wait lets the servers work for a while; what is waited for is the middle of something, which nobody announces.
func wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// drain waits until a server's queue is empty.
func drain(t *testing.T, s *site) {
	t.Helper()
	lab.Within(t, 4*lab.Patience, "the queue of "+s.domain+" drains", func() (bool, string) {
		return s.server.QueueLength() == 0, s.server.CLI("", "queue", "list")
	})
}

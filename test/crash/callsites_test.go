package crash

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/postrider/postrider/test/lab"
	"github.com/postrider/postrider/testkit/faultfs"
)

// callSite is a call of the scripted session, named so that it is found again: the n-th of its sort on its file.
type callSite struct {
	faultfs.Call
	nth int
	err syscall.Errno
	// ever: it and all after it fail, until the restart.
	ever bool
	// short: a write that takes some octets before it fails.
	short bool
}

// String names it in failures.
func (c callSite) String() string {
	s := fmt.Sprintf("%s %s #%d: %v", c.Op, c.Path, c.nth, c.err)
	if c.ever {
		s += " from then on"
	}
	if c.short {
		s += ", after a part"
	}
	return s
}

func (c callSite) rule() faultfs.Rule {
	r := faultfs.Rule{Op: c.Op, Path: c.Path, Nth: c.nth, Err: c.err, Ever: c.ever}
	if c.short {
		r.Short = 100
	}
	return r
}

// errnos are what can befall a call.
func errnos(op faultfs.Op) []syscall.Errno {
	switch op {
	case faultfs.Write:
		return []syscall.Errno{syscall.ENOSPC, syscall.EIO}
	case faultfs.Create, faultfs.Open, faultfs.List:
		return []syscall.Errno{syscall.EMFILE, syscall.EIO}
	case faultfs.Mkdir, faultfs.Rename, faultfs.Truncate, faultfs.Fallocate:
		return []syscall.Errno{syscall.ENOSPC, syscall.EIO}
	}
	return []syscall.Errno{syscall.EIO}
}

// callSites turns what was recorded into every way it can fail.
func callSites(calls []faultfs.Call) (list []callSite) {
	seen := map[faultfs.Call]int{}
	for _, c := range calls {
		if strings.HasSuffix(c.Path, "-shm") && c.Op != faultfs.Create && c.Op != faultfs.Open {
			continue // the kernel's own writing of mapped memory, at moments of its own
		}
		seen[c]++
		for _, err := range errnos(c.Op) {
			list = append(list, callSite{Call: c, nth: seen[c], err: err})
			if err == syscall.ENOSPC || c.Op == faultfs.Fsync || c.Op == faultfs.Fdatasync {
				list = append(list, callSite{Call: c, nth: seen[c], err: err, ever: true})
			}
			if c.Op == faultfs.Write {
				list = append(list, callSite{Call: c, nth: seen[c], err: err, short: true})
			}
		}
	}
	return list
}

// bench is the lab of call sites: one disk with an installation, which each try gets a copy of.
type bench struct {
	t    *testing.T
	seed uint64
	disk *faultfs.Disk
	town *town
	hits map[faultfs.Op]int

	tries, deeds, letters, refusals, unanswered, happened, ended, refusedStart, missed, twice int
}

// deedsPerTry is how long a scripted session is.
const deedsPerTry = 14

// try has one scripted session on a disk where something fails, or nothing, then restarts and compares.
func (b *bench) try(rule *faultfs.Rule, power bool, name string) []faultfs.Call {
	t := b.t
	t.Helper()
	disk := b.disk.Copy()
	dir := lab.Dir(t)
	defer os.Remove(dir) // now, not when the test ends: there are many
	m, err := faultfs.Mount(disk, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Unmount()
	w := b.town
	w.mount, w.disk = m, disk
	w.h.relocate(m.Dir + "/data")
	var owners []*owner
	for i, o := range w.owners { // both start from the installation
		c := newOwner(t, w.h, o.user, rand.New(rand.NewPCG(b.seed, uint64(i))))
		c.inbox, c.tolerant = o.inbox, rule != nil
		for _, x := range o.boxes {
			c.boxes = append(c.boxes, x.clone())
		}
		owners = append(owners, c)
	}
	w.sink.reset() // the scripted session has the same messages each time
	w.sink.life.Add(1)
	disk.Record()
	var fault *faultfs.Fault
	if rule != nil {
		fault = disk.Fail(*rule)
	}
	if err := w.h.start(nil); err != nil {
		if rule == nil {
			t.Fatal(err)
		}
		b.refusedStart++
	} else {
		for i, n := range []int{deedsPerTry, 3} {
			if w.h.process != nil && w.h.up(lab.IMAP) {
				owners[i].steps(n)
			}
		}
		w.h.process.Signal(syscall.SIGTERM)
		if err := w.h.reap(); err != nil {
			b.ended++
		}
	}
	calls := disk.Calls()
	if fault != nil {
		if fault.Hits() == 0 {
			b.missed++
		} else {
			b.hits[rule.Op]++
		}
		fault.End()
	}
	if power {
		if _, err := m.PowerLoss(w.rng.Uint64()); err != nil {
			t.Fatal(err)
		}
	}
	w.sink.life.Add(1)
	if err := w.h.start(nil); err != nil {
		t.Fatalf("%s: it does not start again once the disk is sound: %v", name, err)
	}
	for _, o := range owners {
		o.tolerant = false
		if err := o.check(); err != nil {
			t.Error(err)
		}
		if !o.steps(2) {
			t.Errorf("%s: it does not work again once the disk is sound", name)
		}
		if err := o.check(); err != nil {
			t.Error(err)
		}
		b.letters, b.deeds, b.unanswered = b.letters+o.letters, b.deeds+o.deeds, b.unanswered+o.unanswered
		b.refusals, b.happened = b.refusals+o.refusals, b.happened+o.happened
	}
	b.sent(name, owners)
	w.h.stop()
	w.h.verify()
	b.tries++
	if t.Failed() {
		t.Fatalf("%s, power loss after it %v: broke a promise; CRASH_SEED=%d CRASH_CALL=%q repeats it", name, power, b.seed, name)
	}
	return calls
}

// sent wants what was to go to another host to have gone there.
func (b *bench) sent(name string, owners []*owner) {
	b.t.Helper()
	var ids []string
	for _, o := range owners {
		ids = append(ids, o.relayed...)
	}
	lab.Within(b.t, lab.Patience, name+": the queue drains", func() (bool, string) {
		missing := b.town.sink.missing(ids)
		return len(missing) == 0, fmt.Sprint(missing)
	})
	if list := b.town.sink.strangers(ids); len(list) > 0 {
		b.t.Errorf("%s: messages were sent out though they were not taken: %v", name, list)
	}
	b.twice += b.town.sink.duplicates(b.t)
}

// spread puts a list in an order where each sort of call comes early.
func spread(sites []callSite, rng *rand.Rand) (out []callSite) {
	rng.Shuffle(len(sites), func(i, j int) { sites[i], sites[j] = sites[j], sites[i] })
	sorts := map[faultfs.Op][]callSite{}
	for _, c := range sites {
		sorts[c.Op] = append(sorts[c.Op], c)
	}
	names := slices.Sorted(maps.Keys(sorts))
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for len(out) < len(sites) {
		for _, op := range names {
			if len(sorts[op]) > 0 {
				out = append(out, sorts[op][0])
				sorts[op] = sorts[op][1:]
			}
		}
	}
	return out
}

// ENOSPC, EIO and failed syncs at every call that the server makes of its disk, one after the other: it never acknowledges what it
// then loses, answers with a trouble that passes or ends, and after a restart on a sound disk everything that was acknowledged is
// there. CRASH_CALLS is how many of the calls are tried; without it a few, "all" is all. RFC 5321 4.2.5, RFC 3463 3.4.
func TestCallSites(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many servers; left out by -short")
	}
	t.Parallel()
	b := &bench{t: t, seed: seed(t), disk: faultfs.New(faultfs.Options{}), hits: map[faultfs.Op]int{}}
	b.town = newTown(t, b.seed, 1, b.disk)
	b.town.h.ailing = true
	b.disk.Sync()

	sites := callSites(b.try(nil, false, "no fault"))
	all := len(sites)
	switch text := os.Getenv("CRASH_CALLS"); text {
	case "all":
	default:
		n := setting(t, "CRASH_CALLS", 5)
		sites = spread(sites, b.town.rng)[:min(all, n)]
	}
	if only := os.Getenv("CRASH_CALL"); only != "" {
		sites = slices.DeleteFunc(callSites(b.try(nil, false, "no fault")), func(c callSite) bool { return c.String() != only })
	}
	for i, c := range sites {
		rule := c.rule()
		b.try(&rule, i%2 == 0, c.String())
	}
	t.Logf("call sites: seed %d, %d of %d ways to fail tried, %d struck %v, %d not reached; %d times it refused to start, %d times it ended with an error; "+
		"%d messages and %d operations acknowledged, %d refused, %d unanswered of which %d had happened, %d sent out twice; lost 0",
		b.seed, b.tries-1, all, total(b.hits), b.hits, b.missed, b.refusedStart, b.ended, b.letters, b.deeds, b.refusals, b.unanswered, b.happened, b.twice)
	if len(sites) > 0 && os.Getenv("CRASH_CALL") == "" && total(b.hits) == 0 {
		t.Error("no fault struck; the suite shows nothing")
	}
}

func total[K cmp.Ordered](m map[K]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

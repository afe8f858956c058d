package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/test/lab"
	"github.com/postrider/postrider/testkit/faultfs"
)

// town is a host, the owners of its mailboxes, and the other host that its mail goes to.
type town struct {
	t      testing.TB
	seed   uint64
	rng    *rand.Rand
	h      *host
	disk   *faultfs.Disk // nil: a directory of this machine
	mount  *faultfs.Mounted
	sink   *sink
	owners []*owner

	began    time.Time
	faults   int
	starting time.Duration
	cancel   context.CancelFunc
	group    sync.WaitGroup
}

// newTown makes a town of so many accounts, each with two owners, and starts its server once to make them.
func newTown(t testing.TB, seed uint64, accounts int, disk *faultfs.Disk) *town {
	t.Helper()
	w := &town{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), disk: disk, sink: startSink(t), began: time.Now(), cancel: func() {}}
	data := ""
	if disk != nil {
		w.mount = faultfs.MountFor(t, disk)
		data = w.mount.Dir + "/data"
	}
	w.h = newHost(t, data, w.sink.addr)
	t.Cleanup(func() { w.cancel(); w.h.strike(); w.group.Wait() })
	w.h.expect("lease of a former run broken")
	w.h.mustStart(nil)
	for i := range accounts {
		user := fmt.Sprintf("user%d@one.example", i)
		w.h.cli(password+"\n", "account", "add", user, "--password-stdin", "--create-domain")
		for k, names := range [][]string{{"INBOX", "Archive"}, {"Work", "Notes"}} {
			o := newOwner(t, w.h, user, rand.New(rand.NewPCG(seed, uint64(100+10*i+k))), names...)
			w.owners = append(w.owners, o)
		}
	}
	for _, o := range w.owners {
		if err := o.connect(); err != nil {
			t.Fatal(err)
		}
		for _, b := range o.boxes {
			if b.name == "Work" || b.name == "Notes" {
				if _, _, err := o.imap.do("CREATE "+b.name, ""); err != nil {
					t.Fatal(err)
				}
			}
			if err := o.read(b); err != nil {
				t.Fatal(err)
			}
		}
		o.hangUp()
	}
	w.h.stop()
	if disk != nil {
		disk.Sync() // TestInstallation is about what came before
	}
	return w
}

// begin sets all owners to work.
func (w *town) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	for _, o := range w.owners {
		w.group.Go(func() { o.work(ctx) })
	}
}

// rest waits until the owners have ended: by themselves, when the server is gone, or after what each is at.
func (w *town) rest() {
	w.cancel()
	w.group.Wait()
}

// restart starts the server and has every owner compare what is there with its journal.
func (w *town) restart(s *script) {
	w.t.Helper()
	began := time.Now()
	w.sink.life.Add(1)
	if err := w.h.start(s); err != nil {
		w.t.Fatalf("after fault %d: %v", w.faults, err)
	}
	w.starting += time.Since(began)
	w.check(s != nil && s.step != "")
	if w.t.Failed() {
		w.t.Fatalf("fault %d broke a promise; CRASH_SEED=%d repeats the choices", w.faults, w.seed)
	}
}

// check has every owner compare what is there with its journal. mortal: the server may reach its end at any moment.
func (w *town) check(mortal bool) {
	w.t.Helper()
	for _, o := range w.owners {
		w.group.Go(func() {
			if err := o.check(); err != nil && !(mortal && w.h.ended(lab.Patience)) {
				w.t.Error(err)
			}
		})
	}
	w.group.Wait()
}

// finish lets the queue drain, compares everything once more, and says what happened in one line.
func (w *town) finish(what string) {
	w.t.Helper()
	lab.Within(w.t, 2*lab.Patience, "the queue drains", func() (bool, string) {
		missing := w.sink.missing(w.relayed())
		return len(missing) == 0, fmt.Sprintf("%d messages have not come: %.500v\n%s", len(missing), missing, w.h.tail())
	})
	if list := w.sink.strangers(w.relayed()); len(list) > 0 {
		w.t.Errorf("messages were sent out though they were not taken: %v", list)
	}
	w.check(false)
	w.h.stop()
	w.h.verify()
	letters, deeds, unanswered, happened, refusals := 0, 0, 0, 0, 0
	for _, o := range w.owners {
		letters, deeds, unanswered = letters+o.letters, deeds+o.deeds, unanswered+o.unanswered
		happened, refusals = happened+o.happened, refusals+o.refusals
	}
	w.t.Logf("%s: seed %d, %d faults in %s (a start takes %s); %d messages and %d operations acknowledged, %d without an answer of which %d had happened, "+
		"%d refused; %d sent out, %d of them twice because the answer was lost; lost 0", what, w.seed, w.faults, time.Since(w.began).Round(time.Millisecond),
		(w.starting / time.Duration(max(1, w.faults))).Round(time.Millisecond), letters, deeds, unanswered, happened, refusals,
		len(w.relayed()), w.sink.duplicates(w.t))
}

func (w *town) relayed() (ids []string) {
	for _, o := range w.owners {
		ids = append(ids, o.relayed...)
	}
	return ids
}

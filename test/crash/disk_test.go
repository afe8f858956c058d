package crash

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/test/lab"
	"github.com/postrider/postrider/testkit/faultfs"
)

// A disk that takes its time: everything is slower and nothing is lost, nor by a power loss in the middle of it.
func TestSlowDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("works for seconds; left out by -short")
	}
	t.Parallel()
	disk := faultfs.New(faultfs.Options{})
	w := newTown(t, seed(t), 2, disk)
	disk.Slow(time.Millisecond, 60*time.Millisecond)
	w.restart(nil)
	w.begin()
	wait(time.Second)
	w.faults++
	disk.Cut()
	w.h.strike()
	if _, err := w.mount.PowerLoss(w.rng.Uint64()); err != nil {
		t.Fatal(err)
	}
	w.h.reap()
	w.group.Wait()
	w.restart(nil)
	w.begin()
	wait(500 * time.Millisecond)
	w.rest()
	disk.Slow(0, 0)
	w.finish("slow disk")
}

// A full disk: while there is less than the reserve, mail gets 452 4.3.1 and everything else goes on; when there is nothing at all,
// nothing that was acknowledged is lost; once there is room again all is as before. RFC 3463 3.4, RFC 5321 4.2.3.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("works for seconds; left out by -short")
	}
	t.Parallel()
	disk := faultfs.New(faultfs.Options{})
	w := newTown(t, seed(t), 1, disk)
	w.h.ailing = true
	w.restart(nil)
	mail, rest := w.owners[0], w.owners[1]
	if !mail.steps(20) || !rest.steps(10) {
		t.Fatal("it does not work on an empty disk")
	}

	const reserve = 64 << 20
	disk.Space(disk.Used() + reserve/2)
	mail.tolerant = true
	if err := mail.connect(); err != nil {
		t.Fatal(err)
	}
	var refused *textproto.Error
	if err := mail.send(); !errors.As(err, &refused) || refused.Code != 452 || !strings.HasPrefix(refused.Msg, "4.3.1 ") {
		t.Errorf("below the reserve a message gets %v", err)
	}
	mail.hangUp()
	if err := mail.check(); err != nil {
		t.Error(err)
	}
	if err := rest.connect(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []func() error{rest.store, rest.copyOne, rest.expunge, func() error { return rest.read(rest.boxes[0]) }} {
		if err := d(); err != nil {
			t.Errorf("below the reserve: %v", err)
		}
	}
	rest.hangUp()

	rest.tolerant = true
	for i := range 3 {
		disk.Space(disk.Used() + int64(i)*8192)
		for _, o := range w.owners {
			if w.h.process != nil && w.h.up(lab.IMAP) {
				o.steps(4)
			}
		}
		w.faults++
		disk.Space(0)
		w.h.kill()
		w.restart(nil)
	}
	for _, o := range w.owners {
		o.tolerant = false
		if !o.steps(8) {
			t.Errorf("%s: it does not work once there is room", o.user)
		}
	}
	w.finish("full disk")
}

func (o *owner) copyOne() error { return o.copy(false) }

// Clock jumps, by hours and days and back: nothing is lost, UIDVALIDITY and modseqs keep their course.
func TestClockJumps(t *testing.T) {
	if testing.Short() {
		t.Skip("works for seconds; left out by -short")
	}
	t.Parallel()
	w := newTown(t, seed(t), 1, nil)
	for _, o := range w.owners {
		o.local = true // what a queue makes of a clock that was set back is the queue's own matter
	}
	w.restart(&script{clock: true})
	for _, jump := range []time.Duration{26 * time.Hour, -30 * time.Hour, 100 * 24 * time.Hour, -100 * 24 * time.Hour, -time.Hour} {
		w.begin()
		wait(150 * time.Millisecond)
		if _, err := fmt.Fprintln(w.h.input, jump); err != nil {
			t.Fatal(err)
		}
		w.faults++
		wait(150 * time.Millisecond)
		w.rest()
		w.check(false)
	}
	w.h.kill()
	w.restart(nil)
	for _, line := range strings.Split(w.h.log(), "\n") {
		if strings.Contains(line, `"age":-`) {
			t.Errorf("a negative duration: %s", line)
		}
	}
	w.finish("clock jumps")
}

package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postrider/postrider/test/lab"
)

// cpu is how much processor time a process has had.
func cpu(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// Without file descriptors the server waits, without burning the processor, and goes on when there are some again.
func TestNoDescriptors(t *testing.T) {
	if testing.Short() {
		t.Skip("works for seconds; left out by -short")
	}
	t.Parallel()
	w := newTown(t, seed(t), 1, nil)
	w.h.ailing = true
	w.restart(nil)
	if !w.owners[0].steps(5) {
		t.Fatal("it does not work")
	}
	pid := w.h.process.Pid
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: uint64(len(open) + 10), Max: uint64(len(open) + 10)}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Fatal(err)
	}
	var idle []net.Conn
	for range 100 {
		conn, err := net.DialTimeout("tcp", w.h.addr(lab.SMTP), lab.Patience)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	before := cpu(t, pid)
	const span = 2 * time.Second
	wait(span)
	if used := cpu(t, pid) - before; used > span/5 {
		t.Errorf("with no descriptors it used %s of %s of the processor", used, span)
	}
	for _, c := range idle {
		c.Close()
	}
	w.faults++
	lab.Within(t, lab.Patience, "it takes connections again", func() (bool, string) {
		c, _, err := dialSMTP(w.h.addr(lab.SMTP), "", "")
		if err != nil {
			return false, err.Error()
		}
		c.Close()
		return true, ""
	})
	for _, o := range w.owners {
		if !o.steps(5) {
			t.Errorf("%s: it does not work once there are descriptors", o.user)
		}
	}
	w.finish("no descriptors")
}

const (
	bigMessages = 16
	bigSize     = 11 << 20
	memory      = 150 << 20
)

// Many large messages at once stay streams: the process never has more than a bounded memory.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("sends much; left out by -short")
	}
	t.Parallel()
	w := newTown(t, seed(t), 1, nil)
	w.mustStartIn("GOMEMLIMIT=100MiB")
	user := w.owners[0].user
	var group sync.WaitGroup
	for i := range bigMessages {
		group.Go(func() {
			if err := sendBig(w.h.addr(lab.SMTP), user, i); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	c, err := dialIMAP(w.h.addr(lab.IMAP), user, password)
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	if _, _, err := c.do("EXAMINE INBOX", ""); err != nil {
		t.Fatal(err)
	}
	list, _, err := c.do("FETCH 1:* (RFC822.SIZE)", "")
	if err != nil || len(list) != bigMessages {
		t.Errorf("%d messages are there, %v", len(list), err)
	}
	for _, a := range list {
		if number(`RFC822.SIZE (\d+)`, a.text) < bigSize {
			t.Errorf("a message is short: %s", a.text)
		}
	}
	list, _, err = c.do("FETCH 1 (BODY.PEEK[])", "")
	if err != nil || len(list) != 1 || len(list[0].literals) != 1 || !strings.HasSuffix(list[0].literals[0], string(bytes.Repeat(bigLine(), bigSize/len(bigLine())))) {
		t.Errorf("the first message is not what was sent: %v", err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.h.process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	peak := int64(number(`VmHWM:\s+(\d+) kB`, string(status))) << 10
	if peak == 0 || peak > memory {
		t.Errorf("%d messages of %d MiB at once took %d MiB of memory, more than %d", bigMessages, bigSize>>20, peak>>20, memory>>20)
	}
	t.Logf("memory: %d messages of %d MiB at once, at most %d MiB", bigMessages, bigSize>>20, peak>>20)
	w.h.stop()
	w.h.verify()
}

// mustStartIn starts the server with something in its environment.
func (w *town) mustStartIn(environment ...string) {
	w.t.Helper()
	w.sink.life.Add(1)
	w.h.mustStart(nil, environment...)
}

func bigLine() []byte { return []byte(strings.Repeat("0123456789abcdef", 4) + "\r\n") }

func sendBig(addr, to string, n int) error {
	c, conn, err := dialSMTP(addr, "", "")
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(4 * lab.Patience))
	if err := errors.Join(c.Mail("stranger@three.example"), c.Rcpt(to)); err != nil {
		return err
	}
	d, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(d, "Date: Mon, 02 Nov 2026 10:11:12 +0100\r\nFrom: <stranger@three.example>\r\nMessage-ID: <big%d@three.example>\r\n\r\n", n); err != nil {
		return err
	}
	chunk := bytes.Repeat(bigLine(), 500)
	left := bigSize / len(bigLine())
	for left > 0 {
		lines := min(left, 500)
		if _, err := io.Copy(d, bytes.NewReader(chunk[:lines*len(bigLine())])); err != nil {
			return err
		}
		left -= lines
	}
	return d.Close()
}

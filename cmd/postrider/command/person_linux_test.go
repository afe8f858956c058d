package command_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/sys/unix"

	"github.com/postrider/postrider/cmd/postrider/command"
)

// window is a terminal of 80x24 with a person before it.
type window struct {
	t       *testing.T
	person  *os.File
	program *os.File
	mu      sync.Mutex
	shown   strings.Builder
	more    chan struct{}
	closed  chan struct{}
}

func newWindow(t *testing.T) *window {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminal can be made here: %v", err)
	}
	fd := int(person.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	w := &window{t: t, person: person, more: make(chan struct{}, 1), closed: make(chan struct{})}
	if err == nil {
		w.program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err != nil {
		_ = person.Close()
		t.Skipf("no terminal can be made here: %v", err)
	}
	go w.watch()
	t.Cleanup(func() {
		_ = w.program.Close()
		<-w.closed
		_ = person.Close()
	})
	return w
}

// watch reads all that the program writes, until it has closed its end.
func (w *window) watch() {
	defer close(w.closed)
	b := make([]byte, 4096)
	for {
		n, err := w.person.Read(b)
		w.mu.Lock()
		w.shown.Write(b[:n])
		w.mu.Unlock()
		select {
		case w.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// sees waits until a word was shown since the last that was waited for.
func (w *window) sees(word string) {
	w.t.Helper()
	late := time.After(20 * time.Second)
	for {
		w.mu.Lock()
		text := w.shown.String()
		found := strings.Contains(ansi.Strip(text), word)
		if found {
			w.shown.Reset()
		}
		w.mu.Unlock()
		if found {
			return
		}
		select {
		case <-w.more:
		case <-late:
			w.t.Fatalf("%q was not shown, but %q", word, text)
		}
	}
}

func (w *window) types(keys string) {
	w.t.Helper()
	if _, err := w.person.WriteString(keys); err != nil {
		w.t.Fatal(err)
	}
}

// TestScreen: the program at a terminal, before a whole system: it shows mail that comes without a key, reads it, and leaves the terminal as it was.
// RFC 8620 7.3.
func TestScreen(t *testing.T) {
	t.Parallel()
	s := runSystem(t)
	send := func(subject string) {
		var out, errs strings.Builder
		e := env([]string{"send", "--as", "ann@one.example", "--server", s.server, "--ca", s.ca, "bob@one.example", "-s", subject, "--text", "Written-by-ann"})
		e.Out, e.Err, e.Getenv = &out, &errs, func(string) string { return "" }
		e.Getenv = func(name string) string { return map[string]string{"POSTRIDER_PASSWORD": password}[name] }
		if code := command.Run(t.Context(), e); code != 0 {
			t.Fatalf("%d %s %s", code, &out, &errs)
		}
	}
	send("First-letter")
	w := newWindow(t)
	before, err := unix.IoctlGetTermios(int(w.program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan int, 1)
	var errs strings.Builder
	go func() {
		e := env([]string{"read", "--user", "bob@one.example", "--server", s.server, "--ca", s.ca})
		e.In, e.Out, e.Err, e.InTerminal, e.OutTerminal = w.program, w.program, &errs, true, true
		e.Getenv = func(name string) string {
			return map[string]string{"POSTRIDER_PASSWORD": password, "NO_COLOR": "1"}[name]
		}
		done <- command.Run(t.Context(), e)
	}()
	w.sees("First-letter")
	send("Pushed-letter")
	w.sees("Pushed-letter")
	w.types("\r")
	w.sees("Written-by-ann")
	w.types("e")
	w.sees("Archived")
	w.types("qq")
	select {
	case code := <-done:
		if code != 0 {
			t.Errorf("it ended with %d: %s", code, &errs)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("q does not quit")
	}
	after, err := unix.IoctlGetTermios(int(w.program.Fd()), unix.TCGETS)
	if err != nil || after.Lflag != before.Lflag || after.Iflag != before.Iflag {
		t.Errorf("the terminal is not as it was: %v", err)
	}
}

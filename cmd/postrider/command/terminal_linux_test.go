package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pty opens both ends of a terminal.
func pty(t *testing.T) (person, program *os.File) {
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
	if err == nil {
		program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		_ = person.Close()
		t.Skipf("no terminal can be made here: %v", err)
	}
	t.Cleanup(func() { _, _ = person.Close(), program.Close() })
	return person, program
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// asked types once it is asked, when nothing is shown any more.
type asked struct {
	t        *testing.T
	terminal *os.File
	then     func()
}

// Write implements io.Writer.
func (a *asked) Write(p []byte) (int, error) {
	if strings.HasPrefix(string(p), "Password") {
		if echoes(a.t, a.terminal) {
			a.t.Error("what is typed would be shown")
		}
		a.then()
	}
	return len(p), nil
}

func TestSecret(t *testing.T) {
	t.Parallel()
	person, program := pty(t)
	out := &asked{t: t, terminal: program, then: func() { _, _ = io.WriteString(person, "s3cret word\nrest\n") }}
	got, err := Secret(t.Context(), program, out, "Password: ")
	if err != nil || got != "s3cret word" {
		t.Errorf("got %q, %v", got, err)
	}
	if !echoes(t, program) {
		t.Error("the terminal was not set back")
	}
}

func TestSecretInterrupted(t *testing.T) {
	t.Parallel()
	person, program := pty(t)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Secret(ctx, program, &asked{t: t, terminal: program, then: cancel}, "Password: "); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if !echoes(t, program) {
		t.Error("the terminal was not set back")
	}
	_, _ = io.WriteString(person, "\n") // lets the reader end
}

func TestSecretWithoutTerminal(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := Secret(t.Context(), r, io.Discard, "Password: "); err == nil || !strings.Contains(err.Error(), "--password-stdin") {
		t.Errorf("got %v", err)
	}
}

package netlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Process is a program that runs on a host until it is stopped, at the latest by the end of the test.
type Process struct {
	Name string
	Log  string // the file it writes to

	hasty  bool // it takes seconds to end, and has nothing to put in order
	host   *Host
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of Wait, when exited is closed
}

// Start starts a program that stays in the foreground. name is that of its log.
func (h *Host) Start(t testing.TB, name, program string, args ...string) *Process {
	t.Helper()
	p, err := h.start(name, program, args...)
	if err != nil {
		t.Fatal("netlab:", err)
	}
	return p
}

func (h *Host) start(name, program string, args ...string) (*Process, error) {
	return h.startCommand(name, h.Command(context.Background(), program, args...)) // it lives as long as the lab
}

// StartCommand does the same with a Command that the caller has changed, such as in its environment.
func (h *Host) StartCommand(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p, err := h.startCommand(name, cmd)
	if err != nil {
		t.Fatal("netlab:", err)
	}
	return p
}

func (h *Host) startCommand(name string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{Name: name, Log: filepath.Join(h.Dir, name+".log"), host: h, cmd: cmd, exited: make(chan struct{})}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	h.lab.mu.Lock()
	h.lab.processes = append(h.lab.processes, p)
	h.lab.mu.Unlock()
	return p, nil
}

// Signal sends a signal to the program.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// endedError says that a program is no more.
type endedError struct{ text string }

func (e *endedError) Error() string { return e.text }

// Ended says how the program ended; nil while it runs.
func (p *Process) Ended() error {
	select {
	case <-p.exited:
		return &endedError{fmt.Sprintf("%s of %s has ended: %v\n%s", p.Name, p.host.Name, p.err, tail(p.Log, 3000))}
	default:
		return nil
	}
}

// Wait waits for the program's end and gives its error.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop asks the program to end and waits; after five seconds it is killed.
func (p *Process) Stop() {
	end := syscall.SIGTERM
	if p.hasty {
		end = syscall.SIGKILL
	}
	_ = p.Signal(end) // it may have ended
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		_ = p.Signal(syscall.SIGKILL)
		<-p.exited
	}
}

// open waits until the program takes connections at all the addresses, which are seen from its own host.
func (p *Process) open(ctx context.Context, addresses ...string) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	return await(ctx, p.Name+" of "+p.host.Name+" takes connections", func(ctx context.Context) error {
		if err := p.Ended(); err != nil {
			return err
		}
		for _, a := range addresses {
			c, err := p.host.dialOne(ctx, "tcp", a)
			if err != nil {
				return errors.Join(err, p.Ended())
			}
			c.Close()
		}
		return nil
	})
}

// AwaitOpen waits until the program takes connections at the addresses ("127.0.0.1:25").
func (p *Process) AwaitOpen(t testing.TB, addresses ...string) {
	t.Helper()
	if err := p.open(t.Context(), addresses...); err != nil {
		t.Fatal("netlab:", err)
	}
}

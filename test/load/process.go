package load

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is a child of ours. It has a session of its own, so that an interrupt typed at a terminal does not reach it before us,
// and it is told to end when we die.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error  // of Wait, after exited is closed
	log    string // where it tells of itself
}

// start runs a program whose standard error goes to the file log.
func start(log, dir string, argv ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), exited: make(chan struct{}), log: log}
	p.cmd.Dir, p.cmd.Stderr = dir, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// ended says how the process ended; nil while it runs.
func (p *process) ended() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s has ended: %v\n%s", p.cmd.Path, p.err, tail(p.log))
	default:
		return nil
	}
}

// stop asks the process to end and waits; after ten seconds it and what it left are killed.
func (p *process) stop() {
	if p == nil {
		return
	}
	left := tree([]int{p.pid()})
	if p.cmd.Process.Signal(syscall.SIGTERM) != nil {
		<-p.exited
		return
	}
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		for _, s := range left {
			_ = syscall.Kill(s.pid, syscall.SIGKILL) // gone already is as good
		}
		<-p.exited
	}
}

// tail is the end of a file, for messages.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-3000):])
}

// run runs a program to its end; its error has what it said.
func run(ctx context.Context, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w\n%s", argv, err, out)
	}
	return nil
}

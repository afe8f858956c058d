package lab

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is one Postrider process and its directory. Its methods are for one goroutine at a time.
type Server struct {
	Spec       Spec
	CA         *CA
	Dir        string // configuration and log
	Data       string
	Config     string
	LMTPSocket string

	t         testing.TB
	ports     map[Service]int
	cert, key string
	process   *os.Process // nil when none runs
	exited    chan error
	expected  []string
}

// New prepares a server; it is stopped and examined when the test ends.
func New(t testing.TB, ca *CA, spec Spec) *Server {
	t.Helper()
	dir := Dir(t)
	s := &Server{
		Spec: spec, CA: ca, Dir: dir, Data: filepath.Join(dir, "data"), Config: filepath.Join(dir, "postrider.toml"),
		LMTPSocket: filepath.Join(dir, "lmtp.sock"), t: t, ports: map[Service]int{},
	}
	s.cert, s.key = ca.Issue(t, spec.Hostname)
	for _, service := range services() {
		s.ports[service] = FreePort(t)
	}
	t.Cleanup(s.close)
	return s
}

// Addr is where a service listens.
func (s *Server) Addr(service Service) string { return fmt.Sprintf("127.0.0.1:%d", s.Port(service)) }

// Port is the port of a service.
func (s *Server) Port(service Service) int { return s.ports[service] }

// Exchange is this server as a mail host for others.
func (s *Server) Exchange() Exchange { return Exchange{s.Spec.Hostname, s.Addr(SMTP)} }

// Start writes the configuration, starts the process and waits until every service takes connections.
func (s *Server) Start() {
	s.t.Helper()
	if err := os.WriteFile(s.Config, []byte(s.toml()), 0o644); err != nil {
		s.t.Fatal(err)
	}
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(Binary(s.t), "--config", s.Config, "serve")
	cmd.Stderr = log // its standard output is for people
	cmd.Dir = s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	s.process, s.exited = cmd.Process, exited
	s.waitReady()
}

// waitReady dials every service until all of them answer.
func (s *Server) waitReady() {
	s.t.Helper()
	networks := []struct{ network, address string }{{"unix", s.LMTPSocket}}
	for _, service := range services() {
		networks = append(networks, struct{ network, address string }{"tcp", s.Addr(service)})
	}
	Within(s.t, Patience, s.Spec.Hostname+" starts", func() (bool, string) {
		select {
		case err := <-s.exited:
			s.process = nil
			s.t.Fatalf("%s ended at its start: %v\n%s", s.Spec.Hostname, err, s.tail())
		default:
		}
		for len(networks) > 0 {
			conn, err := net.DialTimeout(networks[0].network, networks[0].address, time.Second)
			if err != nil {
				return false, err.Error() + "\n" + s.tail()
			}
			conn.Close()
			networks = networks[1:]
		}
		return true, ""
	})
}

// Stop asks the process to end, as an operator does, and expects it to do so cleanly and soon.
func (s *Server) Stop() {
	s.t.Helper()
	if s.process == nil {
		return
	}
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		s.t.Errorf("%s: %v", s.Spec.Hostname, err)
	}
	select {
	case err := <-s.exited:
		if err != nil {
			s.t.Errorf("%s ended with %v\n%s", s.Spec.Hostname, err, s.tail())
		}
	case <-time.After(Patience):
		s.t.Errorf("%s does not end within %s of SIGTERM\n%s", s.Spec.Hostname, Patience, s.tail())
		s.process.Kill()
		<-s.exited
	}
	s.process = nil
}

// Kill ends the process as a crash does.
func (s *Server) Kill() {
	s.t.Helper()
	if s.process == nil {
		s.t.Fatalf("%s does not run", s.Spec.Hostname)
	}
	if err := s.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatal(err)
	}
	<-s.exited
	s.process = nil
}

// Expect names a part of log lines that are allowed to be warnings or errors.
func (s *Server) Expect(part string) { s.expected = append(s.expected, part) }

// close stops the server and looks at what it leaves behind.
func (s *Server) close() {
	s.Stop()
	if _, err := os.Stat(s.logPath()); err != nil {
		return
	}
	s.Verify()
	for _, line := range s.Warnings() {
		s.t.Errorf("%s: unexpected in its log: %s", s.Spec.Hostname, line)
	}
	if s.t.Failed() {
		s.t.Logf("%s: the end of its log:\n%s", s.Spec.Hostname, s.tail())
	}
}

// Verify runs `postrider verify`, which must find no fault.
func (s *Server) Verify() {
	s.t.Helper()
	if out, err := s.run("", "verify"); err != nil {
		s.t.Errorf("%s: verify: %v\n%s", s.Spec.Hostname, err, out)
	}
}

// CLI runs an operator's command with input on its standard input, and gives its standard output.
func (s *Server) CLI(input string, args ...string) string {
	s.t.Helper()
	out, err := s.run(input, args...)
	if err != nil {
		s.t.Fatalf("postrider %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (s *Server) run(input string, args ...string) (string, error) {
	cmd := exec.Command(Binary(s.t), append([]string{"--config", s.Config}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Dir = s.Dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	timer := time.AfterFunc(2*Patience, func() { cmd.Process.Kill() })
	err := cmd.Run()
	timer.Stop()
	if err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}

// AddAccount makes an account, and its domain where it is missing. The server must run.
func (s *Server) AddAccount(address, password string) {
	s.t.Helper()
	s.CLI(password+"\n", "account", "add", address, "--password-stdin", "--create-domain")
}

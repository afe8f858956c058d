package crash

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postrider/postrider/test/lab"
)

// host is one Postrider with its data anywhere, for instance on a disk that loses power. Unlike lab.Server it can be this
// test program playing Postrider, so that a step of a commit can be the last.
type host struct {
	t        testing.TB
	dir      string // configuration and log
	data     string
	config   string
	ports    map[lab.Service]int
	process  *os.Process // nil: none runs
	input    *os.File    // of a player: what it is told
	exited   chan error
	ready    chan struct{} // closed once it is
	from     int64         // where its part of the log begins
	expected []string      // parts of error lines in the log that are allowed
	ailing   bool          // its disk fails: errors in the log are allowed, a panic is not
}

// offered are the services of a host.
func offered() []lab.Service {
	return []lab.Service{lab.SMTP, lab.Submission, lab.IMAP, lab.POP3}
}

// newHost prepares a host. Mail for sink.example goes to sink.
func newHost(t testing.TB, data string, sink netip.AddrPort) *host {
	t.Helper()
	h := &host{t: t, dir: lab.Dir(t), data: data, ports: map[lab.Service]int{}}
	if data == "" {
		h.data = filepath.Join(h.dir, "data")
	}
	h.config = filepath.Join(h.dir, "postrider.toml")
	var b strings.Builder
	fmt.Fprintf(&b, "data = %q\nhostname = \"mx.one.example\"\n\n[log]\nlevel = \"info\"\nformat = \"json\"\n\n[listen]\n", h.data)
	for _, s := range offered() {
		h.ports[s] = lab.FreePort(t)
		fmt.Fprintf(&b, "%s = %q\n", s, h.addr(s))
	}
	b.WriteString("submissions = []\nimaps = []\npop3s = []\nlmtp = []\nlmtp_socket = \"\"\n")
	b.WriteString("\n[dkim]\nenabled = false\n\n[doctor]\nevery = \"0s\"\n\n[queue]\nretry_first = \"200ms\"\nretry_max = \"1s\"\n\n[lab]\nno_limits = true\nallow_auth_without_tls = true\n")
	fmt.Fprintf(&b, "\n[lab.hosts]\n\"mx.sink.example\" = %q\n", sink)
	b.WriteString("\n[lab.dns.\"mx.one.example\"]\na = [\"127.0.0.1\"]\n\n[lab.dns.\"sink.example\"]\nmx = [\"10 mx.sink.example.\"]\n" +
		"\n[lab.dns.\"mx.sink.example\"]\na = [\"127.0.0.1\"]\n")
	if err := os.WriteFile(h.config, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.end)
	return h
}

// relocate lets a host that does not run have its data elsewhere.
func (h *host) relocate(data string) {
	h.t.Helper()
	text, err := os.ReadFile(h.config)
	if err != nil {
		h.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	h.data = data
	if err := os.WriteFile(h.config, fmt.Appendf(nil, "data = %q\n%s", data, rest), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) addr(s lab.Service) string { return fmt.Sprintf("127.0.0.1:%d", h.ports[s]) }

// start runs the program and waits until it is ready. script is nil for the program itself; else this test program
// plays Postrider by it. The error says what the program said when it ended at once.
func (h *host) start(script *script, environment ...string) error {
	h.t.Helper()
	h.launch(script, environment...)
	return h.await()
}

// launch starts the program; await waits until it is ready.
func (h *host) launch(script *script, environment ...string) {
	h.t.Helper()
	cmd := exec.Command(lab.Binary(h.t), "--config", h.config, "--json", "serve")
	if script != nil {
		cmd = exec.Command(os.Args[0])
		environment = append(environment, script.environment(h.config)...)
	}
	log, err := os.OpenFile(h.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	h.from, _ = log.Seek(0, 2)
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stderr, cmd.Dir = log, h.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	own, theirs, err := os.Pipe()
	if err != nil {
		h.t.Fatal(err)
	}
	defer own.Close()
	cmd.Stdin, h.input = own, theirs
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	exited := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(said)
		told := false
		for lines.Scan() {
			if !told && strings.Contains(lines.Text(), "ready") {
				told = true
				close(ready)
			}
		}
		exited <- cmd.Wait()
	}()
	h.process, h.exited, h.ready = cmd.Process, exited, ready
}

func (h *host) await() error {
	h.t.Helper()
	timer := time.NewTimer(lab.Patience)
	defer timer.Stop()
	select {
	case <-h.ready:
		return nil
	case err := <-h.exited:
		h.gone()
		text := h.log()
		return fmt.Errorf("it ended at its start: %w\n%s", err, text[min(h.from, int64(len(text))):])
	case <-timer.C:
		h.kill()
		return errors.New("it is not ready in time\n" + h.tail())
	}
}

// mustStart is start where nothing may be in its way.
func (h *host) mustStart(script *script, environment ...string) {
	h.t.Helper()
	if err := h.start(script, environment...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) gone() {
	h.process = nil
	h.input.Close()
}

// strike sends SIGKILL without waiting for the end; reap waits.
func (h *host) strike() {
	if h.process != nil {
		h.process.Kill()
	}
}

// reap waits for the end of the process, however it comes.
func (h *host) reap() error {
	h.t.Helper()
	if h.process == nil {
		return nil
	}
	timer := time.NewTimer(lab.Patience)
	defer timer.Stop()
	select {
	case err := <-h.exited:
		h.gone()
		return err
	case <-timer.C:
		h.t.Fatalf("the process does not end\n%s", h.tail())
		return nil
	}
}

func (h *host) kill() {
	h.t.Helper()
	h.strike()
	h.reap()
}

// ended reports whether the process ends by itself within d.
func (h *host) ended(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case err := <-h.exited:
		h.exited <- err
		return true
	case <-timer.C:
		return false
	}
}

// stop asks the process to end and expects it to do so in order.
func (h *host) stop() {
	h.t.Helper()
	if h.process == nil {
		return
	}
	h.process.Signal(syscall.SIGTERM)
	if err := h.reap(); err != nil {
		h.t.Errorf("it ended with %v\n%s", err, h.tail())
	}
}

// end kills what still runs, and shows the log of a test that failed.
func (h *host) end() {
	if h.process != nil {
		h.kill()
	}
	for line := range strings.Lines(h.log()) {
		if strings.Contains(line, "panic") || strings.Contains(line, `"level":"ERROR"`) && !h.ailing && !h.expects(line) {
			h.t.Errorf("in the log: %s", line)
		}
	}
	if h.t.Failed() {
		h.t.Logf("the end of the log:\n%s", h.tail())
	}
}

// expect allows errors in the log.
func (h *host) expect(part string) { h.expected = append(h.expected, part) }

func (h *host) expects(line string) bool {
	for _, part := range h.expected {
		if strings.Contains(line, part) {
			return true
		}
	}
	return false
}

func (h *host) logPath() string { return filepath.Join(h.dir, "log") }

func (h *host) log() string {
	b, err := os.ReadFile(h.logPath())
	if err != nil {
		return ""
	}
	return string(b)
}

func (h *host) tail() string {
	log := h.log()
	return log[max(0, len(log)-6000):]
}

// run runs an operator's command.
func (h *host) run(input string, args ...string) (string, error) {
	cmd := exec.Command(lab.Binary(h.t), append([]string{"--config", h.config}, args...)...)
	cmd.Stdin, cmd.Dir = strings.NewReader(input), h.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (h *host) cli(input string, args ...string) string {
	h.t.Helper()
	out, err := h.run(input, args...)
	if err != nil {
		h.t.Fatalf("postrider %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// verify must find no damage.
func (h *host) verify() {
	h.t.Helper()
	if out, err := h.run("", "verify"); err != nil {
		h.t.Errorf("verify: %v\n%s", err, out)
	}
}

// up reports whether the process still takes connections.
func (h *host) up(s lab.Service) bool {
	conn, err := net.DialTimeout("tcp", h.addr(s), time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

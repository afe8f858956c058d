package netlab

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Patience is how long is waited for what should take seconds, on a slow and busy machine.
const Patience = 60 * time.Second

const family = "postrider-lab-"

//go:embed sweep.sh
var sweep string

var labs atomic.Int64

// Lab is the hosts of one test and the router between them.
type Lab struct {
	// Dir holds a directory for every host. It stays when the test fails and POSTRIDER_KEEP is set.
	Dir string

	t       testing.TB
	prefix  string // of all its namespaces
	janitor *exec.Cmd
	hold    io.Closer // the janitor works when it is closed, by us or by our death

	mu        sync.Mutex
	hosts     map[string]*Host
	processes []*Process
	logs      []string // of programs that do not write to standard error
}

// New makes a lab without hosts, which is gone when the test ends. It skips the test where this cannot be had.
func New(t testing.TB) *Lab {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("netlab: network namespaces are a thing of Linux")
	}
	if os.Getuid() != 0 {
		t.Skip("netlab: network namespaces are made by root; run this test as root")
	}
	l := &Lab{t: t, hosts: map[string]*Host{}}
	if err := l.need("ip", "unshare", "hostname"); err != nil {
		t.Fatal(err)
	}
	sweepDead()
	started, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal("netlab:", err)
	}
	l.prefix = fmt.Sprintf("%s%d-%s-%d-", family, os.Getpid(), started, labs.Add(1))
	if l.Dir, err = os.MkdirTemp("", "pr-lab-"); err != nil {
		t.Fatal("netlab:", err)
	}
	if err := l.open(); err != nil {
		l.close()
		if errors.Is(err, errNoNamespaces) {
			t.Skip("netlab: this machine lets even root make no network namespaces:", err)
		}
		t.Fatal("netlab:", err)
	}
	t.Cleanup(l.close)
	return l
}

var errNoNamespaces = errors.New("no namespaces")

// open starts the janitor and makes the router.
func (l *Lab) open() error {
	if err := os.Chmod(l.Dir, 0o755); err != nil { // others' processes enter it
		return err
	}
	if err := os.MkdirAll(filepath.Join(l.Dir, "ssl", "certs"), 0o755); err != nil {
		return err
	}
	l.janitor = exec.Command("sh", "-c", "cat >/dev/null\n"+sweep, "sh", l.prefix)
	l.janitor.SysProcAttr = janitorAttr()
	hold, err := l.janitor.StdinPipe()
	if err != nil {
		return err
	}
	if err := l.janitor.Start(); err != nil {
		l.janitor = nil
		return err
	}
	l.hold = hold
	return l.router()
}

// The networks of the lab. A host's address tells in which of them it is.
var networks = []struct{ v4, v6 netip.Prefix }{
	{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:2::/64")},
	{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:100::/64")},
	{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:113::/64")},
}

// Nowhere is an address that swallows every packet, as a broken network does. All others outside of the lab are unreachable at once.
var Nowhere = netip.MustParseAddr("198.18.0.53")

// router makes the namespace that joins all hosts: a bridge, with an address in each network, that forwards.
func (l *Lab) router() error {
	ns := l.prefix + "net"
	if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", errNoNamespaces, out)
	}
	var b strings.Builder
	b.WriteString("link set lo up\nlink add br0 type bridge forward_delay 0 mcast_snooping 0\nlink set br0 up\n")
	for _, n := range networks {
		fmt.Fprintf(&b, "addr add %s/%d dev br0\naddr add %s/%d dev br0 nodad\n", n.v4.Addr().Next(), n.v4.Bits(), n.v6.Addr().Next(), n.v6.Bits())
	}
	fmt.Fprintf(&b, "route add blackhole %s\n", Nowhere)
	if err := ipBatch(ns, b.String()); err != nil {
		return err
	}
	set := "cd /proc/sys/net; echo 0 >ipv4/conf/all/send_redirects; echo 0 >ipv4/conf/br0/send_redirects; echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding"
	if out, err := exec.Command("ip", "netns", "exec", ns, "sh", "-c", set).CombinedOutput(); err != nil {
		return fmt.Errorf("forwarding: %w: %s", err, out)
	}
	return nil
}

func ipBatch(ns, commands string) error {
	cmd := exec.Command("ip", "-n", ns, "-batch", "-")
	cmd.Stdin = strings.NewReader(commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip -n %s: %w: %s\n%s", ns, err, out, commands)
	}
	return nil
}

// close ends what runs, and has the janitor remove the namespaces.
func (l *Lab) close() {
	l.mu.Lock()
	processes, logs := slices.Clone(l.processes), slices.Clone(l.logs)
	l.mu.Unlock()
	if l.t.Failed() {
		for _, p := range processes {
			l.t.Logf("%s of %s said last:\n%s", p.Name, p.host.Name, tail(p.Log, 2000))
		}
		for _, f := range logs {
			l.t.Logf("%s:\n%s", f, tail(f, 6000))
		}
	}
	var all sync.WaitGroup
	for _, p := range processes {
		all.Go(p.Stop)
	}
	all.Wait()
	if l.janitor != nil {
		l.hold.Close()
		if err := l.janitor.Wait(); err != nil {
			l.t.Errorf("netlab: the janitor: %v", err)
		}
		for _, h := range l.hosts {
			if _, err := os.Stat("/run/netns/" + h.ns); err == nil {
				l.t.Errorf("netlab: the namespace %s is left", h.ns)
			}
		}
	}
	if l.t.Failed() && os.Getenv("POSTRIDER_KEEP") != "" {
		l.t.Log("kept", l.Dir)
		return
	}
	os.RemoveAll(l.Dir)
}

// need says which programs are missing.
func (l *Lab) need(programs ...string) error {
	for _, p := range programs {
		if _, err := lookPath(p); err != nil {
			return fmt.Errorf("netlab: the program %s is missing; run tools/install-test-deps.sh, or make test, which does", p)
		}
	}
	return nil
}

// lookPath finds programs of the administrator too.
func lookPath(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// copyOf copies a program into the lab: AppArmor knows it by its path, and would keep it from files that are not where Debian has them.
func (l *Lab) copyOf(program string) (string, error) {
	path, err := lookPath(program)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	own := filepath.Join(l.Dir, filepath.Base(program))
	return own, os.WriteFile(own, b, 0o755)
}

// sweepDead removes the namespaces of processes that are no more, for whom not even their janitor could do it.
func sweepDead() {
	var names []string
	for _, dir := range []string{"/run/netns", "/etc/netns"} {
		entries, _ := os.ReadDir(dir) // none is fine
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	done := map[string]bool{}
	for _, name := range names {
		rest, ours := strings.CutPrefix(name, family)
		parts := strings.SplitN(rest, "-", 3) // pid, start time, the rest
		if !ours || len(parts) < 3 {
			continue
		}
		owner := family + parts[0] + "-" + parts[1] + "-"
		pid, err := strconv.Atoi(parts[0])
		if err != nil || done[owner] {
			continue
		}
		if started, err := startTime(pid); err == nil && started == parts[1] {
			continue
		}
		done[owner] = true
		_ = exec.Command("sh", "-c", sweep, "sh", owner).Run() // what it leaves, the next one finds
	}
}

// startTime is when a process began, in ticks since the machine did: two processes with one id differ in it.
func startTime(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	_, after, _ := strings.Cut(string(b), ") ") // what is before may hold anything
	fields := strings.Fields(after)
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat is short", pid)
	}
	return fields[19], nil
}

// tail is the end of a file.
func tail(path string, most int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}

// await asks until it gets no error, or the context is done.
func await(ctx context.Context, what string, ask func(context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := ask(try)
		cancel()
		if err == nil {
			return nil
		}
		var over *endedError
		if errors.As(err, &over) {
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, err)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

func janitorAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

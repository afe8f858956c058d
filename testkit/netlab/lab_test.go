package netlab

import (
	"bufio"
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const dieEnv = "POSTRIDER_NETLAB_DIE"

// lonely is a lab of one host with one program.
func lonely(t testing.TB) (*Lab, *Host) {
	l := New(t)
	h := l.AddHost(t, HostSpec{Name: "lonely.test", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}})
	h.Start(t, "sleeper", "sleep", "1000")
	return l, h
}

func namespaces(t *testing.T, prefix string) []string {
	t.Helper()
	var all []string
	for _, dir := range []string{"/run/netns", "/etc/netns"} {
		found, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

// TestHost looks at a host from inside.
func TestHost(t *testing.T) {
	t.Parallel()
	l, h := lonely(t)
	if name := h.Run(t, "hostname"); name != "lonely.test\n" {
		t.Errorf("it calls itself %q", name)
	}
	if own, err := os.Hostname(); err != nil || own == "lonely.test" {
		t.Errorf("the machine's own name is %q (%v)", own, err)
	}
	if out := h.Run(t, "ip", "-brief", "address"); !strings.Contains(out, "192.0.2.9/24") {
		t.Errorf("its addresses:\n%s", out)
	}
	for _, c := range []struct{ address, want string }{{"198.51.100.1:9", "refused"}, {"192.0.2.9:9", "refused"}, {"8.8.8.8:53", "unreachable"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := h.DialContext(ctx, "tcp", c.address)
		cancel()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.address, err, c.want)
		}
	}
	if n := namespaces(t, l.prefix); len(n) != 3 { // the router has none in /etc
		t.Errorf("there are %q", n)
	}
}

// TestDeath kills a process that has a lab, which leaves nothing behind; and what a process leaves whose janitor was killed as well,
// the next lab sweeps away.
func TestDeath(t *testing.T) {
	t.Parallel()
	if os.Getenv(dieEnv) != "" {
		l, h := lonely(t)
		os.Stdout.WriteString("\nlab " + l.prefix + " " + strconv.Itoa(l.janitor.Process.Pid) + " " + strconv.Itoa(l.processes[0].cmd.Process.Pid) + " " + h.ns + " " + l.Dir + "\n")
		select {}
	}
	New(t) // skips where it must
	for _, both := range []bool{false, true} {
		prefix, sleeper, dir := diesWithLab(t, both)
		t.Cleanup(func() { os.RemoveAll(dir) })
		if both {
			New(t) // sweeps
		}
		gone := func() bool {
			_, err := os.Stat("/proc/" + sleeper + "/cmdline")
			return err != nil && len(namespaces(t, prefix)) == 0
		}
		for end := time.Now().Add(20 * time.Second); !gone() && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		}
		if !gone() {
			t.Errorf("janitor killed: %v: %q are left, or process %s", both, namespaces(t, prefix), sleeper)
		}
	}
}

// diesWithLab runs a process that makes a lab, and kills it, and its janitor before it where that is asked for.
func diesWithLab(t *testing.T, janitor bool) (prefix, sleeper, dir string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestDeath$")
	cmd.Env = append(os.Environ(), dieEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var f []string
	for lines.Scan() {
		if f = strings.Fields(lines.Text()); len(f) == 6 && f[0] == "lab" {
			break
		}
	}
	if len(f) != 6 {
		cmd.Process.Kill()
		t.Fatalf("it made no lab: %v", cmd.Wait())
	}
	if n := namespaces(t, f[1]); !slices.ContainsFunc(n, func(s string) bool { return strings.HasSuffix(s, f[4]) }) {
		t.Errorf("its namespaces are %q", n)
	}
	if janitor {
		pid, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatal(err)
		}
		p, err := os.FindProcess(pid)
		if err == nil {
			err = p.Kill()
		}
		if err != nil {
			t.Error(err)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	return f[1], f[3], f[5]
}

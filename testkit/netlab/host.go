package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Host is one machine of the lab.
type Host struct {
	Name   string     // its full name, such as mx.our.example; what it calls itself
	V4, V6 netip.Addr // its first addresses; V6 may be the zero Addr
	Dir    string     // for its files; others' processes may enter it

	lab      *Lab
	ns       string
	resolver netip.Addr // in its /etc/resolv.conf
}

// HostSpec describes a host.
type HostSpec struct {
	Name string // its full name
	// Addresses, each in one of the lab's networks (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8:2::/64,
	// 2001:db8:100::/64, 2001:db8:113::/64).
	Addresses []netip.Addr
	// Resolver is the name server of its resolv.conf; trusted adds that its word about DNSSEC counts.
	Resolver netip.Addr
	Trusted  bool
}

// AddHost makes a host. Its /etc is the machine's, but for resolv.conf, hosts, hostname, nsswitch.conf, ssl (the lab's authorities are
// those that the system trusts) and systemd, which is empty.
func (l *Lab) AddHost(t testing.TB, spec HostSpec) *Host {
	t.Helper()
	h, err := l.addHost(spec)
	if err != nil {
		t.Fatal("netlab:", err)
	}
	return h
}

func (l *Lab) addHost(spec HostSpec) (*Host, error) {
	h := &Host{Name: spec.Name, lab: l, ns: l.prefix + spec.Name, Dir: filepath.Join(l.Dir, spec.Name), resolver: spec.Resolver}
	l.mu.Lock()
	taken := l.hosts[spec.Name] != nil
	l.hosts[spec.Name] = h
	port := fmt.Sprintf("v%d", len(l.hosts))
	l.mu.Unlock()
	if taken {
		return nil, fmt.Errorf("there is a host %s already", spec.Name)
	}
	if err := os.Mkdir(h.Dir, 0o755); err != nil {
		return nil, err
	}
	if out, err := exec.Command("ip", "netns", "add", h.ns).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	wire := fmt.Sprintf("link add %s type veth peer name eth0 netns %s\nlink set %s master br0 up\n", port, h.ns, port)
	if err := ipBatch(l.prefix+"net", wire); err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("link set lo up\nlink set eth0 up\n")
	for _, a := range spec.Addresses {
		i := slices.IndexFunc(networks, func(n struct{ v4, v6 netip.Prefix }) bool { return n.v4.Contains(a) || n.v6.Contains(a) })
		if i < 0 {
			return nil, fmt.Errorf("%s is in none of the lab's networks", a)
		}
		n, nodad, first := networks[i].v4, "", &h.V4
		if a.Is6() {
			n, nodad, first = networks[i].v6, " nodad", &h.V6
		}
		fmt.Fprintf(&b, "addr add %s/%d dev eth0%s\n", a, n.Bits(), nodad)
		if !first.IsValid() {
			*first = a
			fmt.Fprintf(&b, "route add default via %s\n", n.Addr().Next())
		}
	}
	if err := ipBatch(h.ns, b.String()); err != nil {
		return nil, err
	}
	return h, h.etc(spec)
}

// etc writes what `ip netns exec` lays over /etc.
func (h *Host) etc(spec HostSpec) error {
	dir := "/etc/netns/" + h.ns
	var err error
	for range 10 { // another lab may remove the empty /etc/netns meanwhile
		if err = os.MkdirAll(filepath.Join(dir, "systemd", "system"), 0o755); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	conf := "# of a lab\n"
	if spec.Resolver.IsValid() {
		conf = fmt.Sprintf("nameserver %s\n", spec.Resolver)
	}
	if spec.Trusted {
		conf += "options trust-ad edns0\n"
	}
	hosts := "127.0.0.1 localhost\n::1 localhost\n"
	for _, a := range spec.Addresses {
		hosts += fmt.Sprintf("%s %s\n", a, h.Name)
	}
	files := map[string]string{"resolv.conf": conf, "hosts": hosts, "hostname": h.Name + "\n", "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n"}
	for name, text := range files {
		if _, err := os.Stat(filepath.Join("/etc", name)); err != nil {
			continue // there is nothing to lay it over, nor anybody who reads it
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.Symlink(filepath.Join(h.lab.Dir, "ssl"), filepath.Join(dir, "ssl"))
}

// Etc is the path, outside of the host, of a file that it sees below /etc: "systemd/system/x.service".
func (h *Host) Etc(name string) string { return filepath.Join("/etc/netns", h.ns, name) }

// Command is a program that will run on the host, with the host's name, addresses and /etc. It is killed when the test process dies. Its
// process id is the program's own: the shell and the others before it have become it.
func (h *Host) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	if path, err := lookPath(program); err == nil {
		program = path
	}
	argv := append([]string{"netns", "exec", h.ns, "unshare", "--uts", "sh", "-c", `hostname "$0" && exec "$@"`, h.Name, program}, args...)
	cmd := exec.CommandContext(ctx, "ip", argv...)
	cmd.Dir = h.Dir
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "HOSTNAME="+h.Name)
	cmd.SysProcAttr = childAttr()
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Run runs a program to its end and gives what it said; the test fails when the program does.
func (h *Host) Run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := h.run(t.Context(), program, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (h *Host) run(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	out, err := h.Command(ctx, program, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %s %s: %w\n%s", h.Name, program, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// insideEnv tells a test binary that it runs on a host.
const insideEnv = "POSTRIDER_NETLAB_INSIDE"

// Inside reports whether this test process was started by Rerun.
func Inside() bool { return os.Getenv(insideEnv) != "" }

// Rerun runs one test of this very test binary on the host, for clients that open their sockets themselves; the test tells by Inside where
// it is. env are settings for it.
func (h *Host) Rerun(t *testing.T, env ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	limit := Patience
	if end, ok := t.Deadline(); ok {
		limit = min(limit, time.Until(end))
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := h.Command(ctx, self, "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.timeout="+limit.String())
	if cmd.Dir, err = os.Getwd(); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, append(env, insideEnv+"=1")...)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Errorf("on %s: %v\n%s", h.Name, err, out)
	}
}

// DialContext connects from the host, as net.Dialer does. Names are asked of the host's resolver.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs := []netip.Addr{}
	if ip, err := netip.ParseAddr(name); err == nil {
		addrs = append(addrs, ip)
	} else if addrs, err = h.Lookup(ctx, name); err != nil {
		return nil, err
	}
	var all error
	for _, a := range addrs {
		c, err := h.dialOne(ctx, network, net.JoinHostPort(a.Unmap().String(), port))
		if err == nil {
			return c, nil
		}
		all = errors.Join(all, err)
	}
	return nil, all
}

func (h *Host) dialOne(ctx context.Context, network, address string) (c net.Conn, err error) {
	inside := inNamespace(h.ns, func() error {
		var d net.Dialer
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, inside
}

// Lookup asks the host's resolver for a name's addresses.
func (h *Host) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return h.dialOne(ctx, network, netip.AddrPortFrom(h.resolver, 53).String())
	}}
	return r.LookupNetIP(ctx, "ip", strings.TrimSuffix(name, ".")+".")
}

// Listen listens on the host, at a literal address or at ":port".
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	inside := inNamespace(h.ns, func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, inside
}

// HTTP is a client that connects from the host and trusts the lab's authorities.
func (h *Host) HTTP() (*http.Client, error) {
	config, err := h.lab.tls()
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{DialContext: h.DialContext, TLSClientConfig: config, DisableKeepAlives: true}, Timeout: Patience}, nil
}

package dns

import (
	"bufio"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// resolvConf is the system's list of name servers. The file is looked at again at most every few seconds.
type resolvConf struct {
	path  string
	clock mail.Clock

	mu      sync.Mutex
	checked time.Time
	changed time.Time
	now     upstream
}

const resolvConfCheck = 5 * time.Second

// load gives the list as the file has it. A file that cannot be read, or names no server, means one on this machine, as
// it does for the C library; one that vanishes later leaves the last list standing.
func (r *resolvConf) load() upstream {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if len(r.now.servers) > 0 && now.Sub(r.checked) < resolvConfCheck {
		return r.now
	}
	r.checked = now
	if next, at, err := r.read(); err == nil {
		r.now, r.changed = next, at
	}
	if len(r.now.servers) == 0 {
		r.now.servers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53), netip.AddrPortFrom(netip.IPv6Loopback(), 53)}
	}
	return r.now
}

func (r *resolvConf) read() (upstream, time.Time, error) {
	info, err := os.Stat(r.path)
	if err != nil {
		return upstream{}, time.Time{}, err
	}
	if info.ModTime().Equal(r.changed) {
		return r.now, r.changed, nil
	}
	f, err := os.Open(r.path)
	if err != nil {
		return upstream{}, time.Time{}, err
	}
	defer f.Close()
	return parseResolvConf(f), info.ModTime(), nil
}

// maxSystemServers is how many name servers of the system are asked, as the C library does.
const maxSystemServers = 3

// parseResolvConf reads what matters here of resolv.conf: nameserver, and the options timeout, attempts and trust-ad. The
// search list is of no use: mail domains are complete names. What it does not understand it passes over.
func parseResolvConf(r io.Reader) upstream {
	var u upstream
	lines := bufio.NewScanner(io.LimitReader(r, 64<<10))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) < 2:
		case f[0] == "nameserver" && len(u.servers) < maxSystemServers:
			if ip, err := netip.ParseAddr(f[1]); err == nil {
				u.servers = append(u.servers, netip.AddrPortFrom(ip, 53))
			}
		case f[0] == "options":
			for _, o := range f[1:] {
				u.option(o)
			}
		}
	}
	return u
}

func (u *upstream) option(o string) {
	name, value, _ := strings.Cut(o, ":")
	n, err := strconv.Atoi(value)
	switch {
	case name == "trust-ad":
		u.trusted = true
	case err != nil || n < 1:
	case name == "timeout":
		u.timeout = time.Duration(min(n, 30)) * time.Second
	case name == "attempts":
		u.rounds = min(n, 5)
	}
}

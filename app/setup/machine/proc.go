package machine

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// socket is a TCP socket that listens, as the kernel tells it.
type socket struct {
	at    netip.AddrPort
	inode string
}

// listeners reads who listens, from a directory as /proc. Whose sockets they are only root is told of all.
func listeners(proc string) ([]Listener, error) {
	text, err := os.ReadFile(filepath.Join(proc, "net/tcp"))
	if err != nil {
		return nil, err
	}
	sockets := listening(string(text))
	if text, err := os.ReadFile(filepath.Join(proc, "net/tcp6")); err == nil { // there is none without IPv6
		sockets = append(sockets, listening(string(text))...)
	}
	owners := owners(proc, sockets)
	out := make([]Listener, len(sockets))
	for i, s := range sockets {
		out[i] = Listener{At: s.at}
		if pid := owners[s.inode]; pid != 0 {
			dir := filepath.Join(proc, strconv.Itoa(pid))
			out[i].PID, out[i].Program, out[i].Unit = pid, strings.TrimSpace(small(filepath.Join(dir, "comm"))), unitOf(small(filepath.Join(dir, "cgroup")))
		}
	}
	return out, nil
}

// maxSmall bounds small files, in octets.
const maxSmall = 64 << 10

// small reads a small file of /proc; what cannot be read is empty.
func small(name string) string {
	text, err := os.ReadFile(name)
	if err != nil || len(text) > maxSmall {
		return ""
	}
	return string(text)
}

// listening reads /proc/net/tcp or tcp6.
func listening(text string) []socket {
	const listen = "0A"
	var out []socket
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != listen {
			continue
		}
		if at, ok := kernelAddress(f[1]); ok {
			out = append(out, socket{at, f[9]})
		}
	}
	return out
}

// kernelAddress reads an address as the kernel writes it: words of 4 octets in the order of the machine, in hexadecimal, and the port.
func kernelAddress(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || portErr != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	ip, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), true
}

// owners tells the processes that hold the sockets, by inode.
func owners(proc string, sockets []socket) map[string]int {
	wanted := map[string]string{}
	for _, s := range sockets {
		wanted["socket:["+s.inode+"]"] = s.inode
	}
	out := map[string]int{}
	entries, err := os.ReadDir(proc)
	if err != nil {
		return out
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		fds := filepath.Join(proc, e.Name(), "fd")
		list, err := os.ReadDir(fds)
		if err != nil {
			continue // another user's, or gone
		}
		for _, fd := range list {
			to, err := os.Readlink(filepath.Join(fds, fd.Name()))
			if inode := wanted[to]; err == nil && inode != "" && out[inode] == 0 {
				out[inode] = pid
			}
		}
	}
	return out
}

// unitOf reads the systemd unit from a process's cgroup.
func unitOf(cgroup string) string {
	for line := range strings.Lines(cgroup) {
		base := line[strings.LastIndexByte(line, '/')+1:]
		if base = strings.TrimSpace(base); strings.HasSuffix(base, ".service") && !strings.HasPrefix(base, "user@") {
			return base
		}
	}
	return ""
}

// temporary reads /proc/net/if_inet6: the addresses that come and go, are not to be used any more, or not yet.
func temporary(text string) map[netip.Addr]bool {
	const fleeting = 0x01 | 0x08 | 0x20 | 0x40 // temporary, duplicate, deprecated, tentative
	out := map[netip.Addr]bool{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		b, err := hex.DecodeString(f[0])
		flags, flagErr := strconv.ParseUint(f[4], 16, 32)
		ip, ok := netip.AddrFromSlice(b)
		if err == nil && flagErr == nil && ok && flags&fleeting != 0 {
			out[ip] = true
		}
	}
	return out
}

package outward

import (
	"net/netip"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// special4 are the IPv4 networks that are not, or not simply, of the public internet.
var special4 = prefixes(
	"0.0.0.0/8",          // this network
	"10.0.0.0/8",         // private
	"100.64.0.0/10",      // behind a carrier's NAT
	"127.0.0.0/8",        // loopback
	"168.63.129.16/32",   // the inside of Microsoft's cloud, with a public number
	"169.254.0.0/16",     // link-local, and where clouds tell secrets
	"172.16.0.0/12",      // private
	"192.0.0.0/24",       // IETF protocol assignments
	"192.0.2.0/24",       // documentation
	"192.88.99.0/24",     // relays of 6to4
	"192.168.0.0/16",     // private
	"198.18.0.0/15",      // benchmarks
	"198.51.100.0/24",    // documentation
	"203.0.113.0/24",     // documentation
	"224.0.0.0/4",        // multicast
	"240.0.0.0/4",        // reserved
	"255.255.255.255/32", // everybody
)

// global6 is all of IPv6 that is given to hosts of the internet; special6 is what of it is not to be reached, or leads into IPv4.
var (
	global6  = netip.MustParsePrefix("2000::/3")
	special6 = prefixes(
		"2001::/23",     // IETF protocol assignments: Teredo, benchmarks, ORCHID
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4
		"3fff::/20",     // documentation
	)
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Public reports whether an address is one of a host of the public internet: global unicast, of no special purpose, and not leading to such a
// one by translation or a tunnel.
func Public(ip netip.Addr) bool {
	if !ip.IsValid() || ip.Zone() != "" {
		return false
	}
	ip = ip.Unmap()
	if ip.Is4() {
		return !within(special4, ip)
	}
	b := ip.As16()
	tail := netip.AddrFrom4([4]byte(b[12:]))
	switch {
	case nat64.Contains(ip):
		return Public(tail)
	case !global6.Contains(ip) || within(special6, ip):
		return false
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP: a tunnel to the IPv4 address at its end
		return Public(tail)
	}
	return true
}

func within(list []netip.Prefix, ip netip.Addr) bool {
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// Host is what a text names: a host of the DNS, or an address.
type Host struct {
	Name string     // A-labels in lower case, no dot at the end; "" when it is an address
	Addr netip.Addr // of an IP address in the place of a name
}

// String is the name, or the address.
func (h Host) String() string {
	if h.Name != "" {
		return h.Name
	}
	return h.Addr.String()
}

// notPublic are the last labels of names that are not of the public DNS (RFC 6761, RFC 6762 3, RFC 8375, RFC 7686).
var notPublic = []string{"localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "onion", "invalid", "home.arpa", "localdomain"}

// ParseHost reads the host of a URL or a form. Invalid for what is neither a name nor an address in its usual spelling; Denied for names that
// cannot be of the public internet.
func ParseHost(s string) (Host, error) {
	if len(s) > 1000 {
		return Host{}, mail.Errorf(mail.Invalid, "the host's name is too long")
	}
	s = strings.TrimSuffix(s, ".")
	if in, ok := strings.CutPrefix(s, "["); ok {
		in, closed := strings.CutSuffix(in, "]")
		ip, err := netip.ParseAddr(in)
		if !closed || err != nil || !ip.Is6() {
			return Host{}, mail.Errorf(mail.Invalid, "%q is not an IPv6 address", cut(s))
		}
		return Host{Addr: ip}, nil
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		return Host{Addr: ip}, nil
	}
	name, err := addr.NormalDomain(s)
	if err != nil {
		return Host{}, mail.Errorf(mail.Invalid, "%q is not the name of a host", cut(s))
	}
	name = strings.TrimSuffix(name, ".")
	// Letters and digits of other scripts may have become plain ones.
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return Host{Addr: ip}, nil
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case numeric(last):
		return Host{}, mail.Errorf(mail.Invalid, "%q ends in a number and is not an IP address as it is usually written", cut(s))
	case last == name || reserved(name):
		return Host{}, mail.Errorf(mail.Denied, "%q is not a name of the public internet", cut(s))
	}
	return Host{Name: name}, nil
}

// numeric reports a label that programs take for a number: with one at the end, some read the whole as an IPv4 address.
func numeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func reserved(name string) bool {
	for _, n := range notPublic {
		if name == n || strings.HasSuffix(name, "."+n) {
			return true
		}
	}
	return false
}

func cut(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

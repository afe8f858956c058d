package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// The widest networks that may relay. Wider ones are no network of anybody's own, and would make this host one that
// strangers send junk through.
const (
	widestIPv4 = 8
	widestIPv6 = 32
)

// Prefixes are the networks that may relay. The configuration must be valid.
func (r Relay) Prefixes() []netip.Prefix {
	list := make([]netip.Prefix, 0, len(r.Networks))
	for _, n := range r.Networks {
		if p, err := network(n); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// network reads a network, or an address that stands for itself.
func network(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("write it as an IPv4 network")
	}
	return p.Masked(), nil
}

func (j *judge) relay(r Relay) {
	for i, n := range r.Networks {
		key := fmt.Sprintf("relay.networks[%d]", i)
		p, err := network(n)
		if err != nil {
			j.say(key, "%q is not a network; write it as \"192.0.2.0/24\", or as a single address", n)
			continue
		}
		widest := widestIPv6
		if p.Addr().Is4() {
			widest = widestIPv4
		}
		j.must(p.Bits() >= widest, key, "%s is too wide: half the world could send through this host; list only networks you trust", n)
	}
}

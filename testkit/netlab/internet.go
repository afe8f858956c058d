package netlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
)

// Plan says what an Internet has.
type Plan struct {
	// Zones beside the lab's own (the root, arpa, example, net, org and test) and those of the strangers.
	Zones []Zone
	// CA starts Pebble.
	CA bool
	// Strangers are domains that have a mail host each, at most three.
	Strangers []string
}

// Internet is a Lab and who is in it.
type Internet struct {
	*Lab
	DNS       *DNS
	CA        *CA // its Host is nil unless it was planned
	Strangers []*Stranger
}

// Start makes a lab with DNS and whoever is planned, and waits until all of them answer.
func Start(t testing.TB, p Plan) *Internet {
	t.Helper()
	l := New(t)
	i, err := l.populate(t.Context(), p)
	if err != nil {
		t.Fatal("netlab:", err)
	}
	return i
}

func (l *Lab) populate(ctx context.Context, p Plan) (*Internet, error) {
	i := &Internet{Lab: l, Strangers: make([]*Stranger, len(p.Strangers))}
	var err error
	if i.CA, err = l.newAuthority(); err != nil {
		return nil, err
	}
	zones := p.Zones
	for _, s := range p.Strangers {
		zones = append(zones, strangerZone(s))
	}
	if i.DNS, err = l.startDNS(ctx, zones); err != nil {
		return nil, err
	}
	errs := make([]error, len(p.Strangers)+1)
	var all sync.WaitGroup
	if p.CA {
		all.Go(func() { errs[len(p.Strangers)] = i.CA.startACME(ctx, l) })
	}
	for n, domain := range p.Strangers {
		addresses := []netip.Addr{netip.MustParseAddr(fmt.Sprintf("203.0.113.%d", 25+n)), netip.MustParseAddr(fmt.Sprintf("2001:db8:113::%d", 25+n))}
		all.Go(func() { i.Strangers[n], errs[n] = i.startStranger(ctx, domain, addresses) })
	}
	all.Wait()
	return i, errors.Join(errs...)
}

// AddUs adds an empty host whose addresses have its name, as a rented machine has after its owner filled in the form for the reverse, and
// whose resolver is Plain.
func (i *Internet) AddUs(t testing.TB, name string) *Host {
	t.Helper()
	addresses := []netip.Addr{netip.MustParseAddr("198.51.100.25"), netip.MustParseAddr("2001:db8:100::25")}
	h := i.AddHost(t, HostSpec{Name: name, Addresses: addresses, Resolver: i.DNS.Plain})
	for _, a := range addresses {
		if err := i.DNS.Publish(t.Context(), ptr(a, name+".")); err != nil {
			t.Fatal("netlab:", err)
		}
	}
	return h
}

package setup

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// checkTime bounds one check.
const checkTime = 25 * time.Second

// check is one look at the machine or the world.
type check struct {
	doing string
	do    func(ctx context.Context) []Step
}

// check looks at everything. All checks run at once, and are told in their order.
func (r *run) check(ctx context.Context) error {
	r.con.Title("Checking")
	if err := r.addresses(ctx); err != nil {
		return err
	}
	list := []check{{"who has the ports", r.checkPorts}}
	if !r.o.SkipChecks {
		list = append(list, []check{
			{"the resolver", r.checkResolver},
			{"the clock", r.checkClock},
			{"port 25 outward", r.checkOutward},
			{"whether our own address leads here", r.checkInward},
			{"the domain", r.checkDomain},
			{"the name of this host", r.checkHostname},
			{"the reverse names of our addresses", r.checkReverse},
			{"block lists", r.checkLists},
		}...)
	}
	answers := make([]chan []Step, len(list))
	for i, c := range list {
		answers[i] = make(chan []Step, 1)
		go func() {
			ctx, cancel := context.WithTimeout(ctx, checkTime)
			defer cancel()
			answers[i] <- c.do(ctx)
		}()
	}
	for i, c := range list {
		r.con.Doing(c.doing)
		for _, s := range <-answers[i] { // it comes: every check ends with its context
			r.tell(s)
		}
	}
	return ctx.Err()
}

// addresses settles at which addresses others reach this host.
func (r *run) addresses(ctx context.Context) error {
	r.con.Doing("our addresses")
	if len(r.o.Addresses) > 0 {
		r.report.Addresses = slices.Clone(r.o.Addresses)
		s := Step{Name: "addresses", Level: Done, Text: "others reach this host at " + joined(r.o.Addresses) + ", as was said"}
		if i := slices.IndexFunc(r.o.Addresses, func(ip netip.Addr) bool { return !public(ip.Unmap()) }); i >= 0 {
			s.Level, s.Text = Warn, s.Text+"; "+r.o.Addresses[i].String()+" is not an address of the public Internet"
			s.Remedy = "In a network of your own that is as it should be; else give the public one with --address."
		}
		r.tell(s)
		return nil
	}
	all, err := r.host.Addresses()
	if err != nil {
		r.tell(Step{Name: "addresses", Level: Warn, Text: "the addresses of this machine cannot be listed: " + short(err.Error()), Remedy: "Give them with --address."})
		return nil
	}
	var private []netip.Addr
	for _, ip := range all {
		switch ip = ip.Unmap().WithZone(""); {
		case public(ip):
			r.report.Addresses = append(r.report.Addresses, ip)
		case ip.IsGlobalUnicast():
			private = append(private, ip)
		}
	}
	sortAddresses(r.report.Addresses)
	if slices.ContainsFunc(r.report.Addresses, netip.Addr.Is4) || len(private) == 0 && len(r.report.Addresses) > 0 {
		r.done("addresses", "others reach this host at "+joined(r.report.Addresses))
		return nil
	}
	return r.behindNAT(ctx, private)
}

// behindNAT looks for the address that leads to a machine with private ones only.
func (r *run) behindNAT(ctx context.Context, private []netip.Addr) error {
	limited, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	remedy := "Forward ports 25, 80, 443, 465, 587 and 993 to it in the router, and give the public address with --address if this is wrong."
	if known, err := r.names.Addresses(limited, r.hostname); err == nil {
		found := false
		for _, ip := range known.Value {
			if ip = ip.Unmap(); public(ip) && !slices.Contains(r.report.Addresses, ip) {
				r.report.Addresses, found = append(r.report.Addresses, ip), true
			}
		}
		if found {
			sortAddresses(r.report.Addresses)
			r.tell(Step{Name: "addresses", Level: Note, Remedy: remedy,
				Text: fmt.Sprintf("this machine has the private %s behind a router; the DNS says that %s is at %s", joined(private), r.hostname, joined(r.report.Addresses))})
			return nil
		}
	}
	has := "no public address"
	if len(private) > 0 {
		has = "only " + joined(private) + ", which others cannot reach (behind a router)"
	}
	if len(r.report.Addresses) > 0 {
		has += ", beside " + joined(r.report.Addresses)
	}
	if !r.o.Yes {
		ip, err := r.askAddress(ctx, has)
		if err != nil {
			return err
		}
		if ip.IsValid() {
			r.report.Addresses = append([]netip.Addr{ip}, r.report.Addresses...)
			r.tell(Step{Name: "addresses", Level: Note, Text: "others reach this host at " + joined(r.report.Addresses) + ", as was said", Remedy: remedy})
			return nil
		}
	}
	r.tell(Step{Name: "addresses", Level: Warn, Text: "this machine has " + has,
		Remedy: "Give the public address with --address, and forward ports 25, 80, 443, 465, 587 and 993 from it; without one the records for the host's address are left out."})
	return nil
}

// askAddress asks for the public address.
func (r *run) askAddress(ctx context.Context, has string) (ip netip.Addr, err error) {
	q := Question{Key: "address", Text: "This machine has " + has + ". At which public address do others reach it (empty: not known)"}
	_, err = r.value(ctx, "", q, func(s string) (string, error) {
		if s == "" {
			return "", nil
		}
		ip, err = netip.ParseAddr(s)
		if err != nil || !public(ip.Unmap()) {
			ip = netip.Addr{}
			return "", invalidAddress(s)
		}
		ip = ip.Unmap().WithZone("")
		return s, nil
	})
	return ip, err
}

// carrier is the range that providers share among customers (RFC 6598 7).
func carrier() netip.Prefix { return netip.MustParsePrefix("100.64.0.0/10") }

// public reports an address that others could reach.
func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !carrier().Contains(ip)
}

// sortAddresses puts IPv4 first.
func sortAddresses(list []netip.Addr) {
	slices.SortStableFunc(list, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
}

func joined(list []netip.Addr) string {
	var out []string
	for _, ip := range list {
		out = append(out, ip.String())
	}
	return strings.Join(out, ", ")
}

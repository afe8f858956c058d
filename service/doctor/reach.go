package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
	"github.com/postrider/postrider/service/doctor/words"
	"github.com/postrider/postrider/service/records"
)

// How many of what the configuration lists is looked at.
const (
	maxReach = 8
	maxLists = 32
)

// checkReach looks whether port 25 is open outward: whether a host outside can be connected to.
func checkReach(ctx context.Context, s *sheet) {
	switch {
	case s.facts.Smarthost != "":
		s.ok("port 25 outward", "Mail goes out by %s, so that port 25 outward does not matter.", words.Plain(s.facts.Smarthost))
		return
	case len(s.facts.Reach) == 0:
		s.note("port 25 outward", "Whether port 25 is open outward was not looked at, for no host outside is set to try ([doctor] reach).")
		return
	}
	hosts := s.facts.Reach[:min(len(s.facts.Reach), maxReach)]
	errs := make([]error, len(hosts))
	var trying sync.WaitGroup
	for i, at := range hosts {
		trying.Go(func() { errs[i] = s.reach(ctx, at) })
	}
	trying.Wait()
	var missing, strange error
	for i, err := range errs {
		switch {
		case err == nil:
			s.ok("port 25 outward", "Port 25 is open outward: %s greets us.", words.Plain(hosts[i]))
			return
		case errors.Is(err, smtp.ErrBadReply):
			strange = fmt.Errorf("%s: %w", hosts[i], err)
		case mail.Is(err, mail.NotFound) || mail.Is(err, mail.Invalid) || s.unresolved(err):
			missing = err
		}
	}
	f := Finding{Subject: "port 25 outward", Level: Fault, Link: linkPort25,
		Text:   "Port 25 is blocked outward, so that no mail can be brought to other hosts: " + words.Reason(errs[0]) + ".",
		Remedy: "Ask your provider to open it (many have a form for that), or send through a host of theirs: [outbound.smarthost]."}
	switch {
	case strange != nil:
		f.Text = "Something between us and other hosts answers on port 25 in their place: " + words.Reason(strange) + "."
		s.add(f)
	case missing != nil:
		s.untold(f.Subject, "port 25 outward", missing)
	default:
		s.add(f)
	}
}

// unresolved reports an error of the DNS, which says nothing about ports.
func (x *exam) unresolved(err error) bool {
	var e *mail.Error
	return errors.As(err, &e) && e.Enhanced == "4.4.3"
}

// reach connects to one host and hears its greeting.
func (s *sheet) reach(ctx context.Context, at string) error {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		host, port = at, "25"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return mail.Errorf(mail.Invalid, "%q is no host with a port", words.Plain(at))
	}
	most, cancel := context.WithTimeout(ctx, s.cfg.Deadline*2/3)
	defer cancel()
	return s.look.Greeted(most, host, uint16(number))
}

// checkLists looks for our addresses on DNS lists, after it has looked whether the list can be asked at all. RFC 5782 2.1, RFC 5782 5.
func checkLists(ctx context.Context, s *sheet) {
	var public []netip.Addr
	for _, ip := range s.facts.Addresses {
		if !private(ip) {
			public = append(public, ip)
		}
	}
	lists := s.facts.Lists[:min(len(s.facts.Lists), maxLists)]
	if len(lists) == 0 || len(public) == 0 {
		s.note("block lists", "No public address of ours, or no list to look it up on, is known; so block lists were not asked.")
		return
	}
	var asking sync.WaitGroup
	gate := make(chan struct{}, 8)
	for _, name := range lists {
		name = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
		asking.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			s.onList(ctx, name, public)
		})
	}
	asking.Wait()
	if s.clean() {
		s.ok("block lists", "None of our addresses is on %s.", words.Names(lists))
	}
}

// onList looks our addresses up on one list.
func (s *sheet) onList(ctx context.Context, name string, ips []netip.Addr) {
	test, err := s.listed(ctx, netip.AddrFrom4([4]byte{127, 0, 0, 2}), name) // which every list of IPv4 addresses has
	if err != nil {
		s.untold(name, "the block list "+words.Plain(name), err)
		return
	}
	if refuses(test) {
		s.add(Finding{Subject: name, Level: Warning, Link: linkResolver,
			Text:   fmt.Sprintf("The block list %s does not answer your resolver, most likely because it is a public one; so it cannot be used against junk either.", words.Plain(name)),
			Remedy: "Run a resolver of your own on this machine, such as Unbound, and set [dns] servers to it."})
		return
	}
	all, err := s.listed(ctx, netip.AddrFrom4([4]byte{127, 0, 0, 1}), name) // which none must have
	switch {
	case err != nil:
		s.untold(name, "the block list "+words.Plain(name), err)
		return
	case len(all) > 0:
		s.note(name, "The block list %s lists everything, so it was not believed; it was probably given up.", words.Plain(name))
		return
	case len(test) == 0:
		s.untold(name, "the block list "+words.Plain(name), mail.Errorf(mail.Unavailable, "its test entry (127.0.0.2) is missing"))
		return
	}
	for _, ip := range ips {
		codes, err := s.listed(ctx, ip, name)
		switch {
		case err != nil:
			s.untold(name, "whether "+ip.String()+" is on the block list "+words.Plain(name), err)
		case len(codes) > 0 && !refuses(codes):
			s.add(Finding{Subject: ip.String(), Level: Fault, Link: linkBlocklisted,
				Text:   fmt.Sprintf("Our address %s is on the block list %s (%s)%s.", ip, words.Plain(name), words.List(codes), s.why(ctx, ip, name)),
				Remedy: "Find out what it sent (postrider queue, postrider trace), stop that, then ask the list to take it off."})
		}
	}
}

// listed asks a list about an address.
func (s *sheet) listed(ctx context.Context, ip netip.Addr, name string) ([]netip.Addr, error) {
	a, err := s.cfg.Resolver.Addresses(ctx, listName(ip, name))
	if err != nil {
		return nil, err
	}
	var codes []netip.Addr
	for _, code := range a.Value {
		if code = code.Unmap(); code.Is4() && code.As4()[0] == 127 { // anything else is a provider's page for names that do not exist
			codes = append(codes, code)
		}
	}
	return codes, nil
}

// listName is where a list has an address.
func listName(ip netip.Addr, name string) string {
	reverse := records.Reverse(ip)
	reverse = strings.TrimSuffix(strings.TrimSuffix(reverse, ".in-addr.arpa"), ".ip6.arpa")
	return reverse + "." + name
}

// refuses reports the codes by which lists say that they do not answer somebody.
func refuses(codes []netip.Addr) bool {
	for _, c := range codes {
		if o := c.As4(); o[1] == 255 && o[2] == 255 {
			return true
		}
	}
	return false
}

// why is the list's own reason, in brackets; empty where it gives none.
func (s *sheet) why(ctx context.Context, ip netip.Addr, name string) string {
	a, err := s.cfg.Resolver.TXT(ctx, listName(ip, name))
	if err != nil || a.Status != dns.Found {
		return ""
	}
	return ", which says: " + words.Plain(strings.Join(a.Value[:min(len(a.Value), 2)], " "))
}

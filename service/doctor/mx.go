package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/service/doctor/words"
)

// maxMX bounds how many hosts of the domain are looked at.
const maxMX = 20

// checkMX looks whether mail for the domain comes to us. RFC 5321 5.1, RFC 7505, RFC 2181 10.3.
func checkMX(ctx context.Context, s *sheet) {
	a, err := s.mx(ctx)
	if err != nil {
		s.untold(s.domain, "the MX records of "+s.domain, err)
		return
	}
	f := Finding{Subject: s.domain, Level: Fault, Link: linkMX, Record: s.record(s.domain, "MX", ""), Remedy: "Publish an MX record that names our hostname."}
	switch a.Status {
	case dns.Found:
		s.mxHosts(ctx, a.Value)
		return
	case dns.NoName:
		f.Text = "The domain " + s.domain + " does not exist in the DNS, so that it can have no mail."
		f.Remedy = "Register it, or look whether its name servers are set at the registrar and know it."
	case dns.Null:
		f.Text = s.domain + " says that it takes no mail (MX 0 .), so that others do not even try."
		f.Remedy = "Replace that record by one that names our hostname."
	case dns.Unusable:
		f.Text = "The MX records of " + s.domain + " name no host" + s.literal(ctx) + ", so that no mail comes in."
		f.Remedy = "Publish an MX record that names our hostname, not an address."
	default: // NoData, Implicit
		f.Text = s.domain + " has no MX record, so that its mail goes to whatever is at the domain's own address, or nowhere."
	}
	s.add(f)
}

// literal quotes an address that stands where a name belongs, in brackets.
func (s *sheet) literal(ctx context.Context) string {
	for _, host := range s.rawMX(ctx) {
		if _, err := netip.ParseAddr(host); err == nil {
			return fmt.Sprintf(" but the address %s, which must not stand there", host)
		}
	}
	return ""
}

// rawMX gives the hosts of the MX records as they stand there, also those that are none.
func (s *sheet) rawMX(ctx context.Context) (hosts []string) {
	if s.cfg.Checker == nil {
		return nil
	}
	v, err := s.cfg.Checker.Check(ctx, s.domain, "MX")
	if err != nil {
		return nil
	}
	for _, r := range v.Records[:min(len(v.Records), maxMX)] {
		if _, host, ok := strings.Cut(r, " "); ok {
			hosts = append(hosts, strings.TrimSuffix(strings.TrimSpace(host), "."))
		}
	}
	return hosts
}

// standing is what is known of one MX host.
type standing struct {
	mx    dns.MX
	addrs dns.Answer[[]netip.Addr]
	err   error
}

// mxHosts looks at the hosts of the MX records, side by side.
func (s *sheet) mxHosts(ctx context.Context, all []dns.MX) {
	all = all[:min(len(all), maxMX)]
	stands := make([]standing, len(all))
	var asking sync.WaitGroup
	for i, mx := range all {
		asking.Go(func() {
			stands[i].mx = mx
			stands[i].addrs, stands[i].err = s.cfg.Resolver.Addresses(ctx, mx.Host)
		})
	}
	asking.Wait()
	if bad := s.literal(ctx); bad != "" {
		s.add(Finding{Subject: s.domain, Level: Fault, Link: linkMX, Record: s.record(s.domain, "MX", ""),
			Text:   "An MX record of " + s.domain + " names no host" + bad + "; many hosts give up at it.",
			Remedy: "Remove that record, and name hosts by their names."})
	}
	ours, others, unknown := 0, []string(nil), false
	for _, h := range stands {
		unknown = unknown || h.err != nil
		s.mxHost(h)
		switch {
		case h.mx.Host == s.host || s.anyOurs(h.addrs.Value):
			ours++
			if h.mx.Host != s.host {
				s.note(h.mx.Host, "The MX host %s has our address, but we call ourselves %s: our certificate should have both names.", h.mx.Host, s.subject())
			}
		default:
			others = append(others, h.mx.Host)
		}
	}
	switch {
	case ours == 0 && unknown:
		s.untold(s.domain, "whether the MX records of "+s.domain+" name us", stands[slices.IndexFunc(stands, func(h standing) bool { return h.err != nil })].err)
	case ours == 0:
		s.add(Finding{Subject: s.domain, Level: Fault, Link: linkMX, Record: s.record(s.domain, "MX", ""),
			Text:   fmt.Sprintf("The MX records of %s name %s, not us (%s), so that its mail goes elsewhere.", s.domain, words.Names(others), s.subject()),
			Remedy: "Publish an MX record that names our hostname."})
	case len(others) > 0:
		s.note(s.domain, "The MX records of %s name also %s, which is not us; mail that comes there is up to that host.", s.domain, words.Names(others))
	case s.clean():
		s.ok(s.domain, "Mail for %s comes to us (%s).", s.domain, all[0].Host)
	}
}

// mxHost tells what is wrong with one host.
func (s *sheet) mxHost(h standing) {
	f := Finding{Subject: h.mx.Host, Level: Fault, Link: linkMX}
	switch {
	case h.err != nil:
		s.untold(h.mx.Host, "the addresses of the MX host "+h.mx.Host, h.err)
		return
	case h.addrs.Status != dns.Found:
		f.Text = fmt.Sprintf("The MX host %s of %s has no address.", h.mx.Host, s.domain)
		f.Remedy = "Publish its address, or name another host."
		if h.mx.Host == s.host {
			f.Record = s.hostRecords()
		}
	case h.addrs.Name != h.mx.Host:
		f.Text = fmt.Sprintf("The MX host %s of %s is an alias (CNAME) of %s, which is not allowed, and some hosts refuse it.", h.mx.Host, s.domain, words.Plain(h.addrs.Name))
		f.Remedy = "Let the MX record name the host itself, or give the name an address in place of the CNAME."
		f.Record = s.record(s.domain, "MX", "")
	case len(h.addrs.Value) > 0 && !slices.ContainsFunc(h.addrs.Value, func(ip netip.Addr) bool { return !private(ip) }):
		f.Text = fmt.Sprintf("The MX host %s of %s is at %s, which nobody outside can reach.", h.mx.Host, s.domain, words.List(h.addrs.Value))
		f.Remedy = "Publish its public address."
	default:
		return
	}
	s.add(f)
}

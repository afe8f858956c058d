package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/doctor/words"
	"github.com/postrider/postrider/service/records"
)

// fullName reports a name that can be said to other hosts: RFC 5321 2.3.5 and 4.1.1.1.
func fullName(host string) bool {
	if host == "" || !strings.Contains(host, ".") || strings.HasSuffix(host, ".localdomain") || strings.HasSuffix(host, ".localhost") {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

// checkHostname looks at the name we say to other hosts, and whether it leads to us.
func checkHostname(ctx context.Context, s *sheet) {
	if !fullName(s.host) {
		s.add(Finding{Subject: s.subject(), Level: Fault, Link: linkPTR,
			Text:   fmt.Sprintf("This host calls itself %q (HELO), which is no full name, and many hosts refuse mail from such.", words.Plain(s.facts.Hostname)),
			Remedy: "Set hostname to a full name such as mail.example.com that leads to this host."})
		return
	}
	a, err := s.cfg.Resolver.Addresses(ctx, s.host)
	if err != nil {
		s.untold(s.host, "the addresses of "+s.host, err)
		return
	}
	if a.Status != dns.Found {
		s.add(Finding{Subject: s.host, Level: Fault, Link: linkMX, Record: s.hostRecords(),
			Text:   "The hostname " + s.host + " has no address in the DNS, so that nobody can bring mail and many refuse ours.",
			Remedy: "Publish its address."})
		return
	}
	for _, ip := range a.Value {
		if private(ip) {
			s.add(Finding{Subject: s.host, Level: Fault, Link: linkMX, Record: s.hostRecords(),
				Text:   fmt.Sprintf("The DNS says that %s is at %s, an address that nobody outside can reach.", s.host, ip),
				Remedy: "Publish the public address in its place."})
		}
	}
	if len(s.facts.Addresses) == 0 {
		s.untold(s.host, "whether "+s.host+" leads to this host", mail.Errorf(mail.NotFound, "our own public addresses are not known"))
		return
	}
	if !s.anyOurs(a.Value) {
		s.add(Finding{Subject: s.host, Level: Fault, Link: linkMX, Record: s.hostRecords(),
			Text:   fmt.Sprintf("The hostname %s leads to %s, not to us (%s).", s.host, words.List(a.Value), words.List(s.facts.Addresses)),
			Remedy: "Publish our address in its place."})
		return
	}
	for _, ip := range a.Value {
		if !s.ours(ip) && !private(ip) {
			s.add(Finding{Subject: s.host, Level: Warning, Link: linkMX, Record: s.hostRecords(),
				Text:   fmt.Sprintf("The hostname %s leads also to %s, which is not one of our addresses.", s.host, ip),
				Remedy: "Remove that address from the DNS, unless another of your hosts has it."})
		}
	}
	for _, ip := range s.facts.Addresses {
		if !slices.ContainsFunc(a.Value, func(b netip.Addr) bool { return b.Unmap() == ip }) {
			s.add(Finding{Subject: s.host, Level: Note, Link: linkMX, Record: s.hostRecords(),
				Text:   fmt.Sprintf("Our address %s is not among those of %s in the DNS.", ip, s.host),
				Remedy: "Publish it, if others are to reach us there."})
		}
	}
	if s.clean() {
		s.ok(s.host, "%s leads to this host (%s).", s.host, words.List(a.Value))
	}
}

// hostRecords are the address records of the host.
func (x *exam) hostRecords() string {
	return strings.Trim(x.record(x.host, "A", "")+"\n"+x.record(x.host, "AAAA", ""), "\n")
}

// checkPTR looks whether our addresses have names that lead back to them. RFC 1912 2.1.
func checkPTR(ctx context.Context, s *sheet) {
	if len(s.facts.Addresses) == 0 {
		s.untold(s.subject(), "the names of our addresses", mail.Errorf(mail.NotFound, "our own public addresses are not known"))
	}
	for _, ip := range s.facts.Addresses {
		if private(ip) {
			s.note(ip.String(), "%s is no public address, so its name (PTR) does not matter.", ip)
			continue
		}
		s.ptr(ctx, ip)
	}
}

const askForPTR = "Ask whoever gives you the address (often a form called reverse DNS) to set it to the hostname."

// ptr looks at one address.
func (s *sheet) ptr(ctx context.Context, ip netip.Addr) {
	f := Finding{Subject: ip.String(), Level: Fault, Link: linkPTR, Remedy: askForPTR,
		Record: line(records.Reverse(ip), "PTR", s.host+".")}
	a, err := s.cfg.Resolver.PTR(ctx, ip)
	if err != nil {
		s.untold(ip.String(), "the name of "+ip.String(), err)
		return
	}
	if len(a.Value) == 0 {
		f.Text = fmt.Sprintf("Our address %s has no name (PTR), and many hosts refuse mail from such.", ip)
		if ip.Is6() {
			f.Text = fmt.Sprintf("Our IPv6 address %s has no name (PTR), and Gmail and many others refuse mail from such.", ip)
			f.Remedy = "Ask whoever gives you the address to set its reverse DNS to the hostname, or do not use IPv6 for mail."
		}
		s.add(f)
		return
	}
	confirmed, failed := s.confirmed(ctx, ip, a.Value)
	switch {
	case failed != nil:
		s.untold(ip.String(), "whether the name of "+ip.String()+" leads back to it", failed)
	case len(confirmed) == 0:
		f.Text = fmt.Sprintf("Our address %s has the name %s (PTR), but that name does not lead back to it.", ip, words.Names(a.Value))
		f.Remedy = askForPTR + " The hostname's own address must be published too."
		s.add(f)
	case !slices.Contains(confirmed, s.host):
		f.Level = Warning
		f.Text = fmt.Sprintf("Our address %s has the name %s (PTR), but we call ourselves %s.", ip, words.Names(confirmed), s.subject())
		if generic(confirmed[0], ip) {
			f.Text = fmt.Sprintf("Our address %s has the name %s (PTR), which looks like that of a dial-up line; many hosts refuse mail from such.", ip, words.Names(confirmed))
		}
		s.add(f)
	case generic(s.host, ip):
		f.Level, f.Record = Warning, ""
		f.Text = fmt.Sprintf("The hostname %s looks like that of a dial-up line, from which many hosts refuse mail.", s.host)
		f.Remedy = "Choose a hostname such as mail.example.com in a domain of yours, and have the PTR record set to it."
		s.add(f)
	default:
		s.ok(ip.String(), "%s has the name %s (PTR), and that leads back to it.", ip, s.host)
	}
}

// confirmed gives those of the names that lead back to an address. The error is of a name that could not be asked for, where none does.
func (s *sheet) confirmed(ctx context.Context, ip netip.Addr, claims []string) (good []string, failed error) {
	for _, name := range claims[:min(len(claims), 10)] {
		a, err := s.cfg.Resolver.Addresses(ctx, name)
		if err != nil && !mail.Is(err, mail.Invalid) {
			failed = err
		}
		if slices.ContainsFunc(a.Value, func(b netip.Addr) bool { return b.Unmap() == ip }) {
			good = append(good, strings.ToLower(strings.TrimSuffix(name, ".")))
		}
	}
	if len(good) > 0 {
		failed = nil
	}
	return good, failed
}

// generic reports a name as providers give them to all their addresses: with the address in it, or a word of such names.
func generic(name string, ip netip.Addr) bool {
	if ip.Is4() {
		o := ip.As4()
		for _, sep := range []string{"-", ".", "_"} {
			for _, form := range []string{
				fmt.Sprintf("%d%s%d%s%d%s%d", o[0], sep, o[1], sep, o[2], sep, o[3]),
				fmt.Sprintf("%d%s%d%s%d%s%d", o[3], sep, o[2], sep, o[1], sep, o[0]),
			} {
				if strings.Contains(name, form) {
					return true
				}
			}
		}
	}
	labels := strings.Split(name, ".")
	own := strings.Join(labels[:max(len(labels)-2, 0)], ".") // what the provider calls itself does not count
	for word := range strings.FieldsFuncSeq(own, func(r rune) bool { return r == '.' || r == '-' || r == '_' }) {
		switch strings.TrimRight(word, "0123456789") {
		case "dyn", "dynamic", "dhcp", "dsl", "adsl", "vdsl", "pool", "ppp", "pppoe", "dialup", "dial", "cable", "broadband", "cust", "customer", "static", "unassigned", "rev":
			return true
		}
	}
	return false
}

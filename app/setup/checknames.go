package setup

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/records"
)

// checkResolver looks whether the resolver answers, and hands on what DNSSEC needs.
func (r *run) checkResolver(ctx context.Context) []Step {
	const name = "resolver"
	none := Step{Name: name, Level: Fail, Link: linkResolver, Remedy: "See to it that /etc/resolv.conf names a resolver that works, or name one in [dns] servers."}
	top := r.domain[strings.LastIndexByte(r.domain, '.')+1:]
	c, ok := r.names.(checker)
	if ok {
		v, err := c.Check(ctx, top, "SOA")
		if err == nil {
			return []Step{r.judgeResolver(ctx, c, v, none)}
		}
		ok = mail.Is(err, mail.Invalid) // it leaves DNSSEC to its servers
		if !ok {
			none.Text = "the resolver does not answer: " + short(mail.Sentence(err))
			return []Step{none}
		}
	}
	if _, err := r.names.Addresses(ctx, r.hostname); mail.Is(err, mail.Unavailable) {
		none.Text = "the resolver does not answer: " + short(mail.Sentence(err))
		return []Step{none}
	}
	return []Step{{Name: name, Level: Done, Text: "the resolver answers; DNSSEC is not checked here"}}
}

func (r *run) judgeResolver(ctx context.Context, c checker, v dns.Verdict, none Step) Step {
	s := Step{Name: "resolver"}
	switch v.Security {
	case dns.Secure:
		s.Level, s.Text = Done, "the resolver answers and hands on what DNSSEC needs"
		return s
	case dns.Indeterminate:
		none.Text = "the resolver does not answer: " + short(v.Reason)
		return none
	case dns.Bogus:
		s.Level, s.Link, s.Text = Fail, linkDNSSEC, "answers of the resolver do not stand up to DNSSEC: "+short(v.Reason)
		s.Remedy = "Look at the machine's clock first; then use another resolver, named in [dns] servers."
		return s
	}
	// The top domain may not be signed: one that surely is tells.
	if more, err := c.Check(ctx, "org", "SOA"); err == nil && more.Security == dns.Secure {
		s.Level, s.Text = Done, "the resolver answers and hands on what DNSSEC needs"
		return s
	}
	s.Level, s.Link, s.Text = Warn, linkDNSSEC, "the resolver answers, but leaves out what DNSSEC needs, so the certificates of other mail hosts cannot be checked by DANE"
	s.Remedy = "Use a resolver that hands the signatures on (unbound on this machine does), named in [dns] servers."
	return s
}

// The clock may be off by this much.
const (
	clockGood = 2 * time.Second
	clockBear = time.Minute
)

// checkClock compares the clock with another one.
func (r *run) checkClock(ctx context.Context) []Step {
	const name = "clock"
	if r.host.Offset == nil {
		return []Step{{Name: name, Level: Note, Text: "nobody could be asked for the time"}}
	}
	off, source, err := r.host.Offset(ctx, r.dialName)
	if err != nil {
		return []Step{{Name: name, Level: Note, Text: "the clock could not be compared with another: " + short(mail.Sentence(err)), Remedy: "See that timedatectl says: System clock synchronized: yes."}}
	}
	far, word := off.Abs(), "behind"
	if off < 0 {
		word = "ahead"
	}
	s := Step{Name: name, Level: Done, Text: fmt.Sprintf("the clock is right, says %s", source)}
	if far > clockGood {
		s = Step{Name: name, Level: Warn, Text: fmt.Sprintf("the clock is %s %s, says %s", far.Round(time.Second/10), word, source), Link: linkClock,
			Remedy: "Let the machine set it, with: timedatectl set-ntp true."}
	}
	if far > clockBear {
		s.Level = Fail
	}
	return []Step{s}
}

// dialName connects to a host by name: each of its first addresses in turn.
func (r *run) dialName(ctx context.Context, network, at string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return nil, err
	}
	ips := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		ips = append(ips, ip)
	} else {
		known, err := r.names.Addresses(ctx, host)
		if err != nil {
			return nil, err
		}
		ips = known.Value
	}
	sortAddresses(ips)
	err = mail.Errorf(mail.NotFound, "%s has no address", host)
	for _, ip := range ips[:min(len(ips), 2)] {
		var conn net.Conn
		if conn, err = r.host.Dial(ctx, network, net.JoinHostPort(ip.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// checkDomain looks what the DNS says about the domain now.
func (r *run) checkDomain(ctx context.Context) []Step {
	const name = "domain"
	a, err := r.names.MX(ctx, r.domain)
	s := Step{Name: name, Level: Done}
	switch {
	case err != nil:
		s.Level, s.Text, s.Link = Warn, "it cannot be told what the DNS says about "+r.domain+": "+short(mail.Sentence(err)), linkResolver
		s.Remedy = "See whether its name servers answer, where the domain is registered."
	case a.Status == dns.NoName:
		s.Level, s.Text = Fail, r.domain+" does not exist in the DNS"
		s.Remedy = "Register it, and let it be served by name servers (of your provider, for one), before its records can be published."
	case a.Status == dns.Found && !slices.ContainsFunc(a.Value, func(m dns.MX) bool { return m.Host == r.hostname }):
		var hosts []string
		for _, m := range a.Value[:min(len(a.Value), 3)] {
			hosts = append(hosts, m.Host)
		}
		s.Level, s.Link = Warn, linkMX
		s.Text = fmt.Sprintf("mail for %s goes to %s now, and will come here once you publish the new MX record", r.domain, strings.Join(hosts, ", "))
		s.Remedy = "Make the accounts here first; move the old mail; then change the MX record, and take the old ones out."
	case a.Status == dns.Found && len(a.Value) > 1:
		s.Text = fmt.Sprintf("mail for %s comes here already, and to %d other hosts", r.domain, len(a.Value)-1)
	case a.Status == dns.Found:
		s.Text = fmt.Sprintf("mail for %s comes here already", r.domain)
	default:
		s.Text = r.domain + " exists, and no host has its mail yet"
	}
	return []Step{s}
}

// checkHostname looks whether the host's name leads here.
func (r *run) checkHostname(ctx context.Context) []Step {
	const name = "hostname"
	a, err := r.names.Addresses(ctx, r.hostname)
	if err != nil {
		return []Step{{Name: name, Level: Warn, Text: "it cannot be told where " + r.hostname + " is: " + short(mail.Sentence(err)), Link: linkResolver}}
	}
	if len(a.Value) == 0 {
		return []Step{{Name: name, Level: Note, Text: r.hostname + " is not in the DNS yet; its records are among those below"}}
	}
	var wrong, lacking []netip.Addr
	for _, ip := range a.Value {
		if !slices.Contains(r.report.Addresses, ip.Unmap()) {
			wrong = append(wrong, ip)
		}
	}
	for _, ip := range r.report.Addresses {
		if !slices.Contains(a.Value, ip) {
			lacking = append(lacking, ip)
		}
	}
	switch {
	case len(r.report.Addresses) == 0:
		return []Step{{Name: name, Level: Note, Text: r.hostname + " is at " + joined(a.Value) + "; whether that is here is not known"}}
	case len(wrong) > 0:
		return []Step{{Name: name, Level: Warn, Text: fmt.Sprintf("%s leads to %s, which is not this machine", r.hostname, joined(wrong)),
			Remedy: "Take those addresses out of its records, or choose another name with --hostname.", Link: linkMX}}
	case len(lacking) > 0:
		return []Step{{Name: name, Level: Note, Text: fmt.Sprintf("%s leads here, but not to %s yet; the record is among those below", r.hostname, joined(lacking))}}
	}
	return []Step{{Name: name, Level: Done, Text: r.hostname + " leads here"}}
}

// checkReverse looks whether the addresses name this host, and the name leads back. RFC 1912 2.1.
func (r *run) checkReverse(ctx context.Context) []Step {
	const name = "reverse"
	var out []Step
	for _, ip := range r.report.Addresses {
		s := Step{Name: name, Level: Fail, Link: linkPTR,
			Remedy: fmt.Sprintf("Set the reverse name of %s to %s where the address comes from: in the panel of the provider, or by asking them.", ip, r.hostname)}
		a, err := r.names.PTR(ctx, ip)
		switch {
		case err != nil:
			s.Level, s.Remedy, s.Link, s.Text = Note, "", "", fmt.Sprintf("the reverse name of %s cannot be told now: %s", ip, short(mail.Sentence(err)))
		case len(a.Value) == 0:
			s.Text = fmt.Sprintf("%s has no reverse name (PTR), so many hosts will refuse mail from it", ip)
		case !slices.Contains(a.Value, r.hostname):
			s.Text = fmt.Sprintf("the reverse name (PTR) of %s is %s, not %s", ip, a.Value[0], r.hostname)
		default:
			back, err := r.names.Addresses(ctx, r.hostname)
			s = Step{Name: name, Level: Done, Text: fmt.Sprintf("%s is called %s, and the name leads back to it", ip, r.hostname)}
			if err != nil || !slices.Contains(back.Value, ip) {
				s = Step{Name: name, Level: Note, Text: fmt.Sprintf("%s is called %s; the name leads back to it once the records below are published", ip, r.hostname)}
			}
		}
		out = append(out, s)
	}
	return out
}

// checkLists looks for our addresses on block lists. RFC 5782 2.1, 2.4.
func (r *run) checkLists(ctx context.Context) []Step {
	const name = "blocklist"
	type question struct {
		ip   netip.Addr
		list string
	}
	var all []question
	for _, list := range r.cfg.Doctor.Lists {
		for _, ip := range r.report.Addresses {
			all = append(all, question{ip, strings.TrimSuffix(list, ".")})
		}
	}
	if len(all) == 0 {
		return nil
	}
	answers := make([]chan Step, len(all))
	for i, q := range all {
		answers[i] = make(chan Step, 1)
		go func() { answers[i] <- r.onList(ctx, q.ip, q.list) }()
	}
	var out []Step
	var clean, silent []string
	for i, q := range all {
		switch s := <-answers[i]; {
		case s.Text == q.list+unheard:
			if !slices.Contains(silent, q.list) {
				silent = append(silent, q.list)
			}
		case s.Level != Done:
			s.Name = name
			if !slices.Contains(out, s) { // a list refuses for all addresses alike
				out = append(out, s)
			}
		case !slices.Contains(clean, q.list):
			clean = append(clean, q.list)
		}
	}
	if len(silent) > 0 {
		out = append(out, Step{Name: name, Level: Note, Link: linkResolver,
			Text: strings.Join(silent, ", ") + unheard + ": not even the entry by which such lists are tried (127.0.0.2) is found, so nothing is known of them"})
	}
	clean = slices.DeleteFunc(clean, func(list string) bool {
		return slices.ContainsFunc(out, func(s Step) bool { return strings.Contains(s.Text, list) })
	})
	if len(clean) > 0 {
		out = append([]Step{{Name: name, Level: Done, Text: "our addresses are not listed by " + strings.Join(clean, ", ")}}, out...)
	}
	return out
}

// onList looks for one address on one list.
func (r *run) onList(ctx context.Context, ip netip.Addr, list string) Step {
	at := strings.TrimSuffix(strings.TrimSuffix(records.Reverse(ip), ".in-addr.arpa"), ".ip6.arpa") + "." + list
	a, err := r.names.Addresses(ctx, at)
	if err != nil {
		return Step{Level: Note, Text: list + " does not answer"}
	}
	var listed []string
	for _, v := range a.Value {
		switch v = v.Unmap(); {
		case !v.Is4() || v.As4()[0] != 127: // lists answer with addresses of loopback, and with others once they are gone
			return Step{Level: Note, Text: list + " answers as no block list does, so it may be gone", Remedy: "Take it out of lists in [doctor] of the configuration."}
		case refuses(v):
			return refusal(list)
		default:
			listed = append(listed, v.String())
		}
	}
	if len(listed) == 0 {
		return r.asked(ctx, list)
	}
	text := fmt.Sprintf("%s is on the block list %s (%s)", ip, list, strings.Join(listed, ", "))
	if why, err := r.names.TXT(ctx, at); err == nil && len(why.Value) > 0 {
		text += ": " + short(why.Value[0])
	}
	return Step{Level: Warn, Text: text, Remedy: "Look on the list's page why, and ask for removal, or ask the provider for another address.", Link: linkBlocklist}
}

// refuses reports the answer by which a list says that it does not serve whoever asks.
func refuses(ip netip.Addr) bool {
	b := ip.As4()
	return b[0] == 127 && b[1] == 255 && b[2] == 255
}

func refusal(list string) Step {
	return Step{Level: Note, Text: list + " does not answer questions from our resolver, so nothing is known of it",
		Remedy: "Such lists serve no public resolvers: run one of your own (unbound), named in [dns] servers.", Link: linkResolver}
}

// unheard ends what is said of a list that was not heard.
const unheard = " could not be asked"

// asked looks whether a list that does not have an address says so, or cannot be heard from here: each lists 127.0.0.2. RFC 5782 5.
func (r *run) asked(ctx context.Context, list string) Step {
	a, err := r.names.Addresses(ctx, "2.0.0.127."+list)
	switch {
	case err != nil:
		return Step{Level: Note, Text: list + " does not answer"}
	case slices.ContainsFunc(a.Value, func(ip netip.Addr) bool { ip = ip.Unmap(); return ip.Is4() && refuses(ip) }):
		return refusal(list)
	case len(a.Value) == 0:
		return Step{Level: Note, Text: list + unheard}
	}
	return Step{Level: Done}
}

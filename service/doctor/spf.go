package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/postrider/postrider/proto/dkimtext"
	"github.com/postrider/postrider/service/doctor/words"
	"github.com/postrider/postrider/service/judge/spf"
)

// checkSPF looks whether the domain has one record that works and allows our addresses. RFC 7208 3, RFC 7208 4.
func checkSPF(ctx context.Context, s *sheet) {
	texts, ok := s.texts(ctx, s.domain, "the SPF record of "+s.domain)
	if !ok {
		return
	}
	found, near := spfRecords(texts)
	f := Finding{Subject: s.domain, Level: Fault, Link: linkSPF, Record: s.record(s.domain, "TXT", "v=spf1")}
	switch {
	case len(found) == 0 && near != "":
		f.Text = fmt.Sprintf("The SPF record of %s is not understood, for it does not begin with \"v=spf1 \": %s.", s.domain, words.Plain(near))
		f.Remedy = "Correct it."
	case len(found) == 0:
		f.Text = s.domain + " has no SPF record, so that others cannot tell our mail from forged mail."
		f.Remedy = "Publish one."
	case len(found) > 1:
		f.Text = fmt.Sprintf("%s has %d SPF records, and then none of them counts.", s.domain, len(found))
		f.Remedy = "Make one of them."
		f.Record = s.textLine(merged(found, s.facts.Addresses))
	default:
		s.spfRecord(ctx, found[0])
		s.spfHelo(ctx)
		return
	}
	s.add(f)
}

func (x *exam) textLine(text string) string { return line(x.domain, "TXT", dkimtext.Quoted(text)) }

// spfRecords gives the texts that are SPF records, and one that wants to be.
func spfRecords(texts []string) (found []string, near string) {
	for _, t := range texts {
		begin := strings.ToLower(strings.TrimLeft(t, " \t\""))
		switch {
		case strings.EqualFold(t, "v=spf1") || len(t) > 6 && strings.EqualFold(t[:7], "v=spf1 "):
			found = append(found, t)
		case strings.HasPrefix(begin, "v=spf") || strings.HasPrefix(begin, "spf1 ") || strings.HasPrefix(begin, "v=sfp1") || strings.HasPrefix(begin, "v = spf"):
			near = t
		}
	}
	return found, near
}

// isAll reports a term that says what goes for all others, and its qualifier.
func isAll(term string) (qualifier byte, ok bool) {
	if t := strings.ToLower(term); t == "all" {
		return '+', true
	} else if len(t) == 4 && t[1:] == "all" && strings.IndexByte("+-~?", t[0]) >= 0 {
		return t[0], true
	}
	return 0, false
}

// merged makes one record of several, which allows some addresses too.
func merged(texts []string, ips []netip.Addr) string {
	terms, redirect := []string(nil), ""
	end := "-all"
	for _, t := range texts {
		for _, term := range strings.Fields(t)[1:] {
			_, all := isAll(term)
			switch {
			case all && term != "all" && term != "+all" && end == "-all":
				end = strings.ToLower(term)
			case all:
			case strings.HasPrefix(strings.ToLower(term), "redirect="):
				redirect = "include:" + term[len("redirect="):] // two of them cannot be
				terms = append(terms, redirect)
			case !slices.Contains(terms, term):
				terms = append(terms, term)
			}
		}
	}
	for _, ip := range ips {
		term := "ip4:" + ip.String()
		if ip.Is6() {
			term = "ip6:" + ip.String()
		}
		if !slices.Contains(terms, term) && !slices.Contains(terms, "mx") && !slices.Contains(terms, "a") && !private(ip) {
			terms = append(terms, term)
		}
	}
	return strings.Join(append(append([]string{"v=spf1"}, terms...), end), " ")
}

// withAddresses is a record that allows further addresses.
func withAddresses(text string, ips []netip.Addr) string {
	var terms []string
	for _, ip := range ips {
		if ip.Is6() {
			terms = append(terms, "ip6:"+ip.String())
		} else {
			terms = append(terms, "ip4:"+ip.String())
		}
	}
	fields := strings.Fields(text)
	i := slices.IndexFunc(fields, func(t string) bool {
		_, all := isAll(t)
		return all || strings.HasPrefix(strings.ToLower(t), "redirect=")
	})
	if i < 0 {
		i = len(fields)
	}
	return strings.Join(slices.Insert(fields, i, terms...), " ")
}

// Addresses that no record names, so that all of it is read: of the ranges for the future and for examples. RFC 1112 4, RFC 3849.
var nobody = []netip.Addr{netip.AddrFrom4([4]byte{240, 0, 0, 1}), netip.MustParseAddr("2001:db8:dead:beef:ffff:ffff:ffff:fffe")}

// spfRecord looks at the only record.
func (s *sheet) spfRecord(ctx context.Context, text string) {
	for _, ip := range nobody {
		out := spf.Check(ctx, s.cfg.Resolver, spf.Query{IP: ip, Domain: s.domain, Helo: s.look.Me()})
		switch out.Result {
		case spf.PermError:
			s.add(Finding{Subject: s.domain, Level: Fault, Link: linkSPF, Text: out.Reason, Remedy: spfRemedy(out.Reason)})
			return
		case spf.TempError:
			s.untold(s.domain, "all of the SPF record of "+s.domain, fmt.Errorf("%s", out.Reason))
		}
	}
	qualifier, redirect := byte(0), false
	for _, term := range strings.Fields(text)[1:] {
		if q, ok := isAll(term); ok {
			qualifier = q
			break
		}
		redirect = redirect || strings.HasPrefix(strings.ToLower(term), "redirect=")
	}
	switch {
	case qualifier == '+':
		s.add(Finding{Subject: s.domain, Level: Fault, Link: linkSPF, Record: s.record(s.domain, "TXT", "v=spf1"),
			Text:   "The SPF record of " + s.domain + " allows everybody in the world to send its mail (+all), and many hosts hold that against it.",
			Remedy: "Let it end in -all or ~all."})
	case qualifier == '?' || qualifier == 0 && !redirect:
		s.add(Finding{Subject: s.domain, Level: Warning, Link: linkSPF, Record: s.record(s.domain, "TXT", "v=spf1"),
			Text:   "The SPF record of " + s.domain + " does not say what to do with mail from other hosts, so that it does not keep anybody from forging.",
			Remedy: "Let it end in -all or ~all."})
	}
	s.spfOurs(ctx, text)
	if s.clean() {
		s.ok(s.domain, "The SPF record of %s allows our addresses.", s.domain)
	}
}

// spfRemedy is what to do about a record that cannot be used, by the reason that service/judge/spf gives.
func spfRemedy(reason string) string {
	switch {
	case strings.Contains(reason, "questions to the DNS"):
		return "Replace include:, a and mx by the addresses they stand for (ip4:, ip6:), and remove what is not used any more, until ten are left."
	case strings.Contains(reason, "have no data"):
		return "Remove the terms whose names do not exist."
	case strings.Contains(reason, "includes") || strings.Contains(reason, "redirects"):
		return "Remove that term, or correct its name."
	}
	return "Correct it; each term is ip4:, ip6:, a, mx, include:, exists:, redirect= or all."
}

// spfOurs looks whether our addresses may send.
func (s *sheet) spfOurs(ctx context.Context, text string) {
	if s.facts.Smarthost != "" {
		return // mail does not come from our addresses
	}
	var missing []netip.Addr
	for _, ip := range s.facts.Addresses {
		if private(ip) {
			continue
		}
		switch out := spf.Check(ctx, s.cfg.Resolver, spf.Query{IP: ip, Domain: s.domain, Helo: s.look.Me()}); out.Result {
		case spf.Pass, spf.PermError: // the latter was told already
		case spf.TempError:
			s.untold(s.domain, "whether "+ip.String()+" may send mail of "+s.domain, fmt.Errorf("%s", out.Reason))
		default:
			missing = append(missing, ip)
		}
	}
	if len(missing) > 0 {
		s.add(Finding{Subject: s.domain, Level: Fault, Link: linkSPF, Record: s.textLine(withAddresses(text, missing)),
			Text:   fmt.Sprintf("The SPF record of %s does not allow our address %s, so that our own mail counts as forged.", s.domain, words.List(missing)),
			Remedy: "Add our addresses to it."})
	}
}

// spfHelo looks at the record of the hostname, which counts for reports and bounces, that have no sender. RFC 7208 2.3.
func (s *sheet) spfHelo(ctx context.Context) {
	if s.facts.Smarthost != "" || s.host == "" || s.host == s.domain {
		return
	}
	for _, ip := range s.facts.Addresses {
		if private(ip) {
			continue
		}
		switch out := spf.Check(ctx, s.cfg.Resolver, spf.Query{IP: ip, Domain: s.host, Helo: s.host}); out.Result {
		case spf.Fail, spf.SoftFail, spf.PermError:
			s.add(Finding{Subject: s.host, Level: Warning, Link: linkSPF, Record: line(s.host, "TXT", `"v=spf1 a -all"`),
				Text:   "Bounces and reports, which are judged by the hostname, count as forged: " + words.Plain(out.Reason),
				Remedy: "Correct the SPF record of the hostname."})
			return
		case spf.None:
			s.add(Finding{Subject: s.host, Level: Note, Link: linkSPF, Record: line(s.host, "TXT", `"v=spf1 a -all"`),
				Text:   "The hostname " + s.host + " has no SPF record of its own, by which bounces and reports are judged.",
				Remedy: "Publish one if you like."})
			return
		}
	}
}

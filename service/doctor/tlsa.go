package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/service/doctor/words"
)

// checkTLSA looks whether the TLSA records of port 25 agree with the certificate it shows. RFC 7672 3.
func checkTLSA(ctx context.Context, s *sheet) {
	if s.cfg.TLSA == nil || s.host == "" {
		s.note(s.subject(), "TLSA records (DANE) were not looked at.")
		return
	}
	name := dane.OwnerName(s.host, 25)
	a, err := s.cfg.TLSA.TLSA(ctx, name)
	f := Finding{Subject: name, Link: linkDANE, Record: s.record(name, "TLSA", "")}
	switch {
	case err != nil && s.bogus(ctx, name, "TLSA"):
		f.Level, f.Record = Fault, ""
		f.Text = "DNSSEC refuses the answer about the TLSA records at " + name + ", so that hosts that use DANE keep their mail back: " + words.Reason(err) + "."
		f.Remedy = "Sign the zone anew; see its name servers' log."
	case err != nil:
		s.untold(name, "the TLSA records at "+name, err)
		return
	case a.Status != dns.Found:
		s.noTLSA(ctx, name, f)
		return
	case !a.Authentic:
		f.Level, f.Record = Warning, ""
		f.Text = "There are TLSA records at " + name + ", but no DNSSEC vouches for them, so that nobody looks at them."
		f.Remedy = "Sign the zone with DNSSEC, or remove them."
	case len(usable(a.Value)) == 0:
		f.Level = Warning
		f.Text = "None of the TLSA records at " + name + " can be used for mail."
		f.Remedy = "Publish one of the form 3 1 1."
	default:
		s.tlsaMatch(ctx, f, a.Value)
		return
	}
	s.add(f)
}

func usable(all []dane.Record) (out []dane.Record) {
	for _, r := range all {
		if r.Usable() {
			out = append(out, r)
		}
	}
	return out
}

// noTLSA tells that there are none: that matters only where they would count.
func (s *sheet) noTLSA(ctx context.Context, name string, f Finding) {
	if !s.secure(ctx, s.host, "A") || !s.secure(ctx, name, "TLSA") {
		s.ok(name, "There are no TLSA records (DANE) at %s; without DNSSEC there is no use for any.", name)
		return
	}
	f.Level = Note
	f.Text = "There are no TLSA records at " + name + ", although DNSSEC would vouch for them: with them others could tell our port 25 from a forged one (DANE)."
	f.Remedy = "Publish them if you like, and renew them with the key of the certificate."
	s.add(f)
}

// tlsaMatch compares records with the certificates that port 25 shows, at each of our addresses.
func (s *sheet) tlsaMatch(ctx context.Context, f Finding, all []dane.Record) {
	reference := dane.References(s.host, s.domain, "")
	compared := 0
	look := func(chain []*x509.Certificate, at string) {
		compared++
		m := dane.Check(all, chain, reference, s.now())
		if m == dane.Matched {
			return
		}
		f.Level = Fault
		f.Record = line(f.Subject, "TLSA", dane.Own(chain[0]).String())
		f.Text = fmt.Sprintf("None of the TLSA records at %s agrees with the certificate at %s (%s), so that hosts that use DANE send us nothing.", f.Subject, at, strings.ReplaceAll(m.String(), "-", " "))
		f.Remedy = "Publish this record, keep the old one for as long as it may be cached, and let the certificate keep its key when it is renewed."
		s.add(f)
	}
	for _, p := range s.probe(ctx, func(p Port) bool { return p.Service == "smtp" }) {
		if len(p.Chain) > 0 {
			look(p.Chain, p.At)
		}
	}
	if compared == 0 {
		for _, c := range s.facts.Certificates {
			if c != nil && c.VerifyHostname(s.host) == nil {
				look([]*x509.Certificate{c}, s.host)
				break // the one in use; others may be for later
			}
		}
	}
	switch {
	case compared == 0:
		s.untold(f.Subject, "whether the TLSA records at "+f.Subject+" agree with our certificate", errors.New("port 25 showed none"))
	case s.clean():
		s.ok(f.Subject, "The TLSA records at %s agree with our certificate.", f.Subject)
	}
}

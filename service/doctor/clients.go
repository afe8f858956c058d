package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/doctor/wire"
	"github.com/postrider/postrider/service/doctor/words"
	"github.com/postrider/postrider/service/records"
)

// checkAutoconfig looks whether mail programs find their settings on the web.
func checkAutoconfig(ctx context.Context, s *sheet) {
	if !s.facts.Web {
		s.note(s.domain, "Settings for mail programs are not served for %s.", s.domain)
		return
	}
	for _, page := range []struct{ host, path, has, who string }{
		{"autoconfig." + s.domain, "/mail/config-v1.1.xml?emailaddress=postmaster@" + s.domain, "clientConfig", "Thunderbird and others"},
		{"autodiscover." + s.domain, "/autodiscover/autodiscover.xml", "", "Outlook and others"},
	} {
		s.settings(ctx, page.host, page.path, page.has, page.who)
	}
	if s.clean() {
		s.ok(s.domain, "Mail programs find their settings for %s.", s.domain)
	}
}

// settings looks at one host. has must be in its page; where it is empty, any answer under TLS will do.
func (s *sheet) settings(ctx context.Context, host, path, has, who string) {
	f := Finding{Subject: host, Level: Warning, Link: linkAutoconfig, Record: s.record(host, "CNAME", ""),
		Remedy: "Let " + host + " lead to this host."}
	a, err := s.cfg.Resolver.Addresses(ctx, host)
	switch {
	case err != nil:
		s.untold(host, "the settings at "+host, err)
		return
	case a.Status != dns.Found:
		f.Text = fmt.Sprintf("The name %s is missing, so that %s do not find their settings.", host, who)
		s.add(f)
		return
	case len(s.facts.Addresses) > 0 && !s.anyOurs(a.Value):
		f.Text = fmt.Sprintf("The name %s leads to %s, not to us, so that %s get somebody else's settings.", host, words.List(a.Value), who)
		s.add(f)
		return
	}
	p, err := s.look.Get(ctx, "https://"+host+path, true)
	var cert wire.CertError
	switch {
	case errors.As(err, &cert):
		f.Link = linkCertificate
		f.Text = fmt.Sprintf("The certificate of %s %s, so that %s refuse its settings.", host, cert.Text, who)
		f.Remedy = "Get a certificate for it ([tls.acme] does so by itself once the name leads here)."
	case err != nil:
		f.Text = fmt.Sprintf("The settings at %s cannot be fetched: %s.", host, words.Reason(err))
		f.Remedy = "Let the server listen on port 443 (listen.https), or forward the name to it."
	case has != "" && (p.Status != 200 || !bytes.Contains(p.Body, []byte(has))):
		f.Text = fmt.Sprintf("There are no settings at https://%s (the answer is %d): another web server answers there.", host, p.Status)
		f.Remedy = "Forward the name to Postrider's port for HTTPS."
	default:
		return
	}
	s.add(f)
}

// checkSRV looks whether mail programs find our services in the DNS. RFC 6186 3, RFC 8314 5.1.
func checkSRV(ctx context.Context, s *sheet) {
	var wanted []records.Record
	for _, r := range s.wanted {
		if r.Type == "SRV" && strings.HasSuffix(r.Name, "."+s.domain) && r.Need != records.May {
			wanted = append(wanted, r)
		}
	}
	if len(wanted) == 0 {
		s.note(s.domain, "No service for mail programs is known, so that SRV records were not looked at.")
		return
	}
	for _, r := range wanted {
		have, err := s.lookup(ctx, r.Name, "SRV")
		switch {
		case errors.Is(err, errNoChecker):
			s.untold(s.domain, "the SRV records of "+s.domain, err)
			return
		case err != nil:
			s.untold(r.Name, "the SRV record at "+r.Name, err)
		case len(have) == 0:
			s.add(Finding{Subject: r.Name, Level: Note, Link: linkAutoconfig, Record: line(r.Name, "SRV", r.Value),
				Text: "There is no SRV record at " + r.Name + ", by which some mail programs find us.", Remedy: "Publish it if you like."})
		case !slices.ContainsFunc(have, func(v string) bool { return sameTarget(v, r.Value) }):
			s.add(Finding{Subject: r.Name, Level: Warning, Link: linkAutoconfig, Record: line(r.Name, "SRV", r.Value),
				Text:   fmt.Sprintf("The SRV record at %s leads elsewhere (%s), so that mail programs do not find us.", r.Name, words.Names(have)),
				Remedy: "Publish this one in its place."})
		}
	}
	if s.clean() {
		s.ok(s.domain, "The SRV records of %s lead to us.", s.domain)
	}
}

// sameTarget reports SRV data with the same port and host; priority and weight are a matter of taste.
func sameTarget(a, b string) bool {
	f, g := strings.Fields(strings.ToLower(a)), strings.Fields(strings.ToLower(b))
	return len(f) == 4 && len(g) == 4 && f[2] == g[2] && strings.TrimSuffix(f[3], ".") == strings.TrimSuffix(g[3], ".")
}

var errNoChecker = errors.New("this resolver is asked for no such records")

// lookup gives the data of records of any type, as zone files have it.
func (s *sheet) lookup(ctx context.Context, name, typ string) ([]string, error) {
	if s.cfg.Checker == nil {
		return nil, errNoChecker
	}
	v, err := s.cfg.Checker.Check(ctx, name, typ)
	switch {
	case mail.Is(err, mail.Invalid):
		return nil, errNoChecker
	case err != nil:
		return nil, err
	case v.Status == dns.NoAnswer:
		return nil, mail.Errorf(mail.Unavailable, "%s", words.Plain(v.Reason))
	}
	return v.Records, nil
}

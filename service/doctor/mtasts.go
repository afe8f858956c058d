package doctor

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/proto/tlsrpt"
	"github.com/postrider/postrider/service/doctor/wire"
	"github.com/postrider/postrider/service/doctor/words"
)

// checkMTASTS looks at the record, the policy it tells of, and whether that fits our hosts. RFC 8461 3.
func checkMTASTS(ctx context.Context, s *sheet) {
	name := mtasts.Name(s.domain)
	texts, ok := s.texts(ctx, name, "the MTA-STS record of "+s.domain)
	if !ok {
		return
	}
	id, err := mtasts.ParseRecord(texts)
	f := Finding{Subject: name, Level: Fault, Link: linkMTASTS, Record: s.record(name, "TXT", "")}
	switch {
	case errors.Is(err, mtasts.ErrNoRecord) && s.facts.MTASTS == nil && !nearSTS(texts):
		s.note(name, "%s has no MTA-STS policy, which would make others insist on TLS; it is optional.", s.domain)
		return
	case errors.Is(err, mtasts.ErrNoRecord) && !nearSTS(texts):
		f.Level = Warning
		f.Text = "The MTA-STS record of " + s.domain + " is missing, so that nobody asks for the policy that we serve."
		f.Remedy = "Publish it."
	case errors.Is(err, mtasts.ErrManyRecords):
		f.Text = fmt.Sprintf("%s has more than one MTA-STS record, and then none of them counts.", s.domain)
		f.Remedy = "Remove all but one."
	case err != nil:
		f.Text = fmt.Sprintf("The MTA-STS record of %s is not understood: %s.", s.domain, words.Plain(strings.Join(texts, " | ")))
		f.Remedy = "Correct it; it looks like v=STSv1; id=20261124T10."
	default:
		s.policy(ctx, id)
		return
	}
	s.add(f)
}

// nearSTS reports texts that want to be MTA-STS records.
func nearSTS(texts []string) bool {
	for _, t := range texts {
		if strings.Contains(strings.ToLower(words.Cut(t, 20)), "sts") {
			return true
		}
	}
	return false
}

// policy fetches the policy and looks at it. RFC 8461 3.3.
func (s *sheet) policy(ctx context.Context, id string) {
	url, host := mtasts.URL(s.domain), mtasts.Host(s.domain)
	f := Finding{Subject: host, Level: Fault, Link: linkMTASTS}
	p, err := s.look.Get(ctx, url, true)
	var cert wire.CertError
	switch {
	case errors.As(err, &cert):
		f.Link = linkCertificate
		f.Text = fmt.Sprintf("The certificate of %s %s, so that nobody believes the MTA-STS policy.", host, cert.Text)
		f.Remedy = "Get a certificate for " + host + " ([tls.acme], which needs the name to lead to this host)."
	case err != nil && s.unresolved(err):
		s.untold(host, "the MTA-STS policy of "+s.domain, err)
		return
	case err != nil:
		f.Text = fmt.Sprintf("The MTA-STS policy at %s cannot be fetched, although a record tells of it: %s.", url, words.Reason(err))
		f.Remedy = "Let " + host + " lead to this host, and let it listen on port 443; or remove the record at " + mtasts.Name(s.domain) + "."
		f.Record = s.record(host, "CNAME", "")
	case p.Status != 200:
		f.Text = fmt.Sprintf("There is no MTA-STS policy at %s, although a record tells of it: the answer is %d%s.", url, p.Status, elsewhere(p))
		f.Remedy = "Let " + host + " lead to Postrider, which serves the policy, without any redirect; or remove the record at " + mtasts.Name(s.domain) + "."
	default:
		s.servedPolicy(ctx, id, p)
		return
	}
	s.add(f)
}

func elsewhere(p *wire.Page) string {
	if p.Location != "" {
		return ", a redirect to " + words.Plain(p.Location) + ", which nobody follows"
	}
	return ""
}

// servedPolicy looks at a policy that was fetched.
func (s *sheet) servedPolicy(ctx context.Context, id string, p *wire.Page) {
	host := mtasts.Host(s.domain)
	policy, err := mtasts.ReadPolicy(strings.NewReader(string(p.Body)))
	if err != nil {
		s.add(Finding{Subject: host, Level: Fault, Link: linkMTASTS,
			Text:   fmt.Sprintf("The MTA-STS policy of %s is not valid: %s.", s.domain, words.Reason(err)),
			Remedy: "Correct the file, or let Postrider serve it."})
		return
	}
	if kind, _, err := mime.ParseMediaType(p.Type); err != nil || kind != "text/plain" {
		s.add(Finding{Subject: host, Level: Warning, Link: linkMTASTS,
			Text:   fmt.Sprintf("The MTA-STS policy of %s is served as %q, not as text/plain, so that some do not take it.", s.domain, words.Plain(p.Type)),
			Remedy: "Let the web server give it the type text/plain."})
	}
	s.policyHosts(ctx, policy)
	if own := s.facts.MTASTS; own != nil {
		name := mtasts.Name(s.domain)
		switch {
		case policy.String() != own.String():
			s.add(Finding{Subject: host, Level: Warning, Link: linkMTASTS,
				Text:   "The MTA-STS policy that others get for " + s.domain + " is not the one that is set here.",
				Remedy: "Let " + host + " lead to this host, or put the file right on the web server that serves it.", Record: s.record(host, "CNAME", "")})
		case id != mtasts.ID(policy):
			s.add(Finding{Subject: name, Level: Fault, Link: linkMTASTS, Record: s.record(name, "TXT", ""),
				Text:   "The MTA-STS record of " + s.domain + " still has the id of another policy, so that those who know that one go on with it.",
				Remedy: "Publish the record anew; its id changes whenever the policy does."})
		}
	}
	switch policy.Mode {
	case mtasts.Testing:
		s.add(Finding{Subject: host, Level: Note, Link: linkMTASTS,
			Text:   "The MTA-STS policy of " + s.domain + " is being tried out (mode testing): mail comes also without TLS.",
			Remedy: "Once the TLS reports show no failures, set the mode to enforce, and publish the record with its new id."})
	case mtasts.None:
		s.note(host, "The MTA-STS policy of %s asks for nothing (mode none).", s.domain)
	}
	if s.clean() {
		s.ok(host, "The MTA-STS policy of %s is served, and names our hosts (%s).", s.domain, policy.Mode)
	}
}

// policyHosts looks whether the policy names the hosts of the MX records. RFC 8461 4.1.
func (s *sheet) policyHosts(ctx context.Context, policy mtasts.Policy) {
	if policy.Mode == mtasts.None {
		return
	}
	a, err := s.mx(ctx)
	if err != nil {
		s.untold(s.domain, "whether the MTA-STS policy names the MX hosts", err)
		return
	}
	var missing []string
	for _, mx := range a.Value {
		if (a.Status == dns.Found || a.Status == dns.Implicit) && !policy.Match(mx.Host) {
			missing = append(missing, mx.Host)
		}
	}
	if len(missing) == 0 {
		return
	}
	level := Fault
	if policy.Mode == mtasts.Testing {
		level = Warning
	}
	s.add(Finding{Subject: mtasts.Host(s.domain), Level: level, Link: linkMTASTS,
		Text:   fmt.Sprintf("The MTA-STS policy of %s names %s, but not its MX host %s, to which others therefore send nothing.", s.domain, words.Names(policy.MX), words.Names(missing)),
		Remedy: "Name all MX hosts in the policy, and publish the record with its new id; or correct the MX records."})
}

// checkTLSRPT looks at the record by which others know where to report trouble with TLS. RFC 8460 3.
func checkTLSRPT(ctx context.Context, s *sheet) {
	name := tlsrpt.Name(s.domain)
	texts, ok := s.texts(ctx, name, "the TLSRPT record of "+s.domain)
	if !ok {
		return
	}
	f := Finding{Subject: name, Level: Warning, Link: linkReports, Record: s.record(name, "TXT", ""), Remedy: "Publish the record as it stands here."}
	if f.Record == "" {
		f.Remedy = "Publish a record such as v=TLSRPTv1; rua=mailto:tlsrpt@" + s.domain + "."
	}
	uris, err := tlsrpt.ParseRecord(texts)
	switch {
	case err == nil:
		var to []string
		for _, u := range uris {
			to = append(to, u.Text)
		}
		s.ok(name, "Others report trouble with TLS to %s.", words.Names(to))
		return
	case errors.Is(err, tlsrpt.ErrNoRecord) && len(texts) == 0:
		if len(s.facts.TLSReports) == 0 {
			f.Level = Note
		}
		f.Text = s.domain + " has no TLSRPT record, so that nobody tells you when mail cannot come under TLS."
	case errors.Is(err, tlsrpt.ErrManyRecords):
		f.Text = s.domain + " has more than one TLSRPT record, and then none of them counts."
		f.Remedy = "Remove all but one."
	default:
		f.Text = fmt.Sprintf("The TLSRPT record of %s names no address for reports, or is not understood: %s.", s.domain, words.Plain(strings.Join(texts, " | ")))
	}
	s.add(f)
}

package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/proto/dkimtext"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/service/doctor/words"
)

// dmarcResolver asks the DNS as proto/dmarc wants it.
func (x *exam) dmarcResolver() dmarc.Resolver {
	return dmarc.Resolver{TXT: func(ctx context.Context, name string) ([]string, dmarc.Status) {
		a, err := x.cfg.Resolver.TXT(ctx, name)
		switch {
		case err != nil:
			return nil, dmarc.Failed
		case a.Status == dns.NoName:
			return nil, dmarc.NoName
		case a.Status != dns.Found:
			return nil, dmarc.NoData
		}
		return a.Value, dmarc.Found
	}}
}

// checkDMARC looks whether the domain says what is to be done with mail that is not from us. RFC 9989 4.
func checkDMARC(ctx context.Context, s *sheet) {
	name := "_dmarc." + s.domain
	texts, ok := s.texts(ctx, name, "the DMARC record of "+s.domain)
	if !ok {
		return
	}
	var found []dmarc.Record
	near := ""
	for _, t := range texts {
		r, err := dmarc.Parse(t)
		switch {
		case err == nil:
			found = append(found, r)
		case !errors.Is(err, dmarc.ErrNotRecord) || strings.Contains(strings.ToLower(words.Cut(t, 40)), "dmarc") || strings.Contains(words.Cut(t, 200), "p="):
			near = t
		}
	}
	f := Finding{Subject: name, Level: Fault, Link: linkDMARC, Record: s.record(name, "TXT", "")}
	switch {
	case len(found) == 1:
		s.dmarcRecord(ctx, name, found[0])
		return
	case len(found) > 1:
		f.Text = fmt.Sprintf("%s has %d DMARC records, and then none of them counts.", s.domain, len(found))
		f.Remedy = "Remove all but one."
	case near != "":
		f.Text = fmt.Sprintf("The DMARC record of %s is not understood, for it does not begin with v=DMARC1: %s.", s.domain, words.Plain(near))
		f.Remedy = "Correct it."
	default:
		if v := s.dmarcResolver().Evaluate(ctx, dmarc.Input{From: []string{s.domain}}); v.PolicyDomain != "" {
			s.ok(name, "%s has no DMARC record of its own; that of %s counts (%s).", s.domain, words.Plain(v.PolicyDomain), v.Published)
			return
		} else if v.Result == dmarc.TempError {
			s.untold(name, "the DMARC record of "+s.domain, errors.New(words.Plain(v.Reason)))
			return
		}
		f.Text = s.domain + " has no DMARC record, and Gmail, Yahoo and Microsoft ask for one."
		f.Remedy = "Publish one."
	}
	s.add(f)
}

// dmarcRecord looks at the only record.
func (s *sheet) dmarcRecord(ctx context.Context, name string, r dmarc.Record) {
	wanted := s.record(name, "TXT", "")
	if r.Unusable != "" {
		s.add(Finding{Subject: name, Level: Fault, Link: linkDMARC, Record: wanted,
			Text:   fmt.Sprintf("The DMARC record of %s asks for nothing: %s.", s.domain, words.Bare(r.Unusable)),
			Remedy: "Correct it."})
		return
	}
	for _, fault := range r.Faults {
		s.add(Finding{Subject: name, Level: Warning, Link: linkDMARC, Record: wanted,
			Text:   fmt.Sprintf("The DMARC record of %s has a fault: %s.", s.domain, words.Bare(fault)),
			Remedy: "Correct it; what is wrong is passed over."})
	}
	switch {
	case r.Policy == dmarc.PolicyNone:
		s.add(Finding{Subject: name, Level: Note, Link: linkDMARC,
			Text:   "The DMARC policy of " + s.domain + " is none: mail that is forged in its name is only reported.",
			Remedy: "Once the reports show no mail of yours that fails, change it to p=quarantine, later to p=reject."})
	case r.Testing:
		s.add(Finding{Subject: name, Level: Note, Link: linkDMARC,
			Text:   "The DMARC policy of " + s.domain + " is being tried out (t=y), so that the next weaker one counts.",
			Remedy: "Take t=y out once the reports show no mail of yours that fails."})
	}
	if len(r.Aggregate) == 0 {
		s.add(Finding{Subject: name, Level: Note, Link: linkReports, Record: wanted,
			Text:   "The DMARC record of " + s.domain + " names no address for reports (rua), so that you do not learn who fails.",
			Remedy: "Add one."})
	}
	for _, d := range s.dmarcResolver().Destinations(ctx, s.domain, r, dmarc.AggregateReport) {
		switch {
		case d.Allowed:
		case d.Retry:
			s.untold(name, "whether DMARC reports may go to "+words.Plain(d.URI.Text), errors.New(words.Plain(d.Reason)))
		default:
			s.add(Finding{Subject: name, Level: Warning, Link: linkReports,
				Text:   fmt.Sprintf("DMARC reports about %s are not sent to %s, for %s has not said that it takes them.", s.domain, words.Plain(d.URI.Text), words.Plain(d.URI.Host)),
				Remedy: "Publish this record there, or let the reports go to an address of your own.",
				Record: line(dmarc.Authorisation(s.domain, d.URI.Host), "TXT", dkimtext.Quoted("v=DMARC1;"))})
		}
	}
	if s.clean() {
		s.ok(name, "The DMARC record of %s is right (%s).", s.domain, r.Policy)
	}
}

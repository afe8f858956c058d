package dmarc

import (
	"context"
	"fmt"
	"slices"

	"github.com/postrider/postrider/proto/addr"
)

// Kind is the kind of a report.
type Kind uint8

// Which tag a report's addresses stand in.
const (
	AggregateReport Kind = iota // rua
	FailureReport               // ruf
)

// Destination is one address of a record, and whether reports may go there.
type Destination struct {
	URI URI
	// Allowed: it is in the domain's own organization, or its host agreed (RFC 9990 4).
	Allowed bool
	// Retry: the DNS failed; ask again later (RFC 9990 4, step 5).
	Retry  bool
	Reason string // one sentence, where it is not allowed
}

// Authorisation is the name whose TXT record allows reports on a domain to be sent to a host of another organization. RFC 9990 4.
func Authorisation(policyDomain, host string) string {
	return policyDomain + "._report._dmarc." + host
}

// Destinations checks where the reports on a policy domain may be sent: every URI of the record, in its order, those of
// other organizations only after their host has agreed, and with the addresses it wants instead. URIs of schemes
// other than mailto and https are passed over (RFC 9989 4.7).
func (r Resolver) Destinations(ctx context.Context, policyDomain string, record Record, kind Kind) []Destination {
	policyDomain, ok := domainName(policyDomain)
	if !ok {
		return nil
	}
	list := record.Aggregate
	if kind == FailureReport {
		list = record.Failure
	}
	ask := r.asker()
	organization := ""
	var all []Destination
	for _, u := range list {
		if u.Scheme != "mailto" && u.Scheme != "https" || u.Host == "" {
			continue
		}
		if organization == "" && u.Host != policyDomain && sameTop(u.Host, policyDomain) {
			if w, err := ask.walk(ctx, policyDomain); err == nil {
				organization = w.organizational()
			} else {
				all = append(all, Destination{URI: u, Retry: true, Reason: "the DNS could not say what belongs to " + policyDomain})
				continue
			}
		}
		for _, d := range ask.destination(ctx, policyDomain, organization, u, kind) {
			if !slices.ContainsFunc(all, func(o Destination) bool { return o.URI.Text == d.URI.Text }) {
				all = append(all, d)
			}
		}
	}
	return all
}

// destination checks one URI.
func (a *asker) destination(ctx context.Context, policyDomain, organization string, u URI, kind Kind) []Destination {
	if organization == "" {
		organization = policyDomain
	}
	own, err := a.aligned(ctx, u.Host, policyDomain, organization)
	switch {
	case err != nil:
		return []Destination{{URI: u, Retry: true, Reason: "the DNS could not say what belongs to " + u.Host}}
	case own:
		return []Destination{{URI: u, Allowed: true}}
	}
	refuse := func(format string, args ...any) []Destination {
		return []Destination{{URI: u, Reason: fmt.Sprintf(format, args...)}}
	}
	name := Authorisation(policyDomain, u.Host)
	if len(name) > addr.MaxDomain {
		return refuse("the name that would allow reports to %s is too long for the DNS", u.Host)
	}
	status, texts := Failed, []string(nil)
	if ctx.Err() == nil {
		texts, status = a.TXT(ctx, name)
	}
	if status == Failed {
		return []Destination{{URI: u, Retry: true, Reason: "the DNS could not say whether " + u.Host + " takes these reports"}}
	}
	agreed := false
	for _, text := range texts {
		record, err := Parse(text)
		if err != nil {
			continue
		}
		agreed = true
		instead := record.Aggregate
		if kind == FailureReport {
			instead = record.Failure
		}
		if len(instead) > 0 {
			return a.replace(u, instead)
		}
	}
	if !agreed {
		return refuse("%s has not agreed to receive reports on %s: there is no record v=DMARC1 at %s", u.Host, policyDomain, name)
	}
	return []Destination{{URI: u, Allowed: true}}
}

// replace takes the addresses that a host wants instead; one elsewhere spoils them all (RFC 9990 4, step 9).
func (a *asker) replace(u URI, instead []URI) (list []Destination) {
	for _, other := range instead {
		if other.Host != u.Host {
			return []Destination{{URI: u, Reason: fmt.Sprintf("%s sends the reports on to another host, which is not allowed", u.Host)}}
		}
		list = append(list, Destination{URI: other, Allowed: true})
	}
	return list
}

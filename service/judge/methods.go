package judge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/service/judge/spf"
)

// checkSPF checks MAIL FROM, or HELO for the null sender. RFC 7208 2.4.
func (j *Judge) checkSPF(ctx context.Context, ip netip.Addr, t Transaction) spf.Outcome {
	local, domain := t.From.Split()
	if t.From.IsNull() {
		local, domain = "", t.Helo
	}
	if d, err := addr.NormalDomain(domain); err == nil {
		domain = d
	}
	return spf.Check(ctx, j.cfg.Resolver, spf.Query{IP: ip, Local: local, Domain: domain, Helo: t.Helo, Receiver: j.cfg.Hostname, Now: j.cfg.Clock.Now()})
}

func spfFinding(o spf.Outcome, t Transaction) (f Finding, scope string) {
	f = Finding{Result: string(o.Result), Domain: t.From.Domain(), Reason: o.Reason}
	scope = "mailfrom"
	if t.From.IsNull() {
		f.Domain, scope = t.Helo, "helo"
	}
	if o.Explanation != "" {
		f.Reason += fmt.Sprintf(" It explains: %q.", o.Explanation)
	}
	return f, scope
}

// maxNames is how many names of an address are looked up: the one that is true stands first where there is one. RFC 8601 3.
const maxNames = 5

// iprev looks for a name of the client that leads back to it. RFC 8601 3, RFC 8601 2.7.3.
func (j *Judge) iprev(ctx context.Context, ip netip.Addr, known string) Finding {
	if known != "" {
		return Finding{Result: "pass", Domain: known, Reason: fmt.Sprintf("%s is %s.", ip, known)}
	}
	if !ip.IsValid() {
		return Finding{Result: "permerror", Reason: "The client has no address."}
	}
	names, err := j.cfg.Resolver.PTR(ctx, ip)
	switch {
	case err != nil:
		return Finding{Result: "temperror", Reason: fmt.Sprintf("The name of %s cannot be looked up now.", ip)}
	case names.Status != dns.Found || len(names.Value) == 0:
		return Finding{Result: "permerror", Reason: fmt.Sprintf("%s has no name in the DNS.", ip)}
	}
	failed := false
	for _, name := range names.Value[:min(len(names.Value), maxNames)] {
		back, err := j.cfg.Resolver.Addresses(ctx, name)
		if err != nil && !mail.Is(err, mail.Invalid) {
			failed = true
			continue
		}
		for _, a := range back.Value {
			if a.Unmap() == ip {
				return Finding{Result: "pass", Domain: name, Reason: fmt.Sprintf("%s is %s.", ip, name)}
			}
		}
	}
	if failed {
		return Finding{Result: "temperror", Reason: fmt.Sprintf("The addresses of %s cannot be looked up now.", shown(names.Value[0]))}
	}
	return Finding{Result: "fail", Reason: fmt.Sprintf("%s calls itself %s, which does not have that address.", ip, shown(names.Value[0]))}
}

// shown keeps what a stranger wrote short enough for a sentence.
func shown(s string) string { return s[:min(len(s), 100)] }

// warm asks for the record of the author's domain ahead of its use, so that it comes while the evidence is gathered. The resolver remembers
// it; nobody waits.
func (j *Judge) warm(ctx context.Context, authors []string) {
	if len(authors) == 0 {
		return
	}
	if d, err := addr.NormalDomain(authors[0]); err == nil && !strings.HasPrefix(d, "[") {
		begin(func() error { _, err := j.cfg.Resolver.TXT(ctx, "_dmarc."+d); return err })
	}
}

// dmarc evaluates DMARC with what the others found. RFC 9989 5.3.
func (j *Judge) dmarc(ctx context.Context, v *Verdict, authors []string) dmarc.Verdict {
	in := dmarc.Input{From: authors, SPF: dmarc.Identifier{Domain: v.SPF.Domain, Result: dmarc.Result(v.SPF.Result)}}
	for _, s := range v.DKIM {
		if s.Domain != "" {
			in.DKIM = append(in.DKIM, dmarc.Identifier{Domain: s.Domain, Result: dmarc.Result(s.Result)})
		}
	}
	r := DMARC(j.cfg.Resolver)
	late := dmarc.Verdict{Result: dmarc.TempError, Wish: dmarc.PolicyNone, Reason: "the policy of the author's domain could not be found in time"}
	return await(ctx, begin(func() dmarc.Verdict { return r.Evaluate(ctx, in) }), late)
}

// DMARC asks a resolver as DMARC needs it. Any type will do to tell whether a name exists: only NXDOMAIN says that it does not (RFC 8020 2).
func DMARC(r Resolver) dmarc.Resolver {
	return dmarc.Resolver{
		TXT: func(ctx context.Context, name string) ([]string, dmarc.Status) {
			a, err := r.TXT(ctx, name)
			return a.Value, dmarcStatus(a.Status, err)
		},
		Exists: func(ctx context.Context, name string) dmarc.Status {
			a, err := r.TXT(ctx, name)
			return dmarcStatus(a.Status, err)
		},
	}
}

func dmarcStatus(s dns.Status, err error) dmarc.Status {
	var e *mail.Error
	switch {
	case errors.As(err, &e) && e.Kind == mail.Invalid:
		return dmarc.NoName
	case err != nil:
		return dmarc.Failed
	case s == dns.NoName:
		return dmarc.NoName
	case s == dns.Found:
		return dmarc.Found
	}
	return dmarc.NoData
}

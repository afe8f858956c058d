package outbound

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/tlsrpt"
)

// heedDANE finds out what a host's TLSA records want, into a.guard, or that the host is to be left out for now. RFC 7672 2.
func (a *attempt) heedDANE(ctx context.Context, to target) *trouble {
	if !to.way.authentic { // RFC 7672 2.2.1
		return nil
	}
	answer, err := a.Resolver.Addresses(ctx, to.host)
	if err == nil && answer.Status != dns.Found {
		return nil // there is nothing to connect to
	}
	facts := dane.Facts{MX: dane.Secure}
	base, expanded := "", answer.Name
	if err == nil {
		var secure, own bool
		facts.Address, secure, own = a.standing(ctx, to.host, answer)
		facts.TLSA, facts.Records, base = a.records(ctx, dane.Bases(to.host, expanded, own, secure), to.port)
	}
	plan, result := dane.Decide(facts)
	g := &a.guard
	switch plan {
	case dane.PutOff:
		if ctx.Err() != nil { // says nothing about the DNS
			return &trouble{status: "4.4.3", host: to.host, reason: "the TLSA records of " + to.host + " did not come in time", unspent: calledOff(ctx)}
		}
		a.observeLeftOut(to, tlsrpt.Policy{Type: tlsrpt.PolicyTLSA, Domain: g.domain, MX: []string{to.host}}, tlsrpt.ResultType(result), "")
		return &trouble{status: "4.7.5", host: to.host, reason: "the DNS cannot be believed about " + to.host +
			" and its TLSA records (DANE) now, so no mail is sent there; see " + linkDANE}
	case dane.Encrypt:
		g.plan, g.base, g.records = plan, base, facts.Records
		g.need.level = max(g.need.level, encrypted)
	case dane.Enforce:
		g.plan, g.base, g.records = plan, base, dane.Select(facts.Records)
		g.names = dane.References(base, g.domain, to.way.expanded)
		key := digest(g.records, base)
		g.need = need{level: encrypted, dane: key, here: key + " " + g.domain}
	case dane.Opportunistic:
	}
	return nil
}

// records asks for the TLSA records at the first of some names that has any; base is that name.
func (a *attempt) records(ctx context.Context, bases []string, port uint16) (standing dane.Standing, list []dane.Record, base string) {
	standing = dane.Insecure
	for _, base := range bases {
		answer, err := a.TLSA.TLSA(ctx, dane.OwnerName(base, port))
		switch {
		case mail.Is(err, mail.Invalid): // the name grew too long: nothing can be there
		case err != nil:
			return dane.Failed, nil, base
		case answer.Authentic && answer.Status == dns.Found:
			return dane.Secure, answer.Value, base
		case answer.Authentic:
			standing = dane.Secure
		}
	}
	return standing, nil, ""
}

// digest stands for the records at a name.
func digest(records []dane.Record, base string) string {
	h := sha256.New()
	for _, r := range records {
		// A record's length is in its data's: the parts cannot run into each other.
		h.Write([]byte{byte(len(r.Data) >> 8), byte(len(r.Data))})
		h.Write(r.Wire())
	}
	h.Write([]byte(base))
	return string(h.Sum(nil))
}

// checker asks the DNS with all proofs; a validating *dns.Client is one.
type checker interface {
	Check(ctx context.Context, name, qtype string) (dns.Verdict, error)
}

// standing tells how far a host's addresses can be believed. An answer that lacks one of the two families is never Authentic, so whoever can
// make one of them fail could turn DANE off; where it can be asked, it is asked whether the host is really in a zone without
// signatures (RFC 7672 2.1.2).
func (a *attempt) standing(ctx context.Context, host string, answer dns.Answer[[]netip.Addr]) (s dane.Standing, secure, own bool) {
	if answer.Authentic || answer.OwnAuthentic {
		return dane.Secure, answer.Authentic, answer.OwnAuthentic
	}
	c, ok := a.TLSA.(checker)
	if !ok || a.plain.has(host) {
		return dane.Insecure, false, false
	}
	for _, family := range []string{"A", "AAAA"} {
		v, err := c.Check(ctx, host, family)
		switch {
		case err != nil: // the resolver leaves DNSSEC to its servers: there is nothing more to learn
			return dane.Insecure, false, false
		case v.Security == dns.Secure, v.Security == dns.Insecure && v.OwnSecure:
			return dane.Secure, v.Security == dns.Secure, true
		case v.Security == dns.Insecure:
			a.plain.add(host, v.TTL)
			return dane.Insecure, false, false
		}
	}
	return dane.Failed, false, false
}

// plainHosts remembers hosts that were proven to be in zones without signatures, so that a message does not cost a query.
type plainHosts struct {
	mu   sync.Mutex
	till map[string]time.Time
}

const maxPlain = 10000

func (p *plainHosts) has(host string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.till[host])
}

func (p *plainHosts) add(host string, ttl time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.till == nil || len(p.till) >= maxPlain {
		p.till = map[string]time.Time{} // it is only a help
	}
	p.till[host] = time.Now().Add(min(max(ttl, time.Minute), time.Hour))
}

package outbound

import (
	"net/netip"

	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/proto/tlsrpt"
)

// ending is how a connection went, up to TLS.
type ending struct {
	tls   mtasts.TLS // as far as authorities go
	match dane.Match
}

var notOffered = ending{tls: mtasts.NotOffered}

// ended tells how STARTTLS went.
func (f *finding) ended(err error) ending {
	if !f.shown || err != nil && f.objection == nil {
		return ending{tls: mtasts.Broken}
	}
	return ending{tls: f.kind(), match: f.match}
}

// observe tells the observer of a connection. RFC 8460 4.3.
func (t *Transport) observe(to target, s *session, end ending) {
	g := to.guard
	if t.Observer == nil || !g.seen {
		return
	}
	policy, kind, reason := g.result(to.host, end)
	if kind == "" {
		t.Observer.Session(g.domain, policy, nil)
		return
	}
	t.Observer.Session(g.domain, policy, &tlsrpt.Failure{Type: kind, ReceivingMX: to.host, ReceivingIP: text4(s.ip), SendingIP: text4(s.local),
		Sessions: 1, ReasonCode: reason})
}

func text4(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

// observeLeftOut tells the observer of a host that was not even connected to.
func (t *Transport) observeLeftOut(to target, policy tlsrpt.Policy, kind tlsrpt.ResultType, reason string) {
	if t.Observer != nil {
		t.Observer.Session(to.way.domain, policy, &tlsrpt.Failure{Type: kind, ReceivingMX: to.host, Sessions: 1, ReasonCode: reason})
	}
}

// result says which policy was applied and what of it was not kept, "" when all was.
func (g *guard) result(host string, end ending) (tlsrpt.Policy, tlsrpt.ResultType, string) {
	if g.plan == dane.Enforce || g.plan == dane.Encrypt {
		policy := tlsrpt.Policy{Type: tlsrpt.PolicyTLSA, Domain: g.domain, MX: []string{host}}
		for _, r := range g.records {
			policy.String = append(policy.String, r.String())
		}
		_, kind := dane.Finish(g.plan, dane.Session{Offered: end.tls != mtasts.NotOffered, Encrypted: end.tls != mtasts.NotOffered && end.tls != mtasts.Broken, Match: end.match})
		return policy, tlsrpt.ResultType(kind), ""
	}
	policy := g.sts.Reported(g.domain)
	if g.sts == nil {
		if g.fault != "" {
			policy.Type = tlsrpt.PolicySTS
		}
		// Without a policy only the negotiation can fail (RFC 8460 4.3.1).
		switch end.tls {
		case mtasts.NotOffered:
			return policy, tlsrpt.STARTTLSNotSupported, ""
		case mtasts.Broken:
			return policy, tlsrpt.ValidationFailure, ""
		}
		return policy, g.fault, ""
	}
	v := g.sts.Judge(host, end.tls)
	if !v.Failed {
		return policy, g.fault, ""
	}
	return policy, v.Type, v.ReasonCode
}

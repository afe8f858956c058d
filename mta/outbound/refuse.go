package outbound

import (
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/mtasts"
)

// The pages that help.
const (
	linkTLS  = "docs/problems.md#tls-fails"
	linkSTS  = "docs/problems.md#mta-sts"
	linkDANE = "docs/problems.md#dane"
)

// demander says who wants TLS of a host, and where to read on.
func (g *guard) demander() (who, link string) {
	switch {
	case g.plan == dane.Enforce || g.plan == dane.Encrypt:
		return "its TLSA record (DANE)", linkDANE
	case g.sts != nil && g.sts.Mode == mtasts.Enforce:
		return "the MTA-STS policy of " + g.domain, linkSTS
	case g.required:
		return "the message's sender (REQUIRETLS)", linkTLS
	}
	return "its route", linkTLS
}

// final makes a trouble one for good where the message was to go by REQUIRETLS or not at all (RFC 8689 4.2.1). Other hosts are tried
// all the same.
func (g *guard) final(tr *trouble) *trouble {
	if g.required {
		tr.permanent, tr.status, tr.handshake = true, "5.7.10", false
	}
	return tr
}

// notOffered is the trouble with a host that does not offer the TLS that somebody demands.
func (g *guard) notOffered(s *session) *trouble {
	who, link := g.demander()
	tr := &trouble{status: "4.7.5", reason: s.peer + " does not offer STARTTLS, which " + who + " demands; its postmaster has to mend that, see " + link}
	if link == linkTLS && !g.required {
		tr.status, tr.reason = "4.7.4", s.peer+" does not offer STARTTLS, which its route demands; see "+link
	}
	return g.final(tr.of(s))
}

// failed is the trouble with a host where TLS was begun and came to nothing. What may be an accident of the network is never for good.
func (g *guard) failed(s *session, tr *trouble, f *finding) *trouble {
	who, link := g.demander()
	if g.need == (need{}) || f.objection == nil && link == linkTLS && !g.required {
		return tr
	}
	if f.objection == nil {
		tr.reason += "; " + who + " demands TLS, see " + link
		return tr
	}
	tr.status = "4.7.5"
	tr.reason = "the certificate of " + s.peer + " is not what " + who + " demands: " + shorten(f.objection.Error()) + "; its postmaster has to mend that, see " + link
	return g.final(tr)
}

// unkept is the trouble with a host that does not promise what REQUIRETLS wants (RFC 8689 4.2.1).
func unkept(s *session) *trouble {
	return refusal("5.7.30", s.peer+" does not offer REQUIRETLS, with which the message's sender wants TLS all the way; see "+linkTLS).of(s)
}

// shorten leaves room for the rest of a sentence.
func shorten(s string) string {
	const most = 220
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

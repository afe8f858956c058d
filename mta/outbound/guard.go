package outbound

import (
	"context"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/proto/tlsrpt"
)

// level is how much of TLS is needed.
type level uint8

const (
	anything  level = iota // TLS as far as it can be had
	encrypted              // TLS, whatever the certificate
	certified              // TLS with a certificate that proves the host's name to an authority we trust
)

// need is what a connection must have proven before a message goes through it.
type need struct {
	level level
	// dane stands for a host's TLSA records, with which the certificate must agree; "" for none. They take the authorities' place.
	dane string
	here string // dane, for mail to one domain only: the certificate was for that name and not for the host's
}

// proof is what a connection has proven.
type proof struct {
	encrypted bool
	certified bool
	dane      string // of the need it met, dane or here
}

// metBy reports whether a connection is good enough. More than is needed is.
func (n need) metBy(p proof) bool {
	switch {
	case n.dane != "":
		return p.encrypted && (p.dane == n.dane || p.dane == n.here)
	case n.level == certified:
		return p.encrypted && p.certified
	case n.level == encrypted:
		return p.encrypted
	}
	return true
}

// guard is what must hold for one message at one host, and on whose word.
type guard struct {
	need   need
	domain string

	// What the recipient's domain wants. Reports are due on it only when the message goes by it (seen).
	seen    bool
	plan    dane.Plan
	base    string        // the name with the TLSA records, which is also asked for in the handshake (RFC 7672 8.1); "" the host's
	records []dane.Record // those of plans Encrypt and Enforce
	names   []string      // that the certificate may be for (RFC 7672 3.2.2)
	sts     *mtasts.Policy
	fault   tlsrpt.ResultType // why sts is old, or nil

	required bool // the sender wants REQUIRETLS
}

// strict reports whether a message may not go there without TLS, or not with any certificate.
func (to target) strict() bool { return to.guard.need != need{} }

// asked is what the recipient's domain wants by MTA-STS.
type asked struct {
	sts   *mtasts.Policy
	fault tlsrpt.ResultType
}

// minds reports whether the domain's own policies count for the message: the hosts are by its word, the operator does not
// forbid TLS, and the sender did not ask for the message to arrive however it can (RFC 8689 3).
func (a *attempt) minds(to target) bool {
	return to.way.named && to.hop.Security != Plain && a.message.TLS != mail.TLSOptional
}

// ask finds the domain's MTA-STS policy. RFC 8461 5. Each attempt asks, the last one before the message is given up as well; so the
// domain had the chance to publish a policy that lets the message through (RFC 8461 5.1).
func (a *attempt) ask(ctx context.Context, to target) (asked, *trouble) {
	if a.Policies == nil || !a.minds(to) {
		return asked{}, nil
	}
	sts, fault, err := a.Policies.Policy(ctx, to.way.domain)
	if err != nil {
		return asked{}, &trouble{status: "4.7.5", reason: mail.Sentence(err) + "; see " + linkSTS, unspent: calledOff(ctx)}
	}
	return asked{sts, fault}, nil
}

// set makes a.guard for one host, or tells why the host is left out. A route's own demand stands beside what the domain wants,
// except that DANE proves as much as an authority does.
func (a *attempt) set(ctx context.Context, to target, by asked) *trouble {
	a.guard = guard{domain: to.way.domain, required: a.message.TLS == mail.TLSRequired}
	g := &a.guard
	switch {
	case to.hop.Security.Demanded() && to.hop.Verify:
		g.need.level = certified
	case to.hop.Security.Demanded():
		g.need.level = encrypted
	}
	if a.minds(to) {
		if tr := a.obey(ctx, to, by); tr != nil {
			return tr
		}
	}
	if a.guard.required {
		return a.require(to)
	}
	return nil
}

// obey takes up what the domain and the host want: DANE first, which MTA-STS must not weaken (RFC 8461 2), and MTA-STS where there are no
// records that can be used.
func (a *attempt) obey(ctx context.Context, to target, by asked) *trouble {
	g := &a.guard
	g.seen = true
	if a.TLSA != nil {
		if tr := a.heedDANE(ctx, to); tr != nil {
			return tr
		}
	}
	if g.plan == dane.Enforce {
		return nil
	}
	g.sts, g.fault = by.sts, by.fault
	if v := g.sts.Admit(to.host); v.Action == mtasts.Skip {
		a.observeLeftOut(to, g.sts.Reported(g.domain), v.Type, v.ReasonCode)
		return &trouble{status: "4.7.5", host: to.host, reason: "the MTA-STS policy of " + g.domain + " does not name " + to.host +
			", so no mail is sent there; the domain's postmaster has to add it to the policy, see " + linkSTS}
	}
	if g.sts != nil && g.sts.Mode == mtasts.Enforce {
		g.need.level = certified
	}
	return nil
}

// require takes up what REQUIRETLS wants: a certificate that proves the host, and a host whose name is beyond doubt, by DNSSEC, by
// MTA-STS or because nobody but the operator or the sender named it (RFC 8689 4.2.1).
func (a *attempt) require(to target) *trouble {
	g := &a.guard
	vouched := !to.way.named || to.way.authentic || g.sts != nil && g.sts.Mode != mtasts.None && g.sts.Match(to.host)
	switch {
	case to.hop.Security == Plain:
		return refusal("5.7.10", "its sender wants TLS all the way (REQUIRETLS), and mail to "+to.host+" is set up here to go without; see "+linkTLS)
	case g.need.dane != "":
		return nil
	case !vouched:
		tr := refusal("5.7.10", "its sender wants TLS all the way (REQUIRETLS), and neither DNSSEC nor MTA-STS vouches that "+to.host+
			" is a mail host of "+g.domain+"; see "+linkTLS)
		tr.host = to.host
		return tr
	}
	g.need.level = certified
	return nil
}

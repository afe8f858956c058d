package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/service/doctor/wire"
	"github.com/postrider/postrider/service/doctor/words"
)

// remedies of certificates by what is wrong.
var certRemedies = map[wire.Trouble]string{
	wire.Soon:       "Look in the log why it was not renewed ([tls.acme]: port 80 or 443 must be reachable, or DNS be set), or put a new file in its place.",
	wire.Missing:    "Set a certificate ([tls]).",
	wire.Expired:    "Look in the log why it was not renewed ([tls.acme]), or put a new file in its place.",
	wire.Early:      "Set the clock, or use a certificate that is valid now.",
	wire.WrongName:  "Get a certificate for this name: [tls.acme] names, or hostname.",
	wire.SelfSigned: "Turn on [tls.acme], or set a certificate of an authority that others trust.",
	wire.Incomplete: "Put the intermediate certificates behind the certificate in its file (fullchain.pem).",
	wire.StandIn:    "With [tls.acme] one comes within minutes of the records being published; the log says what stands in the way. Or set one of your own ([tls]).",
	wire.Untrusted:  "Use a certificate of an authority that everybody trusts, such as Let's Encrypt: [tls.acme].",
}

// shown is one chain, and where it was shown.
type shown struct {
	verdict wire.Verdict
	leaf    *x509.Certificate
	at      []string
	strict  bool // somebody checks it there: everywhere but on port 25 without an MTA-STS policy
}

// checkCertificates judges what our ports show, or where none shows any, what we would show.
func checkCertificates(ctx context.Context, s *sheet) {
	enforced := s.facts.MTASTS != nil && s.facts.MTASTS.Mode == mtasts.Enforce
	var all []shown
	add := func(chain []*x509.Certificate, at string, strict bool) {
		v := s.look.Judge(chain, s.host)
		i := slices.IndexFunc(all, func(o shown) bool { return o.verdict == v && o.leaf.Equal(chain[0]) && o.strict == strict })
		if i < 0 {
			i, all = len(all), append(all, shown{verdict: v, leaf: chain[0], strict: strict})
		}
		all[i].at = append(all[i].at, at)
	}
	for _, p := range s.probe(ctx, encrypted) {
		if len(p.Chain) > 0 {
			add(p.Chain, p.At, p.Port.Service != "smtp" || enforced)
		}
	}
	if len(all) == 0 {
		s.kept()
		return
	}
	for _, c := range all {
		s.certificate(c)
	}
}

// certificate tells what was said of one.
func (s *sheet) certificate(c shown) {
	where := words.Names(c.at)
	f := Finding{Subject: c.at[0], Level: Fault, Link: linkCertificate,
		Text: fmt.Sprintf("The certificate at %s %s.", where, c.verdict.Text), Remedy: certRemedies[c.verdict.Trouble]}
	switch {
	case c.verdict.Trouble == wire.Good:
		s.ok(c.at[0], "The certificate at %s is for %s and valid until %s.", where, s.host, words.Day(c.leaf.NotAfter))
		return
	case c.verdict.Trouble == wire.Untold:
		f.Level, f.Untold = Note, true
	case c.verdict.Trouble == wire.Soon:
		f.Level = Warning
	case !c.strict && c.verdict.Trouble != wire.Expired:
		f.Level = Warning // between hosts most do not look at it without a policy that asks them to
	}
	s.add(f)
}

// kept judges the certificates of Facts by their dates and names; who signed them is not known here.
func (s *sheet) kept() {
	now := s.now()
	for _, c := range s.facts.Certificates {
		switch {
		case c == nil:
		case now.After(c.NotAfter):
			s.certificate(shown{wire.Verdict{Trouble: wire.Expired, Text: "has expired (" + words.Day(c.NotAfter) + ")"}, c, []string{s.subject()}, true})
		case c.VerifyHostname(s.host) != nil:
			s.certificate(shown{wire.Verdict{Trouble: wire.WrongName, Text: "is for " + wire.NamesOf(c) + ", not for " + s.host}, c, []string{s.subject()}, true})
		}
	}
	s.untold(s.subject(), "our certificates", errors.New("no port showed one"))
}

package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"

	mailtls "github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/mtasts"
)

// finding is what a handshake showed of the other side.
type finding struct {
	shown bool  // a certificate was shown, and looked at
	pkix  error // why it does not prove the host's name to an authority we trust; nil when it does
	match dane.Match
	host  bool // match is Matched by the host's own name
	// objection is why the handshake was ended from here.
	objection error
}

// tlsConfig is for one connection. The certificate is always looked at, so that the trail and reports can tell whether it was sound; the
// handshake is ended where the guard cannot do with it.
func (t *Transport) tlsConfig(to target) (*tls.Config, *finding) {
	config, found, g := t.TLS.Verified(to.host), &finding{}, to.guard
	name := config.ServerName
	if g.base != "" {
		config.ServerName = g.base // RFC 7672 8.1
	}
	config.InsecureSkipVerify = true // judged below instead
	config.VerifyConnection = func(state tls.ConnectionState) error {
		found.look(state.PeerCertificates, x509.VerifyOptions{DNSName: name, Roots: config.RootCAs, CurrentTime: config.Time()}, g)
		found.objection = g.objection(to.host, found)
		return found.objection
	}
	return config, found
}

// look judges the certificates that were shown.
func (f *finding) look(chain []*x509.Certificate, opt x509.VerifyOptions, g *guard) {
	if len(chain) == 0 {
		f.pkix = errNoCertificate
		return
	}
	f.shown = true
	opt.Intermediates = x509.NewCertPool()
	for _, c := range chain[1:] {
		opt.Intermediates.AddCert(c)
	}
	_, f.pkix = chain[0].Verify(opt)
	if g.plan == dane.Enforce {
		f.match = dane.Check(g.records, chain, g.names, opt.CurrentTime)
		f.host = f.match == dane.Matched && dane.Check(g.records, chain, []string{g.base}, opt.CurrentTime) == dane.Matched
	}
}

var errNoCertificate = errors.New("it showed no certificate")

// objection is why a certificate is not enough, nil when it is.
func (g *guard) objection(host string, f *finding) error {
	if g.plan == dane.Enforce || g.plan == dane.Encrypt {
		if action, _ := dane.Finish(g.plan, dane.Session{Offered: true, Encrypted: true, Match: f.match}); action != dane.Send {
			return errors.New(disagreement(f.match))
		}
	}
	// A policy asks for no more than certified; the two are written down apart, so that neither can be forgotten.
	if g.need.level == certified && f.pkix != nil || g.sts.Judge(host, f.kind()).Action != mtasts.Deliver {
		return f.pkix
	}
	return nil
}

// disagreement says for people what is wrong between a certificate and TLSA records.
func disagreement(m dane.Match) string {
	switch m {
	case dane.WrongName:
		return "it is for other names"
	case dane.Expired:
		return "it has expired, or is not valid yet"
	case dane.Untrusted:
		return "it does not lead to the authority that they name"
	case dane.NoCertificate:
		return "there is none"
	}
	return "it agrees with none of them"
}

// kind is the finding in MTA-STS's words.
func (f *finding) kind() mtasts.TLS {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case f.pkix == nil:
		return mtasts.Verified
	case errors.As(f.pkix, &name):
		return mtasts.WrongName
	case errors.As(f.pkix, &invalid) && invalid.Reason == x509.Expired:
		return mtasts.ExpiredCert
	}
	return mtasts.UntrustedCert
}

// secured takes down what a connection has proven.
func (s *session) secured(state *tls.ConnectionState, f *finding, g *guard) {
	s.proof = proof{encrypted: true, certified: f.shown && f.pkix == nil}
	switch {
	case g.need.dane == "" || f.match != dane.Matched:
	case f.host:
		s.proof.dane = g.need.dane
	default:
		s.proof.dane = g.need.here
	}
	s.sealed = mailtls.Describe(state, false)
	s.tls = ""
	s.tell(g)
}

// tell puts into words how the connection is protected, as a message's trail has it.
func (s *session) tell(g *guard) {
	by := ""
	switch {
	case !s.proof.encrypted:
		return
	case g.need.dane != "", s.proof.dane != "" && !s.proof.certified:
		by = " verified by DANE"
	case s.proof.certified && g.sts != nil && g.sts.Mode == mtasts.Enforce:
		by = " verified by MTA-STS"
	case s.proof.certified:
		by = " verified"
	}
	if len(s.tls) != len(s.sealed)+len(by) || s.tls[len(s.sealed):] != by {
		s.tls = s.sealed + by
	}
}

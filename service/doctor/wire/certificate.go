package wire

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/service/doctor/words"
)

// Trouble is what is wrong with a certificate.
type Trouble uint8

// The troubles. Up to Untold a client that checks is content.
const (
	Good       Trouble = iota
	Soon               // it ends soon, and should have been renewed
	Untold             // there are no authorities to compare with
	Missing            // none was shown
	Expired            // it, or one between it and the authority, has
	Early              // it is not valid yet
	WrongName          // it is for other names
	SelfSigned         // by nobody but itself
	Incomplete         // one between it and an authority was not shown
	Untrusted          // its authority is nobody we trust
	StandIn            // Postrider made it itself, for want of a better one
)

// Verdict is what is said of a chain of certificates.
type Verdict struct {
	Trouble Trouble
	Text    string // what is wrong, without subject: "has expired on ..."
}

// Bad reports a chain that a client that checks refuses.
func (v Verdict) Bad() bool { return v.Trouble > Untold }

// maxShown bounds how many certificates of a server are looked at.
const maxShown = 16

// Judge says what is wrong with what a server showed, its own certificate first. RFC 5280 6, RFC 9525 6.
func (l *Looker) Judge(chain []*x509.Certificate, host string) Verdict {
	if len(chain) == 0 {
		return Verdict{Missing, "is missing"}
	}
	chain = chain[:min(len(chain), maxShown)]
	leaf, now := chain[0], l.Clock.Now()
	switch {
	case now.After(leaf.NotAfter):
		return Verdict{Expired, "has expired " + words.Span(now.Sub(leaf.NotAfter)) + " ago (" + words.Day(leaf.NotAfter) + ")"}
	case now.Before(leaf.NotBefore):
		return Verdict{Early, "is not valid yet: it begins " + words.Day(leaf.NotBefore) + ", unless this machine's clock is wrong"}
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: l.Roots, Intermediates: between, CurrentTime: now})
	var system x509.SystemRootsError
	switch {
	case errors.As(err, &system):
		return Verdict{Untold, "cannot be checked, for this machine has no list of authorities (install ca-certificates)"}
	case err != nil:
		return l.untrusted(chain, err)
	}
	if err := leaf.VerifyHostname(host); err != nil {
		return Verdict{WrongName, "is for " + NamesOf(leaf) + ", not for " + words.Plain(host)}
	}
	left, life := leaf.NotAfter.Sub(now), leaf.NotAfter.Sub(leaf.NotBefore)
	if left < min(14*24*time.Hour, life/6) {
		return Verdict{Soon, "ends in " + words.Span(left) + " (" + words.Day(leaf.NotAfter) + ") and was not renewed yet"}
	}
	return Verdict{}
}

// untrusted says why a chain leads to no authority.
func (l *Looker) untrusted(chain []*x509.Certificate, err error) Verdict {
	leaf := chain[0]
	if selfIssued(leaf) {
		return Verdict{SelfSigned, "is self-signed, so that nobody can tell it from a forged one"}
	}
	last := leaf
	for range chain { // climb as far as what was shown leads
		i := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return c != last && bytes.Equal(c.RawSubject, last.RawIssuer) })
		if i < 0 || selfIssued(last) {
			break
		}
		last = chain[i]
	}
	var expired x509.CertificateInvalidError
	switch {
	case errors.As(err, &expired) && expired.Reason == x509.Expired && expired.Cert != nil && expired.Cert != leaf:
		return Verdict{Expired, "comes with an intermediate certificate that has expired (" + words.Plain(expired.Cert.Subject.String()) + ")"}
	case standIn(leaf):
		return Verdict{StandIn, "is only a stand-in that Postrider made itself, which nobody else trusts: none has come from an authority yet"}
	case !selfIssued(last):
		return Verdict{Incomplete, "comes without the intermediate certificate of " + words.Plain(last.Issuer.String()) + ", so that clients cannot check it"}
	}
	return Verdict{Untrusted, "comes from an authority that is not trusted (" + words.Plain(last.Subject.String()) + ")"}
}

// standIn reports a certificate of the authority that infra/tls makes where nothing better is to be had.
func standIn(c *x509.Certificate) bool {
	return slices.Equal(c.Issuer.Organization, []string{"Postrider"}) && strings.HasPrefix(c.Issuer.CommonName, "Postrider development authority")
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// NamesOf are the names a certificate is for.
func NamesOf(c *x509.Certificate) string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name at all"
	}
	return words.Names(all)
}

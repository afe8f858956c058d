package overview

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/tls"
)

// Certifier shows certificates (infra/tls.Keeper).
type Certifier interface {
	// Chains gives the chains that clients may be shown, each with its leaf first.
	Chains() [][]*x509.Certificate
	// Names tells how the names stand that an authority is asked for; none without ACME.
	Names() []tls.NameState
	// Development tells whether clients are shown a self-made certificate.
	Development() bool
}

// The ways in which a certificate is renewed.
const (
	RenewedByACME        = "acme"        // by itself, at the authority
	RenewedByFile        = "file"        // by whoever writes the files that the configuration names; they are read again by themselves
	RenewedByDevelopment = "development" // self-made, by itself; strangers do not believe it
)

// Certificate is one that clients are shown, or a name that has none yet.
type Certificate struct {
	Names   []string   `json:"names"`
	Issuer  string     `json:"issuer,omitempty"`
	From    *time.Time `json:"from,omitempty"`
	Until   *time.Time `json:"until,omitempty"` // nil: there is none yet
	Renewal string     `json:"renewal"`         // acme, file or development
	Next    *time.Time `json:"next,omitempty"`  // from when on it is renewed; nil: not by us, or it is tried again and again until it is there
	Trouble string     `json:"trouble,omitempty"`
	Expired bool       `json:"expired,omitempty"`
}

// CertificateList is the reply to Certificates.
type CertificateList struct {
	Certificates []Certificate `json:"certificates"`
}

// renewalPart is which part of a certificate's life, at its end, infra/tls renews it in.
const renewalPart = 3

// Certificates lists those that clients are shown, and the names that have none yet.
func (o *Overview) Certificates(c Certifier) CertificateList {
	out := CertificateList{Certificates: []Certificate{}}
	states := map[string]tls.NameState{}
	for _, s := range c.Names() {
		states[s.Name] = s
	}
	now, development := o.cfg.Clock.Now(), c.Development()
	for _, chain := range c.Chains() {
		if len(chain) == 0 {
			continue
		}
		out.Certificates = append(out.Certificates, showCertificate(chain[0], states, development, now))
	}
	for _, s := range c.Names() { // those that no chain is there for
		if s.Until.IsZero() {
			out.Certificates = append(out.Certificates, Certificate{Names: []string{s.Name}, Renewal: RenewedByACME, Trouble: s.Trouble})
		}
	}
	return out
}

func showCertificate(leaf *x509.Certificate, states map[string]tls.NameState, development bool, now time.Time) Certificate {
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	out := Certificate{Names: names, Issuer: issuer(leaf), From: moment(leaf.NotBefore), Until: moment(leaf.NotAfter), Renewal: RenewedByFile, Expired: now.After(leaf.NotAfter)}
	if development {
		out.Renewal = RenewedByDevelopment
	}
	for _, name := range leaf.DNSNames {
		if s, ok := states[strings.ToLower(name)]; ok && s.Until.Equal(leaf.NotAfter) {
			out.Renewal, out.Trouble = RenewedByACME, s.Trouble
			out.Next = moment(leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / renewalPart))
		}
	}
	return out
}

func issuer(leaf *x509.Certificate) string {
	parts := append(slices.Clone(leaf.Issuer.Organization), leaf.Issuer.CommonName)
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

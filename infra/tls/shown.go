package tls

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// NameState is how a name that ACME cares for stands.
type NameState struct {
	Name    string
	Until   time.Time // end of its certificate; zero: there is none yet
	Trouble string    // what is wrong and what to do, "" when nothing is known to be
}

// Names tells how the names of ACME stand; nil without ACME.
func (k *Keeper) Names() []NameState {
	if k.acme == nil {
		return nil
	}
	return k.acme.states()
}

// Chains gives the chains that clients may be shown, each with its leaf first: those of files, then those of ACME; the development one
// only where there is no other.
func (k *Keeper) Chains() [][]*x509.Certificate {
	k.mu.Lock()
	k.refresh()
	certs := k.certs
	k.mu.Unlock()
	if k.acme != nil {
		fetched := k.acme.chains()
		if k.dev != nil && len(fetched) > 0 {
			certs = nil
		}
		certs = append(certs[:len(certs):len(certs)], fetched...)
	}
	out := make([][]*x509.Certificate, len(certs))
	for i, c := range certs {
		out[i] = parsed(c)
	}
	return out
}

// Leafs gives the first certificate of each of Chains.
func (k *Keeper) Leafs() []*x509.Certificate {
	var out []*x509.Certificate
	for _, chain := range k.Chains() {
		out = append(out, chain[0])
	}
	return out
}

// Chain gives what a client is shown that asks for a host, its leaf first: what a TLSA record of the host must match.
func (k *Keeper) Chain(host string) []*x509.Certificate {
	c, err := k.certificate(&tls.ClientHelloInfo{
		ServerName: hostName(host), SupportedVersions: []uint16{tls.VersionTLS13, tls.VersionTLS12},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512, tls.PSSWithSHA256, tls.PKCS1WithSHA256, tls.Ed25519},
		SupportedCurves:  []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		CipherSuites:     []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		SupportedPoints:  []uint8{0},
	})
	if err != nil {
		return nil
	}
	return parsed(c)
}

// Expires is when the first of the certificates in Chains runs out, for those who watch over it.
func (k *Keeper) Expires() time.Time {
	var first time.Time
	for _, c := range k.Leafs() {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

package tls

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Trust says which authorities count when this system is the client.
type Trust struct {
	roots *x509.CertPool // nil: the system's
	clock mail.Clock
}

// NewTrust trusts the system's authorities and those in the PEM files. The clock may be nil.
func NewTrust(clock mail.Clock, files ...string) (*Trust, error) {
	if clock == nil {
		clock = mail.SystemClock{}
	}
	t := &Trust{clock: clock}
	if len(files) == 0 {
		return t, nil
	}
	var err error
	if t.roots, err = x509.SystemCertPool(); err != nil {
		t.roots = x509.NewCertPool() // a machine without authorities of its own still has the files'
	}
	for _, name := range files {
		pem, err := os.ReadFile(name)
		if err != nil {
			return nil, mail.Errorf(mail.Invalid, "authorities to trust: %w", err)
		}
		if !t.roots.AppendCertsFromPEM(pem) {
			return nil, mail.Errorf(mail.Invalid, "authorities to trust: %s holds no certificate", name)
		}
	}
	return t, nil
}

// Verdict is what an opportunistic handshake found out about the other side. It may be read once the handshake is over.
type Verdict struct {
	Verified bool   // its certificate is valid, is for the host, and comes from a trusted authority
	Reason   string // why not
}

// Opportunistic speaks TLS with whatever certificate the host has, and records whether it would have stood a test
// (RFC 7435 3: some encryption is better than none; RFC 3207 4.1 leaves the decision to the client). Use it for one connection only.
func (t *Trust) Opportunistic(host string) (*Config, *Verdict) {
	c := t.client(host)
	v := &Verdict{Reason: "the handshake did not end"}
	c.InsecureSkipVerify = true // judged below instead
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if err := t.verify(state, host); err != nil {
			v.Reason = err.Error()
			return nil
		}
		*v = Verdict{Verified: true}
		return nil
	}
	return c, v
}

// Verified speaks TLS only with a host that proves its name to a trusted authority (RFC 9525).
func (t *Trust) Verified(host string) *Config { return t.client(host) }

func (t *Trust) client(host string) *Config {
	c := base()
	c.RootCAs = t.roots
	c.Time = t.clock.Now
	c.ServerName = hostName(host)
	return c
}

func (t *Trust) verify(state tls.ConnectionState, host string) error {
	intermediates := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
		DNSName: hostName(host), Roots: t.roots, Intermediates: intermediates, CurrentTime: t.clock.Now(),
	})
	return err
}

// hostName is the form certificates have: no dot at the end, an address without a zone or brackets.
func hostName(host string) string {
	host = strings.TrimSuffix(host, ".")
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return host
}

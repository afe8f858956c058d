package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/postrider/postrider/infra/durable"
	"github.com/postrider/postrider/mail"
)

// The development files, in the configured directory.
const (
	caCertFile   = "development-ca.pem"
	caKeyFile    = "development-ca.key"
	leafCertFile = "development.pem"
	leafKeyFile  = "development.key"
)

// Lifetimes of the development certificates, and how long before the end they are renewed. Clients accept at most
// 825 days of a certificate whose authority was added by hand.
const (
	caLife    = 10 * 365 * 24 * time.Hour
	caRenew   = 180 * 24 * time.Hour
	leafLife  = 90 * 24 * time.Hour
	leafRenew = 30 * 24 * time.Hour
	backdate  = time.Hour // for clients whose clock is behind
)

// development makes and renews an authority and one certificate.
type development struct {
	dir   string
	names []string
	clock mail.Clock
}

func (d *development) path(name string) string { return filepath.Join(d.dir, name) }

func (d *development) pair() Pair { return Pair{d.path(leafCertFile), d.path(leafKeyFile)} }

// renew makes what is missing or near its end. An authority that exists and cannot be read is an error: replacing it
// would silently undo the trust of clients.
func (d *development) renew() error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return mail.Errorf(mail.Unavailable, "directory for development certificates: %w", err)
	}
	ca, err := d.load(caCertFile, caKeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && d.ends(ca.Leaf, caRenew):
		if ca, err = d.issueCA(); err != nil {
			return err
		}
	case err != nil:
		return mail.Errorf(mail.Invalid, "the development authority in %s cannot be read; mend it, or delete its files to have a new one: %w", d.dir, err)
	}
	leaf, err := d.load(leafCertFile, leafKeyFile)
	if err == nil && !d.ends(leaf.Leaf, leafRenew) && leaf.Leaf.CheckSignatureFrom(ca.Leaf) == nil && d.covers(leaf.Leaf) {
		return nil
	}
	return d.issueLeaf(ca)
}

func (d *development) ends(c *x509.Certificate, margin time.Duration) bool {
	return d.clock.Now().Add(margin).After(c.NotAfter)
}

// covers reports whether the certificate has all names that are wanted now.
func (d *development) covers(c *x509.Certificate) bool {
	hosts, ips := d.subjects()
	return !slices.ContainsFunc(hosts, func(h string) bool { return !slices.Contains(c.DNSNames, h) }) &&
		!slices.ContainsFunc(ips, func(ip net.IP) bool { return !slices.ContainsFunc(c.IPAddresses, ip.Equal) })
}

func (d *development) subjects() (hosts []string, ips []net.IP) {
	for _, n := range append(slices.Clone(d.names), "localhost", "127.0.0.1", "::1") {
		if ip, err := netip.ParseAddr(n); err == nil {
			ips = append(ips, ip.AsSlice())
		} else if n != "" && !slices.Contains(hosts, n) {
			hosts = append(hosts, n)
		}
	}
	return hosts, ips
}

func (d *development) load(certFile, keyFile string) (tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(d.path(certFile), d.path(keyFile))
	if err != nil {
		return tls.Certificate{}, err
	}
	if c.Leaf == nil {
		c.Leaf, err = x509.ParseCertificate(c.Certificate[0])
	}
	return c, err
}

func (d *development) issueCA() (tls.Certificate, error) {
	now := d.clock.Now()
	host, _ := os.Hostname()
	return d.issue(&x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"Postrider"}, CommonName: "Postrider development authority on " + host},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil, caCertFile, caKeyFile)
}

func (d *development) issueLeaf(ca tls.Certificate) error {
	hosts, ips := d.subjects()
	_, err := d.issue(d.leaf(hosts, ips), &ca, leafCertFile, leafKeyFile)
	return err
}

// leaf is a server's certificate from now on, without serial number.
func (d *development) leaf(hosts []string, ips []net.IP) *x509.Certificate {
	now := d.clock.Now()
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: hosts[0]},
		DNSNames:              hosts,
		IPAddresses:           ips,
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(leafLife),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// issue makes a key, has the parent (nil: itself) sign the certificate, and stores both. The key is stored first: a crash
// between the two leaves a pair that does not match, which for the leaf is made anew and for the authority is told.
func (d *development) issue(template *x509.Certificate, parent *tls.Certificate, certFile, keyFile string) (tls.Certificate, error) {
	fail := func(err error) (tls.Certificate, error) {
		return tls.Certificate{}, mail.Errorf(mail.Unavailable, "make a development certificate in %s: %w", d.dir, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return fail(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fail(err)
	}
	id := sha256.Sum256(pub)
	template.SubjectKeyId = id[:20]
	issuer, signer := template, any(key)
	if parent != nil {
		issuer, signer = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, signer)
	if err != nil {
		return fail(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fail(err)
	}
	if err := d.store(keyFile, 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: secret}); err != nil {
		return fail(err)
	}
	if err := d.store(certFile, 0o644, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return fail(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return fail(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// vouch makes a certificate for one name and a key that is there already. It is kept in memory only.
func (d *development) vouch(name string, key crypto.Signer) (*tls.Certificate, error) {
	ca, err := d.load(caCertFile, caKeyFile)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	t := d.leaf([]string{name}, nil)
	t.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, t, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// store writes a file whole or not at all.
func (d *development) store(name string, mode fs.FileMode, block *pem.Block) error {
	return durable.WriteFile(d.path(name), pem.EncodeToMemory(block), mode)
}

package netlab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

const acmeHost = "acme.nic.test"

// CA is the lab's certificate authorities: Pebble, which certifies by ACME, and one of ours that certifies at once. Every host trusts both as
// its system's.
type CA struct {
	*Host
	Directory string // the ACME directory's address, for certbot and the like
	Issuer    string // the name that a CAA record has to name

	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority makes the authority of ours, and has all hosts trust it.
func (l *Lab) newAuthority() (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Lab authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	ca := &CA{Directory: "https://" + acmeHost + "/dir", Issuer: "pebble.letsencrypt.org", root: root, key: key}
	return ca, l.trust(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// RootsFile is a PEM file of the authorities that hosts trust. On a host it is /etc/ssl/certs/ca-certificates.crt.
func (l *Lab) RootsFile() string { return filepath.Join(l.Dir, "ssl", "certs", "ca-certificates.crt") }

// trust adds an authority. Hosts see the file as it grows, because its directory is laid over theirs.
func (l *Lab) trust(authority []byte) error {
	f, err := os.OpenFile(l.RootsFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(authority)
	return err
}

func (l *Lab) tls() (*tls.Config, error) {
	b, err := os.ReadFile(l.RootsFile())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// issue makes a certificate for a name: base.pem and base.key.
func (ca *CA) issue(base, name string) (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.root, key.Public(), ca.key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(base+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(base+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// startACME starts Pebble. It asks the resolver that checks nothing, looks at ports 80 and 443, and does not tarry as it does by default.
func (ca *CA) startACME(ctx context.Context, l *Lab) error {
	if err := l.need("pebble"); err != nil {
		return err
	}
	var err error
	if ca.Host, err = l.addHost(HostSpec{Name: acmeHost, Addresses: []netip.Addr{addrCA, addrCA6}, Resolver: addrPlain}); err != nil {
		return err
	}
	base := filepath.Join(ca.Dir, "web")
	if _, err := ca.issue(base, acmeHost); err != nil {
		return err
	}
	conf, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": ":443", "managementListenAddress": ":15000", "certificate": base + ".pem", "privateKey": base + ".key", "httpPort": 80, "tlsPort": 443,
	}})
	if err != nil {
		return err
	}
	path := filepath.Join(ca.Dir, "pebble.json")
	if err := os.WriteFile(path, conf, 0o644); err != nil {
		return err
	}
	cmd := ca.Command(context.Background(), "pebble", "-config", path, "-dnsserver", addrPlain.String()+":53")
	cmd.Env = append(cmd.Env, "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=5")
	p, err := ca.startCommand("pebble", cmd)
	if err != nil {
		return err
	}
	if err := p.open(ctx, addrCA.String()+":443", addrCA.String()+":15000"); err != nil {
		return err
	}
	root, err := ca.fetch(ctx, "https://"+acmeHost+":15000/roots/0")
	if err != nil {
		return err
	}
	return l.trust(root)
}

func (ca *CA) fetch(ctx context.Context, url string) ([]byte, error) {
	client, err := ca.HTTP()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}

package outbound

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/proto/tlsrpt"
	"github.com/postrider/postrider/service/tlspolicy"
)

var _ Policies = (*tlspolicy.Policies)(nil)

// believed is a DNS that says of its answers how far they can be believed. What is not in the maps is insecure.
type believed struct {
	Resolver
	mx       map[string]bool     // domains whose MX is authentic
	hosts    map[string]standing // of addresses
	aliases  map[string]string   // what a host is an alias for
	tlsa     map[string]tlsa     // by owner name
	verdicts map[string]dns.Verdict

	mu    sync.Mutex
	asked []string // TLSA questions, and "A? host" for checks
}

type standing uint8

const (
	insecure  standing = iota
	secure             // as a whole
	ownSecure          // only what is at the name itself
	unknown            // no answer
)

type tlsa struct {
	standing standing
	records  []dane.Record
}

func (b *believed) MX(ctx context.Context, domain string) (dns.Answer[[]dns.MX], error) {
	a, err := b.Resolver.MX(ctx, domain)
	a.Authentic, a.OwnAuthentic = b.mx[domain], b.mx[domain]
	return a, err
}

func (b *believed) Addresses(ctx context.Context, host string) (dns.Answer[[]netip.Addr], error) {
	if b.hosts[host] == unknown {
		return dns.Answer[[]netip.Addr]{}, mail.Errorf(mail.Unavailable, "the addresses of %s are bogus", host)
	}
	a, err := b.Resolver.Addresses(ctx, host)
	a.Authentic, a.OwnAuthentic = b.hosts[host] == secure, b.hosts[host] != insecure
	if to := b.aliases[host]; to != "" {
		a.Name = to
	}
	return a, err
}

func (b *believed) TLSA(_ context.Context, name string) (dns.Answer[[]dane.Record], error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, name)
	t := b.tlsa[name]
	switch {
	case t.standing == unknown:
		return dns.Answer[[]dane.Record]{}, mail.Errorf(mail.Unavailable, "the TLSA records of %s are bogus", name)
	case len(t.records) == 0:
		return dns.Answer[[]dane.Record]{Status: dns.NoData, Authentic: t.standing == secure, Name: name}, nil
	}
	return dns.Answer[[]dane.Record]{Status: dns.Found, Value: slices.Clone(t.records), Authentic: t.standing == secure, Name: name}, nil
}

// checking is a believed whose answers can be checked.
type checking struct{ *believed }

func (c checking) Check(_ context.Context, name, qtype string) (dns.Verdict, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, qtype+"? "+name)
	return c.verdicts[qtype+" "+name], nil
}

// stated are Policies.
type stated map[string]*mtasts.Policy

func (s stated) Policy(_ context.Context, domain string) (*mtasts.Policy, tlsrpt.ResultType, error) {
	switch domain {
	case "unfetched.example":
		return s[domain], tlsrpt.STSPolicyFetchError, nil
	case "untold.example":
		return nil, "", mail.Errorf(mail.Unavailable, "it cannot be told now whether untold.example has an MTA-STS policy")
	}
	return s[domain], "", nil
}

func sts(mode mtasts.Mode, hosts ...string) *mtasts.Policy {
	return &mtasts.Policy{Mode: mode, MX: hosts, MaxAge: time.Hour}
}

// diary is an Observer: "domain type: result reason @mx" for each session.
type diary struct {
	mu    sync.Mutex
	lines []string
	all   []tlsrpt.Policy
	ips   []string
}

func (d *diary) Session(domain string, p tlsrpt.Policy, failure *tlsrpt.Failure) {
	d.mu.Lock()
	defer d.mu.Unlock()
	line := domain + " " + string(p.Type) + ": "
	if failure == nil {
		line += "kept"
	} else {
		line += string(failure.Type)
		if failure.ReasonCode != "" {
			line += " " + failure.ReasonCode
		}
		if failure.ReceivingMX == "" || failure.Sessions != 1 {
			line += " BADLY FILLED IN"
		}
		d.ips = append(d.ips, failure.SendingIP+" > "+failure.ReceivingIP)
	}
	d.lines = append(d.lines, line)
	d.all = append(d.all, p)
}

// told gives what was written since the last time.
func (d *diary) told() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := strings.Join(d.lines, "; ")
	d.lines = nil
	return all
}

// certify issues a certificate that may be wrong in some way.
func (a *authority) certify(t testing.TB, host string, notAfter time.Time) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(3), DNSNames: []string{host}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}
}

// ee is a DANE-EE record for a certificate, ta a DANE-TA record for an authority.
func ee(t testing.TB, c *tls.Certificate) dane.Record {
	cert, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return dane.Own(cert)
}

func (a *authority) ta() dane.Record {
	r := dane.Own(a.cert)
	r.Usage = dane.DANETA
	return r
}

const mx = "mx.there.example"

// certs are what a host may show, by name.
type certs struct {
	ca, stranger *authority
	by           map[string]*tls.Certificate
}

func newCerts(t testing.TB) *certs {
	c := &certs{ca: newAuthority(t), stranger: newAuthority(t)}
	hour := time.Now().Add(time.Hour)
	c.by = map[string]*tls.Certificate{
		"good": c.ca.certify(t, mx, hour), "wrong name": c.ca.certify(t, "elsewhere.example", hour),
		"expired": c.ca.certify(t, mx, time.Now().Add(-time.Hour)), "untrusted": c.stranger.certify(t, mx, hour),
		"of the domain": c.stranger.certify(t, "there.example", hour),
	}
	return c
}

// hosts are the ways a mail host deals with TLS: those of certs, and "no TLS", "broken", "refused".
func (c *certs) host(how string, more ...string) *remote {
	r := &remote{ext: append([]string{"8BITMIME", "STARTTLS"}, more...), cert: c.by[how]}
	switch how {
	case "no TLS":
		r.ext = append([]string{"8BITMIME"}, more...)
	case "broken":
		r.badTLS = true
	case "refused":
		r.script = map[string][]string{"starttls": {"454 4.7.0 not now"}}
	}
	return r
}

// policyBench is a bench with a DNS that is believed, policies, and an observer.
func policyBench(t *testing.T, c *certs, r *remote, policies stated) (*bench, *believed, *diary) {
	b := newBench(t, oneHost+"other.example MX 10 mx.there.example\nunfetched.example MX 10 mx.there.example\nuntold.example MX 10 mx.there.example\n", at1(r))
	d := &believed{Resolver: b.config.Resolver}
	notes := &diary{}
	b.config.Resolver, b.config.TLSA, b.config.Observer, b.config.TLS = d, d, notes, c.ca.trust
	if policies != nil {
		b.config.Policies = policies
	}
	return b, d, notes
}

package doctor

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/service/records"
	"github.com/postrider/postrider/service/seal"
	"github.com/postrider/postrider/testkit/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	domain = "example.test"
	host   = "mail.example.test"
)

var (
	v4 = netip.MustParseAddr("192.0.2.10")
	v6 = netip.MustParseAddr("2001:db8::10")
)

// authority is a certificate authority with one below it.
type authority struct {
	root, middle       *x509.Certificate
	rootKey, middleKey *ecdsa.PrivateKey
	pool               *x509.CertPool
}

var theAuthority = sync.OnceValue(func() authority {
	var a authority
	a.root, a.rootKey = issue1(&x509.Certificate{Subject: pkix.Name{CommonName: "Test Root"}, IsCA: true}, nil, nil)
	a.middle, a.middleKey = issue1(&x509.Certificate{Subject: pkix.Name{CommonName: "Test Intermediate"}, IsCA: true}, a.root, a.rootKey)
	a.pool = x509.NewCertPool()
	a.pool.AddCert(a.root)
	return a
})

// Verified implements Trust.
func (a authority) Verified(string) *tls.Config { return &tls.Config{RootCAs: a.pool} }

// issue1 makes a certificate, self-signed without a parent.
func issue1(c, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c.SerialNumber = big.NewInt(1)
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = clock.Start.AddDate(0, 0, -10), clock.Start.AddDate(0, 0, 80)
	}
	if c.IsCA {
		c.NotBefore, c.NotAfter, c.BasicConstraintsValid, c.KeyUsage = clock.Start.AddDate(-1, 0, 0), clock.Start.AddDate(9, 0, 0), true, x509.KeyUsageCertSign
	}
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		panic(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return made, key
}

// leaf makes a server's certificate below the intermediate one.
func leaf(change func(*x509.Certificate), names ...string) *tls.Certificate {
	a := theAuthority()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, DNSNames: names}
	if change != nil {
		change(template)
	}
	c, key := issue1(template, a.middle, a.middleKey)
	return &tls.Certificate{Certificate: [][]byte{c.Raw, a.middle.Raw}, PrivateKey: key, Leaf: c}
}

var goodCert = sync.OnceValue(func() *tls.Certificate {
	return leaf(nil, host, "mta-sts."+domain, "autoconfig."+domain, "autodiscover."+domain)
})

var theKeys = sync.OnceValue(func() []seal.Key {
	var out []seal.Key
	for selector, a := range map[string]seal.Algorithm{"r1": seal.RSA, "e1": seal.Ed25519} {
		k, err := seal.Generate(domain, selector, a, clock.Start)
		if err != nil {
			panic(err)
		}
		k.State = seal.Active
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b seal.Key) int { return strings.Compare(a.Selector, b.Selector) })
	return out
})

// fakeDNS answers from a Static, and from maps what a Static does not know.
type fakeDNS struct {
	dns.Resolver
	authentic bool
	tlsaErr   error
	records   map[string][]string    // "name TYPE" -> data
	verdicts  map[string]dns.Verdict // "name TYPE"; else Secure
	checkErr  error
}

func (f *fakeDNS) TLSA(_ context.Context, name string) (dns.Answer[[]dane.Record], error) {
	a := dns.Answer[[]dane.Record]{Status: dns.NoData, Name: name, Authentic: f.authentic}
	for _, text := range f.records[name+" TLSA"] {
		r, err := dane.Parse(text)
		if err != nil {
			panic(err)
		}
		a.Status, a.Value = dns.Found, append(a.Value, r)
	}
	return a, f.tlsaErr
}

func (f *fakeDNS) Check(_ context.Context, name, typ string) (dns.Verdict, error) {
	key := name + " " + typ
	if v, ok := f.verdicts[key]; ok || f.checkErr != nil {
		return v, f.checkErr
	}
	v := dns.Verdict{Security: dns.Secure, Status: dns.NoData, Name: name, Records: f.records[key], OwnSecure: true}
	if len(v.Records) > 0 {
		v.Status = dns.Found
	}
	return v, nil
}

// clinic is a mail domain with its surroundings, healthy until a test changes it.
type clinic struct {
	t      *testing.T
	facts  Facts
	zone   []records.Record
	dns    *fakeDNS
	clock  *clock.Clock
	now    func() time.Time // what others' clocks say
	serve  map[uint16]func(net.Conn)
	smtp   *smtpd
	web    *webd
	cert   *tls.Certificate // of all ports
	dials  map[string]string
	config func(*Config)
}

func newClinic(t *testing.T) *clinic {
	c := &clinic{t: t, clock: clock.New(), cert: goodCert(), dials: map[string]string{}, dns: &fakeDNS{authentic: true,
		records: map[string][]string{}, verdicts: map[string]dns.Verdict{}}}
	c.now = c.clock.Now
	policy := mtasts.Policy{Mode: mtasts.Enforce, MX: []string{host}, MaxAge: 7 * 24 * time.Hour}
	c.facts = Facts{Facts: records.Facts{Hostname: host, Domains: []string{domain}, Addresses: []netip.Addr{v4, v6}, Keys: theKeys(),
		Certificates: []*x509.Certificate{c.cert.Leaf}, DMARCReports: []string{"dmarc@" + domain}, TLSReports: []string{"tlsrpt@" + domain},
		MTASTS: &policy, Web: true, CA: "ca.test", Services: records.Services{Submissions: 465, Submission: 587, IMAPS: 993, POP3S: 995}},
		Lists: []string{"list.test"}, Reach: []string{"far.test:25"}, TimeURLs: []string{"http://time.test/"}}
	for service, number := range map[string]uint16{"smtp": 25, "submission": 587, "submissions": 465, "imaps": 993, "pop3s": 995, "https": 443, "http": 80} {
		p, ok := PortOf(service, number)
		if !ok {
			t.Fatal(service)
		}
		c.facts.Ports = append(c.facts.Ports, p)
	}
	c.publish()
	c.smtp = &smtpd{name: host, starttls: true, accept: []string{"postmaster@" + domain, "abuse@" + domain}}
	c.web = &webd{policy: policy.String(), kind: "text/plain", status: 200, settings: "<clientConfig>"}
	return c
}

// publish puts into the DNS what records.Of says, and what the rest of the world has.
func (c *clinic) publish() {
	f := c.facts.Facts
	f.Domain = domain
	c.zone = records.Of(f)
	c.set(records.Reverse(v4), "PTR", host+".")
	c.set(records.Reverse(v6), "PTR", host+".")
	c.set("far.test", "A", "198.51.100.5")
	c.set("time.test", "A", "198.51.100.6")
	c.set("2.0.0.127.list.test", "A", "127.0.0.2")
}

// set replaces the records of a type at a name.
func (c *clinic) set(name, typ string, values ...string) {
	c.del(name, typ)
	for _, v := range values {
		c.zone = append(c.zone, records.Record{Name: name, Type: typ, Value: v})
	}
}

func (c *clinic) del(name, typ string) {
	c.zone = slices.DeleteFunc(c.zone, func(r records.Record) bool { return r.Name == name && (r.Type == typ || typ == "") })
}

// txt replaces a text, quoted for the zone.
func (c *clinic) txt(name string, texts ...string) {
	var values []string
	for _, s := range texts {
		values = append(values, `"`+strings.ReplaceAll(s, `"`, `\"`)+`"`)
	}
	c.set(name, "TXT", values...)
}

// doctor starts all servers and makes the Doctor.
func (c *clinic) doctor() *Doctor {
	c.t.Helper()
	var zone strings.Builder
	for _, r := range c.zone {
		switch r.Type {
		case "TLSA", "SRV", "CAA":
			key := r.Name + " " + r.Type
			c.dns.records[key] = append(c.dns.records[key], r.Value)
		default:
			fmt.Fprintf(&zone, "%s %s %s\n", r.Name, r.Type, r.Value)
		}
	}
	if c.dns.Resolver == nil {
		static, err := dns.NewStatic(dns.StaticConfig{Zone: zone.String()})
		if err != nil {
			c.t.Fatalf("%v\n%s", err, zone.String())
		}
		c.dns.Resolver = static
	}
	c.servers()
	cfg := Config{Resolver: c.dns, TLSA: c.dns, Checker: c.dns, Trust: theAuthority(), Clock: c.clock, Deadline: time.Minute, Parallel: 32,
		Dialer: &dns.Dialer{Resolver: c.dns, Overrides: c.dials, Timeout: 30 * time.Second, Stagger: time.Millisecond},
		Facts:  func(context.Context, string) (Facts, error) { return c.facts, nil }}
	if c.config != nil {
		c.config(&cfg)
	}
	d, err := New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	return d
}

// servers starts what listens, and leads our addresses there.
func (c *clinic) servers() {
	secure := func(inner func(net.Conn)) func(net.Conn) {
		return func(conn net.Conn) { inner(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*c.cert}})) }
	}
	c.smtp.cert = c.cert
	greet := func(line string) func(net.Conn) {
		return func(conn net.Conn) { fmt.Fprintf(conn, "%s\r\n", line); bufio.NewReader(conn).ReadString('\n') }
	}
	plain := *c.smtp
	plain.starttls = false
	all := map[uint16]func(net.Conn){25: c.smtp.talk, 587: c.smtp.talk, 465: secure(plain.talk), 993: secure(greet("* OK ready")), 995: secure(greet("+OK ready")), 80: greet("")}
	for port, with := range c.serve {
		all[port] = with
	}
	for port, with := range all {
		at := closedPort
		if with != nil {
			at = listen(c.t, with)
		}
		c.lead(port, at)
	}
	if _, taken := c.serve[443]; !taken {
		c.web.cert, c.web.now = c.cert, c.now
		c.lead(443, c.web.start(c.t, true))
	}
	c.dial("198.51.100.6:80", (&webd{now: c.now, status: 200}).start(c.t, false))
	c.dial("198.51.100.5:25", listen(c.t, (&smtpd{name: "far.test"}).talk))
}

// closedPort is one that nobody listens on: the port of tcpmux.
const closedPort = "127.0.0.1:1"

func (c *clinic) lead(port uint16, to string) {
	for _, ip := range []netip.Addr{v4, v6} {
		c.dial(netip.AddrPortFrom(ip, port).String(), to)
	}
}

func (c *clinic) dial(from, to string) {
	if _, set := c.dials[from]; !set {
		c.dials[from] = to
	}
}

// listen serves each connection until the test ends.
func listen(t testing.TB, with func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			all.Go(func() {
				defer conn.Close()
				with(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().String()
}

// smtpd is a small SMTP server.
type smtpd struct {
	name     string
	greeting string // in place of the usual one
	starttls bool
	cert     *tls.Certificate
	accept   []string // recipients; "*" is all
	later    bool     // 451 for all others
}

func (d *smtpd) talk(conn net.Conn) {
	greeting := d.greeting
	if greeting == "" {
		greeting = "220 " + d.name + " ESMTP"
	}
	fmt.Fprintf(conn, "%s\r\n", greeting)
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		reply := "250 2.0.0 fine"
		switch verb {
		case "EHLO":
			reply = "250-" + d.name + "\r\n250-PIPELINING\r\n250 SIZE 1000"
			if d.starttls {
				reply = "250-" + d.name + "\r\n250-STARTTLS\r\n250 SIZE 1000"
			}
		case "STARTTLS":
			fmt.Fprint(conn, "220 go\r\n")
			secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*d.cert}})
			conn, r = secure, bufio.NewReader(secure)
			continue
		case "RCPT":
			to := strings.TrimSuffix(strings.TrimPrefix(line[len("RCPT "):], "TO:<"), ">")
			switch {
			case slices.Contains(d.accept, to) || slices.Contains(d.accept, "*"):
			case d.later:
				reply = "451 4.7.1 greylisted"
			default:
				reply = "550 5.7.1 no relay, no such user"
			}
		case "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		}
		fmt.Fprintf(conn, "%s\r\n", reply)
	}
}

// webd is a small web server.
type webd struct {
	cert     *tls.Certificate
	now      func() time.Time
	policy   string
	kind     string
	status   int
	location string
	settings string
	handle   http.HandlerFunc
}

func (w *webd) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	out.Header().Set("Date", w.now().UTC().Format(http.TimeFormat))
	switch {
	case w.handle != nil:
		w.handle(out, r)
	case r.URL.Path == "/.well-known/mta-sts.txt":
		out.Header().Set("Content-Type", w.kind)
		if w.location != "" {
			out.Header().Set("Location", w.location)
		}
		out.WriteHeader(w.status)
		fmt.Fprint(out, w.policy)
	default:
		fmt.Fprint(out, w.settings)
	}
}

func (w *webd) start(t *testing.T, secure bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	if secure {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*w.cert}})
	}
	server := &http.Server{Handler: w, ErrorLog: quiet}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return at
}

// examine looks at the domain.
func (c *clinic) examine() Report {
	c.t.Helper()
	var told []Finding
	r, err := c.doctor().Examine(context.Background(), domain, func(f Finding) { told = append(told, f) })
	if err != nil {
		c.t.Fatal(err)
	}
	if len(told) != len(r.Findings) {
		c.t.Errorf("%d findings were told, and %d are in the report", len(told), len(r.Findings))
	}
	return r
}

// half looks at the host or the domain, whichever a check is about.
func (c *clinic) half(check string) Report {
	c.t.Helper()
	d := c.doctor()
	look := func(ctx context.Context, each func(Finding)) (Report, error) { return d.Domain(ctx, domain, each) }
	if slices.ContainsFunc(Checks(), func(k Check) bool { return k.Name == check && k.Host }) {
		look = d.Host
	}
	r, err := look(context.Background(), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// show writes a report for people who read failed tests.
func show(r Report, from Level) string {
	var b strings.Builder
	for _, f := range r.Findings {
		if f.Level >= from {
			fmt.Fprintf(&b, "%s %s [%s] %s -> %s\n", f.Level, f.Check, f.Subject, f.Text, f.Remedy)
			if f.Record != "" {
				fmt.Fprintf(&b, "      %s\n", f.Record)
			}
		}
	}
	return b.String()
}

// dead is a resolver that never answers.
type dead struct{}

func silent[T any](ctx context.Context) (dns.Answer[T], error) {
	<-ctx.Done()
	return dns.Answer[T]{}, &mail.Error{Kind: mail.Unavailable, Text: "DNS cannot tell now", Enhanced: "4.4.3", Err: ctx.Err()}
}

func (dead) MX(ctx context.Context, _ string) (dns.Answer[[]dns.MX], error) {
	return silent[[]dns.MX](ctx)
}
func (dead) Addresses(ctx context.Context, _ string) (dns.Answer[[]netip.Addr], error) {
	return silent[[]netip.Addr](ctx)
}
func (dead) TXT(ctx context.Context, _ string) (dns.Answer[[]string], error) {
	return silent[[]string](ctx)
}
func (dead) PTR(ctx context.Context, _ netip.Addr) (dns.Answer[[]string], error) {
	return silent[[]string](ctx)
}
func (dead) Exists(ctx context.Context, _ string) (dns.Existence, error) {
	_, err := silent[int](ctx)
	return dns.Unknown, err
}

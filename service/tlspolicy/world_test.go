package tlspolicy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/dns"
	mailtls "github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// notebook is mail.Notes and mail.Journal in memory.
type notebook struct {
	clock  mail.Clock
	mu     sync.Mutex
	notes  map[string]mail.Note
	broken bool
	writes int
}

func (b *notebook) Note(_ context.Context, kind, key string) (mail.Note, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, ok := b.notes[kind+"/"+key]
	switch {
	case b.broken:
		return mail.Note{}, mail.Errorf(mail.Unavailable, "the disk is away")
	case !ok || !n.Expires.After(b.clock.Now()):
		return mail.Note{}, mail.Errorf(mail.NotFound, "no such note")
	}
	return n, nil
}

func (b *notebook) Notes(_ context.Context, q mail.NoteQuery) (out []mail.Note, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.notes {
		if n.Kind == q.Kind && n.Key > q.After && n.Expires.After(b.clock.Now()) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b mail.Note) int { return strings.Compare(a.Key, b.Key) })
	return out[:min(len(out), q.Limit)], nil
}

func (b *notebook) Commit(_ context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken {
		return mail.Receipt{}, mail.Errorf(mail.Unavailable, "the disk is away")
	}
	for _, c := range set.Changes {
		n := c.(mail.PutNote).Note
		b.notes[n.Kind+"/"+n.Key] = n
		b.writes++
	}
	return mail.Receipt{}, nil
}

// zone is the DNS: texts by name. A name that is absent has none; "FAIL" cannot be told now.
type zone struct {
	mu      sync.Mutex
	texts   map[string][]string
	queries int
}

func (z *zone) TXT(_ context.Context, name string) (dns.Answer[[]string], error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.queries++
	texts := z.texts[name]
	if slices.Contains(texts, "FAIL") {
		return dns.Answer[[]string]{}, mail.Errorf(mail.Unavailable, "no answer")
	}
	return dns.Answer[[]string]{Status: dns.Found, Value: texts, TTL: 5 * time.Minute}, nil
}

func (z *zone) set(domain string, texts ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.texts["_mta-sts."+domain] = texts
}

func (z *zone) asked() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.queries
}

// world is Policies with everything around them.
type world struct {
	t      *testing.T
	clock  *clock.Clock
	notes  *notebook
	zone   *zone
	web    *web
	config Config
}

// web is a web server that answers for mta-sts.there.example, and for others by the same words.
type web struct {
	addr  string
	hits  atomic.Int64
	mu    sync.Mutex
	serve http.HandlerFunc
	conn  func(net.Conn) // takes a connection instead
}

func (w *web) set(serve http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serve = serve
}

func (w *web) take(conn func(net.Conn)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = conn
}

func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.hits.Add(1)
	w.mu.Lock()
	serve := w.serve
	w.mu.Unlock()
	serve(rw, r)
}

const enforced = "version: STSv1\r\nmode: enforce\r\nmx: mx.there.example\r\nmax_age: 604800\r\n"

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, body)
	}
}

const there = "there.example"

// certificate says how the web server's differs from a good one.
type certificate struct {
	name      string
	notAfter  time.Time
	stranger  bool // signed by nobody we know
	maxServed uint16
}

func newWorld(t *testing.T, cert certificate) *world {
	t.Helper()
	w := &world{t: t, clock: clock.New(), zone: &zone{texts: map[string][]string{}}, web: &web{serve: text(enforced)}}
	w.notes = &notebook{clock: w.clock, notes: map[string]mail.Note{}}
	trust := w.listen(cert)
	w.zone.set(there, "v=STSv1; id=1")
	dialer := &dns.Dialer{Overrides: map[string]string{"mta-sts.there.example": w.web.addr, "mta-sts.other.example": w.web.addr, "mta-sts.third.example": w.web.addr}}
	w.config = Config{Resolver: w.zone, Dialer: dialer, Notes: w.notes, Journal: w.notes, Trust: trust, Clock: w.clock, Within: 5 * time.Second}
	return w
}

// listen starts the web server; its authority is trusted.
func (w *world) listen(c certificate) *mailtls.Trust {
	t := w.t
	root, rootKey := issue(t, "root", clock.Start.Add(100*24*time.Hour), nil, nil)
	signer, signerKey := root, rootKey
	if c.stranger {
		signer, signerKey = issue(t, "stranger", clock.Start.Add(100*24*time.Hour), nil, nil)
	}
	names := []string{c.name}
	if c.name == "" {
		names = []string{"mta-sts.there.example", "mta-sts.other.example", "mta-sts.third.example"}
	}
	if c.notAfter.IsZero() {
		c.notAfter = clock.Start.Add(90 * 24 * time.Hour)
	}
	leaf, key := issue(t, strings.Join(names, " "), c.notAfter, signer, signerKey)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.web.addr = l.Addr().String()
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}, MaxVersion: c.maxServed}
	server := &http.Server{Handler: w.web, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(&hijack{Listener: l, web: w.web, config: config}) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	file := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	trust, err := mailtls.NewTrust(w.clock, file)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// hijack hands connections to web.conn, when it is set.
type hijack struct {
	net.Listener
	web    *web
	config *tls.Config
}

func (h *hijack) Accept() (net.Conn, error) {
	for {
		c, err := h.Listener.Accept()
		if err != nil {
			return nil, err
		}
		h.web.mu.Lock()
		take := h.web.conn
		h.web.mu.Unlock()
		if take == nil {
			return tls.Server(c, h.config), nil
		}
		h.web.hits.Add(1)
		take(c)
		_ = c.Close()
	}
}

func issue(t *testing.T, names string, notAfter time.Time, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names}, NotBefore: clock.Start.Add(-time.Hour), NotAfter: notAfter}
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, parentKey = template, key
	} else {
		template.DNSNames = strings.Fields(names)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// open makes Policies: as one node, or another one over the same notes.
func (w *world) open() *Policies {
	w.t.Helper()
	p, err := New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(p.Close)
	return p
}

// want asks for a policy and compares "mode mx fault".
func (w *world) want(p *Policies, domain, want string) {
	w.t.Helper()
	policy, fault, err := p.Policy(w.t.Context(), domain)
	got := "none"
	if policy != nil {
		got = string(policy.Mode) + " " + strings.Join(policy.MX, ",")
	}
	if fault != "" {
		got += " " + string(fault)
	}
	if err != nil {
		got = "error " + mail.KindOf(err).String()
	}
	if got != want {
		w.t.Errorf("%s: got %q (%v), want %q", domain, got, err, want)
	}
}

// settle waits for what goes on behind.
func settle(p *Policies) { p.work.Wait() }

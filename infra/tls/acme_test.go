package tls_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	stdtls "crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/fakedns"
)

// authority is a Pebble, the test server of Let's Encrypt, on loopback.
type authority struct {
	t         *testing.T
	Directory string
	RootsFile string // of its own HTTPS, not of the certificates it gives
	names     *fakedns.Server
	web, tls  net.Listener // what it takes for ports 80 and 443 of every host

	listen, manage string
	files          tls.Pair
	life           int // seconds
	cmd            *exec.Cmd
	roots          *x509.CertPool

	mu     sync.Mutex
	said   bytes.Buffer
	issued int
}

// newAuthority prepares one whose certificates live some seconds; 0 is long. It answers once it is started.
func newAuthority(t *testing.T, life int) *authority {
	t.Helper()
	if _, err := exec.LookPath("pebble"); err != nil {
		t.Skip("pebble is not installed (tools/install-test-deps.sh pebble)")
	}
	a := &authority{t: t, life: life, listen: free(t), manage: free(t)}
	var err error
	for _, l := range []*net.Listener{&a.web, &a.tls} {
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*l).Close() })
	}
	a.files, a.RootsFile = pairOf(t, "localhost")
	a.Directory = "https://" + a.listen + "/dir"
	a.names = fakedns.Start(t, zone)
	return a
}

var zone = "test. SOA ns.test. hostmaster.test. 1 60 60 60 60\ntest. NS ns.test.\n" + strings.ReplaceAll("ns mx.tls-alpn other.tls-alpn mx.http other.http mx.dns other.dns "+
	"renew one.shared two.shared down late http.fails tls-alpn.fails file.first acme.first ", " ", ".test. A 127.0.0.1\n")

// free finds a port nobody has.
func free(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func port(address string) int { _, p := mustSplit(address); return p }

func mustSplit(address string) (string, int) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		panic(err)
	}
	return a.IP.String(), a.Port
}

func (a *authority) start() {
	a.t.Helper()
	cfg, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": a.listen, "managementListenAddress": a.manage, "certificate": a.files.CertFile, "privateKey": a.files.KeyFile,
		"httpPort": port(a.web.Addr().String()), "tlsPort": port(a.tls.Addr().String()), "certificateValidityPeriod": a.life,
	}})
	file := filepath.Join(a.t.TempDir(), "pebble.json")
	if err = errors.Join(err, os.WriteFile(file, cfg, 0o600)); err != nil {
		a.t.Fatal(err)
	}
	a.cmd = exec.Command("pebble", "-config", file, "-dnsserver", a.names.Addr.String())
	a.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=20", "PEBBLE_AUTHZREUSE=0", "PEBBLE_CHAIN_LENGTH=2")
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		a.t.Fatal(err)
	}
	a.cmd.Stderr = a.cmd.Stdout
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	ready, over := make(chan struct{}), make(chan struct{})
	go a.listenTo(out, ready, over)
	a.t.Cleanup(func() { a.stop(); <-over })
	select {
	case <-ready:
	case <-over:
		a.t.Fatalf("pebble ended: %s", a.words())
	case <-time.After(20 * time.Second):
		a.t.Fatalf("pebble does not start: %s", a.words())
	}
	a.roots = a.root()
}

func (a *authority) listenTo(out io.Reader, ready, over chan struct{}) {
	defer close(over)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		a.mu.Lock()
		fmt.Fprintln(&a.said, lines.Text())
		if strings.Contains(lines.Text(), "Issued certificate serial") {
			a.issued++
		}
		a.mu.Unlock()
		if strings.Contains(lines.Text(), "ACME directory available at") {
			close(ready)
		}
	}
}

func (a *authority) stop() {
	a.cmd.Process.Kill()
	a.cmd.Wait() //nolint:errcheck // it was killed
}

func (a *authority) words() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.said.String()
}

func (a *authority) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.issued
}

// root fetches the root of the certificates it gives. It is another one after each start.
func (a *authority) root() *x509.CertPool {
	a.t.Helper()
	known, err := os.ReadFile(a.RootsFile)
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(known)
	transport := &http.Transport{TLSClientConfig: &stdtls.Config{RootCAs: pool}, DisableKeepAlives: true}
	client := http.Client{Transport: transport, Timeout: 10 * time.Second}
	for range 200 { // its management port opens by itself
		var resp *http.Response
		if resp, err = client.Get("https://" + a.manage + "/roots/0"); err != nil {
			<-time.After(20 * time.Millisecond)
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		roots := x509.NewCertPool()
		if err != nil || !roots.AppendCertsFromPEM(text) {
			a.t.Fatalf("root: %v %q", err, text)
		}
		return roots
	}
	a.t.Fatalf("pebble's root: %v", err)
	return nil
}

// provider is a DNS provider that writes into the fake name server.
type provider struct {
	a  *authority
	mu sync.Mutex
	rr []string
}

func (p *provider) set(change func([]string) []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rr = change(p.rr)
	p.a.names.SetZone(p.a.t, zone+strings.Join(p.rr, "\n"))
}

func lines(zone string, recs []libdns.Record) (out []string) {
	for _, r := range recs {
		rr := r.RR()
		out = append(out, fmt.Sprintf("%s 1 %s %q", libdns.AbsoluteName(rr.Name, zone), rr.Type, rr.Data))
	}
	return out
}

func (p *provider) AppendRecords(_ context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	p.set(func(have []string) []string { return append(have, lines(zone, recs)...) })
	return recs, nil
}

func (p *provider) DeleteRecords(_ context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	gone := lines(zone, recs)
	p.set(func(have []string) []string {
		return slices.DeleteFunc(have, func(s string) bool { return slices.Contains(gone, s) })
	})
	return recs, nil
}

// node is one server with a Keeper, over notes that others may share.
type node struct {
	*tls.Keeper
	changed chan []string
	logged  *logged
	end     func()
}

type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func notes(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Reserve: -1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// config is a Keeper's for names, with one way to be challenged.
func (a *authority) config(t *testing.T, s *store.Store, names []string, challenges ...tls.Challenge) tls.KeeperConfig {
	return tls.KeeperConfig{Dir: t.TempDir(), Names: names, ACME: &tls.ACME{
		Directory: a.Directory, Email: strings.ToLower(strings.NewReplacer("/", "-").Replace(t.Name())) + "@example.test", Challenges: challenges,
		Names: func(context.Context) ([]string, error) { return names, nil }, RootsFile: a.RootsFile, Notes: s, Journal: s,
		Solver: &provider{a: a}, Resolvers: []string{a.names.Addr.String()}, TLSAddress: a.tls.Addr().String(), HTTPAddress: a.web.Addr().String(),
		Look: 100 * time.Millisecond, Renew: 200 * time.Millisecond, Retry: 20 * time.Millisecond,
	}}
}

// open makes a node. It runs once run is called, and ends with the test, or with end.
func open(t *testing.T, cfg tls.KeeperConfig) *node {
	t.Helper()
	n := &node{changed: make(chan []string, 100), logged: &logged{}}
	cfg.ACME.Changed = func(names []string) { n.changed <- names }
	cfg.Log = slog.New(slog.NewTextHandler(n.logged, nil))
	n.Keeper = keeper(t, cfg)
	n.end = sync.OnceFunc(n.Close)
	t.Cleanup(func() { n.end() })
	return n
}

func (n *node) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	closed := n.end
	n.end = sync.OnceFunc(func() { cancel(); <-done; closed() })
}

// serve answers on the authority's ports 80 and 443 until the test ends.
func (n *node) serve(t *testing.T, a *authority) {
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.AnswerHTTP(w, r) {
			http.NotFound(w, r)
		}
	})}
	var work sync.WaitGroup
	work.Go(func() { web.Serve(a.web) })
	cfg := n.Server(tls.Web)
	work.Go(func() {
		for {
			c, err := a.tls.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				stdtls.Server(c, cfg).Handshake() //nolint:errcheck // the other side tells
			})
		}
	})
	t.Cleanup(func() { web.Close(); a.tls.Close(); work.Wait() })
}

// await waits until the names have been told to have new certificates.
func (n *node) await(t *testing.T, names ...string) {
	t.Helper()
	over := time.After(40 * time.Second)
	for len(names) > 0 {
		select {
		case got := <-n.changed:
			names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { return slices.Contains(got, s) })
		case <-over:
			t.Fatalf("no certificate for %v\n%s", names, n.logged)
		}
	}
}

// logs waits until a line with the part was logged.
func (n *node) logs(t *testing.T, part string) {
	t.Helper()
	tick, over := time.NewTicker(10*time.Millisecond), time.After(40*time.Second)
	defer tick.Stop()
	for !strings.Contains(n.logged.String(), part) {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("%q was not logged:\n%s", part, n.logged)
		}
	}
}

// shown makes a handshake and gives the leaf.
func (n *node) shown(t *testing.T, name string, roots *x509.CertPool) *x509.Certificate {
	t.Helper()
	state, err := handshake(t, n.Server(tls.MX), &stdtls.Config{ServerName: name, RootCAs: roots, InsecureSkipVerify: roots == nil})
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, n.logged)
	}
	return state.PeerCertificates[0]
}

func sameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// RFC 8555 7 with each challenge (RFC 8737 3, RFC 8555 8.3, RFC 8555 8.4): certificates for several names, chosen by SNI, with the
// keys that were prepared before (RFC 7671 5.1), and with an account.
func TestACMEChallenges(t *testing.T) {
	t.Parallel()
	for _, c := range []tls.Challenge{tls.TLSALPN, tls.HTTP, tls.DNS} {
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			a, s := newAuthority(t, 0), notes(t)
			a.start()
			names := []string{"mx." + string(c) + ".test", "other." + string(c) + ".test"}
			cfg := a.config(t, s, append(names, "localhost", "192.0.2.1"), c)
			if c == tls.HTTP {
				cfg.ACME.Email = "" // an account without one; nobody is asked at the terminal
			}
			key, err := tls.PrepareKey(t.Context(), *cfg.ACME, nil, names[0])
			if err != nil {
				t.Fatal(err)
			}
			n := open(t, cfg)
			n.serve(t, a)
			if !n.Development() || n.CAFile() == "" {
				t.Error("nothing was fetched yet")
			}
			n.run()
			n.await(t, names...)
			for _, name := range names {
				leaf := n.shown(t, name, a.roots)
				if !slices.Equal(leaf.DNSNames, []string{name}) {
					t.Errorf("%s is shown the certificate of %v", name, leaf.DNSNames)
				}
				if chain := n.Chain(name); len(chain) < 2 || !chain[0].Equal(leaf) {
					t.Errorf("chain of %s: %d long", name, len(chain))
				}
			}
			if leaf := n.shown(t, names[0], a.roots); !sameKey(leaf.PublicKey, key) {
				t.Error("the key is not the one that was prepared")
			}
			if leaf := n.shown(t, "stranger.test", nil); leaf.DNSNames[0] != names[0] {
				t.Errorf("a name nobody has is shown %v", leaf.DNSNames)
			}
			if leaf := n.shown(t, "", nil); leaf.DNSNames[0] != names[0] {
				t.Errorf("no name is shown %v", leaf.DNSNames)
			}
			if n.Development() || n.CAFile() != "" || len(n.Leafs()) != 2 || n.Expires().Before(time.Now().Add(time.Hour)) {
				t.Errorf("development %v, %d leafs, runs out %v", n.Development(), len(n.Leafs()), n.Expires())
			}
			if uri, err := tls.AccountURI(t.Context(), *cfg.ACME); err != nil || !strings.HasPrefix(uri, "https://"+a.listen) {
				t.Errorf("account %q %v", uri, err)
			}
			for _, st := range n.Names() {
				if st.Until.IsZero() || st.Trouble != "" {
					t.Errorf("state %+v", st)
				}
			}
			noSecrets(t, s, n.logged.String())
		})
	}
}

// noSecrets looks that no stored key is in a log.
func noSecrets(t *testing.T, s *store.Store, log string) {
	t.Helper()
	list, err := s.Notes(context.Background(), mail.NoteQuery{Kind: "acme"})
	if err != nil || len(list) == 0 {
		t.Fatal(len(list), err)
	}
	keys := 0
	for _, n := range list {
		at := bytes.Index(n.Value, []byte("-----BEGIN"))
		if at < 0 {
			continue
		}
		if block, _ := pem.Decode(n.Value[at:]); block != nil && strings.Contains(block.Type, "PRIVATE") {
			keys++
			inner := strings.Split(string(n.Value[at:]), "\n")[1]
			if strings.Contains(log, inner) {
				t.Error("a key was logged")
			}
		}
	}
	if keys == 0 {
		t.Error("no key was found in the notes")
	}
}

// RFC 8555 1: a certificate is renewed while the server runs, before it runs out, and keeps its key.
func TestACMERenewal(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 9)
	a.start()
	n := open(t, a.config(t, notes(t), []string{"renew.test"}, tls.TLSALPN))
	n.serve(t, a)
	n.run()
	n.await(t, "renew.test")
	first := n.shown(t, "renew.test", a.roots)
	n.await(t, "renew.test")
	second := n.shown(t, "renew.test", a.roots)
	if first.SerialNumber.Cmp(second.SerialNumber) == 0 || !sameKey(first.PublicKey, second.PublicKey) {
		t.Errorf("serials %v and %v, same key %v", first.SerialNumber, second.SerialNumber, sameKey(first.PublicKey, second.PublicKey))
	}
	if !second.NotBefore.Before(first.NotAfter) {
		t.Error("it was renewed too late")
	}
}

// Two nodes over the same notes order once, both show it, and a start without an authority shows it as well.
func TestACMESharedAndKept(t *testing.T) {
	t.Parallel()
	a, s := newAuthority(t, 0), notes(t)
	a.start()
	names := []string{"one.shared.test", "two.shared.test"}
	cfg := a.config(t, s, names, tls.TLSALPN, tls.HTTP)
	both := []*node{open(t, cfg), open(t, cfg)}
	both[1].serve(t, a)
	for _, n := range both {
		n.run()
	}
	for _, n := range both {
		n.await(t, names...)
	}
	if got := a.count(); got != 2 {
		t.Errorf("%d certificates were ordered for two names", got)
	}
	for _, name := range names {
		if !both[0].shown(t, name, a.roots).Equal(both[1].shown(t, name, a.roots)) {
			t.Errorf("the nodes show different certificates for %s", name)
		}
	}
	uri, err := tls.AccountURI(t.Context(), *cfg.ACME)
	if err != nil || uri == "" {
		t.Errorf("account %q %v", uri, err)
	}
	for _, n := range both {
		n.end()
	}
	roots := a.roots
	a.stop()
	n := open(t, cfg)
	if n.Development() {
		t.Error("after a start the certificate is not there")
	}
	leaf := n.shown(t, names[1], roots)
	n.run()
	if !leaf.Equal(both[0].shown(t, names[1], roots)) {
		t.Error("after a start another certificate is shown")
	}
	if again, err := tls.AccountURI(t.Context(), *cfg.ACME); err != nil || again != uri {
		t.Errorf("account %q %v, was %q", again, err, uri)
	}
}

// An authority that is down stops no handshake, is told about once, and is asked again; names come and go meanwhile. RFC 7435 3.
func TestACMEAuthorityThatIsDown(t *testing.T) {
	t.Parallel()
	a, s := newAuthority(t, 0), notes(t)
	cfg := a.config(t, s, nil, tls.TLSALPN)
	var mu sync.Mutex
	names, ready := []string{"down.test"}, error(nil)
	cfg.ACME.Names = func(context.Context) ([]string, error) {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(names), nil
	}
	cfg.ACME.Ready = func(_ context.Context, name string) error {
		mu.Lock()
		defer mu.Unlock()
		if name == "late.test" {
			return ready
		}
		return nil
	}
	n := open(t, cfg)
	n.serve(t, a)
	n.run()
	n.logs(t, "level=ERROR")
	interim := n.shown(t, "down.test", nil)
	if trouble := n.Names()[0].Trouble; !strings.Contains(trouble, "cannot be reached") || !strings.Contains(trouble, "docs/problems.md#certificate") {
		t.Errorf("trouble: %q", trouble)
	}
	key, err := tls.PrepareKey(t.Context(), *cfg.ACME, nil, "down.test")
	if err != nil || !sameKey(interim.PublicKey, key) {
		t.Errorf("what is shown meanwhile has another key, %v", err)
	}
	if _, err := handshake(t, n.Server(tls.MX), trust(t, nil, n.CAFile()).Verified("down.test")); err != nil {
		t.Errorf("meanwhile: %v", err)
	}
	a.start()
	n.await(t, "down.test")
	if c := strings.Count(n.logged.String(), "level=ERROR"); c != 1 {
		t.Errorf("%d errors were logged, want one:\n%s", c, n.logged)
	}
	if leaf := n.shown(t, "down.test", a.roots); !sameKey(leaf.PublicKey, key) {
		t.Error("the key changed")
	}
	mu.Lock()
	names, ready = []string{"late.test"}, mail.Errorf(mail.NotFound, "late.test has no address in the DNS")
	mu.Unlock()
	n.Refresh()
	n.logs(t, "no address in the DNS")
	if a.count() != 1 {
		t.Error("a name that is not set up was ordered for")
	}
	if len(n.Leafs()) != 1 || n.Leafs()[0].DNSNames[0] != "late.test" {
		t.Errorf("a name that is gone is still there: %v", n.Leafs())
	}
	mu.Lock()
	ready = nil
	mu.Unlock()
	n.Refresh()
	n.await(t, "late.test")
	n.shown(t, "late.test", a.roots)
}

// A challenge that another server answers, or nobody, is explained.
func TestACMEFailuresAreExplained(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"http": "port 80", "tls-alpn": "port 443"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, 0)
			a.start()
			cfg := a.config(t, notes(t), []string{name + ".fails.test"}, tls.Challenge(name))
			cfg.ACME.Retry = time.Hour
			n := open(t, cfg)
			stranger := &http.Server{Handler: http.NotFoundHandler()}
			var work sync.WaitGroup
			work.Go(func() { stranger.Serve(a.web) })
			work.Go(func() {
				for {
					c, err := a.tls.Accept()
					if err != nil {
						return
					}
					c.Close()
				}
			})
			t.Cleanup(func() { stranger.Close(); a.tls.Close(); work.Wait() })
			n.run()
			n.logs(t, "level=ERROR")
			if trouble := n.Names()[0].Trouble; !strings.Contains(trouble, want) || !strings.Contains(trouble, "the authority said") {
				t.Errorf("trouble: %q", trouble)
			}
		})
	}
}

func TestACMERefusedConfigurations(t *testing.T) {
	t.Parallel()
	s := notes(t)
	names := func(context.Context) ([]string, error) { return nil, nil }
	for name, a := range map[string]tls.ACME{
		"no notes":           {Names: names},
		"no names":           {Notes: s, Journal: s},
		"no such challenge":  {Notes: s, Journal: s, Names: names, Challenges: []tls.Challenge{"carrier-pigeon"}},
		"dns without solver": {Notes: s, Journal: s, Names: names, Challenges: []tls.Challenge{tls.DNS}},
		"no such roots":      {Notes: s, Journal: s, Names: names, RootsFile: "/nonexistent.pem"},
	} {
		if _, err := tls.Open(tls.KeeperConfig{Dir: t.TempDir(), ACME: &a}); !mail.Is(err, mail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Files come first, whatever the authority gave; the authority's names come next.
func TestFilesComeBeforeACME(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 0)
	a.start()
	mine, _ := pairOf(t, "file.first.test")
	cfg := a.config(t, notes(t), []string{"file.first.test", "acme.first.test"}, tls.HTTP)
	cfg.Pairs = []tls.Pair{mine}
	n := open(t, cfg)
	n.serve(t, a)
	n.run()
	n.await(t, "file.first.test", "acme.first.test")
	n.shown(t, "acme.first.test", a.roots)
	for _, name := range []string{"file.first.test", "stranger.test", ""} {
		if leaf := n.shown(t, name, nil); leaf.Issuer.CommonName == n.Chain("acme.first.test")[0].Issuer.CommonName {
			t.Errorf("%q is shown %v of %s", name, leaf.DNSNames, leaf.Issuer)
		}
	}
	if n.Development() || len(n.Leafs()) != 3 {
		t.Errorf("%d leafs", len(n.Leafs()))
	}
}

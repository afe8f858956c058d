package tls_test

import (
	"bytes"
	stdtls "crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/clock"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"))
}

// handshake runs both sides over a pipe; the server then sends one octet and the client reads it, so that tickets behind
// the handshake come through. It gives the client's state.
func handshake(t *testing.T, server, client *stdtls.Config) (stdtls.ConnectionState, error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	deadline := time.Now().Add(10 * time.Second)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	done := make(chan error, 1)
	go func() {
		s := stdtls.Server(b, server)
		_, err := s.Write([]byte("x"))
		if err != nil {
			b.Close()
		}
		done <- err
	}()
	c := stdtls.Client(a, client)
	_, err := io.ReadFull(c, make([]byte, 1))
	a.Close()
	if served := <-done; err == nil {
		err = served
	}
	return c.ConnectionState(), err
}

func keeper(t *testing.T, cfg tls.KeeperConfig) *tls.Keeper {
	t.Helper()
	k, err := tls.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func trust(t *testing.T, c mail.Clock, files ...string) *tls.Trust {
	t.Helper()
	tr, err := tls.NewTrust(c, files...)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// tickets counts the session tickets a client is given.
type tickets struct{ n atomic.Int64 }

func (c *tickets) Get(string) (*stdtls.ClientSessionState, bool) { return nil, false }
func (c *tickets) Put(_ string, s *stdtls.ClientSessionState) {
	if s != nil {
		c.n.Add(1)
	}
}

// golang/go#70232: Microsoft's senders drop the connection when port 25 sends a session ticket.
func TestPort25SendsNoSessionTicket(t *testing.T) {
	t.Parallel()
	k := keeper(t, tls.KeeperConfig{Dir: t.TempDir()})
	for _, version := range []uint16{stdtls.VersionTLS12, stdtls.VersionTLS13} {
		for purpose, want := range map[tls.Purpose]bool{tls.MX: false, tls.Users: true} {
			cfg, verdict := trust(t, nil, k.CAFile()).Opportunistic("localhost")
			var got tickets
			cfg.ClientSessionCache, cfg.MaxVersion = &got, version
			if _, err := handshake(t, k.Server(purpose), cfg); err != nil || !verdict.Verified {
				t.Fatalf("handshake: %v, %+v", err, verdict)
			}
			if sent := got.n.Load() > 0; sent != want {
				t.Errorf("version %x, purpose %d: %d tickets, want some: %v", version, purpose, got.n.Load(), want)
			}
		}
	}
}

// RFC 8996 2, RFC 8997 3: nothing older than TLS 1.2.
func TestOldVersionsAreRefused(t *testing.T) {
	t.Parallel()
	k := keeper(t, tls.KeeperConfig{Dir: t.TempDir()})
	for _, purpose := range []tls.Purpose{tls.MX, tls.Users} {
		cfg, _ := trust(t, nil).Opportunistic("localhost")
		cfg.MinVersion, cfg.MaxVersion = stdtls.VersionTLS10, stdtls.VersionTLS11
		if state, err := handshake(t, k.Server(purpose), cfg); err == nil {
			t.Errorf("purpose %d: spoke version %x", purpose, state.Version)
		}
	}
}

func TestDevelopmentCertificate(t *testing.T) {
	t.Parallel()
	dir, now := filepath.Join(t.TempDir(), "made", "by us"), clock.At(time.Now())
	names := []string{"mx.example.test", "192.0.2.1", ""}
	k := keeper(t, tls.KeeperConfig{Dir: dir, Names: names, Clock: now})
	if !k.Development() {
		t.Error("it is not said to be a development certificate")
	}
	ca, err := os.ReadFile(k.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"mx.example.test", "MX.Example.test.", "192.0.2.1", "localhost", "127.0.0.1", "::1", "[::1]"} {
		if _, err := handshake(t, k.Server(tls.Users), trust(t, now, k.CAFile()).Verified(host)); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := handshake(t, k.Server(tls.Users), trust(t, now, k.CAFile()).Verified("other.test")); err == nil {
		t.Error("a host that is not in the certificate was verified")
	}
	if info, err := os.Stat(filepath.Join(dir, "development-ca.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
	first := k.Expires()
	// A second start, and one with more names, keep the authority that clients trust.
	keeper(t, tls.KeeperConfig{Dir: dir, Names: names, Clock: now})
	k = keeper(t, tls.KeeperConfig{Dir: dir, Names: append(names, "imap.example.test"), Clock: now})
	if again, err := os.ReadFile(k.CAFile()); err != nil || !bytes.Equal(ca, again) {
		t.Errorf("the authority changed, %v", err)
	}
	old := trust(t, now, k.CAFile())
	if _, err := handshake(t, k.Server(tls.Users), old.Verified("imap.example.test")); err != nil {
		t.Errorf("a new name: %v", err)
	}
	// It is renewed while the server runs, before it runs out.
	now.Advance(61 * 24 * time.Hour)
	if _, err := handshake(t, k.Server(tls.Users), old.Verified("localhost")); err != nil || !k.Expires().After(first.Add(time.Hour)) {
		t.Errorf("after two months: %v, runs out %v", err, k.Expires())
	}
	// Years later, so is the authority.
	now.Advance(9*365*24*time.Hour + 200*24*time.Hour)
	k.Expires()
	if again, err := os.ReadFile(k.CAFile()); err != nil || bytes.Equal(ca, again) {
		t.Errorf("the authority was not renewed, %v", err)
	}
	if _, err := handshake(t, k.Server(tls.Users), trust(t, now, k.CAFile()).Verified("localhost")); err != nil {
		t.Errorf("with the new authority: %v", err)
	}
}

func TestDevelopmentFilesThatAreDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keeper(t, tls.KeeperConfig{Dir: dir})
	damage := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage("development.pem")
	if k := keeper(t, tls.KeeperConfig{Dir: dir}); k.Expires().IsZero() {
		t.Error("a damaged certificate was not made anew")
	}
	damage("development-ca.pem")
	if _, err := tls.Open(tls.KeeperConfig{Dir: dir}); !mail.Is(err, mail.Invalid) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a damaged authority: %v", err)
	}
}

// pairOf makes a certificate for a name and gives its files.
func pairOf(t *testing.T, name string) (tls.Pair, string) {
	dir := t.TempDir()
	k := keeper(t, tls.KeeperConfig{Dir: dir, Names: []string{name}})
	return tls.Pair{CertFile: filepath.Join(dir, "development.pem"), KeyFile: filepath.Join(dir, "development.key")}, k.CAFile()
}

// RFC 6066 3: the certificate is chosen by the name the client asks for.
func TestChoiceByName(t *testing.T) {
	t.Parallel()
	a, caA := pairOf(t, "a.test")
	b, caB := pairOf(t, "*.b.test")
	k := keeper(t, tls.KeeperConfig{Pairs: []tls.Pair{a, b}})
	if k.Development() || k.CAFile() != "" {
		t.Error("configured certificates are said to be development ones")
	}
	tr := trust(t, nil, caA, caB)
	for _, host := range []string{"a.test", "mx.b.test"} {
		if _, err := handshake(t, k.Server(tls.Users), tr.Verified(host)); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	cfg, verdict := tr.Opportunistic("nobody.test")
	state, err := handshake(t, k.Server(tls.MX), cfg)
	if err != nil || verdict.Verified || !strings.Contains(verdict.Reason, "nobody.test") || state.PeerCertificates[0].DNSNames[0] != "a.test" {
		t.Errorf("a name nobody has: %v, %+v, %v", err, verdict, state.PeerCertificates[0].DNSNames)
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	now, dir := clock.At(time.Now()), t.TempDir()
	one, _ := pairOf(t, "one.test")
	two, _ := pairOf(t, "two.test")
	p := tls.Pair{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	put := func(to, from string) {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		now.Advance(time.Second)
		if err = errors.Join(err, os.Chtimes(to, now.Now(), now.Now())); err != nil {
			t.Fatal(err)
		}
	}
	put(p.CertFile, one.CertFile)
	put(p.KeyFile, one.KeyFile)
	var logged bytes.Buffer
	k := keeper(t, tls.KeeperConfig{Pairs: []tls.Pair{p}, Check: time.Minute, Clock: now, Log: slog.New(slog.NewTextHandler(&logged, nil))})
	shown := func() string {
		cfg, _ := trust(t, now).Opportunistic("x.test")
		state, err := handshake(t, k.Server(tls.Users), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].DNSNames[0]
	}
	put(p.CertFile, two.CertFile) // the key does not fit yet
	now.Advance(time.Minute)
	if got := shown(); got != "one.test" {
		t.Errorf("with a key that does not fit: %s", got)
	}
	now.Advance(time.Minute)
	shown()
	if n := strings.Count(logged.String(), "level=ERROR"); n != 1 {
		t.Errorf("logged %d errors, want one: %s", n, logged.String())
	}
	put(p.KeyFile, two.KeyFile)
	if got := shown(); got != "one.test" {
		t.Errorf("looked before the time was over: %s", got)
	}
	now.Advance(time.Minute)
	if got := shown(); got != "two.test" {
		t.Errorf("after the change: %s", got)
	}
	os.Remove(p.CertFile)
	now.Advance(time.Minute)
	if got := shown(); got != "two.test" {
		t.Errorf("after the file went away: %s", got)
	}
}

func TestRefusedConfigurations(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]tls.KeeperConfig{
		"nothing":      {},
		"no such file": {Pairs: []tls.Pair{{CertFile: "/nonexistent.pem", KeyFile: "/nonexistent.key"}}},
		"empty file":   {Pairs: []tls.Pair{{CertFile: empty, KeyFile: empty}}},
	} {
		if _, err := tls.Open(cfg); !mail.Is(err, mail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, file := range []string{empty, "/nonexistent.pem"} {
		if _, err := tls.NewTrust(nil, file); !mail.Is(err, mail.Invalid) || !strings.Contains(err.Error(), file) {
			t.Errorf("trust %s: %v", file, err)
		}
	}
}

// RFC 7435 3: opportunistic TLS takes any certificate and says what it is worth; verified TLS does not.
func TestOpportunisticAndVerified(t *testing.T) {
	t.Parallel()
	now := clock.At(time.Now())
	k := keeper(t, tls.KeeperConfig{Dir: t.TempDir(), Names: []string{"mx.test"}})
	stranger, known := trust(t, now), trust(t, now, k.CAFile())
	cfg, verdict := stranger.Opportunistic("mx.test")
	if _, err := handshake(t, k.Server(tls.MX), cfg); err != nil || verdict.Verified || verdict.Reason == "" {
		t.Errorf("an unknown authority: %v, %+v", err, verdict)
	}
	_, err := handshake(t, k.Server(tls.MX), stranger.Verified("mx.test"))
	if unknown := (x509.UnknownAuthorityError{}); !errors.As(err, &unknown) {
		t.Errorf("verified with an unknown authority: %v", err)
	}
	cfg, verdict = known.Opportunistic("mx.test")
	state, err := handshake(t, k.Server(tls.MX), cfg)
	if err != nil || !verdict.Verified || verdict.Reason != "" {
		t.Errorf("a known authority: %v, %+v", err, verdict)
	}
	if got := tls.Describe(&state, verdict.Verified); !strings.HasPrefix(got, "TLS1.3 TLS_") || !strings.HasSuffix(got, " verified") {
		t.Errorf("Describe: %q", got)
	}
	if got := tls.Describe(nil, true); got != "" {
		t.Errorf("Describe without TLS: %q", got)
	}
	now.Advance(100 * 24 * time.Hour)
	cfg, verdict = known.Opportunistic("mx.test")
	if _, err := handshake(t, k.Server(tls.MX), cfg); err != nil || verdict.Verified || !strings.Contains(verdict.Reason, "expired") {
		t.Errorf("after its end: %v, %+v", err, verdict)
	}
}

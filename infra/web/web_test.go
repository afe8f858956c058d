package web_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/netserve"
	infratls "github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/infra/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves a loopback port through netserve until the test ends, and gives its address.
func start(t *testing.T, cfg web.Config) (*netserve.Server, string) {
	t.Helper()
	s := web.New(cfg)
	n := netserve.New(netserve.Config{Handler: s.Handle})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- n.Serve(l) }()
	t.Cleanup(func() {
		if err := n.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		s.Shutdown(context.Background())
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return n, l.Addr().String()
}

func keeper(t *testing.T) *infratls.Keeper {
	t.Helper()
	k, err := infratls.Open(infratls.KeeperConfig{Dir: t.TempDir(), Names: []string{"web.test"}})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func client(t *testing.T, addr string, k *infratls.Keeper) *http.Client {
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		},
		ForceAttemptHTTP2: true,
	}
	if k != nil {
		trust, err := infratls.NewTrust(nil, k.CAFile())
		if err != nil {
			t.Fatal(err)
		}
		tr.TLSClientConfig = trust.Verified("web.test")
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
}

// RFC 9113 3.2: HTTP/2 over TLS, HTTP/1.1 for those who do not know it; the headers that protect are there. RFC 6797 7.1.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	k, m := keeper(t), web.NewMux()
	m.Handle("", "/", says("hello"))
	for name, implicit := range map[string]bool{"bare": false, "wrapped by the listener": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := web.Config{Handler: m, TLS: k.Server(infratls.Web)}
			var addr string
			if implicit {
				tlsConfig := cfg.TLS
				cfg.TLS = nil
				s := web.New(cfg)
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- s.Serve(tls.NewListener(l, tlsConfig)) }()
				t.Cleanup(func() {
					s.Shutdown(context.Background())
					if err := <-done; err != nil {
						t.Error(err)
					}
				})
				addr = l.Addr().String()
			} else {
				_, addr = start(t, cfg)
			}
			c := client(t, addr, k)
			resp, body := get(t, c, "https://web.test/")
			if resp.ProtoMajor != 2 || body != "hello" {
				t.Errorf("%s %q", resp.Proto, body)
			}
			for name, want := range map[string]string{
				"Strict-Transport-Security": "max-age=", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'", "Referrer-Policy": "no-referrer",
			} {
				if !strings.HasPrefix(resp.Header.Get(name), want) {
					t.Errorf("%s: %q", name, resp.Header.Get(name))
				}
			}
			old := client(t, addr, k)
			old.Transport.(*http.Transport).ForceAttemptHTTP2 = false
			if resp, body := get(t, old, "https://web.test/"); resp.ProtoMajor != 1 || body != "hello" {
				t.Errorf("%s %q", resp.Proto, body)
			}
		})
	}
}

func TestMux(t *testing.T) {
	t.Parallel()
	m := web.NewMux()
	m.Handle("", "/", says("any"))
	m.Handle("mta-sts.", "/.well-known/mta-sts.txt", says("policy"))
	m.Handle("mail.example.test", "/", says("ours"))
	m.Handle("mail.example.test", "/setup", says("setup"))
	m.HandleFold("", "/Autodiscover/Autodiscover.xml", says("discover"))
	for _, c := range []struct{ host, path, want string }{
		{"x.test", "/a", "any"}, {"mta-sts.a.test", "/.well-known/mta-sts.txt", "policy"}, {"MTA-STS.a.test.:443", "/.well-known/mta-sts.txt", "policy"},
		{"mta-sts.", "/.well-known/mta-sts.txt", "any"}, {"mta-sts.a.test", "/other", "any"}, {"mail.example.test:8443", "/", "ours"},
		{"mail.example.test", "/setup", "setup"}, {"mail.example.test", "/setup/x", "ours"}, {"a.test", "/AUTODISCOVER/autodiscover.XML", "discover"},
		{"mail.example.test", "/autodiscover/autodiscover.xml", "ours"}, {"bad host", "/", "any"}, {"", "/", "any"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host, r.URL.Path = c.host, c.path
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		if got := w.Body.String(); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.host, c.path, got, c.want)
		}
	}
	w := httptest.NewRecorder()
	if web.NewMux().ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); w.Code != http.StatusNotFound {
		t.Errorf("an empty one: %d", w.Code)
	}
}

func TestPlainPort(t *testing.T) {
	t.Parallel()
	plain, m := web.NewMux(), web.NewMux()
	plain.Handle("autoconfig.", "/mail/config-v1.1.xml", says("config"))
	m.Handle("", "/", says("secret"))
	_, addr := start(t, web.Config{Handler: m, Plain: plain, RedirectTo: "443", Challenge: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/.well-known/acme-challenge/x" {
			return false
		}
		io.WriteString(w, "proof")
		return true
	}})
	c := client(t, addr, nil)
	for _, q := range []struct {
		url, location, body string
		code                int
	}{
		{"http://a.test/.well-known/acme-challenge/x", "", "proof", 200},
		{"http://autoconfig.a.test/mail/config-v1.1.xml?emailaddress=x", "", "config", 200},
		{"http://a.test/setup?email=x%40a.test", "https://a.test/setup?email=x%40a.test", "", 308},
		{"http://a.test:8080//evil.test/", "https://a.test//evil.test/", "", 308},
	} {
		resp, body := get(t, c, q.url)
		if resp.StatusCode != q.code || resp.Header.Get("Location") != q.location || q.body != "" && body != q.body || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %q %q", q.url, resp.StatusCode, resp.Header.Get("Location"), body)
		}
		if resp.Header.Get("Strict-Transport-Security") != "" {
			t.Error("RFC 6797 7.2: HSTS without TLS")
		}
	}
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	fmt.Fprint(raw, "GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n")
	line, _ := bufio.NewReader(raw).ReadString('\n')
	if !strings.Contains(line, " 400 ") {
		t.Errorf("a host that is none: %q", line)
	}
	_, other := start(t, web.Config{RedirectTo: "8443"})
	if resp, _ := get(t, client(t, other, nil), "http://a.test/"); resp.Header.Get("Location") != "https://a.test:8443/" {
		t.Errorf("another port: %q", resp.Header.Get("Location"))
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// large takes twice as much as others.
type large struct{}

func (large) MaxBody(*http.Request) int64 { return 2 * web.MaxBody }

func (large) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	fmt.Fprint(w, n)
}

func TestBounds(t *testing.T) {
	t.Parallel()
	m := web.NewMux()
	m.Handle("", "/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("told to") }))
	m.Handle("", "/body", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, " ", err != nil)
	}))
	m.Handle("", "/large", large{})
	var log lockedBuffer
	_, addr := start(t, web.Config{Handler: m, Log: slog.New(slog.NewTextHandler(&log, nil))})
	c := client(t, addr, nil)
	if resp, err := c.Post("http://a.test/large", "text/plain", io.LimitReader(zeros{}, 3*web.MaxBody)); err != nil {
		t.Errorf("a handler that takes large bodies: %v", err)
	} else {
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != fmt.Sprint(2*web.MaxBody) {
			t.Errorf("a large body came as %q octets", body)
		}
	}
	if _, err := c.Get("http://a.test/panic"); err == nil {
		t.Error("a panic was answered")
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "told to") {
		t.Errorf("a panic was not logged: %s", log.String())
	}
	resp, err := c.Post("http://a.test/body", "text/plain", io.LimitReader(zeros{}, 3*web.MaxBody))
	if err == nil {
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != fmt.Sprint(web.MaxBody, " ", true) {
			t.Errorf("a large body: %q", body)
		}
	}
	req, _ := http.NewRequest("GET", "http://a.test/body", nil)
	req.Header.Set("X-Big", strings.Repeat("x", 3*web.MaxHeader))
	if resp, err := c.Do(req); err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a large header: %d", resp.StatusCode)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// Requests that run when the server is to end are finished; idle connections close at once.
func TestShutdownFinishes(t *testing.T) {
	t.Parallel()
	k, m := keeper(t), web.NewMux()
	began, release := make(chan struct{}), make(chan struct{})
	m.Handle("", "/slow", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-release
		io.WriteString(w, "finished")
	}))
	m.Handle("", "/", says("quick"))
	n, addr := start(t, web.Config{Handler: m, TLS: k.Server(infratls.Web)})
	idle, busy := client(t, addr, k), client(t, addr, k)
	get(t, idle, "https://web.test/")
	got := make(chan string, 1)
	go func() {
		resp, err := busy.Get("https://web.test/slow")
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		got <- string(body)
	}()
	<-began
	down := make(chan error, 1)
	go func() { down <- n.Shutdown(context.Background()) }()
	close(release)
	if body := <-got; body != "finished" {
		t.Errorf("the running request: %q", body)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// TestTakeOver: a handler that takes its connection over has it until it returns, through netserve and TLS, longer than an answer may take; then it
// closes, and Shutdown ends those whose handlers stay (RFC 9110 7.8).
func TestTakeOver(t *testing.T) {
	t.Parallel()
	k, m := keeper(t), web.NewMux()
	leave := make(chan struct{})
	t.Cleanup(func() { close(leave) }) // after the server's end
	m.Handle("", "/take", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusUpgradeRequired)
			return
		}
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		rw.Flush()
		line, _ := rw.ReadString('\n')
		io.WriteString(conn, line)
		<-leave
	}))
	_, addr := start(t, web.Config{Handler: m, TLS: k.Server(infratls.Web)})
	take := func() (*tls.Conn, *bufio.Reader) {
		conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "web.test", InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprint(conn, "GET /take HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
		r := bufio.NewReader(conn)
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp, err)
		}
		if line, err := r.ReadString('\n'); line != "hello\n" || err != nil {
			t.Fatalf("%q %v", line, err)
		}
		return conn, r
	}
	_, first := take()
	take() // its handler stays beyond the server's end
	leave <- struct{}{}
	if _, err := first.ReadByte(); err != io.EOF {
		t.Errorf("after the handler's end: %v", err)
	}
	// HTTP/2 has no connection to give.
	if resp, _ := get(t, client(t, addr, k), "https://web.test/take"); resp.ProtoMajor != 2 || resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("%s %s", resp.Proto, resp.Status)
	}
}

// RFC 8737 3: after a handshake for a challenge nothing is served.
func TestChallengeHandshakeServesNothing(t *testing.T) {
	t.Parallel()
	k, m := keeper(t), web.NewMux()
	m.Handle("", "/", says("secret"))
	cfg := k.Server(infratls.Web)
	cfg.NextProtos = append(cfg.NextProtos, "acme-tls/1")
	_, addr := start(t, web.Config{Handler: m, TLS: cfg})
	conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "web.test", InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
	if got, _ := io.ReadAll(conn); len(got) > 0 {
		t.Errorf("served %q", got)
	}
}

package outward_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/outward"
	"github.com/postrider/postrider/mail"
)

// world is a hostile server on loopback that may be reached, and a client. inner counts what must not be reached.
type world struct {
	client *outward.Client
	url    string

	mu   sync.Mutex
	seen []*http.Request
}

func newWorld(t *testing.T, cfg outward.ClientConfig) *world {
	t.Helper()
	w := &world{}
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, r)
		w.mu.Unlock()
		hostile(rw, r, stop)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(stop) }) // before Close, which waits for requests
	u, _ := url.Parse(s.URL)
	port := netip.MustParseAddrPort(u.Host).Port()
	cfg.Dialer = outward.NewDialer(outward.Config{Resolver: static(t, "out.example A 127.0.0.1\nin.example A 127.0.0.2"), Ports: []uint16{port},
		Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	cfg.Agent, cfg.Plain = "test agent", true
	w.client = outward.NewClient(cfg)
	t.Cleanup(w.client.Close)
	w.url = fmt.Sprintf("http://out.example:%d", port)
	return w
}

func hostile(w http.ResponseWriter, r *http.Request, stop <-chan struct{}) {
	port := r.Host[strings.LastIndexByte(r.Host, ':')+1:]
	switch r.URL.Path {
	case "/ok":
		io.WriteString(w, "fine") //nolint:errcheck // the client's
	case "/cookie":
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		http.Redirect(w, r, "/ok", http.StatusFound)
	case "/inside":
		http.Redirect(w, r, "http://in.example:"+port+"/ok", http.StatusFound)
	case "/inside-ip":
		http.Redirect(w, r, "http://127.0.0.2:"+port+"/ok", http.StatusMovedPermanently)
	case "/port":
		http.Redirect(w, r, "http://out.example:1/ok", http.StatusFound)
	case "/file":
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	case "/user":
		http.Redirect(w, r, "http://a:b@out.example:"+port+"/ok", http.StatusFound)
	case "/loop":
		http.Redirect(w, r, "/loop", http.StatusFound)
	case "/hops":
		if n := len(r.URL.Query().Get("n")); n > 0 {
			http.Redirect(w, r, "/hops?n="+strings.Repeat("x", n-1), http.StatusFound)
			return
		}
		io.WriteString(w, "there") //nolint:errcheck // the client's
	case "/silent":
		<-stop
	case "/drip":
		for {
			if _, err := io.WriteString(w, "."); err != nil {
				return
			}
			http.NewResponseController(w).Flush() //nolint:errcheck // the client's
			select {
			case <-stop:
				return
			case <-r.Context().Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	case "/endless":
		for {
			if _, err := io.WriteString(w, strings.Repeat("x", 32<<10)); err != nil {
				return
			}
		}
	case "/long":
		w.Header().Set("Content-Length", "999999999")
	case "/header":
		w.Header().Set("X-Big", strings.Repeat("x", 100<<10))
	case "/gzip":
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.CopyN(z, zeros{}, 1<<20) //nolint:errcheck // the client's
		z.Close()                   //nolint:errcheck // the client's
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func (w *world) get(ctx context.Context, path string) (string, *http.Response, error) {
	resp, err := w.client.Get(ctx, w.url+path, "image/*")
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), resp, err
}

// TestGet asks a server that does what it can. RFC 9110 15.4.
func TestGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outward.ClientConfig{Redirects: true, MaxBody: 100_000, Timeout: 300 * time.Millisecond})
	for path, want := range map[string]string{
		"/ok": "fine", "/cookie": "fine", "/hops?n=xxxxx": "there",
		"/hops?n=xxxxxx": "denied", "/loop": "denied", "/inside": "denied", "/inside-ip": "denied", "/port": "denied", "/file": "denied", "/user": "denied",
		"/silent": "unavailable", "/drip": "unavailable", "/endless": "too-large", "/long": "too-large", "/header": "unavailable",
	} {
		got, _, err := w.get(t.Context(), path)
		if err != nil {
			got = mail.KindOf(err).String()
			if strings.Contains(err.Error(), "?n=") {
				t.Errorf("%s: the error tells the address: %v", path, err)
			}
		}
		if got != want {
			t.Errorf("%s: %.40q (%v), want %q", path, got, err, want)
		}
	}
}

// TestBomb leaves what is compressed as small as it came.
func TestBomb(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outward.ClientConfig{})
	if got, _, err := w.get(t.Context(), "/gzip"); err != nil || got == "" || len(got) > 5000 {
		t.Errorf("a compressed answer grew to %d octets (%v)", len(got), err)
	}
}

// TestNothingIsTold sends nothing along that tells who asks.
func TestNothingIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outward.ClientConfig{Redirects: true})
	r, _ := http.NewRequestWithContext(t.Context(), "GET", w.url+"/cookie", nil)
	for _, name := range []string{"Cookie", "Referer", "Origin", "X-Forwarded-For", "Forwarded", "User-Agent"} {
		r.Header.Set(name, "secret")
	}
	resp, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close() //nolint:errcheck // not read
	if len(w.seen) != 2 {
		t.Fatalf("%d requests", len(w.seen))
	}
	for _, r := range w.seen {
		if text := fmt.Sprint(r.Header); strings.Contains(text, "secret") || r.Header.Get("User-Agent") != "test agent" || r.Header.Get("Cookie") != "" || r.Header.Get("Referer") != "" ||
			r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("the host was told %s", text)
		}
	}
}

// TestProxyOfEnvironment is not asked, and redirects are not followed where nobody wants it.
func TestProxyOfEnvironment(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("ALL_PROXY", "http://127.0.0.1:1")
	w := newWorld(t, outward.ClientConfig{})
	got, _, err := w.get(t.Context(), "/ok")
	if err != nil || got != "fine" {
		t.Errorf("%q %v", got, err)
	}
	if _, resp, err := w.get(t.Context(), "/loop"); err != nil || resp.StatusCode != http.StatusFound || len(w.seen) != 2 {
		t.Errorf("a redirect: %v %v", resp, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := w.get(ctx, "/ok"); !mail.Is(err, mail.Unavailable) {
		t.Errorf("called off: %v", err)
	}
	for _, bad := range []string{"http://out.example:bad/", "ht tp://x", "https://" + strings.Repeat("a", 5000)} {
		if _, err := w.client.Get(t.Context(), bad, ""); !mail.Is(err, mail.Invalid) {
			t.Errorf("%.30s: %v", bad, err)
		}
	}
}

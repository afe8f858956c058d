package proxy_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/outward"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// picture is an image of some size, written by w.
func picture(w func(io.Writer, image.Image) error, width, height int) string {
	m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.White, color.Black})
	var b bytes.Buffer
	if err := w(&b, m); err != nil {
		panic(err)
	}
	return b.String()
}

func asJPEG(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) }
func asGIF(w io.Writer, m image.Image) error  { return gif.Encode(w, m, nil) }

// Pictures of the kinds that Go's library does not write, as small as they can be.
var (
	webpLossy    = "RIFF\x24\x00\x00\x00WEBPVP8 \x18\x00\x00\x000\x01\x00\x9d\x01\x2a\x40\x00\x30\x00\x0b\xc0\x12\x25\xa4\x00\x03p\x00\xfe\xfb\xfdP\x00"
	webpLossless = "RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x3f\xc0\x0b\x00" + strings.Repeat("\x00", 20)
	webpExtended = "RIFF\x1a\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x3f\x00\x00\x2f\x00\x00" + strings.Repeat("\x00", 20)
	webpPoint    = "RIFF\x1a\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00" + strings.Repeat("\x00", 20)
	avif         = "\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf" + strings.Repeat("\x00", 40) + "\x00\x00\x00\x14ispe\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x30"
	avifPoint    = "\x00\x00\x00\x1cftypavif\x00\x00\x00\x00mif1avifmiaf\x00\x00\x00\x14ispe\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01"
	heic         = strings.ReplaceAll(avif, "avif", "heic")
	bmp          = "BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x40\x00\x00\x00\xd0\xff\xff\xff" + strings.Repeat("\x00", 40)
	icon         = "\x00\x00\x01\x00\x01\x00\x10\x10" + strings.Repeat("\x00", 40)
)

// host is a server of a sender, and asked counts what came.
type host struct {
	*httptest.Server
	mu    sync.Mutex
	asked map[string]int
	last  http.Header
	stop  chan struct{}
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.asked[r.URL.Path]++
	h.last = r.Header
	h.mu.Unlock()
	say := func(kind, body string) {
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, body) //nolint:errcheck // the proxy's
	}
	big := picture(png.Encode, 64, 48)
	switch r.URL.Path {
	case "/ok.png", "/again.png":
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		say("image/png", big)
	case "/untyped.png":
		w.Header()["Content-Type"] = nil
		io.WriteString(w, big) //nolint:errcheck // the proxy's
	case "/ok.jpg":
		say("image/jpeg; charset=x", picture(asJPEG, 64, 48))
	case "/ok.gif":
		say("image/gif", picture(asGIF, 64, 48))
	case "/liar.gif":
		say("image/gif", big)
	case "/lossy.webp":
		say("image/webp", webpLossy)
	case "/lossless.webp":
		say("image/webp", webpLossless)
	case "/extended.webp":
		say("image/webp", webpExtended)
	case "/point.webp":
		say("image/webp", webpPoint)
	case "/ok.avif":
		say("image/avif", avif)
	case "/point.avif":
		say("image/avif", avifPoint)
	case "/heic.avif":
		say("image/avif", heic)
	case "/ok.bmp":
		say("image/bmp", bmp)
	case "/ok.ico":
		say("image/vnd.microsoft.icon", icon)
	case "/point.png":
		say("image/png", picture(png.Encode, 1, 1))
	case "/point.gif":
		say("image/gif", picture(asGIF, 2, 1))
	case "/line.png":
		say("image/png", picture(png.Encode, 3, 1))
	case "/huge.png":
		say("image/png", big[:16]+"\x00\x01\x00\x00\x00\x01\x00\x00"+big[24:])
	case "/giant.gif":
		say("image/gif", "GIF89a\xff\xff\xff\xff\x00\x00\x00"+strings.Repeat("\x00", 40))
	case "/cut.png":
		say("image/png", big[:20])
	case "/html.png":
		say("image/png", "<html><script>alert(1)</script></html>")
	case "/page":
		say("text/html", big)
	case "/svg":
		say("image/svg+xml", "<svg/>")
	case "/svg.png":
		say("image/png", "<svg xmlns='http://www.w3.org/2000/svg'/>")
	case "/bad-type":
		say("image/png; ;;", big)
	case "/empty":
		say("image/png", "")
	case "/error":
		w.WriteHeader(500)
	case "/gzip.png":
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "image/png")
		z := gzip.NewWriter(w)
		io.WriteString(z, big) //nolint:errcheck // the proxy's
		z.Close()              //nolint:errcheck // the proxy's
	case "/long.png":
		w.Header().Set("Content-Length", "99999999")
		say("image/png", big)
	case "/short.png":
		w.Header().Set("Content-Length", "9999")
		say("image/png", big)
	case "/endless.png":
		w.Header().Set("Content-Type", "image/png")
		io.WriteString(w, big) //nolint:errcheck // the proxy's
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	case "/slow.png":
		<-h.stop
	case "/redirect":
		http.Redirect(w, r, "/ok.png", http.StatusFound)
	case "/inside":
		_, port, _ := strings.Cut(r.Host, ":")
		http.Redirect(w, r, "http://in.example:"+port+"/ok.png", http.StatusFound)
	case "/metadata":
		http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
	default:
		http.NotFound(w, r)
	}
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
func (*clock) After(d time.Duration) <-chan time.Time { return time.After(d) }

type world struct {
	host  *host
	proxy *proxy.Proxy
	mux   *web.Mux
	url   string
	clock *clock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	h := &host{asked: map[string]int{}, stop: make(chan struct{})}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	u, _ := url.Parse(h.URL)
	port := netip.MustParseAddrPort(u.Host).Port()
	resolver, err := dns.NewStatic(dns.StaticConfig{Zone: "out.example A 127.0.0.1\nin.example A 127.0.0.2"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{host: h, mux: web.NewMux(), url: fmt.Sprintf("http://out.example:%d", port), clock: &clock{now: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)}}
	w.proxy = proxy.New(proxy.Config{
		Dialer: outward.NewDialer(outward.Config{Resolver: resolver, Ports: []uint16{port}, Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}),
		Guarded: func(handler func(http.ResponseWriter, *http.Request, mail.Account)) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				id := mail.AccountID(1)
				if r.Header.Get("X-Account") != "" {
					id = 2
				}
				handler(rw, r, mail.Account{ID: id})
			})
		},
		Agent: "proxy", Clock: w.clock,
	})
	t.Cleanup(w.proxy.Close)
	t.Cleanup(func() { close(h.stop) })
	w.proxy.Register(w.mux, "")
	return w
}

func (w *world) get(raw string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/api/image?url="+url.QueryEscape(raw), nil)
	r.Header.Set("Cookie", "secret")
	r.Header.Set("Referer", "secret")
	r.Header.Set("Accept-Language", "secret")
	r.Header.Set("User-Agent", "secret")
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec
}

// TestPictures fetches what a hostile host has to offer.
func TestPictures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, want := range map[string]string{
		"/ok.png": "image/png", "/untyped.png": "image/png", "/ok.jpg": "image/jpeg", "/ok.gif": "image/gif", "/liar.gif": "image/png", "/line.png": "image/png",
		"/lossy.webp": "image/webp", "/lossless.webp": "image/webp", "/extended.webp": "image/webp", "/ok.avif": "image/avif", "/ok.bmp": "image/bmp", "/ok.ico": "image/x-icon",
		"/redirect":  "image/png",
		"/point.png": "blank", "/point.gif": "blank", "/point.webp": "blank", "/point.avif": "blank",
		"/huge.png": "denied", "/giant.gif": "too_large", "/cut.png": "denied", "/html.png": "denied", "/page": "denied", "/svg": "denied", "/svg.png": "denied", "/bad-type": "denied",
		"/empty": "denied", "/heic.avif": "denied", "/gzip.png": "denied", "/inside": "denied", "/metadata": "denied",
		"/error": "not_found", "/missing": "not_found", "/short.png": "not_found", "/long.png": "too_large", "/endless.png": "too_large",
	} {
		rec := w.get(w.url + path)
		got := rec.Header().Get("Content-Type")
		if got == "application/json" {
			_, got, _ = strings.Cut(rec.Body.String(), `"kind":"`)
			got, _, _ = strings.Cut(got, `"`)
			if rec.Code < 400 || rec.Code > 499 {
				t.Errorf("%s: status %d", path, rec.Code)
			}
		} else if rec.Body.Len() == 43 {
			got = "blank"
		}
		if got != want {
			t.Errorf("%s: %q, want %q: %.100s", path, got, want, rec.Body)
		}
		if got == "image/png" && (rec.Header().Get("Cache-Control") != "private, max-age=86400, immutable" || !strings.Contains(rec.Header().Get("Content-Security-Policy"), "sandbox") ||
			rec.Header().Get("Set-Cookie") != "" || rec.Code != 200) {
			t.Errorf("%s: %v", path, rec.Header())
		}
	}
	if text := fmt.Sprint(w.host.last); strings.Contains(text, "secret") || w.host.last.Get("User-Agent") != "proxy" {
		t.Errorf("the host was told %s", text)
	}
	if m, err := gif.Decode(strings.NewReader(w.get(w.url + "/point.png").Body.String())); err != nil || m.Bounds().Dx() != 1 {
		t.Errorf("the blank picture: %v", err)
	} else if _, _, _, a := m.At(0, 0).RGBA(); a != 0 {
		t.Errorf("the blank picture is not transparent: %d", a)
	}
}

// TestAddresses refuses what is no address of the outside before anything is asked.
func TestAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, s := range []string{"", "x", "/x", "data:image/png;base64,AA", "file:///etc/passwd", "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://in.example/", "https://out.example:22/",
		"https://a:b@out.example/", "http://2130706433/", "http://%zz/", "https://" + strings.Repeat("x", 5000) + ".example"} {
		if rec := w.get(s); rec.Code < 400 || rec.Code > 499 || !strings.Contains(rec.Body.String(), `"error"`) {
			t.Errorf("%.40s: %d %s", s, rec.Code, rec.Body)
		}
	}
	if len(w.host.asked) != 0 {
		t.Errorf("the host was asked %v", w.host.asked)
	}
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, httptest.NewRequest("POST", "/api/image?url=x", nil))
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", rec.Code)
	}
}

// TestCache asks a host once for all readers, so that it cannot tell who opened what when; and again when the picture is old.
func TestCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if rec := w.get(w.url + "/again.png#part"); rec.Code != 200 {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
	}
	all.Wait()
	w.get(w.url + "/again.png")
	w.get(w.url + "/error")
	w.get(w.url + "/error")
	if w.host.asked["/again.png"] != 1 || w.host.asked["/error"] != 1 {
		t.Errorf("asked %v", w.host.asked)
	}
	w.clock.add(10 * time.Minute)
	w.get(w.url + "/again.png")
	w.get(w.url + "/error")
	if w.host.asked["/again.png"] != 1 || w.host.asked["/error"] != 2 {
		t.Errorf("after ten minutes: asked %v", w.host.asked)
	}
	w.clock.add(24 * time.Hour)
	w.get(w.url + "/again.png")
	if w.host.asked["/again.png"] != 2 {
		t.Errorf("after a day: asked %v", w.host.asked)
	}
}

// TestRate bounds what one account asks for, and lets others go on.
func TestRate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 300 {
		if rec := w.get(fmt.Sprintf("%s/missing?%d", w.url, i)); rec.Code != 404 {
			t.Fatalf("%d: %d", i, rec.Code)
		}
	}
	if rec := w.get(w.url + "/ok.png"); rec.Code != http.StatusTooManyRequests {
		t.Errorf("too much: %d", rec.Code)
	}
	if rec := w.get(w.url + "/missing?1"); rec.Code != 404 {
		t.Errorf("what is kept costs nothing: %d", rec.Code)
	}
	r := httptest.NewRequest("GET", "/api/image?url="+url.QueryEscape(w.url+"/ok.png"), nil)
	r.Header.Set("X-Account", "2")
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	if rec.Code != 200 {
		t.Errorf("another account: %d", rec.Code)
	}
	w.clock.add(time.Minute)
	if rec := w.get(w.url + "/ok.gif"); rec.Code != 200 {
		t.Errorf("a minute later: %d", rec.Code)
	}
}

// TestClose ends what hangs.
func TestClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- w.get(w.url + "/slow.png") }()
	for {
		w.host.mu.Lock()
		asked := w.host.asked["/slow.png"]
		w.host.mu.Unlock()
		if asked > 0 {
			break
		}
	}
	w.proxy.Close()
	if rec := <-done; rec.Code < 400 {
		t.Errorf("%d", rec.Code)
	}
	if rec := w.get(w.url + "/ok.png"); rec.Code < 400 {
		t.Errorf("after Close: %d", rec.Code)
	}
}

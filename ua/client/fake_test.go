package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
)

const session = `{"capabilities":{"urn:ietf:params:jmap:core":{"maxCallsInRequest":4,"maxSizeUpload":10},"urn:ietf:params:jmap:mail":{},"urn:ietf:params:jmap:submission":{}},
	"accounts":{"A":{"name":"x"}},"primaryAccounts":{"urn:ietf:params:jmap:mail":"A"},"username":"x","state":"1",
	"apiUrl":"/api","downloadUrl":"/d/{accountId}/{blobId}/{name}?accept={type}","uploadUrl":"/u/{accountId}","eventSourceUrl":"/e?types={types}&closeafter={closeafter}&ping={ping}"}`

// needsLogin serves a session to who sends the password, and notes who else came with one.
func needsLogin(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, p, ok := r.BasicAuth(); !ok || p != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/jmap") {
			_, _ = io.WriteString(w, session)
			return
		}
		if next != nil {
			next(w, r)
		}
	}
}

// hosts are servers by host and port.
type hosts map[string]*httptest.Server

func (h hosts) dial(ctx context.Context, network, address string) (net.Conn, error) {
	s, ok := h[address]
	if !ok {
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}
	return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
}

func start(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return s
}

// open connects to a fake.
func open(t *testing.T, h http.HandlerFunc, clock mail.Clock) (*client.Client, error) {
	t.Helper()
	s := start(t, needsLogin(h))
	c, err := client.Open(t.Context(), client.Options{Server: s.URL, User: "x@example.com", Password: "secret", Roots: roots(s), Clock: clock})
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

// TestDiscovery: the server is found at the domain, by its SRV record, or at the usual name, and the password goes to the domain's own servers alone.
// RFC 8620 2.2.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	good := func(t *testing.T) *httptest.Server { return start(t, needsLogin(nil)) }
	for name, c := range map[string]struct {
		hosts func(t *testing.T, thief *httptest.Server) hosts
		srv   []*net.SRV
		want  string // of the error; "" is none
	}{
		"the domain": {hosts: func(t *testing.T, _ *httptest.Server) hosts { return hosts{"example.com:443": good(t)} }},
		"a redirect": {hosts: func(t *testing.T, _ *httptest.Server) hosts {
			return hosts{"example.com:443": start(t, http.RedirectHandler("https://jmap.example.com/x/jmap", http.StatusFound)), "jmap.example.com:443": good(t)}
		}},
		"an SRV record": {hosts: func(t *testing.T, _ *httptest.Server) hosts { return hosts{"box.example.com:8443": good(t)} },
			srv: []*net.SRV{{Target: ".", Port: 443}, {Target: "box.example.com.", Port: 8443}}},
		"the usual name": {hosts: func(t *testing.T, thief *httptest.Server) hosts {
			return hosts{"example.com:443": start(t, http.NotFoundHandler()), "mail.example.com:443": good(t)}
		}},
		"outside the domain": {hosts: func(t *testing.T, thief *httptest.Server) hosts { return hosts{"thief.test:443": thief} },
			srv: []*net.SRV{{Target: "thief.test.", Port: 443}}, want: "outside the domain; if that is right, say so with --server https://thief.test"},
		"a redirect away": {hosts: func(t *testing.T, thief *httptest.Server) hosts {
			return hosts{"example.com:443": start(t, http.RedirectHandler("https://thief.test/jmap", http.StatusFound)), "thief.test:443": thief}
		}, want: "outside the domain"},
		"without TLS": {hosts: func(t *testing.T, thief *httptest.Server) hosts {
			return hosts{"example.com:443": start(t, http.RedirectHandler("http://example.com/jmap", http.StatusFound)), "example.com:80": thief}
		}, want: "no JMAP server was found for example.com (asked were example.com, mail.example.com); name it with --server"},
		"nothing": {hosts: func(*testing.T, *httptest.Server) hosts { return nil }, want: "no JMAP server was found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			stolen := ""
			thief := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				stolen += r.Header.Get("Authorization")
				w.Header().Set("WWW-Authenticate", "Basic")
				w.WriteHeader(http.StatusUnauthorized)
			}))
			thief.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, "thief.test")}}
			thief.StartTLS()
			t.Cleanup(thief.Close)
			h := c.hosts(t, thief)
			pool := x509.NewCertPool()
			for _, s := range h {
				pool.AddCert(s.Certificate())
			}
			cl, err := client.Open(t.Context(), client.Options{User: "x@example.com", Password: "secret", Roots: pool, Dial: h.dial,
				LookupSRV: func(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
					if service != "jmap" || proto != "tcp" || name != "example.com" || c.srv == nil {
						return "", nil, &net.DNSError{IsNotFound: true}
					}
					return "", c.srv, nil
				}})
			if err == nil {
				cl.Close()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the error is %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if stolen != "" {
				t.Error("the password went elsewhere")
			}
		})
	}
}

// certificate makes one for a name.
func certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestOpen: what is no server, no address or not to be trusted is refused with a sentence, before the password is sent.
func TestOpen(t *testing.T) {
	t.Parallel()
	s := start(t, needsLogin(nil))
	endless := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, `{"x":"`+strings.Repeat("x", 1<<16)); err != nil {
				return
			}
		}
	}))
	page := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }))
	elsewhere := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Replace(session, `"/api"`, `"http://127.0.0.1/api"`, 1))
	}))
	for name, c := range map[string]struct {
		o    client.Options
		kind mail.Kind
		want string
	}{
		"clear text":      {client.Options{Server: "http://127.0.0.1", User: "x@example.com"}, mail.Invalid, "clear text; use https"},
		"a wrong URL":     {client.Options{Server: "https://", User: "x@example.com"}, mail.Invalid, "is no server"},
		"a login in it":   {client.Options{Server: "https://x:y@127.0.0.1", User: "x@example.com"}, mail.Invalid, "is no server"},
		"no address":      {client.Options{User: "x"}, mail.Invalid, "is no mail address"},
		"a line break":    {client.Options{User: "x@example.com", Password: "a\r\nb"}, mail.Invalid, "cannot be sent"},
		"not trusted":     {client.Options{Server: s.URL, User: "x@example.com", Password: "secret", Roots: x509.NewCertPool()}, mail.Denied, "cannot be verified"},
		"a wrong login":   {client.Options{Server: s.URL, User: "x@example.com", Password: "wrong", Roots: roots(s)}, mail.Unauthenticated, "does not take this address"},
		"an endless one":  {client.Options{Server: endless.URL, User: "x@example.com", Roots: roots(endless)}, mail.TooLarge, "larger than 1048576"},
		"a web page":      {client.Options{Server: page.URL, User: "x@example.com", Roots: roots(page)}, mail.Unavailable, "is no JMAP"},
		"an API in clear": {client.Options{Server: elsewhere.URL, User: "x@example.com", Roots: roots(elsewhere)}, mail.Unavailable, "none with TLS"},
		"nobody there":    {client.Options{Server: "https://127.0.0.1:1", User: "x@example.com"}, mail.Unavailable, "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := client.Open(t.Context(), c.o); !mail.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v (%v)", err, mail.KindOf(err))
			}
		})
	}
}

// TestWords: a server's words come without control characters. RFC 8620 3.6.1.
func TestWords(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]mail.Kind{400: mail.Invalid, 403: mail.Denied, 404: mail.NotFound, 413: mail.TooLarge, 429: mail.TooMany, 500: mail.Unavailable,
		507: mail.OverQuota, 307: mail.Unavailable} {
		c, err := open(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://elsewhere.test/")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"detail":"no \u001b]52;c;eA==\u0007 \u202e way\n`+strings.Repeat("x", 1000)+`"}`)
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Mailboxes(t.Context())
		if !mail.Is(err, kind) || strings.ContainsAny(err.Error(), "\x1b\x07\u202e\n") || len(err.Error()) > 600 || !strings.Contains(err.Error(), "the server says: no ") {
			t.Errorf("%d: %v: %q", status, mail.KindOf(err), err)
		}
	}
}

// TestUploadBounds: a file that is too large is not begun, and one that came short is told. RFC 8620 6.1.
func TestUploadBounds(t *testing.T) {
	t.Parallel()
	c, err := open(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, `{"blobId":"B","size":%d}`, n/2)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Upload(t.Context(), "", strings.NewReader(strings.Repeat("x", 11)), 11); !mail.Is(err, mail.TooLarge) {
		t.Error(err)
	}
	if _, err := c.Upload(t.Context(), "", strings.NewReader("1234"), 4); !mail.Is(err, mail.Unavailable) || !strings.Contains(err.Error(), "2 octets of 4") {
		t.Error(err)
	}
	if p, err := c.Upload(t.Context(), "", strings.NewReader(""), 0); err != nil || p.Blob != "B" {
		t.Error(p, err)
	}
}

// TestReconnect: a watch comes again after it was cut off, and says what it knows already. RFC 8620 7.3.
func TestReconnect(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var last []string
	c, err := open(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		last = append(last, r.Header.Get("Last-Event-ID"))
		switch n := len(last); n {
		case 1, 2:
			fmt.Fprintf(w, ": hello\n\nevent: ping\ndata: {}\n\nevent: state\nid: e%d\ndata: {\"changed\":\ndata: {\"A\":{\"Email\":\"%d\"},\"B\":{\"Email\":\"x\"}}}\n\n", n, n)
		case 3:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}, hasty{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = c.Watch(t.Context(), []string{"Email", "Mailbox"}, func(n client.News) {
		switch {
		case n.Connected:
			got = append(got, "connected")
		case n.Lost != nil:
			got = append(got, "lost")
		default:
			got = append(got, n.Changed["Email"])
		}
	})
	if !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("it ended with %v", err)
	}
	if s := strings.Join(got, " "); s != "connected 1 lost connected 2 lost lost" {
		t.Errorf("the news were %s", s)
	}
	if s := strings.Join(last, ","); s != ",e1,e2,e2" {
		t.Errorf("it said that it knows %s", s)
	}
}

// hasty is a clock that does not wait.
type hasty struct{ mail.SystemClock }

func (hasty) After(time.Duration) <-chan time.Time {
	c := make(chan time.Time, 1)
	c <- time.Now()
	return c
}

// TestUnknownFate: when the connection breaks while a letter is sent, nobody is told that it was not.
func TestUnknownFate(t *testing.T) {
	t.Parallel()
	c, err := open(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(b), "EmailSubmission/set"):
			panic(http.ErrAbortHandler)
		case strings.Contains(string(b), "Identity/get"):
			_, _ = io.WriteString(w, `{"methodResponses":[["Identity/get",{"list":[{"id":"I","email":"x@example.com"}]},"c0"]]}`)
		default:
			_, _ = io.WriteString(w, `{"methodResponses":[["Mailbox/get",{"list":[{"id":"S","name":"Sent","role":"sent","parentId":"T"},{"id":"T","parentId":"S"}]},"c0"]]}`)
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := c.Mailboxes(t.Context())
	if err != nil || len(boxes) != 2 { // in a loop of parents
		t.Errorf("%+v, %v", boxes, err)
	}
	_, err = c.Send(t.Context(), client.Letter{To: []client.Address{{Email: "y@example.com"}}})
	if !mail.Is(err, mail.Unavailable) || !strings.Contains(err.Error(), "look into Sent before you send it again") {
		t.Errorf("the error is %v", err)
	}
}

package wire

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// selfSigned is a certificate for a name.
func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 3, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serve has one dialogue on loopback: lines that are sent as they stand, and lines (after "C: ") that are waited for; "TLS" is a handshake.
func serve(t *testing.T, cert tls.Certificate, script ...string) *Looker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for _, step := range script {
			switch want, wait := strings.CutPrefix(step, "C: "); {
			case step == "TLS":
				secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
				conn, r = secure, bufio.NewReader(secure)
				if secure.Handshake() != nil {
					return
				}
			case wait:
				if got, err := r.ReadString('\n'); err != nil || got != want+"\r\n" {
					t.Errorf("heard %q (%v), not %q", got, err, want)
					return
				}
			default:
				fmt.Fprintf(conn, "%s\r\n", step)
			}
		}
	})
	t.Cleanup(func() { l.Close(); done.Wait() })
	return looker(t, map[string]string{"mail.test": l.Addr().String()})
}

func looker(t *testing.T, to map[string]string) *Looker {
	t.Helper()
	none, err := dns.NewStatic(dns.StaticConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return &Looker{Dialer: &dns.Dialer{Resolver: none, Overrides: to}, Clock: mail.SystemClock{}, Host: "mail.test", Roots: x509.NewCertPool()}
}

// Each protocol goes over to TLS in its own words. RFC 3207 4, RFC 9051 6.2.1, RFC 2595 4.
func TestStart(t *testing.T) {
	t.Parallel()
	cert := selfSigned(t, "mail.test")
	for name, c := range map[string]struct {
		service string
		script  []string
		offered bool
		chain   bool
		fault   string // of the greeting or of TLS
	}{
		"smtp":               {"smtp", []string{"220 mail.test", "C: EHLO mail.test", "250-mail.test", "250 STARTTLS", "C: STARTTLS", "220 go", "TLS"}, true, true, ""},
		"smtp refused":       {"smtp", []string{"220 mail.test", "C: EHLO mail.test", "250-mail.test", "250 starttls", "C: STARTTLS", "454 4.7.0 later"}, true, false, "454 4.7.0 later"},
		"smtp not offered":   {"smtp", []string{"220 mail.test", "C: EHLO mail.test", "250 mail.test", "C: QUIT", "221 bye"}, false, false, ""},
		"smtp knows no EHLO": {"smtp", []string{"220 mail.test", "C: EHLO mail.test", "500 what"}, false, false, "500 what"},
		"imap":               {"imap", []string{"* OK hello", "C: a STARTTLS", "a OK go", "TLS"}, true, true, ""},
		"imap refused":       {"imap", []string{"* OK hello", "C: a STARTTLS", "a NO"}, false, false, ""},
		"imap full":          {"imap", []string{"* BYE too many"}, false, false, "its greeting was: * BYE too many"},
		"pop3":               {"pop3", []string{"+OK hello", "C: STLS", "+OK go", "TLS"}, true, true, ""},
		"pop3 refused":       {"pop3", []string{"+OK hello", "C: STLS", "-ERR"}, false, false, ""},
		"imaps":              {"imaps", []string{"TLS", "* OK hello"}, false, true, ""},
		"pop3s closes":       {"pop3s", []string{"TLS"}, false, true, "closed the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := serve(t, cert, c.script...)
			port, ok := PortOf(c.service, 1)
			if !ok {
				t.Fatal(c.service)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			p := Probe{Port: port}
			l.Probe(ctx, &p)
			err := p.Greeting
			if err == nil {
				err = p.TLS
			}
			if p.Dial != nil || p.Offered != c.offered || len(p.Chain) > 0 != c.chain || (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%+v", p)
			}
			if p.Self != netip.MustParseAddr("127.0.0.1") {
				t.Errorf("we came from %s", p.Self)
			}
		})
	}
}

// With strict a certificate must be good, without it is not asked for; what is read of a page is bounded, and redirects are told, not followed.
func TestGet(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "https://other.test/", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "text/x")
		fmt.Fprint(w, strings.Repeat("x", 200<<10))
	}))
	defer server.Close()
	l := looker(t, map[string]string{"mail.test": server.Listener.Addr().String()})
	ctx := t.Context()
	var bad CertError
	if _, err := l.Get(ctx, "https://mail.test/", true); !errors.As(err, &bad) || !bad.Bad() {
		t.Errorf("strict: %v", err)
	}
	p, err := l.Get(ctx, "https://mail.test/", false)
	if err != nil || p.Status != 200 || len(p.Body) != maxPage || p.Type != "text/x" || time.Since(p.Date).Abs() > time.Hour {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = l.Get(ctx, "https://mail.test/away", false); err != nil || p.Status != 302 || p.Location != "https://other.test/" {
		t.Errorf("%+v, %v", p, err)
	}
	for _, address := range []string{"https://gone.test/", "ftp://mail.test/", "https://mail.test:99999/", "::", ""} {
		if p, err := l.Get(ctx, address, true); err == nil {
			t.Errorf("%q: %+v", address, p)
		}
	}
	if v := l.Judge(nil, "mail.test"); v.Trouble != Missing {
		t.Error(v)
	}
}

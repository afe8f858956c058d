package imap

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
)

// world is a server over a fake, and what tests want of it.
type world struct {
	t    testing.TB
	fake *fake
	srv  *Server
	ctx  context.Context
	wg   sync.WaitGroup

	account mail.AccountID
}

type fakeAuth struct{ f *fake }

func (a fakeAuth) config() sasl.Config {
	return sasl.Config{Check: func(_, user, password string) error {
		_, err := a.Login(context.Background(), user, password, nil)
		return err
	}}
}

func (a fakeAuth) Mechanisms(*tls.ConnectionState) []string { return a.config().Mechanisms() }

func (a fakeAuth) SASL(_ context.Context, mechanism string, _ *tls.ConnectionState, _ net.Addr) (sasl.Server, error) {
	return a.config().NewServer(mechanism)
}

func (a fakeAuth) Login(ctx context.Context, user, password string, _ net.Addr) (mail.Account, error) {
	if password != "secret" {
		return mail.Account{}, mail.Errorf(mail.Unauthenticated, "name or password is wrong")
	}
	return a.Account(ctx, user)
}

func (a fakeAuth) Account(_ context.Context, user string) (mail.Account, error) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if user != string(a.f.account.Address) {
		return mail.Account{}, mail.Errorf(mail.Unauthenticated, "name or password is wrong")
	}
	return a.f.account, nil
}

func newWorld(t testing.TB, change func(*Config)) *world {
	f := newFake()
	cfg := Config{Mailboxes: f, Journal: f, Blobs: f, Bus: f.bus, Clock: mail.SystemClock{}, Authenticator: fakeAuth{f}}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &world{t: t, fake: f, srv: New(cfg), ctx: ctx, account: 1}
	t.Cleanup(func() {
		cancel()
		w.wg.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.open != 0 {
			t.Errorf("%d bodies or readers were left open", f.open)
		}
	})
	return w
}

// dial connects over loopback TCP: net.Pipe has no buffers, which no network lacks.
func (w *world) dial() net.Conn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	w.wg.Go(func() { w.srv.Serve(w.ctx, server) })
	w.t.Cleanup(func() { _ = client.Close() })
	return client
}

var testCert = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func testTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{testCert()}} }

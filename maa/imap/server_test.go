package imap

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/bus"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server over a store of its own, and what tests want of it.
type world struct {
	t     testing.TB
	store *store.Store
	blobs *watchedBlobs
	srv   *Server
	ctx   context.Context
	stop  context.CancelFunc
	wg    sync.WaitGroup

	account mail.AccountID
}

// directoryAuth lets everybody in whose password is "secret".
type directoryAuth struct{ mail.Directory }

func (a directoryAuth) config() sasl.Config {
	return sasl.Config{Check: func(_, user, password string) error {
		_, err := a.Login(context.Background(), user, password, nil)
		return err
	}}
}

func (a directoryAuth) Mechanisms(*tls.ConnectionState) []string { return a.config().Mechanisms() }

func (a directoryAuth) SASL(_ context.Context, mechanism string, _ *tls.ConnectionState, _ net.Addr) (sasl.Server, error) {
	return a.config().NewServer(mechanism)
}

func (a directoryAuth) Login(ctx context.Context, user, password string, _ net.Addr) (mail.Account, error) {
	if password != "secret" {
		return mail.Account{}, mail.Errorf(mail.Unauthenticated, "name or password is wrong")
	}
	return a.Account(ctx, user)
}

func (a directoryAuth) Account(ctx context.Context, user string) (mail.Account, error) {
	return a.AccountByAddress(ctx, mail.Path(user))
}

// watchedBlobs sees that every body and reader is let go, and can make a body unreadable.
type watchedBlobs struct {
	mail.Blobs
	mu      sync.Mutex
	writers int
	sealed  []mail.SealedBody
	readers int
	damaged map[mail.BlobID]int64 // from which octet on
}

func (b *watchedBlobs) add(writers, readers int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writers += writers
	b.readers += readers
}

func (b *watchedBlobs) Create(ctx context.Context) (mail.BlobWriter, error) {
	w, err := b.Blobs.Create(ctx)
	if err == nil {
		b.add(1, 0)
		w = &watchedWriter{BlobWriter: w, b: b}
	}
	return w, err
}

func (b *watchedBlobs) Open(ctx context.Context, id mail.BlobID) (mail.BlobReader, error) {
	r, err := b.Blobs.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	from, bad := b.damaged[id]
	b.mu.Unlock()
	if bad && from == 0 {
		r.Close()
		return nil, mail.Errorf(mail.Internal, "body %d is damaged", id)
	}
	b.add(0, 1)
	return &watchedReader{BlobReader: r, b: b, bad: bad, from: from}, nil
}

type watchedWriter struct {
	mail.BlobWriter
	b    *watchedBlobs
	once sync.Once
}

func (w *watchedWriter) Seal() (mail.SealedBody, error) {
	s, err := w.BlobWriter.Seal()
	if err == nil {
		w.b.mu.Lock()
		w.b.sealed = append(w.b.sealed, s)
		w.b.mu.Unlock()
	}
	return s, err
}

func (w *watchedWriter) Discard() {
	w.once.Do(func() { w.b.add(-1, 0) })
	w.BlobWriter.Discard()
}

type watchedReader struct {
	mail.BlobReader
	b    *watchedBlobs
	pos  int64
	bad  bool
	from int64
	once sync.Once
}

func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.BlobReader.Read(p)
	if r.pos += int64(n); r.bad && r.pos > r.from {
		return 0, mail.Errorf(mail.Internal, "the body is damaged")
	}
	return n, err
}

func (r *watchedReader) ReadAt(p []byte, off int64) (int, error) {
	if r.bad && off+int64(len(p)) > r.from {
		return 0, mail.Errorf(mail.Internal, "the body is damaged")
	}
	return r.BlobReader.ReadAt(p, off)
}

func (r *watchedReader) Close() error {
	r.once.Do(func() { r.b.add(0, -1) })
	return r.BlobReader.Close()
}

// check fails the test when something was not let go.
func (b *watchedBlobs) check(t testing.TB) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writers != 0 || b.readers != 0 {
		t.Errorf("%d writers and %d readers of bodies were left open", b.writers, b.readers)
	}
	for _, s := range b.sealed {
		if r, err := s.Open(); err == nil {
			r.Close()
			t.Error("a sealed body was not discarded")
		}
	}
}

func newWorld(t testing.TB, change func(*Config)) *world {
	ctx, cancel := context.WithCancel(context.Background())
	news := bus.New()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := store.Open(ctx, store.Options{Dir: t.TempDir(), Log: quiet, Bus: news})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, blobs: &watchedBlobs{Blobs: s, damaged: map[mail.BlobID]int64{}}, ctx: ctx, stop: cancel}
	cfg := Config{Mailboxes: s, Journal: s, Blobs: w.blobs, Bus: news, Clock: mail.SystemClock{}, Authenticator: directoryAuth{s}}
	if change != nil {
		change(&cfg)
	}
	w.srv = New(cfg)
	t.Cleanup(func() {
		cancel()
		w.wg.Wait()
		w.blobs.check(t)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	rc := w.commit(mail.AddDomain{Domain: mail.Domain{Name: "example.org"}}, mail.AddAccount{Account: mail.Account{Address: "ann@example.org"},
		Mailboxes: []mail.NewMailbox{{Name: "INBOX", Use: mail.UseInbox, Subscribed: true}, {Name: "Sent", Use: mail.UseSent, Subscribed: true},
			{Name: "Trash", Use: mail.UseTrash}}})
	w.account = rc.Results[1].Account
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

// commit changes the store past the server.
func (w *world) commit(changes ...mail.Change) mail.Receipt {
	w.t.Helper()
	rc, err := w.store.Commit(w.ctx, mail.ChangeSet{Changes: changes})
	if err != nil {
		w.t.Fatal(err)
	}
	return rc
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

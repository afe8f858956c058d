package scan

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// body is a body in memory.
type body []byte

func (b body) Open() (mail.BlobReader, error) { return bodyReader{bytes.NewReader(b)}, nil }

type bodyReader struct{ *bytes.Reader }

func (bodyReader) Close() error { return nil }

// failing is a body that breaks after some octets.
type failing struct{}

func (failing) Open() (mail.BlobReader, error) {
	return failingReader{bodyReader{bytes.NewReader(make([]byte, 100_000))}}, nil
}

type failingReader struct{ bodyReader }

func (f failingReader) Read(p []byte) (int, error) {
	if f.Len() < 50_000 {
		return 0, errors.New("the disk is gone")
	}
	return f.bodyReader.Read(p)
}

const letter = "From: Ann <ann@example.com>\r\nTo: bob@our.example\r\nSubject: a\r\n folded one\r\nnameless line\r\n\r\nAt noon?\r\n"

func arriving(text string) Message {
	return Message{IP: netip.MustParseAddr("192.0.2.1"), Reverse: "mx.example.com", Helo: "mail.example.com", From: "ann@example.com",
		To: []mail.Path{"bob@our.example", "cy@our.example"}, ID: "trace1", Body: body(text)}
}

// serve plays a program that listens on loopback; each connection is given to handle. It ends with the test.
func serve(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	return serveOn(t, listen(t, "tcp", "127.0.0.1:0"), handle)
}

func listen(t testing.TB, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func serveOn(t testing.TB, l net.Listener, handle func(net.Conn)) string {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		done := make(chan struct{})
		n := 0
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			n++
			conn.SetDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // for a test that hangs
			go func() {
				defer func() { done <- struct{}{} }()
				defer conn.Close()
				handle(conn)
			}()
		}
		for range n {
			<-done
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().String()
}

func chain(t testing.TB, cfg Config) *Chain {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	cfg.Hostname = "mx.our.example"
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// scan asks and must not fail.
func scan(t testing.TB, c *Chain, m Message) Result {
	t.Helper()
	r, err := c.Scan(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func notes(r Result) string { return strings.Join(r.Notes, "\n") }

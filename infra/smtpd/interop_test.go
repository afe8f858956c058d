package smtpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	netsmtp "net/smtp"
	"runtime"
	"strings"
	"sync"
	"testing"

	gosasl "github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	gomail "github.com/wneessen/go-mail"

	"github.com/postrider/postrider/proto/smtp"
)

// listen serves on a port of loopback until the test ends.
func listen(t testing.TB, cfg Config, b Backend, implicit bool) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := New(cfg, b)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if implicit {
				conn = tls.Server(conn, cfg.TLS)
			}
			wg.Go(func() { s.Serve(ctx, conn) })
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = ln.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}

const oddText = "Subject: odd\r\n\r\n.\r\n..\r\n.dot\r\n\r\n8-bit \xc3\xa4\r\n" + "." + "\r\nend\r\n"

// The client of the standard library: HELO to QUIT over STARTTLS with AUTH PLAIN.
func TestNetSMTP(t *testing.T) {
	t.Parallel()
	b := &fakeBackend{t: t}
	addr := listen(t, Config{Hostname: "mx.test", TLS: testTLS(t)}, b, false)
	c, err := netsmtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Hello("client.test"))
	must(c.StartTLS(clientTLS()))
	host, _, _ := net.SplitHostPort(addr)
	must(c.Auth(netsmtp.PlainAuth("", "alice", "secret", host)))
	must(c.Mail("a@x"))
	must(c.Rcpt("b@y"))
	if err := c.Rcpt("unknown@y"); err == nil || !strings.Contains(err.Error(), "5.1.1 no such mailbox") {
		t.Error(err)
	}
	w, err := c.Data()
	must(err)
	_, err = io.WriteString(w, oddText)
	must(err)
	must(w.Close())
	must(c.Noop())
	must(c.Reset())
	must(c.Quit())
	if len(b.stored) != 1 || b.stored[0].body != oddText || b.stored[0].with != "UTF8SMTPSA" || b.stored[0].user != "alice" {
		t.Errorf("%+v", b.stored)
	}
}

// emersion's client, over SMTP and LMTP.
func TestGoSMTPClient(t *testing.T) {
	t.Parallel()
	b := &fakeBackend{t: t}
	addr := listen(t, Config{Hostname: "mx.test", TLS: testTLS(t), MaxSize: 1 << 20, DSN: true}, b, false)
	c, err := gosmtp.DialStartTLS(addr, clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if size, ok := c.MaxMessageSize(); !ok || size != 1<<20 {
		t.Error(size, ok)
	}
	for _, auth := range []gosasl.Client{gosasl.NewPlainClient("", "alice", "wrong"), gosasl.NewLoginClient("alice", "secret")} {
		err = c.Auth(auth)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Mail("ä@x", &gosmtp.MailOptions{UTF8: true, Size: 100, Body: gosmtp.Body8BitMIME, Return: gosmtp.DSNReturnFull, EnvelopeID: "id"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("ü@müller.test", &gosmtp.RcptOptions{Notify: []gosmtp.DSNNotify{gosmtp.DSNNotifyFailure}}); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, oddText)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	err = c.SendMail("a@x", []string{"b@y"}, strings.NewReader(strings.Repeat("0123456789abcdef\r\n", 1<<17)))
	var refused *gosmtp.SMTPError
	if !asError(err, &refused) || refused.Code != 552 || refused.EnhancedCode != (gosmtp.EnhancedCode{5, 3, 4}) {
		t.Errorf("over the limit: %v", err)
	}
	if err := c.SendMail("a@x", []string{"b@y"}, strings.NewReader("second\r\n")); err != nil {
		t.Error(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	if len(b.stored) != 2 || b.stored[0].body != oddText || b.stored[0].with != "UTF8SMTPSA" || b.stored[0].from != "ä@x" {
		t.Errorf("%+v", b.stored)
	}

	lb := &fakeBackend{t: t, lmtp: true}
	conn, err := net.Dial("tcp", listen(t, Config{LMTP: true}, lb, false))
	if err != nil {
		t.Fatal(err)
	}
	l := gosmtp.NewClientLMTP(conn)
	defer l.Close()
	if err := l.Mail("a@x", nil); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"b@y", "later@y"} {
		if err := l.Rcpt(to, nil); err != nil {
			t.Fatal(err)
		}
	}
	if w, err = l.Data(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, "x\r\n")
	replies, err := w.CloseWithLMTPResponse()
	if len(replies) != 1 || err == nil || !strings.Contains(err.Error(), "mailbox is full now") || len(lb.stored) != 1 {
		t.Errorf("%v %v", replies, err)
	}
}

func asError(err error, target **gosmtp.SMTPError) bool {
	e, ok := err.(*gosmtp.SMTPError)
	*target = e
	return ok
}

// go-mail, with each mechanism, on the TLS port.
func TestGoMail(t *testing.T) {
	t.Parallel()
	b := &fakeBackend{t: t}
	addr := listen(t, Config{Hostname: "mx.test", TLS: testTLS(t)}, b, true)
	_, port, _ := net.SplitHostPort(addr)
	var n int
	if _, err := fmt.Sscan(port, &n); err != nil {
		t.Fatal(err)
	}
	attachment := make([]byte, 100_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(attachment)
	kinds := []gomail.SMTPAuthType{gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA256PLUS}
	for _, kind := range kinds {
		m := gomail.NewMsg()
		if err := m.From("alice@x.test"); err != nil {
			t.Fatal(err)
		}
		if err := m.To("bob@y.test", "carol@y.test"); err != nil {
			t.Fatal(err)
		}
		m.Subject(string(kind))
		m.SetBodyString(gomail.TypeTextPlain, ".\nleading dots\n..\n")
		if err := m.AttachReader("a.bin", bytes.NewReader(attachment)); err != nil {
			t.Fatal(err)
		}
		c, err := gomail.NewClient("127.0.0.1", gomail.WithPort(n), gomail.WithSSL(), gomail.WithTLSConfig(clientTLS()),
			gomail.WithSMTPAuth(kind), gomail.WithUsername("alice"), gomail.WithPassword("secret"), gomail.WithHELO("client.test"))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.DialAndSend(m); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if len(b.stored) != len(kinds) {
		t.Fatalf("%d messages", len(b.stored))
	}
	for i, m := range b.stored {
		if m.user != "alice" || len(m.to) != 2 || !strings.Contains(m.body, "Subject: "+string(kinds[i])) || len(m.body) < 130_000 {
			t.Errorf("%s: from %s to %s by %s, %d octets", kinds[i], m.from, m.to, m.user, len(m.body))
		}
	}
}

// discard is a backend that keeps nothing.
type discard struct{}

type discardSession struct{}

func (*discard) NewSession(context.Context, *Conn) (Session, error) { return discardSession{}, nil }

func (discardSession) Mail(context.Context, *smtp.Mail) error { return nil }
func (discardSession) Rcpt(context.Context, *smtp.Rcpt) error { return nil }
func (discardSession) Reset()                                 {}
func (discardSession) Close()                                 {}
func (discardSession) Data(_ context.Context, body io.Reader) (*smtp.Reply, error) {
	_, err := io.Copy(io.Discard, body)
	return nil, err
}

// The memory that a message costs does not depend on its size: 64 MB by DATA and by BDAT, allocations counted.
func TestMemoryIsBounded(t *testing.T) {
	addr := listen(t, Config{}, &discard{}, false)
	line := strings.Repeat("x", 998) + "\r\n"
	block := []byte(strings.Repeat(line, 1000))
	for _, verb := range []string{"DATA", "BDAT"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		chat(t, conn, "", "220")
		chat(t, conn, "HELO x\r\n", "250")
		chat(t, conn, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", "250", "250")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if verb == "DATA" {
			chat(t, conn, "DATA\r\n", "354")
			for range 64 {
				_, _ = conn.Write(block)
			}
			chat(t, conn, ".\r\n", "250")
		} else {
			chat(t, conn, fmt.Sprintf("BDAT %d LAST\r\n", 64*len(block)))
			for range 64 {
				_, _ = conn.Write(block)
			}
			chat(t, conn, "", "250")
		}
		runtime.ReadMemStats(&after)
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 1<<20 {
			t.Errorf("%s: %d octets allocated for a message of %d", verb, cost, 64*len(block))
		}
		conn.Close()
	}
}

// BenchmarkTransaction is a whole inbound transaction of 4 KB, pipelined, over loopback, with a backend that keeps nothing.
func BenchmarkTransaction(b *testing.B) {
	addr := listen(b, Config{MaxTransactions: 1 << 40}, &discard{}, false)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, 4096)
	read := func(want int) { // lines
		for want > 0 {
			n, err := conn.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			want -= bytes.Count(buf[:n], []byte{'\n'})
		}
	}
	read(1)
	_, _ = io.WriteString(conn, "HELO x\r\n")
	read(1)
	envelope := []byte("MAIL FROM:<alice@sender.example> SIZE=4096\r\nRCPT TO:<bob@receiver.example>\r\nDATA\r\n")
	text := []byte(strings.Repeat("Seventy octets or so of text are what most mail programs make of it.\r\n", 58) + ".\r\n")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = conn.Write(envelope)
		read(3)
		_, _ = conn.Write(text)
		read(1)
	}
}

// BenchmarkLargeMessage is one of 8 MB by DATA over loopback.
func BenchmarkLargeMessage(b *testing.B) {
	addr := listen(b, Config{MaxTransactions: 1 << 40}, &discard{}, false)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	line := make([]byte, 512)
	read := func(want int) {
		for want > 0 {
			n, err := conn.Read(line)
			if err != nil {
				b.Fatal(err)
			}
			want -= bytes.Count(line[:n], []byte{'\n'})
		}
	}
	read(1)
	_, _ = io.WriteString(conn, "HELO x\r\n")
	read(1)
	text := []byte(strings.Repeat("TWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcmsuTWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcmsu\r\n", 8<<20/78) + ".\r\n")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		_, _ = io.WriteString(conn, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n")
		read(3)
		_, _ = conn.Write(text)
		read(1)
	}
}

// The last word reaches a client that sent more than the server cared to read: over TCP, closing with unread input would
// throw the reply away.
func TestLastWordArrives(t *testing.T) {
	t.Parallel()
	addr := listen(t, Config{MaxErrors: 1}, &discard{}, false)
	flood := []byte(strings.Repeat("XYZZY\r\n", 20_000))
	for range 10 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(flood); err != nil {
			t.Error(err)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		said, err := io.ReadAll(conn)
		if want := "500 5.5.1 command not recognised\r\n421 4.7.0 too many errors\r\n"; err != nil || !strings.HasSuffix(string(said), want) {
			t.Errorf("%q %v", said, err)
		}
		conn.Close()
	}
}

// The end of TLS is told, so that a client can tell it from an attack that cuts the connection.
func TestTLSIsClosed(t *testing.T) {
	t.Parallel()
	addr := listen(t, Config{TLS: testTLS(t)}, &discard{}, false)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	chat(t, conn, "", "220")
	chat(t, conn, "STARTTLS\r\n", "220")
	tc := tls.Client(conn, clientTLS())
	chat(t, tc, "QUIT\r\n", "221")
	if line, err := readLine(tc); err != io.EOF {
		t.Errorf("%q %v", line, err)
	}
}

// BenchmarkIdle reports what a connection that waits costs, stack included.
func BenchmarkIdle(b *testing.B) {
	const n = 1000
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		s := New(Config{}, &discard{})
		var before, after runtime.MemStats
		clients := make([]net.Conn, n)
		runtime.GC()
		runtime.ReadMemStats(&before)
		var wg sync.WaitGroup
		for i := range clients {
			client, server := net.Pipe()
			clients[i] = client
			wg.Go(func() { s.Serve(ctx, server) })
			if _, err := readLine(client); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/n, "octets/conn")
		for _, c := range clients {
			c.Close()
		}
		wg.Wait()
		cancel()
	}
}

package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/proto/smtp"
)

// RFC 3463 3, RFC 5321 4.2.3: each kind of failure has its reply.
func TestReplyFor(t *testing.T) {
	t.Parallel()
	hint := func(k mail.Kind, enhanced string) error {
		return &mail.Error{Kind: k, Text: "text", Enhanced: enhanced}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{smtp.Errorf(553, "5.1.8", "own"), "553 5.1.8 own"},
		{fmt.Errorf("wrapped: %w", smtp.Errorf(553, "5.1.8", "own")), "553 5.1.8 own"},
		{mail.Errorf(mail.Internal, "secret"), "451 4.3.0 internal error; the server's log says more"},
		{errors.New("secret"), "451 4.3.0 internal error; the server's log says more"},
		{io.ErrUnexpectedEOF, "451 4.3.0 internal error; the server's log says more"},
		{context.Canceled, "421 4.3.2 service is shutting down; try again soon"},
		{fmt.Errorf("x: %w", context.Canceled), "421 4.3.2 service is shutting down; try again soon"},
		{context.DeadlineExceeded, "451 4.3.0 internal error; the server's log says more"},
		{mail.Errorf(mail.Unavailable, "text: %w", context.Canceled), "451 4.3.0 text: context canceled"},
		{hint(mail.Invalid, ""), "550 5.5.0 text"},
		{hint(mail.Invalid, "5.6.0"), "550 5.6.0 text"},
		{hint(mail.NotFound, ""), "550 5.1.1 text"},
		{hint(mail.NotFound, "4.1.1"), "450 4.1.1 text"},
		{hint(mail.Exists, ""), "550 5.5.0 text"},
		{hint(mail.Denied, ""), "550 5.7.1 text"},
		{hint(mail.Denied, "4.7.1"), "450 4.7.1 text"},
		{hint(mail.Unauthenticated, ""), "530 5.7.0 text"},
		{hint(mail.Unauthenticated, "4.7.0"), "454 4.7.0 text"},
		{hint(mail.OverQuota, ""), "552 5.2.2 text"},
		{hint(mail.OverQuota, "4.2.2"), "452 4.2.2 text"},
		{hint(mail.TooLarge, ""), "552 5.3.4 text"},
		{hint(mail.TooMany, ""), "452 4.5.3 text"},
		{hint(mail.TooMany, "5.5.3"), "550 5.5.3 text"},
		{hint(mail.Unavailable, ""), "451 4.3.0 text"},
		{hint(mail.Unavailable, "5.4.4"), "550 5.4.4 text"},
		{hint(mail.Conflict, ""), "451 4.3.0 text"},
		{hint(mail.Denied, "2.0.0"), "550 5.7.1 text"},
		{hint(mail.Denied, "nonsense"), "550 5.7.1 text"},
		{hint(mail.Kind(200), ""), "451 4.3.0 text"},
		{&smtp.Reply{Code: 354}, "451 4.3.0 internal error; the server's log says more"},
		{&smtp.Reply{}, "451 4.3.0 internal error; the server's log says more"},
		{(*smtp.Reply)(nil), "451 4.3.0 internal error; the server's log says more"},
	} {
		if got := ReplyFor(c.err).Error(); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

// RFC 3848 1, RFC 6531 4.3.
func TestWith(t *testing.T) {
	t.Parallel()
	state := &tls.ConnectionState{}
	for _, c := range []struct {
		c    Conn
		want string
	}{
		{Conn{}, "SMTP"},
		{Conn{TLS: state}, "SMTP"},
		{Conn{ESMTP: true}, "ESMTP"},
		{Conn{ESMTP: true, TLS: state}, "ESMTPS"},
		{Conn{ESMTP: true, AuthUser: "a"}, "ESMTPA"},
		{Conn{ESMTP: true, TLS: state, AuthUser: "a"}, "ESMTPSA"},
		{Conn{ESMTP: true, UTF8: true, TLS: state, AuthUser: "a"}, "UTF8SMTPSA"},
		{Conn{ESMTP: true, LMTP: true}, "LMTP"},
		{Conn{ESMTP: true, LMTP: true, TLS: state}, "LMTPS"},
		{Conn{ESMTP: true, LMTP: true, UTF8: true}, "UTF8LMTP"},
	} {
		if got := c.c.With(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.c, got, c.want)
		}
	}
}

// serve runs a server on one end of a pipe and gives the other; wait waits for its end.
func serve(t *testing.T, ctx context.Context, cfg Config, b Backend) (client net.Conn, wait func()) {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		New(cfg, b).Serve(ctx, server)
	}()
	return client, func() { <-done }
}

// chat sends and reads as much as is there within the deadline that the caller set.
func chat(t *testing.T, conn net.Conn, send string, replies ...string) {
	t.Helper()
	if send != "" {
		if _, err := io.WriteString(conn, send); err != nil {
			t.Errorf("sending %q: %v", send, err)
		}
	}
	for _, want := range replies {
		line, err := readLine(conn)
		if !strings.HasPrefix(line, want) {
			t.Errorf("after %q: %q %v, want %q", send, line, err, want)
		}
	}
}

func readLine(conn net.Conn) (string, error) {
	var line []byte
	var one [1]byte
	for {
		if _, err := conn.Read(one[:]); err != nil {
			return string(line), err
		}
		if line = append(line, one[0]); one[0] == '\n' {
			return string(line), nil
		}
	}
}

const openData = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"

// A connection can be refused at the greeting: RFC 5321 3.1.
func TestGreetingRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{mail.Errorf(mail.Denied, "listed"), "554 5.7.1 listed\r\n"},
		{mail.Errorf(mail.TooMany, "busy"), "421 4.5.3 busy\r\n"},
		{smtp.Errorf(550, "5.7.25", "no name"), "554 5.7.25 no name\r\n"},
		{errors.New("broken"), "421 4.3.0 internal error; the server's log says more\r\n"},
		{smtp.Errorf(250, "", "odd"), "421 odd\r\n"},
	} {
		client, wait := serve(t, t.Context(), Config{}, refusing{c.err})
		if line, err := readLine(client); line != c.want {
			t.Errorf("%v: %q %v, want %q", c.err, line, err, c.want)
		}
		if line, err := readLine(client); err != io.EOF {
			t.Errorf("%v: not closed: %q %v", c.err, line, err)
		}
		wait()
	}
}

type refusing struct{ err error }

func (r refusing) NewSession(context.Context, *Conn) (Session, error) { return nil, r.err }

// Session tickets make some large senders hang up (golang/go issue 70232), so STARTTLS sends none.
func TestNoSessionTickets(t *testing.T) {
	t.Parallel()
	cfg := testTLS(t)
	s := New(Config{TLS: cfg}, &fakeBackend{t: t})
	if !s.tls.SessionTicketsDisabled || cfg.SessionTicketsDisabled {
		t.Error("the copy has tickets, or the caller's configuration was changed")
	}
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(t.Context(), server)
	}()
	chat(t, client, "", "220")
	chat(t, client, "STARTTLS\r\n", "220")
	cache := tls.NewLRUClientSessionCache(4)
	seen := &watchedCache{ClientSessionCache: cache}
	tc := tls.Client(client, &tls.Config{ServerName: "mx.test", InsecureSkipVerify: true, ClientSessionCache: seen})
	chat(t, tc, "NOOP\r\n", "250")
	chat(t, tc, "QUIT\r\n", "221")
	if line, err := readLine(tc); err != io.EOF {
		t.Errorf("%q %v", line, err)
	}
	<-done
	if seen.put > 0 {
		t.Error("a session ticket was sent")
	}
}

type watchedCache struct {
	tls.ClientSessionCache
	put int
}

func (w *watchedCache) Put(key string, s *tls.ClientSessionState) {
	if s != nil {
		w.put++
	}
	w.ClientSessionCache.Put(key, s)
}

// A panic is logged with its stack, and ends the session.
func TestPanicIsLogged(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	b := &fakeBackend{t: t}
	client, wait := serve(t, t.Context(), Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, b)
	chat(t, client, "", "220")
	chat(t, client, "HELO x\r\n", "250")
	chat(t, client, "MAIL FROM:<panic@x>\r\n", "421")
	wait()
	if !strings.Contains(log.String(), "backend_test.go") || b.closed != 1 {
		t.Errorf("%d closed, log %s", b.closed, log.String())
	}
}

// Secrets of AUTH do not reach the log.
func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	cfg := Config{AllowCleartextAuth: true, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 10}))}
	client, wait := serve(t, t.Context(), cfg, &fakeBackend{t: t})
	chat(t, client, "", "220")
	chat(t, client, "EHLO x\r\n", "250", "250", "250", "250", "250", "250", "250", "250")
	chat(t, client, "AUTH PLAIN AGFsaWNlAHdyb25n\r\n", "535")
	chat(t, client, "AUTH LOGIN\r\n", "334")
	chat(t, client, "YWxpY2U=\r\n", "334")
	chat(t, client, "d3Jvbmc=\r\n", "535")
	client.Close()
	wait()
	for _, secret := range []string{"wrong", "d3Jvbmc", "AGFsaWNl"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s in %s", secret, log.String())
		}
	}
	if !strings.Contains(log.String(), "authentication failed") {
		t.Error("a failed authentication was not logged")
	}
}

// SCRAM-SHA-256-PLUS over real TLS, with the exporter of the connection on both sides: RFC 9266 2.
func TestChannelBinding(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		New(Config{}, &fakeBackend{t: t}).Serve(t.Context(), tls.Server(server, testTLS(t)))
	}()
	tc := tls.Client(client, clientTLS())
	chat(t, tc, "", "220")
	chat(t, tc, "EHLO x\r\n", "250", "250", "250", "250", "250", "250", "250", "250 AUTH SCRAM-SHA-256-PLUS")
	state := tc.ConnectionState()
	binding, err := sasl.ExporterBinding(state.ExportKeyingMaterial)
	if err != nil {
		t.Fatal(err)
	}
	c, err := sasl.NewScramClient("alice", "secret", &binding)
	if err != nil {
		t.Fatal(err)
	}
	mechanism, initial, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	line := (&smtp.Auth{Mechanism: mechanism, Initial: initial}).String()
	for i := 0; ; i++ {
		chat(t, tc, line+"\r\n")
		answer, err := readLine(tc)
		if err != nil || i > 3 {
			t.Fatal(answer, err)
		}
		if strings.HasPrefix(answer, "235 ") {
			break
		}
		challenge, ok := smtp.DecodeResponse(strings.TrimSpace(strings.TrimPrefix(answer, "334 ")))
		if !ok {
			t.Fatal(answer)
		}
		response, err := c.Next(challenge)
		if err != nil {
			t.Fatal(err)
		}
		line = strings.TrimPrefix((&smtp.Auth{Mechanism: "X", Initial: response}).String(), "AUTH X ")
		line = strings.TrimPrefix(line, "=")
	}
	if err := c.Finish(); err != nil {
		t.Error(err)
	}
	tc.Close()
	<-done
}

func smugglingTable(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("../../proto/smtp/testdata/smuggling.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(text)) {
		var s string
		if _, err := fmt.Sscanf(line, "%q", &s); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

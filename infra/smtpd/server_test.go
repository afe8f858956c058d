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
	"testing/synctest"
	"time"

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

// RFC 5321 4.5.3.2.7: silence has an end, wherever it falls, and is told with 421.
func TestSilence(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		send    string
		replies []string
		after   time.Duration
	}{
		{"nothing said", "", []string{"220"}, 5 * time.Minute},
		{"half a command", "NOOP\r\nNOO", []string{"220", "250"}, 5 * time.Minute},
		{"in data", "HELO x\r\n" + openData + "half a li", []string{"220", "250", "250", "250", "354"}, 3 * time.Minute},
		{"in a chunk", "HELO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 10\r\nabc", []string{"220", "250", "250", "250"}, 3 * time.Minute},
		{"between chunks", "HELO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 3\r\nabc", []string{"220", "250", "250", "250", "250"}, 5 * time.Minute},
		{"in AUTH", "EHLO x\r\nAUTH PLAIN\r\n", []string{"220", "250", "250", "250", "250", "250", "250", "250", "250", "334"}, 5 * time.Minute},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &fakeBackend{t: t}
				client, wait := serve(t, t.Context(), Config{AllowCleartextAuth: true}, b)
				start := time.Now()
				go func() { _, _ = io.WriteString(client, c.send) }()
				chat(t, client, "", append(c.replies, "421 4.4.2")...)
				if took := time.Since(start); took != c.after {
					t.Errorf("after %v, want %v", took, c.after)
				}
				if line, err := readLine(client); err != io.EOF {
					t.Errorf("not closed: %q %v", line, err)
				}
				wait()
				if len(b.stored) != 0 || b.closed != 1 || b.resets != b.opened {
					t.Errorf("%d stored, %d closed, %d of %d reset", len(b.stored), b.closed, b.resets, b.opened)
				}
			})
		})
	}
}

// A client that sends a little now and then, or reads nothing, does not hold its connection for ever.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	t.Run("drips data", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := &fakeBackend{t: t}
			client, wait := serve(t, t.Context(), Config{}, b)
			start := time.Now()
			chat(t, client, "", "220")
			chat(t, client, "HELO x\r\n", "250")
			chat(t, client, openData, "250", "250", "354")
			dripped := drip(client)
			chat(t, client, "", "421 4.4.2")
			if took := time.Since(start); took != 2*time.Hour {
				t.Error(took)
			}
			client.Close()
			wait()
			<-dripped
			if len(b.stored) != 0 || len(b.failures) != 1 || !mail.Is(b.failures[0], mail.Unavailable) {
				t.Errorf("%v %v", b.stored, b.failures)
			}
		})
	})
	t.Run("drips a command", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, wait := serve(t, t.Context(), Config{}, &fakeBackend{t: t})
			start := time.Now()
			chat(t, client, "", "220")
			dripped := drip(client)
			chat(t, client, "", "421 4.4.2")
			if took := time.Since(start); took != 5*time.Minute {
				t.Error(took)
			}
			client.Close()
			wait()
			<-dripped
		})
	})
	t.Run("does not read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, wait := serve(t, t.Context(), Config{}, &fakeBackend{t: t})
			start := time.Now()
			wait()
			if took := time.Since(start); took != 5*time.Minute {
				t.Error(took)
			}
			client.Close()
		})
	})
	t.Run("does not shake hands", func(t *testing.T) {
		for _, start := range []string{"implicit", "STARTTLS"} {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				var conn net.Conn = server
				if start == "implicit" {
					conn = tls.Server(server, testTLS(t))
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					New(Config{TLS: testTLS(t)}, &fakeBackend{t: t}).Serve(t.Context(), conn)
				}()
				if start == "STARTTLS" {
					chat(t, client, "", "220")
					chat(t, client, "STARTTLS\r\n", "220")
				}
				begin := time.Now()
				<-done
				if took := time.Since(begin); took != time.Minute {
					t.Error(start, took)
				}
				client.Close()
			})
		}
	})
}

// drip sends an octet a minute until that fails.
func drip(conn net.Conn) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := io.WriteString(conn, "x"); err != nil {
				return
			}
			time.Sleep(time.Minute)
		}
	}()
	return done
}

// When the server stops, an idle client hears 421 at once, one in the middle of a message may finish, and nobody may
// take longer than the time of grace (RFC 5321 3.8).
func TestStop(t *testing.T) {
	t.Parallel()
	stop := func(t *testing.T, f func(t *testing.T, client net.Conn, cancel func(), b *fakeBackend)) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b := &fakeBackend{t: t}
			client, wait := serve(t, ctx, Config{AllowCleartextAuth: true}, b)
			chat(t, client, "", "220")
			f(t, client, cancel, b)
			if line, err := readLine(client); err != io.EOF {
				t.Errorf("not closed: %q %v", line, err)
			}
			wait()
			client.Close()
			if b.closed != 1 || b.resets != b.opened {
				t.Errorf("%d closed, %d of %d reset", b.closed, b.resets, b.opened)
			}
		})
	}
	within := func(t *testing.T, d time.Duration, f func()) {
		t.Helper()
		start := time.Now()
		f()
		if took := time.Since(start); took != d {
			t.Errorf("took %v, want %v", took, d)
		}
	}
	t.Run("idle", func(t *testing.T) {
		stop(t, func(t *testing.T, client net.Conn, cancel func(), b *fakeBackend) {
			chat(t, client, "HELO x\r\n", "250")
			synctest.Wait()
			within(t, 0, func() {
				cancel()
				chat(t, client, "", "421 4.3.2")
			})
		})
	})
	t.Run("in AUTH", func(t *testing.T) {
		stop(t, func(t *testing.T, client net.Conn, cancel func(), b *fakeBackend) {
			chat(t, client, "EHLO x\r\nAUTH LOGIN\r\n", "250", "250", "250", "250", "250", "250", "250", "250", "334")
			synctest.Wait()
			within(t, 0, func() {
				cancel()
				chat(t, client, "", "421 4.3.2")
			})
		})
	})
	t.Run("in data, finished in time", func(t *testing.T) {
		stop(t, func(t *testing.T, client net.Conn, cancel func(), b *fakeBackend) {
			chat(t, client, "HELO x\r\n", "250")
			chat(t, client, openData, "250", "250", "354")
			chat(t, client, "half ")
			synctest.Wait()
			cancel()
			time.Sleep(20 * time.Second)
			go func() { _, _ = io.WriteString(client, "and half\r\n.\r\nNOOP\r\n") }()
			chat(t, client, "", "250 2.0.0 OK", "421 4.3.2")
			if len(b.stored) != 1 || b.stored[0].body != "half and half\r\n" {
				t.Errorf("%+v", b.stored)
			}
		})
	})
	t.Run("in data, too late", func(t *testing.T) {
		stop(t, func(t *testing.T, client net.Conn, cancel func(), b *fakeBackend) {
			chat(t, client, "HELO x\r\n", "250")
			chat(t, client, openData, "250", "250", "354")
			chat(t, client, "half ")
			synctest.Wait()
			within(t, 30*time.Second, func() {
				cancel()
				chat(t, client, "", "421 4.3.2")
			})
			if len(b.stored) != 0 {
				t.Errorf("%+v", b.stored)
			}
		})
	})
	t.Run("between chunks", func(t *testing.T) {
		stop(t, func(t *testing.T, client net.Conn, cancel func(), b *fakeBackend) {
			chat(t, client, "HELO x\r\n", "250")
			chat(t, client, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 3\r\nabc", "250", "250", "250")
			synctest.Wait()
			cancel()
			go func() { _, _ = io.WriteString(client, "BDAT 2 LAST\r\n\r\n") }()
			chat(t, client, "", "250 2.0.0 OK", "421 4.3.2")
			if len(b.stored) != 1 {
				t.Errorf("%+v", b.stored)
			}
		})
	})
	t.Run("a handler that does not end", func(t *testing.T) {
		stop(t, func(t *testing.T, client net.Conn, cancel func(), b *fakeBackend) {
			chat(t, client, "HELO x\r\n", "250")
			chat(t, client, "MAIL FROM:<wait@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", "250", "250")
			synctest.Wait()
			within(t, 30*time.Second, func() {
				cancel()
				chat(t, client, "", "354", "421 4.3.2")
			})
		})
	})
}

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

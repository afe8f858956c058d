package smtpd

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/mail"
)

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

package app_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a configuration with one service on a free port.
func small(t *testing.T) config.Config {
	t.Helper()
	c := config.Default(t.TempDir())
	c.Hostname = "mx.one.example"
	c.Listen = config.Listen{SMTP: config.Addresses{"127.0.0.1:0"}, LMTPSocketMode: "0660"}
	return c
}

// serve runs a system for as long as f takes.
func serve(t *testing.T, c config.Config, f func(app.Addresses)) error {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	return app.Serve(ctx, c, slog.New(slog.DiscardHandler), func(a app.Addresses) {
		f(a)
		stop()
	})
}

func TestServe(t *testing.T) {
	t.Parallel()
	c := small(t)
	c.Listen.LMTPSocket, c.Listen.LMTPSocketMode = "lmtp.sock", "0600"
	err := serve(t, c, func(a app.Addresses) {
		if len(a) != 2 || a[0].Service != "smtp" || a[1].Service != "lmtp" {
			t.Fatalf("it listens on %v", a)
		}
		for i, network := range []string{"tcp", "unix"} {
			conn, err := net.Dial(network, a[i].Address)
			if err != nil {
				t.Fatal(err)
			}
			greeting := make([]byte, 18)
			conn.SetReadDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // both have deadlines
			if _, err := conn.Read(greeting); err != nil || !strings.HasPrefix(string(greeting), "220 mx.one.example") {
				t.Errorf("%s greets with %q, %v", a[i].Service, greeting, err)
			}
			conn.Close() //nolint:errcheck // done with it
		}
		if f, err := os.Stat(filepath.Join(c.Data, "lmtp.sock")); err != nil || f.Mode().Perm() != 0o600 {
			t.Errorf("the socket: %v, %v", f, err)
		}
		if _, _, err := app.OpenOffline(t.Context(), c, nil); !mail.Is(err, mail.Conflict) {
			t.Errorf("the store of a running system was opened: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"lmtp.sock", "admin.sock"} {
		if _, err := os.Lstat(filepath.Join(c.Data, left)); err == nil {
			t.Errorf("%s is left behind", left)
		}
	}
}

// TestPortInUse says what is wrong once, and leaves nothing open.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := small(t)
	c.Listen.IMAP = config.Addresses{l.Addr().String()}
	err = serve(t, c, func(app.Addresses) { t.Error("it is ready all the same") })
	if !mail.Is(err, mail.Exists) || strings.Count(err.Error(), "another program listens there") != 1 || !strings.HasPrefix(err.Error(), "listen.imap: ") {
		t.Errorf("the error is %v", err)
	}
	if err := serve(t, small(t), func(app.Addresses) {}); err != nil {
		t.Errorf("a system on free ports: %v", err)
	}
}

// TestOffline works on the store of a system that does not run, and the secret of an installation stays.
func TestOffline(t *testing.T) {
	t.Parallel()
	c := small(t)
	var secrets [][]byte
	for i := range 2 {
		op, closer, err := app.OpenOffline(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, err := op.AddDomain(t.Context(), admin.NewDomain{Name: "one.example"}); err != nil {
				t.Error(err)
			}
		}
		list, err := op.Domains(t.Context(), admin.Nothing{})
		if err != nil || len(list.Domains) != 1 {
			t.Errorf("domains: %v, %v", list, err)
		}
		if s, err := op.Status(t.Context(), admin.Nothing{}); err != nil || s.Serving {
			t.Errorf("status: %+v, %v", s, err)
		}
		report, err := op.Verify(t.Context(), admin.VerifyRequest{Quick: i == 0}, nil)
		if err != nil || len(report.Damage) != 0 {
			t.Errorf("verify: %+v, %v", report, err)
		}
		if err := closer.Close(); err != nil {
			t.Error(err)
		}
		b, err := os.ReadFile(filepath.Join(c.Data, "secret"))
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, b)
	}
	if !bytes.Equal(secrets[0], secrets[1]) {
		t.Error("the secret changed")
	}
	if err := os.WriteFile(filepath.Join(c.Data, "secret"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := app.OpenOffline(t.Context(), c, nil); !mail.Is(err, mail.Invalid) {
		t.Errorf("a damaged secret: %v", err)
	}
}

// TestSmarthostPassword says which file is missing before anything starts.
func TestSmarthostPassword(t *testing.T) {
	t.Parallel()
	c := small(t)
	c.Outbound.Smarthost.Host, c.Outbound.Smarthost.Username = "relay.example", "us"
	c.Outbound.Smarthost.PasswordFile = filepath.Join(c.Data, "missing")
	if err := serve(t, c, func(app.Addresses) {}); !mail.Is(err, mail.Invalid) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("the error is %v", err)
	}
}

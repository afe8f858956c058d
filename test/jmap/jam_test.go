// Package jmap has JMAP clients by others work against a whole system.
//
// It takes jmap-jam from npm, and skips with a word where node or npm is not there or the registry cannot be reached.
package jmap

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/infra/config"
)

const (
	address  = "ann@one.example"
	password = "correct horse battery"
	jam      = "jmap-jam@0.13.1"
)

// TestJam has jmap-jam do what a webmail does: list, search, read, flag, move, upload, import, download, write, send. RFC 8620, RFC 8621.
func TestJam(t *testing.T) {
	if testing.Short() {
		t.Skip("fetches a client from npm; left out by -short")
	}
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	dir := t.TempDir()
	install(t, dir)
	script, err := os.ReadFile("testdata/jam.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "jam.mjs"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	whole(t, func(at string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, node, "jam.mjs")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "NODE_TLS_REJECT_UNAUTHORIZED=0", "JMAP_AT="+at, "JMAP_USER="+address, "JMAP_PASSWORD="+password)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "all is well") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// install fetches the client into a directory of its own.
func install(t *testing.T, dir string) {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir, jam)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("the npm registry does not give %s: %v\n%s", jam, err, out)
	}
}

// whole runs a system with one account for as long as f takes.
func whole(t *testing.T, f func(at string)) {
	t.Helper()
	c := config.Default(t.TempDir())
	c.Hostname = "mx.one.example"
	c.Listen = config.Listen{HTTPS: config.Addresses{"127.0.0.1:0"}, LMTPSocketMode: c.Listen.LMTPSocketMode}
	c.Doctor.Every, c.DKIM.Enabled = 0, false
	log := slog.New(slog.DiscardHandler)
	op, closer, err := app.OpenOffline(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	_, err = op.AddAccount(t.Context(), admin.NewAccount{Address: address, Password: password, CreateDomain: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"hello one", "hello two", "hello three"} {
		_, err := op.Send(t.Context(), admin.SendRequest{Account: address, To: []string{address}}, strings.NewReader("Subject: "+subject+"\r\n\r\nfirst mail\r\n"))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	err = app.Serve(ctx, c, log, func(list app.Addresses) {
		f(list[0].Address)
		stop()
	})
	if err != nil {
		t.Fatal(err)
	}
}

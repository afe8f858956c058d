package obs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/postrider/postrider/infra/obs"
	"github.com/postrider/postrider/mail"
)

func logger(t *testing.T, cfg obs.Config) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	var b bytes.Buffer
	cfg.Output = &b
	log, err := obs.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return log, &b
}

const hidden = "hunter2"

type shy struct{ v slog.Value }

func (s shy) LogValue() slog.Value { return s.v }

// Secrets must not be written, however they are given.
func TestSecretsAreNeverWritten(t *testing.T) {
	t.Parallel()
	for _, format := range []obs.Format{obs.Text, obs.JSON} {
		for name, say := range map[string]func(*slog.Logger){
			"attribute":         func(l *slog.Logger) { l.Info("x", "password", hidden) },
			"letter case":       func(l *slog.Logger) { l.Info("x", "Authorization", hidden) },
			"part of a name":    func(l *slog.Logger) { l.Info("x", "smtp_password_old", hidden) },
			"With":              func(l *slog.Logger) { l.With("token", hidden).Info("x") },
			"in a group":        func(l *slog.Logger) { l.Info("x", slog.Group("user", "name", "ann", "pass", hidden)) },
			"in a secret group": func(l *slog.Logger) { l.Info("x", slog.Group("secrets", "one", hidden)) },
			"under WithGroup":   func(l *slog.Logger) { l.WithGroup("credentials").With("a", hidden).Info("x", "b", hidden) },
			"deep group":        func(l *slog.Logger) { l.WithGroup("cookie").WithGroup("y").Info("x", "b", hidden) },
			"LogValuer":         func(l *slog.Logger) { l.Info("x", "who", shy{slog.GroupValue(slog.String("apikey", hidden))}) },
			"group's LogValuer": func(l *slog.Logger) {
				l.Info("x", slog.Group("g", "who", shy{slog.AnyValue(mail.Credential{Hash: hidden})}))
			},
			"structure": func(l *slog.Logger) { l.Info("x", "c", mail.Credential{Hash: hidden, Label: hidden}) },
			"pointer":   func(l *slog.Logger) { l.Info("x", "c", &mail.Credential{Hash: hidden}) },
			"list":      func(l *slog.Logger) { l.Info("x", "c", []mail.Credential{{Hash: hidden}}) },
			"map":       func(l *slog.Logger) { l.Info("x", "c", map[string]string{"password": hidden}) },
			"octets":    func(l *slog.Logger) { l.Info("x", "response", []byte(hidden)) },
		} {
			log, out := logger(t, obs.Config{Format: format})
			say(log)
			if out.Len() == 0 || strings.Contains(out.String(), hidden) {
				t.Errorf("%s, %s: wrote %q", format, name, out)
			}
		}
	}
}

func TestTextLine(t *testing.T) {
	t.Parallel()
	log, out := logger(t, obs.Config{})
	role := obs.Role(log, "mta/inbound").With("session", 7).WithGroup("peer").With("name", "mx.test")
	role.Warn("refused\r\nfake line \x1b[31m “ok” \"q\"", "ip", netip.MustParseAddr("192.0.2.1"), "error", errors.New("a=b c"), "role", "x",
		"from", mail.Path("ann@a.test"), "list", []string{"a", "b"}, "took", 1500*time.Millisecond, "kind", mail.NotFound,
		slog.Group("tls", "on", true), "nil", nil, "empty", "", "at", time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC), "turn", "a\u202eb")
	line, rest, _ := strings.Cut(out.String(), " ")
	if _, err := time.Parse("2006-01-02T15:04:05.000Z", line); err != nil {
		t.Error(err)
	}
	want := `WARN  mta/inbound: refused\r\nfake line \x1b[31m “ok” "q" session=7 peer.name=mx.test peer.ip=192.0.2.1 peer.error="a=b c" ` +
		`peer.role=x peer.from=ann@a.test peer.list="a b" peer.took=1.5s peer.kind=not-found peer.tls.on=true peer.nil=nil peer.empty="" ` +
		`peer.at=2026-03-01T12:00:00.000000005Z peer.turn="a\u202eb"` + "\n"
	if rest != want {
		t.Errorf("\n got %s\nwant %s", rest, want)
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	var level slog.LevelVar
	log, out := logger(t, obs.Config{Level: &level})
	log.Debug("one")
	level.Set(slog.LevelDebug)
	log.Debug("two")
	if strings.Contains(out.String(), "one") || !strings.Contains(out.String(), "two") {
		t.Errorf("wrote %s", out)
	}
	for word, want := range map[string]slog.Level{"": slog.LevelInfo, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if got, err := obs.ParseLevel(word); err != nil || got != want {
			t.Errorf("ParseLevel(%q): %v, %v", word, got, err)
		}
	}
	if _, err := obs.ParseLevel("loud"); !mail.Is(err, mail.Invalid) {
		t.Errorf("ParseLevel(loud): %v", err)
	}
	if _, err := obs.New(obs.Config{Format: "xml"}); !mail.Is(err, mail.Invalid) {
		t.Errorf("New(xml): %v", err)
	}
}

// Colour is for terminals: a file and a pipe get none.
func TestNoColourOutsideTerminals(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := obs.New(obs.Config{Output: w})
	if err != nil {
		t.Fatal(err)
	}
	log.Error("x", "a", 1)
	w.Close()
	b, err := io.ReadAll(r)
	if err != nil || strings.ContainsRune(string(b), '\x1b') || !strings.HasSuffix(string(b), "ERROR x a=1\n") {
		t.Errorf("wrote %q, %v", b, err)
	}
}

// The redacting handler keeps slog's own rules for handlers.
func TestSlogRules(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := slogtest.TestHandler(obs.Redact(slog.NewJSONHandler(&b, nil)), func() []map[string]any {
		var out []map[string]any
		for line := range bytes.Lines(b.Bytes()) {
			var m map[string]any
			if err := json.Unmarshal(line, &m); err != nil {
				t.Fatal(err)
			}
			out = append(out, m)
		}
		return out
	})
	if err != nil {
		t.Error(err)
	}
}

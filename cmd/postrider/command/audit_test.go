package command

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/audit"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/store"
)

// run runs a command, made by its function, on the store of a directory.
func runAudit(t *testing.T, dir string, args ...string) (out string, err error) {
	t.Helper()
	var o strings.Builder
	s := &session{Env: Env{In: strings.NewReader(""), Out: &o, Err: io.Discard, Getenv: func(string) string { return "" }, Now: time.Now, Backend: Backend{
		Open: func(ctx context.Context, cfg config.Config, log *slog.Logger) (admin.Operator, io.Closer, error) {
			s, err := store.Open(ctx, store.Options{Dir: cfg.Data, Log: log})
			if err != nil {
				return nil, nil, err
			}
			return admin.New(admin.Parts{Journal: s, Directory: s, Mailboxes: s, Queue: s, Trail: s}), s, nil
		}}}}
	root := s.root()
	if have, _, findErr := root.Find([]string{"audit"}); findErr != nil || have.Name() != "audit" {
	}
	root.SetArgs(append([]string{"--data", dir}, args...))
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	err = root.ExecuteContext(t.Context())
	return o.String(), err
}

// TestAudit: what commands do is recorded on the real store, under the user who runs them, and told.
func TestAudit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	if _, err := runAudit(t, dir, "audit"); err == nil || !strings.Contains(err.Error(), "no data directory") {
		t.Errorf("without a store: %v", err)
	}
	for _, args := range [][]string{{"domain", "add", "Example.test"}, {"domain", "add", "two.test", "--catch-all", "x@far.test"}} {
		if _, err := runAudit(t, dir, args...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := runAudit(t, dir, "domain", "add", "example.test"); err == nil {
		t.Fatal("a domain was added twice")
	}
	out, err := runAudit(t, dir, "audit")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	me := audit.Process(audit.WayCommand).Name + " (command)"
	if err != nil || len(lines) != 4 || !strings.Contains(lines[1], "example.test") || !strings.Contains(lines[1], "refused: domain example.test is served here already") ||
		!strings.Contains(lines[2], "catch-all to x@far.test") || !strings.Contains(lines[3], me) || !strings.HasSuffix(lines[3], "done") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = runAudit(t, dir, "audit", "--json", "--subject", "two", "--since", "1h", "--act", "domain", "--actor", strings.Fields(me)[0], "--outcome", "done")
	var list admin.AuditList
	if e := json.Unmarshal([]byte(out), &list); e != nil || err != nil || len(list.Entries) != 1 || list.Entries[0].Subject != "two.test" {
		t.Errorf("%v, %v\n%s", e, err, out)
	}
	if out, err = runAudit(t, dir, "audit", "--limit", "1"); err != nil || !strings.Contains(out, "go on with --after ") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = runAudit(t, dir, "audit", "--until", "2d"); err != nil || out != "Nothing is recorded.\n" {
		t.Errorf("%v\n%s", err, out)
	}
	var usage usageError
	if _, err = runAudit(t, dir, "audit", "--since", "yesterday"); !errors.As(err, &usage) {
		t.Errorf("%v", err)
	}
}

func TestWhen(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := &session{Env: Env{Now: func() time.Time { return now }}}
	for text, want := range map[string]time.Time{
		"90m": now.Add(-90 * time.Minute), "2h": now.Add(-2 * time.Hour), "7d": now.AddDate(0, 0, -7), "0d": now,
		"2026-11-01T10:30Z": time.Date(2026, 11, 1, 10, 30, 0, 0, time.UTC), "2026-11-01T10:30:05+01:00": time.Date(2026, 11, 1, 9, 30, 5, 0, time.UTC),
		"2026-11-01": time.Date(2026, 11, 1, 0, 0, 0, 0, time.Local), "2026-11-01 10:30": time.Date(2026, 11, 1, 10, 30, 0, 0, time.Local),
	} {
		if got, err := s.when(text); err != nil || got == nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"soon", "-2h", "-1d", "2026-13-01", "9999999d"} {
		if got, err := s.when(text); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
	if got, err := s.when(""); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

package limits_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/limits"
	"github.com/postrider/postrider/testkit/clock"
)

// memory is mail.Notes and mail.Journal of notes, in memory.
type memory struct {
	clock mail.Clock
	mu    sync.Mutex
	of    map[string]mail.Note // by kind, zero, key
	fail  error                // what everything fails with
	reads int
}

func newMemory(c mail.Clock) *memory { return &memory{clock: c, of: map[string]mail.Note{}} }

func (m *memory) get(kind, key string) (mail.Note, bool) {
	n, ok := m.of[kind+"\x00"+key]
	if ok && !n.Expires.IsZero() && !m.clock.Now().Before(n.Expires) {
		return mail.Note{}, false
	}
	return n, ok
}

func (m *memory) Note(_ context.Context, kind, key string) (mail.Note, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.fail != nil {
		return mail.Note{}, m.fail
	}
	if n, ok := m.get(kind, key); ok {
		return n, nil
	}
	return mail.Note{}, mail.Errorf(mail.NotFound, "no note")
}

func (m *memory) Notes(_ context.Context, q mail.NoteQuery) ([]mail.Note, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	var out []mail.Note
	for _, n := range m.of {
		if _, ok := m.get(n.Kind, n.Key); ok && n.Kind == q.Kind && strings.HasPrefix(n.Key, q.Prefix) && n.Key > q.After {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b mail.Note) int { return strings.Compare(a.Key, b.Key) })
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out, nil
}

func (m *memory) Commit(_ context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return mail.Receipt{}, m.fail
	}
	for i, c := range set.Changes {
		switch c := c.(type) {
		case mail.PutNote:
			have, ok := m.get(c.Note.Kind, c.Note.Key)
			if c.If == mail.NoteAbsent && ok {
				return mail.Receipt{}, &mail.ChangeError{Index: i, Err: mail.Errorf(mail.Exists, "exists")}
			}
			if c.If == mail.NoteIs && !(ok && bytes.Equal(have.Value, c.Was)) {
				return mail.Receipt{}, &mail.ChangeError{Index: i, Err: mail.Errorf(mail.Conflict, "changed")}
			}
			m.of[c.Note.Kind+"\x00"+c.Note.Key] = c.Note
		case mail.RemoveNote:
			delete(m.of, c.Kind+"\x00"+c.Key)
		}
	}
	return mail.Receipt{}, nil
}

// secret is the installation's.
var secret = []byte("the secret of this test")

// config is what tests begin with: three wrong passwords, ten minutes, a quarter of an hour.
func config(m *memory) limits.Config {
	return limits.Config{LoginFailures: 3, LoginWindow: 10 * time.Minute, BanFor: 15 * time.Minute, Notes: m, Journal: m, Clock: m.clock, Secret: secret}
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// refused fails the test unless err is a refusal that a person can use.
func refused(t testing.TB, err error, enhanced, page string) {
	t.Helper()
	e, ok := err.(*mail.Error)
	if !ok || e.Kind != mail.TooMany || e.Enhanced != enhanced || !strings.Contains(e.Text, "docs/problems.md#"+page) {
		t.Errorf("the answer is %v, want a refusal %s that leads to %s", err, enhanced, page)
	}
}

// tester is a test or one run of a property.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
}

func passes(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("refused: %v", err)
	}
}

func newLimits(t testing.TB, change func(*limits.Config)) (*limits.Limits, *clock.Clock, *memory) {
	t.Helper()
	c := clock.New()
	m := newMemory(c)
	cfg := config(m)
	if change != nil {
		change(&cfg)
	}
	return limits.New(cfg), c, m
}

// logs is a log whose text can be looked at.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

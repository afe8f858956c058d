// Package logs is a log/slog logger for tests: it shows what was logged, and fails the test for every warning or error
// that the test did not announce.
//
// It takes the records of whatever is under test and hands them to the test's own log. Invariants: an announcement that nothing
// came for fails the test too; what is logged after the test ended is dropped, not a panic. For tests only.
package logs

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Log is what was logged, and what may be.
type Log struct {
	t testing.TB

	mu       sync.Mutex
	over     bool
	lines    []string
	expected []*announced
	logger   *slog.Logger
}

// announced is a part of a line that a warning or error may have.
type announced struct {
	part string
	seen bool
}

// New makes a logger for a test. Everything from Debug up is taken.
func New(t testing.TB) *Log {
	l := &Log{t: t}
	l.logger = slog.New(&handler{log: l})
	t.Cleanup(l.end)
	return l
}

// Logger is what to give to the code under test.
func (l *Log) Logger() *slog.Logger { return l.logger }

// Expect announces warnings and errors whose line contains part; there must be one at least until the test ends.
func (l *Log) Expect(part string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected = append(l.expected, &announced{part: part})
}

// Lines gives what was logged so far, one line each: "LEVEL message name=value ...".
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// Contains reports whether a line has the part.
func (l *Log) Contains(part string) bool {
	return slices.ContainsFunc(l.Lines(), func(s string) bool { return strings.Contains(s, part) })
}

func (l *Log) add(level slog.Level, line string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.lines = append(l.lines, line)
	if level >= slog.LevelWarn {
		ok := false
		for _, e := range l.expected {
			if strings.Contains(line, e.part) {
				e.seen, ok = true, true
			}
		}
		if !ok {
			l.t.Errorf("logged without having been announced: %s", line)
			return
		}
	}
	l.t.Log(line)
}

func (l *Log) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for _, e := range l.expected {
		if !e.seen {
			l.t.Errorf("no warning or error says %q", e.part)
		}
	}
}

// handler writes records with slog's own text form, less the time.
type handler struct {
	log  *Log
	with []func(slog.Handler) slog.Handler
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	var b bytes.Buffer
	var text slog.Handler = slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: bare})
	for _, with := range h.with {
		text = with(text)
	}
	if err := text.Handle(ctx, r); err != nil {
		return err
	}
	line := r.Level.String() + " " + r.Message
	if attrs := strings.TrimSpace(b.String()); attrs != "" {
		line += " " + attrs
	}
	h.log.add(r.Level, line)
	return nil
}

// bare leaves out what the line begins with anyhow.
func bare(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(n slog.Handler) slog.Handler { return n.WithAttrs(attrs) })
}

func (h *handler) WithGroup(name string) slog.Handler {
	return h.and(func(n slog.Handler) slog.Handler { return n.WithGroup(name) })
}

func (h *handler) and(with func(slog.Handler) slog.Handler) slog.Handler {
	return &handler{log: h.log, with: append(slices.Clone(h.with), with)}
}

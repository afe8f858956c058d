package obs

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// text writes lines for people:
//
//	2026-03-01T12:00:00.000Z INFO  mta/inbound: accepted trace=… size=1234
type text struct {
	out    *output
	level  slog.Leveler
	colour bool
	role   string
	prefix string // the open groups, each with a dot
	attrs  string // those of WithAttrs, written already
}

// output is shared by all handlers made of one.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

func newText(w io.Writer, level slog.Leveler, colour bool) *text {
	return &text{out: &output{w: w}, level: level, colour: colour}
}

func (h *text) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *text) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

func (h *text) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	var b []byte
	for _, a := range attrs {
		b = c.attr(b, c.prefix, a, &c.role)
	}
	c.attrs += string(b)
	return &c
}

// The colours, as terminals take them.
const (
	plainColour = "\x1b[0m"
	grey        = "\x1b[90m"
	red         = "\x1b[31m"
	yellow      = "\x1b[33m"
	blue        = "\x1b[34m"
)

func (h *text) Handle(_ context.Context, r slog.Record) error {
	role := h.role
	var attrs []byte
	r.Attrs(func(a slog.Attr) bool {
		attrs = h.attr(attrs, h.prefix, a, &role)
		return true
	})
	b := make([]byte, 0, 256)
	if !r.Time.IsZero() {
		b = h.paint(b, grey, r.Time.UTC().Format("2006-01-02T15:04:05.000Z"))
		b = append(b, ' ')
	}
	colour := ""
	switch {
	case r.Level >= slog.LevelError:
		colour = red
	case r.Level >= slog.LevelWarn:
		colour = yellow
	case r.Level < slog.LevelInfo:
		colour = grey
	}
	level := r.Level.String()
	b = h.paint(b, colour, level)
	b = append(b, "      "[min(len(level), 5):]...)
	if role != "" {
		b = h.paint(b, blue, escape(role))
		b = append(b, ": "...)
	}
	b = append(b, escape(r.Message)...)
	b = append(b, h.attrs...)
	b = append(b, attrs...)
	b = append(b, '\n')
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(b)
	return err
}

func (h *text) paint(b []byte, colour, s string) []byte {
	if !h.colour || colour == "" {
		return append(b, s...)
	}
	return append(append(append(b, colour...), s...), plainColour...)
}

// attr appends " name=value"; the role outside of groups goes to the front of the line instead.
func (h *text) attr(b []byte, prefix string, a slog.Attr, role *string) []byte {
	v := a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
		return b
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			b = h.attr(b, prefix, g, role)
		}
		return b
	case prefix == "" && a.Key == RoleKey:
		*role = v.String()
		return b
	}
	b = append(b, ' ')
	b = h.paint(b, grey, quoted(prefix+a.Key)+"=")
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().UTC().AppendFormat(b, time.RFC3339Nano)
	case slog.KindDuration:
		return append(b, v.Duration().String()...)
	}
	return append(b, quoted(v.String())...)
}

// quoted puts quotes around what could be misread.
func quoted(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || strange(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// escape keeps a sentence readable, and on its line.
func escape(s string) string {
	if !strings.ContainsFunc(s, strange) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// strange are the characters that could end a line, move a cursor or turn text around.
func strange(r rune) bool {
	return r == utf8.RuneError || !unicode.IsPrint(r) || slices.Contains([]rune{'\u2028', '\u2029'}, r)
}

package obs

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Bounds of a Tail.
const (
	DefaultTail = 2000 // lines that are kept
	MaxReaders  = 16   // who follow at once
	backlog     = 512  // lines that wait for one reader; the rest of a flood it does not see
	maxTailText = 2 << 10
	maxTailRest = 4 << 10
)

// Line is one line of the log.
type Line struct {
	Seq   uint64    `json:"seq"` // counts from 1 since the process began
	At    time.Time `json:"at"`
	Level string    `json:"level"`
	Role  string    `json:"role,omitempty"`
	Text  string    `json:"text"`
	Attrs string    `json:"attrs,omitempty"` // as the text format has them: name=value name=value

	level slog.Level
}

// Tail keeps the latest lines of the log in memory, and hands new ones to those who follow. Its memory is bounded, a reader that is slow
// loses lines, and nobody who logs ever waits for a reader. It is for any number of goroutines.
type Tail struct {
	mu      sync.Mutex
	ring    []Line
	seq     uint64 // of the latest
	readers map[*Reader]bool
}

// NewTail makes one that keeps so many lines; 0 is DefaultTail.
func NewTail(lines int) *Tail {
	if lines <= 0 {
		lines = DefaultTail
	}
	return &Tail{ring: make([]Line, lines), readers: map[*Reader]bool{}}
}

// Handler gives a handler that hands every record to next and keeps it, without its secrets, in the tail. What next does not want is not kept
// either.
func (t *Tail) Handler(next slog.Handler) slog.Handler {
	return fan{next: next, tail: Redact(tailHandler{t: t, text: &text{}})}
}

// fan hands records to two handlers.
type fan struct{ next, tail slog.Handler }

func (f fan) Enabled(ctx context.Context, l slog.Level) bool { return f.next.Enabled(ctx, l) }

func (f fan) Handle(ctx context.Context, r slog.Record) error {
	_ = f.tail.Handle(ctx, r.Clone()) // it cannot fail
	return f.next.Handle(ctx, r)
}

func (f fan) WithAttrs(attrs []slog.Attr) slog.Handler {
	return fan{f.next.WithAttrs(attrs), f.tail.WithAttrs(attrs)}
}

func (f fan) WithGroup(name string) slog.Handler {
	return fan{f.next.WithGroup(name), f.tail.WithGroup(name)}
}

// tailHandler makes lines of records; text knows the attributes of With.
type tailHandler struct {
	t    *Tail
	text *text
}

func (h tailHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h tailHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tailHandler{h.t, h.text.WithAttrs(attrs).(*text)}
}

func (h tailHandler) WithGroup(name string) slog.Handler {
	return tailHandler{h.t, h.text.WithGroup(name).(*text)}
}

func (h tailHandler) Handle(_ context.Context, r slog.Record) error {
	role := h.text.role
	rest := []byte(h.text.attrs)
	r.Attrs(func(a slog.Attr) bool {
		rest = h.text.attr(rest, h.text.prefix, a, &role)
		return len(rest) < maxTailRest
	})
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	h.t.add(Line{At: at.UTC(), Level: strings.ToLower(r.Level.String()), Role: escape(role), Text: bounded(escape(r.Message), maxTailText),
		Attrs: bounded(strings.TrimPrefix(string(rest), " "), maxTailRest), level: r.Level})
	return nil
}

// bounded cuts a text that is too long.
func bounded(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// add keeps a line and offers it to all readers.
func (t *Tail) add(l Line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq++
	l.Seq = t.seq
	t.ring[l.Seq%uint64(len(t.ring))] = l
	for r := range t.readers {
		select {
		case r.lines <- l:
		default:
			r.lost++
		}
	}
}

// LineFilter says which lines are wanted. Its zero value is all of them.
type LineFilter struct {
	Level slog.Leveler // and worse; nil: every level
	Role  string       // this part of the system and those below it: "mta" has "mta/inbound"
	Text  string       // what the line must have in it, in any letter case
}

// Has tells whether a line is wanted.
func (f LineFilter) Has(l Line) bool {
	if f.Level != nil && l.level < f.Level.Level() {
		return false
	}
	if f.Role != "" && l.Role != f.Role && !strings.HasPrefix(l.Role, f.Role+"/") {
		return false
	}
	if f.Text == "" {
		return true
	}
	want := strings.ToLower(f.Text)
	return strings.Contains(strings.ToLower(l.Text), want) || strings.Contains(strings.ToLower(l.Attrs), want)
}

// Reader follows a Tail. It must be closed.
type Reader struct {
	t     *Tail
	first []Line
	lines chan Line
	lost  int // under the tail's mu
}

// Follow begins to follow after the line with that number: what is kept of later ones comes first. A number that no line has had
// yet, as one from before a restart, stands for 0. It gives nil when MaxReaders follow already.
func (t *Tail) Follow(after uint64) *Reader {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.readers) >= MaxReaders {
		return nil
	}
	if after > t.seq {
		after = 0
	}
	kept := uint64(len(t.ring))
	if t.seq > kept {
		after = max(after, t.seq-kept)
	}
	r := &Reader{t: t, lines: make(chan Line, backlog)}
	for n := after + 1; n <= t.seq; n++ {
		r.first = append(r.first, t.ring[n%kept])
	}
	t.readers[r] = true
	return r
}

// Kept gives the lines that were there when the reader began to follow, the oldest first.
func (r *Reader) Kept() []Line { return r.first }

// Lines gives new lines as they are logged.
func (r *Reader) Lines() <-chan Line { return r.lines }

// Lost tells how many lines the reader did not get since it asked last, because it was slow.
func (r *Reader) Lost() int {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	n := r.lost
	r.lost = 0
	return n
}

// Close ends following.
func (r *Reader) Close() {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	delete(r.t.readers, r)
}

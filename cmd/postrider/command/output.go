package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postrider/postrider/admin"
)

// palette colours words, where a terminal shows colours.
type palette struct{ on bool }

func coloursWanted(getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

func (p palette) in(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p palette) strong(s string) string { return p.in("1", s) }
func (p palette) faint(s string) string  { return p.in("2", s) }
func (p palette) good(s string) string   { return p.in("32", s) }
func (p palette) warn(s string) string   { return p.in("33", s) }
func (p palette) bad(s string) string    { return p.in("31", s) }

// outcome colours an outcome or state by how well it went.
func (p palette) outcome(s string) string {
	switch strings.TrimSpace(s) {
	case "delivered", "relayed", "accepted":
		return p.good(s)
	case "deferred", "queued", "waiting", "held", "reported":
		return p.warn(s)
	case "bounced", "rejected":
		return p.bad(s)
	}
	return s
}

// show writes the answer: v as JSON, or what text writes.
func (s *session) show(v any, text func(w io.Writer)) error {
	if s.json {
		e := json.NewEncoder(s.Out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	var b strings.Builder
	text(&b)
	_, err := io.WriteString(s.Out, b.String())
	return err
}

// warnings tells what works, but hardly as meant. JSON has them in the answer.
func (s *session) warnings(list []string) {
	if s.json {
		return
	}
	yellow := palette{on: s.ErrTerminal && coloursWanted(s.Getenv)}
	for _, w := range list {
		fmt.Fprintf(s.Err, "%s %s\n", yellow.warn("note:"), safe(w))
	}
}

// note tells a person what is going on. It is left out with --json.
func (s *session) note(format string, args ...any) {
	if !s.json {
		fmt.Fprintf(s.Err, format+"\n", args...)
	}
}

// table is rows of cells in aligned columns.
type table struct {
	paint palette
	head  []string
	rows  [][]cell
	right map[int]bool // columns aligned to the right
}

// cell is a text with the colour it gets once it is padded.
type cell struct {
	text   string
	colour func(string) string
}

func (s *session) table(head ...string) *table {
	return &table{paint: s.paint, head: head, right: map[int]bool{}}
}

// numbers aligns columns to the right.
func (t *table) numbers(columns ...int) *table {
	for _, c := range columns {
		t.right[c] = true
	}
	return t
}

// row adds a row; a cell is a string, a cell or a number.
func (t *table) row(values ...any) {
	row := make([]cell, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case cell:
			v.text = safe(v.text)
			row[i] = v
		default:
			row[i] = cell{text: safe(fmt.Sprint(v))}
		}
	}
	t.rows = append(t.rows, row)
}

// write gives the table, or nothing when it has no rows.
func (t *table) write(w io.Writer) {
	if len(t.rows) == 0 {
		return
	}
	widths := make([]int, len(t.head))
	for i, h := range t.head {
		widths[i] = width(h)
	}
	for _, r := range t.rows {
		for i, c := range r {
			widths[i] = max(widths[i], width(c.text))
		}
	}
	heads := make([]cell, len(t.head))
	for i, h := range t.head {
		heads[i] = cell{text: h, colour: t.paint.faint}
	}
	for _, r := range append([][]cell{heads}, t.rows...) {
		var line strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", widths[i]-width(c.text))
			text := c.text
			if c.colour != nil {
				text = c.colour(text)
			}
			switch {
			case t.right[i]:
				text = pad + text
			case i < len(r)-1:
				text += pad
			}
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(text)
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// width is how many columns a text takes, near enough: East Asian wide characters take two.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
		case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana):
			n += 2
		default:
			n++
		}
	}
	return n
}

// safe makes a text that came from elsewhere harmless to a terminal and keeps it on one line.
func safe(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unsafe) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unsafe(r):
			return '\ufffd'
		}
		return r
	}, s)
}

// unsafe reports control characters, and those that turn the direction of writing.
func unsafe(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// octets is a size for people.
func octets(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f /= 1024
		u++
	}
	if u == 0 || f >= 100 {
		return fmt.Sprintf("%.0f %s", f, units[u])
	}
	return strings.Replace(fmt.Sprintf("%.1f %s", f, units[u]), ".0 ", " ", 1)
}

// span is a length of time for people, in its one or two largest units.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 10*time.Minute:
		return trimZero(fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60), "m0s", "m")
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 10*time.Hour:
		return trimZero(fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60), "h0m", "h")
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

func trimZero(s, suffix, short string) string {
	if strings.HasSuffix(s, suffix) {
		return strings.TrimSuffix(s, suffix) + short
	}
	return s
}

// ago is a past time for people.
func (s *session) ago(t time.Time) string {
	d := s.Now().Sub(t)
	if d < time.Second {
		return "now"
	}
	return span(d) + " ago"
}

// until is a coming time for people.
func (s *session) until(t *time.Time) string {
	if t == nil {
		return ""
	}
	d := t.Sub(s.Now())
	if d < time.Second {
		return "now"
	}
	return "in " + span(d)
}

func quota(n int64) string {
	if n == 0 {
		return "none"
	}
	return octets(n)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// sender names a reverse-path; reports have none.
func sender(from string) string {
	if from == "" {
		return "<>"
	}
	return from
}

// services lists listeners, a line each.
func services(w io.Writer, t *table, list []admin.Listener) {
	for _, l := range list {
		t.row(l.Service, l.Address)
	}
	t.write(w)
}

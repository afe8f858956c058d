package terminal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal/plain"
)

// reading is a message that is open.
type reading struct {
	email client.Email
	zone  *time.Location
	lines []string
	head  int // lines of the header
	top   int
	files int // the cursor among the attachments
}

// lay breaks the message into lines of a width.
func (r *reading) lay(width int) {
	head := header(r.email, r.zone)
	r.lines = nil
	for _, f := range head {
		const name = 9
		for i, l := range plain.Wrap(f[1], width-name-1) {
			if i > 0 {
				f[0] = ""
			}
			r.lines = append(r.lines, " "+plain.Fit(f[0], name-1)+l)
		}
	}
	r.head = len(r.lines)
	r.lines = append(r.lines, "")
	text, cut := textOf(r.email)
	if strings.TrimSpace(text) == "" {
		text = "(This message has no text.)"
	}
	for _, l := range plain.Wrap(text, width-2) {
		r.lines = append(r.lines, " "+l)
	}
	if cut {
		r.lines = append(r.lines, "", " (The text is longer than this; what is missing can be read in the webmail.)")
	}
}

// header are the fields of a message that people read, with their names.
func header(e client.Email, zone *time.Location) (out [][2]string) {
	add := func(name, value string) {
		if value != "" {
			out = append(out, [2]string{name, value})
		}
	}
	add("From", fulls(e.From))
	if len(e.ReplyTo) > 0 && !slices.Equal(e.ReplyTo, e.From) {
		add("Reply to", fulls(e.ReplyTo))
	}
	add("To", fulls(e.To))
	add("Cc", fulls(e.Cc))
	add("Bcc", fulls(e.Bcc))
	add("Date", dated(e).In(zone).Format("Mon, 2 Jan 2006 15:04 -0700"))
	subject := plain.Line(e.Subject)
	if subject == "" {
		subject = "(no subject)"
	}
	add("Subject", subject)
	var files []string
	for i, f := range e.Files {
		files = append(files, fmt.Sprintf("[%d] %s, %s", i+1, fileName(f), octets(f.Size)))
	}
	add("Files", strings.Join(files, "; "))
	return out
}

// dated is when a message was written, or where that is not known came.
func dated(e client.Email) time.Time {
	if t, err := time.Parse(time.RFC3339, e.Sent); err == nil {
		return t
	}
	return e.Received
}

func fileName(p client.Part) string {
	if n := plain.Line(p.Name); n != "" {
		return n
	}
	return "a file of type " + plain.Line(p.Type)
}

// octets is a size for people.
func octets(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%.0f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

func (r *reading) scroll(by, room int) {
	r.top = max(0, min(r.top+by, len(r.lines)-room))
}

// apply brings a patch of keywords or mailboxes to the message.
func (r *reading) apply(p client.Patch) {
	for name, v := range p {
		if k, ok := strings.CutPrefix(name, "keywords/"); ok {
			r.email.Keywords = with(r.email.Keywords, k, v != nil)
		}
		if set, ok := v.(map[string]bool); ok && name == "mailboxIds" {
			r.email.Mailboxes = set
		}
	}
}

func (m *Model) messageKey(name string) tea.Cmd {
	room := m.room()
	r := m.open
	switch name {
	case "j", "down", "enter":
		r.scroll(1, room)
	case "k", "up":
		r.scroll(-1, room)
	case "pgdown", "space", "ctrl+f":
		r.scroll(room-1, room)
	case "pgup", "ctrl+b", "-":
		r.scroll(1-room, room)
	case "ctrl+d":
		r.scroll(room/2, room)
	case "ctrl+u":
		r.scroll(-room/2, room)
	case "g", "home":
		r.scroll(-len(r.lines), room)
	case "G", "end":
		r.scroll(len(r.lines), room)
	case "n", "J", "tab":
		return m.next(1)
	case "p", "K", "shift+tab":
		return m.next(-1)
	case "o", "l", "right":
		if len(r.email.Files) == 0 {
			m.said = "This message has no attachments."
			return nil
		}
		r.files = min(r.files, len(r.email.Files)-1)
		m.screen = onFiles
	case "q", "esc", "h", "left":
		m.screen, m.open = onList, nil
	}
	return nil
}

// next reads the next message of the list, or the one before.
func (m *Model) next(by int) tea.Cmd {
	was := m.list.cursor
	cmd := m.move(by)
	if m.list.cursor == was {
		m.said = map[bool]string{true: "This is the last message.", false: "This is the first message."}[by > 0]
		return cmd
	}
	e, ok := m.list.rows[m.list.cursor]
	if !ok {
		return cmd
	}
	return tea.Batch(cmd, m.get(e.ID, "open"))
}

func (m *Model) messageView(room int) []string {
	r := m.open
	r.scroll(0, room)
	var out []string
	for i := r.top; i < min(r.top+room, len(r.lines)); i++ {
		line := plain.Cut(r.lines[i], m.width)
		switch {
		case i < r.head:
			line = styleHead.Render(line)
		case strings.HasPrefix(strings.TrimSpace(line), ">"):
			line = styleQuote.Render(line)
		}
		out = append(out, line)
	}
	return out
}

package terminal

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal/plain"
)

// picker is the list of mailboxes, to open one or to move a message there.
type picker struct {
	cursor, top int
	moving      *client.Email // nil: one is opened
	from        screen
}

func (m *Model) choose(moving bool) tea.Cmd {
	m.pick = picker{from: m.screen}
	if moving {
		if e := m.current(); e != nil {
			c := *e
			m.pick.moving = &c
		}
	}
	m.pick.cursor = max(0, slices.IndexFunc(m.boxes, func(b client.Mailbox) bool { return b.ID == m.list.mailbox }))
	m.screen = onBoxes
	return m.loadBoxes()
}

func (m *Model) boxesKey(name string) tea.Cmd {
	p := &m.pick
	switch name {
	case "j", "down", "ctrl+n":
		p.cursor++
	case "k", "up", "ctrl+p":
		p.cursor--
	case "g", "home":
		p.cursor = 0
	case "G", "end":
		p.cursor = len(m.boxes)
	case "pgdown", "space", "ctrl+d":
		p.cursor += m.room()
	case "pgup", "ctrl+u":
		p.cursor -= m.room()
	case "esc", "q", "h", "left", "tab", "b":
		m.screen = p.from
	case "?":
		m.before, m.screen = onBoxes, onHelp
	case "enter", "l", "right", "o":
		if p.cursor >= len(m.boxes) {
			break
		}
		b := m.boxes[p.cursor]
		if p.moving == nil {
			return m.enter(b)
		}
		m.screen = p.from
		return m.file(*p.moving, b, "Moved to "+boxName(b)+".")
	}
	p.cursor = max(0, min(p.cursor, len(m.boxes)-1))
	return nil
}

func boxName(b client.Mailbox) string { return plain.Line(b.Name) }

// path is a mailbox with those it lies in.
func path(boxes []client.Mailbox, b client.Mailbox) string {
	names := []string{boxName(b)}
	for range 20 {
		i := slices.IndexFunc(boxes, func(o client.Mailbox) bool { return o.ID == b.Parent })
		if b.Parent == "" || i < 0 {
			break
		}
		b = boxes[i]
		names = append([]string{boxName(b)}, names...)
	}
	return strings.Join(names, "/")
}

// Find gives the mailbox that people mean: by its role, its name, or the path of its names.
func Find(boxes []client.Mailbox, name string) (id string, ok bool) {
	for _, same := range []func(client.Mailbox) bool{
		func(b client.Mailbox) bool { return strings.EqualFold(b.Role, name) && name != "" },
		func(b client.Mailbox) bool { return strings.EqualFold(path(boxes, b), name) },
		func(b client.Mailbox) bool { return strings.EqualFold(b.Name, name) },
	} {
		if i := slices.IndexFunc(boxes, same); i >= 0 {
			return boxes[i].ID, true
		}
	}
	return "", false
}

func depth(boxes []client.Mailbox, b client.Mailbox) int {
	return min(strings.Count(path(boxes, b), "/"), 8)
}

func (m *Model) boxesView(room int) []string {
	p := &m.pick
	if p.cursor < p.top {
		p.top = p.cursor
	}
	if p.cursor >= p.top+room {
		p.top = p.cursor - room + 1
	}
	var out []string
	for i := p.top; i < min(p.top+room, len(m.boxes)); i++ {
		b := m.boxes[i]
		count := fmt.Sprintf("%d", b.Total)
		if b.Unread > 0 {
			count = fmt.Sprintf("%d new of %d", b.Unread, b.Total)
		}
		left := " " + strings.Repeat("  ", depth(m.boxes, b)) + boxName(b)
		line := mark(i == p.cursor) + plain.Fit(left, max(m.width-2-len(count), 8)) + count + " "
		out = append(out, m.line(line, i == p.cursor, b.Unread > 0))
	}
	return out
}

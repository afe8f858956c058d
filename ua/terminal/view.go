package terminal

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal/plain"
)

// The looks. bubbletea leaves out what the terminal cannot show, and colours where NO_COLOR is set.
var (
	styleBar    = lipgloss.NewStyle().Reverse(true)
	styleBold   = lipgloss.NewStyle().Bold(true)
	styleHead   = lipgloss.NewStyle().Foreground(lipgloss.Cyan)
	styleQuote  = lipgloss.NewStyle().Foreground(lipgloss.Green)
	styleFaint  = lipgloss.NewStyle().Faint(true)
	styleBad    = lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true)
	styleCursor = lipgloss.NewStyle().Reverse(true)
)

// View implements tea.Model.
func (m *Model) View() tea.View {
	v := tea.NewView(strings.Join(m.lines(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "Postrider"
	if n := m.box(m.list.mailbox).Unread; n > 0 {
		v.WindowTitle = fmt.Sprintf("Postrider (%d)", n)
	}
	return v
}

// lines are exactly as many as the terminal has: a bar, the contents, what keys there are, and what is said or asked.
func (m *Model) lines() []string {
	room := m.room()
	var body []string
	switch m.screen {
	case onList:
		body = m.listView(room)
	case onMessage:
		body = m.messageView(room)
	case onBoxes:
		body = m.boxesView(room)
	case onFiles:
		body = m.filesView(room)
	case onLetter:
		body = m.letterView(room)
	case onHelp:
		body = helpView(m.width)
	}
	body = body[:min(len(body), room)]
	for len(body) < room {
		body = append(body, "")
	}
	out := append([]string{m.bar()}, body...)
	return append(out, styleFaint.Render(plain.Cut(" "+m.keys(), m.width)), m.bottom())
}

func (m *Model) bar() string {
	b := m.box(m.list.mailbox)
	left := " " + boxName(b)
	switch {
	case m.screen == onHelp:
		left = " Help"
	case m.screen == onLetter:
		left = " A letter to be sent"
	case m.screen == onBoxes && m.pick.moving != nil:
		left = " Move “" + plain.Cut(plain.Line(m.pick.moving.Subject), 30) + "” to"
	case m.screen == onBoxes:
		left = " Mailboxes"
	case m.screen == onMessage || m.screen == onFiles:
		left += fmt.Sprintf(": %d of %d", m.list.cursor+1, m.list.total)
	case m.list.search != "":
		left = fmt.Sprintf(" %s, found %d", plain.Line(m.list.search), m.list.total)
	case b.Unread > 0:
		left += fmt.Sprintf(": %d new of %d", b.Unread, b.Total)
	case m.list.known:
		left += fmt.Sprintf(": %d", m.list.total)
	}
	right := plain.Line(m.o.User) + "  ?=help "
	if m.lost {
		right = "no connection for news  " + right
	}
	room := m.width - plain.Width(right) - 1
	if room < 12 {
		return styleBar.Render(plain.Fit(left, m.width))
	}
	return styleBar.Render(plain.Fit(left, room) + " " + right)
}

func (m *Model) keys() string {
	switch m.screen {
	case onMessage:
		return "q back  n/p next, previous  r reply  a all  f forward  e archive  d delete"
	case onBoxes:
		return "enter open  esc back"
	case onFiles:
		return "enter read with the pager  s save  q back"
	case onLetter:
		return "y send  e edit  a attach a file  d keep as a draft  q give it up"
	case onHelp:
		return "any key goes back"
	case onList:
	}
	if m.list.search != "" {
		return "enter read  esc end the search  / search  e archive  d delete  s star"
	}
	return "enter read  c compose  / search  b mailboxes  e archive  d delete  s star"
}

// bottom is the last line.
func (m *Model) bottom() string {
	if m.prompt != nil {
		return m.prompt.view(m.width)
	}
	text := plain.Cut(" "+m.said, m.width)
	if m.bad {
		return styleBad.Render(text)
	}
	return text
}

// mark stands before a line: the cursor is seen without colours, too.
func mark(on bool) string {
	if on {
		return ">"
	}
	return " "
}

// line renders a line of a list over the whole width.
func (m *Model) line(s string, cursor, bold bool) string {
	s = plain.Fit(s, m.width)
	switch {
	case cursor && bold:
		return styleCursor.Bold(true).Render(s)
	case cursor:
		return styleCursor.Render(s)
	case bold:
		return styleBold.Render(s)
	}
	return s
}

func (m *Model) listView(room int) []string {
	l := &m.list
	if !l.known || l.total == 0 {
		text := "Reading…"
		switch {
		case l.known && l.search != "":
			text = "Nothing was found."
		case l.known:
			text = "There is nothing here."
		}
		return []string{"", "  " + text}
	}
	var out []string
	role := m.box(l.mailbox).Role
	for i := l.top; i < min(l.top+room, l.total); i++ {
		e, ok := l.rows[i]
		if !ok {
			out = append(out, styleFaint.Render("   …"))
			continue
		}
		line := mark(i == l.cursor) + rowText(e, role, when(e.Received, m.o.Now()), m.width-1)
		out = append(out, m.line(line, i == l.cursor, !e.Keywords[client.Seen]))
	}
	return out
}

// signs are the marks of a message in a list: new, answered, forwarded or a draft; starred; with attachments.
func signs(e client.Email) string {
	out := []byte("   ")
	switch {
	case e.Keywords[client.Draft]:
		out[0] = 'D'
	case !e.Keywords[client.Seen]:
		out[0] = 'N'
	case e.Keywords[client.Answered]:
		out[0] = 'r'
	case e.Keywords[client.Forwarded]:
		out[0] = 'f'
	}
	if e.Keywords[client.Flagged] {
		out[1] = '*'
	}
	if e.Attached {
		out[2] = '@'
	}
	return string(out)
}

// who is the correspondent that a list shows: of what was sent, who it went to.
func who(e client.Email, role string) string {
	list := e.From
	to := ""
	if role == "sent" || role == "drafts" {
		list, to = e.To, "To: "
	}
	if len(list) == 0 {
		return to + "(nobody)"
	}
	return to + person(list[0])
}

func rowText(e client.Email, role, date string, width int) string {
	const dateWidth = 10
	names := max(10, min(26, width/4))
	subject := plain.Line(e.Subject)
	if subject == "" {
		subject = "(no subject)"
	}
	if preview := plain.Line(e.Preview); preview != "" {
		subject += " · " + preview
	}
	return signs(e) + " " + plain.Fit(date, dateWidth) + " " + plain.Fit(who(e, role), names) + " " + plain.Cut(subject, max(0, width-names-dateWidth-6))
}

// help is what the keys do.
var help = [][2]string{
	{"j k  ↑ ↓", "one down, one up"}, {"space  PgUp", "a screen down, up"}, {"g G", "the first, the last"}, {"enter", "open"}, {"q  ←", "back; q quits the list"},
	{"n p", "next, previous message"}, {"b", "mailboxes"}, {"/", "search; esc ends it"}, {"c", "compose a letter"}, {"r  a", "reply, reply to all"}, {"f", "forward"},
	{"E", "edit a draft"}, {"e", "archive"}, {"d  #", "delete"}, {"s", "star, or no star"}, {"U", "mark unread, or read"}, {"m", "move to a mailbox"},
	{"u  z", "undo the last act"}, {"o", "attachments: read, save"}, {"ctrl+r", "read all again"}, {"ctrl+c", "quit"},
}

const searchHelp = "A search has words, \"phrases\", from: to: subject: body: in: is:unread is:starred has:attachment before:7d after:2026-05-31 larger:5M, - for not, OR, ( )."

func helpView(width int) []string {
	const key = 13
	half := (len(help) + 1) / 2
	two := width >= 70
	if !two {
		half = len(help)
	}
	column := width/2 - 2
	entry := func(i int) string {
		return plain.Fit("  "+help[i][0], key+2) + help[i][1]
	}
	out := []string{""}
	for i := range half {
		line := entry(i)
		if j := i + half; two && j < len(help) {
			line = plain.Fit(line, column) + entry(j)
		}
		out = append(out, plain.Cut(line, width))
	}
	out = append(out, "")
	for _, l := range plain.Wrap(searchHelp, width-4) {
		out = append(out, "  "+l)
	}
	return append(out, "", plain.Cut("  In a list: N new, r answered, f forwarded, D draft, * star, @ attachments.", width))
}

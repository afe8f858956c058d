package terminal

import (
	"cmp"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal/query"
)

const (
	ahead = 40  // lines that are got beyond what is shown
	kept  = 200 // lines that are kept at either side of what is shown
)

// list is a window of a mailbox or of a search.
type list struct {
	mailbox string
	search  string
	filter  query.Filter

	rows    map[int]client.Email // by position
	total   int
	known   bool // total is
	top     int
	cursor  int
	gen     int  // what was asked for before is not wanted any more
	loading bool // a page of this generation is on its way
	stale   bool // something changed while one was

	want string // the message the cursor goes to when the list is read again
}

type pageMsg struct {
	gen   int
	page  client.Page
	err   error
	fresh bool   // it replaces all there is
	at    string // the message the cursor was on
}

// enter opens a mailbox.
func (m *Model) enter(b client.Mailbox) tea.Cmd {
	m.screen, m.open = onList, nil
	m.list = list{mailbox: b.ID, filter: query.Filter{"inMailbox": b.ID}, rows: map[int]client.Email{}, gen: m.list.gen + 1}
	return m.load(client.Query{Limit: m.room() + ahead}, true, "")
}

// search looks for mail. An empty search ends one.
func (m *Model) search(text string) tea.Cmd {
	box := m.box(m.list.mailbox)
	if text == "" {
		return m.enter(box)
	}
	p := query.Parse(text, query.Context{Now: m.o.Now(), Me: m.me(), Mailbox: m.named})
	m.screen, m.open = onList, nil
	m.list = list{mailbox: box.ID, search: text, filter: p.Scoped(box.ID), rows: map[int]client.Email{}, gen: m.list.gen + 1}
	if len(p.Problems) > 0 {
		m.said, m.bad = upper(p.Problems[0])+".", true
	}
	return m.load(client.Query{Limit: m.room() + ahead}, true, "")
}

func (m *Model) named(name string) (string, bool) { return Find(m.boxes, name) }

// load gets a window. Where an anchor is gone, it is got by its position instead.
func (m *Model) load(q client.Query, fresh bool, at string) tea.Cmd {
	m.list.loading = true
	gen := m.list.gen
	if m.list.filter != nil {
		q.Filter = m.list.filter
	}
	top := m.list.top
	return func() tea.Msg {
		page, err := m.o.Mail.List(m.ctx, q)
		if err != nil && q.Anchor != "" && client.IsFault(err, "anchorNotFound") {
			q.Anchor, q.Position = "", top
			page, err = m.o.Mail.List(m.ctx, q)
		}
		return pageMsg{gen, page, err, fresh, at}
	}
}

// refresh gets what is shown once more. The cursor stays on its message, wherever that is by now; at the top of the list, what is new shows.
func (m *Model) refresh() tea.Cmd {
	l := &m.list
	if l.mailbox == "" {
		return nil
	}
	if l.loading || m.acting > 0 {
		l.stale = true
		return nil
	}
	l.stale = false
	q := client.Query{Limit: m.room() + ahead}
	at := cmp.Or(l.want, l.rows[l.cursor].ID)
	l.want = ""
	if l.top > 0 && at != "" {
		q.Anchor, q.Position = at, l.top-l.cursor
	} else {
		q.Position = l.top
	}
	return m.load(q, true, at)
}

// need gets what is to be shown and is not there.
func (m *Model) need() tea.Cmd {
	l := &m.list
	if !l.known || l.loading {
		return nil
	}
	for i := l.top; i < min(l.top+m.room(), l.total); i++ {
		if _, ok := l.rows[i]; !ok {
			return m.load(client.Query{Position: max(0, l.top-ahead/2), Limit: m.room() + ahead}, false, "")
		}
	}
	return nil
}

func (m *Model) gotPage(msg pageMsg) tea.Cmd {
	l := &m.list
	if msg.gen != l.gen {
		return nil
	}
	l.loading = false
	if msg.err != nil {
		m.tell("", msg.err)
		return nil
	}
	shown := l.cursor - l.top
	if msg.fresh {
		clear(l.rows)
	}
	for i, e := range msg.page.Emails {
		at := msg.page.Position + i
		l.rows[at] = e
		if msg.fresh && e.ID == msg.at && msg.at != "" {
			l.cursor = at
			if l.top > 0 {
				l.top = max(0, at-shown)
			}
		}
	}
	l.total, l.known = max(msg.page.Total, msg.page.Position+len(msg.page.Emails)), true
	if len(msg.page.Emails) == 0 {
		l.total = min(l.total, max(msg.page.Position, 0))
	}
	l.settle(m.room())
	for at := range l.rows {
		if at < l.top-kept || at > l.top+m.room()+kept {
			delete(l.rows, at)
		}
	}
	if l.stale {
		return m.refresh()
	}
	return m.need()
}

// settle brings cursor and window to where there is something.
func (l *list) settle(room int) {
	l.cursor = max(0, min(l.cursor, l.total-1))
	if l.cursor < l.top {
		l.top = l.cursor
	}
	if l.cursor >= l.top+room {
		l.top = l.cursor - room + 1
	}
	l.top = max(0, min(l.top, l.total-room))
}

func (m *Model) move(by int) tea.Cmd {
	m.list.cursor += by
	m.list.settle(m.room())
	return m.need()
}

func (m *Model) listKey(name string) tea.Cmd {
	room := m.room()
	switch name {
	case "j", "down", "ctrl+n":
		return m.move(1)
	case "k", "up", "ctrl+p":
		return m.move(-1)
	case "ctrl+d":
		return m.move(room / 2)
	case "ctrl+u":
		return m.move(-room / 2)
	case "pgdown", "space", "ctrl+f":
		return m.move(room)
	case "pgup", "ctrl+b":
		return m.move(-room)
	case "g", "home":
		return m.move(-m.list.total)
	case "G", "end":
		return m.move(m.list.total)
	case "enter", "l", "right", "o":
		if e := m.current(); e != nil {
			return m.get(e.ID, "open")
		}
	case "esc":
		if m.list.search != "" {
			return m.search("")
		}
	case "h", "left", "tab":
		return m.choose(false)
	case "q":
		return m.quit()
	}
	return nil
}

// remove takes a message out of the list before the server has said so.
func (l *list) remove(id string) {
	for at, e := range l.rows {
		if e.ID != id {
			continue
		}
		delete(l.rows, at)
		moved := make(map[int]client.Email, len(l.rows))
		for i, e := range l.rows {
			if i > at {
				i--
			}
			moved[i] = e
		}
		l.rows = moved
		l.total = max(0, l.total-1)
		if l.cursor > at {
			l.cursor--
		}
		return
	}
}

// change changes a message's keyword in the list.
func (l *list) change(id, keyword string, on bool) {
	for at, e := range l.rows {
		if e.ID == id {
			e.Keywords = with(e.Keywords, keyword, on)
			l.rows[at] = e
		}
	}
}

// with gives a set with a member or without. The given one stays as it is.
func with(set map[string]bool, name string, on bool) map[string]bool {
	out := map[string]bool{}
	for k, v := range set {
		if v {
			out[k] = true
		}
	}
	if delete(out, name); on {
		out[name] = true
	}
	return out
}

// when is a time in a list: the hour of today, else the day.
func when(at, now time.Time) string {
	at = at.In(now.Location())
	switch {
	case at.IsZero() || at.Year() < 1000 || at.Year() > 9999:
		return ""
	case at.Format(time.DateOnly) == now.Format(time.DateOnly):
		return at.Format("15:04")
	case at.Year() == now.Year() || now.Sub(at) < 180*24*time.Hour && at.Before(now):
		return at.Format("02 Jan")
	}
	return at.Format(time.DateOnly)
}

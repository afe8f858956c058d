package terminal

import (
	tea "charm.land/bubbletea/v2"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
)

// act is a change of a message, with its reverse.
type act struct {
	id       string
	do, undo client.Patch
	done     string // what is said when it is done; "" says nothing, and leaves what can be undone as it is
	gone     bool   // the message leaves the list
}

type actMsg struct {
	act  act
	err  error
	back bool // it was undone
}

// run does an act. The list has it at once; when the server refuses, the list is read again.
func (m *Model) run(a act) tea.Cmd {
	l := &m.list
	m.acting++
	l.gen++ // a page that is on its way does not know of it
	l.loading = false
	if a.gone {
		l.remove(a.id)
		l.settle(m.room())
	}
	return tea.Batch(m.need(), func() tea.Msg {
		return actMsg{act: a, err: m.o.Mail.Change(m.ctx, a.id, a.do)}
	})
}

func (m *Model) gotAct(msg actMsg) tea.Cmd {
	m.acting = max(0, m.acting-1)
	switch {
	case msg.err != nil:
		m.tell("", msg.err)
		if msg.act.gone && !msg.back {
			m.list.want = msg.act.id // it is back
		}
	case msg.back:
		m.said, m.bad = "Undone.", false
		if msg.act.gone {
			m.list.want = msg.act.id
		}
	case msg.act.done != "":
		m.said, m.bad = msg.act.done, false
		if msg.act.undo != nil {
			a := msg.act
			m.last = &a
			m.said += " Press u to undo."
		} else {
			m.last = nil
		}
	}
	return tea.Batch(m.refresh(), m.loadBoxes())
}

// undo takes the last act back.
func (m *Model) undo() tea.Cmd {
	a := m.last
	if a == nil {
		m.said = "There is nothing to undo."
		return nil
	}
	m.last = nil
	m.acting++
	m.list.gen++
	m.list.loading = false
	if m.open != nil && m.open.email.ID == a.id {
		m.open.apply(a.undo)
	}
	return func() tea.Msg {
		return actMsg{act: *a, err: m.o.Mail.Change(m.ctx, a.id, a.undo), back: true}
	}
}

// mark sets or takes away a keyword.
func (m *Model) mark(e client.Email, keyword string, on bool, done string) tea.Cmd {
	value := func(on bool) any {
		if on {
			return true
		}
		return nil
	}
	a := act{id: e.ID, do: client.Patch{"keywords/" + keyword: value(on)}, undo: client.Patch{"keywords/" + keyword: value(!on)}, done: done}
	m.list.change(e.ID, keyword, on)
	if m.open != nil && m.open.email.ID == e.ID {
		m.open.apply(a.do)
	}
	return m.run(a)
}

// file moves a message out of the mailbox that is shown. A search's results may lie anywhere: they move out of wherever they are.
func (m *Model) file(e client.Email, to client.Mailbox, done string) tea.Cmd {
	if e.Mailboxes[to.ID] {
		m.said = "It is in " + boxName(to) + " already."
		return nil
	}
	here := map[string]bool{}
	if m.list.search == "" {
		here = with(e.Mailboxes, m.list.mailbox, false)
	}
	here[to.ID] = true
	was := with(e.Mailboxes, "", false)
	return m.leave(act{id: e.ID, do: client.Patch{"mailboxIds": here}, undo: client.Patch{"mailboxIds": was}, done: done, gone: m.list.search == ""})
}

// leave does an act that takes the message away; who reads it sees the next one.
func (m *Model) leave(a act) tea.Cmd {
	cmd := m.run(a)
	if m.screen != onMessage {
		return cmd
	}
	m.screen, m.open = onList, nil
	if next := m.current(); next != nil && a.gone {
		return tea.Batch(cmd, m.get(next.ID, "open"))
	}
	return cmd
}

// actKey are the keys that do something with the message at hand, in the list and when it is read.
func (m *Model) actKey(name string, e client.Email) (tea.Cmd, bool) {
	switch name {
	case "e":
		to := client.RoleOf(m.boxes, "archive")
		if to == nil {
			m.said, m.bad = "There is no archive; move it with m.", true
			return nil, true
		}
		return m.file(e, *to, "Archived."), true
	case "d", "#", "delete":
		return m.remove(e), true
	case "s", "*":
		on := !e.Keywords[client.Flagged]
		return m.mark(e, client.Flagged, on, map[bool]string{true: "Starred.", false: "No star any more."}[on]), true
	case "U", "N":
		on := !e.Keywords[client.Seen]
		cmd := m.mark(e, client.Seen, on, map[bool]string{true: "Marked as read.", false: "Marked as unread."}[on])
		if m.screen == onMessage && !on {
			m.screen, m.open = onList, nil
		}
		return cmd, true
	case "m", "v":
		return m.choose(true), true
	case "r":
		return m.get(e.ID, "reply"), true
	case "a":
		return m.get(e.ID, "all"), true
	case "f":
		return m.get(e.ID, "forward"), true
	case "E":
		if !e.Keywords[client.Draft] {
			m.said = "Only drafts can be edited."
			return nil, true
		}
		return m.get(e.ID, "draft"), true
	}
	return nil, false
}

// remove moves a message to the trash; one that lies there goes for good, when the person says so.
func (m *Model) remove(e client.Email) tea.Cmd {
	trash := client.RoleOf(m.boxes, "trash")
	if trash != nil && !e.Mailboxes[trash.ID] {
		return m.file(e, *trash, "Deleted.")
	}
	return m.confirm("Delete this message for good?", func(m *Model) tea.Cmd {
		m.acting++
		m.list.gen++
		m.list.loading = false
		m.list.remove(e.ID)
		m.list.settle(m.room())
		m.screen, m.open = onList, nil
		return func() tea.Msg {
			err := m.o.Mail.Destroy(m.ctx, e.ID)
			if mail.Is(err, mail.NotFound) {
				err = nil
			}
			return actMsg{act: act{id: e.ID, done: "Deleted for good."}, err: err}
		}
	})
}

package terminal

import (
	"fmt"
	"os"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal/plain"
)

// editedMsg is what the editor left.
type editedMsg struct {
	path string
	err  error
}

type sentMsg struct {
	sent client.Sent
	kept string // the mailbox the draft is kept in, where it was not to be sent
	err  error
}

// blank is a letter with nothing in it but the signature.
func (m *Model) blank() *Draft {
	d := &Draft{}
	if len(m.own) > 0 {
		d.Letter.From = client.Address{Name: m.own[0].Name, Email: m.own[0].Email}
		if s := strings.TrimSpace(m.own[0].Signature); s != "" {
			d.Letter.Text = "\n\n-- \n" + plain.Block(s) + "\n"
		}
	}
	return d
}

// answer makes a letter of a message: a reply, one to all, the message passed on, or a draft to go on with.
func (m *Model) answer(e client.Email, what string) tea.Cmd {
	d := m.blank()
	l := &d.Letter
	text, _ := textOf(e)
	switch what {
	case "draft":
		l.To, l.Cc, l.Bcc, l.Subject, l.Text, l.Replaces = e.To, e.Cc, e.Bcc, e.Subject, text, e.ID
		l.InReplyTo, l.Refs = e.InReplyTo, e.References
		d.Parts = e.Files
		return m.compose(d, nil)
	case "forward":
		l.Subject = prefixed("Fwd: ", e.Subject, "fwd:", "fw:")
		l.Refs = slices.Concat(e.References, e.MessageID)
		var b strings.Builder
		b.WriteString("\n\n---------- Forwarded message ----------\n")
		for _, f := range header(e, m.o.Now().Location()) {
			if f[0] != "Files" {
				fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
			}
		}
		l.Text = b.String() + "\n" + text + l.Text
		d.Parts = e.Files
		d.about, d.keyword = e.ID, client.Forwarded
		return m.compose(d, nil)
	}
	l.Subject = prefixed("Re: ", e.Subject, "re:")
	l.To, l.Cc = m.recipients(e, what == "all")
	// RFC 5322 3.6.4: an answer refers to what it answers, and to what that refers to.
	l.InReplyTo = e.MessageID
	l.Refs = slices.Concat(e.References, e.MessageID)
	if n := len(l.Refs); n > 50 {
		l.Refs = slices.Concat(l.Refs[:1], l.Refs[n-49:])
	}
	l.Text = quoted(e, text, m) + l.Text
	d.about, d.keyword = e.ID, client.Answered
	return m.compose(d, nil)
}

func prefixed(prefix, subject string, have ...string) string {
	subject = plain.Line(subject)
	for _, h := range have {
		if strings.HasPrefix(strings.ToLower(subject), h) {
			return subject
		}
	}
	return prefix + subject
}

// recipients are who an answer goes to: whom the sender wants to have it, and to all the others too. The person is not among them; of what they sent
// themselves, those who got it are.
func (m *Model) recipients(e client.Email, all bool) (to, cc []client.Address) {
	seen := map[string]bool{}
	for _, a := range m.me() {
		seen[strings.ToLower(a)] = true
	}
	mine := len(e.From) > 0 && seen[strings.ToLower(e.From[0].Email)]
	add := func(list *[]client.Address, from []client.Address) {
		for _, a := range from {
			key := strings.ToLower(a.Email)
			if a.Email != "" && !seen[key] {
				seen[key] = true
				*list = append(*list, a)
			}
		}
	}
	first := e.ReplyTo
	if len(first) == 0 {
		first = e.From
	}
	if mine && len(e.ReplyTo) == 0 {
		first = e.To
	}
	if add(&to, first); len(to) == 0 && !all {
		to = first // a letter to oneself
	}
	if all {
		add(&to, e.To)
		add(&cc, e.Cc)
	}
	return to, cc
}

// quoted is the text an answer begins with, without the signature (RFC 3676 4.3).
func quoted(e client.Email, text string, m *Model) string {
	if i := strings.LastIndex("\n"+text, "\n-- \n"); i >= 0 {
		text = text[:i]
	}
	name := "somebody"
	if len(e.From) > 0 {
		name = person(e.From[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "On %s, %s wrote:\n", dated(e).In(m.o.Now().Location()).Format("Mon, 2 Jan 2006 at 15:04"), name)
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n "), "\n") {
		if strings.HasPrefix(line, ">") {
			b.WriteString(">" + line + "\n")
		} else {
			b.WriteString(strings.TrimRight("> "+line, " ") + "\n")
		}
	}
	return b.String()
}

// compose gives a letter to the editor. why is what was wrong with it before.
func (m *Model) compose(d *Draft, why error) tea.Cmd {
	m.letter = d
	m.screen = onLetter
	m.tell("", why)
	return m.edit(d.Form())
}

// edit opens the editor on a text.
func (m *Model) edit(text string) tea.Cmd {
	path, err := m.temp("letter-*.txt", text)
	if err != nil {
		m.tell("", err)
		return nil
	}
	return m.editFile(path)
}

func (m *Model) editFile(path string) tea.Cmd {
	return m.o.Exec(Editor(m.o.Getenv, path), func(err error) tea.Msg { return editedMsg{path, err} })
}

// edited reads what the editor left. A letter that cannot be read stays in its file, and is edited again.
func (m *Model) edited(msg editedMsg) tea.Cmd {
	if m.letter == nil {
		return nil
	}
	if msg.err != nil {
		m.tell("", mail.Errorf(mail.Unavailable, "the editor failed; set $EDITOR to one that works: %w", msg.err))
		_ = os.Remove(msg.path)
		return nil
	}
	f, err := os.Open(msg.path)
	if err != nil {
		m.tell("", mail.Errorf(mail.Unavailable, "the letter cannot be read: %w", err))
		return nil
	}
	err = m.letter.Read(f)
	_ = f.Close()
	if err != nil {
		path := msg.path
		cmd := m.confirm(upper(err.Error())+". Edit it again?", func(m *Model) tea.Cmd { return m.editFile(path) })
		m.said = "The letter as you wrote it is in " + path + "."
		return cmd
	}
	_ = os.Remove(msg.path)
	return nil
}

func (m *Model) dropLetter() {
	m.letter = nil
	m.screen = onList
	if m.open != nil {
		m.screen = onMessage
	}
}

func (m *Model) letterKey(name string) tea.Cmd {
	d := m.letter
	if m.posting {
		m.said = "It is being sent…"
		return nil
	}
	switch name {
	case "e", "enter":
		return m.edit(d.Form())
	case "a":
		return m.ask("Attach the file: ", "", func(m *Model, path string) tea.Cmd {
			if path = m.home(path); path == "" {
				return nil
			}
			if err := CheckFile(path); err != nil {
				m.tell("", err)
				return nil
			}
			d.Paths = append(d.Paths, path)
			return nil
		})
	case "y":
		if len(d.Letter.To)+len(d.Letter.Cc)+len(d.Letter.Bcc) == 0 {
			m.said, m.bad = "It is to nobody; press e and name somebody.", true
			return nil
		}
		return m.post(false)
	case "d":
		return m.post(true)
	case "?":
		m.before, m.screen = onLetter, onHelp
	case "q", "esc":
		return m.confirm("Give this letter up?", func(m *Model) tea.Cmd {
			m.dropLetter()
			m.said = "The letter was given up."
			return nil
		})
	}
	return nil
}

// post sends the letter, or keeps it as a draft. Meanwhile it stays on the screen as it is.
func (m *Model) post(keep bool) tea.Cmd {
	d := m.letter
	for i, p := range d.Paths {
		d.Paths[i] = m.home(p)
	}
	m.said, m.posting = "Sending…", true
	if keep {
		m.said = "Keeping it…"
	}
	mine := *d // the screen has its own
	return func() tea.Msg {
		if keep {
			where, err := mine.Keep(m.ctx, m.o.Post)
			return sentMsg{kept: where, err: err}
		}
		s, err := mine.Send(m.ctx, m.o.Post)
		return sentMsg{sent: s, err: err}
	}
}

func (m *Model) sent(msg sentMsg) tea.Cmd {
	d := m.letter
	m.posting = false
	if d == nil {
		return nil
	}
	if msg.err != nil {
		if msg.sent.Email != "" {
			d.Letter.Replaces = msg.sent.Email // when it is sent again, there is one draft and not two
		}
		m.tell("", msg.err)
		if msg.sent.Kept != "" {
			m.said += " It is kept in " + plain.Line(msg.sent.Kept) + "."
		}
		return nil
	}
	m.dropLetter()
	cmds := []tea.Cmd{m.refresh(), m.loadBoxes()}
	if msg.kept != "" {
		m.said = "Kept in " + plain.Line(msg.kept) + "."
		return tea.Batch(cmds...)
	}
	m.said = "Sent."
	for to, delivery := range msg.sent.Submission.Delivery {
		if delivery.Delivered == "no" {
			m.said, m.bad = plain.Line("Sent, but not to "+to+": "+delivery.Reply), true
		}
	}
	if d.about != "" {
		m.list.change(d.about, d.keyword, true)
		cmds = append(cmds, func() tea.Msg {
			return actMsg{act: act{id: d.about}, err: m.o.Mail.Change(m.ctx, d.about, client.Patch{"keywords/" + d.keyword: true})}
		})
		m.acting++
	}
	return tea.Batch(cmds...)
}

func (m *Model) letterView(room int) []string {
	d := m.letter
	if d == nil {
		return nil
	}
	var out []string
	form := plain.Block(d.Form())
	head, text, _ := strings.Cut(form, "\n\n")
	for l := range strings.SplitSeq(head, "\n") {
		out = append(out, styleHead.Render(plain.Cut(" "+l, m.width)))
	}
	out = append(out, "")
	for _, l := range plain.Wrap(text, m.width-2) {
		if len(out) == room-1 {
			out = append(out, styleFaint.Render(" …"))
			break
		}
		out = append(out, plain.Cut(" "+l, m.width))
	}
	return out
}

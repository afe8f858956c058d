package terminal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal/plain"
)

// Mail is what is read and changed.
type Mail interface {
	Mailboxes(ctx context.Context) ([]client.Mailbox, error)
	List(ctx context.Context, q client.Query) (client.Page, error)
	Email(ctx context.Context, id string) (client.Email, error)
	Change(ctx context.Context, id string, p client.Patch) error
	Destroy(ctx context.Context, id string) error
	Download(ctx context.Context, p client.Part) (io.ReadCloser, error)
}

// Post is what is sent.
type Post interface {
	Identities(ctx context.Context) ([]client.Identity, error)
	Upload(ctx context.Context, kind string, body io.Reader, size int64) (client.Part, error)
	Send(ctx context.Context, l client.Letter) (client.Sent, error)
	SaveDraft(ctx context.Context, l client.Letter) (id, mailbox string, err error)
}

// Options are what a Model is made of.
type Options struct {
	Mail   Mail
	Post   Post
	News   <-chan client.News // nil: none come
	User   string
	Now    func() time.Time // with the person's time zone
	Getenv func(string) string
	Temp   string // where letters are while they are written; "" is the system's

	// Exec starts a program that has the terminal until it ends; nil: tea.ExecProcess.
	Exec func(c *exec.Cmd, done tea.ExecCallback) tea.Cmd

	Mailbox string // what is shown first, by its name or role; "" is the inbox
	Search  string // what is searched for in it
}

type screen uint8

const (
	onList screen = iota
	onMessage
	onBoxes
	onFiles
	onLetter
	onHelp
)

// Model is the program's state. It is a tea.Model.
type Model struct {
	ctx    context.Context
	o      Options
	width  int
	height int

	screen screen
	before screen // where help was asked for
	boxes  []client.Mailbox
	own    []client.Identity
	list   list
	open   *reading
	pick   picker
	letter *Draft
	prompt *prompt

	said   string // the status line
	bad    bool   // it tells of a failure
	lost   bool   // no news come
	last   *act   // what can be undone
	acting int    // acts that are under way

	posting bool // the letter is on its way to the server
}

// New makes the state a program begins with. Commands stop when ctx ends.
func New(ctx context.Context, o Options) *Model {
	if o.Exec == nil {
		o.Exec = tea.ExecProcess
	}
	return &Model{ctx: ctx, o: o, width: 80, height: 24, list: list{rows: map[int]client.Email{}}}
}

// The messages of commands.
type (
	boxesMsg struct {
		boxes []client.Mailbox
		err   error
	}
	identitiesMsg struct {
		own []client.Identity
	}
	newsMsg struct {
		news client.News
		over bool
	}
	saidMsg struct {
		text string
		err  error
	}
)

// Init implements tea.Model.
func (m *Model) Init() tea.Cmd {
	m.said = "Reading the mailboxes…"
	return tea.Batch(m.loadBoxes(), m.loadIdentities(), m.waitNews())
}

func (m *Model) loadBoxes() tea.Cmd {
	return func() tea.Msg {
		boxes, err := m.o.Mail.Mailboxes(m.ctx)
		return boxesMsg{boxes, err}
	}
}

func (m *Model) loadIdentities() tea.Cmd {
	return func() tea.Msg {
		own, err := m.o.Post.Identities(m.ctx)
		if err != nil { // writing says so then
			return identitiesMsg{}
		}
		return identitiesMsg{own}
	}
}

func (m *Model) waitNews() tea.Cmd {
	if m.o.News == nil {
		return nil
	}
	return func() tea.Msg {
		select {
		case n, ok := <-m.o.News:
			return newsMsg{n, !ok}
		case <-m.ctx.Done():
			return newsMsg{over: true}
		}
	}
}

// Update implements tea.Model.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = max(msg.Width, 20), max(msg.Height, 6)
		m.list.settle(m.room())
		if m.open != nil {
			m.open.lay(m.width)
			m.open.scroll(0, m.room())
		}
		return m, m.need()
	case tea.KeyPressMsg:
		return m, m.key(msg)
	case tea.PasteMsg:
		return m, m.paste(msg)
	case boxesMsg:
		return m, m.gotBoxes(msg)
	case identitiesMsg:
		m.own = msg.own
	case newsMsg:
		return m, m.gotNews(msg)
	case pageMsg:
		return m, m.gotPage(msg)
	case emailMsg:
		return m, m.gotEmail(msg)
	case actMsg:
		return m, m.gotAct(msg)
	case saidMsg:
		m.tell(msg.text, msg.err)
	case editedMsg:
		return m, m.edited(msg)
	case sentMsg:
		return m, m.sent(msg)
	case pagerMsg:
		return m, m.page(msg)
	}
	return m, nil
}

// tell sets the status line. What comes from elsewhere is made safe here.
func (m *Model) tell(text string, err error) {
	m.said, m.bad = plain.Line(text), false
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return
		}
		m.said, m.bad = plain.Line(upper(err.Error())), true
	}
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func (m *Model) gotBoxes(msg boxesMsg) tea.Cmd {
	if msg.err != nil {
		m.tell("", msg.err)
		return nil
	}
	m.boxes = msg.boxes
	if m.list.mailbox != "" || len(m.boxes) == 0 {
		return nil
	}
	first := m.boxes[0]
	if id, ok := Find(m.boxes, cmp.Or(m.o.Mailbox, "inbox")); ok {
		first = m.box(id)
	}
	m.tell("", nil)
	cmd := m.enter(first)
	if m.o.Search != "" {
		cmd = m.search(m.o.Search)
	}
	return cmd
}

// gotNews brings what changed on the screen without a key being pressed.
func (m *Model) gotNews(msg newsMsg) tea.Cmd {
	if msg.over {
		m.lost = true
		return nil
	}
	n := msg.news
	switch {
	case n.Lost != nil:
		m.lost = true
		return m.waitNews()
	case n.Connected:
		again := m.lost
		m.lost = false
		if !again {
			return m.waitNews()
		}
	}
	return tea.Batch(m.waitNews(), m.refresh(), m.loadBoxes())
}

// box is a mailbox by its id.
func (m *Model) box(id string) client.Mailbox {
	for _, b := range m.boxes {
		if b.ID == id {
			return b
		}
	}
	return client.Mailbox{ID: id}
}

// me are the own addresses.
func (m *Model) me() []string {
	out := []string{m.o.User}
	for _, i := range m.own {
		if !strings.EqualFold(i.Email, m.o.User) {
			out = append(out, i.Email)
		}
	}
	return out
}

// key gives a key to the prompt or to the screen.
func (m *Model) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	if name == "ctrl+c" {
		return m.quit()
	}
	if m.prompt != nil {
		return m.promptKey(k)
	}
	m.said, m.bad = "", false
	switch m.screen {
	case onBoxes:
		return m.boxesKey(name)
	case onFiles:
		return m.filesKey(name)
	case onLetter:
		return m.letterKey(name)
	case onHelp:
		m.screen = m.before
		return nil
	case onList, onMessage:
	}
	switch name {
	case "?", "f1":
		m.before, m.screen = m.screen, onHelp
		return nil
	case "c":
		return m.compose(m.blank(), nil)
	case "ctrl+r", "f5":
		return tea.Batch(m.refresh(), m.loadBoxes())
	case "u", "z":
		return m.undo()
	case "/":
		return m.ask("Search: ", m.list.search, (*Model).search)
	case "b":
		return m.choose(false)
	}
	if e := m.current(); e != nil {
		if cmd, done := m.actKey(name, *e); done {
			return cmd
		}
	}
	if m.screen == onMessage {
		return m.messageKey(name)
	}
	return m.listKey(name)
}

// quit ends the program, unless a letter would be lost.
func (m *Model) quit() tea.Cmd {
	if m.letter == nil {
		return tea.Quit
	}
	return m.confirm("The letter was not sent. Give it up and quit?", func(m *Model) tea.Cmd {
		m.dropLetter()
		return tea.Quit
	})
}

// current is the message that keys are about.
func (m *Model) current() *client.Email {
	if m.screen == onMessage && m.open != nil {
		return &m.open.email
	}
	if e, ok := m.list.rows[m.list.cursor]; ok && m.list.cursor < m.list.total {
		return &e
	}
	return nil
}

// room is how many lines a screen has for its contents.
func (m *Model) room() int { return max(m.height-3, 1) }

// emailMsg is a message that was got, and what for.
type emailMsg struct {
	email client.Email
	err   error
	what  string // open, reply, all, forward, draft
}

const saysReading = "Reading…"

func (m *Model) get(id, what string) tea.Cmd {
	m.said = saysReading
	return func() tea.Msg {
		e, err := m.o.Mail.Email(m.ctx, id)
		return emailMsg{e, err, what}
	}
}

func (m *Model) gotEmail(msg emailMsg) tea.Cmd {
	if msg.err != nil || m.said == saysReading {
		m.tell("", msg.err)
	}
	if msg.err != nil {
		if mail.Is(msg.err, mail.NotFound) {
			return m.refresh()
		}
		return nil
	}
	if msg.what != "open" {
		if m.letter != nil {
			return nil // another is being written
		}
		return m.answer(msg.email, msg.what)
	}
	if m.screen != onList && m.screen != onMessage {
		return nil // the person has gone elsewhere
	}
	m.screen = onMessage
	m.open = &reading{email: msg.email, zone: m.o.Now().Location()}
	m.open.lay(m.width)
	if msg.email.Keywords[client.Seen] {
		return nil
	}
	return m.mark(msg.email, client.Seen, true, "")
}

// textOf is a message's text for reading, and whether some is left out.
func textOf(e client.Email) (text string, cut bool) {
	var b strings.Builder
	for _, list := range [][]client.Part{e.Text, e.HTML} {
		for _, p := range list {
			v, ok := e.Values[p.ID]
			if !ok {
				continue
			}
			cut = cut || v.Cut
			if strings.EqualFold(p.Type, "text/html") {
				v.Text = plain.FromHTML(v.Text)
			}
			if b.Len() > 0 && strings.TrimSpace(v.Text) != "" {
				b.WriteString("\n")
			}
			b.WriteString(plain.Block(v.Text))
		}
		if strings.TrimSpace(b.String()) != "" {
			break
		}
		b.Reset()
	}
	return b.String(), cut
}

// person names a correspondent: their name, or their address.
func person(a client.Address) string {
	if n := plain.Line(a.Name); n != "" {
		return n
	}
	return plain.Line(a.Email)
}

// full names a correspondent with the address, which a name cannot hide.
func full(a client.Address) string {
	n, e := plain.Line(a.Name), plain.Line(a.Email)
	switch {
	case n == "" || n == e:
		return e
	case e == "":
		return n
	}
	return n + " <" + e + ">"
}

func fulls(list []client.Address) string {
	const most = 50
	out := make([]string, 0, len(list))
	for i, a := range list {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		out = append(out, full(a))
	}
	return strings.Join(out, ", ")
}

package terminal_test

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal"
)

var (
	zone = time.FixedZone("CET", 3600)
	now  = time.Date(2026, 11, 24, 12, 0, 0, 0, zone)
)

// post office: a fake account, held in memory.
type office struct {
	mu      sync.Mutex
	boxes   []client.Mailbox
	emails  []client.Email // the newest first
	files   map[string]string
	sent    []client.Letter
	kept    []client.Letter
	queries []client.Query
	fail    error // what the next change or send says
}

func newOffice() *office {
	o := &office{files: map[string]string{"BF": "col\x1b[31mumn\tb\r\nend\n"}, boxes: []client.Mailbox{{ID: "I", Name: "Inbox", Role: "inbox"},
		{ID: "D", Name: "Drafts", Role: "drafts"}, {ID: "S", Name: "Sent", Role: "sent"}, {ID: "R", Name: "Archive", Role: "archive"}, {ID: "T", Name: "Trash", Role: "trash"},
		{ID: "P", Name: "Projects"}, {ID: "Q", Name: "Secret \x1b[2J", Parent: "P"}}}
	return o
}

// add files a message in the inbox, as the newest.
func (o *office) add(e client.Email) client.Email {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.emails) + 1
	if e.ID == "" {
		e.ID = fmt.Sprintf("M%d", n)
	}
	if e.Mailboxes == nil {
		e.Mailboxes = map[string]bool{"I": true}
	}
	if e.Keywords == nil {
		e.Keywords = map[string]bool{}
	}
	if e.Received.IsZero() {
		e.Received = now.Add(time.Duration(n-400) * time.Hour)
	}
	if e.From == nil {
		e.From = []client.Address{{Name: fmt.Sprintf("Kim %d", n), Email: "kim@far.example"}}
		e.To = []client.Address{{Email: "ann@one.example"}}
	}
	if e.Text == nil {
		e.Text = []client.Part{{ID: "1", Type: "text/plain"}}
		e.Values = map[string]client.Value{"1": {Text: "Hello Ann,\n\nthis is letter " + e.ID + ".\n-- \nKim\n"}}
	}
	if e.Subject == "" {
		e.Subject = "Letter " + e.ID
	}
	e.MessageID = []string{e.ID + "@far.example"}
	o.emails = append([]client.Email{e}, o.emails...)
	return e
}

func (o *office) Mailboxes(context.Context) ([]client.Mailbox, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := slices.Clone(o.boxes)
	for i := range out {
		for j := range o.emails {
			if e := &o.emails[j]; e.Mailboxes[out[i].ID] {
				out[i].Total++
				if !e.Keywords[client.Seen] {
					out[i].Unread++
				}
			}
		}
	}
	return out, nil
}

func (o *office) List(_ context.Context, q client.Query) (client.Page, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queries = append(o.queries, q)
	text := fmt.Sprint(q.Filter)
	box := ""
	for _, b := range o.boxes {
		if strings.Contains(text, "inMailbox:"+b.ID) {
			box = b.ID
		}
	}
	unread := strings.Contains(text, "notKeyword:$seen")
	var all []int
	for i := range o.emails {
		if e := &o.emails[i]; (box == "" || e.Mailboxes[box]) && !(unread && e.Keywords[client.Seen]) {
			all = append(all, i)
		}
	}
	at := q.Position
	if q.Anchor != "" {
		i := slices.IndexFunc(all, func(i int) bool { return o.emails[i].ID == q.Anchor })
		if i < 0 {
			return client.Page{}, mail.Errorf(mail.NotFound, "no: %w", &client.Fault{Type: "anchorNotFound"})
		}
		at = max(0, i+q.Position)
	}
	p := client.Page{Position: at, Total: len(all)}
	for ; at < min(len(all), p.Position+q.Limit); at++ {
		e := o.emails[all[at]]
		e.Values, e.Text = nil, nil
		p.Emails = append(p.Emails, e)
	}
	return p, nil
}

func (o *office) find(id string) (*client.Email, error) {
	for i := range o.emails {
		if o.emails[i].ID == id {
			return &o.emails[i], nil
		}
	}
	return nil, mail.Errorf(mail.NotFound, "there is no message %s any more", id)
}

func (o *office) Email(_ context.Context, id string) (client.Email, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, err := o.find(id)
	if err != nil {
		return client.Email{}, err
	}
	return *e, nil
}

func (o *office) Change(_ context.Context, id string, p client.Patch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.fail; err != nil {
		o.fail = nil
		return err
	}
	e, err := o.find(id)
	if err != nil {
		return err
	}
	words, boxes := map[string]bool{}, map[string]bool{}
	for k := range e.Keywords {
		words[k] = true
	}
	for name, v := range p {
		if k, ok := strings.CutPrefix(name, "keywords/"); ok {
			if delete(words, k); v != nil {
				words[k] = true
			}
		}
		if set, ok := v.(map[string]bool); ok {
			boxes = set
			e.Mailboxes = boxes
		}
	}
	e.Keywords = words
	return nil
}

func (o *office) Destroy(_ context.Context, id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.emails = slices.DeleteFunc(o.emails, func(e client.Email) bool { return e.ID == id })
	return nil
}

func (o *office) Download(_ context.Context, p client.Part) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(o.files[p.Blob])), nil
}

func (o *office) Identities(context.Context) ([]client.Identity, error) {
	return []client.Identity{{ID: "I0", Name: "Ann", Email: "ann@one.example", Signature: "Ann of One"}}, nil
}

func (o *office) Upload(_ context.Context, kind string, r io.Reader, size int64) (client.Part, error) {
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != size {
		return client.Part{}, fmt.Errorf("%d octets of %d: %w", len(b), size, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	id := fmt.Sprintf("U%d", len(o.files))
	o.files[id] = string(b)
	return client.Part{Blob: id, Type: kind, Size: size}, nil
}

func (o *office) Send(_ context.Context, l client.Letter) (client.Sent, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.fail; err != nil {
		o.fail = nil
		return client.Sent{Email: "MX", Kept: "Drafts"}, err
	}
	o.sent = append(o.sent, l)
	return client.Sent{Email: "MS"}, nil
}

func (o *office) SaveDraft(_ context.Context, l client.Letter) (string, string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, l)
	return "MD", "Drafts", nil
}

// player drives a model as a person would, and does the commands it gives at once.
type player struct {
	t      *testing.T
	office *office
	model  *terminal.Model
	news   chan client.News
	editor func(path string) // what the person does in their editor
	ended  bool
	depth  int
}

func play(t *testing.T, o *office, change func(*terminal.Options)) *player {
	t.Helper()
	p := &player{t: t, office: o, news: make(chan client.News, 10)}
	options := terminal.Options{Mail: o, Post: o, User: "ann@one.example", Now: func() time.Time { return now }, Temp: t.TempDir(),
		Getenv: func(string) string { return "" },
		Exec: func(c *exec.Cmd, done tea.ExecCallback) tea.Cmd {
			return func() tea.Msg {
				if p.editor != nil {
					p.editor(c.Args[len(c.Args)-1])
				}
				return done(nil)
			}
		}}
	if change != nil {
		change(&options)
	}
	p.model = terminal.New(t.Context(), options)
	p.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	p.do(p.model.Init())
	return p
}

// do runs a command and what comes of it.
func (p *player) do(c tea.Cmd) {
	if c == nil {
		return
	}
	if p.depth++; p.depth > 200 {
		p.t.Fatal("commands without end")
	}
	defer func() { p.depth-- }()
	switch msg := c().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			p.do(c)
		}
	case tea.QuitMsg:
		p.ended = true
	default:
		p.send(msg)
	}
}

func (p *player) send(msg tea.Msg) {
	_, c := p.model.Update(msg)
	p.do(c)
}

var special = map[string]tea.KeyPressMsg{"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "down": {Code: tea.KeyDown}, "up": {Code: tea.KeyUp},
	"pgdown": {Code: tea.KeyPgDown}, "space": {Code: tea.KeySpace, Text: " "}, "tab": {Code: tea.KeyTab}, "backspace": {Code: tea.KeyBackspace},
	"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl}, "ctrl+d": {Code: 'd', Mod: tea.ModCtrl}}

// keys presses keys: names of special ones, or single characters.
func (p *player) keys(names ...string) {
	for _, n := range names {
		k, ok := special[n]
		if !ok {
			r := []rune(n)
			k = tea.KeyPressMsg{Code: r[0], Text: n}
		}
		p.send(k)
	}
}

// types types a text.
func (p *player) types(text string) {
	for _, r := range text {
		p.send(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
}

// screen is what the person sees, without colours.
func (p *player) screen() string {
	p.t.Helper()
	raw := p.model.View().Content
	lines := strings.Split(ansi.Strip(raw), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

func (p *player) sees(want ...string) {
	p.t.Helper()
	for _, w := range want {
		if !strings.Contains(p.screen(), w) {
			p.t.Errorf("%q is not on the screen:\n%s", w, p.screen())
		}
	}
}

func (p *player) missing(what ...string) {
	p.t.Helper()
	for _, w := range what {
		if strings.Contains(p.screen(), w) {
			p.t.Errorf("%q is on the screen:\n%s", w, p.screen())
		}
	}
}

package terminal_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"go.uber.org/goleak"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal"
)

var update = flag.Bool("update", false, "write the golden views anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden holds the screen against a file.
func (p *player) golden(name string) {
	p.t.Helper()
	file := filepath.Join("testdata", name+".golden")
	got := p.screen()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		p.t.Errorf("%s is %v\n%s\nand should be\n%s", name, err, got, want)
	}
}

// village is an account with mail of all sorts.
func village() *office {
	o := newOffice()
	o.add(client.Email{Keywords: map[string]bool{client.Seen: true, client.Answered: true}, Subject: "An older one", Preview: "Dear Ann, it was nice to see you all again last week"})
	o.add(client.Email{Keywords: map[string]bool{client.Seen: true, client.Flagged: true}, From: []client.Address{{Email: "list@far.example"}}, Subject: "Grüße aus 東京", Preview: "日本語のメール"})
	o.add(client.Email{Received: now.Add(-3 * 3600e9), From: []client.Address{{Name: "Bob Smith", Email: "bob@one.example"}}, To: []client.Address{{Email: "ann@one.example"}, {Name: "Carol", Email: "carol@far.example"}},
		Cc: []client.Address{{Name: "Dan", Email: "dan@far.example"}}, Subject: "The plan", Preview: "see below", Attached: true, Sent: "2026-11-24T08:00:00Z",
		HTML: []client.Part{{ID: "h", Type: "text/html"}}, Text: []client.Part{{ID: "h", Type: "text/html"}},
		Values: map[string]client.Value{"h": {Text: "<h1>Plan</h1><p>See <a href=\"https://one.example/plan\">the page</a>.</p><blockquote>I asked for it</blockquote>"}},
		Files:  []client.Part{{Blob: "BF", Name: "table.csv", Type: "text/csv", Size: 1234}, {Blob: "BP", Name: "map.png", Type: "image/png", Size: 2_500_000}}})
	return o
}

// TestViews: what people see at 80x24, and when the terminal changes its size.
func TestViews(t *testing.T) {
	t.Parallel()
	p := play(t, village(), nil)
	p.golden("list")
	p.keys("enter")
	p.golden("message")
	p.keys("o")
	p.golden("files")
	p.keys("q", "q", "?")
	p.golden("help")
	p.keys("x", "b")
	p.golden("mailboxes")
	p.keys("esc", "/")
	p.types("is:unread plan")
	p.golden("search")
	p.keys("esc")
	p.send(tea.WindowSizeMsg{Width: 46, Height: 12})
	p.golden("small")
	for _, size := range [][2]int{{80, 24}, {20, 6}, {1, 1}, {200, 60}} {
		for _, screen := range [][]string{{}, {"enter"}, {"o"}, {"q", "q", "?"}, {"x", "b"}, {"esc"}} {
			p.keys(screen...)
			p.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			lines := strings.Split(strings.TrimSuffix(p.screen(), "\n"), "\n")
			if want := max(size[1], 6); len(lines) != want {
				t.Errorf("at %v after %v there are %d lines", size, screen, len(lines))
			}
		}
	}
}

// TestWindow: a list of 100,000 messages is read where it is looked at, and forgotten again.
func TestWindow(t *testing.T) {
	t.Parallel()
	o := newOffice()
	o.emails = make([]client.Email, 100_000)
	for i := range o.emails {
		o.emails[i] = client.Email{ID: fmt.Sprintf("M%d", i), Subject: fmt.Sprintf("Letter %d", i), Mailboxes: map[string]bool{"I": true}, Received: now}
	}
	p := play(t, o, nil)
	p.sees("Letter 0", "Inbox: 100000")
	p.keys("G")
	p.sees("Letter 99999")
	p.keys("g", "pgdown", "down", "j", "k")
	p.sees("Letter 22")
	for range 40 {
		p.keys("pgdown")
	}
	p.sees("Letter 862")
	got := 0
	for _, q := range o.queries {
		if q.Limit > 200 {
			t.Errorf("%d lines were asked for at once", q.Limit)
		}
		got += q.Limit
	}
	if got > 4000 {
		t.Errorf("%d lines were read", got)
	}
	if n := p.model.Kept(); n > 600 {
		t.Errorf("%d lines are kept", n)
	}
}

// TestActs: each act does what it says, and is undone by one key.
func TestActs(t *testing.T) {
	t.Parallel()
	o := village()
	p := play(t, o, nil)
	first := o.emails[0].ID
	at := func() (boxes, words string) {
		e, err := o.find(first)
		if err != nil {
			t.Fatal(err)
		}
		for b := range e.Mailboxes {
			boxes += b
		}
		for w := range e.Keywords {
			words += w
		}
		return boxes, words
	}
	for _, c := range []struct {
		keys         []string
		boxes, words string
		says         string
	}{
		{[]string{"e"}, "R", "", "Archived. Press u to undo."},
		{[]string{"u"}, "I", "", "Undone."},
		{[]string{"u"}, "I", "", "There is nothing to undo."},
		{[]string{"d"}, "T", "", "Deleted. Press u to undo."},
		{[]string{"z"}, "I", "", "Undone."},
		{[]string{"s"}, "I", "$flagged", "Starred."},
		{[]string{"s"}, "I", "", "No star any more."},
		{[]string{"U"}, "I", "$seen", "Marked as read."},
		{[]string{"U"}, "I", "", "Marked as unread."},
		{[]string{"u"}, "I", "$seen", "Undone."},
		{[]string{"m", "G", "enter"}, "Q", "$seen", "Moved to Secret"},
		{[]string{"u"}, "I", "$seen", "Undone."},
		{[]string{"m", "esc"}, "I", "$seen", ""},
		{[]string{"m", "enter"}, "I", "$seen", "It is in Inbox already."},
	} {
		p.keys(c.keys...)
		if boxes, words := at(); boxes != c.boxes || words != c.words {
			t.Errorf("after %v it is in %s with %s", c.keys, boxes, words)
		}
		p.sees(c.says)
	}
	o.fail = mail.Errorf(mail.Unavailable, "the server is \x1b[2Jaway")
	p.keys("e")
	p.sees("The server is \ufffd[2Jaway", "The plan")
	p.keys("d", "b", "j", "j", "j", "j", "enter")
	p.sees("Trash", "The plan")
	p.keys("d")
	p.sees("Delete this message for good? (y/n)")
	p.keys("n")
	p.sees("The plan")
	p.keys("d", "y")
	p.sees("Deleted for good.", "There is nothing here.")
	if len(o.emails) != 2 {
		t.Errorf("there are %d messages", len(o.emails))
	}
}

// TestReading: to read marks as read; the next message follows one that is filed.
func TestReading(t *testing.T) {
	t.Parallel()
	o := village()
	p := play(t, o, nil)
	p.keys("enter")
	if !o.emails[0].Keywords[client.Seen] {
		t.Error("it is not marked as read")
	}
	p.keys("e")
	p.sees("Grüße aus 東京", "Archived.")
	p.keys("n")
	p.sees("An older one")
	p.keys("n")
	p.sees("This is the last message.")
	p.keys("p")
	p.sees("Grüße aus 東京")
	p.keys("U")
	p.sees("Marked as unread.", "An older one")
	p.keys("q")
	if !p.ended {
		t.Error("q in the list does not quit")
	}
}

// TestSearch speaks the webmail's language, within the mailbox or where it says.
func TestSearch(t *testing.T) {
	t.Parallel()
	o := village()
	p := play(t, o, nil)
	p.keys("/")
	p.types("is:unread")
	p.keys("enter")
	p.sees("is:unread, found 1", "The plan")
	p.missing("An older one")
	if q := fmt.Sprint(o.queries[len(o.queries)-1].Filter); !strings.Contains(q, "inMailbox:I") || !strings.Contains(q, "notKeyword:$seen") {
		t.Errorf("the filter is %s", q)
	}
	p.keys("/", "ctrl+u")
	p.types("in:nowhere")
	p.keys("enter")
	p.sees("There is no mailbox named \"nowhere\".")
	p.keys("esc")
	p.sees("An older one")
}

// TestNews: new mail shows without a key, and the cursor stays on its message. RFC 8620 7.3.
func TestNews(t *testing.T) {
	t.Parallel()
	o := newOffice()
	for range 60 {
		o.add(client.Email{})
	}
	p := play(t, o, nil)
	p.keys("j", "j")
	o.add(client.Email{Subject: "Brand new"})
	p.send(terminal.Told(client.News{Changed: map[string]string{"Email": "1"}}))
	p.sees("Brand new", ">N   10 Nov     Kim 58", "61 new of 61")
	if e := p.model.At(); e != "M58" {
		t.Errorf("the cursor is on %s", e)
	}
	p.keys("pgdown", "pgdown")
	on, view := p.model.At(), strings.Split(p.screen(), "\n")[1]
	o.add(client.Email{Subject: "Newer"})
	p.send(terminal.Told(client.News{Changed: map[string]string{"Email": "2"}}))
	if e := p.model.At(); e != on || strings.Split(p.screen(), "\n")[1] != view {
		t.Errorf("the list has jumped from %s to %s:\n%s", on, e, p.screen())
	}
	o.Destroy(t.Context(), on) //nolint:errcheck // it cannot fail
	p.send(terminal.Told(client.News{Changed: map[string]string{"Email": "3"}}))
	if e := p.model.At(); e == on || e == "" {
		t.Errorf("the cursor is on %q, which is gone", e)
	}
	p.send(terminal.Told(client.News{Lost: errors.New("gone")}))
	p.sees("no connection for news")
	p.send(terminal.Told(client.News{Connected: true}))
	p.missing("no connection for news")
}

// looks are the sequences that the program itself writes: colours and the like. The hostile message has none of their form.
var looks = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// TestHostile: nothing of a hostile message gets to the terminal as more than text.
func TestHostile(t *testing.T) {
	t.Parallel()
	const evil = "\x1b]52;c;ZXZpbA==\x07\x1b]8;;https://evil.test\x1b\\x\x1b[2J\u009b31m\u202egnp\u2066\u2028\r\n\x00\x7f"
	o := newOffice()
	o.add(client.Email{Subject: "S" + evil, Preview: "P" + evil, From: []client.Address{{Name: "N" + evil, Email: "E" + evil}}, To: []client.Address{{Email: evil}},
		ReplyTo: []client.Address{{Name: evil, Email: "kim@far.example"}}, Attached: true, Sent: evil,
		Values: map[string]client.Value{"1": {Text: "T" + evil}}, Text: []client.Part{{ID: "1", Type: "text/plain" + evil}},
		Files: []client.Part{{Name: "../F" + evil, Type: "text/plain", Blob: "BF"}}})
	o.boxes[0].Name = "Inbox" + evil
	o.emails[0].MessageID = []string{evil}
	p := play(t, o, nil)
	var edited, shown string
	p.editor = func(path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(path, "attachment") {
			shown = string(b)
		} else {
			edited = string(b)
		}
	}
	check := func(where string) {
		t.Helper()
		v := p.model.View()
		if s := strings.ReplaceAll(looks.ReplaceAllString(v.Content, ""), "\n", ""); strings.ContainsAny(s, "\x1b\x07\r\x00\x7f\u009b\u202e\u2066\u2028") || strings.ContainsAny(v.WindowTitle, "\x1b\x07") {
			t.Errorf("%s: %q", where, s)
		}
	}
	for _, k := range []string{"j", "enter", "pgdown", "o", "enter", "s", "esc", "q", "b", "esc", "m", "esc", "r", "?", "x", "q", "y", "f", "q", "y", "/"} {
		p.keys(k)
		check("after " + k)
	}
	for name, text := range map[string]string{"the editor": edited, "the pager": shown} {
		if text == "" || strings.ContainsAny(text, "\x1b\x07\r\x00\x7f\u009b\u202e\u2066\u2028") {
			t.Errorf("%s got %q", name, text)
		}
	}
	if shown != "col\ufffd[31mumn     b\nend\n" && !strings.HasPrefix(shown, "col\ufffd[31mumn") {
		t.Errorf("the pager got %q", shown)
	}
}

// TestSaving: files are saved under a name that is safe, and never over another.
func TestSaving(t *testing.T) {
	t.Parallel()
	o := village()
	p := play(t, o, nil)
	dir := t.TempDir()
	p.keys("enter", "o", "s")
	p.sees("Save as: table.csv")
	p.keys("ctrl+u")
	p.types(dir)
	p.keys("enter")
	p.sees("Saved")
	b, err := os.ReadFile(filepath.Join(dir, "table.csv"))
	if err != nil || string(b) != o.files["BF"] {
		t.Errorf("%q, %v", b, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "table.csv")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := terminal.Save(t.Context(), o, o.emails[0].Files[0], dir); !mail.Is(err, mail.Exists) {
		t.Errorf("a second time: %v", err)
	}
	p.keys("j", "enter")
	p.sees("This is no text")
}

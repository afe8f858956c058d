package terminal_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal"
)

// writes replaces texts in the editor's file.
func (p *player) writes(pairs ...string) {
	p.editor = func(path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			p.t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			p.t.Errorf("others can read the letter: %v, %v", info, err)
		}
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(string(b), pairs[i]) {
				p.t.Errorf("the letter has no %q:\n%s", pairs[i], b)
			}
		}
		if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(b))), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

func emails(list []client.Address) (out string) {
	for _, a := range list {
		out += a.Email + " "
	}
	return strings.TrimSpace(out)
}

// TestCompose writes, attaches and sends.
func TestCompose(t *testing.T) {
	t.Parallel()
	o := village()
	p := play(t, o, nil)
	file := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(file, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.writes("To: \n", "To: Bob <bob@one.example>, carol@far.example\n", "Subject: \n", "Subject: Hi\n", "-- \nAnn of One", "Text\n-- \nAnn of One")
	p.keys("c")
	p.golden("letter")
	p.keys("a")
	p.types(file)
	p.keys("enter")
	p.sees("Attach: ")
	p.keys("a")
	p.types("/nowhere")
	p.keys("enter")
	p.sees("The file to attach cannot be read")
	p.keys("y")
	p.sees("Sent.")
	if len(o.sent) != 1 {
		t.Fatal("nothing was sent")
	}
	l := o.sent[0]
	if emails(l.To) != "bob@one.example carol@far.example" || l.To[0].Name != "Bob" || l.Subject != "Hi" || l.From.Email != "ann@one.example" ||
		l.Text != "\n\nText\n-- \nAnn of One\n" || len(l.Files) != 1 || l.Files[0].Name != "notes.txt" || o.files[l.Files[0].Blob] != "notes" {
		t.Errorf("what was sent is %+v", l)
	}
}

// TestAnswers: replies go to whom they should, refer to what they answer, and mark it. RFC 5322 3.6.4, RFC 3676 4.3.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, key, to, cc, subject, keyword string }{
		{"reply", "r", "bob@one.example", "", "Re: The plan", client.Answered},
		{"to all", "a", "bob@one.example carol@far.example", "dan@far.example", "Re: The plan", client.Answered},
		{"forward", "f", "eve@far.example", "", "Fwd: The plan", client.Forwarded},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := village()
			p := play(t, o, nil)
			id := o.emails[0].ID
			if c.key == "f" {
				p.writes("To: \n", "To: eve@far.example\n", "Attach: #2 map.png\n", "")
			} else {
				p.writes("On Tue, 24 Nov 2026 at 09:00, Bob Smith wrote:\n> Plan\n>\n> See the page[1].\n>\n>> I asked", "Yes.\n>> I asked")
			}
			p.keys("enter", c.key, "y")
			p.sees("Sent.")
			if len(o.sent) != 1 {
				t.Fatalf("%d were sent:\n%s", len(o.sent), p.screen())
			}
			l := o.sent[0]
			if emails(l.To) != c.to || emails(l.Cc) != c.cc || l.Subject != c.subject || !slices.Equal(l.Refs, []string{id + "@far.example"}) {
				t.Errorf("it is %+v", l)
			}
			if c.key == "f" && (len(l.Files) != 1 || l.Files[0].Blob != "BF" || !strings.Contains(l.Text, "From: Bob Smith <bob@one.example>")) {
				t.Errorf("what was passed on is %+v", l)
			}
			if c.key != "f" && (!slices.Equal(l.InReplyTo, l.Refs) || !strings.HasPrefix(l.Text, "Yes.\n>")) {
				t.Errorf("the answer is %+v", l)
			}
			if e, err := o.find(id); err != nil || !e.Keywords[c.keyword] {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
}

// TestLetterKept: a letter survives what goes wrong, and is given up by its writer alone.
func TestLetterKept(t *testing.T) {
	t.Parallel()
	o := village()
	p := play(t, o, nil)
	p.keys("c", "y")
	p.sees("It is to nobody")
	p.writes("To: ", "To: no address", "Cc: ", "Cc: ")
	p.keys("e")
	p.sees("is no mail address. Edit it again? (y/n)")
	p.writes("To: no address", "To: bob@one.example")
	p.keys("y")
	p.sees("To: bob@one.example")
	o.fail = mail.Errorf(mail.Unavailable, "the server is away")
	p.keys("y")
	p.sees("The server is away", "It is kept in Drafts.", "To: bob@one.example")
	p.keys("ctrl+c")
	p.sees("Give it up and quit? (y/n)")
	p.keys("n", "q", "n", "y")
	p.sees("Sent.")
	if len(o.sent) != 1 || o.sent[0].Replaces != "MX" {
		t.Errorf("%+v", o.sent)
	}
	p.editor = nil
	p.keys("c", "d")
	p.sees("Kept in Drafts.")
	if len(o.kept) != 1 || p.ended {
		t.Errorf("%+v", o.kept)
	}
}

// TestForm: what a letter's form says is read as it was written.
func TestForm(t *testing.T) {
	t.Parallel()
	d := terminal.Draft{Letter: client.Letter{From: client.Address{Name: "Ann, of One", Email: "ann@one.example"}, To: []client.Address{{Name: "Bób \"B\"", Email: "bob@one.example"}},
		Bcc: []client.Address{{Email: "eve@far.example"}}, Subject: "Grüße: x", Text: "Hallo: x\n\nTo: y\n"}, Paths: []string{"/a b"}, Parts: []client.Part{{Name: "p.txt", Blob: "B"}}}
	again := d
	if err := again.Read(strings.NewReader(d.Form())); err != nil {
		t.Fatal(err)
	}
	if again.Form() != d.Form() || again.Letter.To[0] != d.Letter.To[0] || again.Parts[0] != d.Parts[0] {
		t.Errorf("%+v", again)
	}
	for in, want := range map[string]string{"Hello\n\nx": "is no field", "Tos: x\n\n": "there is no field", "Attach: #7 x\n\n": "there is no attachment #7", "To: x\n\n": "is no mail address",
		"From: a@b.example, c@d.example\n\n": "from one address"} {
		before := again.Form()
		if err := again.Read(strings.NewReader(in)); !mail.Is(err, mail.Invalid) || !strings.Contains(err.Error(), want) || again.Form() != before {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// FuzzForm: whatever an editor leaves is read or refused, and what was read comes out the same.
func FuzzForm(f *testing.F) {
	f.Add("From: a <a@b.example>\nTo: \"x, y\" <c@d.example>, e@f.example\nSubject: s\nAttach: /x\n\ntext\x1b\r\n")
	f.Add("to:\n\n")
	f.Fuzz(func(t *testing.T, in string) {
		var d, again terminal.Draft
		if d.Read(strings.NewReader(in)) != nil {
			return
		}
		if err := again.Read(strings.NewReader(d.Form())); err != nil || emails(again.Letter.To) != emails(d.Letter.To) || again.Letter.Text != d.Letter.Text {
			t.Errorf("%q\n%+v\n%+v\n%v", in, d, again, err)
		}
	})
}

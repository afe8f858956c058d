package command_test

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/cmd/postrider/command"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/testkit/fakemx"
)

const password = "correct horse battery"

// system is a whole one that runs, with ann, bob and carol in it, and a far host that its mail for far.test goes to.
type system struct {
	server, ca string
	far        *fakemx.Server
}

// runSystem runs one until the test ends.
func runSystem(t *testing.T) system {
	t.Helper()
	far := fakemx.Start(t, fakemx.Config{Domain: "far.test"})
	far.On(fakemx.Rcpt, "gone@far.test", fakemx.Reply(550, [3]int{5, 1, 1}, "no such person"))
	far.On(fakemx.Rcpt, "later@far.test", fakemx.Reply(451, [3]int{4, 7, 1}, "busy"))
	c := config.Default(t.TempDir())
	c.Hostname = "mx.one.example"
	c.Listen = config.Listen{HTTPS: config.Addresses{"127.0.0.1:0"}, LMTPSocketMode: "0660"}
	c.Doctor.Every, c.DKIM.Enabled = 0, false
	c.Routes = []config.Route{{Domain: "far.test", Host: far.Addr.String(), TLS: config.TLSNone}}
	op, closer, err := app.OpenOffline(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"Ann", "Bob", "Carol"} {
		if _, err := op.AddAccount(t.Context(), admin.NewAccount{Address: strings.ToLower(who) + "@one.example", Name: who, Password: password, CreateDomain: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, done := make(chan []admin.Listener, 1), make(chan error, 1)
	go func() { done <- app.Serve(ctx, c, slog.New(slog.DiscardHandler), func(a app.Addresses) { ready <- a }) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	s := system{far: far}
	select {
	case list := <-ready:
		for _, l := range list {
			if l.Service == "https" {
				s.server = "https://" + l.Address
			}
		}
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
	err = filepath.WalkDir(c.Data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "development-ca.pem" {
			s.ca = path
		}
		return nil
	})
	if s.ca == "" || s.server == "" || err != nil {
		t.Fatalf("%+v, %v", s, err)
	}
	return s
}

// TestPerson: the transcripts in testdata/person are of people who use a whole system over HTTPS, each with their own password.
func TestPerson(t *testing.T) {
	t.Parallel()
	s := runSystem(t)
	t.Run("transcripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{Dir: "testdata/person", Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
			Setup: func(e *testscript.Env) error {
				e.Setenv("SERVER", s.server)
				e.Setenv("CA", s.ca)
				e.Setenv("POSTRIDER_PASSWORD", password)
				return nil
			}})
	})
	var to []string
	for _, m := range s.far.Received() {
		to = append(to, m.To...)
		if text := string(m.Data); !strings.Contains(text, "Cc: dan@far.test") || !strings.Contains(text, "filename=note.txt") && !strings.Contains(text, `filename="note.txt"`) {
			t.Errorf("what the far host got is %s", text)
		}
	}
	if len(to) != 2 {
		t.Errorf("the far host got mail for %v", to)
	}
}

// leftLetter is the file a letter is left in.
var leftLetter = regexp.MustCompile(`/\S+/postrider-letter-\d+\.txt`)

// TestEditor: a person at a terminal writes in their editor, and is asked before the letter goes.
func TestEditor(t *testing.T) {
	t.Parallel()
	s := runSystem(t)
	run := func(editor, typed string, args ...string) (int, string, string) {
		var out, errs strings.Builder
		e := env(append([]string{"send", "--as", "ann@one.example", "--server", s.server, "--ca", s.ca}, args...))
		in, person, err := os.Pipe() // a file, as a terminal is: the editor gets it, and not what is typed ahead
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		_, _ = person.WriteString(typed)
		_ = person.Close()
		e.In, e.Out, e.Err, e.InTerminal = in, &out, &errs, true
		e.Getenv = func(name string) string { return map[string]string{"EDITOR": editor}[name] }
		e.Secret = func(_ context.Context, prompt string) (string, error) {
			if prompt != "Password of ann@one.example: " {
				t.Errorf("the prompt is %q", prompt)
			}
			return password, nil
		}
		code := command.Run(t.Context(), e)
		if left := leftLetter.FindString(errs.String()); left != "" {
			_ = os.Remove(left)
		}
		return code, out.String(), errs.String()
	}
	if code, out, errs := run("true", "y\n", "bob@one.example", "-s", "As it is"); code != 0 || !strings.Contains(out, "delivered") || !strings.Contains(errs, "Send it? [y/N]") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if code, out, errs := run("true", "n\n", "bob@one.example"); code == 0 || out != "" || !strings.Contains(errs, "nothing was sent; the letter is in ") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if code, _, errs := run("true", "y\nn\n"); code == 0 || !strings.Contains(errs, "The letter is to nobody") {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs := run("false", "", "bob@one.example"); code == 0 || !strings.Contains(errs, "the editor failed (the letter is in ") {
		t.Errorf("%d %s", code, errs)
	}
}

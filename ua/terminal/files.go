package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal/plain"
)

// maxPaged bounds what of an attachment is shown in the pager, in octets.
const maxPaged = 8 << 20

func (m *Model) filesView(room int) []string {
	r := m.open
	top := max(0, min(r.files-room/2, len(r.email.Files)-room))
	var out []string
	for i := top; i < min(top+room, len(r.email.Files)); i++ {
		f := r.email.Files[i]
		size := octets(f.Size)
		line := fmt.Sprintf("%s [%d] %s", mark(i == r.files), i+1, fileName(f))
		kind := plain.Cut(plain.Line(f.Type), 30)
		line = plain.Fit(line, max(10, m.width-plain.Width(kind)-len(size)-5)) + " " + kind + "  " + size
		out = append(out, m.line(line, i == r.files, false))
	}
	return out
}

func (m *Model) filesKey(name string) tea.Cmd {
	r := m.open
	f := r.email.Files[r.files]
	switch name {
	case "j", "down", "n":
		r.files = min(r.files+1, len(r.email.Files)-1)
	case "k", "up", "p":
		r.files = max(r.files-1, 0)
	case "?":
		m.before, m.screen = onFiles, onHelp
	case "q", "esc", "h", "left":
		m.screen = onMessage
	case "s":
		return m.ask("Save as: ", plain.Name(f.Name), func(m *Model, to string) tea.Cmd {
			if to == "" {
				return nil
			}
			m.said = "Saving…"
			return func() tea.Msg {
				n, err := Save(m.ctx, m.o.Mail, f, m.home(to))
				if err != nil {
					return saidMsg{err: err}
				}
				return saidMsg{text: fmt.Sprintf("Saved %s as %s.", octets(n), to)}
			}
		})
	case "enter", "o", "v", "l", "right":
		if !isText(f) {
			m.said, m.bad = "This is no text; save it with s, and open it with a program for it.", true
			return nil
		}
		m.said = "Reading…"
		return func() tea.Msg {
			path, err := m.pageFile(f)
			return pagerMsg{path: path, err: err}
		}
	}
	return nil
}

// home replaces a ~ at a path's beginning.
func (m *Model) home(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && m.o.Getenv("HOME") != "" {
		return filepath.Join(m.o.Getenv("HOME"), rest)
	}
	return path
}

func isText(f client.Part) bool {
	t := strings.ToLower(f.Type)
	return strings.HasPrefix(t, "text/") || t == "message/rfc822" || t == "application/json" || t == "application/xml" || t == "message/delivery-status"
}

// Save writes an attachment to a file that is not there yet, and gives its size. What could not be got whole is not kept.
func Save(ctx context.Context, from Mail, p client.Part, path string) (n int64, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, plain.Name(p.Name))
	}
	r, err := from.Download(ctx, p)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, mail.Errorf(mail.Exists, "%s is there already; give another name", path)
	}
	if err != nil {
		return 0, mail.Errorf(mail.Invalid, "the file cannot be written: %w", err)
	}
	n, err = io.Copy(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(path)
		return 0, mail.Errorf(mail.Unavailable, "%s could not be saved: %w", path, err)
	}
	return n, nil
}

// pagerMsg is a text that is ready for the pager, or that it was shown.
type pagerMsg struct {
	path  string
	err   error
	shown bool
}

// pageFile makes a file of an attachment's text, in UTF-8 and without what a terminal would take for a command.
func (m *Model) pageFile(p client.Part) (path string, err error) {
	r, err := m.o.Mail.Download(m.ctx, p)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(message.CharsetReader(p.Charset, io.LimitReader(r, maxPaged)), 2*maxPaged))
	if err != nil {
		return "", mail.Errorf(mail.Unavailable, "the attachment could not be read: %w", err)
	}
	text := string(b)
	if strings.EqualFold(p.Type, "text/html") {
		text = plain.FromHTML(text)
	}
	return m.temp("attachment-*.txt", plain.Block(text))
}

// temp makes a file that its owner alone can read.
func (m *Model) temp(pattern, text string) (string, error) {
	f, err := os.CreateTemp(m.o.Temp, "postrider-"+pattern)
	if err != nil {
		return "", mail.Errorf(mail.Unavailable, "no file for the text can be made: %w", err)
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", mail.Errorf(mail.Unavailable, "the text cannot be written: %w", err)
	}
	return f.Name(), nil
}

func (m *Model) page(msg pagerMsg) tea.Cmd {
	if msg.shown || msg.err != nil {
		if msg.path != "" {
			_ = os.Remove(msg.path)
		}
		m.tell("", msg.err)
		return nil
	}
	c := program(m.o.Getenv, []string{"PAGER"}, []string{"less", "more"}, msg.path)
	c.Env = append(os.Environ(), "LESSSECURE=1") // less must not be a way to run programs on what strangers sent
	return m.o.Exec(c, func(err error) tea.Msg {
		if err != nil {
			err = mail.Errorf(mail.Unavailable, "the pager failed: %w", err)
		}
		return pagerMsg{path: msg.path, err: err, shown: true}
	})
}

// program is what the person wants a file to be opened with: the first variable that is set, else the first program that is there.
func program(getenv func(string) string, variables, otherwise []string, path string) *exec.Cmd {
	var words []string
	for _, v := range variables {
		if words = strings.Fields(getenv(v)); len(words) > 0 {
			break
		}
	}
	for _, name := range otherwise {
		if len(words) > 0 {
			break
		}
		if _, err := exec.LookPath(name); err == nil {
			words = []string{name}
		}
	}
	if len(words) == 0 {
		words = otherwise[:1]
	}
	return exec.Command(words[0], append(words[1:], path)...) //nolint:gosec // it is what the person chose
}

// Editor is the command that edits a file: $VISUAL, $EDITOR, or an editor that is there.
func Editor(getenv func(string) string, path string) *exec.Cmd {
	return program(getenv, []string{"VISUAL", "EDITOR"}, []string{"vi", "nano", "notepad"}, path)
}

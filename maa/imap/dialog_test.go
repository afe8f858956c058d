package imap

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/testkit/dialog"
)

// fill appends the messages of testdata/messages to INBOX, in the order of their names, as another session would.
func (w *world) fill() {
	files, err := filepath.Glob("testdata/messages/*.eml")
	if err != nil || len(files) == 0 {
		w.t.Fatal("no messages", err)
	}
	for i, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			w.t.Fatal(err)
		}
		body := strings.ReplaceAll(string(b), "\n", "\r\n")
		prefix := ""
		if i == 0 {
			prefix = "Received: from client.example by mx.example.org;\r\n Tue, 24 Nov 2026 08:00:00 +0000\r\n"
		}
		w.append("INBOX", prefix, body, mail.Flags{}, time.Date(2026, 11, 24+i, 8, 30, 0, 0, time.UTC))
	}
}

// append files a message past the server.
func (w *world) append(box, prefix, body string, flags mail.Flags, at time.Time) mail.Result {
	w.t.Helper()
	list, err := w.store.Mailboxes(w.ctx, w.account)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range list {
		if b.Name != box {
			continue
		}
		bw, err := w.store.Create(w.ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		scanner := message.NewScanner(message.Limits{})
		_, _ = scanner.Write([]byte(body))
		_, _ = bw.Write([]byte(body))
		sealed, err := bw.Seal()
		if err != nil {
			w.t.Fatal(err)
		}
		defer sealed.Discard()
		root := scanner.Finish()
		rc := w.commit(mail.AddMessage{Account: w.account, Mailbox: b.ID, Body: sealed, Prefix: []byte(prefix), Summary: message.Encode(root),
			Flags: flags, Received: at, Saved: at.Add(time.Second), Thread: mail.ThreadKeys{MessageID: root.Facts().MessageID}})
		return rc.Results[0]
	}
	w.t.Fatalf("no mailbox %s", box)
	return mail.Result{}
}

// shown says of each dialog what it shows.
var shown = map[string]string{
	"append":       "RFC 9051 6.3.12, RFC 3502 6.3.11, RFC 7888 4, RFC 9051 7.1, RFC 7889 4, RFC 9755 4, RFC 3516 4.4, RFC 5322 3.5",
	"authenticate": "RFC 9051 6.2.2, RFC 4959 3, RFC 5530 3",
	"bad":          "RFC 9051 4.3, RFC 9051 9",
	"close":        "RFC 9051 6.4.1, RFC 9051 6.4.2, RFC 9051 6.3.2, RFC 9051 6.3.3, RFC 7162 3.1.8",
	"copy":         "RFC 9051 6.4.7, RFC 9051 6.4.8, RFC 9051 6.4.9, RFC 9051 7.1",
	"early":        "RFC 9051 3",
	"expunge":      "RFC 9051 7.5.1, RFC 5530 3",
	"fetch":        "RFC 9051 6.4.5, RFC 9051 6.4.5.1, RFC 9051 7.5.2, RFC 9051 4.3.1, RFC 8474 5, RFC 8514 4.1, RFC 9051 6.3.3, RFC 3501 6.3.1",
	"idle":         "RFC 9051 6.3.13, RFC 9051 7.5.1",
	"list": "RFC 9051 6.3.9, RFC 9051 6.3.7, RFC 9051 6.3.8, RFC 9051 6.3.10, RFC 5258 3, RFC 5258 3.5, RFC 5819 2, RFC 6154 2, " +
		"RFC 6154 3, RFC 6154 5.2, RFC 3501 6.3.9, RFC 8474 4.1, RFC 2342",
	"login":   "RFC 9051 6.2.3, RFC 9051 6.1.1, RFC 9051 6.1.3, RFC 9051 3",
	"mailbox": "RFC 9051 5.1, RFC 9051 6.3.4, RFC 9051 6.3.5, RFC 9051 6.3.6, RFC 3501 5.1.3",
	"qresync": "RFC 5161, RFC 7162 3.1.2, RFC 7162 3.1.3, RFC 7162 3.1.4.1, RFC 7162 3.1.7, RFC 7162 3.2.3, RFC 7162 3.2.5, RFC 7162 3.2.6, RFC 7162 3.2.7, " +
		"RFC 7162 3.2.10, RFC 7162 3.2.10.1",
	"quota": "RFC 9208 4.1.2, RFC 9208 4.1.3, RFC 9208 4.1.4, RFC 2971 3.1, RFC 7889 3.1, RFC 8438, RFC 8474 4.3, RFC 9051 6.3.11",
	"rev2":  "RFC 9051 6.3.1, RFC 9051 7.3.4, RFC 9755 3",
	"search": "RFC 9051 6.4.4, RFC 3501 7.2.5, RFC 4731 3, RFC 4731 3.2, RFC 5032 3, RFC 5182 2, RFC 5182 2.1, RFC 5182 2.4, RFC 7162 3.1.5, " +
		"RFC 8474 6, RFC 8514 4.3, RFC 3501 2.3.2",
	"seen":               "RFC 9051 6.4.5",
	"starttls":           "RFC 9051 6.2.1",
	"starttls-injection": "RFC 9051 6.2.1, RFC 9051 11.1",
	"store":              "RFC 9051 6.4.6, RFC 9051 6.4.3, RFC 9051 6.4.9, RFC 4315 2.1, RFC 9051 7.3.5, RFC 3501 7.3.2, RFC 3501 6.4.1",
}

// noon is the clock of the dialogs: it stands still.
type noon struct{ mail.SystemClock }

func (noon) Now() time.Time { return time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) }

// TestDialogs plays every file of testdata/dialogs against a server of its own with the messages of testdata/messages.
func TestDialogs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/dialogs/*.txt")
	if err != nil || len(files) != len(shown) {
		t.Errorf("%d dialogs, of which %d are said to show something (%v)", len(files), len(shown), err)
	}
	dialog.Files(t, "testdata/dialogs/*.txt", func(t *testing.T) dialog.Runner {
		if _, name, _ := strings.Cut(t.Name(), "/"); shown[name] == "" {
			t.Errorf("what %s shows is not said", name)
		}
		w := newWorld(t, func(c *Config) {
			c.TLS = testTLS()
			c.Clock = noon{}
			c.Limits.Append = 20000
		})
		w.fill()
		return dialog.Runner{Dial: func(testing.TB) net.Conn { return w.dial() }, Vars: map[string]string{"user": "ann@example.org"}}
	})
}

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

// TestDialogs plays every file of testdata/dialogs against a server of its own with the messages of testdata/messages.
// The files name the sections of the RFCs they follow.
func TestDialogs(t *testing.T) {
	t.Parallel()
	dialog.Files(t, "testdata/dialogs/*.txt", func(t *testing.T) dialog.Runner {
		w := newWorld(t, func(c *Config) {
			c.TLS = testTLS()
			c.Limits.Append = 20000
		})
		w.fill()
		return dialog.Runner{Dial: func(testing.TB) net.Conn { return w.dial() }, Vars: map[string]string{"user": "ann@example.org"}}
	})
}

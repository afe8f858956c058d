package lab

import (
	"bytes"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Message is one message as IMAP shows it.
type Message struct {
	UID      imap.UID
	Flags    []imap.Flag
	Received time.Time
	Raw      []byte
}

// IMAP logs in with go-imap's client over TLS. The connection ends with the test.
func (s *Server) IMAP(t testing.TB, user, password string, handler *imapclient.UnilateralDataHandler) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialTLS(s.Addr(IMAPS), &imapclient.Options{TLSConfig: s.CA.ClientTLS(s.Spec.Hostname), UnilateralDataHandler: handler})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(user, password).Wait(); err != nil {
		t.Fatalf("login of %s: %v", user, err)
	}
	return c
}

// Fetch selects a mailbox and reads all of its messages without marking them seen.
func Fetch(t testing.TB, c *imapclient.Client, mailbox string) []Message {
	t.Helper()
	selected, err := c.Select(mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if selected.NumMessages == 0 {
		return nil
	}
	whole := &imap.FetchItemBodySection{Peek: true}
	all := imap.SeqSet{}
	all.AddRange(1, 0)
	buffers, err := c.Fetch(all, &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true,
		BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var messages []Message
	for _, b := range buffers {
		raw := b.FindBodySection(whole)
		if int64(len(raw)) != b.RFC822Size {
			t.Errorf("%s UID %d: RFC822.SIZE is %d, the message has %d octets", mailbox, b.UID, b.RFC822Size, len(raw))
		}
		messages = append(messages, Message{b.UID, b.Flags, b.InternalDate, raw})
	}
	return messages
}

// WaitFor reads a mailbox until it has n messages.
func WaitFor(t testing.TB, c *imapclient.Client, mailbox string, n int) []Message {
	t.Helper()
	var messages []Message
	Within(t, Patience, "messages arrive", func() (bool, string) {
		messages = Fetch(t, c, mailbox)
		return len(messages) >= n, describe(messages)
	})
	if len(messages) != n {
		t.Fatalf("%s has %d messages, want %d: %s", mailbox, len(messages), n, describe(messages))
	}
	return messages
}

// describe lists the subjects.
func describe(messages []Message) string {
	var b bytes.Buffer
	b.WriteString("there are:")
	for _, m := range messages {
		b.WriteString(" " + Field(m.Raw, "Subject") + ";")
	}
	return b.String()
}

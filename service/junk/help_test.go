package junk

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var day = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

type fixed time.Time

func (f fixed) Now() time.Time                       { return time.Time(f) }
func (fixed) After(d time.Duration) <-chan time.Time { return time.After(d) }

// body is a body in memory.
type body []byte

func (b body) Open() (mail.BlobReader, error) { return bodyReader{bytes.NewReader(b)}, nil }
func (b body) Size() int64                    { return int64(len(b)) }
func (b body) Discard()                       {}

type bodyReader struct{ *bytes.Reader }

func (bodyReader) Close() error { return nil }

// summary scans a message.
func summary(text string) []byte {
	s := message.NewScanner(message.Limits{})
	s.Write([]byte(text)) //nolint:errcheck // a scan takes anything
	return message.Encode(s.Finish())
}

// notes is mail.Notes and the part of mail.Journal that changes them, in memory.
type notes struct {
	mu    sync.Mutex
	all   map[string]mail.Note
	fails error
	sets  int
}

func newNotes() *notes { return &notes{all: map[string]mail.Note{}} }

func (n *notes) Note(_ context.Context, kind, key string) (mail.Note, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails != nil {
		return mail.Note{}, n.fails
	}
	if v, ok := n.all[kind+"\x00"+key]; ok {
		return v, nil
	}
	return mail.Note{}, mail.Errorf(mail.NotFound, "there is no note %s %q", kind, key)
}

func (n *notes) Notes(_ context.Context, q mail.NoteQuery) (out []mail.Note, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, v := range n.all {
		if v.Kind == q.Kind && strings.HasPrefix(v.Key, q.Prefix) && v.Key > q.After {
			out = append(out, v)
		}
	}
	return out, n.fails
}

func (n *notes) Commit(_ context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range set.Changes {
		if p, ok := c.(mail.PutNote); ok {
			have, there := n.all[p.Note.Kind+"\x00"+p.Note.Key]
			if p.If == mail.NoteAbsent && there || p.If == mail.NoteIs && (!there || !bytes.Equal(have.Value, p.Was)) {
				return mail.Receipt{}, &mail.ChangeError{Err: mail.Errorf(mail.Conflict, "changed meanwhile")}
			}
		}
	}
	for _, c := range set.Changes {
		switch c := c.(type) {
		case mail.PutNote:
			n.all[c.Note.Kind+"\x00"+c.Note.Key] = c.Note
		case mail.RemoveNote:
			delete(n.all, c.Kind+"\x00"+c.Key)
		}
	}
	n.sets++
	return mail.Receipt{Results: make([]mail.Result, len(set.Changes))}, nil
}

// static answers from records.
func static(t testing.TB, zone string) *dns.Static {
	t.Helper()
	s, err := dns.NewStatic(dns.StaticConfig{Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func filter(t testing.TB, change func(*Config)) *Filter {
	t.Helper()
	cfg := Config{Clock: fixed(day), Hostname: "mx.our.example"}
	if change != nil {
		change(&cfg)
	}
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const plain = "From: Ann Bell <ann@example.com>\r\nTo: bob@our.example\r\nSubject: Lunch\r\nDate: Tue, 24 Nov 2026 07:59:00 +0000\r\n" +
	"Message-ID: <1@example.com>\r\n\r\nShall we meet at noon?\r\n"

// from is a good message's transaction.
func from(text string) Message {
	return Message{IP: netip.MustParseAddr("192.0.2.1"), Reverse: "mx.example.com", Helo: "mx.example.com", From: "ann@example.com",
		To: []mail.Path{"bob@our.example"}, Body: body(text), Summary: summary(text),
		Evidence: Evidence{SPF: "pass", DKIM: "pass", DMARC: "pass", IPRev: "pass", Authenticated: true, Domain: "example.com"}}
}

// lines reads a corpus.
func lines(t testing.TB, name string) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/corpus/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// compose makes a message of some lines of a corpus, in one of the forms that mail has.
func compose(r *rand.Rand, corpus []string, n int) string {
	var said []string
	for range 3 + r.IntN(3) {
		said = append(said, corpus[r.IntN(len(corpus))])
	}
	words := strings.Fields(said[0])
	head := fmt.Sprintf("From: Person %d <p%d@sender%d.example>\r\nTo: bob@our.example\r\nSubject: %s\r\nDate: Tue, 24 Nov 2026 07:59:00 +0000\r\nMessage-ID: <%d@x.example>\r\n",
		n%17, n%17, n%11, strings.Join(words[:min(len(words), 5)], " "), n)
	switch n % 3 {
	case 0:
		return head + "\r\n" + strings.Join(said, "\r\n") + "\r\n"
	case 1:
		return head + "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>" + strings.Join(said, "</p>\r\n<p>") + "</p></body></html>\r\n"
	}
	return head + "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n" + strings.Join(said, "\r\n") +
		"\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>" + strings.Join(said, "<br>") + "</p>\r\n--b--\r\n"
}

// tokensOf are the words of a message.
func tokensOf(t testing.TB, text string) []uint64 {
	t.Helper()
	root, err := message.Decode(summary(text))
	if err != nil {
		t.Fatal(err)
	}
	r, _ := body(text).Open()
	c, err := read(root, r)
	if err != nil {
		t.Fatal(err)
	}
	return c.words.list
}

package smtpd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/postrider/postrider/proto/smtp"
)

// tape is a connection whose client says what is on the tape and listens to anything.
type tape struct {
	in  io.Reader
	out bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *tape) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) LocalAddr() net.Addr              { return nil }
func (c *tape) RemoteAddr() net.Addr             { return nil }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// alarm fails the test when the engine itself reports a panic.
type alarm struct {
	slog.Handler
	t testing.TB
}

func (a alarm) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "panic") {
		r.Attrs(func(at slog.Attr) bool {
			if at.Key == "panic" && at.Value.String() != "handler" && at.Value.String() != "in the middle" {
				a.t.Errorf("%s: %s", r.Message, at.Value)
			}
			return true
		})
	}
	return nil
}
func (a alarm) Enabled(context.Context, slog.Level) bool { return true }
func (a alarm) WithAttrs([]slog.Attr) slog.Handler       { return a }

// play runs one conversation from a tape and gives what was said and kept.
func play(t testing.TB, cfg Config, in io.Reader, auth bool) (string, *fakeBackend) {
	b := &fakeBackend{t: t, noAuth: !auth, lmtp: cfg.LMTP}
	cfg.Log = slog.New(alarm{t: t})
	conn := &tape{in: in}
	New(cfg, b).Serve(context.Background(), conn)
	if b.closed != b.sessions || b.resets < b.opened {
		t.Errorf("%d sessions, %d closed; %d transactions, %d reset", b.sessions, b.closed, b.opened, b.resets)
	}
	return conn.out.String(), b
}

// judge checks what must hold whatever a client sends.
func judge(t testing.TB, said string, b *fakeBackend) {
	r := smtp.NewReader(strings.NewReader(said), make([]byte, 4096))
	for {
		if _, err := smtp.ReadReply(r); err != nil {
			if err == io.EOF {
				break
			}
			if errors.Is(err, smtp.ErrBadReply) && strings.Contains(err.Error(), "334") {
				continue // a challenge is no ordinary reply
			}
			t.Errorf("the server said %q: %v", said, err)
			return
		}
	}
	for _, m := range b.stored {
		var check smtp.TextCheck
		if m.from == "lazy@x" {
			continue
		}
		if err := check.Check([]byte(m.body)); err != nil {
			t.Errorf("stored %q: %v", m.body, err)
		}
		if open, err := check.End(); open || err != nil {
			t.Errorf("stored %q: %v %v", m.body, open, err)
		}
	}
}

// FuzzConversation: whatever a client sends, and in whatever packets it arrives, the server neither panics nor says anything that
// is no reply, passes nothing on that breaks the form of text, and does the same.
func FuzzConversation(f *testing.F) {
	for _, name := range []string{"smtp_requests_full.raw", "smtp_requests_full_bdat.raw"} {
		if b, err := os.ReadFile("../../../shared/data/fuzz-smtp/" + name); err == nil {
			f.Add(b, false)
		}
	}
	files, err := filepath.Glob("testdata/*.dialog")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if tape := clientSide(string(text)); len(tape) < 3000 {
			f.Add([]byte(tape), strings.Contains(file, "lmtp"))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, lmtp bool) {
		cfg := Config{LMTP: lmtp, MaxSize: 200, AllowCleartextAuth: true, DSN: true}
		said, b := play(t, cfg, bytes.NewReader(in), false)
		judge(t, said, b)
		again, b2 := play(t, cfg, iotest.OneByteReader(bytes.NewReader(in)), false)
		if said != again || len(b.stored) != len(b2.stored) {
			t.Errorf("%q in one piece: %q\noctet by octet: %q", in, said, again)
		}
		said, b = play(t, cfg, bytes.NewReader(in), true)
		judge(t, said, b)
	})
}

// clientSide gives what the client of a dialog sends.
func clientSide(dialog string) string {
	var b strings.Builder
	for line := range strings.Lines(dialog) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "C: "), strings.HasPrefix(line, "C- "):
			b.WriteString(line[3:] + "\r\n")
		case strings.HasPrefix(line, `C" `):
			line = strings.TrimSuffix(line[3:], `"`)
			b.WriteString(strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\x00`, "\x00").Replace(line))
		}
	}
	return b.String()
}

// TestSmuggling sends every known variant of the end of data (RFC 5321 4.1.1.4), followed by a transaction to be smuggled,
// split over packets at every offset. At most the first message may be kept, and only as it was meant.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	for _, variant := range smugglingTable(t) {
		head := "HELO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"
		tail := "MAIL FROM:<evil@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nevil\r\n.\r\nNOOP\r\n"
		text := "Subject: x\r\n\r\nbody" + variant + tail
		honest := strings.Contains(variant, "\r\n.\r\n")
		for cut := range len(head) + len(text) + 1 {
			wire := head + text
			said, b := play(t, Config{}, io.MultiReader(strings.NewReader(wire[:cut]), strings.NewReader(wire[cut:])), false)
			judge(t, said, b)
			for _, m := range b.stored {
				if m.from == "evil@x" && !honest {
					t.Fatalf("%q cut at %d: smuggled %+v", variant, cut, m)
				}
			}
			if !strings.HasSuffix(said, "250 2.0.0 OK\r\n") && !honest {
				t.Fatalf("%q cut at %d: out of step: %q", variant, cut, said)
			}
		}
	}
}

// Package damage breaks what Postrider stands on, and looks whether it does what docs/operations.md promises under "When the disk fails".
//
// Each test is a row of that table: it fills a real server (test/lab), stops it, flips octets in a pack, overwrites pages of the index, takes the
// disk's last room away, starts it again, and asks what senders, readers and the operator are told. What is exported is read by programs of
// strangers: Python's mailbox module, Dovecot and mutt. TestQuotedReplies looks up every reply that the table quotes.
package damage

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postrider/postrider/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

const (
	ann      = "ann@one.example"
	ben      = "ben@one.example"
	password = "correct-horse-battery"
)

// one starts a server with two people.
func one(t *testing.T, spec lab.Spec) *lab.Server {
	t.Helper()
	if spec.Hostname == "" {
		spec.Hostname = "mx.one.example"
	}
	spec.NoTLSLogin = true
	s := lab.New(t, lab.NewCA(t), spec)
	s.Start()
	for _, who := range []string{ann, ben} {
		s.AddAccount(who, password)
	}
	return s
}

// letter is a message that is found in a pack by its own words: it is too short to be compressed.
func letter(n int) []byte {
	return fmt.Appendf(nil, "Date: Mon, 02 Nov 2026 10:11:12 +0100\r\nFrom: <%s>\r\nTo: <%s>\r\nMessage-ID: <%d@one.example>\r\nSubject: letter %d\r\n\r\n"+
		"words of letter %d.\r\nFrom here on\r\n>From there\r\n.\r\n%s\r\n", ben, ann, n, n, n, strings.Repeat("more ", n))
}

// fill sends letters from Ben to somebody.
func fill(t *testing.T, s *lab.Server, to string, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		s.Submit(t, ben, password, []string{to}, letter(i))
	}
}

// breakable stops a server and keeps a copy of its sound data, which the lab finds again at the end of the test.
func breakable(t *testing.T, s *lab.Server) {
	t.Helper()
	s.Stop()
	sound := filepath.Join(s.Dir, "sound")
	if err := os.CopyFS(sound, os.DirFS(s.Data)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop()
		if err := errors.Join(os.RemoveAll(s.Data), os.Rename(sound, s.Data)); err != nil {
			t.Error(err)
		}
	})
}

// flip changes the octet at which a text stands in a pack.
func flip(t *testing.T, s *lab.Server, text string) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(s.Data, "packs", "*", "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packs {
		raw, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(raw, []byte(text)); i >= 0 {
			raw[i] ^= 0x20
			if err := os.WriteFile(p, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%q is in no pack", text)
}

// run runs the operator's command and gives what it says and its exit code.
func run(t *testing.T, s *lab.Server, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(lab.Binary(t), append([]string{"--config", s.Config}, args...)...)
	cmd.Dir = s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	timer := time.AfterFunc(lab.Patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// summary is what export says with --json.
type summary struct {
	Complete  bool
	Messages  int
	Kept      int
	Accounts  int
	Mailboxes []struct {
		Account, Name, Path string
		Exported            int
	}
	Missing []struct {
		Account, Mailbox, Reason string
		First, Last              uint32
	}
	Notes []string
}

// export runs export with --json.
func export(t *testing.T, s *lab.Server, args ...string) (sum summary, code int) {
	t.Helper()
	out, code := run(t, s, append([]string{"export", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &sum); err != nil {
		t.Fatalf("export --json exited with %d and said %s", code, out)
	}
	return sum, code
}

// wants fails unless a text has all the parts.
func wants(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s does not say %q:\n%.3000s", what, p, text)
		}
	}
}

// talk is a conversation in lines.
type talk struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	tag  int
}

func dial(t *testing.T, network, address string) *talk {
	t.Helper()
	conn, err := net.DialTimeout(network, address, lab.Patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &talk{t: t, conn: conn, in: bufio.NewReader(conn)}
	return c
}

// line reads a line; "" once the other side has hung up.
func (c *talk) line() string {
	c.t.Helper()
	c.conn.SetDeadline(time.Now().Add(lab.Patience))
	line, err := c.in.ReadString('\n')
	if err != nil && line == "" {
		return ""
	}
	return strings.TrimRight(line, "\r\n")
}

func (c *talk) say(format string, args ...any) {
	c.t.Helper()
	c.conn.SetDeadline(time.Now().Add(lab.Patience))
	fmt.Fprintf(c.conn, format+"\r\n", args...)
}

// reply reads an SMTP reply, all lines in one.
func (c *talk) reply() string {
	c.t.Helper()
	var all []string
	for {
		line := c.line()
		all = append(all, line)
		if len(line) < 4 || line[3] != '-' {
			return strings.Join(all, " ")
		}
	}
}

// ask is say and reply.
func (c *talk) ask(format string, args ...any) string {
	c.t.Helper()
	c.say(format, args...)
	return c.reply()
}

// deliver hands in a message from a stranger, or over LMTP, and gives the first reply that refuses it, or the last.
func (c *talk) deliver(hello, to string, raw []byte) string {
	c.t.Helper()
	for _, cmd := range []string{hello, "MAIL FROM:<stranger@far.example>", "RCPT TO:<" + to + ">", "DATA"} {
		if r := c.ask("%s", cmd); r == "" || r[0] > '3' {
			return r
		}
	}
	lines := bytes.ReplaceAll(raw, []byte("\r\n."), []byte("\r\n.."))
	c.say("%s.", lines)
	return c.reply()
}

// smtp greets the port for strangers.
func smtp(t *testing.T, s *lab.Server) *talk {
	t.Helper()
	c := dial(t, "tcp", s.Addr(lab.SMTP))
	c.reply()
	return c
}

// imap logs in.
func imap(t *testing.T, s *lab.Server, user string) *talk {
	t.Helper()
	c := dial(t, "tcp", s.Addr(lab.IMAP))
	c.line()
	if r := c.imap("LOGIN %s %s", user, password); !strings.HasPrefix(r, "OK") {
		t.Fatalf("LOGIN: %s", r)
	}
	return c
}

var literal = regexp.MustCompile(`\{([0-9]+)\}$`)

// imap gives a command and returns the tagged answer without its tag; untagged ones are before it, literals in place.
func (c *talk) imap(format string, args ...any) string {
	c.t.Helper()
	_, tagged := c.imapAll(format, args...)
	return tagged
}

func (c *talk) imapAll(format string, args ...any) (untagged, tagged string) {
	c.t.Helper()
	c.tag++
	tag := fmt.Sprintf("t%d", c.tag)
	c.say(tag+" "+format, args...)
	return c.imapEnd(tag)
}

func (c *talk) imapEnd(tag string) (untagged, tagged string) {
	c.t.Helper()
	for {
		line := c.line()
		if line == "" {
			return untagged, ""
		}
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			return untagged, rest
		}
		untagged += line + "\n"
		if m := literal.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			text := make([]byte, n)
			if _, err := io.ReadFull(c.in, text); err != nil {
				return untagged, ""
			}
			untagged += string(text)
		}
	}
}

// append puts a message into a mailbox and gives the answer.
func (c *talk) append(box string, raw []byte) string {
	c.t.Helper()
	c.tag++
	tag := fmt.Sprintf("t%d", c.tag)
	c.say("%s APPEND %s {%d}", tag, box, len(raw))
	line := c.line()
	if !strings.HasPrefix(line, "+") {
		return strings.TrimPrefix(line, tag+" ")
	}
	c.say("%s", raw)
	_, r := c.imapEnd(tag)
	return r
}

// pop3 logs in.
func pop3(t *testing.T, s *lab.Server, user string) *talk {
	t.Helper()
	c := dial(t, "tcp", s.Addr(lab.POP3))
	c.line()
	for _, cmd := range []string{"USER " + user, "PASS " + password} {
		c.say("%s", cmd)
		if r := c.line(); !strings.HasPrefix(r, "+OK") {
			t.Fatalf("%s: %s", cmd, r)
		}
	}
	return c
}

// plain is the initial response of AUTH PLAIN (RFC 4616 2).
func plain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

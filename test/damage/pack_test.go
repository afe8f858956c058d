package damage

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/test/lab"
)

// One body in a pack is damaged: whoever reads it is told so, all others are read, verify names the pack, the offset, the person, the mailbox and the
// UID, export names it and carries everything else out. RFC 5530 3 (SERVERBUG), RFC 1939 3.
func TestDamagedBody(t *testing.T) {
	t.Parallel()
	s := one(t, lab.Spec{})
	fill(t, s, ann, 1, 5)
	fill(t, s, ben, 6, 2)
	breakable(t, s)
	flip(t, s, "words of letter 3.")
	s.Expect("is damaged") // each time somebody asks for it, in the log
	s.Start()

	c := imap(t, s, ann)
	c.imap("SELECT INBOX")
	for uid := 1; uid <= 5; uid++ {
		text, r := c.imapAll("UID FETCH %d (FLAGS BODY.PEEK[])", uid)
		switch {
		case uid == 3 && (r != damagedIMAP || strings.Contains(text, "letter 3")):
			t.Errorf("FETCH of the damaged message: %s\n%s", r, text)
		case uid != 3 && (!strings.HasPrefix(r, "OK") || !strings.Contains(text, fmt.Sprintf("words of letter %d.", uid))):
			t.Errorf("FETCH of message %d: %s\n%s", uid, r, text)
		}
	}
	if text, r := c.imapAll("FETCH 1:* (FLAGS RFC822.SIZE ENVELOPE)"); !strings.HasPrefix(r, "OK") || strings.Count(text, "ENVELOPE") != 5 {
		t.Errorf("what the index knows: %s\n%s", r, text)
	}
	text, _ := c.imapAll("UID FETCH 1:* BODY.PEEK[]")
	for uid := 1; uid <= 5; uid++ {
		if strings.Contains(text, fmt.Sprintf("words of letter %d.", uid)) != (uid != 3) {
			t.Errorf("FETCH of all messages gave or lacks letter %d", uid)
		}
	}
	if r := c.imap("UID STORE 3 +FLAGS (\\Flagged)"); !strings.HasPrefix(r, "OK") {
		t.Errorf("STORE: %s", r)
	}

	p := pop3(t, s, ann)
	for n := 1; n <= 5; n++ {
		p.say("RETR %d", n)
		first := p.line()
		if n == 3 {
			if first != damagedPOP3 {
				t.Errorf("RETR of the damaged message: %s", first)
			}
			continue
		}
		whole := first + "\n"
		for line := ""; line != "."; whole += line + "\n" {
			line = p.line()
		}
		if !strings.HasPrefix(first, "+OK") || !strings.Contains(whole, fmt.Sprintf("words of letter %d.", n)) {
			t.Errorf("RETR %d: %s", n, whole)
		}
	}

	out, code := run(t, s, "verify")
	if code != 1 {
		t.Errorf("verify exited with %d", code)
	}
	wants(t, "verify", out, "1 thing is damaged:", "is damaged: pack 0000/00000001.pack at offset ", "its checksum differs", ann, `"INBOX", UID 3`, "export --all")

	dir := filepath.Join(lab.Dir(t), "out")
	sum, code := export(t, s, "--all", dir)
	if code != 1 || !sum.Complete || sum.Messages != 6 || len(sum.Missing) != 1 {
		t.Fatalf("export exited with %d: %+v", code, sum)
	}
	if m := sum.Missing[0]; m.Account != ann || m.Mailbox != "INBOX" || m.First != 3 || m.Last != 3 || !strings.Contains(m.Reason, "checksum differs") {
		t.Errorf("export names %+v", m)
	}
	var got map[string][]read
	python(t, &got, readMaildir, filepath.Join(dir, ann))
	if len(got["INBOX"]) != 4 {
		t.Errorf("python reads %d messages", len(got["INBOX"]))
	}

	// The salvage of the stopped server keeps what is left of it.
	s.Stop()
	dir = filepath.Join(lab.Dir(t), "out")
	if text, code := run(t, s, "export", "--salvage", s.Data, dir); code != 1 {
		t.Errorf("salvage exited with %d: %s", code, text)
	}
	left, err := filepath.Glob(filepath.Join(dir, "damaged", "*.eml"))
	if err != nil || len(left) != 1 {
		t.Errorf("what is left of the damaged body: %v, %v", left, err)
	}
}

// A long body is sent as it is read, so that its damage shows in the middle: the conversation is broken off, and no client takes the
// message for whole.
func TestDamagedLongBody(t *testing.T) {
	t.Parallel()
	s := one(t, lab.Spec{})
	long := append(letter(1), bytes.Repeat([]byte("a line that is repeated until it is long enough\r\n"), 20_000)...)
	long = append(long, "the very last words\r\n"...)
	s.Submit(t, ben, password, []string{ann}, long)
	fill(t, s, ann, 2, 1)
	breakable(t, s)
	flip(t, s, "the very last words")
	s.Expect("is damaged")
	s.Expect("checksum")
	s.Start()

	c := imap(t, s, ann)
	c.imap("SELECT INBOX")
	if text, r := c.imapAll("UID FETCH 1 BODY.PEEK[]"); strings.HasPrefix(r, "OK") {
		t.Errorf("FETCH of the damaged message: %s, %d octets", r, len(text))
	}
	c = imap(t, s, ann)
	c.imap("SELECT INBOX")
	if text, r := c.imapAll("UID FETCH 2 BODY.PEEK[]"); !strings.HasPrefix(r, "OK") || !strings.Contains(text, "words of letter 2.") {
		t.Errorf("FETCH of the other: %s", r)
	}
	p := pop3(t, s, ann)
	p.say("RETR 1")
	last := ""
	for {
		line := p.line()
		if line == "" && last != "" {
			if _, err := p.in.Peek(1); err != nil {
				break // hung up
			}
		}
		if line == "." {
			t.Error("RETR of the damaged message came to its end")
			break
		}
		last = line
	}
	dir := filepath.Join(lab.Dir(t), "out")
	sum, code := export(t, s, ann, dir)
	if code != 1 || sum.Messages != 1 || len(sum.Missing) != 1 || sum.Missing[0].First != 1 {
		t.Errorf("export exited with %d: %+v", code, sum)
	}
	wants(t, "verify", firstOf(run(t, s, "verify")), ann, "UID 1", "checksum")
	if parts, err := filepath.Glob(filepath.Join(dir, ann, "tmp", "*")); err != nil || len(parts) != 0 {
		t.Errorf("a part of it is left: %v", parts)
	}
}

func firstOf(s string, _ int) string { return s }

// A message on its way out whose body is damaged waits, with its reason, and holds nobody up. RFC 3463 3.4 (X.3.0).
func TestDamagedBodyInQueue(t *testing.T) {
	t.Parallel()
	ca := lab.NewCA(t)
	far := lab.New(t, ca, lab.Spec{Hostname: "mx.far.example", NoTLSLogin: true})
	far.Start()
	far.AddAccount("cid@far.example", password)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // where mail goes at first, and stays
	if err != nil {
		t.Fatal(err)
	}
	down := lab.Exchange{Name: "mx.far.example", Address: silent.Addr().String()}
	silent.Close()
	s := lab.New(t, ca, lab.Spec{Hostname: "mx.one.example", NoTLSLogin: true, Quick: true, MX: map[string]lab.Exchange{"far.example": down}})
	s.Start()
	s.AddAccount(ben, password)
	fill(t, s, "cid@far.example", 1, 3)
	// A long one is read as it is sent: its damage shows in the middle of DATA.
	long := append(letter(4), bytes.Repeat([]byte("a line that is repeated until it is long enough\r\n"), 20_000)...)
	s.Submit(t, ben, password, []string{"cid@far.example"}, append(long, "the very last words\r\n"...))
	breakable(t, s)
	flip(t, s, "words of letter 2.")
	flip(t, s, "the very last words")
	s.Expect("is damaged")
	far.Expect("connection") // that ended inside a message
	s.Expect("lease of a former run broken")
	s.Spec.MX["far.example"] = far.Exchange()
	s.Start()

	client := far.IMAP(t, "cid@far.example", password, nil)
	got := lab.WaitFor(t, client, "INBOX", 2)
	for _, m := range got {
		if bytes.Contains(m.Raw, []byte("letter 2")) || bytes.Contains(m.Raw, []byte("letter 4")) {
			t.Errorf("the damaged message was sent: %.200q", m.Raw)
		}
	}
	lab.Within(t, lab.Patience, "the damaged message says why it waits", func() (bool, string) {
		out, _ := run(t, s, "queue", "list", "--json")
		return strings.Contains(out, "cannot be read"), out
	})
	if n := s.QueueLength(); n != 2 {
		t.Errorf("%d messages wait", n)
	}
	wants(t, "verify", firstOf(run(t, s, "verify")), "queue entry", "its checksum differs")
	if out, code := run(t, s, "queue", "delete", "2"); code != 0 {
		t.Errorf("queue delete exited with %d: %s", code, out)
	}
	// What comes after it goes out as ever.
	fill(t, s, "cid@far.example", 5, 1)
	lab.WaitFor(t, client, "INBOX", 3)
}

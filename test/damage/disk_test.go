package damage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/postrider/postrider/test/lab"
)

const mib = 1 << 20

// smallDisk puts the data directory of a new server on a disk of its own, of the given size, and starts it. ballast fills the disk up to
// some octets of free room.
func smallDisk(t *testing.T, size int64) (s *lab.Server, ballast func(free int64)) {
	t.Helper()
	s = lab.New(t, lab.NewCA(t), lab.Spec{Hostname: "mx.one.example", NoTLSLogin: true})
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", s.Data, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		if errors.Is(err, unix.EPERM) && os.Getuid() != 0 {
			t.Skip("only root can make a disk to fill")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { // the lab looks for faults afterwards, in the same place
		s.Stop()
		aside := filepath.Join(s.Dir, "aside")
		err := errors.Join(os.CopyFS(aside, os.DirFS(s.Data)), unix.Unmount(s.Data, 0), os.Remove(s.Data), os.Rename(aside, s.Data))
		if err != nil {
			t.Error(err)
		}
	})
	s.Start()
	s.AddAccount(ann, password)
	s.AddAccount(ben, password)
	return s, func(free int64) {
		t.Helper()
		path := filepath.Join(s.Data, "ballast")
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if free < 0 {
			return
		}
		var st unix.Statfs_t
		if err := unix.Statfs(s.Data, &st); err != nil {
			t.Fatal(err)
		}
		chunk := make([]byte, st.Bsize)
		for n := (int64(st.Bavail)*st.Bsize - free) / st.Bsize; n > 0; n-- {
			if _, err := f.Write(chunk); err != nil {
				if errors.Is(err, unix.ENOSPC) {
					return
				}
				t.Fatal(err)
			}
		}
	}
}

// The disk has less room than the reserve: every way in answers with a temporary error, everything else goes on, and as soon as there is room mail
// is taken again, without a restart. RFC 3463 3.4 (X.3.1), RFC 5530 3 (UNAVAILABLE).
func TestDiskNearlyFull(t *testing.T) {
	t.Parallel()
	s, ballast := smallDisk(t, 200*mib)
	s.Expect("nearly full")
	fill(t, s, ann, 1, 3)
	ballast(60 * mib)

	if r := smtp(t, s).deliver("EHLO far.example", ann, letter(9)); r != fullSMTP {
		t.Errorf("port 25: %s", r)
	}
	lmtp := dial(t, "unix", s.LMTPSocket)
	lmtp.reply()
	if r := lmtp.deliver("LHLO far.example", ann, letter(9)); r != fullSMTP {
		t.Errorf("LMTP: %s", r)
	}
	sub := dial(t, "tcp", s.Addr(lab.Submission))
	sub.reply()
	sub.ask("EHLO client.example")
	if r := sub.ask("AUTH PLAIN %s", plain(ben, password)); !strings.HasPrefix(r, "235 ") {
		t.Fatalf("AUTH: %s", r)
	}
	for _, cmd := range []string{"MAIL FROM:<" + ben + ">", "RCPT TO:<" + ann + ">", "DATA"} {
		r := sub.ask("%s", cmd)
		if cmd == "DATA" && strings.HasPrefix(r, "354") {
			sub.say("%s.", letter(9))
			r = sub.reply()
		}
		if r[0] > '3' {
			if r != fullSMTP {
				t.Errorf("submission: %s", r)
			}
			break
		}
		if cmd == "DATA" {
			t.Errorf("submission took a message: %s", r)
		}
	}
	c := imap(t, s, ann)
	if r := c.append("INBOX", letter(9)); r != fullIMAP {
		t.Errorf("APPEND: %s", r)
	}

	// Reading, flags, copies of what is there, deleting and expunging go on.
	for _, step := range []struct{ cmd, untagged string }{
		{"SELECT INBOX", "3 EXISTS"}, {"UID FETCH 2 BODY.PEEK[]", "words of letter 2."}, {"UID STORE 1:3 +FLAGS (\\Seen)", "FETCH"},
		{"UID COPY 3 Archive", ""}, {"CREATE Box", ""}, {"UID STORE 1 +FLAGS (\\Deleted)", ""}, {"EXPUNGE", "1 EXPUNGE"},
	} {
		if text, r := c.imapAll("%s", step.cmd); !strings.HasPrefix(r, "OK") || !strings.Contains(text, step.untagged) {
			t.Errorf("%s: %s %s", step.cmd, text, r)
		}
	}
	p := pop3(t, s, ann)
	p.say("RETR 1")
	if r := p.line(); !strings.HasPrefix(r, "+OK") {
		t.Errorf("RETR: %s", r)
	}
	dir := filepath.Join(lab.Dir(t), "out")
	if sum, code := export(t, s, ann, dir); code != 0 || sum.Messages != 3 {
		t.Errorf("export exited with %d: %+v", code, sum)
	}
	if out, code := run(t, s, "compact"); code != 0 {
		t.Errorf("compact exited with %d: %s", code, out)
	}

	ballast(-1)
	if r := smtp(t, s).deliver("EHLO far.example", ann, letter(10)); !strings.HasPrefix(r, "250 2.0.0 ") {
		t.Errorf("once there is room: %s", r)
	}
	if r := c.append("INBOX", letter(11)); !strings.HasPrefix(r, "OK") {
		t.Errorf("APPEND once there is room: %s", r)
	}
	if text, _ := c.imapAll("UID FETCH 1:* BODY.PEEK[]"); strings.Count(text, "words of letter") != 4 || strings.Contains(text, "letter 9") {
		t.Errorf("the mailbox has %s", text)
	}
	s.Verify()
}

// Another program takes the very last octet of the disk, also of the reserve: nothing that was acknowledged is lost, reading goes on, and when there is room
// again so does everything, without a restart.
func TestDiskFullToTheLastOctet(t *testing.T) {
	t.Parallel()
	s, ballast := smallDisk(t, 120*mib)
	for _, part := range []string{"full", "no space"} {
		s.Expect(part)
	}
	fill(t, s, ann, 1, 3)
	c := imap(t, s, ann)
	c.imap("SELECT INBOX")
	ballast(0)

	// Changes to the index until one is refused: the log has some room inside its last block.
	acknowledged, refused := 0, ""
	for i := 0; i < 2000 && refused == ""; i++ {
		_, r := c.imapAll("UID STORE 2 FLAGS.SILENT (k%d)", i)
		if strings.HasPrefix(r, "OK") {
			acknowledged = i + 1
		} else {
			refused = r
		}
	}
	t.Logf("%d changes were acknowledged on the full disk, then: %q", acknowledged, refused)
	if refused != fullIndex {
		t.Errorf("the change that found no room was answered with %s", refused)
	}
	// It goes on to serve readers, who see what was acknowledged and nothing of what was refused.
	c = imap(t, s, ann)
	kept := "FLAGS ()"
	if acknowledged > 0 {
		kept = fmt.Sprintf("FLAGS (k%d)", acknowledged-1)
	}
	for _, step := range []struct{ cmd, untagged string }{
		{"EXAMINE INBOX", "3 EXISTS"}, {"UID FETCH 2 BODY.PEEK[]", "words of letter 2."}, {"UID FETCH 2 FLAGS", kept},
	} {
		if text, r := c.imapAll("%s", step.cmd); !strings.HasPrefix(r, "OK") || !strings.Contains(text, step.untagged) {
			t.Errorf("%s on the full disk: %s %s", step.cmd, text, r)
		}
	}
	if r := smtp(t, s).deliver("EHLO far.example", ann, letter(9)); r != fullSMTP {
		t.Errorf("port 25 on the full disk: %s", r)
	}
	ballast(-1)
	if r := smtp(t, s).deliver("EHLO far.example", ann, letter(10)); !strings.HasPrefix(r, "250 2.0.0 ") {
		t.Errorf("once there is room: %s", r)
	}
	c = imap(t, s, ann)
	c.imap("SELECT INBOX")
	text, _ := c.imapAll("UID FETCH 1:* (FLAGS BODY.PEEK[])")
	for _, n := range []int{1, 2, 3, 10} {
		if !strings.Contains(text, fmt.Sprintf("words of letter %d.", n)) {
			t.Errorf("letter %d is lost", n)
		}
	}
	if !strings.Contains(text, kept) {
		t.Errorf("letter 2 has not %s, which was acknowledged last: %.300s", kept, text)
	}
	s.Verify()
}

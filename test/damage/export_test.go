package damage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postrider/postrider/test/lab"
)

const nested = "Lists/Grüße"

// library is a server with every sample of the lab in Ann's INBOX, some of it with flags, and letters in a nested mailbox. It gives the
// sums of all messages of each mailbox, as IMAP shows them.
func library(t *testing.T) (s *lab.Server, sums map[string][]string) {
	t.Helper()
	s = one(t, lab.Spec{})
	for _, sample := range lab.Samples(ben, ann) {
		s.Submit(t, ben, password, []string{ann}, sample.Raw)
	}
	c := imap(t, s, ann)
	for _, cmd := range []string{"SELECT INBOX", `STORE 1:2 +FLAGS (\Seen)`, `STORE 2 +FLAGS (\Answered \Flagged work $Junk)`, "CREATE \"Lists/Gr&APwA3w-e\"", "COPY 3:5 \"Lists/Gr&APwA3w-e\""} {
		if r := c.imap("%s", cmd); !strings.HasPrefix(r, "OK") {
			t.Fatalf("%s: %s", cmd, r)
		}
	}
	if r := c.append("INBOX", []byte("Subject: bare\n lines\r\n\r\nno end of line")); !strings.HasPrefix(r, "OK") {
		t.Fatalf("APPEND: %s", r)
	}
	sums = map[string][]string{}
	client := s.IMAP(t, ann, password, nil)
	for _, box := range []string{"INBOX", nested} {
		for _, m := range lab.Fetch(t, client, box) {
			sums[box] = append(sums[box], sumOf(m.Raw))
		}
		slices.Sort(sums[box])
	}
	if len(sums["INBOX"]) != 12 || len(sums[nested]) != 3 {
		t.Fatalf("there are %d and %d messages", len(sums["INBOX"]), len(sums[nested]))
	}
	return s, sums
}

func sumOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// python runs a script and decodes the JSON that it prints.
func python(t *testing.T, into any, script string, args ...string) {
	t.Helper()
	lab.Need(t, "python3")
	cmd := exec.Command("python3", append([]string{"-c", script}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		t.Fatalf("python3: %v\n%s%s", err, out, stderr.Bytes())
	}
}

const readMaildir = `
import hashlib, json, mailbox, sys
out = {}
def read(name, box):
    for key in box.iterkeys():
        m = box.get_message(key)
        out.setdefault(name, []).append({"sum": hashlib.sha256(box.get_bytes(key)).hexdigest(), "flags": m.get_flags(), "date": m.get_date(), "subject": str(m["subject"])})
root = mailbox.Maildir(sys.argv[1], create=False)
read("INBOX", root)
for name in root.list_folders():
    read(name, root.get_folder(name))
print(json.dumps(out))
`

const readMbox = `
import hashlib, json, mailbox, re, sys
out = []
for m in mailbox.mbox(sys.argv[1], create=False):
    raw = m.as_bytes()
    out.append({"flags": m.get_flags(), "subject": str(m["subject"])})
box = mailbox.mbox(sys.argv[1], create=False)
for i, key in enumerate(box.iterkeys()):
    raw = box.get_bytes(key)
    raw = re.sub(rb"\A(?:Status: R?O\n)(?:X-Status: [A-Z]*\n)?(?:X-Keywords: [^\n]*\n)?", b"", raw)
    raw = re.sub(rb"(?m)^>(>*From )", rb"\1", raw)
    out[i]["sum"] = hashlib.sha256(raw).hexdigest()
print(json.dumps(out))
`

type read struct {
	Sum, Flags, Subject string
	Date                float64
}

func sumsOf(list []read) []string {
	var out []string
	for _, m := range list {
		out = append(out, m.Sum)
	}
	slices.Sort(out)
	return out
}

// What is exported as Maildirs, from a server that runs and from one that is stopped, is octet for octet what IMAP shows: so say Python, Dovecot and mutt.
func TestMaildirIsReadByStrangers(t *testing.T) {
	t.Parallel()
	s, sums := library(t)
	for _, running := range []bool{true, false} {
		if !running {
			s.Stop()
		}
		dir := filepath.Join(lab.Dir(t), "out")
		sum, code := export(t, s, "--all", dir)
		if code != 0 || !sum.Complete || sum.Messages != 15 || len(sum.Missing) != 0 {
			t.Fatalf("running %v: exit code %d, %+v", running, code, sum)
		}
		root := filepath.Join(dir, ann)
		var got map[string][]read
		python(t, &got, readMaildir, root)
		if !slices.Equal(sumsOf(got["INBOX"]), sums["INBOX"]) || !slices.Equal(sumsOf(got["Lists.Gr&APwA3w-e"]), sums[nested]) {
			t.Errorf("running %v: python reads other messages than IMAP shows: %v", running, got)
		}
		for _, m := range got["INBOX"] {
			want := map[string]string{"plain": "S", "dots": "FRSab"}[m.Subject] // Python does not know Dovecot's letters, and keeps them
			if m.Flags != want || time.Since(time.Unix(int64(m.Date), 0)) > time.Hour {
				t.Errorf("%s has flags %q, want %q; its time is %v", m.Subject, m.Flags, want, m.Date)
			}
		}
		if running {
			dovecotReads(t, dir, root, sums)
			muttReads(t, root)
		}
	}
}

// dovecotReads has doveadm fetch every message of a Maildir.
func dovecotReads(t *testing.T, dir, root string, sums map[string][]string) {
	t.Helper()
	lab.Need(t, "doveadm")
	if os.Getuid() != 0 {
		t.Log("doveadm has to be started by root; left out")
		return
	}
	home := lab.Dir(t)
	if out, err := exec.Command("cp", "-r", root, filepath.Join(home, "Maildir")).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := exec.Command("chown", "-R", "65534:65534", home).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	conf := filepath.Join(dir, "..", "dovecot.conf")
	text := fmt.Sprintf("base_dir = %[1]s/run\nstate_dir = %[1]s/state\nlog_path = %[1]s/log\nssl = no\nmail_uid = 65534\nmail_gid = 65534\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n"+
		"mail_home = %[1]s\nmail_location = maildir:%[1]s/Maildir\nnamespace inbox {\n  inbox = yes\n  separator = /\n}\n", home)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for box, want := range sums {
		cmd := exec.Command("doveadm", "-c", conf, "-f", "tab", "fetch", "uid flags size.physical size.virtual", "mailbox", box)
		cmd.Env, cmd.Dir = append(os.Environ(), "USER=ann"), home
		out, err := cmd.Output()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if err != nil || len(lines) != len(want)+1 {
			t.Errorf("doveadm sees %d messages in %s, want %d: %v\n%s", len(lines)-1, box, len(want), err, out)
			continue
		}
		if all := string(out); box == "INBOX" && (!strings.Contains(all, `\Answered \Flagged \Seen`) || !strings.Contains(all, "work") || !strings.Contains(all, "$Junk")) {
			t.Errorf("doveadm sees other flags: %s", all)
		}
	}
	cmd := exec.Command("doveadm", "-c", conf, "fetch", "text", "mailbox", "INBOX", "header", "Subject", "dots")
	cmd.Env, cmd.Dir = append(os.Environ(), "USER=ann"), home
	out, err := cmd.Output()
	if err != nil || !bytes.Contains(lab.CRLF(out), []byte("\r\n.\r\n..\r\n...\r\n.leading\r\n")) {
		t.Errorf("doveadm reads %.500q, %v", out, err)
	}
}

// inMutt is what mutt must find in the samples.
var inMutt = []string{"Subject: plain\n", "Subject: dots\n", "Subject: nested\n", "Grüße, 世界", "\n.\n..\n...\n.leading\n", "From after a blank line\n"} // behind a ">" where mutt does not take the quoting off

// muttReads has mutt list a Maildir's messages.
func muttReads(t *testing.T, root string) {
	t.Helper()
	wants(t, "mutt's copy", mutt(t, root), inMutt...)
}

// mutt opens a mailbox on a terminal of its own, copies every message to a Maildir and leaves. It gives the copies, one behind the other.
func mutt(t *testing.T, box string) string {
	t.Helper()
	lab.Need(t, "mutt")
	home := t.TempDir()
	rc := filepath.Join(home, "muttrc")
	if err := os.WriteFile(rc, []byte("set mbox_type=Maildir\nset confirmappend=no\nset confirmcreate=no\nset delete=no\nset wait_key=no\nset sleep_time=0\nset mail_check=0\n"+
		"set move=no\nset quit=yes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := ""
	for n := range 13 { // mutt throws the first keys away when it has something to complain about
		keys += fmt.Sprintf("<jump>%d<enter><copy-message>%s/copy<enter>", n%12+1, home)
	}
	keys = `push "` + keys + `<exit>"`
	pty, tty := terminalPair(t)
	defer pty.Close()
	cmd := exec.Command("mutt", "-n", "-F", rc, "-f", box, "-e", keys)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "TERM=vt100", "TMPDIR=" + home}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	screen := make(chan string, 1)
	go func() {
		var b bytes.Buffer
		b.ReadFrom(pty) //nolint:errcheck // it ends with an error when mutt does
		screen <- b.String()
	}()
	timer := time.AfterFunc(lab.Patience, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	shown := <-screen
	files, _ := filepath.Glob(filepath.Join(home, "copy", "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("mutt: %v, %d copies; on its screen: %.2000q", err, len(files), shown)
	}
	var all []byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lab.LF(text)...)
	}
	return string(all)
}

// terminalPair makes a terminal for a program.
func terminalPair(t *testing.T) (pty, tty *os.File) {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(pty.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(pty.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(pty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120})
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pty, tty
}

// RFC 4155: mbox files are read by Python and mutt; without the quoting and with CRLF for LF they are octet for octet what IMAP shows.
func TestMboxAndFilesAreReadByStrangers(t *testing.T) {
	t.Parallel()
	s, _ := library(t)
	dir := filepath.Join(lab.Dir(t), "out")
	if sum, code := export(t, s, "--format", "mbox", ann, dir); code != 0 || sum.Messages != 15 {
		t.Fatalf("exit code %d, %+v", code, sum)
	}
	client := s.IMAP(t, ann, password, nil)
	for path, box := range map[string]string{"INBOX.mbox": "INBOX", "Lists/Grüße.mbox": nested} {
		var want []string
		for _, m := range lab.Fetch(t, client, box) {
			text := lab.LF(m.Raw)
			if !bytes.HasSuffix(text, []byte("\n")) {
				text = append(text, '\n')
			}
			want = append(want, sumOf(text))
		}
		var got []read
		python(t, &got, readMbox, filepath.Join(dir, ann, path))
		var sums []string
		for _, m := range got {
			sums = append(sums, m.Sum)
			if want := map[string]string{"plain": "RO", "dots": "ROAF"}[m.Subject]; want != "" && box == "INBOX" && m.Flags != want {
				t.Errorf("%s has flags %q, want %q", m.Subject, m.Flags, want)
			}
		}
		if !slices.Equal(sums, want) {
			t.Errorf("%s: python reads other messages than IMAP shows: %v", path, got)
		}
	}
	wants(t, "mutt's copy", mutt(t, filepath.Join(dir, ann, "INBOX.mbox")), inMutt...)

	// Files, of one mailbox alone, by a name in another case.
	dir = filepath.Join(lab.Dir(t), "out")
	if sum, code := export(t, s, "--format", "eml", "--mailbox", "inbox", ann, dir); code != 0 || sum.Messages != 12 || len(sum.Mailboxes) != 1 {
		t.Fatalf("exit code %d, %+v", code, sum)
	}
	for _, m := range lab.Fetch(t, client, "INBOX") {
		raw, err := os.ReadFile(filepath.Join(dir, ann, "INBOX", fmt.Sprintf("%08d.eml", m.UID)))
		if err != nil || !bytes.Equal(raw, m.Raw) {
			t.Errorf("UID %d: %v, %d octets, want %d", m.UID, err, len(raw), len(m.Raw))
		}
	}
}

// The command refuses what it should not touch, with its exit code, and resumes.
func TestExportRefusals(t *testing.T) {
	t.Parallel()
	s := one(t, lab.Spec{})
	fill(t, s, ann, 1, 3)
	full := lab.Dir(t)
	if err := os.WriteFile(filepath.Join(full, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(lab.Dir(t), "out")
	for _, c := range []struct {
		code int
		text string
		args []string
	}{
		{2, "needs the accounts to export", []string{out}},
		{2, "--all takes only a directory", []string{"--all", ann, out}},
		{2, "there is no format", []string{"--format", "pst", ann, out}},
		{2, "--salvage takes the damaged data directory", []string{"--salvage", out}},
		{3, "there is no account nobody@one.example", []string{"nobody@one.example", out}},
		{3, `there is no mailbox "Nowhere"`, []string{"--mailbox", "Nowhere", ann, out}},
		{4, "is not empty", []string{ann, full}},
		{4, "a server is using", []string{"--salvage", s.Data, out}},
		{0, "3 messages", []string{ann, out}},
		{4, "--resume", []string{ann, out}},
		{0, "3 messages of them had been there", []string{"--resume", ann, out}},
		{4, "export of the format maildir", []string{"--resume", "--format", "mbox", ann, out}},
	} {
		if text, code := run(t, s, append([]string{"export"}, c.args...)...); code != c.code || !strings.Contains(text, c.text) {
			t.Errorf("export %v exited with %d, want %d, and said %q", c.args, code, c.code, text)
		}
	}
}

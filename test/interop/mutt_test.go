package interop

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postrider/postrider/test/lab"
)

// TestMuttReads has mutt open the INBOX over IMAP, copy every message to a Maildir, flag and delete one.
func TestMuttReads(t *testing.T) {
	s, samples := filled(t)
	home := t.TempDir()
	url := fmt.Sprintf("imaps://%s@localhost:%d/INBOX", ben, s.Port(lab.IMAPS))
	rc := write(t, home, "muttrc", muttConfig(password, s.CA.File), 0o600)
	terminal(t, home, "mutt", "-n", "-F", rc, "-f", url, "-e", muttKeys(home))
	copied := messages(maildir(t, filepath.Join(home, "copy")))
	for i := range copied {
		copied[i].Raw = without(copied[i].Raw, "Content-Length", "Lines")
	}
	lab.CheckAll(t, copied, samples)
	left := lab.Fetch(t, s.IMAP(t, ben, password, nil), "INBOX")
	if len(left) != len(samples)-1 {
		t.Fatalf("mutt deleted one of %d messages; %d are left", len(samples), len(left))
	}
	if flags := fmt.Sprint(left[0].Flags); !bytes.Contains([]byte(flags), []byte(`\Flagged`)) {
		t.Errorf("mutt flagged the first message, whose flags are %s", flags)
	}
	if lab.Field(left[1].Raw, "Subject") != samples[2].Name {
		t.Errorf("mutt deleted the second message, not this one: %s", lab.Field(left[1].Raw, "Subject"))
	}
}

// muttConfig asks no question.
func muttConfig(password, ca string) []byte {
	return fmt.Appendf(nil, `set imap_pass=%q
set ssl_ca_certificates_file=%q
set mbox_type=Maildir
set confirmappend=no
set confirmcreate=no
set delete=yes
set wait_key=no
set sleep_time=0
set mail_check=0
set move=no
set folder="~"
`, password, ca)
}

// muttKeys are the keys a person would press: copy all messages, flag the first, delete the second, leave.
func muttKeys(home string) string {
	return `push "<tag-pattern>~A<enter><tag-prefix><copy-message>` + home + `/copy<enter><untag-pattern>~A<enter>` +
		`<jump>1<enter><flag-message><jump>2<enter><delete-message><sync-mailbox><exit>"`
}

// terminal runs a full-screen program on a terminal of its own and waits for its end.
func terminal(t *testing.T, home, name string, args ...string) {
	t.Helper()
	lab.Need(t, name)
	master, slave := openTerminal(t)
	defer master.Close()
	cmd := exec.Command(name, args...)
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "TERM=vt100", "TMPDIR=" + home}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	var screen bytes.Buffer
	var reader sync.WaitGroup
	reader.Go(func() { io.Copy(&screen, master) })
	timer := time.AfterFunc(lab.Patience, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	reader.Wait()
	if err != nil {
		t.Fatalf("%s: %v; its screen:\n%q", name, err, clip(screen.Bytes()))
	}
}

// openTerminal makes a pseudo-terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

package importer_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/importer"
)

// TestDovecot brings an account from the server that most people come from: folders, their uses, flags, keywords, dates and texts.
func TestDovecot(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("dovecot")
	if err != nil {
		program = "/usr/sbin/dovecot"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("dovecot is not installed")
	}
	if os.Getuid() != 0 {
		t.Skip("dovecot is started by root")
	}
	if testing.Short() {
		t.Skip("starts another program")
	}
	w := newWorld(t)
	dir, err := os.MkdirTemp("/tmp", "dovecot") // a short path: it has sockets in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // the system's /tmp
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	maildir := filepath.Join(dir, "home", "Maildir")
	want := map[string][]message{}
	put := func(folder, box string, n int, flags, names string) {
		t.Helper()
		text := letter(fmt.Sprintf("%s-%d", strings.ReplaceAll(box, "/", "."), n))
		at := time.Unix(int64(1_600_000_000+n*1000), 0)
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(maildir, folder, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(maildir, folder, "cur", fmt.Sprintf("%d.%d.x:2,%s", at.Unix(), n, flags))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
		want[box] = append(want[box], message{text, names, at.UTC()})
	}
	for n := range 130 {
		put("", "INBOX", n, "S", `\Seen`)
	}
	put("", "INBOX", 130, "FR", `\Answered \Flagged`)
	put(".Gesendet", "Sent", 1, "S", `\Seen`)
	put(".Work.2020.Gr&APwA3w-e", "Work/2020/Grüße", 2, "Sa", `\Seen work`)
	put(".Spam", "Spam", 3, "", "")
	if err := os.WriteFile(filepath.Join(maildir, ".Work.2020.Gr&APwA3w-e", "dovecot-keywords"), []byte("0 work\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	certificates := t.TempDir()
	_, client := authorityIn(t, certificates)
	port := startDovecot(t, program, dir, certificates)
	j := w.do(ann, abroad(t, port, client, func(c *importer.IMAPConfig) { c.Password = dovecotPassword }))
	if j.State != importer.Done || j.Messages != 134 || j.Total != 134 || len(j.Failed) != 0 {
		t.Errorf("%+v", j)
	}
	got := w.account(ann)
	for box, list := range want {
		if !slices.Equal(got[box], list) {
			t.Errorf("%s: %d messages, %.300s, want %d, %.300s", box, len(got[box]), fmt.Sprint(got[box]), len(list), fmt.Sprint(list))
		}
	}
	boxes, err := w.Store.Mailboxes(t.Context(), w.IDs[ann])
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(boxes, func(b mail.Mailbox) bool { return b.Name == "Spam" && b.Use == mail.UseJunk }) {
		t.Errorf("%+v", boxes)
	}
	if j := w.do(ann, abroad(t, port, client, func(c *importer.IMAPConfig) { c.Password = dovecotPassword })); j.State != importer.Done || j.Messages != 0 || j.Duplicates != 134 {
		t.Errorf("once more: %+v", j)
	}
}

const dovecotPassword = "sesame"

// startDovecot starts it with one user, bob, whose Maildir is in dir, and gives its port of IMAP over TLS.
func startDovecot(t *testing.T, program, dir, certificates string) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(l.Addr().(*net.TCPAddr).Port) //nolint:gosec // a port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "dovecot.conf")
	text := fmt.Sprintf(`base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <%[2]s/development.pem
ssl_key = <%[2]s/development.key
auth_mechanisms = plain
mail_uid = 65534
mail_gid = 65534
first_valid_uid = 1
first_valid_gid = 1
mail_home = %[1]s/home
mail_location = maildir:%[1]s/home/Maildir
mail_fsync = never
passdb {
  driver = static
  args = user=%[3]s password=%[4]s
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=%[1]s/home
}
namespace inbox {
  inbox = yes
  mailbox Gesendet {
    special_use = \Sent
  }
  mailbox Spam {
    special_use = \Junk
  }
}
service imap-login {
  chroot =
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = %[5]d
    ssl = yes
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
`, dir, certificates, bob, dovecotPassword, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("chown", "-R", "65534:65534", filepath.Join(dir, "home")).Run(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-F", "-c", config)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait() //nolint:errcheck // it was told to end
	})
	for range 200 {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close() //nolint:errcheck // it listens
			return port
		}
		<-time.After(25 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	t.Fatalf("dovecot does not listen: %s %s", said.String(), log)
	return 0
}

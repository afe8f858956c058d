// Package interop has programs that others wrote talk to Postrider: Debian's swaks and msmtp submit, Postfix delivers to us and receives
// from us, curl, mutt, mbsync, fetchmail, Dovecot and go-imap's client read.
//
// Each test starts its own server on loopback (package lab) and the program with a home of its own. What arrives is compared with what was
// sent, octet for octet. Nothing of the system's own configuration is read or changed.
package interop

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postrider/postrider/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// The people of the tests.
const (
	ann      = "ann@one.example"
	ben      = "ben@one.example"
	password = "correct horse, battery: \"staple\""
	simple   = "correct-horse-battery" // for programs whose configuration files cannot quote
	host     = "mx.one.example"
)

// oneServer starts mx.one.example with Ann and Ben.
func oneServer(t *testing.T, spec lab.Spec) *lab.Server {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		t.Skip("talks to other programs; left out by -short")
	}
	spec.Hostname = host
	s := lab.New(t, lab.NewCA(t), spec)
	s.Start()
	s.AddAccount(ann, simple)
	s.AddAccount(ben, password)
	return s
}

// command is one run of a foreign program with a home of its own.
type command struct {
	home  string
	input []byte
	env   []string // beside the usual
	fails bool     // it must end with an error
}

// run gives the program's standard output; its standard error goes with the failure.
func (c command) run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	lab.Need(t, name)
	if c.home == "" {
		c.home = t.TempDir()
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = c.home
	cmd.Env = []string{"HOME=" + c.home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "TERM=dumb", "TMPDIR=" + c.home}
	cmd.Env = append(cmd.Env, c.env...)
	cmd.Stdin = bytes.NewReader(c.input)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The whole group: some programs start helpers that keep the output open.
	timer := time.AfterFunc(lab.Patience, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err := cmd.Wait()
	timer.Stop()
	if (err != nil) != c.fails {
		t.Fatalf("%s %s: %v\n%s\n%s", name, strings.Join(args, " "), err, stderr.String(), clip(stdout.Bytes()))
	}
	if c.fails {
		return append(stdout.Bytes(), stderr.Bytes()...)
	}
	return stdout.Bytes()
}

// clip keeps the end of a long output.
func clip(b []byte) string {
	const most = 4000
	if len(b) > most {
		return "..." + string(b[len(b)-most:])
	}
	return string(b)
}

// write puts a file below a directory and gives its path.
func write(t *testing.T, dir, name string, content []byte, mode os.FileMode) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, content, mode); err != nil {
		t.Fatal(err)
	}
	return p
}

// maildir reads every message of a Maildir, with CRLF.
func maildir(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(dir, sub, e.Name()))
			if os.IsNotExist(err) {
				continue // moved from new to cur under our eyes
			}
			if err != nil {
				t.Fatal(err)
			}
			found[filepath.Join(sub, e.Name())] = lab.CRLF(b)
		}
	}
	return found
}

// without takes fields out of a header that a program has added for itself.
func without(raw []byte, names ...string) []byte {
	head, body, found := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !found {
		return raw
	}
	lines := bytes.SplitAfter(append(slices.Clone(head), "\r\n"...), []byte("\r\n"))
	lines = slices.DeleteFunc(lines, func(l []byte) bool {
		name, _, _ := strings.Cut(string(l), ":")
		return slices.Contains(names, name)
	})
	return append(append(bytes.Join(lines, nil), "\r\n"...), body...)
}

// messages gives a Maildir's content in the form that lab compares.
func messages(found map[string][]byte) []lab.Message {
	var list []lab.Message
	for _, raw := range found {
		list = append(list, lab.Message{Raw: raw})
	}
	return list
}

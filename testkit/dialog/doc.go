// Package dialog runs conversations of line protocols (SMTP, IMAP, POP3, LMTP) that are written down as text.
//
// It takes a script and a way to connect, plays the client, and fails the test at the first line where the server says
// something else. For tests only. A script is a text of lines, one act each; blank lines and those that begin with "#" do nothing:
//
//	S: 220 mx.test ESMTP          the server's next line is exactly this
//	S: /250[- ]SIZE \d+/          ... or matches this regular expression, from end to end
//	S* /250-.*/                   any number of lines that match, also none
//	S~ 250 HELP                   the first line that matches from here on; what comes before is passed over
//	S| "+OK\r\nab"                exactly these octets, as a Go string
//	C: EHLO client.test           the client sends this line, with CRLF
//	C| "DATA\r\n\x00"             ... or these octets, as a Go string
//	TLS                           both sides start TLS here
//	EOF                           the server closes the connection
//	CLOSE                         the client does
//
// ${name} in a script stands for a variable: one that the test gave, or what a group (?P<name>...) of an earlier pattern
// matched. In a regular expression it stands for its literal text. A digit in front (2C: 2S: 2TLS ...) is another
// connection, which is opened when it is first named. There are no pauses: every S waits as long as the timeout.
//
// Invariants: the client's octets go out in order and never wait for the server to read them, so that pipelining cannot
// lock up; when the script ends, what the server still sends is not looked at, and all connections are closed.
package dialog

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Runner says how to run scripts.
type Runner struct {
	// Dial opens a connection to the server under test.
	Dial func(testing.TB) net.Conn
	// TLS is the client's configuration; nil takes any certificate.
	TLS *tls.Config
	// Vars are variables of the script.
	Vars map[string]string
	// Timeout is for each act; 0 is ten seconds.
	Timeout time.Duration
}

// Run plays a script. name is how failures call it.
func (r Runner) Run(t testing.TB, name, script string) {
	t.Helper()
	if err := r.play(t, name, script); err != nil {
		t.Fatal(err)
	}
}

// Files plays each file that matches the pattern as a subtest named as the file is, in parallel. No file is a failure.
// setup makes the Runner for one file.
func Files(t *testing.T, pattern string, setup func(*testing.T) Runner) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogs match %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func(t *testing.T) {
			t.Parallel()
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			setup(t).Run(t, file, string(script))
		})
	}
}

package damage

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/mail"
)

// The replies that this suite gets from a real server, word for word; stoppedSMTP is what port 25 makes of a store that has stopped.
const (
	diskFull    = "the disk is nearly full; try again when its owner has made room"
	fullSMTP    = "452 4.3.1 " + diskFull
	fullIMAP    = "NO [UNAVAILABLE] " + diskFull
	fullIndex   = "NO [UNAVAILABLE] the disk is full; try again when its owner has made room"
	stopped     = "the store has stopped because the disk failed to keep what was written; restart it once the disk is sound"
	stoppedSMTP = "451 4.3.0 " + stopped
	damagedIMAP = "NO [SERVERBUG] a message is damaged and cannot be read; the others were fetched"
	damagedPOP3 = "-ERR [SYS/TEMP] internal error; the server's log says more"
	internal    = "NO [SERVERBUG] internal error; the server's log says more"
)

// The table in docs/operations.md quotes these replies and no others, and each of its rows names a test that exists.
func TestQuotedReplies(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## When the disk fails\n")
	if !found {
		t.Fatal("the section is not there any more")
	}
	section, _, _ = strings.Cut(section, "\n### ")
	var quoted []string
	for _, m := range regexp.MustCompile("`((?:[2-5][0-9][0-9] |NO |BAD |OK |-ERR )[^`]*)`").FindAllStringSubmatch(section, -1) {
		quoted = append(quoted, m[1])
	}
	real := []string{fullSMTP, fullIMAP, fullIndex, stoppedSMTP, damagedIMAP, damagedPOP3, internal}
	for _, r := range real {
		if !slices.Contains(quoted, r) {
			t.Errorf("the table does not quote %q", r)
		}
	}
	for _, q := range quoted {
		if !slices.Contains(real, q) {
			t.Errorf("the table quotes %q, which no test gets", q)
		}
	}
	failure := &mail.Error{Kind: mail.Unavailable, Enhanced: "4.3.0", Text: stopped}
	if r := smtpd.ReplyFor(failure); fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text) != stoppedSMTP {
		t.Errorf("port 25 answers %+v", r)
	}
	sources := ""
	for _, pattern := range []string{"*_test.go", "../../infra/store/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			sources += string(text)
		}
	}
	rows := 0
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what happened") {
			continue
		}
		rows++
		names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(line, -1)
		if len(names) == 0 {
			t.Errorf("no test is named for: %.80s", line)
		}
		for _, n := range names {
			if !strings.Contains(sources, "\nfunc "+n[1]+"(") {
				t.Errorf("there is no test %s", n[1])
			}
		}
	}
	if rows < 10 {
		t.Errorf("the table has %d rows", rows)
	}
}

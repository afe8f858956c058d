package damage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/test/lab"
)

// pageSize is that of the index.
const pageSize = 4096

// spoil changes the index of a stopped server.
func spoil(t *testing.T, s *lab.Server, change func(index []byte)) {
	t.Helper()
	path := filepath.Join(s.Data, "store.db")
	index, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(index)
	if err := os.WriteFile(path, index, 0o600); err != nil {
		t.Fatal(err)
	}
}

// leaves lists the pages that are leaves of a kind: 0x0d of a table with row numbers, 0x0a of an index or a table without.
func leaves(index []byte, kind byte, with string) (pages []int) {
	for k := 1; k < len(index)/pageSize; k++ {
		page := index[k*pageSize : (k+1)*pageSize]
		if page[0] == kind && binary.BigEndian.Uint16(page[3:]) > 0 && bytes.Contains(page, []byte(with)) {
			pages = append(pages, k)
		}
	}
	return pages
}

// crowd puts many small messages with a flag of their own into Ann's INBOX, so that its places take many pages of the index.
func crowd(t *testing.T, s *lab.Server, n int) {
	t.Helper()
	c := imap(t, s, ann)
	for i := 1; i <= n; i++ {
		if r := c.append("INBOX (placemark)", letter(i)); !strings.HasPrefix(r, "OK") {
			t.Fatalf("APPEND: %s", r)
		}
	}
}

// A page with the places of messages is damaged: the server starts and serves everybody else, the mailbox answers with an error and never with a
// wrong state, verify names the table, what it means and the UIDs, export carries out what can still be found, and salvage, by way of
// another index, all of it.
func TestDamagedPage(t *testing.T) {
	t.Parallel()
	s := one(t, lab.Spec{})
	crowd(t, s, 300)
	fill(t, s, ben, 301, 2)
	breakable(t, s)
	spoil(t, s, func(index []byte) {
		pages := leaves(index, 0x0a, "placemark")
		if len(pages) < 4 {
			t.Fatalf("the places are on the pages %v", pages)
		}
		clear(index[pages[2]*pageSize : (pages[2]+1)*pageSize])
	})
	s.Expect("malformed")
	s.Start()

	c := imap(t, s, ann)
	if _, r := c.imapAll("SELECT INBOX"); r != internal {
		t.Errorf("SELECT of the damaged mailbox: %s", r)
	}
	if _, r := c.imapAll("SELECT Sent"); !strings.HasPrefix(r, "OK") {
		t.Errorf("SELECT of another: %s", r)
	}
	c = imap(t, s, ben)
	if text, r := c.imapAll("SELECT INBOX"); !strings.HasPrefix(r, "OK") || !strings.Contains(text, "2 EXISTS") {
		t.Errorf("SELECT of Ben's: %s %s", text, r)
	}
	if r := smtp(t, s).deliver("EHLO far.example", ben, letter(303)); !strings.HasPrefix(r, "250 ") {
		t.Errorf("a delivery to Ben: %s", r)
	}
	c.imap("NOOP")
	if text, r := c.imapAll("UID FETCH 1:* BODY.PEEK[]"); !strings.HasPrefix(r, "OK") || strings.Count(text, "words of letter 30") != 3 {
		t.Errorf("Ben reads: %s %.2000s", r, text)
	}

	out, code := run(t, s, "verify")
	if code != 1 {
		t.Errorf("verify exited with %d", code)
	}
	wants(t, "verify", out, `the table "placement": which message is in which mailbox, with its flags`, "UIDs ", "of "+ann+" in \"INBOX\" cannot be read, because the index is damaged there")

	dir := filepath.Join(lab.Dir(t), "out")
	sum, code := export(t, s, "--all", "--format", "eml", dir)
	if code != 1 || sum.Messages < 200 || sum.Messages >= 303 || len(sum.Missing) != 1 || sum.Missing[0].Last <= sum.Missing[0].First {
		t.Errorf("export exited with %d: %d messages, %+v", code, sum.Messages, sum.Missing)
	}
	s.Stop()
	dir = filepath.Join(lab.Dir(t), "out")
	sum, code = export(t, s, "--salvage", "--format", "eml", s.Data, dir)
	if code != 1 || sum.Messages != 303 {
		t.Errorf("salvage exited with %d: %d messages, %+v", code, sum.Messages, sum.Missing)
	}
	wants(t, "salvage", fmt.Sprint(sum.Missing), `a part of the table "placement" cannot be read`, "the flags of ")
	checkLetters(t, filepath.Join(dir, ann, "INBOX"), 300)
}

// checkLetters looks whether the letters 1 to n are there, each with its own text.
func checkLetters(t *testing.T, dir string, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		raw, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%08d.eml", i)))
		if err != nil || !bytes.Equal(raw, letter(i)) {
			t.Errorf("letter %d: %v, %.200q", i, err, raw)
			return
		}
	}
}

// The page on which the index begins is damaged: the server does not start, with exit code 1 and a sentence that says what to do; verify says what is
// damaged all the same; salvage finds everything. The data is not touched by any of it.
func TestDamagedFirstPage(t *testing.T) {
	t.Parallel()
	s := one(t, lab.Spec{})
	crowd(t, s, 30)
	breakable(t, s)
	spoil(t, s, func(index []byte) { clear(index[:pageSize]) })
	out, code := run(t, s, "serve")
	if code != 1 {
		t.Errorf("serve exited with %d", code)
	}
	wants(t, "serve", out, "postrider verify --data "+s.Data, "postrider export --salvage "+s.Data)
	out, code = run(t, s, "export", ann, filepath.Join(lab.Dir(t), "out"))
	if code != 1 {
		t.Errorf("export exited with %d", code)
	}
	wants(t, "export", out, "postrider export --salvage "+s.Data)
	out, code = run(t, s, "verify")
	if code != 1 {
		t.Errorf("verify exited with %d", code)
	}
	wants(t, "verify", out, "the store does not open", "the first page of the index is damaged", "The server cannot start with this index", "postrider export --salvage")
	dir := filepath.Join(lab.Dir(t), "out")
	sum, code := export(t, s, "--salvage", "--format", "eml", s.Data, dir)
	if code != 1 || sum.Messages != 30 || sum.Accounts != 2 {
		t.Errorf("salvage exited with %d: %+v", code, sum)
	}
	checkLetters(t, filepath.Join(dir, ann, "INBOX"), 30)
	people, err := os.ReadFile(filepath.Join(dir, "directory.json"))
	if err != nil || !bytes.Contains(people, []byte(ann)) || !bytes.Contains(people, []byte(`"one.example"`)) || bytes.Contains(people, []byte("argon2")) {
		t.Errorf("directory.json: %v %s", err, people)
	}
}

// There is no index any more, or nothing of it can be read: every body is in lost+found, and no command removes a pack.
func TestNoIndex(t *testing.T) {
	t.Parallel()
	s := one(t, lab.Spec{})
	crowd(t, s, 30)
	breakable(t, s)
	for _, noise := range []bool{true, false} {
		code := 1
		if noise {
			spoil(t, s, func(index []byte) {
				for i := range index {
					index[i] = byte(i*i>>3 | 1)
				}
			})
		} else {
			code = 4
			if err := os.Remove(filepath.Join(s.Data, "store.db")); err != nil {
				t.Fatal(err)
			}
		}
		out, got := run(t, s, "serve")
		if got != code {
			t.Errorf("serve exited with %d, want %d", got, code)
		}
		wants(t, "serve", out, "postrider export --salvage")
		dir := filepath.Join(lab.Dir(t), "out")
		sum, got := export(t, s, "--salvage", s.Data, dir)
		if got != 1 || sum.Messages != 0 || len(sum.Notes) != 1 || !strings.Contains(sum.Notes[0], "30 bodies") {
			t.Errorf("salvage exited with %d: %+v", got, sum)
		}
		checkLetters(t, filepath.Join(dir, "lost+found"), 30)
		wants(t, "verify", firstOf(run(t, s, "verify")), "the store does not open", "the index")
	}
}

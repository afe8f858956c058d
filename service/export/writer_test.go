package export_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/export"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func create(t testing.TB, dir string, o export.Options) *export.Writer {
	t.Helper()
	o.Now = func() time.Time { return noon }
	w, err := export.Create(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Plan(export.Plan{}); err != nil {
		t.Fatal(err)
	}
	return w
}

// put writes one mailbox.
func put(t testing.TB, w *export.Writer, account, name string, texts ...string) {
	t.Helper()
	if err := w.Mailbox(export.Mailbox{Account: account, Name: name, UIDValidity: 9}); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		m := export.Message{UID: uint32(i + 1), Flags: []string{`\Seen`, `\Flagged`, "$junk", "work"}[:i%5], Received: noon.Add(time.Duration(i) * time.Hour), Size: int64(len(text))}
		if err := w.Message(m, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
}

// tree lists all files below a directory.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		out[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMaildir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := create(t, dir, export.Options{})
	put(t, w, "ann@example.org", "INBOX", "one\r\n", "two\r\n", "three\r\n", "four\r\n", "five\r\n")
	put(t, w, "ann@example.org", "Lists/Grüße & v1.2", "x")
	put(t, w, "bob@example.org", "Sent")
	sum, err := w.Finish()
	if err != nil || sum.Messages != 6 || sum.Accounts != 2 || len(sum.Notes) != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	got := tree(t, dir)
	for name, text := range map[string]string{
		"ann@example.org/cur/1795521600.V9U1.postrider,S=5:2,":                            "one\r\n",
		"ann@example.org/cur/1795525200.V9U2.postrider,S=5:2,S":                           "two\r\n",
		"ann@example.org/cur/1795528800.V9U3.postrider,S=7:2,FS":                          "three\r\n",
		"ann@example.org/cur/1795532400.V9U4.postrider,S=6:2,FSa":                         "four\r\n",
		"ann@example.org/cur/1795536000.V9U5.postrider,S=6:2,FSab":                        "five\r\n",
		"ann@example.org/dovecot-keywords":                                                "0 $junk\n1 work\n",
		"ann@example.org/.Lists.Gr&APwA3w-e &- v1_2/cur/1795521600.V9U1.postrider,S=1:2,": "x",
		"ann@example.org/.Lists.Gr&APwA3w-e &- v1_2/maildirfolder":                        "",
		"bob@example.org/.Sent/maildirfolder":                                             "",
	} {
		if have, ok := got[name]; !ok || have != text {
			t.Errorf("%s: %q, %v", name, have, ok)
		}
	}
	if len(got) != 11 {
		t.Errorf("there are %d files: %v", len(got), got)
	}
	info, err := os.Stat(filepath.Join(dir, "ann@example.org/cur/1795525200.V9U2.postrider,S=5:2,S"))
	if err != nil || !info.ModTime().Equal(noon.Add(time.Hour)) || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "bob@example.org/cur")); err != nil || !info.IsDir() {
		t.Errorf("the root of an account is no Maildir: %v", err)
	}
}

// A message that breaks off leaves nothing, in any format, and those around it are whole.
func TestBrokenMessageLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, f := range []export.Format{export.Maildir, export.Mbox, export.EML} {
		dir := t.TempDir()
		w := create(t, dir, export.Options{Format: f})
		put(t, w, "ann@example.org", "INBOX", "before\r\n")
		eio := errors.New("input/output error")
		long := strings.Repeat("y", 200_000)
		err := w.Message(export.Message{UID: 2, Received: noon}, io.MultiReader(strings.NewReader(long), iotest.ErrReader(eio)))
		if !errors.Is(err, eio) {
			t.Errorf("%s: got %v", f, err)
		}
		if err := w.Message(export.Message{UID: 3, Received: noon, Size: 7}, strings.NewReader("after\r\n")); err != nil {
			t.Error(err)
		}
		if err := w.Missing(export.Missing{Account: "ann@example.org", Mailbox: "INBOX", First: 2, Last: 2, Reason: "input/output error"}); err != nil {
			t.Error(err)
		}
		sum, err := w.Finish()
		if err != nil || sum.Messages != 2 {
			t.Errorf("%s: %+v, %v", f, sum, err)
		}
		all := ""
		for name, text := range tree(t, dir) {
			if strings.HasSuffix(name, ".part") || strings.Contains(name, "/tmp/") {
				t.Errorf("%s: %s is left", f, name)
			}
			if name != "export.json" && name != "export-report.txt" {
				all += text
			}
		}
		if strings.Contains(all, "yyy") || !strings.Contains(all, "before") || !strings.Contains(all, "after") {
			t.Errorf("%s: %q", f, all)
		}
		report, err := os.ReadFile(filepath.Join(dir, "export-report.txt"))
		if err != nil || !strings.Contains(string(report), "  ann@example.org in \"INBOX\": UID 2: input/output error\n") {
			t.Errorf("%s: the report is %q, %v", f, report, err)
		}
	}
}

// RFC 4155: lines that begin with "From " are quoted so that the quoting can be taken off again.
func TestMboxCanBeUndone(t *testing.T) {
	t.Parallel()
	line := rapid.OneOf(rapid.SampledFrom([]string{"From x", ">From x", ">>From ", "", "From", "F", "text", "\r", "a\rb", ">", strings.Repeat("z", 65535), strings.Repeat("z", 65536) + "From "}), rapid.StringMatching(`[ -~]{0,20}`))
	from := regexp.MustCompile(`(?m)^From MAILER-DAEMON .*\nStatus: R?O\n(?:X-Status: .*\n)?`)
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "mbox")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		w, err := export.Create(dir, export.Options{Format: export.Mbox})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Mailbox(export.Mailbox{Account: "a@b", Name: "INBOX"}); err != nil {
			t.Fatal(err)
		}
		var want []string
		for uid := range rapid.IntRange(1, 3).Draw(t, "messages") {
			text := strings.Join(rapid.SliceOfN(line, 1, 6).Draw(t, "lines"), "\r\n") + "\r\n"
			want = append(want, strings.ReplaceAll(text, "\r\n", "\n"))
			r := io.Reader(strings.NewReader(text))
			if rapid.Bool().Draw(t, "slowly") {
				r = iotest.OneByteReader(r)
			}
			if err := w.Message(export.Message{UID: uint32(uid + 1), Flags: []string{`\Flagged`}, Received: noon, Size: int64(len(text))}, r); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, "a@b", "INBOX.mbox"))
		if err != nil {
			t.Fatal(err)
		}
		parts := from.Split(string(raw), -1)[1:]
		for i := range parts {
			parts[i] = regexp.MustCompile(`(?m)^>(>*From )`).ReplaceAllString(strings.TrimSuffix(parts[i], "\n"), "$1")
		}
		if !slices.Equal(parts, want) {
			t.Fatalf("got %.300q, want %.300q", parts, want)
		}
	})
}

func TestEML(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := create(t, dir, export.Options{Format: export.EML})
	put(t, w, "ann@example.org", "Lists/2026", "one\r\n", "two\r\n", "three\r\n")
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	got := tree(t, dir)
	if got["ann@example.org/Lists/2026/00000003.eml"] != "three\r\n" {
		t.Errorf("%v", got)
	}
	lines := strings.Split(strings.TrimSpace(got["ann@example.org/Lists/2026/messages.jsonl"]), "\n")
	var m struct {
		File  string
		UID   uint32
		Flags []string
	}
	if len(lines) != 3 || json.Unmarshal([]byte(lines[2]), &m) != nil || m.File != "00000003.eml" || m.UID != 3 || !slices.Equal(m.Flags, []string{`\Seen`, `\Flagged`}) {
		t.Errorf("%q", lines)
	}
}

// Only an empty directory is taken, or an export of the same format with --resume.
func TestCreateRefusesAndResumes(t *testing.T) {
	t.Parallel()
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, resume := range []bool{false, true} {
		if _, err := export.Create(foreign, export.Options{Resume: resume}); !mail.Is(err, mail.Exists) {
			t.Errorf("resume %v: %v", resume, err)
		}
	}
	if got := tree(t, foreign); len(got) != 1 {
		t.Errorf("it was written to all the same: %v", got)
	}
	if _, err := export.Create(t.TempDir(), export.Options{Format: "pst"}); !mail.Is(err, mail.Invalid) {
		t.Errorf("got %v", err)
	}
	for _, f := range []export.Format{export.Maildir, export.Mbox, export.EML} {
		dir := t.TempDir()
		w := create(t, dir, export.Options{Format: f})
		put(t, w, "ann@example.org", "INBOX", "one\r\n", "two\r\n") // and then it was broken off
		if _, err := export.Create(dir, export.Options{Format: f}); !mail.Is(err, mail.Exists) || !strings.Contains(err.Error(), "--resume") {
			t.Errorf("%s: %v", f, err)
		}
		w = create(t, dir, export.Options{Format: f, Resume: true})
		put(t, w, "ann@example.org", "INBOX", "one\r\n", "two\r\n", "three\r\n")
		sum, err := w.Finish()
		if err != nil || sum.Messages != 3 || sum.Kept != map[export.Format]int64{export.Maildir: 2, export.Mbox: 0, export.EML: 2}[f] {
			t.Errorf("%s: %+v, %v", f, sum, err)
		}
		again := t.TempDir()
		w = create(t, again, export.Options{Format: f})
		put(t, w, "ann@example.org", "INBOX", "one\r\n", "two\r\n", "three\r\n")
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		resumed, fresh := tree(t, dir), tree(t, again)
		for name, text := range fresh {
			if strings.HasPrefix(name, "ann") && resumed[name] != text || len(fresh) != len(resumed) {
				t.Errorf("%s: %s is %q after a resume, %q without", f, name, resumed[name], text)
			}
		}
	}
	dir := t.TempDir()
	put(t, create(t, dir, export.Options{Format: export.EML}), "a@b", "INBOX")
	if _, err := export.Create(dir, export.Options{Resume: true}); !mail.Is(err, mail.Conflict) {
		t.Errorf("another format gave %v", err)
	}
}

// With other flags than before a Maildir's message gets its new name.
func TestResumeRenames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, flags := range [][]string{nil, {`\Seen`}} {
		w := create(t, dir, export.Options{Resume: i > 0})
		put(t, w, "a@b", "INBOX")
		if err := w.Message(export.Message{UID: 1, Flags: flags, Received: noon, Size: 1}, bytes.NewReader([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	names, err := filepath.Glob(filepath.Join(dir, "a@b/cur/*"))
	if err != nil || len(names) != 1 || !strings.HasSuffix(names[0], ":2,S") {
		t.Errorf("%v, %v", names, err)
	}
}

// Names of strangers' choosing stay inside the directory, and no two mailboxes share a place.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"INBOX", "../../etc/passwd", "a/../b", ".", "..", "~root", "a.b", "a_b", "x.eml", "messages.jsonl", strings.Repeat("ü", 400), "\x00\xff", "cur", "INBOX/cur", "&", ""} {
		f.Add(s, "a.b")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if len(one) > 1000 || len(two) > 1000 { // the store takes no longer names
			return
		}
		for _, format := range []export.Format{export.Maildir, export.Mbox, export.EML} {
			outer := t.TempDir()
			dir := filepath.Join(outer, "in")
			w := create(t, dir, export.Options{Format: format})
			names := []string{one, two, "INBOX"}
			slices.Sort(names)
			names = slices.Compact(names)
			for _, n := range names {
				put(t, w, one, n, "text")
			}
			if sum, err := w.Finish(); err != nil || sum.Messages != int64(len(names)) {
				t.Fatalf("%s: %q: %v, %v", format, names, sum, err)
			}
			if got := tree(t, outer); slices.ContainsFunc(slices.Collect(keys(got)), func(p string) bool { return !strings.HasPrefix(p, "in/") }) {
				t.Fatalf("%s: %q led out: %v", format, names, got)
			}
			texts := 0
			for name, text := range tree(t, dir) {
				if text == "text" || strings.HasSuffix(name, ".mbox") {
					texts++
				}
			}
			if texts != len(names) {
				t.Fatalf("%s: %q: %d messages became %d files: %v", format, names, len(names), texts, tree(t, dir))
			}
		}
	})
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

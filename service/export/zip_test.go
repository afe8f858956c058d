package export_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/export"
)

// unpack reads a zip file.
func unpack(t testing.TB, b []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if _, twice := out[f.Name]; twice {
			t.Errorf("%s is there twice", f.Name)
		}
		out[f.Name] = string(text)
	}
	return out
}

// sink is what a Writer and a Zip have in common.
type sink interface {
	export.Sink
	Finish() (export.Summary, error)
}

// fill puts two accounts with awkward mailboxes into a sink.
func fill(t testing.TB, s sink) export.Summary {
	t.Helper()
	if err := s.Plan(export.Plan{Accounts: 2}); err != nil {
		t.Fatal(err)
	}
	for _, b := range []struct{ account, name string }{{"ann@example.org", "INBOX"}, {"ann@example.org", "Lists/Grüße & v1.2"}, {"ann@example.org", "../../etc"}, {"ann@example.org", "inbox"}, {"bob@example.org", "Sent"}} {
		if err := s.Mailbox(export.Mailbox{Account: b.account, Name: b.name, UIDValidity: 9, Use: "x"}); err != nil {
			t.Fatal(err)
		}
		for i, text := range []string{"one\r\n\r\nFrom me\r\n", "two\r\n", strings.Repeat("long ", 50_000)} {
			m := export.Message{UID: uint32(i + 1), Flags: []string{`\Seen`, `\Flagged`, "$junk", "work"}[:i+1], Received: noon.Add(time.Duration(i) * time.Hour), Size: int64(len(text))}
			if err := s.Message(m, strings.NewReader(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Missing(export.Missing{Account: "bob@example.org", Reason: "it is so"}); err != nil {
		t.Fatal(err)
	}
	sum, err := s.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestZipIsTheDirectory writes the same files as a Writer does, in each format.
func TestZipIsTheDirectory(t *testing.T) {
	t.Parallel()
	for _, f := range []export.Format{export.Maildir, export.Mbox, export.EML} {
		dir := t.TempDir()
		now := func() time.Time { return noon }
		w, err := export.Create(dir, export.Options{Format: f, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, w)
		var b bytes.Buffer
		z, err := export.NewZip(&b, export.Options{Format: f, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		sum := fill(t, z)
		if sum.Messages != 15 || !sum.Complete || len(sum.Missing) != 1 {
			t.Errorf("%s: %+v", f, sum)
		}
		got, want := unpack(t, b.Bytes()), tree(t, dir)
		for _, m := range []map[string]string{got, want} {
			delete(m, "export.json") // tells the directory
			maps.DeleteFunc(m, func(name, _ string) bool { return strings.HasSuffix(name, "/") })
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: files %q, want %q", f, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
			for name := range want {
				if got[name] != want[name] {
					t.Errorf("%s: %.80q, want %.80q", name, got[name], want[name])
				}
			}
		}
		for name := range got {
			if strings.Contains(name, "..") || strings.HasPrefix(name, "/") {
				t.Errorf("%s leads out", name)
			}
		}
	}
	if _, err := export.NewZip(io.Discard, export.Options{Format: "x"}); !mail.Is(err, mail.Invalid) {
		t.Errorf("got %v", err)
	}
}

// TestZipTroubles: a message that breaks off is named, those around it are whole; a reader that is gone ends it.
func TestZipTroubles(t *testing.T) {
	t.Parallel()
	for _, f := range []export.Format{export.Maildir, export.Mbox, export.EML} {
		var b bytes.Buffer
		z, err := export.NewZip(&b, export.Options{Format: f})
		if err != nil {
			t.Fatal(err)
		}
		if err := z.Message(export.Message{}, strings.NewReader("")); !mail.Is(err, mail.Invalid) {
			t.Errorf("a message before its mailbox: %v", err)
		}
		if err := z.Mailbox(export.Mailbox{Account: "ann@example.org", Name: "INBOX"}); err != nil {
			t.Fatal(err)
		}
		eio := errors.New("input/output error")
		if err := z.Message(export.Message{UID: 1}, io.MultiReader(strings.NewReader("yyy"), iotest.ErrReader(eio))); !errors.Is(err, eio) {
			t.Errorf("%s: got %v", f, err)
		}
		if err := z.Message(export.Message{UID: 2}, strings.NewReader("after\r\n")); err != nil {
			t.Error(err)
		}
		if err := z.Extra("settings.json", func(w io.Writer) error { _, err := io.WriteString(w, "{}"); return err }); err != nil {
			t.Error(err)
		}
		sum, err := z.Finish()
		if err != nil || sum.Messages != 1 || len(sum.Notes) != 1 {
			t.Errorf("%s: %+v %v", f, sum, err)
		}
		got := unpack(t, b.Bytes())
		if all := strings.Join(slices.Collect(maps.Values(got)), "|"); !strings.Contains(all, "after") || got["settings.json"] != "{}" || f == export.Mbox && !strings.Contains(all, "\n\nFrom ") {
			t.Errorf("%s: %q", f, got)
		}
		gone, err := export.NewZip(failing{}, export.Options{Format: f})
		if err != nil {
			t.Fatal(err)
		}
		err = gone.Mailbox(export.Mailbox{Account: "ann@example.org", Name: "INBOX"})
		for i := 0; err == nil && i < 50; i++ {
			err = gone.Message(export.Message{UID: uint32(i)}, io.LimitReader(noise{}, 1<<20))
		}
		if err == nil {
			t.Errorf("%s: a reader that is gone is not noticed", f)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("gone") }

type noise struct{}

func (noise) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i*i*31 + i>>3)
	}
	return len(p), nil
}

// TestChecked finds a damaged body before anything of it is given.
func TestChecked(t *testing.T) {
	t.Parallel()
	d := &drive{boxes: []mail.Mailbox{{ID: 1, Name: "INBOX", UIDNext: 4}}, uids: map[mail.MailboxID][]uint32{1: {1, 2, 3}}, broken: map[mail.BlobID]int{2: 3},
		text: func(uint32) string { return "some text" }}
	var b bytes.Buffer
	z, err := export.NewZip(&b, export.Options{Format: export.Mbox})
	if err != nil {
		t.Fatal(err)
	}
	if err := export.Walk(context.Background(), export.Source{Mailboxes: d, Bodies: export.Checked(d)}, export.Selection{Accounts: []mail.Account{ann}}, z); err != nil {
		t.Fatal(err)
	}
	sum, err := z.Finish()
	if err != nil || sum.Messages != 2 || len(sum.Missing) != 1 || len(sum.Notes) != 0 {
		t.Errorf("%+v %v", sum, err)
	}
	if got := unpack(t, b.Bytes())["ann@example.org/INBOX.mbox"]; strings.Count(got, "P:\nsome text") != 2 || strings.Count(got, "som") != 2 {
		t.Errorf("%q", got)
	}
}

// TestAttachments undoes transfer encodings and makes names safe and unique.
func TestAttachments(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(`From: a@b
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain

Hello
--x
Content-Type: application/pdf; name="../../etc/passwd"
Content-Disposition: attachment
Content-Transfer-Encoding: base64

aGVsbG8=
--x
Content-Type: application/pdf; name="PASSWD"
Content-Transfer-Encoding: quoted-printable

h=C3=A9
--x
Content-Type: image/png
Content-Disposition: attachment

png
--x
Content-Type: message/rfc822
Content-Disposition: attachment

Subject: inner
Content-Type: multipart/mixed; boundary=y

--y
Content-Type: application/pdf; name=inner.pdf

no
--y--
--x
Content-Type: text/html; name="=?utf-8?q?evil=E2=80=AEfdp.exe?="
Content-Disposition: attachment

x
--x--
`, "\n", "\r\n")
	scan := message.NewScanner(message.Limits{})
	io.WriteString(scan, text) //nolint:errcheck // never fails
	root := scan.Finish()
	open := func(off, n int64) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text[off : off+n])), nil
	}
	var b bytes.Buffer
	if err := export.Attachments(&b, root, open, noon); err != nil {
		t.Fatal(err)
	}
	got := unpack(t, b.Bytes())
	for name, want := range map[string]string{"passwd": "hello", "PASSWD (2)": "hé", "attachment-3.png": "png", "evilfdp.exe": "x"} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if len(got) != 5 || !strings.HasPrefix(got["attachment-4.eml"], "Subject: inner\r\n") {
		t.Errorf("%q", got)
	}
	b.Reset()
	scan = message.NewScanner(message.Limits{})
	io.WriteString(scan, "Subject: x\r\n\r\ntext\r\n") //nolint:errcheck // never fails
	if err := export.Attachments(&b, scan.Finish(), open, noon); !mail.Is(err, mail.NotFound) || b.Len() != 0 {
		t.Errorf("without attachments: %v, %d octets", err, b.Len())
	}
}

func TestFileName(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"report.pdf": "report.pdf", "/etc/passwd": "passwd", `C:\Windows\x.dll`: "x.dll", "..": "", "...": "", "": "", "a/b/..": "", ".htaccess": "htaccess", "~root": "root",
		"a\x00b\r\nc.txt": "abc.txt", "x\u202Efdp.exe": "xfdp.exe", "a\u200bb": "ab", "a:b*c?.txt": "a_b_c_.txt", "CON": "_CON", "con.txt": "_con.txt", "Com1.log": "_Com1.log", "LPT9": "_LPT9",
		"common.txt": "common.txt", "name. . ": "name", "Grüße.txt": "Grüße.txt", "\xff\xfe.txt": "_.txt", "a\u2028b": "ab", "tab\tname": "tabname",
	} {
		if got := export.FileName(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	if got := export.FileName(strings.Repeat("ü", 300) + ".docx"); len(got) > 120 || !strings.HasSuffix(got, "ü.docx") {
		t.Errorf("%q", got)
	}
}

// FuzzFileName holds names to what is promised of them, whatever a stranger calls a file.
func FuzzFileName(f *testing.F) {
	f.Add("a/../b\u202E.txt")
	f.Add(strings.Repeat("x", 300) + ".tar.gz")
	f.Fuzz(func(t *testing.T, s string) {
		got := export.FileName(s)
		if len(got) > 125 || strings.ContainsAny(got, "/\\:*?\"<>|") || !utf8.ValidString(got) || got == "." || got == ".." || strings.HasPrefix(got, ".") ||
			strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("%q becomes %q", s, got)
		}
		if again := export.FileName(got); again != got && !strings.HasPrefix(got, "_") {
			t.Errorf("%q becomes %q and that %q", s, got, again)
		}
	})
}

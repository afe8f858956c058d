package importer

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
)

// parts reads all messages of an mbox.
func parts(r io.Reader) (all []string, err error) {
	m := newMboxReader(r)
	for {
		if _, err := m.Next(); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return all, err
		}
		text, err := io.ReadAll(m)
		if err != nil {
			return all, err
		}
		all = append(all, string(text))
	}
}

// FuzzMbox: whatever a file holds, it is read to its end, the same however it comes, and nothing is added to it.
func FuzzMbox(f *testing.F) {
	f.Add("From a Tue Nov 24 03:00:00 2020\nSubject: x\n\n>From y\n\nFrom b Tue Nov 24 03:00:00 2020\n\n\n")
	f.Add("\n\nFrom 2020 1:1\r\n\r\n\r\nFrom x 1:1 2020\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		all, err := parts(strings.NewReader(s))
		if err != nil {
			t.Fatal(err)
		}
		again, err := parts(iotest.OneByteReader(strings.NewReader(s)))
		if err != nil || strings.Join(all, "|") != strings.Join(again, "|") || len(all) != len(again) {
			t.Errorf("%q is %q, and read slowly %q (%v)", s, all, again, err)
		}
		if n := len(strings.Join(all, "")); n > len(s) {
			t.Errorf("%d octets came out of %d", n, len(s))
		}
	})
}

// TestMboxParts: what is written as mboxrd comes back, whatever the lines are. RFC 4155.
func TestMboxParts(t *testing.T) {
	t.Parallel()
	line := rapid.OneOf(rapid.SampledFrom([]string{"From x 1:2 2020", ">From x", ">>From ", "", "", "From", "text", ">", strings.Repeat("z", mboxBuffer-1), strings.Repeat("z", mboxBuffer), strings.Repeat("z", mboxBuffer+1) + "From "}),
		rapid.StringMatching(`[ -~]{0,20}`))
	rapid.Check(t, func(t *rapid.T) {
		var file strings.Builder
		var want []string
		for range rapid.IntRange(1, 4).Draw(t, "messages") {
			lines := rapid.SliceOfN(line, 1, 6).Draw(t, "lines")
			file.WriteString("From MAILER-DAEMON Tue Nov 24 03:00:00 2020\n")
			for _, l := range lines {
				if strings.HasPrefix(strings.TrimLeft(l, ">"), "From ") {
					l = ">" + l
				}
				file.WriteString(l + "\n")
			}
			file.WriteString("\n")
			want = append(want, strings.Join(lines, "\n")+"\n")
		}
		got, err := parts(strings.NewReader(file.String()))
		if err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
			t.Fatalf("got %.300q, want %.300q (%v)", got, want, err)
		}
	})
}

// TestLines makes CRLF of LF where the first line ends so, in whatever pieces the text comes.
func TestLines(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\nb\n": "a\r\nb\r\n", "a\r\nb\n": "a\r\nb\n", "a\nb\r\nc\rd\n": "a\r\nb\r\nc\rd\r\n", "\n": "\r\n", "\r\n\n": "\r\n\n", "abc": "abc", "a\r\n": "a\r\n", "": "",
	} {
		for size := 1; size < 5; size++ {
			var b bytes.Buffer
			l := &lines{to: &b, left: 100}
			for s := in; s != ""; {
				n := min(size, len(s))
				if _, err := l.Write([]byte(s[:n])); err != nil {
					t.Fatal(err)
				}
				s = s[n:]
			}
			if b.String() != want || l.size != int64(len(want)) {
				t.Errorf("%q by %d: %q, want %q", in, size, b.String(), want)
			}
		}
	}
	l := &lines{to: io.Discard, left: 3}
	if _, err := l.Write([]byte("a\nb\n")); !mail.Is(err, mail.TooLarge) {
		t.Errorf("got %v", err)
	}
	if _, err := (&lines{to: io.Discard, left: 9}).Write([]byte("a\x00")); !mail.Is(err, mail.Invalid) {
		t.Errorf("got %v", err)
	}
}

// FuzzZipNames: whatever files are called, their folders have names that a mailbox can have.
func FuzzZipNames(f *testing.F) {
	f.Add("Maildir/.A.B&AOQ-/cur/1:2,S", "a/../b.eml")
	f.Add("x.mbox/mbox", "\x00/\u202e.mbox")
	f.Fuzz(func(t *testing.T, a, b string) {
		index := map[string]*zip.File{a: {}, b: {}}
		n := newNames(index)
		for name := range index {
			l := layoutOf(name)
			if l == notMail {
				continue
			}
			folder, _ := n.folder(name, l)
			got := cleanName(folder.Name)
			if got == "" || len(got) > maxName || !utf8.ValidString(got) || strings.Contains("/"+got+"/", "//") || strings.ContainsFunc(got, unicode.IsControl) || strings.ContainsAny(got, "*%") ||
				strings.Contains("/"+got+"/", "/../") || cleanName(got) != got {
				t.Errorf("%q becomes %q and that %q", name, got, cleanName(got))
			}
			maildirName(name, map[byte]string{'a': "x"})
		}
	})
}

// TestFromLine tells lines that begin messages from text. RFC 4155.
func TestFromLine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"From a@b Tue Nov 24 03:04:05 2020\n": "2020-11-24 03:04", "From MAILER-DAEMON Tue Nov  3 03:04:05 2020\r\n": "2020-11-03 03:04", "From - Tue Nov 24 03:04:05 2020\n": "2020-11-24 03:04",
		"From 1@xxx Tue Nov 24 03:04:05 +0000 2020\n": "2020-11-24 03:04", "From a b c 1:2 2020\n": "?",
		"From me to you\n": "", "From\n": "", "From now on: 2020\n": "?", "From 2020 on\n": "", "from a Tue Nov 24 03:04:05 2020\n": "", ">From a Tue Nov 24 03:04:05 2020\n": "",
	} {
		at, ok := fromLine([]byte(line))
		got := ""
		switch {
		case ok && at.Equal(time.Time{}):
			got = "?"
		case ok:
			got = at.UTC().Format("2006-01-02 15:04")
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

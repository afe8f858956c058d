package message_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/postrider/postrider/proto/message"
)

const sample = "Received: from a\r\n\tby b;\r\n Mon, 1 Jan 2024 00:00:00 +0000\r\nSubject: one\r\n" +
	"no colon here\r\nX-Odd : space\r\nsubject:two\r\n:empty name\r\nbad name: x\r\nTo:\r\n a@b\r\n\r\nbody\r\n"

// RFC 5322 2.2, RFC 5322 2.2.3, RFC 5322 4.5.8
func TestParseHeader(t *testing.T) {
	t.Parallel()
	h, size := message.ParseHeader([]byte(sample))
	if sample[size:] != "body\r\n" {
		t.Errorf("the header ends before %q", sample[size:])
	}
	var names []string
	for f := range h.All() {
		names = append(names, f.Name())
	}
	if want := []string{"Received", "Subject", "", "X-Odd", "subject", "", "", "To"}; !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	for name, want := range map[string]string{"received": "from a\tby b; Mon, 1 Jan 2024 00:00:00 +0000", "SUBJECT": "one", "x-odd": "space", "to": "a@b", "cc": ""} {
		if got := h.Get(name); got != want {
			t.Errorf("Get(%s) = %q, want %q", name, got, want)
		}
	}
	if got := h.Values("Subject"); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("Values = %q", got)
	}
	if h.Has("bcc") || !h.Has("TO") || h.Count("subject") != 2 {
		t.Error("Has or Count is wrong")
	}
	if got := string(h.Bytes()) + "\r\n" + "body\r\n"; got != sample {
		t.Errorf("written back: %q", got)
	}
}

func TestHeaderChanges(t *testing.T) {
	t.Parallel()
	h, _ := message.ParseHeader([]byte(sample))
	before := h
	h.Prepend("X-First", "1")
	h.Set("Subject", "new")
	h.Del("to")
	h.Append("X-Last", "z")
	want := "X-First: 1\r\nReceived: from a\r\n\tby b;\r\n Mon, 1 Jan 2024 00:00:00 +0000\r\nSubject: new\r\n" +
		"no colon here\r\nX-Odd : space\r\n:empty name\r\nbad name: x\r\nX-Last: z\r\n"
	if got := string(h.Bytes()); got != want {
		t.Errorf("changed header:\n%s\nwant:\n%s", got, want)
	}
	if got := string(before.Bytes()) + "\r\nbody\r\n"; got != sample {
		t.Errorf("a copy of the header changed with it: %q", got)
	}
	var buf bytes.Buffer
	if err := h.Write(&buf); err != nil || buf.Len() != h.Size() {
		t.Errorf("Write: %v, %d octets, Size %d", err, buf.Len(), h.Size())
	}
	cut, _ := message.ParseHeader([]byte("A: 1\r\nB: 2"))
	cut.Append("C", "3")
	if got := string(cut.Bytes()); got != "A: 1\r\nB: 2\r\nC: 3\r\n" {
		t.Errorf("appended to a cut header: %q", got)
	}
}

func TestHeaderEnds(t *testing.T) {
	t.Parallel()
	for in, rest := range map[string]string{
		"": "", "\r\nx": "x", "\nx": "x", "A: 1\n\nx": "x", "A: 1\r\n": "", "A: 1": "", "A: 1\r\n \r\nB: 2\r\n\r\nx": "x", "\rA: 1\r\n\r\nx": "x", " x\r\n\r\ny": "y",
	} {
		if _, size := message.ParseHeader([]byte(in)); in[size:] != rest {
			t.Errorf("%q: rest %q, want %q", in, in[size:], rest)
		}
	}
}

func TestManyFields(t *testing.T) {
	t.Parallel()
	raw := strings.Repeat("A:\n", 3*message.MaxFields) + "\nbody"
	h, size := message.ParseHeader([]byte(raw))
	if h.Len() != message.MaxFields+1 || raw[size:] != "body" || string(h.Bytes()) != raw[:size-1] {
		t.Errorf("%d fields, rest %q", h.Len(), raw[size:])
	}
}

func TestReadHeader(t *testing.T) {
	t.Parallel()
	r := bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(sample)), 16)
	h, err := message.ReadHeader(r, 0)
	rest, _ := io.ReadAll(r)
	if err != nil || string(rest) != "body\r\n" || h.Len() != 8 {
		t.Errorf("%d fields, rest %q, %v", h.Len(), rest, err)
	}

	big := "A: " + strings.Repeat("x", 5000) + "\r\n" + sample
	for _, limit := range []int{100, 4999, 5010, 5100} {
		r := bufio.NewReaderSize(strings.NewReader(big), 64)
		h, err := message.ReadHeader(r, limit)
		if !errors.Is(err, message.ErrHeaderTooLarge) {
			t.Errorf("limit %d: %v", limit, err)
		}
		rest, _ := io.ReadAll(r)
		if got := string(h.Bytes()) + string(rest); got != big {
			t.Errorf("limit %d lost octets: %d of %d", limit, len(got), len(big))
		}
		if h.Size() > limit+64 {
			t.Errorf("limit %d: %d octets were kept", limit, h.Size())
		}
	}
	if _, err := message.ReadHeader(bufio.NewReader(iotest.ErrReader(io.ErrUnexpectedEOF)), 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a failing reader: %v", err)
	}
}

// RFC 5322 2.1.1, RFC 5322 2.2.3
func TestFormatField(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 40)
	for _, c := range []struct{ name, value, want string }{
		{"Subject", "hello", "Subject: hello\r\n"},
		{"Subject", "", "Subject: \r\n"},
		{"Subject", "a\r\nBcc: evil@example.com", "Subject: a  Bcc: evil@example.com\r\n"},
		{"Sub\r\nject", "x", "Sub--ject: x\r\n"},
		{"", "x", "X-Invalid-Name: x\r\n"},
		{"Subject", "Grüße", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"},
		{"Subject", "keep Grüße an alle here", "Subject: keep =?utf-8?q?Gr=C3=BC=C3=9Fe?= an alle here\r\n"},
		{"Subject", "=?utf-8?q?not_one?=", "Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fnot=5Fone=3F=3D?=\r\n"},
	} {
		if got := string(message.FormatField(c.name, c.value)); got != c.want {
			t.Errorf("FormatField(%q, %q) = %q, want %q", c.name, c.value, got, c.want)
		}
	}
	for _, value := range []string{long, strings.Repeat("x", 3000), strings.Repeat("ü", 3000), long + strings.Repeat("y", 2000), strings.Repeat(" ", 3000) + "a", "a" + strings.Repeat(" ", 3000) + "b"} {
		for _, raw := range [][]byte{message.FormatField("Subject", value), message.FoldField("Subject", value)} {
			checkField(t, raw)
		}
		h, _ := message.ParseHeader(message.FormatField("Subject", value))
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") } // long gaps are shortened
		if got := h.Text("Subject"); squeeze(got) != squeeze(value) {
			t.Errorf("%.40q... came back as %.80q (%d of %d octets)", value, got, len(got), len(value))
		}
	}
}

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkField checks what every field we write must be.
func checkField(t fataler, raw []byte) {
	t.Helper()
	h, size := message.ParseHeader(append(bytes.Clone(raw), "\r\nbody"...))
	if h.Len() != 1 || size != len(raw)+2 {
		t.Fatalf("not one field: %q", raw)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\r\n"), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") || strings.Trim(line, " \t") == "" {
			t.Fatalf("a line is too long, empty or broken: %q", line)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("A: 1\r\n \r\nB:2\n\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, size := message.ParseHeader(raw)
		if !bytes.HasPrefix(raw, h.Bytes()) || size-h.Size() > 2 {
			t.Fatalf("the header does not write back what it read: %q", h.Bytes())
		}
		for field := range h.All() {
			if v := field.Value() + field.Text(); strings.ContainsAny(v, "\r\n\x00") {
				t.Fatalf("a value breaks the line: %q", v)
			}
			checkField(t, message.FormatField(field.Name(), field.Text()))
			checkField(t, message.FoldField(field.Name(), field.Value()))
		}
		r := bufio.NewReaderSize(bytes.NewReader(raw), 16)
		read, err := message.ReadHeader(r, 1<<20)
		if err == nil && !bytes.Equal(read.Bytes(), h.Bytes()) {
			t.Fatalf("ReadHeader and ParseHeader differ: %q, %q", read.Bytes(), h.Bytes())
		}
	})
}

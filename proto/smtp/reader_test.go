package smtp

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// RFC 5321 4.5.3.1.4 and 2.3.8: bounded lines, at every split of the input.
func TestReadLine(t *testing.T) {
	t.Parallel()
	type result struct {
		line string
		err  error
	}
	cases := []struct {
		in   string
		want []result
	}{
		{"NOOP\r\nQUIT\r\n", []result{{"NOOP", nil}, {"QUIT", nil}, {"", io.EOF}}},
		{"\r\n", []result{{"", nil}, {"", io.EOF}}},
		{"a\nb\r\n", []result{{"a", ErrBareLF}, {"b", nil}}},
		{"\n\r\n", []result{{"", ErrBareLF}, {"", nil}}},
		{"a\rb\r\nc\r\n", []result{{"a\rb", ErrBareCR}, {"c", nil}}},
		{"a\r\r\nc\r\n", []result{{"a\r", ErrBareCR}, {"c", nil}}},
		{"a\x00\r\nc\r\n", []result{{"a\x00", ErrNUL}, {"c", nil}}},
		{strings.Repeat("x", 100) + "\r\nc\r\n", []result{{strings.Repeat("x", 100), nil}, {"c", nil}}},
		{strings.Repeat("x", 101) + "\r\nc\r\n", []result{{"", ErrLineTooLong}, {"c", nil}}},
		{strings.Repeat("x", 5000) + "\r\nc\r\n", []result{{"", ErrLineTooLong}, {"c", nil}}},
		{strings.Repeat("x", maxDrain+8192) + "\r\n", []result{{"", ErrLineEndless}}},
		{"NOOP", []result{{"", io.ErrUnexpectedEOF}}},
		{strings.Repeat("x", 200), []result{{"", io.ErrUnexpectedEOF}}},
		{"", []result{{"", io.EOF}}},
	}
	for _, c := range cases {
		for _, size := range []int{16, 64, 4096} {
			for name, src := range map[string]io.Reader{"whole": strings.NewReader(c.in),
				"octets": iotest.OneByteReader(strings.NewReader(c.in)), "data and error": iotest.DataErrReader(strings.NewReader(c.in))} {
				r := NewReader(src, make([]byte, size))
				for _, want := range c.want {
					line, err := r.ReadLine(100)
					if string(line) != want.line || !errors.Is(err, want.err) {
						t.Errorf("%.30q size %d %s: %q %v, want %q %v", c.in, size, name, line, err, want.line, want.err)
					}
				}
			}
		}
	}
}

func TestReaderMixed(t *testing.T) {
	t.Parallel()
	r := NewReader(strings.NewReader("BDAT 5\r\nhelloNOOP\r\n"), make([]byte, 32))
	if line, err := r.ReadLine(100); string(line) != "BDAT 5" || err != nil {
		t.Fatal(line, err)
	}
	if b, err := r.Next(3); string(b) != "hel" || err != nil {
		t.Fatal(b, err)
	}
	if old := r.Swap(make([]byte, 4)); len(old) != 4 {
		t.Error("what is buffered was dropped for a buffer that is too small")
	}
	if old := r.Swap(make([]byte, 64)); len(old) != 32 {
		t.Error("not exchanged")
	}
	p := make([]byte, 2)
	if n, err := io.ReadFull(r, p); n != 2 || string(p) != "lo" || err != nil {
		t.Fatal(n, err)
	}
	if n := r.Buffered(); n != 6 {
		t.Error(n)
	}
	r.Reset(strings.NewReader("clean\r\n"))
	if line, err := r.ReadLine(100); string(line) != "clean" || err != nil {
		t.Error(line, err)
	}
	if _, err := NewReader(stuck{}, make([]byte, 16)).ReadLine(10); err != io.ErrNoProgress {
		t.Error(err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

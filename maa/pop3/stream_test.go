package pop3

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// stuffed writes a message in pieces of n octets.
func stuffed(message string, n int) string {
	var out strings.Builder
	w := stuffer{w: &out}
	for rest := message; rest != ""; {
		k := min(n, len(rest))
		w.Write([]byte(rest[:k]))
		rest = rest[k:]
	}
	w.end()
	return out.String()
}

// RFC 1939 3
func TestStuffing(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"":                   ".\r\n",
		"\r\n":               "\r\n.\r\n",
		".":                  "..\r\n.\r\n",
		".\r\n":              "..\r\n.\r\n",
		"..\r\n.a\r\nb.\r\n": "...\r\n..a\r\nb.\r\n.\r\n",
		"a":                  "a\r\n.\r\n",
		"a\r":                "a\r\r\n.\r\n",
		"a\n":                "a\n\r\n.\r\n",
		"a\n.\n.\r\nb\r\n":   "a\n..\n..\r\nb\r\n.\r\n",
		"a\r.\r\n":           "a\r.\r\n.\r\n",
		"a\r\n\r\n.\r\n\r\n": "a\r\n\r\n..\r\n\r\n.\r\n",
	} {
		for n := 1; n <= len(message)+1; n++ {
			if got := stuffed(message, n); got != want {
				t.Errorf("%q in pieces of %d: %q, want %q", message, n, got, want)
			}
		}
	}
}

// receive reads a multi-line answer as a client does whose lines end with end, and gives the message and what follows.
func receive(answer, end string) (message, rest string) {
	var b strings.Builder
	for {
		line, after, ok := strings.Cut(answer, end)
		if !ok {
			return b.String(), "no end"
		}
		answer = after
		if strings.TrimSuffix(line, "\r") == "." {
			return b.String(), answer
		}
		b.WriteString(strings.TrimPrefix(line, ".") + end)
	}
}

// Whatever a message is, clients get it back whole, and none takes a part for the whole or what follows for a part: neither
// those for whom a line ends with CRLF nor those that take LF alone.
func FuzzStuffing(f *testing.F) {
	for _, s := range []string{"", ".", "a\r\n.\r\nb", "\n.\n", "\r", "a\r\r\n.", "..\r\n\r\n", "a\n.\r\n"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		message := string(b)
		got := stuffed(message, max(n, 1))
		want := message
		if message != "" && !strings.HasSuffix(message, "\r\n") {
			want += "\r\n"
		}
		const next = "+OK next\r\n"
		if back, rest := receive(got+next, "\n"); back != want || rest != next {
			t.Fatalf("with LF: %q came back as %q, then %q", message, back, rest)
		}
		if _, rest := receive(got+next, "\r\n"); rest != next {
			t.Fatalf("with CRLF: after %q comes %q", message, rest)
		}
		if back, _ := receive(got+next, "\r\n"); back != want && !strings.Contains(message, "\n.") {
			t.Fatalf("with CRLF: %q came back as %q", message, back)
		}
	})
}

// RFC 1939 7: the header, the blank line, and so many lines of the body.
func TestTop(t *testing.T) {
	t.Parallel()
	const message = "A: b\r\n c\r\nD: e\r\n\r\none\r\n\r\nthree"
	for _, tc := range []struct {
		message string
		lines   int
		want    string
	}{
		{message, 0, "A: b\r\n c\r\nD: e\r\n\r\n"},
		{message, 1, "A: b\r\n c\r\nD: e\r\n\r\none\r\n"},
		{message, 2, "A: b\r\n c\r\nD: e\r\n\r\none\r\n\r\n"},
		{message, 3, message},
		{message, 1 << 30, message},
		{"A: b\r\n", 5, "A: b\r\n"},
		{"A: b\n\nx\ny\n", 1, "A: b\n\nx\n"},
		{"\r\nx\r\n", 0, "\r\n"},
		{"", 3, ""},
	} {
		for _, r := range []io.Reader{strings.NewReader(tc.message), iotest.OneByteReader(strings.NewReader(tc.message)), iotest.DataErrReader(strings.NewReader(tc.message))} {
			got, err := io.ReadAll(newTopReader(r, tc.lines))
			if err != nil || string(got) != tc.want {
				t.Errorf("top %d of %q: %q, %v; want %q", tc.lines, tc.message, got, err, tc.want)
			}
		}
	}
}

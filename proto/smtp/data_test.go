package smtp

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// unstuff is the rule of RFC 5321 4.5.2 told as slowly as can be: the text up to the end or the first violation,
// and how many octets belong to the data (-1 when the end is missing).
func unstuff(wire string) (text string, used int, violation error) {
	var out []byte
	lineStart := true
	for i := 0; i < len(wire); i++ {
		if lineStart && wire[i] == '.' {
			if strings.HasPrefix(wire[i:], ".\r\n") {
				return string(out), i + 3, violation
			}
			lineStart = false
			continue
		}
		lineStart = false
		var bad error
		switch {
		case strings.HasPrefix(wire[i:], "\r\n"):
			if violation == nil {
				out = append(out, "\r\n"...)
			}
			i++
			lineStart = true
			continue
		case wire[i] == '\r' && i+1 == len(wire):
			return string(out), -1, violation
		case wire[i] == '\r':
			bad = ErrBareCR
		case wire[i] == '\n':
			bad = ErrBareLF
		case wire[i] == 0:
			bad = ErrNUL
		}
		if violation == nil {
			violation = bad
		}
		if violation == nil {
			out = append(out, wire[i])
		}
	}
	return string(out), -1, violation
}

// readData reads wire through a DataReader in one of several ways and compares it with the slow rule.
func readData(t interface {
	Helper()
	Fatalf(string, ...any)
}, wire string, src io.Reader, size, way int) {
	t.Helper()
	wantText, used, wantViolation := unstuff(wire)
	in := NewReader(src, make([]byte, size))
	d := NewDataReader(in)
	var got bytes.Buffer
	var err error
	switch way {
	case 0:
		_, err = d.WriteTo(&got)
	case 1:
		_, err = io.Copy(&got, iotest.OneByteReader(d))
	case 2:
		_, err = io.Copy(&got, struct{ io.Reader }{d})
	}
	want := wantViolation
	if used < 0 && want == nil {
		want = io.ErrUnexpectedEOF
	}
	if !errors.Is(err, want) || (want == nil && err != nil) {
		t.Fatalf("%.200q: error %v, want %v", wire, err, want)
	}
	if got.String() != wantText {
		t.Fatalf("%.200q: text %.200q, want %.200q", wire, got.String(), wantText)
	}
	if _, again := d.Read(make([]byte, 1)); (err != nil && again != err) || (err == nil && again != io.EOF) {
		t.Fatalf("%.200q: the error does not last: %v then %v", wire, err, again)
	}
	if d.Ended() != (err == nil) {
		t.Fatalf("%.200q: Ended is %v after %v", wire, d.Ended(), err)
	}
	err = d.Drain(0)
	if (used < 0) != (err != nil) {
		t.Fatalf("%.200q: drain gave %v", wire, err)
	}
	if used < 0 {
		return
	}
	rest, _ := io.ReadAll(in)
	if string(rest) != wire[used:] {
		t.Fatalf("%.200q: left %q, want %q", wire, rest, wire[used:])
	}
}

// smuggling lists the known ways to end data for one host and not for another (RFC 5321 4.1.1.4, 2.3.8). infra/smtpd
// tries the same against the whole server.
func smuggling(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/smuggling.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(text)) {
		s, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

// Each variant in a message, followed by a smuggled command, split over packets at every offset.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	for _, s := range smuggling(t) {
		wire := "Subject: x\r\n\r\nbody" + s + "MAIL FROM:<evil@example>\r\nx\r\n.\r\nNOOP\r\n"
		for cut := range len(wire) + 1 {
			for way := range 3 {
				src := io.MultiReader(strings.NewReader(wire[:cut]), strings.NewReader(wire[cut:]))
				readData(t, wire, src, 32, way)
			}
		}
		readData(t, wire, iotest.OneByteReader(strings.NewReader(wire)), 16, 0)
		readData(t, wire, strings.NewReader(wire), 4096, 0)
		readData(t, s+"\r\n.\r\n", strings.NewReader(s+"\r\n.\r\n"), 16, 2)
	}
}

// Whatever is written can be read back, and nothing else follows: RFC 5321 4.5.2.
func TestDotRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{"\r\n", ".", "a", "..", "\r", "\n", " text ", "\x00",
			strings.Repeat("long", 20)})).Draw(t, "parts")
		text := strings.Join(parts, "")
		var wire bytes.Buffer
		w := NewDotWriter(&wire)
		for _, p := range parts {
			if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var once bytes.Buffer
		w = NewDotWriter(&once)
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		if once.String() != wire.String() {
			t.Fatalf("in parts %q, at once %q", wire.String(), once.String())
		}
		checkDotted(t, text, wire.String())
		readData(t, wire.String()+"NOOP\r\n", strings.NewReader(wire.String()+"NOOP\r\n"), rapid.IntRange(16, 80).Draw(t, "size"), 0)
	})
}

// normal is text with every line end made CR LF and the last line ended.
func normal(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return strings.ReplaceAll(text, "\n", "\r\n")
}

func checkDotted(t interface {
	Helper()
	Fatalf(string, ...any)
}, text, wire string) {
	t.Helper()
	clean := strings.ReplaceAll(wire, "\r\n", "")
	if strings.ContainsAny(clean, "\r\n") {
		t.Fatalf("%q written with a bare CR or LF: %q", text, wire)
	}
	want := normal(text)
	got, used, violation := unstuff(wire)
	if nul := strings.IndexByte(want, 0); nul >= 0 {
		if violation != ErrNUL || got != want[:nul] || used != len(wire) {
			t.Fatalf("%q: %q %v %d", text, got, violation, used)
		}
		return
	}
	if got != want || violation != nil || used != len(wire) {
		t.Fatalf("%q written as %q, read as %q %v %d", text, wire, got, violation, used)
	}
}

func TestDotWriterEmpty(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := NewDotWriter(&b)
	if err := w.Close(); err != nil || b.String() != ".\r\n" || w.Sent() != 3 {
		t.Errorf("%q %v", b.String(), err)
	}
	w = NewDotWriter(iotest.TruncateWriter(nil, 0))
	bad := errors.New("full")
	w.w = errWriter{bad}
	if _, err := w.Write([]byte("x")); err != bad {
		t.Error(err)
	}
	if err := w.Close(); err != bad {
		t.Error("the error does not last:", err)
	}
}

type errWriter struct{ err error }

func (e errWriter) Write([]byte) (int, error) { return 0, e.err }

func TestDrainBounds(t *testing.T) {
	t.Parallel()
	for _, wire := range []string{strings.Repeat("x", 5000) + "\r\n.\r\n", "\n" + strings.Repeat("\n", 5000) + "\r\n.\r\n"} {
		d := NewDataReader(NewReader(strings.NewReader(wire), make([]byte, 64)))
		if err := d.Drain(1000); err != ErrTooMuch {
			t.Error(err)
		}
		d = NewDataReader(NewReader(strings.NewReader(wire), make([]byte, 64)))
		if err := d.Drain(6000); err != nil {
			t.Error(err)
		}
	}
	d := NewDataReader(NewReader(strings.NewReader("x\r\n"), make([]byte, 64)))
	if err := d.Drain(0); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
	broken := errors.New("network")
	d = NewDataReader(NewReader(iotest.ErrReader(broken), make([]byte, 64)))
	if _, err := d.Next(); err != broken {
		t.Error(err)
	}
}

func TestTextCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want error
		open bool
	}{
		{"", nil, false}, {"a\r\nb\r\n", nil, false}, {"a", nil, true}, {"a\r\nb", nil, true}, {"\r\n", nil, false},
		{"a\n", ErrBareLF, false}, {"a\rb", ErrBareCR, false}, {"a\r\r\n", ErrBareCR, false}, {"a\x00", ErrNUL, false}, {"a\r", ErrBareCR, false},
		{"\n", ErrBareLF, false},
	} {
		for cut := range len(c.text) + 1 {
			var k TextCheck
			err := k.Check([]byte(c.text[:cut]))
			if err == nil {
				err = k.Check([]byte(c.text[cut:]))
			}
			open := false
			if err == nil {
				open, err = k.End()
			}
			if err != c.want || (err == nil && open != c.open) {
				t.Errorf("%q cut at %d: %v %v", c.text, cut, err, open)
			}
		}
	}
}

// Hostile data must not cost more than honest data to drain: all bare LF, 8 MB.
func TestDrainIsLinear(t *testing.T) {
	t.Parallel()
	wire := strings.Repeat("\n", 8<<20) + "\r\n.\r\n"
	counter := &countingReader{r: strings.NewReader(wire)}
	d := NewDataReader(NewReader(counter, make([]byte, 32<<10)))
	if err := d.Drain(0); err != nil || !d.Ended() {
		t.Fatal(err)
	}
	if d.Violation() != ErrBareLF {
		t.Error(d.Violation())
	}
	if limit := len(wire)/(32<<10)*2 + 10; counter.n > limit {
		t.Errorf("%d reads for %d octets", counter.n, len(wire))
	}
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) { c.n++; return c.r.Read(p) }

func FuzzData(f *testing.F) {
	for _, s := range smuggling(f) {
		f.Add([]byte("a"+s+"b\r\n.\r\nNOOP\r\n"), uint8(20), uint8(0))
	}
	f.Fuzz(func(t *testing.T, wire []byte, size, way uint8) {
		readData(t, string(wire), strings.NewReader(string(wire)), 16+int(size), int(way)%3)
		// The invariant the other way round: what the writer makes of it, the reader gives back.
		var b bytes.Buffer
		w := NewDotWriter(&b)
		_, _ = w.Write(wire)
		_ = w.Close()
		checkDotted(t, string(wire), b.String())
	})
}

func message(n int) []byte {
	var b bytes.Buffer
	b.WriteString("Subject: benchmark\r\n\r\n")
	for b.Len() < n {
		b.WriteString("Seventy-two octets of text is what most mail programs make of a line..\r\n")
		b.WriteString(".a line with a dot, now and then\r\n")
		for range 30 {
			b.WriteString("TWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcmsuTWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcmsu\r\n")
		}
	}
	return b.Bytes()
}

func BenchmarkDataReader(b *testing.B) {
	var wire bytes.Buffer
	w := NewDotWriter(&wire)
	_, _ = w.Write(message(1 << 20))
	_ = w.Close()
	src := bytes.NewReader(wire.Bytes())
	buf := make([]byte, 32<<10)
	b.SetBytes(int64(wire.Len()))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(wire.Bytes())
		if _, err := NewDataReader(NewReader(src, buf)).WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDotWriter(b *testing.B) {
	m := message(1 << 20)
	b.SetBytes(int64(len(m)))
	b.ReportAllocs()
	for b.Loop() {
		w := NewDotWriter(io.Discard)
		for p := m; len(p) > 0; {
			n := min(len(p), 32<<10)
			_, _ = w.Write(p[:n])
			p = p[n:]
		}
		_ = w.Close()
	}
}

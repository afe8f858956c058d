package message_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/message"
)

func decoded(t testing.TB, encoding, in string) string {
	t.Helper()
	var results []string
	for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.HalfReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
		out, err := io.ReadAll(message.DecodeTransfer(encoding, r))
		if err != nil {
			t.Fatalf("%s %q: %v", encoding, in, err)
		}
		results = append(results, string(out))
	}
	for _, r := range results[1:] {
		if r != results[0] {
			t.Fatalf("%s %q depends on the size of reads: %q", encoding, in, results)
		}
	}
	return results[0]
}

// RFC 2045 6.7, RFC 2045 6.8
func TestDecodeTransfer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ encoding, in, want string }{
		{"7bit", "a=41\r\n", "a=41\r\n"},
		{"x-unknown", "a=41", "a=41"},
		{"Quoted-Printable", "a=41=\r\nb\r\n", "aAb\r\n"},
		{"quoted-printable", "a=\nb= \t\r\nc=", "abc"},
		{"quoted-printable", "a \t\r\nb \nc ", "a\r\nb\nc"},
		{"quoted-printable", "a=3db=zz=4\r\n==\r\n", "a=b=zz=4\r\n="},
		{"quoted-printable", "a  b\rc \rd", "a  b\rc \rd"},
		{"quoted-printable", "raw ü\x00", "raw ü\x00"},
		{"quoted-printable", "= x", "= x"},
		{"quoted-printable", strings.Repeat(" ", 3000) + "x", strings.Repeat(" ", 3000) + "x"},
		{"quoted-printable", "=" + strings.Repeat(" ", 3000) + "\r\n", "=" + strings.Repeat(" ", 2048) + "\r\n"},
		{"BASE64", "aGVs\r\nbG8=", "hello"},
		{"base64", "aGVsbG8", "hello"},
		{"base64", "aGVsbG8=aGVsbG8=", "hellohello"},
		{"base64", "a!G\x00V s*bG8=\r\n--\r\n", "hello"},
		{"base64", "", ""},
	} {
		if got := decoded(t, c.encoding, c.in); got != c.want {
			t.Errorf("%s %.40q gives %d octets %.60q, want %.60q", c.encoding, c.in, len(got), got, c.want)
		}
	}
	failing := io.MultiReader(strings.NewReader("aGVs"), iotest.ErrReader(io.ErrClosedPipe))
	if out, err := io.ReadAll(message.DecodeTransfer("base64", failing)); string(out) != "hel" || err != io.ErrClosedPipe {
		t.Errorf("%q, %v", out, err)
	}
}

func TestTransferRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOf(rapid.Byte()).Draw(t, "data")
		var qp bytes.Buffer
		w := quotedprintable.NewWriter(&qp)
		w.Binary = true
		_, _ = w.Write(data)
		_ = w.Close()
		for encoding, in := range map[string]string{"quoted-printable": qp.String(), "base64": base64.StdEncoding.EncodeToString(data)} {
			out, err := io.ReadAll(message.DecodeTransfer(encoding, strings.NewReader(in)))
			if err != nil || !bytes.Equal(out, data) {
				t.Fatalf("%s %q gives %q, want %q", encoding, in, out, data)
			}
		}
	})
}

// RFC 2045 5.1, RFC 2152
func TestCharsetReader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ charset, in, want string }{
		{"utf-8", "Grüße", "Grüße"},
		{"UTF-8", "Gr\xfc\xdfe ü", "Grüße ü"},
		{"", "Gr\xfc\xdfe", "Grüße"},
		{"us-ascii", "Gr\xfc\xdfe ü", "Grüße ü"},
		{"iso-8859-1", "Gr\xfc\xdfe", "Grüße"},
		{"\"ISO-8859-15\"", "\xa4", "€"},
		{"windows-1252", "\x80", "€"},
		{"nosuch", "Gr\xfc\xc3\xbc", "Grüü"},
		{"iso-2022-jp", "\x1b$B%F%9%H\x1b(B", "テスト"},
		{"utf-16le", "a\x00\xfc\x00", "aü"},
		{"cp437", "\x81", "ü"},
		{"utf-7", "Hi Mom +Jjo--!", "Hi Mom ☺-!"},
		{"utf-7", "A+ImIDkQ.", "A≢Α."},
		{"utf-7", "+ZeVnLIqe-", "日本語"},
		{"utf-7", "1 +- 2 +2D3c6A- x", "1 + 2 📨 x"},
		{"utf-7", "+2D3 +3KgA +2D0", "\ufffd \ufffd \ufffd"},
		{"utf-7", "\xff+", "\ufffd"},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
			out, err := io.ReadAll(message.CharsetReader(c.charset, r))
			if err != nil || string(out) != c.want {
				t.Errorf("%s %q gives %q, %v; want %q", c.charset, c.in, out, err, c.want)
			}
		}
	}
	if message.KnownCharset("nosuch") || !message.KnownCharset("KOI8-R") || !message.KnownCharset("utf-7") {
		t.Error("KnownCharset is wrong")
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	raw := []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe=\r\n!\r\n--b--\r\n")
	part := scan(raw, 0, message.Limits{}).Section(1)
	closed := 0
	open := func(offset, length int64) (io.ReadCloser, error) {
		return struct {
			io.Reader
			io.Closer
		}{bytes.NewReader(raw[offset : offset+length]), closer(func() { closed++ })}, nil
	}
	for want, f := range map[string]func(*message.Part, message.OpenSection) (io.ReadCloser, error){"Grüße!": message.Text, "Gr\xfc\xdfe!": message.Contents} {
		r, err := f(part, open)
		if err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(r)
		if err != nil || string(out) != want || r.Close() != nil {
			t.Errorf("%q, %v, want %q", out, err, want)
		}
	}
	if closed != 2 {
		t.Error("the section was not closed")
	}
	if _, err := message.Text(part, func(int64, int64) (io.ReadCloser, error) { return nil, io.ErrClosedPipe }); err != io.ErrClosedPipe {
		t.Errorf("a section that cannot be opened: %v", err)
	}
}

type closer func()

func (c closer) Close() error {
	c()
	return nil
}

func FuzzDecodeTransfer(f *testing.F) {
	f.Add("quoted-printable", "utf-7", "a=41=\r\n+AOQ- \t\r\n")
	f.Add("base64", "utf-16", "aGVs\r\nbG8=aGVsbG8=")
	f.Add("base64", "iso-2022-jp", "GyRC")
	f.Fuzz(func(t *testing.T, encoding, charset, in string) {
		out := decoded(t, encoding, in)
		if len(out) > len(in) {
			t.Fatalf("%s %q grew to %q", encoding, in, out)
		}
		if _, err := io.ReadAll(message.CharsetReader(charset, strings.NewReader(out))); err != nil {
			t.Fatalf("%s %q: %v", charset, out, err)
		}
	})
}

func BenchmarkDecodeTransfer(b *testing.B) {
	for encoding, in := range map[string]string{
		"base64":           strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 1000),
		"quoted-printable": strings.Repeat("Some words with =C3=BC in a line of a mail=\r\n", 1000),
	} {
		b.Run(encoding, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				_, _ = io.Copy(io.Discard, message.DecodeTransfer(encoding, strings.NewReader(in)))
			}
		})
	}
}

package smtp

import (
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestReplyWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    Reply
		utf8 bool
		want string
	}{
		{Reply{250, "2.0.0", "OK"}, false, "250 2.0.0 OK\r\n"},
		{Reply{354, "", "go on"}, false, "354 go on\r\n"},
		{Reply{250, "", ""}, false, "250 \r\n"},
		{Reply{250, "", "mx\nSIZE 1\nHELP"}, false, "250-mx\r\n250-SIZE 1\r\n250 HELP\r\n"},
		{Reply{550, "5.1.1", "no\r\nuser\n"}, false, "550-5.1.1 no\r\n550 5.1.1 user\r\n"},
		{Reply{550, "5.1.1", "a\rb\x00c\x7f"}, false, "550 5.1.1 a b c \r\n"},
		{Reply{550, "5.1.1", "ä"}, false, "550 5.1.1 \\x{E4}\r\n"},
		{Reply{550, "5.1.1", "ä"}, true, "550 5.1.1 ä\r\n"}, // RFC 6531 3.7.4.2
	} {
		if got := string(c.r.AppendTo(nil, c.utf8)); got != c.want {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
}

// RFC 5321 4.5.3.1.5: no line over 512 octets, and what was written can be read.
func TestReplyRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := &Reply{
			Code:     rapid.IntRange(200, 599).Draw(t, "code"),
			Enhanced: rapid.SampledFrom([]string{"", "5.1.1", "2.0.0", "4.999.999"}).Draw(t, "enhanced"),
			Text:     rapid.StringOfN(rapid.RuneFrom([]rune("ab \n\r\x00ä用.5")), 0, 2000, -1).Draw(t, "text"),
		}
		wire := string(r.AppendTo(nil, true))
		for line := range strings.SplitAfterSeq(wire, "\r\n") {
			if len(line) > 512 || strings.ContainsAny(strings.TrimSuffix(line, "\r\n"), "\r\n\x00") || !utf8.ValidString(line) {
				t.Fatalf("line %q", line)
			}
		}
		got, err := ReadReply(NewReader(strings.NewReader(wire), make([]byte, 64)))
		if errors.Is(err, ErrBadReply) && strings.Count(wire, "\n") > maxReplyLines {
			return
		}
		if err != nil || got.Code != r.Code {
			t.Fatalf("%q: %v %v", wire, got, err)
		}
		squeeze := func(s string) string {
			return strings.Join(strings.Fields(strings.ReplaceAll(s, "\x00", " ")), "")
		}
		if r.Enhanced != "" && int(r.Enhanced[0]-'0') == r.Code/100 {
			if got.Enhanced != r.Enhanced || squeeze(got.Text) != squeeze(r.Text) {
				t.Fatalf("%+v became %+v", r, got)
			}
		}
	})
}

func TestReadReply(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wire string
		want Reply
	}{
		{"250 OK\r\n", Reply{250, "", "OK"}},
		{"250\r\n", Reply{250, "", ""}},
		{"250 2.1.0 OK\r\n", Reply{250, "2.1.0", "OK"}},
		{"550-5.1.1 no such\r\n550 5.1.1 user\r\n", Reply{550, "5.1.1", "no such\nuser"}},
		{"550-5.1.1 no such\r\n550 user\r\n", Reply{550, "5.1.1", "no such\nuser"}},
		{"550 4.1.1 class of another code\r\n", Reply{550, "", "4.1.1 class of another code"}},
		{"550 5.1.1\r\n", Reply{550, "5.1.1", ""}},
		{"250 OK\n", Reply{250, "", "OK"}},
		{"250 a\x00b\rc\x1b[31m\r\n", Reply{250, "", "a b c [31m"}},
		{"250 \xff\r\n", Reply{250, "", "\ufffd"}},
	} {
		got, err := ReadReply(NewReader(strings.NewReader(c.wire), make([]byte, 16)))
		if err != nil || *got != c.want {
			t.Errorf("%q: %+v %v", c.wire, got, err)
		}
	}
	for _, c := range []struct {
		wire string
		want error
	}{
		{"", io.EOF},
		{"250", io.ErrUnexpectedEOF},
		{"250-a\r\n", io.EOF},
		{"HTTP/1.1 400 Bad\r\n", ErrBadReply},
		{"25 x\r\n", ErrBadReply},
		{"2500 x\r\n", ErrBadReply},
		{"650 x\r\n", ErrBadReply},
		{"250-a\r\n550 b\r\n", ErrBadReply},
		{"250 " + strings.Repeat("x", maxReplyText) + "\r\n", ErrBadReply},
		{strings.Repeat("250-x\r\n", maxReplyLines+1) + "250 x\r\n", ErrBadReply},
		{"250 " + strings.Repeat("x", maxDrain+maxReplyText+100), ErrLineEndless},
	} {
		if _, err := ReadReply(NewReader(strings.NewReader(c.wire), make([]byte, 512))); !errors.Is(err, c.want) {
			t.Errorf("%.40q: %v, want %v", c.wire, err, c.want)
		}
	}
}

func TestReplyAsError(t *testing.T) {
	t.Parallel()
	r := Errorf(450, "4.2.1", "busy\nlater")
	if r.Error() != "450 4.2.1 busy later" || !r.Temporary() || r.OK() {
		t.Error(r, r.Temporary(), r.OK())
	}
	for s, want := range map[string]bool{"5.1.1": true, "2.0.0": true, "4.123.456": true, "3.1.1": false, "5.1": false,
		"5.1.": false, "5.1.1.1": false, "55.1.1": false, "5.1234.1": false, "": false, "5.a.1": false, "5..1": false} {
		if ValidEnhanced(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func FuzzReadReply(f *testing.F) {
	f.Add([]byte("250 OK\r\n"))
	f.Add([]byte("550-5.1.1 no\r\n550 5.1.1 user\r\n"))
	f.Add([]byte("220-a\n220 b\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		r, err := ReadReply(NewReader(strings.NewReader(string(wire)), make([]byte, 64)))
		if err != nil {
			return
		}
		if r.Code < 200 || r.Code > 599 || (r.Enhanced != "" && !ValidEnhanced(r.Enhanced)) ||
			strings.ContainsAny(r.Text, "\r\x00\x1b") || !utf8.ValidString(r.Text) || strings.Count(r.Text, "\n") > maxReplyLines {
			t.Fatalf("%q: %+v", wire, r)
		}
	})
}

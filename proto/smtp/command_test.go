package smtp

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func path(local, domain string) Path { return Path{Local: local, Domain: domain} }

var good = []struct {
	line string
	want Command
}{
	// RFC 5321 4.1.1.1
	{"EHLO mx.example.org", &Hello{EHLO, "mx.example.org"}},
	{"ehlo 3com.example", &Hello{EHLO, "3com.example"}},
	{"HELO [192.0.2.1]", &Hello{HELO, "[192.0.2.1]"}},
	{"HELO my_pc", &Hello{HELO, "my_pc"}},
	{"LHLO x", &Hello{LHLO, "x"}}, // RFC 2033 4.1
	// RFC 5321 4.1.1.2
	{"MAIL FROM:<>", &Mail{}},
	{"mail from:<a@Example.ORG>", &Mail{From: path("a", "example.org")}},
	{"MAIL FROM:<a.b+c=d@x>", &Mail{From: path("a.b+c=d", "x")}},
	{"MAIL FROM:<@relay.example,@two.example:a@b.example>", &Mail{From: path("a", "b.example")}}, // RFC 5321 4.1.1.3
	{`MAIL FROM:<"a b\"\\c"@x.y>`, &Mail{From: path(`a b"\c`, "x.y")}},                           // RFC 5321 4.1.2
	{`MAIL FROM:<""@x.y>`, &Mail{From: path("", "x.y")}},
	{`MAIL FROM:<"simple"@x.y>`, &Mail{From: path("simple", "x.y")}},
	{"MAIL FROM:<a@[192.0.2.1]>", &Mail{From: path("a", "[192.0.2.1]")}}, // RFC 5321 4.1.3
	{"MAIL FROM:<a@[IPv6:2001:db8::1]>", &Mail{From: path("a", "[IPv6:2001:db8::1]")}},
	{"MAIL FROM:<a@b> SIZE=1000", &Mail{From: path("a", "b"), Size: 1000}}, // RFC 1870 6
	{"MAIL FROM:<a@b> SIZE=99999999999999999999", &Mail{From: path("a", "b"), Size: 1<<63 - 1}},
	{"MAIL FROM:<a@b> body=8bitmime", &Mail{From: path("a", "b"), Body: Body8BitMIME}}, // RFC 6152 2
	{"MAIL FROM:<a@b>  BODY=7BIT ", &Mail{From: path("a", "b")}},
	{"MAIL FROM:<a@b.example> REQUIRETLS", &Mail{From: path("a", "b.example"), RequireTLS: true}},   // RFC 8689 2
	{"MAIL FROM:<ä@müller.example> SMTPUTF8", &Mail{From: path("ä", "müller.example"), UTF8: true}}, // RFC 6531 3.4
	{"MAIL FROM:<a@b> AUTH=<>", &Mail{From: path("a", "b"), Auth: "<>"}},                            // RFC 4954 5
	{"MAIL FROM:<a@b> AUTH=e+3Dmc2@example.com", &Mail{From: path("a", "b"), Auth: "e=mc2@example.com"}},
	{"MAIL FROM:<a@b> RET=hdrs ENVID=QQ+2B1", &Mail{From: path("a", "b"), Ret: "HDRS", EnvID: "QQ+1"}}, // RFC 3461 4.3
	// RFC 5321 4.1.1.3
	{"RCPT TO:<a@b.example>", &Rcpt{To: path("a", "b.example")}},
	{"RCPT TO:<Postmaster>", &Rcpt{To: path("Postmaster", "")}}, // RFC 5321 4.5.1
	{"rcpt to:<@r.example:a@b>", &Rcpt{To: path("a", "b")}},
	{"RCPT TO:<用户@例子.广告>", &Rcpt{To: path("用户", "例子.广告")}},
	{"RCPT TO:<a@b> NOTIFY=success,FAILURE ORCPT=rfc822;x+2By@z", // RFC 3461 4.1
		&Rcpt{To: path("a", "b"), Notify: NotifySuccess | NotifyFailure, ORcpt: "rfc822;x+y@z"}},
	{"RCPT TO:<a@b> NOTIFY=NEVER", &Rcpt{To: path("a", "b"), Notify: NotifyNever}},
	{"RCPT TO:<a@b> ORCPT=utf-8;ä@z", &Rcpt{To: path("a", "b"), ORcpt: "utf-8;ä@z"}},
	// RFC 3030 2
	{"BDAT 0 LAST", &Bdat{0, true}},
	{"bdat 12345", &Bdat{12345, false}},
	// RFC 4954 4
	{"AUTH plain", &Auth{Mechanism: "PLAIN"}},
	{"AUTH PLAIN =", &Auth{Mechanism: "PLAIN", Initial: []byte{}}},
	{"AUTH PLAIN AGEAYg==", &Auth{Mechanism: "PLAIN", Initial: []byte("\x00a\x00b")}},
	{"DATA", &Plain{Word: DATA}},
	{"RSET  ", &Plain{Word: RSET}},
	{"NOOP whatever is here", &Plain{NOOP, "whatever is here"}},
	{"HELP", &Plain{Word: HELP}},
	{"VRFY jones", &Plain{VRFY, "jones"}},
	{"QUIT", &Plain{Word: QUIT}},
	{"STARTTLS", &Plain{Word: STARTTLS}},
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range good {
		got, err := Parse([]byte(c.line))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q:\n got %+v %v\nwant %+v", c.line, got, err, c.want)
			continue
		}
		again, err := Parse([]byte(got.String()))
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%q written as %q: %+v %v", c.line, got.String(), again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 64)
	cases := []struct {
		line string
		want string // code and enhanced status code
	}{
		{"", "500 5.5.1"},
		{"XYZZY", "500 5.5.1"},
		{"MAILFROM:<a@b>", "500 5.5.1"},
		{"EHLO\tx", "500 5.5.1"},
		{"R\u017fET", "500 5.5.1"}, // upper-cases to RSET
		{"EHLO", "501 5.5.4"},
		{"EHLO two words", "501 5.5.4"},
		{"EHLO m\xc3\xbcller", "501 5.5.4"},
		{"EHLO " + strings.Repeat("a", 256), "501 5.5.4"},
		{"MAIL", "501 5.5.2"},
		{"MAIL TO:<a@b>", "501 5.5.2"},
		{"MAIL FROM:a@b", "501 5.1.7"},
		{"MAIL FROM: <a@b>", "501 5.1.7"}, // RFC 5321 3.3
		{"MAIL FROM:<a@b", "501 5.1.7"},
		{"MAIL FROM:<a>", "501 5.1.7"},
		{"MAIL FROM:<Postmaster>", "501 5.1.7"},
		{"MAIL FROM:<a@>", "501 5.1.7"},
		{"MAIL FROM:<@b>", "501 5.1.7"},
		{"MAIL FROM:<.a@b>", "501 5.1.7"},
		{"MAIL FROM:<a.@b>", "501 5.1.7"},
		{"MAIL FROM:<a..b@b>", "501 5.1.7"},
		{"MAIL FROM:<a b@b>", "501 5.1.7"},
		{"MAIL FROM:<a@b..c>", "501 5.1.7"},
		{"MAIL FROM:<a@b.>", "501 5.1.7"},
		{"MAIL FROM:<a@-b>", "501 5.1.7"},
		{"MAIL FROM:<a@b->", "501 5.1.7"},
		{"MAIL FROM:<a@b_c>", "501 5.1.7"},
		{"MAIL FROM:<a@b@c>", "501 5.1.7"},
		{"MAIL FROM:<a@" + label + ".example>", "501 5.1.7"},
		{"MAIL FROM:<" + strings.Repeat("a", 256) + "@b>", "501 5.1.7"},
		{"MAIL FROM:<a@" + strings.Repeat("a.", 128) + "a>", "501 5.1.7"},
		{`MAIL FROM:<"a@b>`, "501 5.1.7"},
		{`MAIL FROM:<"a"b@b>`, "501 5.1.7"},
		{`MAIL FROM:<"a\>`, "501 5.1.7"},
		{"MAIL FROM:<a@[192.0.2]>", "501 5.1.7"},
		{"MAIL FROM:<a@[2001:db8::1]>", "501 5.1.7"},
		{"MAIL FROM:<a@[IPv6:192.0.2.1]>", "501 5.1.7"},
		{"MAIL FROM:<a@[IPv6:fe80::1%eth0]>", "501 5.1.7"},
		{"MAIL FROM:<a@[x25:123]>", "501 5.1.7"},
		{"MAIL FROM:<a@[192.0.2.1>", "501 5.1.7"},
		{"MAIL FROM:<@a b:c@d>", "501 5.1.7"},
		{"MAIL FROM:<\xff@b>", "501 5.5.2"},
		{"MAIL FROM:<ä@b>", "553 5.6.7"}, // RFC 6531 3.4
		{"MAIL FROM:<a@b>SIZE=1", "501 5.5.4"},
		{"MAIL FROM:<a@b> SIZE", "501 5.5.4"},
		{"MAIL FROM:<a@b> SIZE=", "501 5.5.4"},
		{"MAIL FROM:<a@b> SIZE=-1", "501 5.5.4"},
		{"MAIL FROM:<a@b> SIZE=1 SIZE=2", "501 5.5.4"},
		{"MAIL FROM:<a@b> BODY=9BIT", "501 5.5.4"},
		{"MAIL FROM:<a@b> BODY=BINARYMIME", "555 5.5.4"},
		{"MAIL FROM:<a@b> SMTPUTF8=yes", "501 5.5.4"},
		{"MAIL FROM:<a@b> REQUIRETLS=yes", "501 5.5.4"}, // RFC 8689 2: it has no value
		{"MAIL FROM:<a@b> REQUIRETLS REQUIRETLS", "501 5.5.4"},
		{"MAIL FROM:<a@b> FOO=bar", "555 5.5.4"}, // RFC 5321 4.1.1.11
		{"MAIL FROM:<a@b> NOTIFY=NEVER", "555 5.5.4"},
		{"MAIL FROM:<a@b> AUTH=+GG", "501 5.5.4"},
		{"MAIL FROM:<a@b> AUTH=nobody", "501 5.5.4"},
		{"MAIL FROM:<a@b> RET=SOME", "501 5.5.4"},
		{"MAIL FROM:<a@b> ENVID=+0A", "501 5.5.4"},
		{"MAIL FROM:<a@b> A=b=c", "501 5.5.4"},
		{"MAIL FROM:<a@b> " + strings.Repeat("A ", 2), "501 5.5.4"},
		{"MAIL FROM:<a@b\x01>", "501 5.5.2"},
		{"MAIL FROM:<" + strings.Repeat("@a,", 700) + "@b:c@d>", "500 5.5.2"},
		{"RCPT TO:<>", "501 5.1.3"},
		{"RCPT TO:<a>", "501 5.1.3"},
		{"RCPT FROM:<a@b>", "501 5.5.2"},
		{"RCPT TO:<a@b> SIZE=1", "555 5.5.4"},
		{"RCPT TO:<a@b> NOTIFY=NEVER,DELAY", "501 5.5.4"},
		{"RCPT TO:<a@b> NOTIFY=SOMETIMES", "501 5.5.4"},
		{"RCPT TO:<a@b> NOTIFY", "501 5.5.4"},
		{"RCPT TO:<a@b> ORCPT=rfc822", "501 5.5.4"},
		{"DATA now", "501 5.5.4"},
		{"RSET x", "501 5.5.4"},
		{"VRFY", "501 5.5.4"},
		{"BDAT", "501 5.5.4"},
		{"BDAT x", "501 5.5.4"},
		{"BDAT 1 FIRST", "501 5.5.4"},
		{"BDAT -1", "501 5.5.4"},
		{"AUTH", "501 5.5.4"},
		{"AUTH *", "501 5.5.4"},
		{"AUTH PLAIN a", "501 5.5.2"},
		{"AUTH PLAIN AGEAYh==", "501 5.5.2"}, // stray bits
		{"AUTH PLAIN " + strings.Repeat("A", MaxAuthLine), "500 5.5.2"},
	}
	for _, c := range cases {
		_, err := Parse([]byte(c.line))
		var r *Reply
		if !errors.As(err, &r) || !strings.HasPrefix(r.Error(), c.want+" ") {
			t.Errorf("%.60q: %v, want %s", c.line, err, c.want)
		}
	}
}

func TestLongAuthLine(t *testing.T) {
	t.Parallel()
	// RFC 4954 4: up to 12288 octets.
	if _, err := Parse([]byte("AUTH PLAIN " + strings.Repeat("AAAA", 3000))); err != nil {
		t.Error(err)
	}
}

func TestPathString(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    Path
		want string
	}{
		{Path{}, ""},
		{path("a", "b"), "a@b"},
		{path("Postmaster", ""), "Postmaster"},
		{path(`a"b\`, "c"), `"a\"b\\"@c`},
		{path("a b", "c"), `"a b"@c`},
		{path(".a", "c"), `".a"@c`},
		{path("", "c"), `""@c`},
	} {
		if got := c.p.String(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.p, got, c.want)
		}
	}
	for _, s := range []string{"a", "<a@b>", "a@b>", "a@b c", " a@b", "Postmaster", "a@b\r\n"} {
		if p, ok := ParsePath(s); ok {
			t.Errorf("%q was taken for %+v", s, p)
		}
	}
}

// Every mailbox that can be made can be written and read back.
func TestPathRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := Path{
			Local:  rapid.StringMatching(`[ -~äß用]{0,30}`).Draw(t, "local"),
			Domain: rapid.StringMatching(`[a-z0-9ä]{1,10}(\.[a-z0-9]{1,5}){0,3}`).Draw(t, "domain"),
		}
		if got, ok := ParsePath(p.String()); !ok || got != p {
			t.Fatalf("%+v written as %s, read as %+v %v", p, p, got, ok)
		}
	})
}

func TestXtextRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[ -~ä]{0,40}`).Draw(t, "s")
		if got, ok := DecodeXtext(EncodeXtext(s)); !ok || got != s {
			t.Fatalf("%q -> %q -> %q %v", s, EncodeXtext(s), got, ok)
		}
	})
	for _, s := range []string{"+", "+4", "+4g", "+0A", "a=b", "a b", "+2b", "ä"} {
		if got, ok := DecodeXtext(s); ok {
			t.Errorf("%q was taken for %q", s, got)
		}
	}
}

// What is taken can be written so that it means the same; what is refused is refused with a reply.
func FuzzParse(f *testing.F) {
	for _, c := range good {
		f.Add([]byte(c.line))
	}
	for _, name := range []string{"smtp_requests_full.raw", "smtp_requests_full_bdat.raw"} {
		if b, err := os.ReadFile("../../../shared/data/fuzz-smtp/" + name); err == nil {
			for line := range strings.SplitSeq(string(b), "\r\n") {
				f.Add([]byte(line))
			}
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		cmd, err := Parse(line)
		if err != nil {
			var r *Reply
			if !errors.As(err, &r) || r.Code < 500 || !ValidEnhanced(r.Enhanced) {
				t.Fatalf("%q: %v", line, err)
			}
			return
		}
		out := cmd.String()
		if strings.ContainsAny(out, "\r\n\x00") {
			t.Fatalf("%q written as %q", line, out)
		}
		if len(out) > MaxLine {
			return // encoding may lengthen what was near the bound
		}
		again, err := Parse([]byte(out))
		if err != nil || !reflect.DeepEqual(again, cmd) {
			t.Fatalf("%q: %+v written as %q, read as %+v %v", line, cmd, out, again, err)
		}
	})
}

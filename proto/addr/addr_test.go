package addr_test

import (
	"encoding/xml"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/addr"
)

// RFC 5321 4.1.2, RFC 5321 4.1.3, RFC 6531 3.3
func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, local, domain, out string }{
		{"ann@example.com", "ann", "example.com", "ann@example.com"},
		{"Ann.Lee+box@Example.COM", "Ann.Lee+box", "Example.COM", "Ann.Lee+box@Example.COM"},
		{`"ann lee"@example.com`, "ann lee", "example.com", `"ann lee"@example.com`},
		{`"ann"@example.com`, "ann", "example.com", "ann@example.com"},
		{`"a\"b\\c"@example.com`, `a"b\c`, "example.com", `"a\"b\\c"@example.com`},
		{`"a@b"@example.com`, "a@b", "example.com", `"a@b"@example.com`},
		{`".a"@example.com`, ".a", "example.com", `".a"@example.com`},
		{`""@example.com`, "", "example.com", `""@example.com`},
		{"jøran@example.com", "jøran", "example.com", "jøran@example.com"},
		{`"jø ran"@blåbær.example`, "jø ran", "blåbær.example", `"jø ran"@blåbær.example`},
		{"a@[192.0.2.1]", "a", "[192.0.2.1]", "a@[192.0.2.1]"},
		{"a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"},
		{"a@my_host.example", "a", "my_host.example", "a@my_host.example"},
		{"a@localhost", "a", "localhost", "a@localhost"},
		{strings.Repeat("l", 200) + "@example.com", strings.Repeat("l", 200), "example.com", strings.Repeat("l", 200) + "@example.com"},
	} {
		a, err := addr.Parse(c.in)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.in, err)
			continue
		}
		if a.Local != c.local || a.Domain != c.domain || a.String() != c.out {
			t.Errorf("Parse(%q) = %q, %q, text %q; want %q, %q, %q", c.in, a.Local, a.Domain, a, c.local, c.domain, c.out)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "@", "a", "a@", "@b", "<a@b.c>", " a@b.c", "a@b.c ", "a b@c.d", "a@b c", "a@b,c", "a..b@c", ".a@c", "a.@c",
		"a@b..c", "a@.b", "a@b.", "a@-b", "a@b-", `"a@b`, `"a"b@c`, `"a\`, "\"a\x00\"@b", "a\r\nb@c", "\"a\r\n\"@b", "a@b\r\nRCPT TO:<c@d>",
		"a\xff@b", "a@b\xff", "\"\\\xc3\xa9\"@b", "a@[1.2.3]", "a@[2001:db8::1]", "a@[IPv6:1.2.3.4]", "a@[IPv6:fe80::1%eth0]", "a@[x:y]", "a@[1.2.3.4",
		"a\u0085@b.c", "a\u2028@b.c", "a@b\u2028.c", strings.Repeat("l", 257) + "@example.com", "a@" + strings.Repeat("b", 64) + ".c",
		"a@" + strings.Repeat("b.", 127) + "c", strings.Repeat("x", 1<<20), "a@ex\u00adample..com", "a@xn--\u00e9.com",
	} {
		a, err := addr.Parse(in)
		var fault *addr.SyntaxError
		if !errors.As(err, &fault) {
			t.Errorf("Parse(%.60q) = %+v, %v; want a SyntaxError", in, a, err)
			continue
		}
		if !a.IsZero() || len(fault.Text) > 100 || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("Parse(%.60q): refusal %q leaks or is long", in, err)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	if a, err := addr.New("ann lee", "example.com"); err != nil || a.String() != `"ann lee"@example.com` {
		t.Errorf("New = %v, %v", a, err)
	}
	for _, c := range [][2]string{{"a\nb", "c.d"}, {"a", ""}, {"a", "b c"}, {strings.Repeat("l", 300), "b"}, {"\xff", "b"}} {
		if a, err := addr.New(c[0], c[1]); err == nil {
			t.Errorf("New(%q) = %v; want an error", c, a)
		}
	}
}

func TestStringNeverBreaksALine(t *testing.T) {
	t.Parallel()
	if got := (addr.Address{Local: "a\r\nb", Domain: "c"}).String(); strings.ContainsAny(got, "\r\n") {
		t.Errorf("a hand-made address broke the line: %q", got)
	}
	if got := (addr.Address{}).String(); got != "" {
		t.Errorf("zero address = %q", got)
	}
	if got := (addr.Address{Local: "postmaster"}).String(); got != "postmaster" {
		t.Errorf("address without a domain = %q", got)
	}
}

// RFC 5890 2.3.2.1, RFC 4343 2, RFC 6530 10.1
func TestNormal(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"Ann@Example.COM", "ann@example.com"},
		{"JØRAN@BLÅBÆR.example", "jøran@xn--blbr-roah.example"},
		{"Jo\u0308rg@example.com", "jörg@example.com"},
		{"a@XN--DMI-0NA.fo", "a@xn--dmi-0na.fo"},
		{"a@faß.de", "a@xn--fa-hia.de"},
		{"a@例え.テスト", "a@xn--r8jz45g.xn--zckzah"},
		{"a@[IPV6:2001:DB8:0:0::1]", "a@[IPv6:2001:db8::1]"},
		{`"Ann Lee"@example.com`, `"ann lee"@example.com`},
		{"\u212a@example.com", "k@example.com"},
		{"a@r3---SN.example", "a@r3---sn.example"},
	} {
		a, err := addr.Parse(c[0])
		if err != nil {
			t.Errorf("Parse(%q): %v", c[0], err)
			continue
		}
		if got := a.Normal().String(); got != c[1] {
			t.Errorf("Normal(%q) = %q, want %q", c[0], got, c[1])
		}
	}
}

func TestNormalDomain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Example.COM.": "example.com", "blåbær.example": "xn--blbr-roah.example", "blåbær.example.": "xn--blbr-roah.example", "_dmarc.Example.com": "_dmarc.example.com",
		"[192.0.2.1]": "[192.0.2.1]", "例え。テスト": "xn--r8jz45g.xn--zckzah",
	} {
		if got, err := addr.NormalDomain(in); err != nil || got != want {
			t.Errorf("NormalDomain(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", ".", "a..b", "a b", "-a", "[x]", strings.Repeat("é", 2000), "a.\u200d.b", "a\x00"} {
		if got, err := addr.NormalDomain(in); err == nil {
			t.Errorf("NormalDomain(%.40q) = %q, want an error", in, got)
		}
	}
}

func TestUnicodeDomain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"xn--dmi-0na.fo": "dømi.fo", "XN--DMI-0NA.FO": "dømi.FO", "example.com": "example.com", "xn--.com": "xn--.com", "xn--zzzzzzzz99.com": "xn--zzzzzzzz99.com",
		"[192.0.2.1]": "[192.0.2.1]", "dømi.fo": "dømi.fo", "xn--a.xn--dmi-0na": "xn--a.dømi",
	} {
		if got := addr.UnicodeDomain(in); got != want {
			t.Errorf("UnicodeDomain(%q) = %q, want %q", in, got, want)
		}
	}
}

// RFC 6531 3.2
func TestASCII(t *testing.T) {
	t.Parallel()
	a := addr.Address{Local: "info", Domain: "dømi.fo"}
	if got, ok := a.ASCII(); !ok || got.String() != "info@xn--dmi-0na.fo" || a.NeedsUTF8() {
		t.Errorf("ASCII(%v) = %v, %v", a, got, ok)
	}
	a.Local = "dømi"
	if got, ok := a.ASCII(); ok || !a.NeedsUTF8() {
		t.Errorf("ASCII(%v) = %v, want none", a, got)
	}
}

// RFC 5233 2
func TestSplitSub(t *testing.T) {
	t.Parallel()
	for _, c := range [][4]string{
		{"ann+box", "+", "ann", "box"}, {"ann", "+", "ann", ""}, {"+box", "+", "+box", ""}, {"ann+a+b", "+", "ann", "a+b"},
		{"ann+", "+", "ann", ""}, {"ann--box", "--", "ann", "box"}, {"ann+box", "", "ann+box", ""},
	} {
		if user, detail := addr.SplitSub(c[0], c[1]); user != c[2] || detail != c[3] {
			t.Errorf("SplitSub(%q, %q) = %q, %q", c[0], c[1], user, detail)
		}
	}
}

// RFC 5321 4.1.3
func TestLiteral(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{"192.0.2.1": "[192.0.2.1]", "::ffff:192.0.2.1": "[192.0.2.1]", "2001:db8::1": "[IPv6:2001:db8::1]", "fe80::1%eth0": "[IPv6:fe80::1]"} {
		if got := addr.Literal(netip.MustParseAddr(ip)); got != want {
			t.Errorf("Literal(%s) = %s, want %s", ip, got, want)
		}
	}
	if ip, ok := (addr.Address{Local: "a", Domain: "[IPv6:::1]"}).IP(); !ok || ip != netip.IPv6Loopback() {
		t.Errorf("IP = %v, %v", ip, ok)
	}
	if ip, ok := (addr.Address{Local: "a", Domain: "b.c"}).IP(); ok {
		t.Errorf("IP of a name = %v", ip)
	}
}

// verdicts is a file of the isemail suite: an address and what its authors think of it.
type verdicts struct {
	Tests []struct {
		ID        string `xml:"id,attr"`
		Address   string `xml:"address"`
		Category  string `xml:"category"`
		Diagnosis string `xml:"diagnosis"`
	} `xml:"test"`
}

// Our grammar is that of the envelope. Of the suite's verdicts we take what can be sent to:
var wantTaken = map[string]bool{
	"ISEMAIL_VALID_CATEGORY": true, "ISEMAIL_DNSWARN": true, "ISEMAIL_RFC5321": true,
	"ISEMAIL_CFWS": false, "ISEMAIL_DEPREC": false, "ISEMAIL_RFC5322": false, "ISEMAIL_ERR": false,
}

// Deviations, each on purpose, by diagnosis.
var deviates = map[string]string{
	"ISEMAIL_RFC5322_LOCAL_TOOLONG":  "taken: bounce addresses of large senders are longer than 64 octets",
	"ISEMAIL_RFC5322_TOOLONG":        "taken where each half alone is within bounds: 254 octets in all is no rule of RFC 5321",
	"ISEMAIL_RFC5321_IPV6DEPRECATED": "taken: :: for one group is deprecated, yet clear",
}

func TestVerdictsOfOthers(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"tests.xml", "tests-original.xml"} {
		raw, err := os.ReadFile("../../../shared/data/addresses/" + file)
		if err != nil {
			t.Skip("skipped: the shared address verdicts are not on this machine: ", err)
		}
		var suite verdicts
		if err := xml.Unmarshal(raw, &suite); err != nil {
			t.Fatal(err)
		}
		if len(suite.Tests) < 160 {
			t.Fatalf("%s holds only %d verdicts", file, len(suite.Tests))
		}
		for _, v := range suite.Tests {
			text := strings.Map(func(r rune) rune {
				if 0x2400 <= r && r < 0x2420 { // the suite writes controls as their pictures
					return r - 0x2400
				}
				return r
			}, v.Address)
			want, known := wantTaken[v.Category]
			if !known {
				t.Fatalf("unknown category %q", v.Category)
			}
			_, domain, _ := strings.Cut(text, "@")
			if _, ok := deviates[v.Diagnosis]; ok && len(domain) <= addr.MaxDomain { // #40's is too long in itself
				want = true
			}
			if _, err := addr.Parse(text); (err == nil) != want {
				t.Errorf("%s #%s %q (%s): taken=%v, want %v: %v", file, v.ID, text, v.Diagnosis, err == nil, want, err)
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringOfN(rapid.Rune(), 0, 60, addr.MaxLocal).Draw(t, "local")
		domain := rapid.StringMatching(`[a-z0-9]{1,10}(\.[a-z0-9]{1,10}){0,3}`).Draw(t, "domain")
		a, err := addr.New(local, domain)
		if err != nil {
			return
		}
		if back, err := addr.Parse(a.String()); err != nil || back != a {
			t.Fatalf("%+v wrote %q, read %+v, %v", a, a.String(), back, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a@b.c", `"a b"@c`, "jøran@blåbær.example", "a@[IPv6:::1]", "a@xn--dmi-0na.fo", "İ@K.com", "a@b。c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := addr.Parse(s)
		if err != nil {
			return
		}
		text := a.String()
		if back, err := addr.Parse(text); err != nil || back != a {
			t.Fatalf("%q became %+v, wrote %q, read %+v, %v", s, a, text, back, err)
		}
		if strings.ContainsAny(text, "\r\n\x00") {
			t.Fatalf("%q holds a control character", text)
		}
		n := a.Normal()
		if again := n.Normal(); again != n {
			t.Fatalf("Normal of %q is not stable: %+v then %+v", s, n, again)
		}
		if _, err := addr.NormalDomain(a.Domain); err != nil {
			t.Fatalf("the domain of %q parsed but has no normal form: %v", s, err)
		}
		if back, err := addr.NormalDomain(addr.UnicodeDomain(n.Domain)); err != nil || back != n.Domain {
			t.Fatalf("the shown form of %q is another domain: %q, %v", n.Domain, back, err)
		}
	})
}

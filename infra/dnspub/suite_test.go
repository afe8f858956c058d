package dnspub

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/postrider/postrider/mail"
)

// zone is what a provider of the tests holds: "name TYPE" to data as in a zone file.
type zone map[string][]string

// before is the zone example.com as somebody else left it.
func before() zone {
	return zone{
		"example.com MX":             {"10 old.example.net."},
		"example.com TXT":            {`"google-site-verification=x y"`, `"v=spf1 include:old.example.net ~all"`},
		"example.com A":              {"198.51.100.1"},
		"www.example.com CNAME":      {"example.com."},
		"busy.example.com A":         {"198.51.100.2"},
		"_dmarc.example.com TXT":     {`"v=DMARC1; p=none"`},
		"_imap._tcp.example.com SRV": {"0 1 143 old.example.net."},
	}
}

const long = `"v=DKIM1; k=rsa; p=` // and 400 digits of a key, in two strings

func dkim(digit string) string {
	return long + strings.Repeat(digit, 255-len(long)+1) + `" "` + strings.Repeat(digit, 140) + `"`
}

func rec(name, typ, value string) Record {
	return Record{Name: name, Type: typ, TTL: time.Hour, Value: value}
}

// expect compares a zone with what it should be.
func expect(t *testing.T, when string, got, want zone) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !sameSet(spelling(key, got[key]), spelling(key, want[key])) {
			t.Errorf("%s: %s is %q, want %q", when, key, got[key], want[key])
		}
	}
	for key, values := range got {
		if len(values) > 0 && len(want[key]) == 0 && !strings.HasSuffix(key, " SOA") && !strings.HasSuffix(key, " NS") {
			t.Errorf("%s: %s has %q", when, key, values)
		}
	}
}

func spelling(key string, values []string) (out []string) {
	name, typ, _ := strings.Cut(key, " ")
	for _, v := range values {
		if c, err := canonical(name, typ, v); err == nil {
			v = c
		}
		out = append(out, v)
	}
	return out
}

// suite is what every provider has to do. show gives what it holds.
func suite(t *testing.T, p *Provider, show func() zone) {
	t.Helper()
	ctx := t.Context()
	want := before()
	expect(t, "before", show(), want)

	first := []Record{
		rec("example.com.", "MX", "10 mx.example.com."), rec("example.com", "TXT", `"v=spf1 mx -all"`), rec("MX.example.com", "A", "192.0.2.25"),
		rec("mx.example.com", "AAAA", "2001:db8::25"), rec("r1._domainkey.example.com", "TXT", dkim("A")), rec("_dmarc.example.com", "TXT", `"v=DMARC1; p=reject; rua=mailto:d@example.com"`),
		rec("_25._tcp.mx.example.com", "TLSA", "3 1 1 "+strings.Repeat("AB", 32)), rec("_imaps._tcp.example.com", "SRV", "0 1 993 mx.example.com."),
		rec("_imap._tcp.example.com", "SRV", "0 0 0 ."), rec("mx.example.com", "CAA", `0 issue "letsencrypt.org; accounturi=https://acme.example/1"`),
		rec("autoconfig.example.com", "CNAME", "mx.example.com."),
	}
	changes, err := p.Publish(ctx, "Example.COM.", first)
	if err != nil || len(changes) != len(first) {
		t.Fatalf("%d changes, %v: %v", len(changes), err, changes)
	}
	for _, r := range first {
		want[strings.ToLower(strings.TrimSuffix(r.Name, "."))+" "+r.Type] = []string{r.Value}
	}
	want["example.com TXT"] = []string{`"google-site-verification=x y"`, `"v=spf1 mx -all"`}
	expect(t, "published", show(), want)

	if changes, err := p.Publish(ctx, "example.com", first); err != nil || len(changes) != 0 {
		t.Fatalf("the second time: %v %v", changes, err)
	}

	second := []Record{
		rec("_25._tcp.mx.example.com", "TLSA", "3 1 1 "+strings.Repeat("ab", 32)), rec("_25._tcp.mx.example.com", "TLSA", "3 1 1 "+strings.Repeat("cd", 32)),
		rec("r1._domainkey.example.com", "TXT", dkim("B")), rec("autoconfig.example.com", "CNAME", "mx2.example.com."),
		rec("example.com", "TXT", "v=spf1 mx a -all"), rec("mx.example.com", "A", "192.0.2.26"), rec("_imaps._tcp.example.com", "SRV", "0 1 993 mx2.example.com."),
		rec("example.com", "MX", "10 mx.example.com."), rec("example.com", "MX", "20 mx2.example.com."), rec("mx2.example.com", "A", "192.0.2.27"),
	}
	if err := p.Set(ctx, "example.com", second); err != nil {
		t.Fatal(err)
	}
	want["_25._tcp.mx.example.com TLSA"] = []string{"3 1 1 " + strings.Repeat("ab", 32), "3 1 1 " + strings.Repeat("cd", 32)}
	want["r1._domainkey.example.com TXT"] = []string{dkim("B")}
	want["autoconfig.example.com CNAME"] = []string{"mx2.example.com."}
	want["example.com TXT"] = []string{`"google-site-verification=x y"`, `"v=spf1 mx a -all"`}
	want["mx.example.com A"] = []string{"192.0.2.26"}
	want["_imaps._tcp.example.com SRV"] = []string{"0 1 993 mx2.example.com."}
	want["mx2.example.com A"] = []string{"192.0.2.27"}
	want["example.com MX"] = []string{"10 mx.example.com.", "20 mx2.example.com."}
	expect(t, "changed", show(), want)

	// An alias and other records do not go together; what else was asked for is done.
	err = p.Set(ctx, "example.com", []Record{rec("busy.example.com", "CNAME", "mx.example.com."), rec("www.example.com", "A", "192.0.2.25"), rec("_dmarc.example.com", "TXT", `"v=DMARC1; p=quarantine"`)})
	if !mail.Is(err, mail.Conflict) || !strings.Contains(err.Error(), "busy.example.com has a record of type A already") {
		t.Errorf("%v", err)
	}
	want["_dmarc.example.com TXT"] = []string{`"v=DMARC1; p=quarantine"`}
	expect(t, "refused", show(), want)

	if err := p.Remove(ctx, "example.com", []Record{rec("r1._domainkey.example.com", "TXT", dkim("B")), rec("_25._tcp.mx.example.com", "TLSA", "3 1 1 "+strings.Repeat("ab", 32)),
		rec("autoconfig.example.com", "CNAME", "mx2.example.com."), rec("mx.example.com", "CAA", `0 issue "letsencrypt.org; accounturi=https://acme.example/1"`),
		rec("example.com", "TXT", `"v=spf1 never there -all"`), rec("gone.example.com", "TXT", `"x"`)}); err != nil {
		t.Fatal(err)
	}
	want["r1._domainkey.example.com TXT"], want["autoconfig.example.com CNAME"], want["mx.example.com CAA"] = nil, nil, nil
	want["_25._tcp.mx.example.com TLSA"] = []string{"3 1 1 " + strings.Repeat("cd", 32)}
	expect(t, "removed", show(), want)

	challenges(t, p, show, want)

	// A domain that lies in the zone of its parent.
	if err := p.Set(ctx, "dept.example.com", []Record{rec("dept.example.com", "MX", "10 mx.example.com.")}); err != nil {
		t.Fatal(err)
	}
	want["dept.example.com MX"] = []string{"10 mx.example.com."}
	expect(t, "below", show(), want)

	if err := p.Set(ctx, "elsewhere.test", []Record{rec("elsewhere.test", "MX", "10 mx.example.com.")}); !mail.Is(err, mail.Unavailable) || !strings.Contains(err.Error(), "does not show the zone of elsewhere.test") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if err := p.Set(ctx, "example.com", first); !mail.Is(err, mail.Unavailable) {
		t.Errorf("%v", err)
	}
}

// challenges does what certmagic does for a name and its wildcard at once.
func challenges(t *testing.T, p *Provider, show func() zone, want zone) {
	t.Helper()
	s := p.Solver()
	for _, token := range []string{"token-1_a", "token-2_b"} {
		recs := []libdns.Record{libdns.TXT{Name: "_acme-challenge.mx", Text: token, TTL: time.Minute}}
		if got, err := s.AppendRecords(t.Context(), "example.com.", recs); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
	}
	want["_acme-challenge.mx.example.com TXT"] = []string{`"token-1_a"`, `"token-2_b"`}
	expect(t, "challenges", show(), want)
	for _, token := range []string{"token-1_a", "token-2_b"} {
		recs := []libdns.Record{libdns.TXT{Name: "_acme-challenge.mx", Text: token, TTL: time.Minute}}
		if _, err := s.DeleteRecords(t.Context(), "example.com.", recs); err != nil {
			t.Fatal(err)
		}
		want["_acme-challenge.mx.example.com TXT"] = slices.DeleteFunc(want["_acme-challenge.mx.example.com TXT"], func(v string) bool { return v == `"`+token+`"` })
		expect(t, "challenge taken back", show(), want)
	}
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no provider":      {Provider: "", Secret: "x"},
		"unknown":          {Provider: "route53", Secret: "x"},
		"no token":         {Provider: "cloudflare"},
		"one key of two":   {Provider: "porkbun", Secret: "pk1_x"},
		"no server":        {Provider: "rfc2136"},
		"key without name": {Provider: "rfc2136", Server: "127.0.0.1", Secret: "c2VjcmV0"},
		"no base64":        {Provider: "rfc2136", Server: "127.0.0.1", KeyName: "k", Secret: "###"},
		"weak algorithm":   {Provider: "rfc2136", Server: "127.0.0.1", KeyName: "k", Secret: "c2VjcmV0", KeyAlgorithm: "hmac-md5"},
	} {
		if _, err := New(c); !mail.Is(err, mail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := New(Config{Provider: "rfc2136", Server: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]Record{
		"outside":         rec("example.org", "MX", "10 x."),
		"no name":         rec("", "MX", "10 x."),
		"a trick":         rec("a b.example.com", "MX", "10 x."),
		"no such type":    rec("example.com", "MAGIC", "10 x."),
		"wrong data":      rec("example.com", "MX", "x"),
		"two lines":       rec("example.com", "MX", "10 x.\n$INCLUDE /etc/passwd"),
		"address":         rec("example.com", "A", "2001:db8::1"),
		"no data":         rec("example.com", "TLSA", ""),
		"another's class": rec("example.com", "A", "192.0.2.1 IN"),
	} {
		if err := p.Set(t.Context(), "example.com", []Record{r}); !mail.Is(err, mail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := p.Set(t.Context(), "exa mple", []Record{rec("x.exa mple", "MX", "10 x.")}); !mail.Is(err, mail.Invalid) {
		t.Errorf("%v", err)
	}
	if changes, err := p.Publish(t.Context(), "example.com", nil); err != nil || changes != nil {
		t.Errorf("%v %v", changes, err)
	}
}

// Texts of one name are told apart by their version; at names with an underscore all are ours.
func TestReplaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, typ, want, old string
		replaces             bool
	}{
		{"example.com", "TXT", `"v=spf1 mx -all"`, `"V=SPF1 -all"`, true},
		{"example.com", "TXT", `"v=spf1 mx -all"`, `"v=spf10 -all"`, false},
		{"example.com", "TXT", `"v=spf1 mx -all"`, `"MS=ms1"`, false},
		{"example.com", "TXT", `"MS=ms1"`, `"MS=ms2"`, false},
		{"mx.example.com", "TXT", `"v=spf1 a -all"`, `"other"`, false},
		{"_dmarc.example.com", "TXT", `"v=DMARC1; p=reject"`, `"anything"`, true},
		{"s._domainkey.example.com", "TXT", `"v=DKIM1; p="`, `"k=rsa; p="`, true},
		{"example.com", "MX", "10 a.", "20 b.", true},
	} {
		g := group{name: c.name, typ: c.typ, values: []string{c.want}}
		if got := g.replaces(c.old); got != c.replaces {
			t.Errorf("%v: %v", c, got)
		}
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typ, in, want string }{
		{"TXT", `bare; text`, `"bare; text"`},
		{"TXT", `"a" "b"`, `"ab"`},
		{"TXT", `"a\"b\\c\065"`, `"a\"b\\cA"`},
		{"TXT", dkim("A"), dkim("A")},
		{"TXT", `"v=x" ; a comment`, `"v=x"`},
		{"MX", "10  MX.Example.com.", "10 mx.example.com."},
		{"TLSA", "3 1 1 ABCD EF01", "3 1 1 abcdef01"},
		{"CAA", `0 issue "Letsencrypt.org"`, `0 issue "Letsencrypt.org"`},
		{"AAAA", "2001:DB8:0:0::1", "2001:db8::1"},
		{"SRV", "0 0 0 .", "0 0 0 ."},
	} {
		if got, err := canonical("example.com", c.typ, c.in); err != nil || got != c.want {
			t.Errorf("%s %s: %q %v, want %q", c.typ, c.in, got, err, c.want)
		}
	}
	for in, want := range map[string]string{`bare`: `bare`, `"q"`: `q`, `a" "b`: `ab`, `"a" "b"`: `ab`, `"open`: `"open`, `half"`: `half"`} {
		if got := plain(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Whatever data a provider shows or a caller gives: one spelling, which is its own spelling, on one line.
func FuzzCanonical(f *testing.F) {
	f.Add("TXT", `"a" "b\034"`)
	f.Add("MX", "10 a.")
	f.Add("CAA", `0 issue "x;y"`)
	f.Add("SRV", "0 0 0 .")
	f.Add("TLSA", "3 1 1 ab")
	f.Fuzz(func(t *testing.T, typ, data string) {
		plain(data)
		got, err := canonical("example.com", typ, data)
		if err != nil {
			return
		}
		if strings.ContainsAny(got, "\r\n") {
			t.Errorf("%q", got)
		}
		if again, err := canonical("example.com", typ, got); err != nil || again != got {
			t.Errorf("%s %q: %q and then %q %v", typ, data, got, again, err)
		}
	})
}

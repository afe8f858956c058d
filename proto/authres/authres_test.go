package authres_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/authres"
	"github.com/postrider/postrider/proto/message"
)

// RFC 8601 2.2, RFC 8601 2.7.1, RFC 8601 2.7.2, RFC 8601 2.7.3, RFC 8601 2.7.4, RFC 8601 2.7.5, RFC 9989 9.1.
func TestFormat(t *testing.T) {
	t.Parallel()
	spf := authres.OfSPF("pass", "example.net", "")
	spf.Comment = "192.0.2.1 is permitted (by ip4)"
	bad := authres.OfDMARC("fail", "example.net", "reject")
	bad.Reason = "nothing \"aligned\"\r\nX-Evil: 1"
	for name, tc := range map[string]struct {
		field authres.Field
		want  string
	}{
		"none": {authres.Field{ID: "mx.example.com"}, "Authentication-Results: mx.example.com; none\r\n"},
		"all": {authres.Field{ID: "mx.example.com", Results: []authres.Result{
			spf, authres.OfSPF("none", "", "helo.example"),
			authres.OfDKIM("pass", authres.Signature{Domain: "example.net", Selector: "s1", Algorithm: "ed25519-sha256", Data: "dz/V b+gHIKLMN"}),
			bad, authres.OfIPRev("pass", netip.MustParseAddr("::ffff:192.0.2.1")), authres.OfAuth("pass", "ann@example.com"), authres.OfARC("none", netip.MustParseAddr("2001:db8::1")),
		}}, "Authentication-Results: mx.example.com;\r\n" +
			" spf=pass (192.0.2.1 is permitted \\(by ip4\\)) smtp.mailfrom=example.net;\r\n" +
			" spf=none smtp.helo=helo.example;\r\n" +
			" dkim=pass header.d=example.net header.s=s1 header.a=ed25519-sha256\r\n" +
			" header.b=\"dz/Vb+gH\";\r\n" +
			" dmarc=fail reason=\"nothing \\\"aligned\\\"  X-Evil: 1\" header.from=example.net\r\n" +
			" policy.dmarc=reject;\r\n" +
			" iprev=pass policy.iprev=192.0.2.1;\r\n" +
			" auth=pass smtp.auth=ann@example.com;\r\n" +
			" arc=none smtp.remote-ip=\"2001:db8::1\"\r\n"},
		"hostile": {authres.Field{ID: "a; b", Results: []authres.Result{{Method: "x y", Value: "pass;", Comment: "\x00 a) b(\\ ", Properties: []authres.Property{{"header", "", "a b@c"}, {"smtp", "mailfrom", "\xff@x"}, {"smtp", "mailfrom", "@example.com"}}}}},
			"Authentication-Results: \"a; b\";\r\n x=x (a\\) b\\(\\\\) header.x=\"a b@c\" smtp.mailfrom=\"?@x\"\r\n smtp.mailfrom=@example.com\r\n"},
	} {
		if got := string(tc.field.Format()); got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tc.want)
		}
	}
	if r := (authres.Result{}).With("smtp", "auth", ""); len(r.Properties) != 0 {
		t.Error("an empty property was taken")
	}
	if r := spf; r.Get("smtp", "mailfrom") != "example.net" || r.Get("smtp", "helo") != "" {
		t.Error("Get")
	}
}

// The examples of RFC 8601 B and what is written in the wild. RFC 8601 2.2, RFC 8601 2.3, RFC 8601 2.4, RFC 8601 2.5, RFC 8601 2.6.
func TestParse(t *testing.T) {
	t.Parallel()
	type result = authres.Result
	type property = authres.Property
	for text, want := range map[string]authres.Field{
		"example.org 1; none": {ID: "example.org"},
		"example.org":         {ID: "example.org"},
		"example.org;;":       {ID: "example.org"},
		"example.com;\r\n          spf=pass smtp.mailfrom=example.net": {ID: "example.com", Results: []result{{Method: "spf", Value: "pass", Properties: []property{{"smtp", "mailfrom", "example.net"}}}}},
		"example.com; auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass smtp.mailfrom=example.net": {ID: "example.com", Results: []result{
			{Method: "auth", Value: "pass", Comment: "cram-md5", Properties: []property{{"smtp", "auth", "sender@example.net"}}},
			{Method: "spf", Value: "pass", Properties: []property{{"smtp", "mailfrom", "example.net"}}}}},
		"example.com; dkim=pass (good signature) header.d=example.com; DKIM=Fail reason=\"bad signature\" header.i=@x.example": {ID: "example.com", Results: []result{
			{Method: "dkim", Value: "pass", Comment: "good signature", Properties: []property{{"header", "d", "example.com"}}},
			{Method: "dkim", Value: "fail", Reason: "bad signature", Properties: []property{{"header", "i", "@x.example"}}}}},
		// The commented example of RFC 8601 B.7.
		"foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462": {ID: "foo.example.net", Results: []result{
			{Method: "dkim", Value: "fail", Properties: []property{{"policy", "expired", "1362471462"}}}}},
		`"mx 1"; spf=pass smtp.mailfrom="a\"b"@example.com`:                                        {ID: "mx 1", Results: []result{{Method: "spf", Value: "pass", Properties: []property{{"smtp", "mailfrom", `a"b@example.com`}}}}},
		"x; dkim=pass header.b=ab/c=+; dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=gmail.com": {ID: "x", Results: []result{{Method: "dkim", Value: "pass", Properties: []property{{"header", "b", "ab/c=+"}}}, {Method: "dmarc", Value: "pass", Comment: "p=NONE sp=NONE dis=NONE", Properties: []property{{"header", "from", "gmail.com"}}}}},
		"x; dkim/2=pass; spf=pass":                          {ID: "x", Skipped: 1, Results: []result{{Method: "spf", Value: "pass"}}},
		"x; =pass; spf; spf=; spf=pass trailing words; a=b": {ID: "x", Skipped: 3, Results: []result{{Method: "spf", Value: "pass"}, {Method: "a", Value: "b"}}},
		"x y z; spf=pass":                                   {ID: "x", Skipped: 1, Results: []result{{Method: "spf", Value: "pass"}}},
		"x; spf=pass reason=\"never ends; dkim=pass":        {ID: "x", Results: []result{{Method: "spf", Value: "pass"}}},
		"x; spf=pass (never ends; dkim=pass":                {ID: "x", Results: []result{{Method: "spf", Value: "pass", Comment: "never ends; dkim=pass"}}},
		"x; spf=pass (a (b) \\) c) smtp.mailfrom=\"\"":      {ID: "x", Results: []result{{Method: "spf", Value: "pass", Comment: "a (b) ) c", Properties: []property{{"smtp", "mailfrom", ""}}}}},
	} {
		got, err := authres.Parse(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
	for text, want := range map[string]error{
		"": authres.ErrNoID, " (x) ": authres.ErrNoID, "; spf=pass": authres.ErrNoID, `"x`: authres.ErrNoID, `""; none`: authres.ErrNoID,
		"x 2; spf=pass": authres.ErrVersion, "x; " + strings.Repeat("a", authres.MaxField): authres.ErrTooLong,
	} {
		if _, err := authres.Parse(text); !errors.Is(err, want) {
			t.Errorf("%.20q: %v, want %v", text, err, want)
		}
	}
}

// Hostile fields are read in bounded time and memory.
func TestParseBounds(t *testing.T) {
	t.Parallel()
	f, err := authres.Parse("x" + strings.Repeat("; a=b"+strings.Repeat(" c.d=e", 100), 100))
	if err != nil || len(f.Results) != authres.MaxResults || f.Skipped != 100-authres.MaxResults || len(f.Results[0].Properties) != authres.MaxProperties {
		t.Errorf("%d results, %d skipped, %v", len(f.Results), f.Skipped, err)
	}
	for _, text := range []string{"x; a=b " + strings.Repeat("(", 60000), "x " + strings.Repeat("\"\"", 30000), "x;" + strings.Repeat(";", 60000), "x; " + strings.Repeat("\\", 60000)} {
		if f, err := authres.Parse(text); err != nil || f.ID != "x" {
			t.Errorf("%.20q: %+v, %v", text, f, err)
		}
	}
}

// Which fields claim to be ours. RFC 8601 5, RFC 8601 7.1, RFC 8616 4.
func TestClaims(t *testing.T) {
	t.Parallel()
	own := []string{"mx.example.com", "xn--bcher-kva.example"}
	for value, want := range map[string]bool{
		"mx.example.com; spf=pass":               true,
		"MX.Example.COM; spf=pass":               true,
		"mx.example.com.; spf=pass":              true,
		`"mx.example.com"; spf=pass`:             true,
		`"mx\.example.com" 1; spf=pass`:          true,
		"(hi) mx.example.com(there)1 ; spf=pass": true,
		"mx.example.com 9; spf=pass":             true,
		"\r\n mx.example.com\r\n ;none":          true,
		"b\u00fccher.example; spf=pass":          true,
		"B\u00dcCHER.example; spf=pass":          true,
		"; spf=pass":                             true, // nobody can say whose it is
		"":                                       true,
		`"mx.example.com`:                        true,
		strings.Repeat("x", 70000):               true,
		"mx.example.org; spf=pass":               false,
		"example.com; spf=pass":                  false,
		"notmx.example.com; none":                false,
	} {
		if got := authres.Claims(value, own...); got != want {
			t.Errorf("%.40q: %v, want %v", value, got, want)
		}
	}
}

// Forged fields are counted and left out, everything else stays as it is; only the prefix is believed. RFC 8601 4.1, RFC 8601 5.
func TestForged(t *testing.T) {
	t.Parallel()
	const forged = "authentication-RESULTS: MX.example.com;\r\n spf=pass smtp.mailfrom=bank.example\r\n"
	const foreign = "Authentication-Results: other.example; spf=fail\r\n"
	body, _ := message.ParseHeader([]byte("From: a@b.example\r\n" + forged + foreign + forged + "Subject: x\r\n\r\n"))
	if n := authres.Forged(&body, "mx.example.com"); n != 2 {
		t.Errorf("%d forged", n)
	}
	clean := authres.Without(&body, "mx.example.com")
	if got := string(clean.Bytes()); got != "From: a@b.example\r\n"+foreign+"Subject: x\r\n" {
		t.Errorf("%q", got)
	}
	if body.Len() != 5 {
		t.Error("the given header changed")
	}
	ours := authres.Field{ID: "mx.example.com", Results: []authres.Result{authres.OfSPF("fail", "bank.example", "")}}
	prefix, _ := message.ParseHeader(append([]byte("Received: x\r\n"+foreign), ours.Format()...))
	if diff := cmp.Diff([]authres.Field{ours}, authres.Trusted(&prefix, "mx.example.com")); diff != "" {
		t.Error(diff)
	}
}

// What is written is read as the same, and never more than one field. RFC 8601 2.2.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z][a-z0-9]{0,9}`)
		text := rapid.OneOf(rapid.StringMatching(`[!-~]{1,12}`), rapid.StringMatching(`[a-z\\"();@ü.]([ -~é]{0,60}[a-z\\"();@ü.])?`), rapid.StringMatching(`[a-z]{0,5}@[a-z.]{1,9}`))
		f := authres.Field{ID: text.Draw(t, "id")}
		for range rapid.IntRange(0, 4).Draw(t, "results") {
			r := authres.Result{Method: word.Draw(t, "method"), Value: word.Draw(t, "value")}
			if rapid.Bool().Draw(t, "reason?") {
				r.Reason = text.Draw(t, "reason")
			}
			if rapid.Bool().Draw(t, "comment?") {
				r.Comment = strings.Join(strings.Fields(text.Draw(t, "comment")), " ")
			}
			for range rapid.IntRange(0, 3).Draw(t, "properties") {
				r = r.With(word.Draw(t, "type"), word.Draw(t, "name"), text.Draw(t, "pvalue"))
			}
			f.Results = append(f.Results, r)
		}
		check(t, f, f)
	})
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func check(t fataler, f, want authres.Field) {
	raw := f.Format()
	h, size := message.ParseHeader(append(raw[:len(raw):len(raw)], "\r\n"...))
	if size != len(raw)+2 || h.Len() != 1 {
		t.Fatalf("%q is not one field", raw)
	}
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") {
			t.Fatalf("a bad line: %q", line)
		}
	}
	got, err := authres.Parse(h.Get(authres.Name))
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q: %s", raw, diff)
	}
}

// What was read once can be written, and is read as the same from then on. RFC 8601 2.2.
func FuzzParse(f *testing.F) {
	f.Add("example.com 1; dkim=pass (good) reason=\"x\" header.d=example.com header.b=\"a/b\"; spf=fail smtp.mailfrom=@x")
	f.Add("x(y); none; dkim/1 = pass policy . expired = 1")
	f.Fuzz(func(t *testing.T, text string) {
		field, err := authres.Parse(text)
		if err != nil || len(authres.Field{ID: field.ID}.Format()) < len("Authentication-Results: x; none\r\n") {
			return
		}
		first, err := authres.Parse(strings.TrimPrefix(string(field.Format()), authres.Name+":"))
		if err != nil || len(first.Results) != len(field.Results) || first.Skipped != 0 {
			t.Fatalf("%q -> %q: %+v, %v", text, field.Format(), first, err)
		}
		for i, r := range field.Results {
			if first.Results[i].Method != r.Method || first.Results[i].Value != r.Value {
				t.Fatalf("%q: %+v became %+v", text, r, first.Results[i])
			}
		}
		check(t, first, first)
	})
}

package dmarc_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/dmarc"
)

// What is a record at all: the version is first, its value exact. RFC 9989 4.7, RFC 9989 4.8.
func TestParseVersion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"v=DMARC1":               true,
		"v=DMARC1;":              true,
		"v=DMARC1; p=none":       true,
		"v = DMARC1 ;p=none":     true,
		"V=DMARC1;p=none":        true,
		"v\t=\tDMARC1\t; p=none": true,
		"":                       false,
		"v=dmarc1; p=none":       false,
		"v=DMARC2; p=none":       false,
		"v=DMARC1 p=none":        false,
		"p=none; v=DMARC1":       false,
		" v=DMARC1; p=none":      false,
		"v=DMARC12; p=none":      false,
		"v=spf1 -all":            false,
		"v; DMARC1":              false,
		"v=DMARC1; " + strings.Repeat("x", dmarc.MaxRecord): false,
	} {
		if _, err := dmarc.Parse(text); (err == nil) != want || err != nil && !errors.Is(err, dmarc.ErrNotRecord) {
			t.Errorf("%.40q: %v, want a record: %v", text, err, want)
		}
	}
}

func mailto(t testing.TB, boxes ...string) (list []dmarc.URI) {
	t.Helper()
	for _, b := range boxes {
		u, ok := dmarc.ParseURI("mailto:" + b)
		if !ok {
			t.Fatalf("%q is no address", b)
		}
		list = append(list, u)
	}
	return list
}

// The tags, their defaults, and what is passed over. RFC 9989 4.7, RFC 9989 4.8, RFC 9989 4.10.1 (wrong policies), RFC 9989 B.2 (examples).
func TestParse(t *testing.T) {
	t.Parallel()
	const u = dmarc.SuffixUnknown
	a := mailto(t, "a@example.com")
	for name, tc := range map[string]struct {
		text   string
		want   dmarc.Record
		faults int
	}{
		"monitoring":            {"v=DMARC1; p=none; rua=mailto:a@example.com", dmarc.Record{Policy: "none", Suffix: u, Aggregate: a}, 0},
		"all tags":              {"v=DMARC1;p=reject;sp=quarantine;np=reject;psd=n;t=y;adkim=s;aspf=s;fo=1:d:s;rua=mailto:a@example.com;ruf=mailto:a@example.com;", dmarc.Record{Policy: "reject", Subdomain: "quarantine", NonExistent: "reject", Suffix: 'n', Testing: true, StrictDKIM: true, StrictSPF: true, Options: dmarc.Options{Any: true, DKIM: true, SPF: true}, Aggregate: a, Failure: a}, 0},
		"case and space":        {"v=DMARC1 ; P = Reject ; PSD = Y; T=N; ADKIM=R; SP=None", dmarc.Record{Policy: "reject", Subdomain: "none", Suffix: 'y'}, 0},
		"two addresses":         {"v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com,mailto:tld-test@thirdparty.example.net; t=y", dmarc.Record{Policy: "quarantine", Suffix: u, Testing: true, Aggregate: mailto(t, "dmarc-feedback@example.com", "tld-test@thirdparty.example.net")}, 0},
		"size is dropped":       {"v=DMARC1; p=none; rua=mailto:a@example.com!10m", dmarc.Record{Policy: "none", Suffix: u, Aggregate: a}, 0},
		"old tags":              {"v=DMARC1; p=reject; pct=20; rf=afrf; ri=3600", dmarc.Record{Policy: "reject", Suffix: u}, 3},
		"unknown tags":          {"v=DMARC1; p=reject; xyz=1; x=2", dmarc.Record{Policy: "reject", Suffix: u}, 0},
		"order is free":         {"v=DMARC1; rua=mailto:a@example.com; p=reject", dmarc.Record{Policy: "reject", Suffix: u, Aggregate: a}, 0},
		"wrong values":          {"v=DMARC1; p=reject; psd=x; t=1; adkim=strict; aspf=; fo=0:1", dmarc.Record{Policy: "reject", Suffix: u}, 5},
		"fo, unknown":           {"v=DMARC1; p=reject; fo=d:x", dmarc.Record{Policy: "reject", Suffix: u}, 1},
		"fo, twice":             {"v=DMARC1; p=reject; fo=d:d", dmarc.Record{Policy: "reject", Suffix: u}, 1},
		"fo, only d":            {"v=DMARC1; p=reject; fo=d", dmarc.Record{Policy: "reject", Suffix: u, Options: dmarc.Options{DKIM: true}}, 0},
		"twice":                 {"v=DMARC1; p=none; p=reject", dmarc.Record{Policy: "none", Suffix: u}, 1},
		"no tag":                {"v=DMARC1; p=reject; hello; =x; a b=c", dmarc.Record{Policy: "reject", Suffix: u}, 3},
		"not ASCII":             {"v=DMARC1; p=reject; psd=\u00fd", dmarc.Record{Policy: "reject", Suffix: u}, 1},
		"bad address":           {"v=DMARC1; p=reject; rua=a@example.com,mailto:a@example.com,mailto:@,mailto:a@[192.0.2.1]", dmarc.Record{Policy: "reject", Suffix: u, Aggregate: a}, 3},
		"p missing, rua":        {"v=DMARC1; sp=reject; rua=mailto:a@example.com", dmarc.Record{Policy: "none", Suffix: u, NoPolicy: true, Aggregate: a}, 1},
		"p wrong, rua":          {"v=DMARC1; p=foo; sp=reject; rua=mailto:a@example.com", dmarc.Record{Policy: "none", Suffix: u, Aggregate: a}, 1},
		"sp wrong, rua":         {"v=DMARC1; p=reject; sp=foo; np=reject; rua=mailto:a@example.com", dmarc.Record{Policy: "none", Suffix: u, Aggregate: a}, 1},
		"p missing, no rua":     {"v=DMARC1; t=y", dmarc.Record{Policy: "none", Suffix: u, Testing: true, NoPolicy: true, Unusable: "the tag p of the DMARC record is missing or wrong, and there is no rua"}, 1},
		"np wrong, no rua":      {"v=DMARC1; p=reject; np=foo", dmarc.Record{Policy: "none", Suffix: u, Unusable: "the tag np of the DMARC record is missing or wrong, and there is no rua"}, 1},
		"p wrong, rua is wrong": {"v=DMARC1; p=foo; rua=foo", dmarc.Record{Policy: "none", Suffix: u, Unusable: "the tag p of the DMARC record is missing or wrong, and there is no rua"}, 2},
	} {
		got, err := dmarc.Parse(tc.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(got.Faults) != tc.faults {
			t.Errorf("%s: faults %q, want %d", name, got.Faults, tc.faults)
		}
		got.Faults = nil
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Addresses for reports. RFC 9989 4.6, RFC 3986 3.
func TestParseURI(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]dmarc.URI{
		"mailto:a@B\u00fccher.example":   {Scheme: "mailto", Text: "mailto:a@B\u00fccher.example", Host: "xn--bcher-kva.example", Mailbox: addr.Address{Local: "a", Domain: "B\u00fccher.example"}},
		"MAILTO:%22a%2Cb%22@example.com": {Scheme: "mailto", Text: "MAILTO:%22a%2Cb%22@example.com", Host: "example.com", Mailbox: addr.Address{Local: "a,b", Domain: "example.com"}},
		"mailto:a%2Cb@example.com":       {}, // a comma needs quotes in an address
		"mailto:a@EXAMPLE.com?x=y!5k":    {Scheme: "mailto", Text: "mailto:a@EXAMPLE.com?x=y", Host: "example.com", Mailbox: addr.Address{Local: "a", Domain: "EXAMPLE.com"}},
		"https://R.example:8443/x":       {Scheme: "https", Text: "https://R.example:8443/x", Host: "r.example"},
		"tel:+1":                         {Scheme: "tel", Text: "tel:+1"},
		"mailto:a!b@example.com":         {},
		"mailto:a@example.com!x":         {},
		"mailto:a@example.com!":          {},
		"mailto:":                        {},
		"mailto://a@example.com":         {},
		"https:":                         {},
		"/x":                             {},
		"%%":                             {},
		"mailto:%zz@example.com":         {},
	} {
		got, ok := dmarc.ParseURI(text)
		if ok != (want.Scheme != "") {
			t.Errorf("%q: taken: %v", text, ok)
			continue
		}
		if ok && got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	if u, ok := dmarc.Mailto(addr.Address{Local: "a,b!", Domain: "b\u00fccher.example"}); !ok || u.Text != "mailto:%22a%2Cb%21%22@xn--bcher-kva.example" || u.Mailbox.Local != "a,b!" {
		t.Errorf("Mailto: %+v, %v", u, ok)
	}
}

// A hostile record costs little and never more than the bounds.
func TestParseBounds(t *testing.T) {
	t.Parallel()
	many := "v=DMARC1; p=none; rua=" + strings.TrimSuffix(strings.Repeat("mailto:a@example.com,", 500), ",")
	r, err := dmarc.Parse(many)
	if err != nil || len(r.Aggregate) != dmarc.MaxURIs {
		t.Errorf("%d addresses, %v", len(r.Aggregate), err)
	}
	r, err = dmarc.Parse("v=DMARC1;" + strings.Repeat("=;", 4000) + "p=reject")
	if err != nil || r.Unusable == "" || len(r.Faults) > 16 {
		t.Errorf("tags beyond the bound were read: %+v, %v", r, err)
	}
}

func genRecord(t *rapid.T) dmarc.Record {
	policy := rapid.SampledFrom([]dmarc.Policy{"none", "quarantine", "reject"})
	maybe := rapid.SampledFrom([]dmarc.Policy{"", "none", "quarantine", "reject"})
	uri := rapid.Custom(func(t *rapid.T) dmarc.URI {
		u, ok := dmarc.Mailto(addr.Address{Local: rapid.StringMatching(`[a-z!,;%?"\\ ]{1,8}`).Draw(t, "local"), Domain: rapid.SampledFrom([]string{"example.com", "r.example.net"}).Draw(t, "domain")})
		if !ok {
			t.Fatal("Mailto refuses an address")
		}
		return u
	})
	flag := rapid.Bool()
	uris := func(name string) []dmarc.URI {
		if list := rapid.SliceOfN(uri, 0, 3).Draw(t, name); len(list) > 0 {
			return list
		}
		return nil
	}
	return dmarc.Record{
		Policy: policy.Draw(t, "p"), Subdomain: maybe.Draw(t, "sp"), NonExistent: maybe.Draw(t, "np"),
		Suffix: dmarc.Suffix(rapid.SampledFrom([]byte("uyn")).Draw(t, "psd")), Testing: flag.Draw(t, "t"),
		StrictDKIM: flag.Draw(t, "adkim"), StrictSPF: flag.Draw(t, "aspf"),
		Options:   dmarc.Options{Any: flag.Draw(t, "1"), DKIM: flag.Draw(t, "d"), SPF: flag.Draw(t, "s")},
		Aggregate: uris("rua"), Failure: uris("ruf"),
	}
}

// What is written is read as the same. RFC 9989 4.8.
func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := genRecord(t)
		got, err := dmarc.Parse(want.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s: %s", want, diff)
		}
	})
}

// RFC 9989 4.8.
func FuzzParse(f *testing.F) {
	f.Add("v=DMARC1; p=reject; rua=mailto:a@example.com!10m,https://x/; fo=1:d:s; psd=y")
	f.Add("v=DMARC1;p=;sp=none;;;=;np")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := dmarc.Parse(text)
		if err != nil {
			return
		}
		if r.Policy == "" || !strings.ContainsRune("uyn", rune(r.Suffix)) || len(r.Aggregate) > dmarc.MaxURIs || len(r.Failure) > dmarc.MaxURIs {
			t.Fatalf("%q: %+v", text, r)
		}
		again, err := dmarc.Parse(r.String())
		if err != nil {
			t.Fatalf("%q -> %q: %v", text, r, err)
		}
		again.Faults, r.Faults = nil, nil
		if r.Unusable != "" {
			again.Unusable, r.Unusable = "", ""
			again.NoPolicy, r.NoPolicy = false, false
		}
		if !slices.EqualFunc(again.Aggregate, r.Aggregate, func(a, b dmarc.URI) bool { return a == b }) || again.String() != r.String() {
			t.Fatalf("%q -> %+v -> %+v", text, r, again)
		}
	})
}

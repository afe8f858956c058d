package dmarc_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/dmarc"
)

// zone is a DNS of TXT records: "!fail" as a record makes its name fail. Names that exist without a record are given with "".
type zone map[string]string

// dns gives a resolver over a zone and the list of names it is asked for.
func (z zone) dns(asked *[]string) dmarc.Resolver {
	status := func(name string) dmarc.Status {
		if z[name] == "!fail" {
			return dmarc.Failed
		}
		for have := range z {
			if have == name || strings.HasSuffix(have, "."+name) {
				return dmarc.NoData
			}
		}
		return dmarc.NoName
	}
	return dmarc.Resolver{
		TXT: func(_ context.Context, name string) ([]string, dmarc.Status) {
			*asked = append(*asked, name)
			if s := status(name); s != dmarc.NoData || z[name] == "" {
				return nil, s
			}
			return strings.Split(z[name], "|"), dmarc.Found
		},
		Exists: func(_ context.Context, name string) dmarc.Status {
			*asked = append(*asked, "?"+name)
			return status(name)
		},
	}
}

func (z zone) evaluate(t testing.TB, in dmarc.Input) (dmarc.Verdict, []string) {
	t.Helper()
	var asked []string
	v := z.dns(&asked).Evaluate(t.Context(), in)
	if v.Reason == "" || v.Result == "" || v.Wish == "" {
		t.Errorf("the verdict is not whole: %+v", v)
	}
	return v, asked
}

func spf(domain string) dmarc.Identifier { return dmarc.Identifier{Domain: domain, Result: dmarc.Pass} }

func from(domain string) dmarc.Input { return dmarc.Input{From: []string{domain}} }

func dkim(domains ...string) (list []dmarc.Identifier) {
	for _, d := range domains {
		list = append(list, dmarc.Identifier{Domain: d, Result: dmarc.Pass})
	}
	return list
}

// Every policy with every result, for the domain itself, a subdomain that exists and one that does not, with and without testing.
// RFC 9989 4.7, RFC 9989 4.10.1, RFC 9989 5.3.5, RFC 9989 A.6.
func TestEveryPolicyAndResult(t *testing.T) {
	t.Parallel()
	policies := []dmarc.Policy{"", "none", "quarantine", "reject"}
	weaker := map[dmarc.Policy]dmarc.Policy{"none": "none", "quarantine": "none", "reject": "quarantine"}
	rows := 0
	for _, p := range policies[1:] {
		for _, sp := range policies {
			for _, np := range policies {
				for _, testing := range []bool{false, true} {
					for _, psd := range []string{"", "n", "y"} {
						record := fmt.Sprintf("v=DMARC1; p=%s", p)
						for tag, value := range map[string]string{"sp": string(sp), "np": string(np), "psd": psd, "t": map[bool]string{true: "y"}[testing]} {
							if value != "" {
								record += "; " + tag + "=" + value
							}
						}
						z := zone{"_dmarc.example.com": record, "sub.example.com": "", "a.b.example.com": ""}
						for author, want := range map[string]dmarc.Policy{"example.com": p, "sub.example.com": first(sp, p), "gone.example.com": first(np, sp, p), "b.example.com": first(sp, p)} {
							rows++
							// A stranger's pass does not help: fail.
							v, _ := z.evaluate(t, dmarc.Input{From: []string{author}, SPF: spf("other.example"), DKIM: dkim("other.example")})
							wish := want
							if testing {
								wish = weaker[want]
							}
							if v.Result != dmarc.Fail || v.Published != want || v.Wish != wish || v.Tested != (wish != want) || v.PolicyDomain != "example.com" || v.AlignedSPF || v.AlignedDKIM {
								t.Errorf("%s for %s: %+v, want %s and %s", record, author, v, want, wish)
							}
							// An aligned pass leaves no wish, whatever the policy.
							v, asked := z.evaluate(t, dmarc.Input{From: []string{author}, DKIM: dkim(author)})
							if v.Result != dmarc.Pass || v.Wish != dmarc.PolicyNone || v.Tested || !v.AlignedDKIM || v.AlignedSPF || slices.Contains(asked, "?"+author) {
								t.Errorf("%s for %s: %+v, want pass (asked %q)", record, author, v, asked)
							}
						}
					}
				}
			}
		}
	}
	if rows != 3*4*4*2*3*4 {
		t.Errorf("%d rows", rows)
	}
}

func first(all ...dmarc.Policy) dmarc.Policy {
	for _, p := range all {
		if p != "" {
			return p
		}
	}
	return ""
}

// The examples of alignment: RFC 9989 B.1.1 (SPF), RFC 9989 B.1.2 (DKIM), RFC 9989 4.4 (table), RFC 4343 2 (case).
func TestAlignment(t *testing.T) {
	t.Parallel()
	relaxed := zone{"_dmarc.example.com": "v=DMARC1; p=reject", "_dmarc.example.net": "v=DMARC1; p=reject"}
	strict := zone{"_dmarc.example.com": "v=DMARC1; p=reject; adkim=s; aspf=s"}
	for name, tc := range map[string]struct {
		zone    zone
		author  string
		domain  string
		aligned bool
	}{
		"identical":                  {relaxed, "example.com", "example.com", true},
		"identical, case":            {relaxed, "Example.COM", "exAMPLE.com.", true},
		"identical, U-label":         {zone{"_dmarc.xn--bcher-kva.example": "v=DMARC1; p=reject"}, "b\u00fccher.example", "XN--BCHER-KVA.example", true},
		"child authenticates":        {relaxed, "example.com", "child.example.com", true},
		"parent authenticates":       {relaxed, "child.example.com", "example.com", true},
		"siblings":                   {relaxed, "news.example.com", "foo.example.com", true},
		"stranger":                   {relaxed, "child.example.com", "example.net", false},
		"a name that only ends so":   {relaxed, "example.com", "evilexample.com", false},
		"the same suffix":            {relaxed, "example.com", "com", false},
		"strict, identical":          {strict, "example.com", "example.com", true},
		"strict, child":              {strict, "example.com", "child.example.com", false},
		"strict, subdomain's author": {strict, "child.example.com", "example.com", false},
		"an address literal":         {relaxed, "example.com", "[192.0.2.1]", false},
		"nothing":                    {relaxed, "example.com", "", false},
	} {
		v, _ := tc.zone.evaluate(t, dmarc.Input{From: []string{tc.author}, SPF: spf(tc.domain)})
		w, _ := tc.zone.evaluate(t, dmarc.Input{From: []string{tc.author}, DKIM: dkim("x.example", tc.domain)})
		if v.AlignedSPF != tc.aligned || w.AlignedDKIM != tc.aligned || (v.Result == dmarc.Pass) != tc.aligned || (w.Result == dmarc.Pass) != tc.aligned {
			t.Errorf("%s: SPF %+v\nDKIM %+v", name, v, w)
		}
	}
}

// The walks of RFC 9989 B.4, and which names are asked. RFC 9989 4.10, RFC 9989 4.10.2.
func TestTreeWalk(t *testing.T) {
	t.Parallel()
	const reject = "v=DMARC1; p=reject"
	simple := zone{"_dmarc.example.com": reject, "_dmarc.signing.example.com": reject}
	bank := zone{"_dmarc.bank.example": "v=DMARC1; p=reject; sp=quarantine; np=reject; psd=y", "_dmarc.giant.bank.example": "v=DMARC1; p=none", "mega.bank.example": ""}
	org := zone{"_dmarc.mail.example.com": reject + "; psd=n", "_dmarc.example.com": reject}
	for name, tc := range map[string]struct {
		zone         zone
		in           dmarc.Input
		result       dmarc.Result
		policyDomain string
		organization string
		spf, dkim    bool
		asked        string
	}{
		"RFC 9989 B.4.1": {simple, dmarc.Input{From: []string{"example.com"}, SPF: spf("example.com"), DKIM: dkim("signing.example.com")},
			dmarc.Pass, "example.com", "example.com", true, true, "_dmarc.example.com _dmarc.com _dmarc.signing.example.com"},
		"RFC 9989 B.4.2": {simple, dmarc.Input{From: []string{"a.b.c.d.e.f.g.h.i.j.k.example.com"}, SPF: spf("example.com"), DKIM: dkim("signing.example.com")},
			dmarc.Pass, "example.com", "example.com", true, true, "_dmarc.a.b.c.d.e.f.g.h.i.j.k.example.com _dmarc.g.h.i.j.k.example.com _dmarc.h.i.j.k.example.com _dmarc.i.j.k.example.com _dmarc.j.k.example.com _dmarc.k.example.com _dmarc.example.com _dmarc.com _dmarc.signing.example.com"},
		"RFC 9989 B.4.3": {bank, dmarc.Input{From: []string{"giant.bank.example"}, SPF: spf("mail.giant.bank.example"), DKIM: dkim("mail.mega.bank.example")},
			dmarc.Pass, "giant.bank.example", "giant.bank.example", true, false, "_dmarc.giant.bank.example _dmarc.bank.example _dmarc.mail.giant.bank.example"},
		// The top has a record without psd=y, so it is the organization (RFC 9989 4.10.2, rule 3).
		"eight labels": {zone{"_dmarc.com": reject}, from("a.b.c.d.e.f.g.com"), dmarc.Fail, "com", "com", false, false,
			"_dmarc.a.b.c.d.e.f.g.com _dmarc.b.c.d.e.f.g.com _dmarc.c.d.e.f.g.com _dmarc.d.e.f.g.com _dmarc.e.f.g.com _dmarc.f.g.com _dmarc.g.com _dmarc.com"},
		"thirteen labels, RFC 9989 4.10": {zone{}, from("a.b.c.d.e.f.g.h.i.j.mail.example.com"), dmarc.None, "", "", false, false,
			"_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com _dmarc.g.h.i.j.mail.example.com _dmarc.h.i.j.mail.example.com _dmarc.i.j.mail.example.com _dmarc.j.mail.example.com _dmarc.mail.example.com _dmarc.example.com _dmarc.com"},
		"the shortest record is the organization": {zone{"_dmarc.mail.example.com": reject, "_dmarc.example.com": reject}, dmarc.Input{From: []string{"a.mail.example.com"}, SPF: spf("b.example.com")},
			dmarc.Pass, "example.com", "example.com", true, false, "_dmarc.a.mail.example.com _dmarc.mail.example.com _dmarc.example.com _dmarc.com _dmarc.b.example.com"},
		"psd=n ends the walk": {org, dmarc.Input{From: []string{"a.mail.example.com"}, SPF: spf("example.com"), DKIM: dkim("b.mail.example.com")},
			dmarc.Pass, "mail.example.com", "mail.example.com", false, true, "_dmarc.a.mail.example.com _dmarc.mail.example.com _dmarc.b.mail.example.com"},
		"psd=y: one below": {zone{"_dmarc.com": "v=DMARC1; p=reject; psd=y"}, dmarc.Input{From: []string{"a.mail.example.com"}, SPF: spf("example.com")},
			dmarc.Pass, "com", "example.com", true, false, "_dmarc.a.mail.example.com _dmarc.mail.example.com _dmarc.example.com _dmarc.com"},
		"psd=y: siblings do not align": {bank, dmarc.Input{From: []string{"giant.bank.example"}, SPF: spf("bank.example"), DKIM: dkim("mega.bank.example")},
			dmarc.Fail, "giant.bank.example", "giant.bank.example", false, false, "_dmarc.giant.bank.example _dmarc.bank.example"},
		"psd=y: the suffix itself": {bank, dmarc.Input{From: []string{"bank.example"}, SPF: spf("giant.bank.example")},
			dmarc.Fail, "bank.example", "bank.example", false, false, "_dmarc.bank.example _dmarc.giant.bank.example"},
		"the author's own record is enough": {simple, dmarc.Input{From: []string{"example.com"}, SPF: spf("example.com"), DKIM: dkim("other.example")},
			dmarc.Pass, "example.com", "", true, false, "_dmarc.example.com"},
		"two records are none": {zone{"_dmarc.a.example.com": reject + "|" + reject, "_dmarc.example.com": reject}, from("a.example.com"),
			dmarc.Fail, "example.com", "example.com", false, false, "_dmarc.a.example.com _dmarc.example.com _dmarc.com"},
		"other records do not count": {zone{"_dmarc.example.com": "v=spf1 -all|" + reject + "|hello"}, from("example.com"),
			dmarc.Fail, "example.com", "", false, false, "_dmarc.example.com"},
		"one label": {zone{}, from("localhost"), dmarc.None, "", "", false, false, "_dmarc.localhost"},
		"a record between is not used": {zone{"_dmarc.b.example.com": "v=DMARC1; p=none", "_dmarc.example.com": reject}, from("a.b.example.com"),
			dmarc.Fail, "example.com", "example.com", false, false, "_dmarc.a.b.example.com _dmarc.b.example.com _dmarc.example.com _dmarc.com"},
	} {
		v, asked := tc.zone.evaluate(t, tc.in)
		if v.Result != tc.result || v.PolicyDomain != tc.policyDomain || v.Organization != tc.organization || v.AlignedSPF != tc.spf || v.AlignedDKIM != tc.dkim {
			t.Errorf("%s: %+v", name, v)
		}
		if got := strings.Join(asked, " "); got != tc.asked {
			t.Errorf("%s: asked\n%s\nwant\n%s", name, got, tc.asked)
		}
	}
}

// The policy of a public suffix, for a domain below without a record. RFC 9989 4.10.1.
func TestSuffixPolicy(t *testing.T) {
	t.Parallel()
	z := zone{"_dmarc.bank": "v=DMARC1; p=none; sp=quarantine; np=reject; psd=y", "real.bank": "", "mail.real.bank": ""}
	for author, want := range map[string]struct {
		policy dmarc.Policy
		tag    string
	}{"real.bank": {"quarantine", "sp"}, "mail.real.bank": {"quarantine", "sp"}, "fake.bank": {"reject", "np"}, "www.fake.bank": {"reject", "np"}, "bank": {"none", "p"}} {
		v, asked := z.evaluate(t, from(author))
		if v.Result != dmarc.Fail || v.Wish != want.policy || v.Tag != want.tag || v.PolicyDomain != "bank" {
			t.Errorf("%s: %+v", author, v)
		}
		if n := slices.Contains(asked, "?"+author); n != (author != "bank") {
			t.Errorf("%s: asked %q", author, asked)
		}
	}
}

// What the DNS does not say is no answer. RFC 9989 4.10.1, RFC 9989 5.3.6.
func TestTemporaryErrors(t *testing.T) {
	t.Parallel()
	const reject = "v=DMARC1; p=reject"
	temp := func(domain string) dmarc.Identifier {
		return dmarc.Identifier{Domain: domain, Result: dmarc.TempError}
	}
	ok := zone{"_dmarc.example.com": reject, "_dmarc.com": ""}
	lame := zone{"_dmarc.example.com": reject, "_dmarc.sub.example.com": "!fail"}
	for name, tc := range map[string]struct {
		zone zone
		in   dmarc.Input
		want dmarc.Result
	}{
		"the author's record":                 {zone{"_dmarc.example.com": "!fail"}, from("example.com"), dmarc.TempError},
		"above the author":                    {zone{"_dmarc.com": "!fail"}, from("example.com"), dmarc.TempError},
		"above, but the policy is known":      {zone{"_dmarc.example.com": reject, "_dmarc.com": "!fail"}, from("example.com"), dmarc.Fail},
		"above, needed for alignment":         {zone{"_dmarc.example.com": reject, "_dmarc.com": "!fail"}, dmarc.Input{From: []string{"example.com"}, SPF: spf("a.example.com")}, dmarc.TempError},
		"a stranger needs no walk":            {zone{"_dmarc.example.com": reject, "_dmarc.com": "!fail"}, dmarc.Input{From: []string{"example.com"}, SPF: spf("a.example.org")}, dmarc.Fail},
		"of the identifier":                   {lame, dmarc.Input{From: []string{"example.com"}, SPF: spf("sub.example.com")}, dmarc.TempError},
		"of the identifier, another passes":   {lame, dmarc.Input{From: []string{"example.com"}, SPF: spf("sub.example.com"), DKIM: dkim("example.com")}, dmarc.Pass},
		"SPF itself":                          {ok, dmarc.Input{From: []string{"example.com"}, SPF: temp("example.com")}, dmarc.TempError},
		"SPF itself, DKIM passes":             {ok, dmarc.Input{From: []string{"example.com"}, SPF: temp("example.com"), DKIM: dkim("example.com")}, dmarc.Pass},
		"SPF itself, of a stranger":           {ok, dmarc.Input{From: []string{"example.com"}, SPF: temp("example.org")}, dmarc.Fail},
		"DKIM itself":                         {ok, dmarc.Input{From: []string{"example.com"}, DKIM: []dmarc.Identifier{temp("sub.example.com")}}, dmarc.TempError},
		"DKIM, one of two":                    {ok, dmarc.Input{From: []string{"example.com"}, DKIM: []dmarc.Identifier{temp("example.com"), {Domain: "example.com", Result: dmarc.Pass}}}, dmarc.Pass},
		"existence":                           {zone{"_dmarc.example.com": reject + "; np=none", "sub.example.com": "!fail"}, from("sub.example.com"), dmarc.TempError},
		"existence makes no difference":       {zone{"_dmarc.example.com": reject + "; np=reject", "sub.example.com": "!fail"}, from("sub.example.com"), dmarc.Fail},
		"SPF permerror is no DMARC temperror": {ok, dmarc.Input{From: []string{"example.com"}, SPF: dmarc.Identifier{Domain: "example.com", Result: dmarc.PermError}}, dmarc.Fail},
	} {
		v, _ := tc.zone.evaluate(t, tc.in)
		if v.Result != tc.want || v.Result != dmarc.Fail && v.Wish != dmarc.PolicyNone {
			t.Errorf("%s: %+v, want %s", name, v, tc.want)
		}
	}
	// A deadline that has passed asks nothing.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var asked []string
	if v := ok.dns(&asked).Evaluate(ctx, from("example.com")); v.Result != dmarc.TempError || len(asked) > 0 {
		t.Errorf("after the deadline: %+v, asked %q", v, asked)
	}
}

// Records that cannot be used. RFC 9989 4.10.1, RFC 9989 9.2.
func TestUnusableRecords(t *testing.T) {
	t.Parallel()
	for record, want := range map[string]dmarc.Result{
		"v=DMARC1; p=foo":            dmarc.PermError,
		"v=DMARC1; p=reject; sp=foo": dmarc.PermError,
		"v=DMARC1":                   dmarc.None,
		"v=DMARC1; p=foo; rua=mailto:a@example.com":          dmarc.Fail,
		"v=DMARC1; p=reject; np=x; rua=mailto:a@example.com": dmarc.Fail,
		"v=DMARC1; rua=mailto:a@example.com":                 dmarc.Fail,
		"v=DMARC1; p=reject; rua=foo":                        dmarc.Fail,
	} {
		v, _ := zone{"_dmarc.example.com": record}.evaluate(t, from("example.com"))
		wish := dmarc.PolicyNone
		if record == "v=DMARC1; p=reject; rua=foo" {
			wish = dmarc.PolicyReject
		}
		if v.Result != want || v.Wish != wish {
			t.Errorf("%s: %+v, want %s", record, v, want)
		}
	}
}

// Several authors, none, and such that are none. RFC 9989 5.3.1, RFC 9989 11.5.
func TestAuthors(t *testing.T) {
	t.Parallel()
	z := zone{"_dmarc.r.example": "v=DMARC1; p=reject", "_dmarc.q.example": "v=DMARC1; p=quarantine", "_dmarc.n.example": "v=DMARC1; p=none", "_dmarc.t.example": "!fail", "_dmarc.s.example": "v=DMARC1; p=reject"}
	for name, tc := range map[string]struct {
		from   []string
		result dmarc.Result
		wish   dmarc.Policy
		author string
	}{
		"none":                       {nil, dmarc.None, "none", ""},
		"no domain":                  {[]string{""}, dmarc.None, "none", ""},
		"a literal":                  {[]string{"[192.0.2.1]"}, dmarc.None, "none", ""},
		"one twice":                  {[]string{"mine.r.example", "MINE.r.example."}, dmarc.Pass, "none", "mine.r.example"},
		"the strictest counts":       {[]string{"n.example", "s.example", "q.example"}, dmarc.Fail, "reject", "s.example"},
		"mine and the victim's":      {[]string{"mine.r.example", "q.example"}, dmarc.Fail, "quarantine", "q.example"},
		"mine and one without":       {[]string{"mine.r.example", "x.example"}, dmarc.None, "none", "x.example"},
		"mine and a literal":         {[]string{"mine.r.example", "[192.0.2.1]"}, dmarc.None, "none", ""},
		"the DNS fails for one":      {[]string{"n.example", "t.example"}, dmarc.TempError, "none", "t.example"},
		"the DNS fails, one is sure": {[]string{"t.example", "q.example"}, dmarc.Fail, "quarantine", "q.example"},
		"too many":                   {[]string{"a.example", "b.example", "c.example", "d.example", "r.example"}, dmarc.PermError, "none", ""},
	} {
		v, _ := z.evaluate(t, dmarc.Input{From: tc.from, SPF: spf("mine.r.example")})
		if v.Result != tc.result || v.Wish != tc.wish || v.Author != tc.author {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// However many signatures and labels a message has, the questions have a bound.
func TestQueriesAreBounded(t *testing.T) {
	t.Parallel()
	z := zone{"_dmarc.evil.example": "v=DMARC1; p=reject"}
	in := dmarc.Input{From: []string{"a.b.c.d.e.f.g.h.evil.example", "b.evil.example", "c.evil.example", "evil.example"}, SPF: spf("spf.a.b.c.d.e.f.evil.example")}
	for i := range 5000 {
		in.DKIM = append(in.DKIM, dmarc.Identifier{Domain: fmt.Sprintf("a.b.c.d%d.e.f.g%d.evil.example", i, i), Result: dmarc.TempError})
	}
	if _, asked := z.evaluate(t, in); len(asked) > dmarc.MaxQueries {
		t.Errorf("%d questions", len(asked))
	}
	long := strings.Repeat("a.", 124) + "com"
	if v, asked := z.evaluate(t, from(long)); v.Result != dmarc.None || len(asked) != 7 {
		t.Errorf("a name too long for _dmarc in front: %+v, asked %q", v, asked)
	}
}

// Whatever is in the DNS: no wish without a fail, no pass without an aligned pass, never more than eight questions for an author alone.
func TestEvaluateProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`([ab]\.){0,9}[ab]`)
		z := zone{}
		for range rapid.IntRange(0, 6).Draw(t, "records") {
			at := "_dmarc." + name.Draw(t, "at")
			z[at] = rapid.SampledFrom([]string{"!fail", "v=spf1", "v=DMARC1; p=x|v=DMARC1"}).Draw(t, "odd")
			if rapid.Bool().Draw(t, "sound") {
				z[at] = genRecord(t).String()
			}
		}
		results := rapid.SampledFrom([]dmarc.Result{dmarc.Pass, dmarc.Fail, dmarc.TempError, "softfail"})
		in := dmarc.Input{From: []string{name.Draw(t, "from")}, SPF: dmarc.Identifier{Domain: name.Draw(t, "spf"), Result: results.Draw(t, "result")}}
		var asked []string
		v := z.dns(&asked).Evaluate(context.Background(), in)
		switch {
		case v.Result != dmarc.Fail && v.Wish != dmarc.PolicyNone:
			t.Fatalf("a wish without a fail: %+v", v)
		case (v.Result == dmarc.Pass) != (v.AlignedSPF || v.AlignedDKIM):
			t.Fatalf("pass and alignment differ: %+v", v)
		case v.AlignedSPF && in.SPF.Result != dmarc.Pass:
			t.Fatalf("aligned without a pass: %+v", v)
		case v.AlignedSPF && v.Record.StrictSPF && in.SPF.Domain != v.Author:
			t.Fatalf("strict: %+v", v)
		case len(asked) > 17:
			t.Fatalf("asked %d", len(asked))
		}
		seen := slices.Clone(asked)
		slices.Sort(seen)
		if len(slices.Compact(seen)) != len(asked) {
			t.Fatalf("asked twice: %q", asked)
		}
	})
}

// Addresses in other organizations. RFC 9990 4, RFC 9989 B.2.3.
func TestDestinations(t *testing.T) {
	t.Parallel()
	const yes = "v=DMARC1;"
	z := zone{
		"_dmarc.example.com": "v=DMARC1; p=none", "_dmarc.example.net": "v=DMARC1; p=none", "_dmarc.com": "",
		"example.com._report._dmarc.thirdparty.example.net": yes,
		"example.com._report._dmarc.moved.example.net":      "v=DMARC1; rua=mailto:new@moved.example.net",
		"example.com._report._dmarc.loop.example.net":       "v=DMARC1; rua=mailto:new@loop.example.net,mailto:x@victim.example",
		"example.com._report._dmarc.spf.example.net":        "v=spf1 -all",
		"example.com._report._dmarc.lame.example.net":       "!fail",
		"example.com._report._dmarc.two.example.net":        yes + "|v=DMARC1; p=none",
		"example.com._report._dmarc.failures.example.net":   "v=DMARC1; ruf=mailto:f@failures.example.net",
		"_dmarc.lame.example.com":                           "!fail",
	}
	for text, want := range map[string]string{
		"mailto:a@example.com":                                           "mailto:a@example.com yes",
		"mailto:a@sub.example.com":                                       "mailto:a@sub.example.com yes",
		"mailto:a@thirdparty.example.net":                                "mailto:a@thirdparty.example.net yes",
		"mailto:a@moved.example.net":                                     "mailto:new@moved.example.net yes",
		"mailto:a@loop.example.net":                                      "mailto:a@loop.example.net no",
		"mailto:a@spf.example.net":                                       "mailto:a@spf.example.net no",
		"mailto:a@victim.example":                                        "mailto:a@victim.example no",
		"mailto:a@lame.example.net":                                      "mailto:a@lame.example.net later",
		"mailto:a@lame.example.com":                                      "mailto:a@lame.example.com later",
		"mailto:a@two.example.net":                                       "mailto:a@two.example.net yes",
		"mailto:a@failures.example.net":                                  "mailto:a@failures.example.net yes",
		"https://thirdparty.example.net/":                                "https://thirdparty.example.net/ yes",
		"gopher://example.com/":                                          "",
		"mailto:a@" + strings.Repeat("long.", 48) + "example":            "mailto:a@" + strings.Repeat("long.", 48) + "example no",
		"mailto:a@example.com,mailto:a@example.com,mailto:b@example.com": "mailto:a@example.com yes, mailto:b@example.com yes",
	} {
		r, err := dmarc.Parse("v=DMARC1; p=none; rua=" + text)
		if err != nil {
			t.Fatal(err)
		}
		var asked, got []string
		for _, d := range z.dns(&asked).Destinations(t.Context(), "Example.com", r, dmarc.AggregateReport) {
			word := "no"
			if d.Allowed {
				word = "yes"
			} else if d.Retry {
				word = "later"
			}
			if !d.Allowed && d.Reason == "" {
				t.Errorf("%s: no reason", text)
			}
			got = append(got, d.URI.Text+" "+word)
		}
		if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	r, _ := dmarc.Parse("v=DMARC1; p=none; ruf=mailto:a@failures.example.net")
	var asked []string
	if all := z.dns(&asked).Destinations(t.Context(), "example.com", r, dmarc.FailureReport); len(all) != 1 || all[0].URI.Text != "mailto:f@failures.example.net" || !all[0].Allowed {
		t.Errorf("failure reports: %+v", all)
	}
	if got := dmarc.Authorisation("example.com", "r.example"); got != "example.com._report._dmarc.r.example" {
		t.Error(got)
	}
}

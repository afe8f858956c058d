package mtasts_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/proto/tlsrpt"
)

// RFC 8461 3.1, RFC 8461 3.2.
func TestParseRecord(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		texts []string
		id    string
		err   error
	}{
		"the example":          {[]string{"v=STSv1; id=20160831085700Z;"}, "20160831085700Z", nil},
		"no space, no end":     {[]string{"v=STSv1;id=1"}, "1", nil},
		"much space":           {[]string{"v=STSv1 \t; \tid=1 \t; "}, "1", nil},
		"extensions":           {[]string{"v=STSv1; x-y.z=!foo; id=1; a_b=1"}, "1", nil},
		"the first id counts":  {[]string{"v=STSv1; id=1; id=2"}, "1", nil},
		"others are discarded": {[]string{"v=spf1 -all", "v=STSv2; id=2", "v=STSv1", "v=STSv1; id=1"}, "1", nil},
		"two":                  {[]string{"v=STSv1; id=1", "v=STSv1; id=1"}, "", mtasts.ErrManyRecords},
		"two, one is unsound":  {[]string{"v=STSv1; id=1", "v=STSv1; "}, "", mtasts.ErrManyRecords},
		"none":                 {nil, "", mtasts.ErrNoRecord},
		"case":                 {[]string{"v=stsv1; id=1"}, "", mtasts.ErrNoRecord},
		"not first":            {[]string{"id=1; v=STSv1;"}, "", mtasts.ErrNoRecord},
		"space in front":       {[]string{" v=STSv1; id=1"}, "", mtasts.ErrNoRecord},
		"no id":                {[]string{"v=STSv1; a=b"}, "", mtasts.ErrBadRecord},
		"an empty id":          {[]string{"v=STSv1; id="}, "", mtasts.ErrBadRecord},
		"a long id":            {[]string{"v=STSv1; id=" + strings.Repeat("1", 33)}, "", mtasts.ErrBadRecord},
		"a strange id":         {[]string{"v=STSv1; id=a-b"}, "", mtasts.ErrBadRecord},
		"space inside":         {[]string{"v=STSv1; id = 1"}, "", mtasts.ErrBadRecord},
		"no value":             {[]string{"v=STSv1; id=1; x"}, "", mtasts.ErrBadRecord},
		"endless":              {[]string{"v=STSv1; id=1;" + strings.Repeat(" ", 9000)}, "", mtasts.ErrNoRecord},
	} {
		if id, err := mtasts.ParseRecord(tc.texts); id != tc.id || !errors.Is(err, tc.err) {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
	if text, err := mtasts.FormatRecord("a1"); err != nil || text != "v=STSv1; id=a1" {
		t.Errorf("%q, %v", text, err)
	}
	for _, bad := range []string{"", "a b", "a;b", strings.Repeat("a", 33)} {
		if text, err := mtasts.FormatRecord(bad); err == nil {
			t.Errorf("%q became %q", bad, text)
		}
	}
	if mtasts.Name("a.example") != "_mta-sts.a.example" || mtasts.Host("a.example") != "mta-sts.a.example" || mtasts.URL("a.example") != "https://mta-sts.a.example/.well-known/mta-sts.txt" {
		t.Error("names")
	}
}

// RFC 8461 3.2, RFC 8461 3.3.
func TestParsePolicy(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	sound := mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"mail.example.com", "*.example.net", "backupmx.example.com"}, MaxAge: 7 * day}
	const example = "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\nmax_age: 604800\n"
	for text, want := range map[string]mtasts.Policy{
		example: sound,
		strings.ReplaceAll(example, "\n", "\r\n"):                                       sound,
		strings.TrimSuffix(example, "\n"):                                               sound,
		strings.ReplaceAll(example, ": ", ":"):                                          sound,
		strings.ReplaceAll(example, "\n", " \t\n\n"):                                    sound,
		"x-y: z\u00e9\n" + example + "mode: none\nversion: 2\nmax_age: x\n":             sound,
		"max_age: 86400\nmx: A.example\nmode: testing\nversion: STSv1":                  {Mode: mtasts.Testing, MX: []string{"a.example"}, MaxAge: day},
		"version: STSv1\nmode: none\nmax_age: 86400":                                    {Mode: mtasts.None, MaxAge: day},
		"version: STSv1\nmode: testing\nmx: *.b\u00fccher.example\nmax_age: 9999999999": {Mode: mtasts.Testing, MX: []string{"*.xn--bcher-kva.example"}, MaxAge: mtasts.MaxAge},
		"version: STSv1\nmode: enforce\nmx: a.example.\nmax_age: 0":                     {Mode: mtasts.Enforce, MX: []string{"a.example"}},
	} {
		got, err := mtasts.ReadPolicy(iotest.OneByteReader(strings.NewReader(text)))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"": "no version", "<html>": "no line", "mode: enforce\nmx: a\nmax_age: 1": "no version",
		"version: STSv1\nmx: a\nmax_age: 1":                                                     "no mode",
		"version: STSv1\nmode: testing\nmx: a":                                                  "no max_age",
		"version: STSv1\nmode: testing\nmax_age: 1":                                             "no mx",
		"version: STSv2\nmode: none\nmax_age: 1":                                                "version",
		"version: STSv1\nmode: Enforce\nmx: a\nmax_age: 1":                                      "mode",
		"version: STSv1\nmode: none\nmax_age: -1":                                               "max_age",
		"version: STSv1\nmode: none\nmax_age: 00000000001":                                      "max_age",
		"version: STSv1\nmode: none\nmax_age: 1.5":                                              "max_age",
		"version: STSv1\nmode: testing\nmx: *\nmax_age: 1":                                      "mx",
		"version: STSv1\nmode: testing\nmx: *.\nmax_age: 1":                                     "mx",
		"version: STSv1\nmode: testing\nmx: a.*.example\nmax_age: 1":                            "mx",
		"version: STSv1\nmode: testing\nmx: [192.0.2.1]\nmax_age: 1":                            "mx",
		"version: STSv1\nmode: testing\nmx: a b\nmax_age: 1":                                    "mx",
		"version: STSv1\nmode: none\nmax_age: 1\nx: \xff":                                       "no line",
		"version: STSv1\nmode: none\nmax_age: 1\nx: \x00":                                       "no line",
		"version: STSv1\rmode: none\rmax_age: 1":                                                "no line",
		"version : STSv1\nmode: none\nmax_age: 1":                                               "no line",
		"version: STSv1\nmode: testing\nmax_age: 1" + strings.Repeat("\nmx: a", mtasts.MaxMX+1): "more than",
		strings.Repeat("a: b\n", 20000):                                                         "larger",
	} {
		p, err := mtasts.ReadPolicy(strings.NewReader(text))
		if !errors.Is(err, mtasts.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%.60q: %+v, %v, want %q", text, p, err, want)
		}
	}
	if _, err := mtasts.ReadPolicy(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, mtasts.ErrInvalid) {
		t.Errorf("the error of the reader: %v", err)
	}
	if err := (mtasts.Policy{Mode: mtasts.Enforce, MaxAge: day}).Check(); err == nil {
		t.Error("a policy without mx can be published")
	}
	if err := sound.Check(); err != nil {
		t.Error(err)
	}
}

// RFC 8461 4.1; A-labels and U-labels are the same name (RFC 5890 2.3.2.1).
func TestMatch(t *testing.T) {
	t.Parallel()
	p := mtasts.Policy{MX: []string{"mail.example.com", "*.example.net", "xn--bcher-kva.example", "*.xn--bcher-kva.example"}}
	for host, want := range map[string]bool{
		"mail.example.com": true, "MAIL.Example.com.": true, "example.com": false, "a.mail.example.com": false, "xmail.example.com": false,
		"a.example.net": true, "example.net": false, "a.b.example.net": false, "aexample.net": false, "*.example.net": false,
		"b\u00fccher.example": true, "mx.b\u00fccher.example": true, "mx.XN--BCHER-KVA.example": true, "mx.bucher.example": false,
		"": false, ".example.net": false, "[192.0.2.1]": false,
	} {
		if got := p.Match(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// Every mode with every match and every outcome of TLS. RFC 8461 4, RFC 8461 4.1, RFC 8461 5, RFC 8460 4.3, RFC 8460 4.3.1, RFC 8460 4.3.3.
func TestEveryModeAndResult(t *testing.T) {
	t.Parallel()
	outcomes := map[mtasts.TLS]tlsrpt.ResultType{
		mtasts.Verified: "", mtasts.NotOffered: "starttls-not-supported", mtasts.Broken: "validation-failure", mtasts.WrongName: "certificate-host-mismatch",
		mtasts.ExpiredCert: "certificate-expired", mtasts.UntrustedCert: "certificate-not-trusted", mtasts.NotTried: "",
	}
	for _, mode := range []mtasts.Mode{"", mtasts.None, mtasts.Testing, mtasts.Enforce} {
		var p *mtasts.Policy
		if mode != "" {
			p = &mtasts.Policy{Mode: mode, MX: []string{"mx.example"}, MaxAge: time.Hour}
		}
		for host, match := range map[string]bool{"mx.example": true, "evil.example": false} {
			for tls, kind := range outcomes {
				var want mtasts.Verdict
				if mode == mtasts.Testing || mode == mtasts.Enforce {
					if !match {
						want = mtasts.Verdict{Failed: true, Type: "validation-failure", ReasonCode: mtasts.ReasonMX}
					} else if kind != "" {
						want = mtasts.Verdict{Failed: true, Type: kind}
					}
					if want.Failed && mode == mtasts.Enforce {
						want.Action = mtasts.Skip
					}
				}
				if got := p.Judge(host, tls); got != want {
					t.Errorf("mode %q, match %v, TLS %d: %+v, want %+v", mode, match, tls, got, want)
				}
			}
			if got := p.Admit(host).Action; got != map[bool]mtasts.Action{true: mtasts.Skip}[mode == mtasts.Enforce && !match] {
				t.Errorf("mode %q, match %v: admitted %d", mode, match, got)
			}
		}
	}
	skip := mtasts.Verdict{Action: mtasts.Skip}
	if mtasts.Conclude(skip, mtasts.Verdict{}, skip) != mtasts.Deliver || mtasts.Conclude(skip, skip) != mtasts.Defer || mtasts.Conclude() != mtasts.Defer {
		t.Error("Conclude")
	}
}

// RFC 8460 4.3.2.2, RFC 8460 4.4.
func TestReports(t *testing.T) {
	t.Parallel()
	for f, want := range map[mtasts.Fault]tlsrpt.ResultType{mtasts.FetchFailed: "sts-policy-fetch-error", mtasts.CertRefused: "sts-webpki-invalid", mtasts.PolicyInvalid: "sts-policy-invalid"} {
		if got := mtasts.FetchFault(f); got != want {
			t.Errorf("%d: %s", f, got)
		}
	}
	p := mtasts.Policy{Mode: mtasts.Testing, MX: []string{"*.mail.company-y.example"}, MaxAge: 24 * time.Hour}
	want := tlsrpt.Policy{Type: "sts", Domain: "company-y.example", MX: p.MX, String: []string{"version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"}}
	if diff := cmp.Diff(want, p.Reported("company-y.example")); diff != "" {
		t.Error(diff)
	}
	var none *mtasts.Policy
	if got := none.Reported("x"); got.Type != "no-policy-found" || got.Domain != "x" {
		t.Errorf("%+v", got)
	}
}

// What the cache says, by age, record and earlier failures. RFC 8461 3.3, RFC 8461 5.1, RFC 8461 8.1.
func TestDecide(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	policy := mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"mx.example"}, MaxAge: 7 * 24 * time.Hour}
	aged := func(age time.Duration) mtasts.Entry { return mtasts.Entry{}.Got(policy, "1", now.Add(-age)) }
	for name, tc := range map[string]struct {
		entry mtasts.Entry
		id    string
		fetch mtasts.Fetch
		has   bool
	}{
		"never met, no record":         {mtasts.Entry{}, "", mtasts.FetchNot, false},
		"never met":                    {mtasts.Entry{}, "1", mtasts.FetchFirst, false},
		"the fetch failed just now":    {mtasts.Entry{}.Missed("1", now.Add(-time.Minute)), "1", mtasts.FetchNot, false},
		"it failed a while ago":        {mtasts.Entry{}.Missed("1", now.Add(-5*time.Minute)), "1", mtasts.FetchFirst, false},
		"it failed for another":        {mtasts.Entry{}.Missed("0", now), "1", mtasts.FetchFirst, false},
		"it failed in the future":      {mtasts.Entry{}.Missed("1", now.Add(time.Hour)), "1", mtasts.FetchFirst, false},
		"fresh":                        {aged(time.Hour), "1", mtasts.FetchNot, true},
		"fresh, no record":             {aged(time.Hour), "", mtasts.FetchNot, true},
		"old, no record":               {aged(6 * 24 * time.Hour), "", mtasts.FetchNot, true},
		"old":                          {aged(24 * time.Hour), "1", mtasts.FetchBehind, true},
		"old, the fetch failed":        {aged(25*time.Hour).Missed("1", now), "1", mtasts.FetchNot, true},
		"changed":                      {aged(time.Hour), "2", mtasts.FetchFirst, true},
		"changed, the fetch failed":    {aged(time.Hour).Missed("2", now.Add(-time.Second)), "2", mtasts.FetchNot, true},
		"changed, and again":           {aged(time.Hour).Missed("2", now), "3", mtasts.FetchFirst, true},
		"expired":                      {aged(7 * 24 * time.Hour), "1", mtasts.FetchFirst, false},
		"expired, no record":           {aged(8 * 24 * time.Hour), "", mtasts.FetchNot, false},
		"expired, the fetch failed":    {aged(8*24*time.Hour).Missed("1", now), "1", mtasts.FetchNot, false},
		"from the future":              {aged(-time.Hour), "1", mtasts.FetchBehind, true},
		"no age":                       {mtasts.Entry{}.Got(mtasts.Policy{Mode: mtasts.Enforce}, "1", now), "1", mtasts.FetchFirst, false},
		"a short age is renewed early": {mtasts.Entry{}.Got(mtasts.Policy{Mode: mtasts.Testing, MaxAge: time.Hour}, "1", now.Add(-30*time.Minute)), "1", mtasts.FetchBehind, true},
	} {
		d := tc.entry.Decide(tc.id, now)
		if d.Fetch != tc.fetch || (d.Policy != nil) != tc.has {
			t.Errorf("%s: %+v", name, d)
		}
	}
	e := aged(time.Hour)
	if e.MayGiveUp("2", now) || !e.MayGiveUp("1", now) || !e.MayGiveUp("", now) || !e.Missed("2", now).MayGiveUp("2", now) {
		t.Error("MayGiveUp")
	}
	if e.Useless(now) || e.Missed("2", now).Useless(now) || !aged(8*24*time.Hour).Useless(now) || (mtasts.Entry{}).Missed("1", now).Useless(now) || !(mtasts.Entry{}).Useless(now) {
		t.Error("Useless")
	}
	if renewed := e.Missed("2", now).Got(policy, "2", now); renewed.Failed != (time.Time{}) || renewed.Decide("2", now).Fetch != mtasts.FetchNot {
		t.Errorf("after a fetch: %+v", renewed)
	}
}

// Whatever happens in whatever order, a policy counts from its fetch until it expires or is replaced, and never longer. RFC 8461 3.3.
func TestCacheProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_800_000_000, 0)
		var e mtasts.Entry
		var until time.Time
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 100_000).Draw(t, "seconds")) * time.Second)
			id := rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(t, "id")
			d := e.Decide(id, now)
			if (d.Policy != nil) != now.Before(until) {
				t.Fatalf("at %v with a policy until %v: %+v", now, until, d)
			}
			if id == "" && d.Fetch != mtasts.FetchNot || d.Fetch == mtasts.FetchBehind && d.Policy == nil {
				t.Fatalf("%+v", d)
			}
			if d.Fetch != mtasts.FetchNot {
				if rapid.Bool().Draw(t, "succeeds") {
					p := mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"x"}, MaxAge: time.Duration(rapid.Int64Range(1, 400_000).Draw(t, "age")) * time.Second}
					e, until = e.Got(p, id, now), now.Add(p.MaxAge)
				} else {
					e = e.Missed(id, now)
				}
			}
		}
	})
}

// What is written is read as the same; its identifier is sound and changes with it. RFC 8461 3.2, RFC 8461 8.1.
func TestPolicyRoundTrip(t *testing.T) {
	t.Parallel()
	gen := rapid.Custom(func(t *rapid.T) mtasts.Policy {
		p := mtasts.Policy{Mode: rapid.SampledFrom([]mtasts.Mode{mtasts.Enforce, mtasts.Testing}).Draw(t, "mode"), MX: rapid.SliceOfN(rapid.StringMatching(`(\*\.)?[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){0,3}`), 1, 5).Draw(t, "mx"),
			MaxAge: time.Duration(rapid.Int64Range(0, int64(mtasts.MaxAge/time.Second)).Draw(t, "age")) * time.Second}
		return p
	})
	rapid.Check(t, func(t *rapid.T) {
		p, q := gen.Draw(t, "p"), gen.Draw(t, "q")
		got, err := mtasts.ParsePolicy(p.String())
		if diff := cmp.Diff(p, got); err != nil || diff != "" {
			t.Fatalf("%q: %v %s", p, err, diff)
		}
		text, err := mtasts.FormatRecord(mtasts.ID(p))
		if id, again := mtasts.ParseRecord([]string{text}); err != nil || again != nil || id != mtasts.ID(p) {
			t.Fatalf("%q: %v, %v", text, err, again)
		}
		if (mtasts.ID(p) == mtasts.ID(q)) != cmp.Equal(p, q) {
			t.Fatalf("%+v and %+v", p, q)
		}
	})
}

// RFC 8461 3.2.
func FuzzPolicy(f *testing.F) {
	f.Add("version: STSv1\r\nmode: enforce\r\nmx: *.example.net\r\nmax_age: 604800\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := mtasts.ParsePolicy(text)
		if err != nil {
			if !errors.Is(err, mtasts.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		again, err := mtasts.ParsePolicy(p.String())
		if diff := cmp.Diff(p, again); err != nil || diff != "" {
			t.Fatalf("%q: %v %s", text, err, diff)
		}
	})
}

// RFC 8461 3.1.
func FuzzRecord(f *testing.F) {
	f.Add("v=STSv1; id=20160831085700Z; x=y")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := mtasts.ParseRecord([]string{text})
		if err != nil {
			return
		}
		if _, err := mtasts.FormatRecord(id); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

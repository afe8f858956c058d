package records

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/seal"
)

// live is a DNS for tests: "name TYPE" to data as in a zone file.
type live map[string][]string

// Check implements Asker.
func (l live) Check(ctx context.Context, name, qtype string) (dns.Verdict, error) {
	if err := ctx.Err(); err != nil {
		return dns.Verdict{}, mail.Errorf(mail.Unavailable, "no time is left: %w", err)
	}
	switch list := l[name+" "+qtype]; {
	case slices.Contains(list, "FAIL"):
		return dns.Verdict{}, mail.Errorf(mail.Unavailable, "the name servers do not answer")
	case slices.Contains(list, "BOGUS"):
		return dns.Verdict{Security: dns.Bogus, Reason: "a signature has expired."}, nil
	case len(list) > 0:
		return dns.Verdict{Status: dns.Found, Name: name, Records: list}, nil
	}
	if alias := l[name+" CNAME"]; len(alias) == 1 {
		v, err := l.Check(ctx, hostOf(alias[0]), qtype)
		return v, err
	}
	return dns.Verdict{Status: dns.NoData, Name: name}, nil
}

func liveOf(all []Record) live {
	l := live{}
	for _, r := range all {
		l[r.Name+" "+r.Type] = append(l[r.Name+" "+r.Type], r.Value)
	}
	return l
}

func TestCompareFindsNothing(t *testing.T) {
	t.Parallel()
	want := Of(full(t))
	for name, change := range map[string]func(live){
		"as it is written": func(live) {},
		"other letters":    func(l live) { l["example.com MX"] = []string{"5 MX.Example.COM."} },
		"others' texts": func(l live) {
			l["example.com TXT"] = append(l["example.com TXT"], `"google-site-verification=x"`, `"v=other1 x"`)
		},
		"more in the SPF record": func(l live) { l["example.com TXT"] = []string{`"v=spf1 include:_spf.example.net mx ~all"`} },
		"SPF by address":         func(l live) { l["example.com TXT"] = []string{`"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::25 -all"`} },
		"SPF by the host's name": func(l live) { l["example.com TXT"] = []string{`"v=spf1 a:mx.example.com -all"`} },
		"SPF elsewhere":          func(l live) { l["example.com TXT"] = []string{`"v=spf1 redirect=_spf.example.net"`} },
		"a stricter policy": func(l live) {
			l["_dmarc.example.com TXT"] = []string{`"v=DMARC1; p=reject; rua=mailto:dmarc@example.com,mailto:x@example.org"`}
		},
		"an address for an alias": func(l live) {
			delete(l, "autoconfig.example.com CNAME")
			l["autoconfig.example.com A"] = []string{"192.0.2.25"}
		},
		"CAA of the domain": func(l live) {
			delete(l, "mx.example.com CAA")
			l["example.com CAA"] = []string{`0 iodef "mailto:x@example.com"`, `0 issue "letsencrypt.org"`}
		},
		"TLSA in groups": func(l live) {
			l["_25._tcp.mx.example.com TLSA"] = []string{"3 1 1 " + strings.Repeat("AB", 16) + " " + strings.Repeat("AB", 16)}
		},
		"SRV with other priorities": func(l live) { l["_imaps._tcp.example.com SRV"] = []string{"7 9 993 mx.example.com."} },
		"a second name": func(l live) {
			l["25.2.0.192.in-addr.arpa PTR"] = append(l["25.2.0.192.in-addr.arpa PTR"], "www.example.com.")
		},
		"DKIM with other tags": func(l live) {
			k := l["e1._domainkey.example.com TXT"]
			k[0] = strings.Replace(k[0], "; ", ";n=ours; ", 1)
		},
	} {
		l := liveOf(want)
		change(l)
		for _, d := range Compare(t.Context(), l, want) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// One broken thing, one difference. RFC 7208 4.5, RFC 6376 3.6.2.2, RFC 9989 4.7, RFC 8461 3.1, RFC 8460 3, RFC 7671 8.1, RFC 8659 3, RFC 7505 3.
func TestCompare(t *testing.T) {
	t.Parallel()
	put := func(name string, values ...string) func(live) { return func(l live) { l[name] = values } }
	add := func(name string, values ...string) func(live) {
		return func(l live) { l[name] = append(l[name], values...) }
	}
	for _, c := range []struct {
		name   string
		change func(live)
		kind   Kind
		record string // name and type
		text   string // a part of the sentence
		link   string
	}{
		{"no MX", put("example.com MX"), Missing, "example.com MX", "no MX record", "mx"},
		{"MX to another host", put("example.com MX", "10 old.example.net."), Differs, "example.com MX", "goes to old.example.net and not", "mx"},
		{"one MX too many", add("example.com MX", "20 backup.example.net."), Superfluous, "example.com MX", "may also go to backup.example.net", "mx"},
		{"null MX", put("example.com MX", "0 ."), Differs, "example.com MX", "takes no mail", "mx"},
		{"null MX beside ours", add("example.com MX", "0 ."), Superfluous, "example.com MX", "no host at all", "mx"},
		{"no A", put("mx.example.com A"), Missing, "mx.example.com A", "does not lead to 192.0.2.25", "mx"},
		{"no AAAA", put("mx.example.com AAAA"), Missing, "mx.example.com AAAA", "does not lead to 2001:db8::25", "mx"},
		{"one address too many", add("mx.example.com A", "192.0.2.99"), Superfluous, "mx.example.com A", "also leads to 192.0.2.99", "mx"},
		{"no PTR", put("25.2.0.192.in-addr.arpa PTR"), Missing, "25.2.0.192.in-addr.arpa PTR", "has no name", "no-ptr"},
		{"another PTR", put("25.2.0.192.in-addr.arpa PTR", "static-25.isp.test."), Differs, "25.2.0.192.in-addr.arpa PTR", "has the name static-25.isp.test", "no-ptr"},
		{"no SPF", put("example.com TXT", `"something"`), Missing, "example.com TXT", "no SPF record", "spf"},
		{"two SPF records", add("example.com TXT", `"v=spf1 include:_spf.example.net ~all"`), Differs, "example.com TXT", "2 SPF records", "spf"},
		{"SPF without us", put("example.com TXT", `"v=spf1 ip4:198.51.100.1 -all"`), Differs, "example.com TXT", `does not have "mx"`, "spf"},
		{"SPF for half of us", put("example.com TXT", `"v=spf1 ip4:192.0.2.25 -all"`), Differs, "example.com TXT", `does not have "mx"`, "spf"},
		{"SPF for everybody", put("example.com TXT", `"v=spf1 mx +all"`), Differs, "example.com TXT", "everybody", "spf"},
		{"SPF that does not end", put("example.com TXT", `"v=spf1 mx"`), Differs, "example.com TXT", "other hosts", "spf"},
		{"no SPF of the host", put("mx.example.com TXT"), Missing, "mx.example.com TXT", "no SPF record at mx.example.com", "spf"},
		{"no DKIM key", put("r1._domainkey.example.com TXT"), Missing, "r1._domainkey.example.com TXT", "is not published", "dkim"},
		{"two DKIM keys at a name", add("r1._domainkey.example.com TXT", `"v=DKIM1; p="`), Differs, "r1._domainkey.example.com TXT", "2 texts", "dkim"},
		{"revoked", put("r1._domainkey.example.com TXT", `"v=DKIM1; p="`), Differs, "r1._domainkey.example.com TXT", "revoked", "dkim"},
		{"cut", put("r1._domainkey.example.com TXT", `"v=DKIM1; k=rsa; p=MIIBIjANBgkq"`), Differs, "r1._domainkey.example.com TXT", "cannot be read", "dkim"},
		{"no key at all", put("r1._domainkey.example.com TXT", `"v=spf1 -all"`), Differs, "r1._domainkey.example.com TXT", "", "dkim"},
		{"another key", func(l live) { l["r1._domainkey.example.com TXT"] = l["e1._domainkey.example.com TXT"] }, Differs, "r1._domainkey.example.com TXT", "another than", "dkim"},
		{"a key for other things", func(l live) {
			l["e1._domainkey.example.com TXT"] = []string{strings.Replace(l["e1._domainkey.example.com TXT"][0], "; p=", "; s=tlsrpt; p=", 1)}
		}, Differs, "e1._domainkey.example.com TXT", "forbids", "dkim"},
		{"no DMARC", put("_dmarc.example.com TXT"), Missing, "_dmarc.example.com TXT", "no DMARC record", "dmarc"},
		{"two DMARC records", add("_dmarc.example.com TXT", `"v=DMARC1; p=none"`), Differs, "_dmarc.example.com TXT", "2 DMARC records", "dmarc"},
		{"a weaker policy", put("_dmarc.example.com TXT", `"v=DMARC1; p=none; rua=mailto:dmarc@example.com"`), Differs, "_dmarc.example.com TXT", `asks for "none"`, "dmarc"},
		{"reports to others", put("_dmarc.example.com TXT", `"v=DMARC1; p=reject; rua=mailto:x@example.org"`), Differs, "_dmarc.example.com TXT", "does not have reports sent to", "dmarc"},
		{"no policy in DMARC", put("_dmarc.example.com TXT", `"v=DMARC1; p=maybe"`), Differs, "_dmarc.example.com TXT", "", "dmarc"},
		{"only a test", put("_dmarc.example.com TXT", `"v=DMARC1; p=quarantine; t=y; rua=mailto:dmarc@example.com"`), Differs, "_dmarc.example.com TXT", "only a test", "dmarc"},
		{"no MTA-STS", put("_mta-sts.example.com TXT"), Missing, "_mta-sts.example.com TXT", "No record at", "mta-sts"},
		{"another policy of TLS", put("_mta-sts.example.com TXT", `"v=STSv1; id=old"`), Differs, "_mta-sts.example.com TXT", "another policy", "mta-sts"},
		{"two MTA-STS records", add("_mta-sts.example.com TXT", `"v=STSv1; id=old"`), Differs, "_mta-sts.example.com TXT", "more than one", "mta-sts"},
		{"no host of the policy", put("mta-sts.example.com CNAME"), Missing, "mta-sts.example.com CNAME", "leads nowhere", "mta-sts"},
		{"another host of the policy", func(l live) {
			delete(l, "mta-sts.example.com CNAME")
			l["mta-sts.example.com A"] = []string{"198.51.100.7"}
		}, Differs,
			"mta-sts.example.com CNAME", "leads to 198.51.100.7", "mta-sts"},
		{"no TLSRPT", put("_smtp._tls.example.com TXT"), Missing, "_smtp._tls.example.com TXT", "where TLS failures", "reports"},
		{"TLSRPT to others", put("_smtp._tls.example.com TXT", `"v=TLSRPTv1; rua=mailto:x@example.org"`), Differs, "_smtp._tls.example.com TXT", "somebody else", "reports"},
		{"a broken TLSRPT", put("_smtp._tls.example.com TXT", `"v=TLSRPTv1; rua=nobody"`), Differs, "_smtp._tls.example.com TXT", "cannot be used", "reports"},
		{"no TLSA", put("_25._tcp.mx.example.com TLSA"), Missing, "_25._tcp.mx.example.com TLSA", "is missing", "dane"},
		{"a TLSA too many", add("_25._tcp.mx.example.com TLSA", "3 1 1 "+strings.Repeat("cd", 32)), Superfluous, "_25._tcp.mx.example.com TLSA", "not in use", "dane"},
		{"no CAA", put("mx.example.com CAA"), Missing, "mx.example.com CAA", "every authority", "certificate"},
		{"CAA of others", put("mx.example.com CAA", `0 issue "other.test"`), Differs, "mx.example.com CAA", "do not let letsencrypt.org", "certificate"},
		{"CAA of another account", put("mx.example.com CAA", `0 issue "letsencrypt.org; accounturi=https://acme.example/acct/2"`), Differs, "mx.example.com CAA", "to this server", "certificate"},
		{"CAA of the domain, of others", func(l live) { delete(l, "mx.example.com CAA"); l["example.com CAA"] = []string{`0 issue ";"`} }, Differs, "mx.example.com CAA",
			"of example.com do not let", "certificate"},
		{"no SRV", put("_imaps._tcp.example.com SRV"), Missing, "_imaps._tcp.example.com SRV", "is missing", "autoconfig"},
		{"SRV to another host", put("_imaps._tcp.example.com SRV", "0 1 993 imap.example.net."), Differs, "_imaps._tcp.example.com SRV", "imap.example.net", "autoconfig"},
		{"SRV to another port", put("_imaps._tcp.example.com SRV", "0 1 143 mx.example.com."), Differs, "_imaps._tcp.example.com SRV", "not to port 993", "autoconfig"},
		{"SRV for nothing", put("_pop3._tcp.example.com SRV", "0 1 110 mx.example.com."), Differs, "_pop3._tcp.example.com SRV", "not offered", "autoconfig"},
		{"no autoconfig", put("autoconfig.example.com CNAME"), Missing, "autoconfig.example.com CNAME", "leads nowhere", "autoconfig"},
		{"autodiscover elsewhere", func(l live) {
			l["autodiscover.example.com CNAME"], l["x.example.net A"] = []string{"x.example.net."}, []string{"198.51.100.7"}
		}, Differs, "autodiscover.example.com CNAME", "and not to this host", "autoconfig"},
		{"no answer", put("_dmarc.example.com TXT", "FAIL"), Unknown, "_dmarc.example.com TXT", "do not answer", "resolver"},
		{"a bogus answer", put("example.com MX", "BOGUS"), Unknown, "example.com MX", "signature has expired", "dnssec"},
		{"no answer for an alias", put("autoconfig.example.com A", "FAIL"), Unknown, "autoconfig.example.com CNAME", "do not answer", "resolver"},
		{"no answer about authorities", put("mx.example.com CAA", "FAIL"), Unknown, "mx.example.com CAA", "do not answer", "resolver"},
	} {
		want := Of(full(t))
		l := liveOf(want)
		c.change(l)
		got := Compare(t.Context(), l, want)
		if len(got) != 1 {
			t.Errorf("%s: %d differences: %+v", c.name, len(got), got)
			continue
		}
		d := got[0]
		if d.Kind != c.kind || d.Record.Name+" "+d.Record.Type != c.record || !strings.Contains(d.Text, c.text) || d.Link != "docs/problems.md#"+c.link || d.Remedy == "" {
			t.Errorf("%s: %+v", c.name, d)
		}
		if strings.HasSuffix(d.Text, "..") || !strings.HasSuffix(d.Text, ".") {
			t.Errorf("%s: no sentence: %s", c.name, d.Text)
		}
	}
}

// A host without an address of one family must not have one in the DNS; a certificate that was changed is two differences.
func TestCompareMore(t *testing.T) {
	t.Parallel()
	f := full(t)
	f.Addresses = f.Addresses[:1]
	want := Of(f)
	l := liveOf(want)
	l["mx.example.com AAAA"] = []string{"2001:db8::99"}
	got := slices.DeleteFunc(Compare(t.Context(), l, want), func(d Difference) bool { return d.Record.Name != "mx.example.com" })
	if len(got) != 1 || got[0].Kind != Superfluous || got[0].Record.Type != "AAAA" || got[0].Record.Value != "2001:db8::99" {
		t.Errorf("%+v", got)
	}
	want = Of(full(t))
	l = liveOf(want)
	l["_25._tcp.mx.example.com TLSA"] = []string{"3 1 1 " + strings.Repeat("cd", 32), "2 0 1 " + strings.Repeat("ef", 32)}
	got = Compare(t.Context(), l, want)
	if len(got) != 2 || got[0].Kind != Differs || got[1].Kind != Superfluous || !strings.Contains(got[0].Text, "will not send") {
		t.Errorf("%+v", got)
	}
	f = full(t)
	f.DMARCReports = []string{"d@reports.test"}
	want = Of(f)
	l = liveOf(want)
	delete(l, "example.com._report._dmarc.reports.test TXT")
	got = Compare(t.Context(), l, want)
	if len(got) != 1 || got[0].Kind != Missing || !strings.Contains(got[0].Remedy, "Ask whoever is in charge of") {
		t.Errorf("%+v", got)
	}
}

// What could not be asked in time is unknown, every record of it.
func TestCompareEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want := Of(full(t))
	got := Compare(ctx, liveOf(want), want)
	if len(got) != len(wishesOf(want)) || slices.ContainsFunc(got, func(d Difference) bool { return d.Kind != Unknown }) {
		t.Errorf("%d of %d: %+v", len(got), len(want), got)
	}
}

// A resolver that leaves DNSSEC to others is asked in its own way.
func TestPlain(t *testing.T) {
	t.Parallel()
	c := dns.New(dns.Config{Rounds: 1, Timeout: time.Millisecond})
	defer c.Close()
	v, err := Plain(c).Check(t.Context(), "example.com", "SRV")
	if err != nil || v.Status != dns.NoAnswer || v.Reason == "" {
		t.Errorf("%+v %v", v, err)
	}
}

// Whatever is in the DNS, the answer is sentences, and what is wanted stays wanted.
func FuzzCompare(f *testing.F) {
	f.Add("0 issue \"a; accounturi=x\"")
	f.Add("v=spf1 ip4:1.2.3.4/99 ip6:: a:mx.example.com +all")
	f.Add("\"v=DKIM1; p=AAAA\" \"")
	f.Add("3 1 1")
	f.Add("65536 . . .")
	all := []Record{
		{Name: "example.com", Type: "MX", Value: "10 mx.example.com."}, {Name: "mx.example.com", Type: "A", Value: "192.0.2.1"},
		{Name: "example.com", Type: "TXT", Value: `"v=spf1 mx -all"`}, {Name: "_dmarc.example.com", Type: "TXT", Value: `"v=DMARC1; p=reject; rua=mailto:a@example.com"`},
		{Name: "_mta-sts.example.com", Type: "TXT", Value: `"v=STSv1; id=1"`}, {Name: "_smtp._tls.example.com", Type: "TXT", Value: `"v=TLSRPTv1; rua=mailto:a@example.com"`},
		{Name: "s._domainkey.example.com", Type: "TXT", Value: `"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="`},
		{Name: "_25._tcp.mx.example.com", Type: "TLSA", Value: "3 1 1 " + strings.Repeat("ab", 32)}, {Name: "_imaps._tcp.example.com", Type: "SRV", Value: "0 1 993 mx.example.com."},
		{Name: "mx.example.com", Type: "CAA", Value: `0 issue "letsencrypt.org"`}, {Name: "1.2.0.192.in-addr.arpa", Type: "PTR", Value: "mx.example.com."},
		{Name: "autoconfig.example.com", Type: "CNAME", Value: "mx.example.com."}, {Name: "x.example.com", Type: "LOC", Value: "x"},
	}
	f.Fuzz(func(t *testing.T, value string) {
		l := live{"autoconfig.example.com A": {value}}
		for _, r := range all {
			l[r.Name+" "+r.Type] = []string{value, value}
		}
		for _, d := range Compare(t.Context(), l, all) {
			if d.Text == "" || d.Record.Name == "" {
				t.Errorf("%+v", d)
			}
		}
		if got := unquoted(value); len(got) > len(value) {
			t.Errorf("%q became %q", value, got)
		}
	})
}

// Keys that cannot be read are left out, and never shown.
func TestBrokenKey(t *testing.T) {
	t.Parallel()
	f := full(t)
	f.Keys = append(f.Keys, seal.Key{Domain: "example.com", Selector: "broken", Private: "SECRET"})
	if zone := written(t, Of(f)); strings.Contains(zone, "broken") || strings.Contains(zone, "SECRET") {
		t.Error(zone)
	}
}

package spf

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	library "blitiri.com.ar/go/spf"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/infra/dns"
)

// records makes a zone of lines "TYPE name data".
func records(lines ...string) *zone {
	z := &zone{records: map[string][][]string{}, names: map[string]bool{}, timeout: map[string]bool{}}
	for _, l := range lines {
		f := strings.SplitN(l, " ", 3)
		z.names[f[1]] = true
		data := []string{f[2]}
		if f[0] == "MX" {
			data = strings.Fields(f[2])
		}
		if f[0] == "TIMEOUT" {
			z.timeout[f[1]] = true
			continue
		}
		z.records[f[0]+" "+f[1]] = append(z.records[f[0]+" "+f[1]], data)
	}
	return z
}

func result(z Resolver, ip string) Outcome {
	return Check(context.Background(), z, Query{IP: netip.MustParseAddr(ip), Local: "ann", Domain: "example.com", Helo: "mx.example.com", Now: time.Unix(1e9, 0)})
}

// counting counts questions.
type counting struct {
	*zone
	asked int
}

func (c *counting) TXT(ctx context.Context, n string) (dns.Answer[[]string], error) {
	c.asked++
	return c.zone.TXT(ctx, n)
}

func (c *counting) Addresses(ctx context.Context, n string) (dns.Answer[[]netip.Addr], error) {
	c.asked++
	return c.zone.Addresses(ctx, n)
}

// Hostile records end soon, with a clear result. RFC 7208 4.6.4, RFC 7208 11.1.
func TestHostile(t *testing.T) {
	t.Parallel()
	var hosts []string
	for i := range 10 {
		hosts = append(hosts, fmt.Sprintf("MX mx.example.com 10 h%d.example.com", i))
	}
	many := strings.Repeat(" mx:mx.example.com", 200)
	for _, c := range []struct {
		name string
		zone []string
		want Result
		says string
		most int
	}{
		{"includes itself", []string{"TXT example.com v=spf1 include:example.com -all"}, PermError, "more than 10 questions", 11},
		{"redirects to itself", []string{"TXT example.com v=spf1 redirect=example.com"}, PermError, "more than 10 questions", 11},
		{"two that include each other", []string{"TXT example.com v=spf1 include:b.example -all", "TXT b.example v=spf1 include:example.com -all"}, PermError, "more than 10 questions", 11},
		{"many hosts many times", append(hosts, "TXT example.com v=spf1"+many), PermError, "more than 10 questions", 101},
		{"too long", []string{"TXT example.com v=spf1" + strings.Repeat(" ip4:192.0.2.1", 2000)}, PermError, "longer than", 1},
		{"too many terms", []string{"TXT example.com v=spf1" + strings.Repeat(" ?all", 2000)}, PermError, "more than 1000 terms", 1},
		{"void", []string{"TXT example.com v=spf1 a:a.example.org a:b.example.org a:c.example.org +all"}, PermError, "have no data", 4},
		{"binary", []string{"TXT example.com v=spf1 \x00all"}, PermError, "printable", 1},
		{"two records", []string{"TXT example.com v=spf1 -all", "TXT example.com v=spf1 +all"}, PermError, "2 of them", 1},
		{"slow", []string{"TIMEOUT example.com -"}, TempError, "does not answer", 1},
		{"slow include", []string{"TXT example.com v=spf1 include:b.example +all", "TIMEOUT b.example -"}, TempError, "does not answer", 2},
		{"slow after a match", []string{"TXT example.com v=spf1 ip4:192.0.2.1 include:b.example +all", "TIMEOUT b.example -"}, Pass, "may send", 1},
		{"macro that grows", []string{"TXT example.com v=spf1 exists:" + strings.Repeat("%{s}.%{h}.", 200) + "example.com -all"}, Fail, "may not", 2},
	} {
		z := &counting{zone: records(c.zone...)}
		got := result(z, "192.0.2.1")
		if got.Result != c.want || !strings.Contains(got.Reason, c.says) || z.asked > c.most {
			t.Errorf("%s: %s %q after %d questions, want %s %q", c.name, got.Result, got.Reason, z.asked, c.want, c.says)
		}
	}
}

// Explanations are shown to strangers: only what is harmless passes. RFC 7208 6.2.
func TestExplanation(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"%{i} is not one of %{d}'s; ask %{r} at %{t}": "192.0.2.1 is not one of example.com's; ask unknown at 1000000000",
		"line\r\nend":            "",
		"caf\xc3\xa9":            "",
		strings.Repeat("x", 999): strings.Repeat("x", MaxExplanation),
		"%{z}":                   "",
	} {
		got := result(records("TXT example.com v=spf1 -all exp=e.example.com", "TXT e.example.com "+text), "192.0.2.1")
		if got.Result != Fail || got.Explanation != want {
			t.Errorf("%q: %s %q, want %q", text, got.Result, got.Explanation, want)
		}
	}
}

// theirs is a zone as the library wants it.
type theirs struct{ z *zone }

func dnsError(status dns.Status, err error) error {
	switch {
	case err != nil:
		return &net.DNSError{Err: "time", IsTimeout: true, IsTemporary: true}
	case status != dns.Found:
		return &net.DNSError{Err: "none", IsNotFound: true}
	}
	return nil
}

func (r theirs) LookupTXT(ctx context.Context, n string) ([]string, error) {
	a, err := r.z.TXT(ctx, n)
	return a.Value, dnsError(a.Status, err)
}

func (r theirs) LookupMX(ctx context.Context, n string) (out []*net.MX, err error) {
	a, err := r.z.MX(ctx, n)
	for _, m := range a.Value {
		out = append(out, &net.MX{Host: m.Host})
	}
	return out, dnsError(a.Status, err)
}

func (r theirs) LookupIPAddr(ctx context.Context, n string) (out []net.IPAddr, err error) {
	a, err := r.z.Addresses(ctx, n)
	for _, ip := range a.Value {
		out = append(out, net.IPAddr{IP: ip.AsSlice()})
	}
	return out, dnsError(a.Status, err)
}

func (r theirs) LookupAddr(ctx context.Context, n string) ([]string, error) {
	ip, err := netip.ParseAddr(n)
	if err != nil {
		return nil, err
	}
	a, err := r.z.PTR(ctx, ip)
	return a.Value, dnsError(a.Status, err)
}

// Well-formed records mean to us what they mean to another implementation. No name has addresses of the other family only: the other one
// does not count those as void.
func TestAgreesWithAnother(t *testing.T) {
	t.Parallel()
	names := []string{"example.com", "b.example", "c.example", "slow.example"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"example.com", "b.example", "c.example", "host.example", "slow.example", "%{d}", "%{l}.example", "none.example"})
		term := rapid.Custom(func(t *rapid.T) string {
			form := rapid.SampledFrom([]string{"all", "ip4:192.0.2.1", "ip4:192.0.2.0/24", "ip6:2001:db8::/32", "a", "mx", "a:%s", "mx:%s", "a:%s/24", "mx:%s/25//64",
				"include:%s", "exists:%s", "ptr:%s", "redirect=%s", "x-other=%%{s}"}).Draw(t, "form")
			q := ""
			if !strings.Contains(form, "=") {
				q = rapid.SampledFrom([]string{"", "-", "~", "?", "+"}).Draw(t, "qualifier")
			}
			if strings.Contains(form, "%s") {
				form = strings.ReplaceAll(form, "%s", name.Draw(t, "name"))
			}
			return q + strings.ReplaceAll(form, "%%", "%")
		})
		lines := []string{"A host.example 192.0.2.1", "A b.example 192.0.2.77", "A example.com 198.51.100.9", "A ann.example 192.0.2.1", "MX b.example 10 host.example",
			"MX c.example 10 nowhere.example",
			"TIMEOUT slow.example -", "PTR 1.2.0.192.in-addr.arpa host.example"}
		for _, n := range names[:3] {
			terms := rapid.SliceOfN(term, 0, 4).Draw(t, n)
			seen := 0
			terms2 := terms[:0]
			for _, x := range terms {
				if strings.HasPrefix(x, "redirect=") {
					if seen++; seen > 1 {
						continue
					}
				}
				terms2 = append(terms2, x)
			}
			lines = append(lines, "TXT "+n+" "+strings.TrimSpace("v=spf1 "+strings.Join(terms2, " ")))
		}
		z := records(lines...)
		for _, ip := range []string{"192.0.2.1", "198.51.100.9", "203.0.113.5"} {
			want, err := library.CheckHostWithSender(net.ParseIP(ip), "mx.example.com", "ann@example.com", library.WithResolver(theirs{z}))
			if got := result(z, ip); string(got.Result) != string(want) {
				t.Fatalf("%s: %s (%s), want %s (%v)\n%s", ip, got.Result, got.Reason, want, err, strings.Join(lines, "\n"))
			}
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add("v=spf1 a mx/24//64 ip4:192.0.2.0/24 ip6:2001:db8::/32 include:%{d2}.example exists:%{ir}.%{v}.%{L1R-+}._spf.%{o} ptr:example.com ~all exp=e.example.com", "ann+x")
	f.Add("v=spf1 redirect=%{h}", "")
	f.Add("v=spf1 a:%%%_%-.com/32 x=%{s", "a@b")
	f.Fuzz(func(t *testing.T, text, local string) {
		z := records("TXT example.com "+text, "TXT e.example.com %{c} %{p}", "A example.com 192.0.2.1", "PTR 1.2.0.192.in-addr.arpa example.com")
		got := Check(context.Background(), z, Query{IP: netip.MustParseAddr("192.0.2.1"), Local: local, Domain: "example.com", Helo: local})
		if got.Result == "" || got.Reason == "" || len(got.Explanation) > MaxExplanation {
			t.Fatalf("%+v", got)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	z := records("TXT example.com v=spf1 mx include:_spf.example.net ip4:192.0.2.0/24 -all", "MX example.com 10 mx.example.com", "A mx.example.com 198.51.100.1",
		"TXT _spf.example.net v=spf1 ip4:198.51.100.0/24 ip4:203.0.113.0/24 ip6:2001:db8::/32 ~all")
	for b.Loop() {
		if got := result(z, "192.0.2.1"); got.Result != Pass {
			b.Fatal(got)
		}
	}
}

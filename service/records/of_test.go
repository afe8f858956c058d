package records

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"flag"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/service/seal"
)

var update = flag.Bool("update", false, "write the golden files anew")

var day = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// key reads one of the keys of testdata, which exist for these tests alone.
func key(t testing.TB, file, selector string, state seal.State) seal.Key {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	k, err := seal.Import("example.com", selector, string(pem), day)
	if err != nil {
		t.Fatal(err)
	}
	k.State = state
	return k
}

func full(t testing.TB) Facts {
	t.Helper()
	return Facts{
		Domain: "Example.com.", Hostname: "MX.example.com",
		Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.25"), netip.MustParseAddr("2001:db8::25")},
		Keys: []seal.Key{key(t, "ed25519.pem", "e2", seal.Published), key(t, "ed25519.pem", "e1", seal.Active), key(t, "rsa.pem", "r1", seal.Active),
			key(t, "rsa.pem", "r0", seal.Retiring)},
		TLSA:         []dane.Record{{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256, Data: bytes.Repeat([]byte{0xab}, 32)}},
		DMARCReports: []string{"dmarc@example.com"}, TLSReports: []string{"tlsrpt@example.com"},
		MTASTS:   &mtasts.Policy{Mode: mtasts.Testing, MX: []string{"mx.example.com"}, MaxAge: 24 * time.Hour},
		Services: Services{Submissions: 465, Submission: 587, IMAPS: 993, POP3S: 1995},
		Web:      true, CA: LetsEncrypt, ACMEAccount: "https://acme.example/acct/1",
	}
}

// The records of a domain with everything, by name and type. RFC 5321 5.1, RFC 6186 3.4, RFC 8314 5.1, RFC 7208 10.1.3, RFC 8657 3.
func TestOf(t *testing.T) {
	t.Parallel()
	all := Of(full(t))
	ed, rsa := key(t, "ed25519.pem", "x", seal.Active), key(t, "rsa.pem", "x", seal.Active)
	edText, err := ed.Record()
	if err != nil {
		t.Fatal(err)
	}
	rsaText, err := rsa.Record()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, typ, text string
		need            Need
	}{
		{"example.com", "MX", "10 mx.example.com.", Must},
		{"mx.example.com", "A", "192.0.2.25", Must},
		{"mx.example.com", "AAAA", "2001:db8::25", Must},
		{"25.2.0.192.in-addr.arpa", "PTR", "mx.example.com.", Must},
		{"5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR", "mx.example.com.", Must},
		{"example.com", "TXT", "v=spf1 mx -all", Must},
		{"mx.example.com", "TXT", "v=spf1 a -all", Should},
		{"e1._domainkey.example.com", "TXT", edText.Text, Should},
		{"r1._domainkey.example.com", "TXT", rsaText.Text, Must},
		{"e2._domainkey.example.com", "TXT", edText.Text, Should},
		{"r0._domainkey.example.com", "TXT", rsaText.Text, Should},
		{"_dmarc.example.com", "TXT", "v=DMARC1; p=quarantine; rua=mailto:dmarc@example.com", Must},
		{"_mta-sts.example.com", "TXT", "v=STSv1; id=" + mtasts.ID(*full(t).MTASTS), Should},
		{"mta-sts.example.com", "CNAME", "mx.example.com.", Should},
		{"_smtp._tls.example.com", "TXT", "v=TLSRPTv1; rua=mailto:tlsrpt@example.com", Should},
		{"_25._tcp.mx.example.com", "TLSA", "3 1 1 " + strings.Repeat("ab", 32), Should},
		{"mx.example.com", "CAA", `0 issue "letsencrypt.org; accounturi=https://acme.example/acct/1"`, May},
		{"_submissions._tcp.example.com", "SRV", "0 1 465 mx.example.com.", Should},
		{"_submission._tcp.example.com", "SRV", "10 1 587 mx.example.com.", Should},
		{"_imaps._tcp.example.com", "SRV", "0 1 993 mx.example.com.", Should},
		{"_imap._tcp.example.com", "SRV", "0 0 0 .", May},
		{"_pop3s._tcp.example.com", "SRV", "20 1 1995 mx.example.com.", Should},
		{"_pop3._tcp.example.com", "SRV", "0 0 0 .", May},
		{"autoconfig.example.com", "CNAME", "mx.example.com.", Should},
		{"autodiscover.example.com", "CNAME", "mx.example.com.", Should},
		{"_autodiscover._tcp.example.com", "SRV", "0 1 443 mx.example.com.", May},
	} {
		i := slices.IndexFunc(all, func(r Record) bool { return r.Name == c.name && r.Type == c.typ })
		if i < 0 {
			t.Errorf("%s %s is missing", c.name, c.typ)
			continue
		}
		r := all[i]
		all = slices.Delete(all, i, i+1)
		if r.Text() != c.text || r.Need != c.need || r.For == "" || r.TTL != time.Hour || (r.Zone == "example.com") != (c.typ != "PTR") {
			t.Errorf("%s %s: %+v, want %q %s", c.name, c.typ, r, c.text, c.need)
		}
	}
	for _, r := range all {
		t.Errorf("not expected: %+v", r)
	}
}

// has gives the values of a name and type.
func has(all []Record, name, typ string) (values []string) {
	for _, r := range all {
		if r.Name == name && r.Type == typ {
			values = append(values, r.Text()+"|"+r.Zone)
		}
	}
	return values
}

func TestOfVariants(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		change      func(*Facts)
		record, typ string
		want        []string
	}{
		{"the host is the domain: one SPF record", func(f *Facts) { f.Hostname = "example.com" }, "example.com", "TXT", []string{"v=spf1 mx -all|example.com"}},
		{"the host is the domain: no alias to itself", func(f *Facts) { f.Hostname = "mta-sts.example.com" }, "mta-sts.example.com", "CNAME", nil},
		{"the host lies in nobody's domain: advice", func(f *Facts) { f.Hostname = "vps7.provider.test" }, "vps7.provider.test", "A", []string{"192.0.2.25|"}},
		{"the host lies in another domain of ours", func(f *Facts) { f.Hostname, f.Domains = "mx.example.org", []string{"example.org"} }, "mx.example.org", "A", nil},
		{"the host lies in a domain of ours below this one", func(f *Facts) { f.Hostname, f.Domains = "mx.sub.example.com", []string{"sub.example.com"} }, "mx.sub.example.com", "A", nil},
		{"a smarthost", func(f *Facts) { f.SPFTerms = []string{"include:_spf.relay.test"} }, "example.com", "TXT", []string{"v=spf1 mx include:_spf.relay.test -all|example.com"}},
		{"another policy", func(f *Facts) { f.DMARC, f.DMARCReports = dmarc.PolicyReject, nil }, "_dmarc.example.com", "TXT", []string{"v=DMARC1; p=reject|example.com"}},
		{"reports to a domain of ours", func(f *Facts) { f.DMARCReports, f.Domains = []string{"d@example.org"}, []string{"example.org"} },
			"example.com._report._dmarc.example.org", "TXT", []string{"v=DMARC1;|example.org"}},
		{"reports to somebody else", func(f *Facts) { f.DMARCReports = []string{"d@reports.test"} }, "example.com._report._dmarc.reports.test", "TXT", []string{"v=DMARC1;|"}},
		{"reports to what is no address", func(f *Facts) { f.DMARCReports = []string{"nobody"} }, "_dmarc.example.com", "TXT", []string{"v=DMARC1; p=quarantine|example.com"}},
		{"no policy of TLS", func(f *Facts) { f.MTASTS = nil }, "_mta-sts.example.com", "TXT", nil},
		{"no reports of TLS", func(f *Facts) { f.TLSReports = nil }, "_smtp._tls.example.com", "TXT", nil},
		{"another authority", func(f *Facts) { f.CA, f.ACMEAccount = "ca.test", "" }, "mx.example.com", "CAA", []string{`0 issue "ca.test"|example.com`}},
		{"no authority", func(f *Facts) { f.CA = "" }, "mx.example.com", "CAA", nil},
		{"no pages", func(f *Facts) { f.Web = false }, "_autodiscover._tcp.example.com", "SRV", nil},
		{"no addresses", func(f *Facts) { f.Addresses = nil }, "mx.example.com", "A", nil},
		{"an address in two spellings", func(f *Facts) { f.Addresses = []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.1")} }, "mx.example.com", "A", []string{"192.0.2.1|example.com"}},
		{"keys of another domain", func(f *Facts) { f.Domain, f.Hostname = "example.org", "mx.example.org" }, "r1._domainkey.example.com", "TXT", nil},
		{"a domain in its own letters", func(f *Facts) { f.Domain, f.Hostname = "bücher.example", "mx.bücher.example" }, "xn--bcher-kva.example", "MX",
			[]string{"10 mx.xn--bcher-kva.example.|xn--bcher-kva.example"}},
		{"no domain", func(f *Facts) { f.Domain = "[192.0.2.1]" }, "mx.example.com", "A", nil},
	} {
		f := full(t)
		c.change(&f)
		if got := has(Of(f), c.record, c.typ); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// The TLSA records of the certificate in use and the next, each once. RFC 7671 5.1, RFC 7671 8.1.
func TestTLSA(t *testing.T) {
	t.Parallel()
	cert := func() *x509.Certificate {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, k.Public(), k)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	now, next := cert(), cert()
	f := full(t)
	f.TLSA, f.Certificates = nil, []*x509.Certificate{now, nil, now, next}
	want := []string{dane.Own(now).String() + "|example.com", dane.Own(next).String() + "|example.com"}
	if got := has(Of(f), "_25._tcp.mx.example.com", "TLSA"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func written(t testing.TB, all []Record) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteZone(&b, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	t.Parallel()
	var table bytes.Buffer
	if err := Table(&table, Of(full(t))); err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string]string{"full.zone": written(t, Of(full(t))), "full.table": table.String()} {
		path := filepath.Join("testdata", file)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is\n%s\nwant\n%s", file, got, want)
		}
	}
}

// What we write is a zone for NSD and BIND. RFC 1035 5.1.
func TestCheckers(t *testing.T) {
	t.Parallel()
	odd := full(t)
	odd.ACMEAccount = `https://acme.example/"acct"\1`
	for name, f := range map[string]Facts{"full": full(t), "odd": odd} {
		zone := "example.com. 3600 IN SOA ns.example.com. root.example.com. 1 3600 600 86400 600\nexample.com. 3600 IN NS ns.example.com.\nns.example.com. 3600 IN A 192.0.2.53\n" +
			written(t, Of(f))
		file := filepath.Join(t.TempDir(), "zone")
		if err := os.WriteFile(file, []byte(zone), 0o600); err != nil {
			t.Fatal(err)
		}
		checked := false
		for _, checker := range [][]string{{"nsd-checkzone", "example.com", file}, {"named-checkzone", "example.com", file}, {"kzonecheck", "-o", "example.com", file}} {
			path, err := exec.LookPath(checker[0])
			if err != nil {
				if path, err = exec.LookPath("/usr/sbin/" + checker[0]); err != nil {
					continue
				}
			}
			checked = true
			if out, err := exec.CommandContext(t.Context(), path, checker[1:]...).CombinedOutput(); err != nil || bytes.Contains(bytes.ToLower(out), []byte("warn")) {
				t.Errorf("%s, %s: %v %s\n%s", name, checker[0], err, out, zone)
			}
		}
		if !checked {
			t.Skip("neither nsd-checkzone nor named-checkzone nor kzonecheck is here: tools/install-test-deps.sh nsd")
		}
	}
}

// What is published as written is as it should be, for a resolver that reads the same lines.
func TestStaticReadsIt(t *testing.T) {
	t.Parallel()
	want := slices.DeleteFunc(Of(full(t)), func(r Record) bool {
		return !slices.Contains([]string{"MX", "A", "AAAA", "TXT", "CNAME", "PTR"}, r.Type)
	})
	zone := written(t, want)
	for _, r := range want {
		if r.Type == "PTR" { // advice, so a comment in the zone
			zone += r.Name + ". PTR " + r.Value + "\n"
		}
	}
	s, err := dns.NewStatic(dns.StaticConfig{Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Compare(t.Context(), Plain(s), want) {
		t.Errorf("%+v", d)
	}
	srv := slices.DeleteFunc(Of(full(t)), func(r Record) bool { return r.Type != "SRV" })
	if got := Compare(t.Context(), Plain(s), srv[:1]); len(got) != 1 || got[0].Kind != Unknown {
		t.Errorf("%+v", got)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	all := Of(full(t))
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var back []Record
	if err := json.Unmarshal(b, &back); err != nil || !slices.Equal(all, back) {
		t.Errorf("%v\n%+v\n%+v", err, all, back)
	}
	if !bytes.Contains(b, []byte(`"ttl":3600`)) || !bytes.Contains(b, []byte(`"text":"v=spf1 mx -all"`)) || bytes.Contains(b, []byte("PRIVATE")) {
		t.Errorf("%s", b)
	}
}

func TestUnquoted(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{``: "", `bare`: "bare", `"a" "b"`: "ab", `"a\"b\\c"`: `a"b\c`, `"\065\066"`: "AB", `"open`: "open", `"x\`: `x\`, `"" x "y"`: "y"} {
		if got := unquoted(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// RFC 1035 3.5, RFC 3596 2.5.
func TestReverse(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"192.0.2.25", "2001:db8::25", "::1", "ff02::1:ff00:42"} {
		ip := netip.MustParseAddr(s)
		if got := addressOf(Reverse(ip)); got != ip {
			t.Errorf("%s: %s %s", ip, Reverse(ip), got)
		}
	}
	for _, s := range []string{"", "x.in-addr.arpa", "1.ip6.arpa", "example.com", strings.Repeat("g.", 32) + "ip6.arpa"} {
		if ip := addressOf(s); ip.IsValid() {
			t.Errorf("%q: %s", s, ip)
		}
	}
}

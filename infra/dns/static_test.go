package dns_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

const labZone = `
# two domains and what else can happen
example.test.      IN MX   20 b.example.test.
example.test  300  IN MX   10 mx.example.test
mx.example.test    A       127.0.0.1
mx.example.test    AAAA    ::1      ; both families
example.test       TXT     "v=spf1 mx" " -all" ; two strings, one text
alias.test         CNAME   EXAMPLE.test
loop.test          CNAME   pool.test
pool.test          CNAME   loop.test
dangling.test      CNAME   nowhere.test
quiet.test         MX      0 .
bare.test          A       192.0.2.7
192.0.2.7          PTR     bare.test
2001:db8::7        PTR     bare.test
broken.test        FAIL
`

func static(t *testing.T, cfg dns.StaticConfig) *dns.Static {
	t.Helper()
	s, err := dns.NewStatic(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStatic(t *testing.T) {
	t.Parallel()
	s := static(t, dns.StaticConfig{Zone: labZone})
	for domain, want := range map[string]string{
		"example.test":  "found [{mx.example.test 10} {b.example.test 20}] reachable",
		"Alias.Test.":   "found [{mx.example.test 10} {b.example.test 20}] reachable",
		"quiet.test":    "null [] refusing",
		"bare.test":     "implicit [{bare.test 0}] reachable",
		"test":          "no-data [] hostless", // RFC 8020 2: there are names below it
		"nowhere.test":  "no-name [] missing",
		"dangling.test": "no-name [] missing",
		"example.com":   "no-name [] missing",
		"broken.test":   "unavailable",
		"loop.test":     "unavailable",
		"-\\.test":      "invalid",
	} {
		a, err := s.MX(t.Context(), domain)
		exists, _ := s.Exists(t.Context(), domain)
		got := fmt.Sprint(a.Status, " ", a.Value, " ", exists)
		if err != nil {
			got = mail.KindOf(err).String()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", domain, got, want)
		}
	}
	txt, err := s.TXT(t.Context(), "example.test")
	if err != nil || fmt.Sprint(txt.Value) != "[v=spf1 mx -all]" {
		t.Errorf("TXT: %q, %v", txt.Value, err)
	}
	addrs, err := s.Addresses(t.Context(), "mx.example.test")
	if err != nil || fmt.Sprint(addrs.Value) != "[::1 127.0.0.1]" {
		t.Errorf("Addresses: %v, %v", addrs.Value, err)
	}
	for _, ip := range []string{"192.0.2.7", "2001:db8::7"} {
		if ptr, err := s.PTR(t.Context(), netip.MustParseAddr(ip)); err != nil || fmt.Sprint(ptr.Value) != "[bare.test]" {
			t.Errorf("PTR(%s): %v, %v", ip, ptr.Value, err)
		}
	}
}

func TestStaticInFrontOfAnother(t *testing.T) {
	t.Parallel()
	behind := static(t, dns.StaticConfig{Zone: "example.com MX 1 mx.example.com\n1.2.3.4 PTR example.com\nother.test A 192.0.2.1"})
	s := static(t, dns.StaticConfig{Zone: "a.test A 127.0.0.1", Zones: []string{"a.test", "b.test."}, Next: behind})
	for domain, want := range map[string]dns.Existence{"a.test": dns.Reachable, "x.a.test": dns.Missing, "b.test": dns.Missing,
		"example.com": dns.Reachable, "other.test": dns.Reachable, "nota.test": dns.Missing} {
		if got, err := s.Exists(t.Context(), domain); err != nil || got != want {
			t.Errorf("Exists(%s): %v, %v; want %v", domain, got, err, want)
		}
	}
	if ptr, err := s.PTR(t.Context(), netip.MustParseAddr("1.2.3.4")); err != nil || ptr.Status != dns.Found {
		t.Errorf("PTR: %v, %v", ptr.Status, err)
	}
}

func TestStaticRefuses(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{
		"a.test":                           "line 1",
		"\na.test MX mx.test":              "line 2",
		"a.test MX 70000 mx.test":          "65536",
		"a.test MX 10 192.0.2.1":           "host",
		"a.test A ::1":                     "family",
		"a.test AAAA 192.0.2.1":            "family",
		"a.test SRV 1 2 3 x.test":          "MX, A, AAAA",
		"a.test TXT \"open":                "not closed",
		"a_b..test A 192.0.2.1":            "domain name",
		"a.test CNAME b.test\na.test FAIL": "CNAME",
		"a.test FAIL\na.test CNAME b.test": "CNAME",
		"bücher.test A 192.0.2.1":          "domain name",
	} {
		if _, err := dns.NewStatic(dns.StaticConfig{Zone: zone}); !mail.Is(err, mail.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want one that says %q", zone, err, want)
		}
	}
	all := static(t, dns.StaticConfig{})
	for name, cfg := range map[string]dns.StaticConfig{
		"zones without next":      {Zones: []string{"a.test"}},
		"next without zones":      {Next: all},
		"a record outside":        {Zones: []string{"a.test"}, Next: all, Zone: "b.test A 192.0.2.1"},
		"an alias that leads out": {Zones: []string{"a.test"}, Next: all, Zone: "a.test CNAME b.test"},
	} {
		if _, err := dns.NewStatic(cfg); !mail.Is(err, mail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

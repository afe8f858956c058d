package dns_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/foxcpp/go-mockdns"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

type silent struct{}

func (silent) Printf(string, ...any) {}

// mock starts go-mockdns with a zone and gives a client of it.
func mock(t *testing.T, cfg dns.Config, zone map[string]mockdns.Zone) *dns.Client {
	t.Helper()
	s, err := mockdns.NewServerWithLogger(zone, silent{}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return client(t, cfg, netip.MustParseAddrPort(s.LocalAddr().String()))
}

var zone = map[string]mockdns.Zone{
	"many.test.":              {AD: true, MX: []net.MX{{Host: "c.test.", Pref: 20}, {Host: "A.test.", Pref: 10}, {Host: "b.test.", Pref: 10}}},
	"null.test.":              {MX: []net.MX{{Host: ".", Pref: 0}}},
	"half-null.test.":         {MX: []net.MX{{Host: ".", Pref: 0}, {Host: "a.test.", Pref: 5}}},
	"numeric.test.":           {MX: []net.MX{{Host: "192.0.2.1.", Pref: 0}}},
	"implicit.test.":          {AAAA: []string{"2001:db8::1"}},
	"empty.test.":             {TXT: []string{"nothing else"}},
	"broken.test.":            {Err: &net.DNSError{IsTemporary: true}},
	"a.test.":                 {AD: true, A: []string{"192.0.2.1", "192.0.2.2"}, AAAA: []string{"2001:db8::1"}, TXT: []string{strings.Repeat("0123456789", 60)}},
	"1.2.0.192.in-addr.arpa.": {PTR: []string{"A.test."}},
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.": {PTR: []string{"a.test."}},
}

// RFC 5321 5.1, RFC 7505 3: every case of where a domain's mail goes.
func TestMX(t *testing.T) {
	t.Parallel()
	c := mock(t, dns.Config{}, zone)
	for domain, want := range map[string]string{
		"many.test":                        "found [{a.test 10} {b.test 10} {c.test 20}] many.test true reachable",
		"MANY.test.":                       "found [{a.test 10} {b.test 10} {c.test 20}] many.test true reachable",
		"null.test":                        "null [] null.test false refusing",
		"half-null.test":                   "found [{a.test 5}] half-null.test false reachable",
		"numeric.test":                     "unusable [] numeric.test false hostless",
		"implicit.test":                    "implicit [{implicit.test 0}] implicit.test false reachable",
		"empty.test":                       "no-data [] empty.test false hostless",
		"missing.test":                     "no-name [] missing.test false missing",
		"broken.test":                      "unavailable unknown unavailable",
		"bücher.test":                      "invalid unknown invalid",
		"a b.test":                         "invalid unknown invalid",
		"":                                 "invalid unknown invalid",
		"a..test":                          "invalid unknown invalid",
		strings.Repeat("a.", 127) + "test": "invalid unknown invalid",
	} {
		a, err := c.MX(t.Context(), domain)
		exists, existsErr := c.Exists(t.Context(), domain)
		got := fmt.Sprint(a.Status, " ", a.Value, " ", a.Name, " ", a.Authentic, " ", exists)
		if err != nil {
			got = fmt.Sprint(mail.KindOf(err), " ", exists, " ", mail.KindOf(existsErr))
		}
		if got != want {
			t.Errorf("%q:\n got %s\nwant %s", domain, got, want)
		}
	}
}

// RFC 5321 5.1: hosts of one preference are taken at random; the others keep their order.
func TestMXShuffle(t *testing.T) {
	t.Parallel()
	reverse := func(n int, swap func(i, j int)) {
		for i := range n / 2 {
			swap(i, n-1-i)
		}
	}
	c := mock(t, dns.Config{Shuffle: reverse}, zone)
	for range 2 { // a cached answer is shuffled anew, from the same start
		a, err := c.MX(t.Context(), "many.test")
		if got, want := fmt.Sprint(a.Value), "[{b.test 10} {a.test 10} {c.test 20}]"; err != nil || got != want {
			t.Errorf("MX: %s, %v; want %s", got, err, want)
		}
	}
}

func TestAddressesTXTAndPTR(t *testing.T) {
	t.Parallel()
	c := mock(t, dns.Config{}, zone)
	addrs, err := c.Addresses(t.Context(), "a.test")
	if got := fmt.Sprint(addrs.Status, addrs.Value, addrs.Authentic); err != nil || got != "found [2001:db8::1 192.0.2.1 192.0.2.2] true" {
		t.Errorf("Addresses: %s, %v", got, err)
	}
	for host, want := range map[string]dns.Status{"empty.test": dns.NoData, "missing.test": dns.NoName, "localhost": dns.Found, "x.LOCALHOST.": dns.Found} {
		if a, err := c.Addresses(t.Context(), host); err != nil || a.Status != want {
			t.Errorf("Addresses(%s): %v, %v; want %v", host, a.Status, err, want)
		}
	}
	txt, err := c.TXT(t.Context(), "a.test")
	if err != nil || len(txt.Value) != 1 || txt.Value[0] != strings.Repeat("0123456789", 60) {
		t.Errorf("TXT: %q, %v", txt.Value, err)
	}
	for _, ip := range []string{"192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"} {
		ptr, err := c.PTR(t.Context(), netip.MustParseAddr(ip))
		if err != nil || fmt.Sprint(ptr.Value) != "[a.test]" {
			t.Errorf("PTR(%s): %v, %v", ip, ptr.Value, err)
		}
	}
	if a, err := c.PTR(t.Context(), netip.MustParseAddr("192.0.2.9")); err != nil || a.Status != dns.NoName {
		t.Errorf("PTR of an address without one: %v, %v", a.Status, err)
	}
	if _, err := c.PTR(t.Context(), netip.Addr{}); !mail.Is(err, mail.Invalid) {
		t.Errorf("PTR of no address: %v", err)
	}
}

// Answers belong to whoever asked: changing one must not change the next one's.
func TestAnswersAreCopies(t *testing.T) {
	t.Parallel()
	c := mock(t, dns.Config{}, zone)
	for range 2 {
		mx, _ := c.MX(t.Context(), "many.test")
		txt, _ := c.TXT(t.Context(), "empty.test")
		ptr, _ := c.PTR(t.Context(), netip.MustParseAddr("192.0.2.1"))
		if mx.Value[0].Host != "a.test" || txt.Value[0] != "nothing else" || ptr.Value[0] != "a.test" {
			t.Fatalf("changed by another caller: %v %v %v", mx.Value, txt.Value, ptr.Value)
		}
		mx.Value[0].Host, txt.Value[0], ptr.Value[0] = "x", "x", "x"
	}
}

package dns

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"github.com/postrider/postrider/testkit/clock"
)

// Whatever octets a server sends: no panic, and nothing that breaks what Answer promises.
func FuzzRead(f *testing.F) {
	for _, lines := range [][]string{
		{"a.test. 300 IN MX 10 mx.test."}, {"a.test. 300 IN CNAME b.test.", "b.test. 5 IN A 192.0.2.1"},
		{`a.test. 300 IN TXT "a\200\"" "b"`}, {"a.test. 1 IN PTR \\000.test."}, {"a.test. 4294967295 IN AAAA ::ffff:1.2.3.4"},
		{"a.test. 300 IN CNAME a.test."},
	} {
		m := new(wire.Msg)
		m.SetQuestion("a.test.", wire.TypeMX)
		for _, l := range lines {
			rr, err := wire.NewRR(l)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(wire.Msg)
		if m.Unpack(b) != nil {
			return
		}
		for k := range kindCNAME {
			s, more, err := read(m, "a.test", k)
			if err != nil {
				continue
			}
			if s.ttl < 0 || s.ttl > maxTTL || more && s.status != NoAnswer || !more && s.status == NoAnswer {
				t.Fatalf("%v: %+v", k, s)
			}
			if n := len(s.mx) + len(s.addrs) + len(s.texts) + len(s.tlsa); (s.status == Found) != (n > 0) {
				t.Fatalf("%v: %s with %d records", k, s.status, n)
			}
			for _, host := range (&front{shuffle: func(int, func(i, j int)) {}}).order(s.mx) {
				if !isHost(host.Host) {
					t.Fatalf("host %q", host.Host)
				}
			}
		}
	})
}

func FuzzZone(f *testing.F) {
	f.Add("a.test MX 10 b.test\n# x\nb.test IN 300 A 1.2.3.4 ; y")
	f.Add("a TXT \"a\\\"b\" c\n1.2.3.4 PTR a\nb CNAME a\nc FAIL")
	f.Add("a TXT \"open")
	f.Fuzz(func(t *testing.T, text string) {
		z, err := parseZone(text)
		if err != nil {
			return
		}
		for name := range z {
			if !isName(name) {
				t.Fatalf("name %q", name)
			}
			for k := range kindCNAME {
				z.ask(t.Context(), name, k)
			}
		}
	})
}

func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver 192.0.2.1\nnameserver ::1\noptions timeout:2 attempts:3 trust-ad\nsearch x")
	f.Fuzz(func(t *testing.T, text string) {
		u := parseResolvConf(strings.NewReader(text))
		if len(u.servers) > maxSystemServers || u.rounds > 5 || u.timeout > 30*time.Second || u.timeout < 0 || u.rounds < 0 {
			t.Fatalf("%+v", u)
		}
	})
}

func TestResolvConf(t *testing.T) {
	t.Parallel()
	now := clock.New()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	r := &resolvConf{path: path, clock: now}
	if u := r.load(); len(u.servers) != 2 || u.servers[0].String() != "127.0.0.1:53" {
		t.Errorf("without a file: %+v", u)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(path, now.Now(), now.Now())
	}
	write("# x\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver nonsense\nnameserver 192.0.2.3\nnameserver 192.0.2.4\noptions rotate timeout:2 attempts:99 trust-ad\n")
	if u := r.load(); u.servers[0].String() != "127.0.0.1:53" {
		t.Errorf("looked at the file again at once: %+v", u)
	}
	now.Advance(resolvConfCheck)
	u := r.load()
	if len(u.servers) != 3 || u.servers[0] != netip.MustParseAddrPort("192.0.2.1:53") || u.timeout != 2*time.Second || u.rounds != 5 || !u.trusted {
		t.Errorf("read: %+v", u)
	}
	os.Remove(path)
	now.Advance(resolvConfCheck)
	if u := r.load(); len(u.servers) != 3 {
		t.Errorf("a file that is gone for a moment loses its servers: %+v", u)
	}
}

// Only what the machine itself, or a trusted server, says about DNSSEC counts.
func TestWhoIsTrusted(t *testing.T) {
	t.Parallel()
	c := New(Config{Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}, Trusted: true})
	defer c.Close()
	if !c.servers().trusted {
		t.Error("a server that is said to be trusted is not")
	}
	d := New(Config{Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}})
	defer d.Close()
	if d.servers().trusted {
		t.Error("a foreign server is trusted unasked")
	}
}

// The cache's octets are bounded whatever comes in; what was used last stays.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := cache{limit: 10_000, clock: clock.New()}
	keep := cacheKey{"keep.test", kindTXT}
	c.put(keep, set{status: Found}, nil, time.Hour)
	for i := range 1000 {
		c.put(cacheKey{strings.Repeat("x", i%200+1) + ".test", kindTXT}, set{texts: []string{strings.Repeat("y", i)}}, nil, time.Hour)
		if c.used > c.limit || c.recent.Len() != len(c.entries) {
			t.Fatalf("%d octets in %d entries", c.used, len(c.entries))
		}
		if _, _, ok := c.get(keep); !ok {
			t.Fatal("the entry that is used all the time is gone")
		}
	}
	c.put(cacheKey{"huge.test", kindTXT}, set{texts: []string{strings.Repeat("y", 20_000)}}, nil, time.Hour)
	if _, _, ok := c.get(cacheKey{"huge.test", kindTXT}); ok || len(c.entries) < 5 {
		t.Error("one huge answer drove out the others")
	}
}

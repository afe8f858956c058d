package outward_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/outward"
	"github.com/postrider/postrider/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func static(t testing.TB, zone string) dns.Resolver {
	t.Helper()
	s, err := dns.NewStatic(dns.StaticConfig{Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPublic knows every network of the registries of special-purpose addresses (RFC 6890 2.2), at its first, its last and the addresses beside it.
func TestPublic(t *testing.T) {
	t.Parallel()
	for _, s := range strings.Fields(`
		0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.0 127.0.0.1 127.255.255.255 169.254.0.0 169.254.169.254
		169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.192 192.0.0.255 192.0.2.0 192.0.2.255 192.88.99.1 192.168.0.0 192.168.255.255
		198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.255 224.0.0.0 224.0.0.251 239.255.255.255 240.0.0.0 255.255.255.254 255.255.255.255
		168.63.129.16 100.100.100.200
		:: ::1 ::2 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.1.2.3 ::ffff:169.254.169.254 ::ffff:0.0.0.0 ::ffff:192.168.1.1 ::ffff:0:127.0.0.1
		64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b::192.168.0.1 64:ff9b::0.0.0.0 64:ff9b:1::1 64:ff9b:1::8.8.8.8
		100::1 100:0:0:1::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1::1 2001:2::1 2001:3::1 2001:10::1 2001:20::1 2001:1ff:ffff::1
		2001:db8::1 2001:db8:ffff:ffff::1 2002:7f00:1::1 2002:a00:1:: 2002:808:808::1 2002:ffff:ffff::1 3fff::1 3fff:fff:ffff::1 4000::1 5f00::1
		fc00::1 fd00::1 fd00:ec2::254 fdff:ffff::1 fe80::1 fe80::1%eth0 febf::1 fec0::1 ff02::1 ff05::2 ff0e::1 ffff::1
		2600::5efe:10.0.0.1 2600::200:5efe:127.0.0.1 2600::5efe:192.168.1.1 1fff::1 2a00::1%eth0 ::ffff:100.64.0.1 ::ffff:224.0.0.1`) {
		if outward.Public(netip.MustParseAddr(s)) {
			t.Errorf("%s counts as public", s)
		}
	}
	for _, s := range strings.Fields(`
		1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17 169.253.255.255
		169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255
		198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8
		2000::1 2001:200::1 2001:4860:4860::8888 2001:db7::1 2001:db9::1 2003::1 2600::1 2606:4700::1111 2a00:1450::1 2600::5efe:8.8.8.8 3ffe:ffff::1 3fff:1000::1`) {
		if !outward.Public(netip.MustParseAddr(s)) {
			t.Errorf("%s does not count as public", s)
		}
	}
	if outward.Public(netip.Addr{}) {
		t.Error("no address counts as public")
	}
}

// TestParseHost reads hosts in every spelling that has been used to get past such a check.
func TestParseHost(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"example.com": "example.com", "EXAMPLE.com.": "example.com", "mail.example.com": "mail.example.com", "bücher.example": "xn--bcher-kva.example",
		"xn--bcher-kva.example": "xn--bcher-kva.example", "1.example": "1.example", "127.0.0.1.example.com": "127.0.0.1.example.com", "1e100.net": "1e100.net",
		"0x7f.example": "0x7f.example", "my_host.example.com": "my_host.example.com",
		"192.0.2.1": "192.0.2.1", "192.0.2.1.": "192.0.2.1", "[2001:db8::1]": "2001:db8::1", "2001:db8::1": "2001:db8::1", "[::ffff:127.0.0.1]": "::ffff:127.0.0.1",
		"[0:0:0:0:0:ffff:7f00:1]": "::ffff:127.0.0.1", "ｅｘａｍｐｌｅ.com": "example.com", "example。com": "example.com", "１２７.０.０.１": "127.0.0.1", "①②⑦.⓪.⓪.①": "127.0.0.1",
		"127。0。0。1": "127.0.0.1",
	} {
		h, err := outward.ParseHost(s)
		if err != nil || h.String() != want {
			t.Errorf("%q is %q (%v), want %q", s, h, err, want)
		}
	}
	for _, s := range strings.Split(`|.|..|localhost|LOCALHOST.|a.localhost|x.LocalHost.|localhost.localdomain|intranet|router|db|printer.local|host.internal|metadata.google.internal
		metadata|nas.lan|fritz.home.arpa|x.onion|x.corp|2130706433|017700000001|0x7f000001|0X7F000001|127.1|127.0.1|0177.0.0.1|0x7f.0.0.1|0x7f.1|127.0.0.01|0127.0.0.1|1|0|0x|00000000
		1.2.3|1.2.3.4.5|256.256.256.256|127.0.0.1.1|example.123|example.0x1|999999999999|4294967297|127.0.0.1%00.example.com|127.0.0.1 example.com|[127.0.0.1]|[::1|::1]|[]|[v1.x]
		[localhost]|exa mple.com|exa/mple.com|user@example.com|example.com:80|a..b|-|.example.com|[::1].example.com|127.0.0.1#.example.com|127.0.0.1\.example.com|ex%61mple.com
		１２７.１|⓪x7f.1|[::1%25eth0]x`, "|") {
		s = strings.TrimSpace(s)
		for s := range strings.FieldsFuncSeq(s+"\n", func(r rune) bool { return r == '\n' || r == '\t' }) {
			if h, err := outward.ParseHost(s); err == nil {
				t.Errorf("%q is taken for %q", s, h)
			} else if !mail.Is(err, mail.Invalid) && !mail.Is(err, mail.Denied) {
				t.Errorf("%q: %v", s, err)
			}
		}
	}
	if _, err := outward.ParseHost(strings.Repeat("a.", 2000) + "com"); err == nil {
		t.Error("a name without end is taken")
	}
}

// record stands in for TCP.
type record struct {
	mu    sync.Mutex
	tried []string
}

var errRecorded = errors.New("recorded")

func (r *record) connect(_ context.Context, _, address string) (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried = append(r.tried, address)
	return nil, errRecorded
}

func (r *record) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := strings.Join(r.tried, " ")
	r.tried = nil
	return s
}

// changing answers each question with the next of some answers.
type changing struct {
	dns.Resolver
	mu    sync.Mutex
	addrs [][]netip.Addr
}

func (c *changing) Addresses(context.Context, string) (dns.Answer[[]netip.Addr], error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.addrs[0]
	if len(c.addrs) > 1 {
		c.addrs = c.addrs[1:]
	}
	return dns.Answer[[]netip.Addr]{Status: dns.Found, Value: a}, nil
}

// TestDial connects to the outside alone, whatever a name leads to.
func TestDial(t *testing.T) {
	t.Parallel()
	zone := `
		good.example A 8.8.8.8
		six.example AAAA 2606:4700::1111
		loop.example A 127.0.0.1
		loop6.example AAAA ::1
		cloud.example A 169.254.169.254
		mapped.example AAAA ::ffff:10.0.0.1
		nat.example AAAA 64:ff9b::7f00:1
		ula.example AAAA fd00::1
		mixed.example A 10.0.0.1
		mixed.example A 9.9.9.9
		mixed.example AAAA fe80::1
		alias.example CNAME loop.example
		own.example A 20.0.0.5
		lab.example A 10.9.8.7
		none.example TXT x
		broken.example FAIL`
	for _, c := range []struct {
		host  string
		port  uint16
		tried string // or the kind of the failure
	}{
		{"good.example", 443, "8.8.8.8:443"},
		{"GOOD.example.", 80, "8.8.8.8:80"},
		{"six.example", 443, "[2606:4700::1111]:443"},
		{"8.8.4.4", 443, "8.8.4.4:443"},
		{"[2606:4700::1111]", 443, "[2606:4700::1111]:443"},
		{"mixed.example", 443, "9.9.9.9:443"},
		{"lab.example", 443, "10.9.8.7:443"},
		{"10.9.0.1", 443, "10.9.0.1:443"},
		{"good.example", 25, "denied"}, {"good.example", 0, "denied"}, {"good.example", 8080, "denied"}, {"8.8.8.8", 22, "denied"},
		{"loop.example", 443, "denied"}, {"loop6.example", 80, "denied"}, {"cloud.example", 80, "denied"}, {"mapped.example", 443, "denied"},
		{"nat.example", 443, "denied"}, {"ula.example", 443, "denied"}, {"alias.example", 443, "denied"}, {"own.example", 443, "denied"},
		{"20.0.0.1", 443, "denied"}, {"::ffff:20.0.0.1", 443, "denied"},
		{"127.0.0.1", 80, "denied"}, {"[::1]", 80, "denied"}, {"::", 80, "denied"}, {"0.0.0.0", 80, "denied"}, {"[::ffff:127.0.0.1]", 80, "denied"},
		{"localhost", 80, "denied"}, {"x.localhost", 80, "denied"}, {"127.1", 80, "invalid"}, {"2130706433", 80, "invalid"},
		{"missing.example", 443, "not-found"}, {"none.example", 443, "not-found"}, {"broken.example", 443, "unavailable"},
	} {
		var r record
		d := outward.NewDialer(outward.Config{Resolver: static(t, zone), Connect: r.connect,
			Exempt: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}, Refuse: []netip.Prefix{netip.MustParsePrefix("20.0.0.0/24")}})
		_, err := d.Dial(t.Context(), c.host, c.port)
		got := r.take()
		if got == "" && err != nil {
			got = mail.KindOf(err).String()
		}
		if got != c.tried {
			t.Errorf("%s port %d: %q (%v), want %q", c.host, c.port, got, err, c.tried)
		}
	}
}

// TestRebinding lets a name change its address between check and use: what was checked is what is connected to.
func TestRebinding(t *testing.T) {
	t.Parallel()
	good, bad := netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("127.0.0.1")
	var r record
	d := outward.NewDialer(outward.Config{Resolver: &changing{addrs: [][]netip.Addr{{good}, {bad}}}, Connect: r.connect})
	if _, err := d.Dial(t.Context(), "turn.example", 443); !errors.Is(err, errRecorded) || r.take() != "8.8.8.8:443" {
		t.Errorf("the first time: %v", err)
	}
	if _, err := d.DialContext(t.Context(), "tcp", "turn.example:443"); !mail.Is(err, mail.Denied) || r.take() != "" {
		t.Errorf("once it has changed: %v", err)
	}
}

// TestSocketRefuses has nothing between the dialer and the machine's TCP, and a listener that must not be reached.
func TestSocketRefuses(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reached := make(chan struct{})
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Close() //nolint:errcheck // the test fails
			close(reached)
		}
	}()
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	d := outward.NewDialer(outward.Config{Resolver: static(t, "here.example A 127.0.0.1"), Ports: []uint16{port}})
	for _, host := range []string{"here.example", "127.0.0.1", "::ffff:127.0.0.1", "localhost", "0.0.0.0", "[::]"} {
		if c, err := d.Dial(t.Context(), host, port); err == nil {
			c.Close() //nolint:errcheck // the test fails
			t.Errorf("%s was reached", host)
		}
	}
	select {
	case <-reached:
		t.Error("the listener was reached")
	default:
	}
	for i, address := range []string{"x", "here.example:x", "here.example:70000", ":80", "here.example"} {
		if _, err := d.DialContext(t.Context(), "tcp", address); !mail.Is(err, mail.Invalid) {
			t.Errorf("%d: %q: %v", i, address, err)
		}
	}
}

// TestCheckURL takes apart URLs as attackers write them.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	c := outward.NewClient(outward.ClientConfig{Dialer: outward.NewDialer(outward.Config{Resolver: static(t, "")}), Agent: "x", Plain: true})
	defer c.Close()
	secure := outward.NewClient(outward.ClientConfig{Dialer: outward.NewDialer(outward.Config{Resolver: static(t, "")}), Agent: "x"})
	defer secure.Close()
	for _, s := range strings.Fields(`https://example.com/a.png http://example.com https://example.com:443/ http://example.com:80/?x=http://127.0.0.1 https://8.8.8.8/
		https://[2606:4700::1111]/ https://example.com#@127.0.0.1 https://example.com./ https://bücher.example/ HTTPS://EXAMPLE.COM/ https://example.com/%00
		https://127.0.0.1.example.com/ http://example.com:443/`) {
		if u, err := url.Parse(s); err != nil || c.CheckURL(u) != nil {
			t.Errorf("%s is refused: %v", s, err)
		}
	}
	hosts := strings.Fields(`127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 017700000001 0177.0.0.1 0x7f.0.0.1 0x7f.1 [::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1]
		[::127.0.0.1] [64:ff9b::127.0.0.1] [2002:7f00:1::] [fe80::1%25eth0] [fd00::1] [fc00::] [ff02::1] localhost LOCALHOST localhost. a.localhost 127.0.0.1. 0 0.0.0.0 10.0.0.1
		172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 192.0.2.1 198.18.0.1 224.0.0.1 255.255.255.255 １２７.０.０.１ ①②⑦.⓪.⓪.① 127。0。0。1 router intranet x.local x.internal
		metadata.google.internal user@example.com user:pass@example.com example.com@127.0.0.1 example.com:22 example.com:8080 example.com:0 example.com:65536 8.8.8.8:25`)
	for _, h := range hosts {
		for _, s := range []string{"http://" + h + "/", "https://" + h + "/x.png"} {
			u, err := url.Parse(s)
			if err != nil {
				continue // nothing to ask for
			}
			if err := c.CheckURL(u); !mail.Is(err, mail.Denied) && !mail.Is(err, mail.Invalid) {
				t.Errorf("%s: %v", s, err)
			}
		}
	}
	for _, s := range []string{"ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "data:image/png;base64,AA", "javascript:x", "//example.com/", "/x", "", "https:", "https:///x",
		"https:example.com", "unix:/run/x", "cid:1", "https://example.com/" + strings.Repeat("x", 5000)} {
		u, err := url.Parse(s)
		if err != nil {
			continue
		}
		if c.CheckURL(u) == nil {
			t.Errorf("%.60s is taken", s)
		}
	}
	u, _ := url.Parse("http://example.com/")
	if err := secure.CheckURL(u); !mail.Is(err, mail.Denied) {
		t.Errorf("http where only https is asked: %v", err)
	}
}

// FuzzParseHost holds the reader of hosts to its word: what it takes for a name is one of the public DNS and no number.
func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"example.com", "127.0.0.1", "[::1]", "0x7f.1", "１２７.０.０.１", "a。b", "x.localhost"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := outward.ParseHost(s)
		if err != nil {
			return
		}
		if h.Name != "" {
			if !strings.Contains(h.Name, ".") || strings.ContainsAny(h.Name, "/@:[]% \t\r\n\x00\\#?") || net.ParseIP(h.Name) != nil || strings.HasSuffix(h.Name, ".localhost") {
				t.Errorf("%q is taken for the name %q", s, h.Name)
			}
		} else if !h.Addr.IsValid() {
			t.Errorf("%q is taken for nothing", s)
		}
		again, err := outward.ParseHost(h.String())
		if err != nil || again != h {
			t.Errorf("%q becomes %v, and that %v (%v)", s, h, again, err)
		}
		_ = fmt.Sprint(h)
	})
}

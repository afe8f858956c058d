package dns_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/clock"
)

const quick = 100 * time.Millisecond // a try's time where a test must wait for it

// addresses asks for a.test at the given client and says what came in one line.
func addresses(t *testing.T, c dns.Resolver) string {
	t.Helper()
	a, err := c.Addresses(t.Context(), "a.test")
	if err != nil {
		return mail.KindOf(err).String()
	}
	return fmt.Sprint(a.Status, " ", a.Value)
}

func good(q *wire.Msg, _ string, send func(...*wire.Msg)) {
	if q.Question[0].Qtype == wire.TypeA {
		send(reply(q, "a.test. 300 IN A 192.0.2.1"))
	} else {
		send(reply(q))
	}
}

const goodAnswer = "found [192.0.2.1]"

func TestBadServers(t *testing.T) {
	t.Parallel()
	forever := func(*wire.Msg, string, func(...*wire.Msg)) {}
	code := func(rcode int) handler {
		return func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
			r := reply(q)
			r.Rcode = rcode
			send(r)
		}
	}
	for name, bad := range map[string]handler{
		"silent":   forever,
		"SERVFAIL": code(wire.RcodeServerFailure),
		"REFUSED":  code(wire.RcodeRefused),
		"lame": func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
			r := reply(q, "!test. 300 IN NS elsewhere.test.")
			r.RecursionAvailable = false
			send(r)
		},
		"lame and says NXDOMAIN": func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
			r := reply(q)
			r.Rcode, r.RecursionAvailable = wire.RcodeNameError, false
			send(r)
		},
		"wrong id": func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
			r := reply(q, "a.test. 300 IN A 203.0.113.66")
			r.Id++
			send(r)
		},
		"wrong question": func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
			r := reply(q, "b.test. 300 IN A 203.0.113.66")
			r.Question[0].Name = "b.test."
			send(r)
		},
		"echo": func(q *wire.Msg, _ string, send func(...*wire.Msg)) { send(q) },
		"cut short everywhere": func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
			r := reply(q, "a.test. 300 IN A 203.0.113.66")
			r.Truncated = true
			send(r)
		},
		"closes TCP": func(q *wire.Msg, network string, send func(...*wire.Msg)) {
			if network == "udp" {
				r := reply(q)
				r.Truncated = true
				send(r)
			}
		},
		"wrong id over TCP": func(q *wire.Msg, network string, send func(...*wire.Msg)) {
			r := reply(q, "a.test. 300 IN A 203.0.113.66")
			r.Truncated = network == "udp"
			if network == "tcp" {
				r.Id++
			}
			send(r)
		},
		"CNAME loop": func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
			send(reply(q, "a.test. 300 IN CNAME b.test.", "b.test. 300 IN CNAME a.test."))
		},
		"CNAME loop, one step at a time": func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
			next := map[string]string{"a.test.": "b.test.", "b.test.": "a.test."}[q.Question[0].Name]
			send(reply(q, q.Question[0].Name+" 300 IN CNAME "+next))
		},
		"CNAME to itself": func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
			send(reply(q, "a.test. 300 IN CNAME a.test."))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Alone it is a temporary failure, never "does not exist" and never another's address.
			s := serve(t, bad)
			if got := addresses(t, client(t, dns.Config{Timeout: quick, Rounds: 1}, s.addr)); got != "unavailable" {
				t.Errorf("alone: %s, want unavailable", got)
			}
			if strings.HasPrefix(name, "CNAME") {
				return // the zone is at fault, another server would say the same
			}
			c := client(t, dns.Config{Timeout: quick, Rounds: 1}, s.addr, serve(t, good).addr)
			if got := addresses(t, c); got != goodAnswer {
				t.Errorf("before a good server: %s, want %s", got, goodAnswer)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	c := client(t, dns.Config{Timeout: time.Minute}, netip.MustParseAddrPort("127.0.0.1:1"))
	_, err := c.MX(t.Context(), "a.test")
	if !mail.Is(err, mail.Unavailable) || !strings.Contains(err.Error(), "MX records of a.test") {
		t.Errorf("MX: %v", err)
	}
}

// Datagrams that are not the answer do not end the wait for it.
func TestForgedDatagramsArePassedOver(t *testing.T) {
	t.Parallel()
	s := serve(t, func(q *wire.Msg, network string, send func(...*wire.Msg)) {
		for i := range uint16(50) {
			r := reply(q, "a.test. 300 IN A 203.0.113.66")
			r.Id += i + 1
			send(r)
		}
		good(q, network, send)
	})
	if got := addresses(t, client(t, dns.Config{}, s.addr)); got != goodAnswer {
		t.Errorf("%s, want %s", got, goodAnswer)
	}
}

// RFC 7766 5: an answer that is cut short is fetched over TCP, whatever its size.
func TestGiantAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, func(q *wire.Msg, network string, send func(...*wire.Msg)) {
		r := reply(q)
		if r.Truncated = network == "udp"; !r.Truncated {
			for i := range 2000 {
				r.Answer = append(r.Answer, reply(q, fmt.Sprintf("a.test. 300 IN MX %d mx%d.a.test.", 2000-i, i)).Answer...)
			}
			r.Compress = true
		}
		send(r)
	})
	a, err := client(t, dns.Config{}, s.addr).MX(t.Context(), "a.test")
	if err != nil || len(a.Value) != 100 || a.Value[0] != (dns.MX{Host: "mx1999.a.test", Preference: 1}) {
		t.Errorf("MX: %d hosts, %v; want the best hundred", len(a.Value), err)
	}
	if s.tcp.Load() != 1 {
		t.Errorf("%d questions over TCP, want 1", s.tcp.Load())
	}
}

// RFC 6891 7: a server that does not know EDNS is asked without it.
func TestWithoutEDNS(t *testing.T) {
	t.Parallel()
	s := serve(t, func(q *wire.Msg, network string, send func(...*wire.Msg)) {
		if q.IsEdns0() != nil {
			r := reply(q)
			r.Rcode = wire.RcodeFormatError
			send(r)
			return
		}
		good(q, network, send)
	})
	if got := addresses(t, client(t, dns.Config{}, s.addr)); got != goodAnswer {
		t.Errorf("%s, want %s", got, goodAnswer)
	}
}

// RFC 8914: the resolver's reason is shown. A bogus signature is a temporary failure.
func TestBogusIsTemporary(t *testing.T) {
	t.Parallel()
	s := serve(t, func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
		r := reply(q)
		r.Rcode = wire.RcodeServerFailure
		r.SetEdns0(1232, false)
		r.IsEdns0().Option = append(r.IsEdns0().Option, &wire.EDNS0_EDE{InfoCode: wire.ExtendedErrorCodeDNSBogus})
		send(r)
	})
	_, err := client(t, dns.Config{}, s.addr).TXT(t.Context(), "_dmarc.a.test")
	if !mail.Is(err, mail.Unavailable) || !strings.Contains(err.Error(), "Bogus") {
		t.Errorf("TXT: %v", err)
	}
}

func TestOneFamilyIsEnough(t *testing.T) {
	t.Parallel()
	s := serve(t, func(q *wire.Msg, network string, send func(...*wire.Msg)) {
		r := reply(q, "a.test. 300 IN A 192.0.2.1")
		if r.AuthenticatedData = true; q.Question[0].Qtype == wire.TypeAAAA {
			r = reply(q)
			r.Rcode = wire.RcodeServerFailure
		}
		send(r)
	})
	a, err := client(t, dns.Config{}, s.addr).Addresses(t.Context(), "a.test")
	if err != nil || a.Status != dns.Found || a.Authentic {
		t.Errorf("Addresses: %+v, %v; want one, not authentic", a, err)
	}
}

// RFC 5321 5.1: a CNAME is followed, and what is at its end counts. (go-mockdns writes its alias records the wrong way
// round, hence a server of our own.)
func TestAliases(t *testing.T) {
	t.Parallel()
	s := serve(t, func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
		r := reply(q)
		switch q.Question[0].Name {
		case "alias.test.":
			r = reply(q, "alias.test. 300 IN CNAME Two.test.", "two.test. 60 IN CNAME three.test.", "three.test. 300 IN MX 5 mx.test.",
				"alias.test. 300 IN MX 1 evil.test.", "four.test. 300 IN MX 1 evil.test.")
		case "dangling.test.":
			r = reply(q, "dangling.test. 300 IN CNAME missing.test.")
			r.Rcode = wire.RcodeNameError
		case "empty.test.":
			r = reply(q, "empty.test. 300 IN CNAME two.test.", "!test. 60 IN SOA ns.test. host.test. 1 2 3 4 60")
		}
		r.AuthenticatedData = true
		send(r)
	})
	c := client(t, dns.Config{}, s.addr)
	for domain, want := range map[string]string{
		"alias.test":    "found [{mx.test 5}] three.test true 1m0s",
		"dangling.test": "no-name [] missing.test true 0s",
		"empty.test":    "no-data [] two.test true 0s",
	} {
		a, err := c.MX(t.Context(), domain)
		a.TTL = a.TTL.Round(time.Second)
		if got := fmt.Sprint(a.Status, " ", a.Value, " ", a.Name, " ", a.Authentic, " ", a.TTL); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", domain, got, err, want)
		}
	}
}

func TestAliasWithoutItsTarget(t *testing.T) {
	t.Parallel()
	s := serve(t, func(q *wire.Msg, network string, send func(...*wire.Msg)) {
		if q.Question[0].Name == "www.a.test." {
			send(reply(q, "WWW.a.test. 60 IN CNAME a.TEST."))
			return
		}
		good(q, network, send)
	})
	a, err := client(t, dns.Config{}, s.addr).Addresses(t.Context(), "www.a.test")
	if err != nil || a.Status != dns.Found || a.Name != "a.test" || a.TTL > time.Minute {
		t.Errorf("Addresses: %+v, %v", a, err)
	}
}

// The octets of a TXT record come as they are on the wire, its strings joined.
func TestTXTOctets(t *testing.T) {
	t.Parallel()
	s := serve(t, func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
		send(reply(q, `a.test. 300 IN TXT "k=\"v\"; \200\\" " tail"`))
	})
	a, err := client(t, dns.Config{}, s.addr).TXT(t.Context(), "a.test")
	if want := "k=\"v\"; \xc8\\ tail"; err != nil || len(a.Value) != 1 || a.Value[0] != want {
		t.Errorf("TXT: %q, %v; want %q", a.Value, err, want)
	}
}

// RFC 2308 5: answers are kept for their time, negative ones for what the SOA says and never for ever.
func TestCache(t *testing.T) {
	t.Parallel()
	s := serve(t, func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
		switch q.Question[0].Name {
		case "a.test.":
			send(reply(q, `a.test. 300 IN TXT "x"`))
		case "gone.test.":
			r := reply(q, "!test. 900000 IN SOA ns.test. host.test. 1 2 3 4 120")
			r.Rcode = wire.RcodeNameError
			send(r)
		case "unsure.test.": // no SOA: not to be kept
			r := reply(q)
			r.Rcode = wire.RcodeNameError
			send(r)
		default:
			r := reply(q)
			r.Rcode = wire.RcodeServerFailure
			send(r)
		}
	})
	now := clock.New()
	c := client(t, dns.Config{Clock: now, Rounds: 1}, s.addr)
	for _, tc := range []struct {
		name string
		ttl  time.Duration
		want string
	}{
		{"a.test", 300 * time.Second, "found"}, {"gone.test", 120 * time.Second, "no-name"}, {"fail.test", 5 * time.Second, "unavailable"},
		{"unsure.test", 0, "no-name"},
	} {
		ask := func() int64 {
			before := s.udp.Load()
			a, err := c.TXT(t.Context(), tc.name)
			got := a.Status.String()
			if err != nil {
				got = mail.KindOf(err).String()
			}
			if got != tc.want {
				t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
			}
			return s.udp.Load() - before
		}
		if n := ask(); n != 1 {
			t.Errorf("%s: first asked with %d questions", tc.name, n)
		}
		if tc.ttl > 0 {
			now.Advance(tc.ttl - 1)
			if n := ask(); n != 0 {
				t.Errorf("%s: asked again before its time was over", tc.name)
			}
			now.Advance(1)
		}
		if n := ask(); n != 1 {
			t.Errorf("%s: kept for longer than it may be", tc.name)
		}
	}
}

func TestSameQuestionGoesOutOnce(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
		<-release
		send(reply(q, `a.test. 300 IN TXT "x"`))
	})
	c := client(t, dns.Config{CacheOctets: 1 << 20}, s.addr)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if a, err := c.TXT(t.Context(), "a.test"); err != nil || a.Value[0] != "x" {
				t.Errorf("TXT: %v, %v", a, err)
			}
		})
	}
	close(release)
	all.Wait()
	if n := s.udp.Load(); n != 1 {
		t.Errorf("%d questions, want 1", n)
	}
}

// One caller's deadline is its own: it returns in time, and others with the same question still get the answer.
func TestDeadlineOfOneCaller(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}, 1), make(chan struct{})
	s := serve(t, func(q *wire.Msg, _ string, send func(...*wire.Msg)) {
		asked <- struct{}{}
		<-release
		send(reply(q, `a.test. 300 IN TXT "x"`))
	})
	c := client(t, dns.Config{}, s.addr)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := c.TXT(ctx, "a.test"); !mail.Is(err, mail.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	close(release)
	if a, err := c.TXT(t.Context(), "a.test"); err != nil || a.Status != dns.Found {
		t.Errorf("afterwards: %+v, %v", a, err)
	}
	if n := s.udp.Load(); n != 1 {
		t.Errorf("%d questions, want 1", n)
	}
}

func TestCloseEndsQuestions(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	s := serve(t, func(*wire.Msg, string, func(...*wire.Msg)) { asked <- struct{}{} })
	c := client(t, dns.Config{Timeout: time.Hour}, s.addr)
	go func() {
		<-asked
		c.Close()
	}()
	for range 2 {
		if _, err := c.TXT(t.Context(), "a.test"); !mail.Is(err, mail.Unavailable) {
			t.Errorf("TXT: %v", err)
		}
	}
}

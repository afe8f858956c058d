package dns

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"github.com/postrider/postrider/mail"
)

// serveWorld is the world's name server on loopback, over UDP and TCP.
func serveWorld(t testing.TB, w *world, ad bool) netip.AddrPort {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		t.Skip("the port is taken for TCP: ", err)
	}
	handler := wire.HandlerFunc(func(rw wire.ResponseWriter, q *wire.Msg) {
		m, err := w.ask(t.Context(), q.Question[0].Name, q.Question[0].Qtype)
		if err != nil {
			m = new(wire.Msg)
			m.Rcode = wire.RcodeServerFailure
		}
		m.Id, m.Question, m.Response, m.AuthenticatedData = q.Id, q.Question, true, ad
		m.Compress = true
		if opt := q.IsEdns0(); opt != nil {
			m.SetEdns0(udpSize, opt.Do())
			if !opt.Do() {
				without(m, wire.TypeRRSIG, wire.TypeNSEC, wire.TypeNSEC3)
			} else if !q.CheckingDisabled {
				t.Error("the CD bit is missing")
			}
			if rw.LocalAddr().Network() == "udp" {
				m.Truncate(int(opt.UDPSize()))
			}
		}
		rw.WriteMsg(m)
	})
	for _, s := range []*wire.Server{{PacketConn: udp, Handler: handler}, {Listener: tcp, Handler: handler}} {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go s.ActivateAndServe()
		<-up
		t.Cleanup(func() { s.Shutdown() })
	}
	return netip.MustParseAddrPort(udp.LocalAddr().String())
}

func TestValidatingClient(t *testing.T) {
	t.Parallel()
	w := town(t)
	addr := serveWorld(t, w, false)
	c, err := NewValidating(Config{Servers: []netip.AddrPort{addr}, Clock: fixed{worldTime}, Rounds: 1, Timeout: 5 * time.Second}, Validation{Anchors: w.anchors()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	for range 2 { // the second time from the cache
		mx, err := c.MX(ctx, "good.test")
		if err != nil || !mx.Authentic || fmt.Sprint(mx.Value) != "[{a.good.test 10}]" {
			t.Errorf("%+v %v", mx, err)
		}
		ip, err := c.Addresses(ctx, "cnopen.test")
		if err != nil || ip.Authentic || !ip.OwnAuthentic || ip.Name != "a.open.test" || len(ip.Value) != 1 {
			t.Errorf("%+v %v", ip, err)
		}
		ip, err = c.Addresses(ctx, "cn.test")
		if err != nil || !ip.Authentic || !ip.OwnAuthentic || ip.Name != "a.good.test" {
			t.Errorf("%+v %v", ip, err)
		}
		tlsa, err := c.TLSA(ctx, "_25._tcp.a.good.test")
		if err != nil || !tlsa.Authentic || len(tlsa.Value) != 1 || !tlsa.Value[0].Usable() {
			t.Errorf("%+v %v", tlsa, err)
		}
		tlsa, err = c.TLSA(ctx, "_25._tcp.b.good.test")
		if err != nil || !tlsa.Authentic || tlsa.Status != NoName {
			t.Errorf("%+v %v", tlsa, err)
		}
		txt, err := c.TXT(ctx, "t.open.test")
		if err != nil || txt.Authentic || len(txt.Value) != 1 {
			t.Errorf("%+v %v", txt, err)
		}
		if _, err = c.MX(ctx, "expired.test"); !mail.Is(err, mail.Unavailable) || !strings.Contains(err.Error(), "expired on 2026-03-01") {
			t.Error(err)
		}
		if _, err = c.TLSA(ctx, "_25._tcp.a.expired.test"); !mail.Is(err, mail.Unavailable) {
			t.Error(err)
		}
	}
	for q, want := range map[string]Security{"good.test MX": Secure, "open.test TXT": Insecure, "expired.test A": Bogus, "good.test dnskey": Secure, "good.test DS": Secure, "open.test DS": Secure} {
		name, kind, _ := strings.Cut(q, " ")
		if v, err := c.Check(ctx, name, kind); err != nil || v.Security != want {
			t.Errorf("%s: %+v %v", q, v, err)
		}
	}
	for _, q := range []string{"good.test ANY", "good.test RRSIG", "good.test X", " MX", "a b MX"} {
		at := strings.LastIndex(q, " ")
		if _, err := c.Check(ctx, q[:at], q[at+1:]); !mail.Is(err, mail.Invalid) {
			t.Errorf("%s: %v", q, err)
		}
	}
}

// Trusted servers are believed, and are not asked for signatures.
func TestTrustedServersAreNotChecked(t *testing.T) {
	t.Parallel()
	w := town(t)
	c, err := NewValidating(Config{Servers: []netip.AddrPort{serveWorld(t, w, true)}, Trusted: true, Clock: fixed{worldTime}}, Validation{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mx, err := c.MX(t.Context(), "good.test")
	if asked := w.questions(); err != nil || !mx.Authentic || !mx.OwnAuthentic || len(asked) != 1 {
		t.Errorf("%+v %v %v", mx, err, asked)
	}
	if _, err := NewValidating(Config{}, Validation{Anchors: []string{"x"}}); !mail.Is(err, mail.Invalid) {
		t.Error(err)
	}
}

// The keys that IANA published are those that the built-in anchors name.
func TestRootAnchors(t *testing.T) {
	t.Parallel()
	for i, line := range []string{
		". IN DNSKEY 257 3 8 AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=",
		". IN DNSKEY 257 3 8 AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHbGiShvZsx4wMYSjH8e7Vrhbu6irwCzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyxMvHmbrxlFzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc=",
	} {
		rr, err := wire.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		anchor, err := parseAnchor(rootAnchors[i])
		if err != nil {
			t.Fatal(err)
		}
		if ds := rr.(*wire.DNSKEY).ToDS(wire.SHA256); !strings.EqualFold(ds.Digest, anchor.Digest) || ds.KeyTag != anchor.KeyTag {
			t.Errorf("%v is not %v", ds, anchor)
		}
	}
}

// An answer as it is asked for again and again: from the client's cache, and checked with the zone's keys at hand.
func BenchmarkValidated(b *testing.B) {
	w := town(b)
	b.Run("cached", func(b *testing.B) {
		c, err := NewValidating(Config{Servers: []netip.AddrPort{serveWorld(b, w, false)}, Clock: fixed{worldTime}}, Validation{Anchors: w.anchors()})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		for b.Loop() {
			if a, err := c.MX(b.Context(), "good.test"); err != nil || !a.Authentic {
				b.Fatal(a, err)
			}
		}
	})
	for name, q := range map[string]string{"P-256": "a.good.test.", "RSA": "a.rsa.test.", "insecure": "a.open.test."} {
		b.Run("checked "+name, func(b *testing.B) {
			v := w.validator()
			m, err := w.ask(b.Context(), q, wire.TypeA)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := v.lookup(b.Context(), q, wire.TypeA); err != nil {
				b.Fatal(err)
			}
			work := &work{v: v, now: worldTime}
			for b.Loop() {
				work.queries, work.checks = maxQueries, maxChecks
				if _, err := work.step(b.Context(), m, q, wire.TypeA); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

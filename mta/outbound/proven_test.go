package outbound

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/mtasts"
)

// A connection serves all messages that need no more than it has proven, and no others.
func TestReuseUnderPolicies(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	const other = "bob@other.example"
	good := []dane.Record{ee(t, c.by["good"])}
	for _, r := range []struct {
		name  string
		host  string
		setUp func(b *bench, d *believed, p stated)
		to    []string
		want  string // of the last one
		tls   string
		conns int
	}{
		{"verified by chance is good enough", "good", func(_ *bench, _ *believed, p stated) { p["other.example"] = sts(mtasts.Enforce, mx) },
			[]string{bob, other}, "bob: relayed *", " verified by MTA-STS", 1},
		{"more than needed", "good", func(_ *bench, _ *believed, p stated) { p["other.example"] = sts(mtasts.Enforce, mx) },
			[]string{other, bob}, "bob: relayed *", " verified", 1},
		{"not verified", "untrusted", func(_ *bench, _ *believed, p stated) { p["other.example"] = sts(mtasts.Enforce, mx) },
			[]string{bob, other}, "bob: deferred 4.7.5 *", "", 2},
		{"in the clear", "no TLS", func(_ *bench, _ *believed, p stated) { p["other.example"] = sts(mtasts.Enforce, mx) },
			[]string{bob, other}, "bob: deferred 4.7.5 *", "", 2},
		{"verified, but a policy does not name the host", "good", func(_ *bench, _ *believed, p stated) { p["other.example"] = sts(mtasts.Enforce, "x.example") },
			[]string{bob, other}, "bob: deferred 4.7.5 *", "", 1},
		{"DANE after an authority", "good", func(_ *bench, d *believed, _ stated) { d.mx["other.example"] = true },
			[]string{bob, other}, "bob: relayed *", " verified by DANE", 2},
		{"an authority after DANE", "good", func(_ *bench, d *believed, p stated) {
			d.mx["other.example"] = true
			p["there.example"] = sts(mtasts.Enforce, mx)
		}, []string{other, bob}, "bob: relayed *", " verified by MTA-STS", 1},
		{"DANE is no authority", "untrusted", func(_ *bench, d *believed, p stated) {
			d.mx["other.example"] = true
			d.tlsa[at25] = tlsa{secure, []dane.Record{ee(t, c.by["untrusted"])}}
			p["there.example"] = sts(mtasts.Enforce, mx)
		}, []string{other, bob}, "bob: deferred 4.7.5 *", "", 2},
		{"DANE for two domains", "good", func(_ *bench, d *believed, _ stated) { d.mx["other.example"], d.mx["there.example"] = true, true },
			[]string{bob, other, bob}, "bob: relayed *", " verified by DANE", 1},
		{"DANE for two domains, by an authority's name", "good", func(_ *bench, d *believed, _ stated) {
			d.mx["other.example"], d.mx["there.example"] = true, true
			d.tlsa[at25] = tlsa{secure, []dane.Record{c.ca.ta()}}
		}, []string{bob, other, bob}, "bob: relayed *", " verified by DANE", 1},
		{"DANE for one domain's name only", "of the domain", func(_ *bench, d *believed, _ stated) {
			d.mx["other.example"], d.mx["there.example"] = true, true
			d.tlsa[at25] = tlsa{secure, []dane.Record{c.stranger.ta()}}
		}, []string{bob, bob, other}, "bob: deferred 4.7.5 *it is for other names*", "", 2},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			host, policies := c.host(r.host), stated{}
			b, d, _ := policyBench(t, c, host, policies)
			d.mx, d.hosts, d.tlsa = map[string]bool{}, map[string]standing{mx: secure}, map[string]tlsa{at25: {secure, good}}
			r.setUp(b, d, policies)
			for _, to := range r.to[:len(r.to)-1] {
				b.want(b.attempt(mail.Path(to)), "bob: relayed *")
			}
			job := b.job(mail.Path(r.to[len(r.to)-1]))
			v := b.transport().Attempt(t.Context(), job)[0]
			b.want([]string{fmt.Sprintf("bob: %s %s %s", v.Outcome, v.Status, v.Reason)}, r.want)
			if v.TLS != "" && !strings.HasSuffix(v.TLS, "_SHA256"+r.tls) || (v.TLS == "") != (r.tls == "") {
				t.Errorf("TLS is told as %q", v.TLS)
			}
			if host.connections() != r.conns {
				t.Errorf("%d connections", host.connections())
			}
		})
	}
}

// When the records change, a connection that agreed with the old ones is not used for mail that goes by the new ones.
func TestReuseAfterChange(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	host := c.host("good")
	b, d, _ := policyBench(t, c, host, nil)
	d.mx, d.hosts = map[string]bool{"there.example": true}, map[string]standing{mx: secure}
	d.tlsa = map[string]tlsa{at25: {secure, []dane.Record{ee(t, c.by["good"])}}}
	b.want(b.attempt(bob), "bob: relayed *")
	b.want(b.attempt(bob), "bob: relayed *")
	d.tlsa = map[string]tlsa{at25: {secure, []dane.Record{ee(t, c.by["untrusted"])}}}
	b.want(b.attempt(bob), "bob: deferred 4.7.5 *")
	if host.connections() != 2 || len(host.took()) != 2 {
		t.Errorf("%d connections, %d messages", host.connections(), len(host.took()))
	}
}

// Idle connections of another policy do not keep a host's places taken.
func TestPlacesUnderPolicies(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	host := c.host("good")
	b, d, _ := policyBench(t, c, host, nil)
	b.config.Limits.PerHost = 1
	d.mx, d.hosts, d.tlsa = map[string]bool{"other.example": true}, map[string]standing{mx: secure}, map[string]tlsa{at25: {secure, []dane.Record{ee(t, c.by["good"])}}}
	b.want(b.attempt(bob), "bob: relayed *")
	b.want(b.attempt("bob@other.example"), "bob: relayed *")
	host.mu.Lock()
	defer host.mu.Unlock()
	if host.most != 1 || host.conns != 2 {
		t.Errorf("%d connections, %d at once", host.conns, host.most)
	}
}

// wishes is a draw of everything that decides about TLS for one domain.
type wishes struct {
	policy   string // of MTA-STS: "", none, testing, enforce, "testing others", "enforce others"
	mx       bool
	security Security
	verify   bool
	wish     mail.TLSWish
}

// hostDraw is what the domains of one host have in common.
type hostDraw struct {
	how      string
	offer    bool // REQUIRETLS
	address  standing
	standing standing // of TLSA
	records  string   // "", match, mismatch, unusable
}

// verdict is what may become of a message, worked out from the RFCs and not from the code.
type allowed struct{ clear, unproven, any bool }

// may says what is allowed: to send at all, with a certificate that proves nothing, in the clear.
func may(w wishes, h hostDraw) allowed {
	minds := w.security != Plain && w.wish != mail.TLSOptional
	heeded := minds && w.mx && h.address != insecure // DANE is looked at
	failed := heeded && (h.address == unknown || h.standing == unknown)
	usable := heeded && !failed && h.standing == secure && (h.records == "match" || h.records == "mismatch")
	unusable := heeded && !failed && h.standing == secure && h.records == "unusable"
	enforce := minds && strings.HasPrefix(w.policy, "enforce")
	named := !strings.HasSuffix(w.policy, "others") && w.policy != "" && w.policy != "none"
	matches := usable && h.records == "match" && h.how != "no TLS" && h.how != "broken" && h.how != "refused"

	a := allowed{any: true, unproven: true, clear: true}
	if w.security.Demanded() {
		a.clear = false
		a.unproven = !w.verify
	}
	if unusable {
		a.clear = false
	}
	if enforce && !usable {
		a.clear, a.unproven = false, false
		a.any = named
	}
	if w.wish == mail.TLSRequired {
		a.clear, a.unproven = false, false
		a.any = a.any && h.offer && w.security != Plain && (usable || w.mx || named)
	}
	if usable {
		a.clear = false
		a.unproven = matches // the records are the proof
		a.any = a.any && matches
	}
	if failed {
		a.any = false
	}
	return a
}

// Whatever a domain, its host and a sender want, and whatever connections are there already: nothing goes where it must not, and what
// may go is sent. RFC 7672 2.2, RFC 8461 5, RFC 8689 3, RFC 8689 4.2.1.
func TestNothingGoesWhereItMustNot(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	rapid.Check(t, func(rt *rapid.T) {
		h := hostDraw{
			how:   rapid.SampledFrom([]string{"good", "good", "wrong name", "expired", "untrusted", "no TLS", "broken", "refused"}).Draw(rt, "host"),
			offer: rapid.Bool().Draw(rt, "REQUIRETLS"), address: standing(rapid.IntRange(0, 3).Draw(rt, "address")),
			standing: rapid.SampledFrom([]standing{secure, secure, insecure, unknown}).Draw(rt, "TLSA"),
			records:  rapid.SampledFrom([]string{"", "match", "mismatch", "unusable"}).Draw(rt, "records"),
		}
		var list []wishes
		for range rapid.IntRange(1, 6).Draw(rt, "messages") {
			w := wishes{
				policy: rapid.SampledFrom([]string{"", "none", "testing", "enforce", "enforce", "testing others", "enforce others"}).Draw(rt, "policy"),
				mx:     rapid.Bool().Draw(rt, "MX"), security: rapid.SampledFrom([]Security{Opportunistic, Opportunistic, Plain, StartTLS}).Draw(rt, "security"),
				verify: rapid.Bool().Draw(rt, "verify"), wish: mail.TLSWish(rapid.IntRange(0, 2).Draw(rt, "wish")), //nolint:gosec // 0 to 2
			}
			list = append(list, w)
		}
		t.Run("", func(t *testing.T) { play(t, c, h, list) })
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}

func play(t *testing.T, c *certs, h hostDraw, list []wishes) {
	var offer []string
	if h.offer {
		offer = []string{"REQUIRETLS"}
	}
	host, zone, policies := c.host(h.how, offer...), oneHost, stated{}
	d := &believed{mx: map[string]bool{}, hosts: map[string]standing{mx: h.address}}
	routes := map[string]*Hop{}
	for i, w := range list {
		domain := fmt.Sprintf("d%d.example", i)
		zone += domain + " MX 10 " + mx + "\n"
		d.mx[domain], routes[domain] = w.mx, &Hop{Security: w.security, Verify: w.verify}
		mode, others := strings.CutSuffix(w.policy, " others")
		if mode != "" {
			policies[domain] = sts(mtasts.Mode(mode), map[bool]string{false: mx, true: "x.example"}[others])
		}
	}
	if h.address == ownSecure {
		d.aliases = map[string]string{mx: "elsewhere.example"}
	}
	shown := host.cert
	if shown == nil {
		shown = c.by["good"]
	}
	d.tlsa = map[string]tlsa{at25: {h.standing, map[string][]dane.Record{
		"match": {ee(t, shown)}, "mismatch": {ee(t, c.by["of the domain"])}, "unusable": {{Usage: dane.PKIXEE, Data: []byte{1}}},
	}[h.records]}}
	b := newBench(t, zone, at1(host))
	d.Resolver = b.config.Resolver
	b.config.Resolver, b.config.TLSA, b.config.Policies, b.config.TLS, b.config.Routes.Domains = d, d, policies, c.ca.trust, routes
	for i, w := range list {
		before := len(host.took())
		job := b.job(mail.Path(fmt.Sprintf("bob@d%d.example", i)))
		job.Message.TLS = w.wish
		v := b.transport().Attempt(t.Context(), job)[0]
		took := host.took()[before:]
		a := may(w, h)
		proven := h.how == "good" // of DANE, what a.unproven says
		speaksTLS := !slices.Contains([]string{"no TLS", "broken", "refused"}, h.how)
		switch {
		case len(took) > 1 || (len(took) == 1) != (v.Outcome == mail.Relayed):
			t.Errorf("%d messages and %+v", len(took), v)
		case len(took) == 1 && !a.any, len(took) == 1 && !took[0].tls && !a.clear, len(took) == 1 && !a.unproven && !proven,
			len(took) == 1 && took[0].tls != (v.TLS != ""):
			t.Errorf("message %d of %+v to %+v must not go so: %+v, %+v", i, list, h, took[0], v)
		case len(took) == 0 && a.any && (a.clear || speaksTLS && (a.unproven || h.how == "good")):
			t.Errorf("message %d of %+v to %+v may go, and does not: %+v", i, list, h, v)
		}
	}
}

// What a message costs for its domain's policies, once the DNS and the policy are in memory.
func BenchmarkGuard(b *testing.B) {
	c := newCerts(b)
	d := &believed{Resolver: static{}, mx: map[string]bool{"there.example": true}, hosts: map[string]standing{mx: secure}}
	for name, records := range map[string][]dane.Record{"MTA-STS": nil, "DANE": {ee(b, c.by["good"])}} {
		b.Run(name, func(b *testing.B) {
			d.tlsa = map[string]tlsa{at25: {secure, records}}
			a := &attempt{Transport: &Transport{Config: Config{Resolver: d, TLSA: d, Policies: stated{"there.example": sts(mtasts.Enforce, mx)}}}, message: &mail.Queued{}}
			to := target{host: mx, port: 25, way: way{domain: "there.example", named: true, authentic: true}, guard: &a.guard}
			b.ReportAllocs()
			for b.Loop() {
				d.asked = d.asked[:0]
				by, tr := a.ask(b.Context(), to)
				if tr == nil {
					tr = a.set(b.Context(), to, by)
				}
				if tr != nil {
					b.Fatal(tr.reason)
				}
			}
		})
	}
}

// static is a DNS without a cost of its own.
type static struct{ Resolver }

func (static) Addresses(context.Context, string) (dns.Answer[[]netip.Addr], error) {
	return dns.Answer[[]netip.Addr]{Status: dns.Found, Name: mx, Value: []netip.Addr{netip.IPv4Unspecified()}}, nil
}

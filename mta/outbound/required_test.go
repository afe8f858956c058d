package outbound

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/mtasts"
)

// RFC 8689 4.2.1: a message with REQUIRETLS goes only to a host whose name is beyond doubt, inside TLS that proves it, where the promise is
// offered; with the parameter. Else it comes back, except for what may be an accident.
func TestRequireTLS(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	enforce, testing1 := sts(mtasts.Enforce, mx), sts(mtasts.Testing, mx)
	eeOf := func(how string) *[]dane.Record { return &[]dane.Record{ee(t, c.by[how])} }
	const (
		sent   = "bob: relayed *"
		unkept = "bob: bounced 5.7.30 mx.there.example[192.0.2.1] does not offer REQUIRETLS, *docs/problems.md#tls-fails"
		needed = "bob: bounced 5.7.10 *"
	)
	for _, r := range []struct {
		name   string
		policy *mtasts.Policy
		mx     bool
		tlsa   *[]dane.Record
		hop    *Hop
		host   string
		offer  bool
		want   string
	}{
		{"MTA-STS", enforce, false, nil, nil, "good", true, sent},
		{"MTA-STS that tests names the host as well", testing1, false, nil, nil, "good", true, sent},
		{"signed MX", nil, true, nil, nil, "good", true, sent},
		{"DANE", nil, true, eeOf("untrusted"), nil, "untrusted", true, sent},
		{"not offered", enforce, false, nil, nil, "good", false, unkept},
		{"DANE, not offered", nil, true, eeOf("good"), nil, "good", false, unkept},
		{"nobody vouches for the host", nil, false, nil, nil, "good", true, "bob: bounced 5.7.10 *neither DNSSEC nor MTA-STS vouches that mx.there.example is a mail host of there.example*"},
		{"a policy of mode none vouches for nobody", sts(mtasts.None), false, nil, nil, "good", true, needed},
		{"a policy that tests and names others vouches for nobody", sts(mtasts.Testing, "x.example"), false, nil, nil, "good", true, needed},
		{"a policy that names others", sts(mtasts.Enforce, "x.example"), true, nil, nil, "good", true, "bob: deferred 4.7.5 *#mta-sts"},
		{"wrong name", nil, true, nil, nil, "wrong name", true, "bob: bounced 5.7.10 the certificate of mx.there.example[192.0.2.1] is not what the message's sender (REQUIRETLS) demands*"},
		{"expired", nil, true, nil, nil, "expired", true, needed},
		{"untrusted", testing1, false, nil, nil, "untrusted", true, needed},
		{"DANE not kept", nil, true, eeOf("untrusted"), nil, "good", true, needed},
		{"no TLS", nil, true, nil, nil, "no TLS", true, "bob: bounced 5.7.10 mx.there.example[192.0.2.1] does not offer STARTTLS, which the message's sender (REQUIRETLS) demands*"},
		{"broken TLS may be an accident", nil, true, nil, nil, "broken", true, "bob: deferred 4.7.5 *"},
		{"refused for now", nil, true, nil, nil, "refused", true, "bob: deferred 4.7.0 *"},
		{"smart host", nil, false, nil, &Hop{Host: mx}, "good", true, sent},
		{"smart host, untrusted", nil, false, nil, &Hop{Host: mx, Security: StartTLS}, "untrusted", true, needed},
		{"smart host, not offered", nil, false, nil, &Hop{Host: mx, Security: StartTLS}, "good", false, unkept},
		{"never TLS by choice", nil, true, nil, &Hop{Security: Plain}, "good", true, needed},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var offer []string
			if r.offer {
				offer = []string{"REQUIRETLS"}
			}
			host := c.host(r.host, offer...)
			b, d, _ := policyBench(t, c, host, stated{"there.example": r.policy})
			d.mx = map[string]bool{"there.example": r.mx}
			if r.tlsa != nil {
				d.hosts, d.tlsa = map[string]standing{mx: secure}, map[string]tlsa{at25: {secure, *r.tlsa}}
			}
			if r.hop != nil {
				b.config.Routes.Domains = map[string]*Hop{"there.example": r.hop}
			}
			job := b.job(bob)
			job.Message.TLS = mail.TLSRequired
			for range 2 { // the second time over what the first one left in the pool
				b.want(b.try(t.Context(), job), r.want)
			}
			took := host.took()
			if len(took) > 0 != (r.want == sent) {
				t.Errorf("the host took %+v", took)
			}
			for _, m := range took {
				if !m.tls || !strings.HasSuffix(m.from, " REQUIRETLS") {
					t.Errorf("came as %+v", m)
				}
			}
			if r.host == "good" && r.hop == nil && r.policy != nil && r.policy.Match(mx) {
				b.want(b.attempt(bob), "bob: relayed *")
				if m := host.took()[len(host.took())-1]; strings.Contains(m.from, "REQUIRETLS") {
					t.Errorf("another message came as %+v", m)
				}
			}
		})
	}
}

// RFC 8689 4.2.1: every host is tried before the message is given up.
func TestRequireTLSNextHost(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	for _, r := range []struct {
		second string
		offer  []string
		want   string
	}{
		{"good", []string{"REQUIRETLS"}, "bob: relayed 2.0.0 mx2*"},
		{"good", nil, "bob: bounced 5.7.30 mx2*"},
		{"broken", nil, "bob: deferred 4.7.5 *mx2*"},
	} {
		first, second := c.host("good"), c.host(r.second, r.offer...)
		first.cert, second.cert = c.ca.issue(t, "mx1.there.example"), c.ca.issue(t, "mx2.there.example")
		b := newBench(t, strings.ReplaceAll(threeHosts, "there.example      MX 30 mx3.there.example\n", ""), map[string]*remote{"192.0.2.1": first, "192.0.2.2": second})
		b.config.TLS, b.config.Policies = c.ca.trust, stated{"there.example": sts(mtasts.Enforce, "*.there.example")}
		job := b.job(bob)
		job.Message.TLS = mail.TLSRequired
		b.want(b.try(t.Context(), job), r.want)
		if len(first.took()) > 0 {
			t.Error("sent to a host that promised nothing")
		}
	}
}

package outbound

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/proto/sasl"
)

// RFC 3207 4, RFC 8314 3
func TestSecurity(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	good, other := ca.issue(t, "mx.there.example"), ca.issue(t, "elsewhere.example")
	starttls := []string{"8BITMIME", "STARTTLS"}
	for _, c := range []struct {
		name   string
		hop    Hop
		remote *remote
		want   string
		tls    string // "" for none, "verified", or "plain TLS"
		inTLS  bool
		conns  int
	}{
		{"opportunistic, sound", Hop{}, &remote{ext: starttls, cert: good}, "bob: relayed *", "verified", true, 1},
		{"opportunistic, wrong name", Hop{}, &remote{ext: starttls, cert: other}, "bob: relayed *", "plain TLS", true, 1},
		{"opportunistic, not offered", Hop{}, &remote{ext: esmtp()}, "bob: relayed *queued as 1", "", false, 1},
		{"opportunistic, refused", Hop{}, &remote{ext: starttls, script: map[string][]string{"starttls": {"454 4.7.0 not now"}}},
			"bob: relayed *; sent without TLS, as it was offered but refused: 454 4.7.0 not now", "", false, 1},
		{"opportunistic, broken", Hop{}, &remote{ext: starttls, badTLS: true}, "bob: relayed *; sent without TLS, as *TLS handshake*", "", false, 2},
		{"opportunistic, cut", Hop{}, &remote{ext: starttls, script: map[string][]string{"starttls": {"drop:220 go"}}}, "bob: relayed *; sent without TLS, as *", "", false, 2},
		{"plain by choice", Hop{Security: Plain}, &remote{ext: starttls, cert: good}, "bob: relayed *", "", false, 1},
		{"demanded", Hop{Security: StartTLS}, &remote{ext: starttls, cert: other}, "bob: relayed *", "plain TLS", true, 1},
		{"demanded, not offered", Hop{Security: StartTLS}, &remote{ext: esmtp()}, "bob: deferred 4.7.4 mx.there.example[192.0.2.1] does not offer STARTTLS*", "", false, 1},
		{"demanded, refused", Hop{Security: StartTLS}, &remote{ext: starttls, script: map[string][]string{"starttls": {"502 5.5.1 never"}}},
			"bob: deferred * said: 502 5.5.1 never", "", false, 1},
		{"demanded, broken", Hop{Security: StartTLS}, &remote{ext: starttls, badTLS: true}, "bob: deferred 4.7.5 *", "", false, 1},
		{"demanded and verified", Hop{Security: StartTLS, Verify: true}, &remote{ext: starttls, cert: good}, "bob: relayed *", "verified", true, 1},
		{"demanded, wrong name", Hop{Security: StartTLS, Verify: true}, &remote{ext: starttls, cert: other}, "bob: deferred 4.7.5 *elsewhere.example*", "", false, 1},
		{"implicit", Hop{Host: "mx.there.example", Security: Implicit, Verify: true}, &remote{ext: starttls, cert: good, secured: true}, "bob: relayed *", "verified", true, 1},
		{"implicit, wrong name", Hop{Host: "mx.there.example", Security: Implicit, Verify: true}, &remote{ext: starttls, cert: other, secured: true}, "bob: deferred 4.7.5 *", "", false, 1},
		{"implicit, no TLS there", Hop{Host: "mx.there.example", Security: Implicit}, &remote{ext: starttls}, "bob: deferred 4.7.5 *", "", false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, oneHost, at1(c.remote))
			b.config.TLS = ca.trust
			b.config.Routes = Routes{Domains: map[string]*Hop{"there.example": &c.hop}}
			b.want(b.attempt(bob), c.want)
			if got := c.remote.connections(); got != c.conns {
				t.Errorf("%d connections, want %d", got, c.conns)
			}
			verdict := b.transport().Attempt(t.Context(), b.job(bob))[0]
			if strings.HasPrefix(c.want, "bob: relayed") && (c.tls != "") != strings.HasPrefix(verdict.TLS, "TLS1.3 TLS_") ||
				(c.tls == "verified") != strings.HasSuffix(verdict.TLS, " verified") {
				t.Errorf("TLS is told as %q", verdict.TLS)
			}
			for _, m := range c.remote.took() {
				if m.tls != c.inTLS {
					t.Errorf("sent inside TLS: %v", m.tls)
				}
			}
		})
	}
}

// A TLS trouble is worth another host, and a route that demands TLS never goes without.
func TestDemandedTLSAtNextHost(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	first := &remote{ext: []string{"STARTTLS"}, badTLS: true}
	second := &remote{ext: []string{"STARTTLS"}, cert: ca.issue(t, "mx2.there.example")}
	b := newBench(t, threeHosts, map[string]*remote{"192.0.2.1": first, "192.0.2.2": second})
	b.config.TLS = ca.trust
	b.config.Routes.Domains = map[string]*Hop{"there.example": {Security: StartTLS, Verify: true}}
	b.want(b.attempt(bob), "bob: relayed 2.0.0 mx2*")
	if len(first.took()) > 0 {
		t.Error("sent without TLS")
	}
}

func account(t *testing.T) *sasl.Config {
	stored, err := sasl.DeriveStored("secret", []byte("0123456789abcdef"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	return &sasl.Config{
		Check: func(_, name, password string) error {
			if name != "ann" || password != "secret" {
				return sasl.ErrRefused
			}
			return nil
		},
		Lookup: func(name string) (sasl.Stored, error) {
			if name != "ann" {
				return sasl.Stored{}, sasl.ErrRefused
			}
			return stored, nil
		},
	}
}

// RFC 4954 4: a smart host with authentication.
func TestSmartHost(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert := ca.issue(t, "relay.example")
	for _, c := range []struct {
		name string
		auth string // what is offered
		tls  bool
		hop  Hop
		want string
		used string // the mechanism
	}{
		{"PLAIN", "PLAIN", true, Hop{Username: "ann", Password: "secret"}, "bob: relayed*", "PLAIN"},
		{"LOGIN", "LOGIN", true, Hop{Username: "ann", Password: "secret"}, "bob: relayed*", "LOGIN"},
		{"SCRAM is best", "PLAIN LOGIN SCRAM-SHA-256", true, Hop{Username: "ann", Password: "secret"}, "bob: relayed*", "SCRAM-SHA-256"},
		{"as configured", "PLAIN LOGIN SCRAM-SHA-256", true, Hop{Username: "ann", Password: "secret", Mechanism: "LOGIN"}, "bob: relayed*", "LOGIN"},
		{"SCRAM without TLS", "SCRAM-SHA-256", false, Hop{Username: "ann", Password: "secret"}, "bob: relayed*", "SCRAM-SHA-256"},
		{"PLAIN without TLS", "PLAIN", false, Hop{Username: "ann", Password: "secret"}, "bob: deferred 4.7.11 *it is not sent", ""},
		{"PLAIN without TLS by choice", "PLAIN", false, Hop{Username: "ann", Password: "secret", Security: Plain}, "bob: relayed*", "PLAIN"},
		{"wrong password", "PLAIN", true, Hop{Username: "ann", Password: "guess"}, "bob: deferred 4.7.8 *said: 535 5.7.8 no", "PLAIN"},
		{"nothing offered", "", true, Hop{Username: "ann", Password: "secret"}, "bob: deferred 4.7.8 *", ""},
		{"nothing that is known", "GSSAPI", true, Hop{Username: "ann", Password: "secret"}, "bob: deferred 4.7.8 *", ""},
		{"without a name", "PLAIN", true, Hop{}, "bob: relayed*", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := &remote{ext: []string{"8BITMIME"}, cert: cert, sasl: account(t)}
			if c.auth != "" {
				r.ext = append(r.ext, "AUTH "+c.auth)
			}
			if c.tls {
				r.ext = append(r.ext, "STARTTLS")
			}
			b := newBench(t, "relay.example A 192.0.2.1\n", at1(r))
			b.config.TLS = ca.trust
			c.hop.Host, c.hop.Port = "relay.example", 587
			b.config.Routes.Default = &c.hop
			b.want(b.attempt(bob), c.want)
			for _, seen := range r.commands() {
				if strings.HasPrefix(seen, "AUTH ") && strings.Fields(seen)[1] != c.used || seen == "AUTH" {
					t.Errorf("used %q", seen)
				}
			}
			if n := r.saw("AUTH "); c.used != "" && n != 1 || c.used == "" && n != 0 {
				t.Errorf("AUTH was said %d times", n)
			}
			for _, m := range r.took() {
				if c.used != "" && m.user != "ann" {
					t.Errorf("sent as %q", m.user)
				}
			}
		})
	}
}

// A smart host that wants what the route does not have: the mail is not at fault.
func TestSmartHostWantsAuthentication(t *testing.T) {
	t.Parallel()
	r := &remote{ext: esmtp(), script: map[string][]string{"mail": {"530 5.7.0 authenticate first"}}}
	b := newBench(t, oneHost, at1(r))
	b.config.Routes.Default = &Hop{Host: "192.0.2.1"}
	b.want(b.attempt(bob), "bob: deferred 4.7.0 *said: 530 5.7.0 authenticate first")
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	relay, inside, six := &Hop{Host: "relay.example", Port: 587}, &Hop{Host: "in.example"}, &Hop{Host: "2001:db8::1", Security: Implicit}
	r := Routes{Default: relay, Domains: map[string]*Hop{"a.example": inside, ".a.example": six, "direct.example": nil, "tls.example": {Security: StartTLS}}}
	for _, c := range []struct{ to, want string }{
		{"bob@a.example", "smarthost:in.example:25"},
		{"bob@b.a.example", "smarthost:[2001:db8::1]:465"},
		{"bob@c.b.a.example", "smarthost:[2001:db8::1]:465"},
		{"bob@other.example", "smarthost:relay.example:587"},
		{"bob@direct.example", "direct.example"},
		{"bob@tls.example", "tls.example"},
		{"bob", "smarthost:relay.example:587"},
	} {
		if got := r.RouteFor(mailPath(c.to)); got != c.want {
			t.Errorf("%s: %s, want %s", c.to, got, c.want)
		}
	}
	if got := (Routes{}).RouteFor("bob@there.example"); got != "there.example" {
		t.Errorf("got %s", got)
	}
}

// What is queued under one route may have several next hops, when the configuration changed since.
func TestRecipientsOfSeveralHops(t *testing.T) {
	t.Parallel()
	one, two := &remote{ext: esmtp()}, &remote{ext: esmtp()}
	b := newBench(t, oneHost+"mx2.example A 192.0.2.2\n", map[string]*remote{"192.0.2.1": one, "192.0.2.2": two})
	b.config.Routes.Domains = map[string]*Hop{"b.example": {Host: "mx2.example"}, "c.example": {Host: "mx2.example"}}
	job := b.job(bob, "x@b.example", "y@c.example")
	job.Route = "smarthost:old.example:25"
	b.want(b.try(t.Context(), job), "bob: relayed * mx.there*", "x: relayed * mx2.example*", "y: relayed * mx2.example*")
	if len(one.got()) != 1 || len(two.got()) != 1 {
		t.Errorf("%q %q", one.got(), two.got())
	}
}

// TestBrokenTLSBehindOverride tries again without TLS where the override leads, not at the address that DNS has for the host.
func TestBrokenTLSBehindOverride(t *testing.T) {
	t.Parallel()
	host := &remote{ext: []string{"8BITMIME", "STARTTLS"}, badTLS: true}
	b := newBench(t, oneHost, map[string]*remote{"mx.there.example": host})
	b.want(b.attempt(bob), "bob: relayed *; sent without TLS, as *TLS handshake*")
	if took := host.took(); len(took) != 1 {
		t.Errorf("the host took %d messages, want 1", len(took))
	}
}

package outbound

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/mtasts"
)

// RFC 8461 4, RFC 8461 5, RFC 8460 4.3.1: every mode with every way a host deals with TLS.
func TestMTASTS(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	const (
		clear = "bob: relayed *"
		held  = "bob: deferred 4.7.5 *docs/problems.md#mta-sts"
	)
	type row struct {
		host     string
		verdict  string
		tls      string // the end of Event.TLS
		inTLS    bool
		observed string
	}
	for name, rows := range map[string][]row{
		"no policy": {
			{"good", clear, " verified", true, "no-policy-found: kept"},
			{"wrong name", clear, "", true, "no-policy-found: kept"},
			{"expired", clear, "", true, "no-policy-found: kept"},
			{"untrusted", clear, "", true, "no-policy-found: kept"},
			{"no TLS", clear, "", false, "no-policy-found: starttls-not-supported"},
			{"broken", clear, "", false, "no-policy-found: validation-failure"},
			{"refused", clear, "", false, "no-policy-found: validation-failure"},
		},
		"none": {
			{"good", clear, " verified", true, "sts: kept"},
			{"wrong name", clear, "", true, "sts: kept"},
			{"no TLS", clear, "", false, "sts: kept"},
			{"broken", clear, "", false, "sts: kept"},
		},
		"testing": {
			{"good", clear, " verified", true, "sts: kept"},
			{"wrong name", clear, "", true, "sts: certificate-host-mismatch"},
			{"expired", clear, "", true, "sts: certificate-expired"},
			{"untrusted", clear, "", true, "sts: certificate-not-trusted"},
			{"no TLS", clear, "", false, "sts: starttls-not-supported"},
			{"broken", clear, "", false, "sts: validation-failure"},
			{"refused", clear, "", false, "sts: validation-failure"},
		},
		"testing, another host": {
			{"good", clear, " verified", true, "sts: validation-failure mx-not-in-policy"},
			{"no TLS", clear, "", false, "sts: validation-failure mx-not-in-policy"},
		},
		"enforce": {
			{"good", clear, " verified by MTA-STS", true, "sts: kept"},
			{"wrong name", "bob: deferred 4.7.5 the certificate of mx.there.example[192.0.2.1] is not what the MTA-STS policy of there.example demands: *elsewhere.example*#mta-sts",
				"", false, "sts: certificate-host-mismatch"},
			{"expired", held, "", false, "sts: certificate-expired"},
			{"untrusted", held, "", false, "sts: certificate-not-trusted"},
			{"no TLS", "bob: deferred 4.7.5 mx.there.example[192.0.2.1] does not offer STARTTLS, which the MTA-STS policy of there.example demands;*#mta-sts",
				"", false, "sts: starttls-not-supported"},
			{"broken", held, "", false, "sts: validation-failure"},
			{"refused", "bob: deferred 4.7.0 *454 4.7.0 not now*#mta-sts", "", false, "sts: validation-failure"},
		},
		"enforce, another host": {
			{"good", "bob: deferred 4.7.5 the MTA-STS policy of there.example does not name mx.there.example, so no mail is sent there;*#mta-sts", "", false,
				"sts: validation-failure mx-not-in-policy"},
		},
	} {
		for _, r := range rows {
			t.Run(name+"/"+r.host, func(t *testing.T) {
				t.Parallel()
				mode, other, _ := strings.Cut(name, ",")
				policies := stated{}
				switch {
				case other != "":
					policies["there.example"] = sts(mtasts.Mode(mode), "mail.there.example")
				case mode != "no policy":
					policies["there.example"] = sts(mtasts.Mode(mode), "*.there.example")
				}
				host := c.host(r.host)
				b, _, notes := policyBench(t, c, host, policies)
				b.want(b.attempt(bob), r.verdict)
				if got := notes.told(); got != "there.example "+r.observed {
					t.Errorf("observed %q", got)
				}
				relayed := r.verdict == clear
				if took := host.took(); len(took) > 0 != relayed || relayed && took[0].tls != r.inTLS {
					t.Errorf("the host took %+v", took)
				}
				verdict := b.transport().Attempt(t.Context(), b.job(bob))[0]
				if verdict.TLS != "" != r.inTLS || relayed && r.inTLS && !strings.HasSuffix(verdict.TLS, "_SHA256"+r.tls) {
					t.Errorf("TLS is told as %q", verdict.TLS)
				}
				if !r.inTLS && relayed && r.host != "no TLS" && !strings.Contains(verdict.Reason, "sent without TLS") {
					t.Errorf("the trail does not tell: %s", verdict.Reason)
				}
			})
		}
	}
}

// Of several hosts the one is taken that keeps the policy, and each is reported. RFC 8461 5.
func TestMTASTSNextHost(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	first, second, third := c.host("good"), c.host("no TLS"), c.host("good")
	third.cert = c.ca.issue(t, "mx3.there.example")
	b := newBench(t, threeHosts, map[string]*remote{"192.0.2.1": first, "192.0.2.2": second, "192.0.2.3": third})
	notes := &diary{}
	b.config.TLS, b.config.Observer, b.config.Policies = c.ca.trust, notes, stated{"there.example": sts(mtasts.Enforce, "mx2.there.example", "mx3.there.example")}
	b.want(b.attempt(bob), "bob: relayed 2.0.0 mx3*")
	if got := notes.told(); got != "there.example sts: validation-failure mx-not-in-policy; there.example sts: starttls-not-supported; there.example sts: kept" {
		t.Errorf("observed %q", got)
	}
	if first.connections() > 0 || len(second.took()) > 0 {
		t.Error("a host was used that the policy does not allow")
	}
}

// A policy that could not be fetched does not hold mail up, and is reported; one that cannot be told does.
func TestPolicyThatIsNotThere(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	b, _, notes := policyBench(t, c, c.host("good"), stated{})
	b.want(b.attempt("bob@unfetched.example"), "bob: relayed *")
	if got := notes.told(); got != "unfetched.example sts: sts-policy-fetch-error" {
		t.Errorf("observed %q", got)
	}
	b.want(b.attempt("bob@untold.example"), "bob: deferred 4.7.5 it cannot be told now whether untold.example has an MTA-STS policy; see docs/problems.md#mta-sts")
	// An older one holds on.
	b, _, notes = policyBench(t, c, c.host("untrusted"), stated{"unfetched.example": sts(mtasts.Enforce, mx)})
	b.want(b.attempt("bob@unfetched.example"), "bob: deferred 4.7.5 *")
	if got := notes.told(); got != "unfetched.example sts: certificate-not-trusted" {
		t.Errorf("observed %q", got)
	}
	b, _, notes = policyBench(t, c, c.host("good"), stated{"unfetched.example": sts(mtasts.Enforce, mx)})
	b.want(b.attempt("bob@unfetched.example"), "bob: relayed *")
	if got := notes.told(); got != "unfetched.example sts: sts-policy-fetch-error" {
		t.Errorf("observed %q", got)
	}
}

// The operator's own word stands: a host of a route is nobody else's business, and neither is mail that goes without TLS by choice.
func TestPoliciesAreForHostsOfDNS(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	for name, hop := range map[string]Hop{
		"smart host": {Host: mx}, "no TLS by choice": {Security: Plain}, "smart host by address": {Host: "192.0.2.1"},
	} {
		host := c.host("no TLS")
		b, d, notes := policyBench(t, c, host, stated{"there.example": sts(mtasts.Enforce, "mail.there.example")})
		d.mx, d.hosts = map[string]bool{"there.example": true}, map[string]standing{mx: secure}
		d.tlsa = map[string]tlsa{"_25._tcp." + mx: {secure, nil}}
		b.config.Routes.Domains = map[string]*Hop{"there.example": &hop}
		b.want(b.attempt(bob), "bob: relayed *")
		if len(notes.told()) > 0 || len(d.asked) > 0 {
			t.Errorf("%s: %q %q", name, notes.told(), d.asked)
		}
	}
	// What the operator demands beyond the policy stands too.
	b, _, _ := policyBench(t, c, c.host("untrusted"), stated{"there.example": sts(mtasts.Testing, mx)})
	b.config.Routes.Default = &Hop{Security: StartTLS, Verify: true}
	b.want(b.attempt(bob), "bob: deferred 4.7.5 *its route demands*")
	// An address literal has no policy.
	b, _, notes := policyBench(t, c, c.host("no TLS"), stated{"[192.0.2.1]": sts(mtasts.Enforce, mx)})
	b.want(b.attempt("bob@[192.0.2.1]"), "bob: relayed *")
	if got := notes.told(); got != "" {
		t.Errorf("observed %q", got)
	}
}

// RFC 8689 3: with "TLS-Required: No" nothing that the recipient's domain wants holds the message up, TLS is used where it can be had, and
// such a session is not reported as one that went by the policy.
func TestTLSOptional(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	for how, inTLS := range map[string]bool{"good": true, "untrusted": true, "no TLS": false, "broken": false, "refused": false} {
		host := c.host(how)
		b, d, notes := policyBench(t, c, host, stated{"there.example": sts(mtasts.Enforce, "mail.there.example")})
		d.mx, d.hosts = map[string]bool{"there.example": true}, map[string]standing{mx: secure}
		d.tlsa = map[string]tlsa{"_25._tcp." + mx: {unknown, nil}}
		job := b.job(bob)
		job.Message.TLS = mail.TLSOptional
		b.want(b.try(t.Context(), job), "bob: relayed *")
		if got := notes.told(); got != "" {
			t.Errorf("%s: observed %q", how, got)
		}
		if took := host.took(); took[0].tls != inTLS {
			t.Errorf("%s: %+v", how, took)
		}
		b.want(b.attempt(bob), "bob: deferred 4.7.5 *") // the next one is not that lucky
	}
	// What the operator's route demands is not the recipient's wish.
	b, _, _ := policyBench(t, c, c.host("no TLS"), nil)
	b.config.Routes.Default = &Hop{Security: StartTLS}
	job := b.job(bob)
	job.Message.TLS = mail.TLSOptional
	b.want(b.try(t.Context(), job), "bob: deferred 4.7.4 *its route demands*")
}

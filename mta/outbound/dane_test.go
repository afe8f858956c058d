package outbound

import (
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/mtasts"
)

const at25 = "_25._tcp." + mx

// RFC 7672 2.1, RFC 7672 2.2, RFC 7672 3: every standing of the DNS's answers, every sort of records, every way a host deals with TLS.
func TestDANE(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	unusable := []dane.Record{{Usage: dane.PKIXEE, Selector: dane.SPKI, Matching: dane.SHA256, Data: make([]byte, 32)}}
	of := func(how string) []dane.Record { return []dane.Record{ee(t, c.by[how])} }
	const (
		sent     = "bob: relayed *"
		held     = "bob: deferred 4.7.5 *its TLSA record (DANE) demands*docs/problems.md#dane"
		unsure   = "bob: deferred 4.7.5 the DNS cannot be believed about mx.there.example and its TLSA records (DANE) now*docs/problems.md#dane"
		byDANE   = " verified by DANE"
		verified = " verified"
	)
	for _, r := range []struct {
		name     string
		mx       bool
		address  standing
		tlsa     standing
		records  []dane.Record
		host     string
		verdict  string
		tls      string
		inTLS    bool
		observed string
	}{
		{"insecure MX", false, secure, secure, of("wrong name"), "good", sent, verified, true, "no-policy-found: kept"},
		{"insecure MX, TLSA fails", false, secure, unknown, nil, "no TLS", sent, "", false, "no-policy-found: starttls-not-supported"},
		{"insecure host", true, insecure, unknown, nil, "no TLS", sent, "", false, "no-policy-found: starttls-not-supported"},
		{"bogus host", true, unknown, secure, of("good"), "good", unsure, "", false, "tlsa: dnssec-invalid"},
		{"bogus TLSA", true, secure, unknown, nil, "good", unsure, "", false, "tlsa: dnssec-invalid"},
		{"insecure TLSA", true, secure, insecure, of("wrong name"), "good", sent, verified, true, "no-policy-found: kept"},
		{"no TLSA", true, secure, secure, nil, "good", sent, verified, true, "no-policy-found: kept"},
		{"no TLSA, no TLS", true, secure, secure, nil, "no TLS", sent, "", false, "no-policy-found: starttls-not-supported"},
		{"unusable", true, secure, secure, unusable, "good", sent, verified, true, "tlsa: tlsa-invalid"},
		{"unusable, untrusted", true, secure, secure, unusable, "untrusted", sent, "", true, "tlsa: tlsa-invalid"},
		{"unusable, no TLS", true, secure, secure, unusable, "no TLS", held, "", false, "tlsa: starttls-not-supported"},
		{"unusable, broken", true, secure, secure, unusable, "broken", held, "", false, "tlsa: validation-failure"},
		{"EE", true, secure, secure, of("good"), "good", sent, byDANE, true, "tlsa: kept"},
		{"EE, names do not matter", true, secure, secure, of("wrong name"), "wrong name", sent, byDANE, true, "tlsa: kept"}, // RFC 7672 3.1.1
		{"EE, dates do not matter", true, secure, secure, of("expired"), "expired", sent, byDANE, true, "tlsa: kept"},       // RFC 7672 3.1.1
		{"EE, authorities do not matter", true, secure, secure, of("untrusted"), "untrusted", sent, byDANE, true, "tlsa: kept"},
		{"EE, one of two", true, secure, secure, append(of("wrong name"), of("good")...), "good", sent, byDANE, true, "tlsa: kept"},
		{"EE, stale", true, secure, secure, of("wrong name"), "good", held, "", false, "tlsa: certificate-not-trusted"},
		{"EE, no TLS", true, secure, secure, of("good"), "no TLS", held, "", false, "tlsa: starttls-not-supported"},
		{"EE, broken", true, secure, secure, of("good"), "broken", "bob: deferred 4.7.5 *TLS handshake*its TLSA record (DANE) demands TLS*#dane", "", false, "tlsa: validation-failure"},
		{"EE, refused", true, secure, secure, of("good"), "refused", "bob: deferred 4.7.0 *454 4.7.0 not now*#dane", "", false, "tlsa: validation-failure"},
		{"EE, alias beyond", true, ownSecure, secure, of("good"), "good", sent, byDANE, true, "tlsa: kept"}, // RFC 7672 2.2.2
		{"TA", true, secure, secure, []dane.Record{c.ca.ta()}, "good", sent, byDANE, true, "tlsa: kept"},
		{"TA, nobody else's", true, secure, secure, []dane.Record{c.stranger.ta()}, "untrusted", sent, byDANE, true, "tlsa: kept"},
		{"TA, next hop's name", true, secure, secure, []dane.Record{c.stranger.ta()}, "of the domain", sent, byDANE, true, "tlsa: kept"}, // RFC 7672 3.2.2
		{"TA, wrong name", true, secure, secure, []dane.Record{c.ca.ta()}, "wrong name", held, "", false, "tlsa: certificate-host-mismatch"},
		{"TA, expired", true, secure, secure, []dane.Record{c.ca.ta()}, "expired", held, "", false, "tlsa: certificate-expired"},
		{"TA, another's", true, secure, secure, []dane.Record{c.stranger.ta()}, "good", held, "", false, "tlsa: certificate-not-trusted"},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			host := c.host(r.host)
			b, d, notes := policyBench(t, c, host, nil)
			d.mx, d.hosts, d.tlsa = map[string]bool{"there.example": r.mx}, map[string]standing{mx: r.address}, map[string]tlsa{at25: {r.tlsa, r.records}}
			if r.address == ownSecure {
				d.aliases = map[string]string{mx: "elsewhere.example"}
			}
			b.want(b.attempt(bob), r.verdict)
			if got := notes.told(); got != "there.example "+r.observed {
				t.Errorf("observed %q", got)
			}
			if took := host.took(); len(took) > 0 != (r.verdict == sent) || len(took) > 0 && took[0].tls != r.inTLS {
				t.Errorf("the host took %+v", took)
			}
			if verdict := b.transport().Attempt(t.Context(), b.job(bob))[0]; r.inTLS && !strings.HasSuffix(verdict.TLS, "_SHA256"+r.tls) || !r.inTLS && verdict.TLS != "" {
				t.Errorf("TLS is told as %q", verdict.TLS)
			}
			if !r.mx && len(d.asked) > 0 {
				t.Errorf("asked %q", d.asked) // RFC 7672 2.2.1
			}
		})
	}
}

// RFC 8460 4.4: a report names the records and the host.
func TestReportedRecords(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	record := ee(t, c.by["wrong name"])
	b, d, notes := policyBench(t, c, c.host("good"), nil)
	d.mx, d.hosts, d.tlsa = map[string]bool{"there.example": true}, map[string]standing{mx: secure}, map[string]tlsa{at25: {secure, []dane.Record{record}}}
	b.want(b.attempt(bob), "bob: deferred *")
	if p := notes.all[0]; !slices.Equal(p.String, []string{record.String()}) || !slices.Equal(p.MX, []string{mx}) || p.Domain != "there.example" {
		t.Errorf("%+v", p)
	}
	if !slices.Equal(notes.ips, []string{"127.0.0.1 > 192.0.2.1"}) {
		t.Errorf("%q", notes.ips)
	}
}

// RFC 7672 2.2.2, RFC 7672 2.2.3: where a host's records are when it is an alias, and which name is asked for in the handshake.
func TestAliasedHost(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	right, wrong := []dane.Record{ee(t, c.by["good"])}, []dane.Record{ee(t, c.by["expired"])}
	const atReal = "_25._tcp.real.example"
	for _, r := range []struct {
		name    string
		address standing
		tlsa    map[string]tlsa
		want    string
		asked   []string
	}{
		{"at what it leads to", secure, map[string]tlsa{atReal: {secure, right}, at25: {secure, wrong}}, "bob: relayed *", []string{atReal}},
		{"at itself", secure, map[string]tlsa{atReal: {secure, nil}, at25: {secure, right}}, "bob: relayed *", []string{atReal, at25}},
		{"at itself, as the way is not secure", ownSecure, map[string]tlsa{atReal: {secure, wrong}, at25: {secure, right}}, "bob: relayed *", []string{at25}},
		{"one fails", secure, map[string]tlsa{atReal: {unknown, nil}, at25: {secure, right}}, "bob: deferred 4.7.5 *", []string{atReal}},
		{"the other fails", secure, map[string]tlsa{atReal: {secure, nil}, at25: {unknown, nil}}, "bob: deferred 4.7.5 *", []string{atReal, at25}},
	} {
		b, d, _ := policyBench(t, c, c.host("good"), nil)
		d.mx, d.hosts, d.tlsa, d.aliases = map[string]bool{"there.example": true}, map[string]standing{mx: r.address}, r.tlsa, map[string]string{mx: "real.example"}
		b.want(b.attempt(bob), r.want)
		if !slices.Equal(d.asked, r.asked) {
			t.Errorf("%s: asked %q", r.name, d.asked)
		}
	}
}

// A host that is left out for its records is no reason to leave the next one out.
func TestDANENextHost(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	first, second := c.host("good"), c.host("untrusted")
	b := newBench(t, threeHosts, map[string]*remote{"192.0.2.1": first, "192.0.2.2": second})
	d := &believed{Resolver: b.config.Resolver, mx: map[string]bool{"there.example": true},
		hosts: map[string]standing{"mx1.there.example": secure, "mx2.there.example": secure},
		tlsa:  map[string]tlsa{"_25._tcp.mx1.there.example": {unknown, nil}, "_25._tcp.mx2.there.example": {secure, []dane.Record{ee(t, second.cert)}}}}
	b.config.Resolver, b.config.TLSA, b.config.TLS = d, d, c.ca.trust
	b.want(b.attempt(bob), "bob: relayed 2.0.0 mx2*")
	if first.connections() > 0 {
		t.Error("a host was connected to whose records cannot be believed")
	}
}

// RFC 8461 2: DANE that can be used stands in MTA-STS's place, for better and for worse; else MTA-STS counts.
func TestDANEOverridesMTASTS(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	unusable := []dane.Record{{Usage: dane.PKIXTA, Data: make([]byte, 32)}}
	for _, r := range []struct {
		name    string
		records []dane.Record
		policy  *mtasts.Policy
		host    string
		want    string
	}{
		{"DANE is kept, MTA-STS is not", []dane.Record{ee(t, c.by["untrusted"])}, sts(mtasts.Enforce, mx), "untrusted", "bob: relayed *"},
		{"DANE is kept, MTA-STS names others", []dane.Record{ee(t, c.by["good"])}, sts(mtasts.Enforce, "x.example"), "good", "bob: relayed *"},
		{"DANE is not kept, MTA-STS is", []dane.Record{ee(t, c.by["untrusted"])}, sts(mtasts.Enforce, mx), "good", "bob: deferred 4.7.5 *#dane"},
		{"DANE is not kept, MTA-STS tests", []dane.Record{ee(t, c.by["untrusted"])}, sts(mtasts.Testing, mx), "good", "bob: deferred 4.7.5 *#dane"},
		{"no DANE", nil, sts(mtasts.Enforce, mx), "untrusted", "bob: deferred 4.7.5 *#mta-sts"},
		{"no DANE, kept", nil, sts(mtasts.Enforce, mx), "good", "bob: relayed *"},
		{"unusable DANE, MTA-STS is not kept", unusable, sts(mtasts.Enforce, mx), "untrusted", "bob: deferred 4.7.5 *"},
		{"unusable DANE, MTA-STS is kept", unusable, sts(mtasts.Enforce, mx), "good", "bob: relayed *"},
		{"unusable DANE, MTA-STS tests", unusable, sts(mtasts.Testing, mx), "no TLS", "bob: deferred 4.7.5 *#dane"},
	} {
		b, d, _ := policyBench(t, c, c.host(r.host), stated{"there.example": r.policy})
		d.mx, d.hosts, d.tlsa = map[string]bool{"there.example": true}, map[string]standing{mx: secure}, map[string]tlsa{at25: {secure, r.records}}
		t.Run(r.name, func(t *testing.T) {
			b.t = t
			b.want(b.attempt(bob), r.want)
		})
	}
}

// RFC 7672 2.1.2: who makes one family of a host's addresses fail must not turn DANE off. Where the resolver can say so, only a host that
// is proven to be unsigned goes without; it is asked about once.
func TestOneFamilyFails(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	for _, r := range []struct {
		name    string
		a, aaaa dns.Security
		want    string
		checks  []string
	}{
		{"signed", dns.Secure, dns.Bogus, "bob: deferred 4.7.5 *#dane", []string{"A? " + mx, at25, "A? " + mx, at25}},
		{"the other is signed", dns.Bogus, dns.Secure, "bob: deferred 4.7.5 *#dane", []string{"A? " + mx, "AAAA? " + mx, at25, "A? " + mx, "AAAA? " + mx, at25}},
		{"unsigned", dns.Insecure, dns.Insecure, "bob: relayed *", []string{"A? " + mx}},
		{"unsigned, one fails", dns.Indeterminate, dns.Insecure, "bob: relayed *", []string{"A? " + mx, "AAAA? " + mx}},
		{"nothing can be told", dns.Bogus, dns.Indeterminate, "bob: deferred 4.7.5 *#dane", []string{"A? " + mx, "AAAA? " + mx, "A? " + mx, "AAAA? " + mx}},
	} {
		b, d, _ := policyBench(t, c, c.host("no TLS"), nil)
		d.mx, d.tlsa = map[string]bool{"there.example": true}, map[string]tlsa{at25: {secure, []dane.Record{ee(t, c.by["good"])}}}
		d.verdicts = map[string]dns.Verdict{"A " + mx: {Security: r.a, OwnSecure: r.a == dns.Secure}, "AAAA " + mx: {Security: r.aaaa, OwnSecure: r.aaaa == dns.Secure}}
		b.config.TLSA = checking{d}
		b.want(b.attempt(bob), r.want)
		b.want(b.attempt(bob), r.want)
		if !slices.Equal(d.asked, r.checks) {
			t.Errorf("%s: asked %q", r.name, d.asked)
		}
	}
}

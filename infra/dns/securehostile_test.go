package dns

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/clock"
)

// without drops records of some types, and their signatures, from a message.
func without(m *wire.Msg, types ...uint16) *wire.Msg {
	drop := func(rr wire.RR) bool {
		s, ok := rr.(*wire.RRSIG)
		return slices.Contains(types, rr.Header().Rrtype) || ok && slices.Contains(types, s.TypeCovered)
	}
	m.Answer, m.Ns = slices.DeleteFunc(m.Answer, drop), slices.DeleteFunc(m.Ns, drop)
	return m
}

// at makes a twist for one question.
func at(name string, qtype uint16, change func(*wire.Msg) *wire.Msg) func(string, uint16, *wire.Msg) (*wire.Msg, error) {
	return func(n string, q uint16, m *wire.Msg) (*wire.Msg, error) {
		if n == name && q == qtype {
			m = change(m)
		}
		if m == nil {
			return nil, errSilent
		}
		return m, nil
	}
}

// What somebody on the way, or a resolver, may do to answers.
func TestTwistedAnswers(t *testing.T) {
	t.Parallel()
	w0 := town(t)
	other := func(name string, qtype uint16) func(*wire.Msg) *wire.Msg { // another question's answer instead
		return func(m *wire.Msg) *wire.Msg {
			o, err := w0.ask(t.Context(), name, qtype)
			if err != nil {
				t.Fatal(err)
			}
			o.Question = m.Question
			return o
		}
	}
	renamed := func(from, to string, qtype uint16) func(*wire.Msg) *wire.Msg { // the same, with the owners changed
		return func(m *wire.Msg) *wire.Msg {
			o := other(from, qtype)(m)
			for _, rr := range o.Answer {
				rr.Header().Name = strings.Replace(rr.Header().Name, from, to, 1)
			}
			return o
		}
	}
	strip := func(types ...uint16) func(*wire.Msg) *wire.Msg {
		return func(m *wire.Msg) *wire.Msg { return without(m, types...) }
	}
	empty := func(rcode int) func(*wire.Msg) *wire.Msg {
		return func(m *wire.Msg) *wire.Msg {
			m.Answer, m.Ns, m.Rcode = nil, nil, rcode
			return m
		}
	}
	for name, tc := range map[string]struct {
		question string
		name     string
		qtype    uint16
		change   func(*wire.Msg) *wire.Msg
		want     string
		reason   string
	}{
		"signatures stripped":             {"a.good.test A", "a.good.test.", wire.TypeA, strip(wire.TypeRRSIG), "bogus", "have no signature"},
		"answer dropped":                  {"a.good.test A", "a.good.test.", wire.TypeA, empty(wire.RcodeSuccess), "bogus", "proof is missing"},
		"answer made NXDOMAIN":            {"a.good.test A", "a.good.test.", wire.TypeA, empty(wire.RcodeNameError), "bogus", "proof is missing"},
		"NXDOMAIN of another name":        {"a.good.test A", "a.good.test.", wire.TypeA, other("none.good.test.", wire.TypeA), "bogus", "does not prove it"},
		"NODATA of another name":          {"a.good.test A", "a.good.test.", wire.TypeA, other("t.good.test.", wire.TypeA), "bogus", ""},
		"NODATA of another type":          {"a.good.test A", "a.good.test.", wire.TypeA, other("a.good.test.", wire.TypeMX), "bogus", ""},
		"NXDOMAIN of another name, NSEC3": {"a.hashed.test A", "a.hashed.test.", wire.TypeA, other("none.hashed.test.", wire.TypeA), "bogus", ""},
		"the parent's NSEC for the child": {"good.test MX", "good.test.", wire.TypeMX, other("good.test.", wire.TypeDS), "bogus", ""},
		"the parent's proof of no child":  {"deep.good.test MX", "deep.good.test.", wire.TypeMX, other("zzz.good.test.", wire.TypeMX), "bogus", ""},
		"rcode alone changed to NXDOMAIN": {"a.good.test MX", "a.good.test.", wire.TypeMX, func(m *wire.Msg) *wire.Msg { m.Rcode = wire.RcodeNameError; return m }, "secure no-data", ""},
		"rcode alone changed to success":  {"none.good.test MX", "none.good.test.", wire.TypeMX, func(m *wire.Msg) *wire.Msg { m.Rcode = wire.RcodeSuccess; return m }, "secure no-name", ""},
		"NXDOMAIN without the wildcard's proof": {"b.w.good.test MX", "b.w.good.test.", wire.TypeMX, func(m *wire.Msg) *wire.Msg {
			m.Ns = slices.DeleteFunc(m.Ns, func(rr wire.RR) bool { return strings.HasPrefix(rr.Header().Name, "*") })
			m.Rcode = wire.RcodeNameError
			return m
		}, "bogus", ""},
		"wildcard in place of a real name":    {"x.empty.good.test A", "x.empty.good.test.", wire.TypeA, renamed("b.w.good.test.", "x.empty.good.test.", wire.TypeA), "bogus", ""},
		"wildcard for a name that exists":     {"w.good.test A", "w.good.test.", wire.TypeA, renamed("b.w.good.test.", "w.good.test.", wire.TypeA), "bogus", ""},
		"wildcard without proof":              {"b.w.good.test A", "b.w.good.test.", wire.TypeA, strip(wire.TypeNSEC), "bogus", "wildcard"},
		"wildcard without proof, NSEC3":       {"b.w.hashed.test A", "b.w.hashed.test.", wire.TypeA, strip(wire.TypeNSEC3), "bogus", "wildcard"},
		"another name's records":              {"a.good.test A", "a.good.test.", wire.TypeA, renamed("x.empty.good.test.", "a.good.test.", wire.TypeA), "bogus", "signature"},
		"another zone's records":              {"a.good.test A", "a.good.test.", wire.TypeA, renamed("a.deep.good.test.", "a.good.test.", wire.TypeA), "bogus", ""},
		"DS stripped":                         {"a.good.test A", "good.test.", wire.TypeDS, strip(wire.TypeDS), "bogus", "DS"},
		"DS denied with a neighbour's NSEC":   {"a.good.test A", "good.test.", wire.TypeDS, other("open.test.", wire.TypeDS), "bogus", ""},
		"DS denied by the child":              {"a.good.test A", "good.test.", wire.TypeDS, other("good.test.", wire.TypeAAAA), "bogus", ""},
		"DS of another zone":                  {"a.good.test A", "good.test.", wire.TypeDS, renamed("rsa.test.", "good.test.", wire.TypeDS), "bogus", ""},
		"DS denied by a neighbour, NSEC3":     {"a.good.out.test A", "good.out.test.", wire.TypeDS, other("open.out.test.", wire.TypeDS), "bogus", ""},
		"DNSKEY dropped":                      {"a.good.test A", "good.test.", wire.TypeDNSKEY, empty(wire.RcodeSuccess), "bogus", "DNSKEY"},
		"DNSKEY signatures stripped":          {"a.good.test A", "good.test.", wire.TypeDNSKEY, strip(wire.TypeRRSIG), "bogus", "signature"},
		"DNSKEY of another zone":              {"a.good.test A", "good.test.", wire.TypeDNSKEY, renamed("rsa.test.", "good.test.", wire.TypeDNSKEY), "bogus", "names a key"},
		"no proof that the zone is open":      {"a.open.test A", "open.test.", wire.TypeDS, strip(wire.TypeNSEC), "bogus", "DS"},
		"open zone's answer for a signed one": {"cn.test A", "cn.test.", wire.TypeA, strip(wire.TypeRRSIG), "bogus", "no signature"},
		"alias that nobody signed":            {"a.tree.test A", "a.tree.test.", wire.TypeA, strip(wire.TypeDNAME), "bogus", "no signature"},
		"alias given alone":                   {"cn.test A", "cn.test.", wire.TypeA, strip(wire.TypeA), "secure found 192.0.2.1", ""},
		"alias given alone, then open":        {"cnopen.test A", "cnopen.test.", wire.TypeA, strip(wire.TypeA), "insecure found 192.0.2.1", "not signed"},
		"alias with a false end": {"cn.test A", "cn.test.", wire.TypeA, func(m *wire.Msg) *wire.Msg {
			for _, rr := range m.Answer {
				if a, ok := rr.(*wire.A); ok {
					a.A[3]++
				}
			}
			return m
		}, "secure found 192.0.2.1", ""}, // asked for again by itself
		"server silent about the answer": {"a.good.test A", "a.good.test.", wire.TypeA, func(*wire.Msg) *wire.Msg { return nil }, "indeterminate", "in time"},
		"server silent about DS":         {"a.good.test A", "good.test.", wire.TypeDS, func(*wire.Msg) *wire.Msg { return nil }, "indeterminate", "DS records of good.test"},
		"server silent about DNSKEY":     {"a.good.test A", ".", wire.TypeDNSKEY, func(*wire.Msg) *wire.Msg { return nil }, "indeterminate", "the root"},
		"root keys without signatures":   {"a.good.test A", ".", wire.TypeDNSKEY, strip(wire.TypeRRSIG), "insecure found 192.0.2.1", "hand on no DNSSEC"},
		"owner names in other letters": {"a.good.test A", "a.good.test.", wire.TypeA, func(m *wire.Msg) *wire.Msg {
			for i, rr := range m.Answer {
				if i%2 == 0 {
					rr.Header().Name = strings.ToUpper(rr.Header().Name)
				}
			}
			return m
		}, "secure found 192.0.2.1", ""},
		"other classes": {"a.good.test A", "a.good.test.", wire.TypeA, func(m *wire.Msg) *wire.Msg {
			for _, rr := range m.Answer {
				rr.Header().Class = wire.ClassCHAOS
			}
			return m
		}, "bogus", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := w0.twisted(t, at(tc.name, tc.qtype, tc.change))
			if got := w.verdict(tc.question); got != tc.want {
				t.Errorf("%s (%s), want %s", got, w.reason(tc.question), tc.want)
			}
			if reason := w.reason(tc.question); !strings.Contains(reason, tc.reason) {
				t.Errorf("the reason is %q, without %q", reason, tc.reason)
			}
		})
	}
}

// RFC 5011, RFC 6781 4.1: keys come and go, and one way from DS to DNSKEY is enough (RFC 6840 5.11).
func TestKeyRollover(t *testing.T) {
	t.Parallel()
	ksk := func(n int) worldKey { return keyFor(t, "roll.test.", ec, n, 257) }
	zsk := func(n int) worldKey { return keyFor(t, "roll.test.", ec, n, 256) }
	for name, tc := range map[string]struct {
		parent, child []worldKey // keys that the parent names, keys that sign the child's keys
		zsks          []worldKey
		want          string
	}{
		"two keys, both named":          {[]worldKey{ksk(0), ksk(1)}, []worldKey{ksk(0), ksk(1)}, []worldKey{zsk(0)}, "secure found 192.0.2.1"},
		"two keys, the old one named":   {[]worldKey{ksk(0)}, []worldKey{ksk(0), ksk(1)}, []worldKey{zsk(0), zsk(1)}, "secure found 192.0.2.1"},
		"one key, and a DS ahead of it": {[]worldKey{ksk(1), ksk(0)}, []worldKey{ksk(0)}, []worldKey{zsk(0)}, "secure found 192.0.2.1"},
		"the DS is of the old key":      {[]worldKey{ksk(0)}, []worldKey{ksk(1)}, []worldKey{zsk(0)}, "bogus"},
		"one key for all":               {[]worldKey{ksk(0)}, []worldKey{ksk(0)}, []worldKey{ksk(0)}, "secure found 192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ds strings.Builder
			for _, k := range tc.parent {
				ds.WriteString(k.rr.ToDS(wire.SHA256).String() + "\n")
			}
			w := newWorld(t, worldZone{name: ".", alg: ec}, worldZone{name: "test.", alg: ec, records: ds.String()},
				worldZone{name: "roll.test.", alg: ec, noDS: true, ksks: tc.child, zsks: tc.zsks, records: goodRecords("roll.test.")})
			if got := w.verdict("a.roll.test A"); got != tc.want {
				t.Errorf("%s (%s), want %s", got, w.reason("a.roll.test A"), tc.want)
			}
		})
	}
}

// RFC 4035 5.2, RFC 6840 5.2: what is signed with unknown algorithms only is insecure; beside a known one it does not count.
func TestUnknownAlgorithms(t *testing.T) {
	t.Parallel()
	for ds, want := range map[string]string{
		"odd.test. 300 IN DS 7 200 2 " + strings.Repeat("ab", 32):                                                                      "insecure found 192.0.2.1",
		"odd.test. 300 IN DS 7 16 2 " + strings.Repeat("ab", 32):                                                                       "insecure found 192.0.2.1",
		"odd.test. 300 IN DS 7 5 2 " + strings.Repeat("ab", 32):                                                                        "insecure found 192.0.2.1", // RFC 9905 2
		"odd.test. 300 IN DS 7 13 3 " + strings.Repeat("ab", 32):                                                                       "insecure found 192.0.2.1", // GOST digest
		"odd.test. 300 IN DS 7 13 2 " + strings.Repeat("ab", 32):                                                                       "bogus",
		"odd.test. 300 IN DS 7 200 2 " + strings.Repeat("ab", 32) + "\nodd.test. 300 IN DS 7 13 2 " + strings.Repeat("ab", 32):         "bogus",
		keyFor(t, "odd.test.", ec, 0, 257).rr.ToDS(wire.SHA1).String():                                                                 "secure found 192.0.2.1",
		keyFor(t, "odd.test.", ec, 0, 257).rr.ToDS(wire.SHA1).String() + "\nodd.test. 300 IN DS 7 13 2 " + strings.Repeat("ab", 32):    "bogus", // RFC 4509 3
		keyFor(t, "odd.test.", ec, 0, 257).rr.ToDS(wire.SHA256).String() + "\nodd.test. 300 IN DS 7 200 2 " + strings.Repeat("ab", 32): "secure found 192.0.2.1",
		keyFor(t, "odd.test.", wire.ED25519, 0, 257).rr.ToDS(wire.SHA256).String():                                                     "bogus",
	} {
		w := newWorld(t, worldZone{name: ".", alg: ec}, worldZone{name: "test.", alg: ec, records: ds},
			worldZone{name: "odd.test.", alg: ec, noDS: true, records: goodRecords("odd.test.")})
		if got := w.verdict("a.odd.test A"); got != want {
			t.Errorf("%s: %s (%s), want %s", ds, got, w.reason("a.odd.test A"), want)
		}
	}
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	w := town(t)
	good := w.dsOf(w.zones["good.test."])[0].String()
	for name, tc := range map[string]struct {
		change func(*Validation)
		want   string
	}{
		"a private one below":          {func(v *Validation) { v.Anchors = []string{good} }, "secure found 192.0.2.1"},
		"another domain's":             {func(v *Validation) { v.Anchors = []string{strings.Replace(good, "good.test.", "else.test.", 1)} }, "insecure found 192.0.2.1"},
		"the nearest counts":           {func(v *Validation) { v.Anchors = append(v.Anchors, strings.Replace(good, " 13 ", " 15 ", 1)) }, "bogus"},
		"the Internet's":               {func(v *Validation) { v.Anchors, v.Strict = nil, true }, "bogus"},
		"exempt (RFC 7646)":            {func(v *Validation) { v.Exempt = []string{"good.TEST"} }, "insecure found 192.0.2.1"},
		"exempt above a nearer anchor": {func(v *Validation) { v.Exempt, v.Anchors = []string{"test"}, []string{good} }, "secure found 192.0.2.1"},
		"exempt elsewhere":             {func(v *Validation) { v.Exempt = []string{"rsa.test"} }, "secure found 192.0.2.1"},
	} {
		if got := w.verdict("a.good.test A", tc.change); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	for _, bad := range []Validation{{Anchors: []string{""}}, {Anchors: []string{". IN A 192.0.2.1"}}, {Anchors: []string{"x"}}, {Anchors: []string{". IN DS 1 5 2 abcd"}},
		{Anchors: []string{". IN DS 1 8 9 abcd"}}, {Exempt: []string{"a b"}}, {Anchors: slices.Repeat(rootAnchors, 40)}} {
		if _, err := newValidator(bad, nil, w.ask); !mail.Is(err, mail.Invalid) {
			t.Errorf("%.80v: %v", bad, err)
		}
	}
	if _, err := newValidator(Validation{}, nil, w.ask); err != nil {
		t.Error(err)
	}
}

// A resolver that leaves signatures out from the start is as good as none; one that begins to is not to be believed.
func TestDeafResolver(t *testing.T) {
	t.Parallel()
	w := town(t)
	deaf := func(_ string, _ uint16, m *wire.Msg) (*wire.Msg, error) {
		return without(m, wire.TypeRRSIG, wire.TypeNSEC, wire.TypeNSEC3), nil
	}
	w.twist = deaf
	if got := w.verdict("a.good.test A"); got != "insecure found 192.0.2.1" {
		t.Error(got)
	}
	if got := w.verdict("none.good.test A"); got != "insecure no-name" {
		t.Error(got)
	}
	if got := w.verdict("a.good.test A", func(v *Validation) { v.Strict = true }); got != "bogus" {
		t.Error("strict: ", got)
	}
	c := clock.At(worldTime)
	v, err := newValidator(Validation{Anchors: w.anchors()}, c, w.ask)
	if err != nil {
		t.Fatal(err)
	}
	w.twist = nil
	if got := say(t, v, "a.good.test A"); got != "secure found 192.0.2.1" {
		t.Error(got)
	}
	w.twist = deaf
	c.Advance(23 * time.Hour) // the keys are forgotten, not that there were some
	if got := say(t, v, "a.good.test A"); got != "bogus" {
		t.Error(got)
	}
}

// The same name's chain is not asked for twice, by one or by many at once, and not for longer than it is good.
func TestChainIsKept(t *testing.T) {
	t.Parallel()
	w := town(t)
	c := clock.At(worldTime)
	v, err := newValidator(Validation{Anchors: w.anchors()}, c, w.ask)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got := say(t, v, "a.deep.good.test A"); got != "secure found 192.0.2.1" {
				t.Error(got)
			}
		})
	}
	all.Wait()
	counts := func() map[string]int {
		n := map[string]int{}
		for _, a := range w.questions() {
			n[a]++
		}
		return n
	}
	for what, n := range counts() {
		if n != 1 && what != "a.deep.good.test/A" {
			t.Errorf("%s was asked %d times", what, n)
		}
	}
	say(t, v, "deep.good.test MX")
	if n := counts(); len(n) != 1 {
		t.Errorf("with a warm cache: %v", n)
	}
	say(t, v, "a.open.test A") // proven open
	counts()
	say(t, v, "open.test MX")
	if n := counts(); len(n) != 1 {
		t.Errorf("an open zone with a warm cache: %v", n)
	}
	c.Advance(301 * time.Second) // past the DS records, not past the root's keys
	say(t, v, "deep.good.test MX")
	if n := counts(); n["test/DS"] != 1 || n["deep.good.test/DNSKEY"] != 1 || n["/DNSKEY"] != 0 {
		t.Errorf("after the TTL: %v", n)
	}
	// Bogus is remembered shortly, silence not at all.
	w.twist = at("rsa.test.", wire.TypeDS, func(m *wire.Msg) *wire.Msg { return without(m, wire.TypeRRSIG) })
	say(t, v, "a.rsa.test A")
	w.twist = at("p384.test.", wire.TypeDS, func(*wire.Msg) *wire.Msg { return nil })
	say(t, v, "a.p384.test A")
	w.twist = nil
	if got := say(t, v, "a.rsa.test A"); got != "bogus" {
		t.Error(got)
	}
	if got := say(t, v, "a.p384.test A"); got != "secure found 192.0.2.1" {
		t.Error(got)
	}
	c.Advance(bogusTTL)
	if got := say(t, v, "a.rsa.test A"); got != "secure found 192.0.2.1" {
		t.Error(got)
	}
}

// The cache of chains has a bound.
func TestTrustCacheIsBounded(t *testing.T) {
	t.Parallel()
	w := town(t)
	v := w.validator(func(v *Validation) { v.CacheOctets = 5000 })
	for i := range 500 {
		say(t, v, fmt.Sprintf("a%d.x%d.good.test A", i, i))
		say(t, v, fmt.Sprintf("a.x%d A", i))
	}
	v.trusts.put(&trust{name: strings.Repeat("x", 6000), ttl: time.Hour}, worldTime)
	for i := range 100 {
		v.trusts.put(&trust{name: fmt.Sprint(i), ttl: time.Hour}, worldTime)
	}
	if v.trusts.used > 5000 || len(v.trusts.entries) != v.trusts.recent.Len() || v.trusts.recent.Len() < 5 {
		t.Errorf("%d octets in %d entries", v.trusts.used, v.trusts.recent.Len())
	}
}

// twinOf makes another key of the same tag that verifies nothing.
func twinOf(t testing.TB, k *wire.DNSKEY, n int) *wire.DNSKEY {
	t.Helper()
	twin := *k
	raw := make([]byte, 32)
	binary.BigEndian.PutUint32(raw, uint32(n+1))
	for a := range 1 << 17 {
		binary.BigEndian.PutUint32(raw[28:], uint32(a))
		twin.PublicKey = base64.StdEncoding.EncodeToString(raw)
		if twin.KeyTag() == k.KeyTag() {
			return &twin
		}
	}
	t.Fatal("no twin found")
	return nil
}

// CVE-2023-50387: many keys of one tag and many signatures with it are not tried each with each.
func TestKeyTrap(t *testing.T) {
	t.Parallel()
	zsk := keyFor(t, "trap.test.", wire.ED25519, 0, 256)
	zsks := []worldKey{}
	for i := range 20 {
		zsks = append(zsks, worldKey{twinOf(t, zsk.rr, i), zsk.priv})
	}
	w := newWorld(t, worldZone{name: ".", alg: ec}, worldZone{name: "test.", alg: ec},
		worldZone{name: "trap.test.", alg: wire.ED25519, zsks: append(zsks, zsk), records: goodRecords("trap.test.")})
	w.twist = func(_ string, _ uint16, m *wire.Msg) (*wire.Msg, error) { // and each wrong signature again and again
		for _, section := range []*[]wire.RR{&m.Answer, &m.Ns} {
			for _, rr := range slices.Clone(*section) {
				if s, ok := rr.(*wire.RRSIG); ok && s.SignerName == "trap.test." {
					for i := range 100 {
						c := *s
						sig, _ := base64.StdEncoding.DecodeString(s.Signature)
						sig[0] ^= byte(i + 1)
						c.Signature = base64.StdEncoding.EncodeToString(sig)
						*section = slices.Insert(*section, 0, wire.RR(&c))
					}
				}
			}
		}
		return m, nil
	}
	for _, q := range []string{"a.trap.test A", "none.trap.test A", "b.w.trap.test A"} {
		v := w.validator()
		name, kind, _ := strings.Cut(q, " ")
		work := &work{v: v, now: worldTime, queries: maxQueries, checks: maxChecks, hashes: maxHashes}
		_, err := work.resolve(t.Context(), wire.Fqdn(name), wire.StringToType[kind])
		if securityOf(err) == Secure || err == nil {
			t.Errorf("%s: %v", q, err)
		}
		if spent := maxChecks - work.checks; spent > 60 {
			t.Errorf("%s: %d signatures were verified", q, spent)
		}
	}
}

// Thousands of signatures and records, in a message as large as DNS allows, take a bounded time.
func TestGiantAnswers(t *testing.T) {
	t.Parallel()
	w := town(t)
	for name, change := range map[string]func(m *wire.Msg){
		"signatures by a key that is not there": func(m *wire.Msg) {
			s := *m.Answer[len(m.Answer)-1].(*wire.RRSIG)
			for i := range 500 {
				s := s
				s.KeyTag = uint16(i)
				m.Answer = append(m.Answer, &s)
			}
			m.Answer = slices.DeleteFunc(m.Answer, func(rr wire.RR) bool { return rr == wire.RR(&s) })
		},
		"records": func(m *wire.Msg) {
			for i := range 3000 {
				m.Answer = append(m.Answer, &wire.A{Hdr: *m.Answer[0].Header(), A: []byte{10, 0, byte(i >> 8), byte(i)}})
			}
		},
		"signers": func(m *wire.Msg) {
			for i := range 500 {
				s := *m.Answer[len(m.Answer)-1].(*wire.RRSIG)
				s.SignerName = []string{"a.good.test.", "good.test.", "test.", ".", "example."}[i%5]
				s.Signature = base64.StdEncoding.EncodeToString(make([]byte, 64))
				m.Answer = slices.Insert(m.Answer, 0, wire.RR(&s))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.twisted(t, at("a.good.test.", wire.TypeA, func(m *wire.Msg) *wire.Msg { change(m); return m }))
			v := w.validator()
			work := &work{v: v, now: worldTime, queries: maxQueries, checks: maxChecks, hashes: maxHashes}
			f, err := work.resolve(t.Context(), "a.good.test.", wire.TypeA)
			if err == nil && (!f.secure || len(f.rrs) != 1) || err != nil && securityOf(err) != Bogus {
				t.Errorf("%+v %v", f, err)
			}
			if maxChecks-work.checks > 40 || maxQueries-work.queries > 10 {
				t.Errorf("%d signatures, %d queries", maxChecks-work.checks, maxQueries-work.queries)
			}
		})
	}
}

// CVE-2023-50868: long names under NSEC3 with as many rounds as are done end.
func TestHashWorkIsBounded(t *testing.T) {
	t.Parallel()
	w := town(t)
	got := w.verdict(strings.Repeat("a.", 115) + "many.test A")
	if got != "secure no-name" {
		t.Error(got)
	}
	d := &denials{zone: "many.test.", hashed: []span{{}}, rounds: maxIterations, hashes: map[string]string{}}
	work := &work{hashes: maxHashes}
	var err error
	for i := 0; err == nil && i <= maxHashes; i++ {
		_, err = d.denies(work, fmt.Sprintf("x%d.many.test.", i), wire.TypeA)
	}
	if securityOf(err) != Indeterminate || !errors.Is(err, errWork) {
		t.Error(err)
	}
}

// A zone that is deep without end, or answers for ever new names, ends with the questions, as a temporary failure.
func TestQuestionsAreBounded(t *testing.T) {
	t.Parallel()
	n := 0
	w := newWorld(t, worldZone{name: ".", alg: ec})
	w.twist = func(name string, qtype uint16, m *wire.Msg) (*wire.Msg, error) {
		if n++; qtype == wire.TypeA {
			m.Answer, m.Ns = []wire.RR{&wire.A{Hdr: wire.RR_Header{Name: name, Rrtype: qtype, Class: wire.ClassINET, Ttl: 300}, A: []byte{10, 0, 0, 1}}}, nil
		}
		return m, nil
	}
	if got := w.verdict(strings.Repeat("a.", 100) + "test A"); got != "indeterminate" || n > maxQueries {
		t.Errorf("%s after %d questions", got, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.twist = func(string, uint16, *wire.Msg) (*wire.Msg, error) { return nil, ctx.Err() }
	if got := w.validator().verdict(ctx, "a.test.", wire.TypeA); got.Security != Indeterminate {
		t.Errorf("%+v", got)
	}
}

var flipQuestions = []string{"a.good.test A", "good.test MX", "_25._tcp.a.good.test TLSA", "t.good.test TXT", "none.good.test A", "a.good.test AAAA", "b.w.good.test A",
	"a.hashed.test A", "none.hashed.test MX", "a.hashed.test MX", "b.w.hashed.test A", "cn.test A", "a.tree.test A", "a.rsa.test A", "none.out.test A", "a.p384.test A"}

// flipped asks a question while one octet of one of the answers on the way is another.
func flipped(t testing.TB, w *world, question string, message, octet int, mask byte) (got string, used bool) {
	n := 0
	c := w.twisted(t, func(_ string, _ uint16, m *wire.Msg) (*wire.Msg, error) {
		if n++; n-1 != message {
			return m, nil
		}
		b, err := m.Pack()
		if err != nil {
			return nil, err
		}
		b[octet%len(b)] ^= mask
		used = true
		m = new(wire.Msg)
		if err := m.Unpack(b); err != nil {
			return nil, err
		}
		return m, nil
	})
	return c.verdict(question, func(v *Validation) { v.Strict = true }), used
}

// Whatever octet of whatever answer is changed: nothing is secure with data that was not signed, and nothing signed is insecure.
func TestFlippedOctets(t *testing.T) {
	t.Parallel()
	w := town(t)
	sure := map[string]string{}
	for _, q := range flipQuestions {
		sure[q] = w.verdict(q)
	}
	rapid.Check(t, func(r *rapid.T) {
		q := rapid.SampledFrom(flipQuestions).Draw(r, "question")
		got, used := flipped(t, w, q, rapid.IntRange(0, 8).Draw(r, "message"), rapid.IntRange(0, 2000).Draw(r, "octet"), byte(1)<<rapid.IntRange(0, 7).Draw(r, "bit"))
		if !strings.EqualFold(got, sure[q]) && got != "bogus" && got != "indeterminate" {
			r.Fatalf("%s: %s, undisturbed it is %s (used: %v)", q, got, sure[q], used)
		}
	})
}

package dns

import (
	"strings"
	"testing"
	"time"

	wire "github.com/miekg/dns"
)

const ec = wire.ECDSAP256SHA256

// town is a root, a domain for tests, and children of all kinds.
func town(t testing.TB) *world {
	return newWorld(t,
		worldZone{name: ".", alg: ec},
		worldZone{name: "test.", alg: ec, records: `
			plain.sub.test.   300 IN A 192.0.2.9
			cn.test.          300 IN CNAME a.good.test.
			cnopen.test.      300 IN CNAME a.open.test.
			cnbogus.test.     300 IN CNAME a.expired.test.
			cnnone.test.      300 IN CNAME nothing.good.test.
			loop.test.        300 IN CNAME pool.test.
			pool.test.        300 IN CNAME loop.test.
			tree.test.        300 IN DNAME good.test.
			opentree.test.    300 IN DNAME open.test.`},
		worldZone{name: "good.test.", alg: ec, records: goodRecords("good.test.")},
		worldZone{name: "hashed.test.", alg: wire.ED25519, nsec3: true, salt: "ab", iterations: 3, records: goodRecords("hashed.test.")},
		worldZone{name: "rsa.test.", alg: wire.RSASHA256, records: goodRecords("rsa.test.")},
		worldZone{name: "rsa512.test.", alg: wire.RSASHA512, records: goodRecords("rsa512.test.")},
		worldZone{name: "p384.test.", alg: wire.ECDSAP384SHA384, digest: wire.SHA384, records: goodRecords("p384.test.")},
		worldZone{name: "sha1.test.", alg: wire.RSASHA1, records: goodRecords("sha1.test.")},
		worldZone{name: "sha1ds.test.", alg: ec, digest: wire.SHA1, records: goodRecords("sha1ds.test.")},
		worldZone{name: "open.test.", records: goodRecords("open.test.") + "cn.open.test. 300 IN CNAME a.good.test.\n"},
		worldZone{name: "island.test.", alg: ec, noDS: true, records: goodRecords("island.test.")},
		worldZone{name: "expired.test.", alg: ec, from: worldTime.Add(-9 * time.Hour), till: worldTime.Add(-time.Hour), records: goodRecords("expired.test.")},
		worldZone{name: "early.test.", alg: ec, from: worldTime.Add(time.Hour), till: worldTime.Add(9 * time.Hour), records: goodRecords("early.test.")},
		worldZone{name: "out.test.", alg: ec, nsec3: true, optOut: true, records: goodRecords("out.test.")},
		worldZone{name: "open.out.test.", records: goodRecords("open.out.test.")},
		worldZone{name: "good.out.test.", alg: ec, records: goodRecords("good.out.test.")},
		worldZone{name: "many.test.", alg: ec, nsec3: true, iterations: maxIterations, records: goodRecords("many.test.")},
		worldZone{name: "heavy.test.", alg: ec, nsec3: true, iterations: maxIterations + 1, records: goodRecords("heavy.test.")},
		worldZone{name: "deep.good.test.", alg: ec, records: goodRecords("deep.good.test.")},
		worldZone{name: "open.good.test.", records: goodRecords("open.good.test.")},
	)
}

func goodRecords(z string) string {
	return strings.ReplaceAll(`
		@             300 IN MX 10 a.@
		a.@           300 IN A 192.0.2.1
		_25._tcp.a.@  300 IN TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
		t.@           300 IN TXT "v=spf1 -all"
		*.w.@         300 IN A 192.0.2.7
		x.empty.@     300 IN A 192.0.2.8
		`, "@", z)
}

// RFC 4035 5.2 to 5.4, RFC 5155 8, RFC 6840 5.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	w := town(t)
	good := func(zone, like string) (out [][2]string) {
		for _, r := range [][2]string{
			{" MX", "found 10 a." + zone + "."}, {"a. A", "found 192.0.2.1"}, {"t. TXT", `found "v=spf1 -all"`},
			{"_25._tcp.a. TLSA", "found 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"},
			{"a. AAAA", "no-data"}, {"_tcp.a. TLSA", "no-data"}, {"empty. A", "no-data"}, {"_26._tcp.a. TLSA", "no-name"},
			{"none. A", "no-name"}, {"x.y.none. A", "no-name"}, {"zzz. MX", "no-name"}, {"0. MX", "no-name"},
			{"b.w. A", "found 192.0.2.7"}, {"b.c.w. A", "found 192.0.2.7"}, {"b.w. MX", "no-data"}, {"w. A", "no-data"}, {"x.empty. A", "found 192.0.2.8"},
		} {
			out = append(out, [2]string{strings.Replace(r[0], " ", zone+" ", 1), like + " " + r[1]})
		}
		return out
	}
	var rows [][2]string
	for zone, like := range map[string]string{"good.test": "secure", "hashed.test": "secure", "rsa.test": "secure", "rsa512.test": "secure", "p384.test": "secure",
		"sha1ds.test": "secure", "many.test": "secure", "good.out.test": "secure", "deep.good.test": "secure",
		"sha1.test": "insecure", "open.test": "insecure", "island.test": "insecure", "open.out.test": "insecure", "open.good.test": "insecure"} {
		rows = append(rows, good(zone, like)...)
	}
	rows = append(rows, [][2]string{
		{"a.expired.test A", "bogus"}, {"none.expired.test A", "bogus"}, {"a.early.test A", "bogus"}, {"expired.test MX", "bogus"},
		// Positive answers of an opt-out zone are secure, what is missing is not (RFC 5155 9.2).
		{"a.out.test A", "secure found 192.0.2.1"}, {"a.out.test AAAA", "secure no-data"}, {"none.out.test A", "insecure no-name"},
		{"b.w.out.test A", "insecure found 192.0.2.7"},
		// RFC 9276 3.2.
		{"a.heavy.test A", "secure found 192.0.2.1"}, {"none.heavy.test A", "insecure no-name"}, {"a.heavy.test MX", "insecure no-data"}, {"b.w.heavy.test A", "insecure found 192.0.2.7"},
		// Aliases across zones.
		{"cn.test A", "secure found 192.0.2.1"}, {"cn.test MX", "secure no-data"}, {"cnopen.test A", "insecure found 192.0.2.1"}, {"cn.open.test A", "insecure found 192.0.2.1"},
		{"cnbogus.test A", "bogus"}, {"cnnone.test A", "secure no-name"}, {"loop.test A", "indeterminate"},
		{"a.tree.test A", "secure found 192.0.2.1"}, {"none.tree.test A", "secure no-name"}, {"a.opentree.test A", "insecure found 192.0.2.1"},
		{"tree.test A", "secure no-data"}, {"b.w.tree.test A", "secure found 192.0.2.7"},
		{"sub.test A", "secure no-data"}, {"plain.sub.test A", "secure found 192.0.2.9"}, {"nothing.sub.test A", "secure no-name"},
		{"none A", "secure no-name"}, {"none MX", "secure no-name"}, {"test SOA", "secure found ns.test. host.test. 1 7200 3600 1209600 300"},
	}...)
	shared := w.validator()
	for _, r := range rows {
		if got := w.verdict(r[0]); got != r[1] {
			t.Errorf("%s: %s (%s), want %s", r[0], got, w.reason(r[0]), r[1])
		}
		if got := say(t, shared, r[0]); got != r[1] {
			t.Errorf("%s with a warm cache: %s, want %s", r[0], got, r[1])
		}
	}
}

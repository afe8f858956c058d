package judge

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/proto/dkimtext"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/testkit/fakedns"
)

var _ Resolver = dns.Resolver(nil)

// overWire is a real client and a real name server with the records of base.
func overWire(t testing.TB) (*dns.Client, *fakedns.Server) {
	t.Helper()
	var lines []string
	for name, value := range base(t) {
		rtype, owner, _ := strings.Cut(name, " ")
		switch rtype {
		case "TXT":
			value = dkimtext.Quoted(value)
		case "PTR":
			octets := strings.Split(owner, ".")
			owner = octets[3] + "." + octets[2] + "." + octets[1] + "." + octets[0] + ".in-addr.arpa"
			value += "."
		}
		lines = append(lines, owner+". 300 IN "+rtype+" "+value)
	}
	server := fakedns.Start(t, strings.Join(lines, "\n"))
	client := dns.New(dns.Config{Servers: []netip.AddrPort{server.Addr}})
	t.Cleanup(func() { client.Close() }) //nolint:errcheck // the test is over
	return client, server
}

// With a real resolver: records in several strings, names that do not exist, servers that fail.
func TestOverTheWire(t *testing.T) {
	t.Parallel()
	client, server := overWire(t)
	j := judge(client, Policy{HonourReject: true})
	good := signed(t, msg, day)
	for _, c := range []struct {
		tx   Transaction
		want string
	}{
		{tx(good), "pass pass pass pass pass accept"},
		{from("192.0.2.66", "x@evil.example", msg), "fail pass fail refuse"},
		{from("192.0.2.66", "x@nowhere.example", spoof("nowhere.example")), "fail none none accept"},
	} {
		v, err := j.Judge(context.Background(), c.tx)
		if err != nil || words(v) != c.want {
			t.Errorf("%s %v, want %s\n%s", words(v), err, c.want, strings.Join(v.Notes, "\n"))
		}
		consistent(t, &v)
	}
	asked := map[string]int{}
	for _, q := range server.Questions() {
		if asked[q]++; asked[q] > 1 {
			t.Errorf("%s was asked %d times", q, asked[q])
		}
	}
	other, failing := overWire(t)
	for _, name := range []string{"example.com.", "_dmarc.example.com.", "e._domainkey.example.com.", "r._domainkey.example.com."} {
		failing.Fail(name)
	}
	v, err := judge(other, Policy{HonourReject: true}).Judge(context.Background(), tx(good))
	if err != nil || words(v) != "pass temperror temperror temperror temperror accept" {
		t.Errorf("%s %v", words(v), err)
	}
}

// A 20 KB message with both signatures, DNS warm.
func BenchmarkJudge20KB(b *testing.B) {
	m := signed(b, msg+strings.Repeat("These are words of a line that has about seventy-eight octets in it, yes.\r\n", 270), day)
	client, _ := overWire(b)
	j := judge(client, Policy{HonourReject: true})
	x := tx(m)
	if _, err := j.Judge(context.Background(), x); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	start := cpu()
	for b.Loop() {
		v, err := j.Judge(context.Background(), x)
		if err != nil || v.DMARC.Result != dmarc.Pass {
			b.Fatal(err, v.Notes)
		}
	}
	b.ReportMetric(float64((cpu()-start).Microseconds())/float64(b.N), "cpu-µs/op")
}

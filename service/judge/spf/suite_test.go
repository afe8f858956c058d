package spf

import (
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

type suite struct {
	Description string
	Tests       map[string]struct {
		Helo, Host, MailFrom, Explanation string
		Result                            []string
	}
	ZoneData map[string][]struct {
		Type string
		Data []string
	}
}

// zone is a resolver over the records of a suite. A name with TIMEOUT fails for what it has not.
type zone struct {
	records map[string][][]string // by "TYPE name"
	names   map[string]bool
	timeout map[string]bool
}

func newZone(s suite) *zone {
	z := &zone{records: map[string][][]string{}, names: map[string]bool{}, timeout: map[string]bool{}}
	for name, list := range s.ZoneData {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		z.names[name] = true
		var old [][]string
		texts := false
		for _, r := range list {
			switch r.Type {
			case "TIMEOUT":
				z.timeout[name] = true
			case "SPF":
				old = append(old, r.Data)
			default:
				texts = texts || r.Type == "TXT"
				if r.Data[0] != "NONE" {
					z.records[r.Type+" "+name] = append(z.records[r.Type+" "+name], r.Data)
				}
			}
		}
		if !texts { // as the suite says of its drivers
			z.records["TXT "+name] = old
		}
	}
	return z
}

func (z *zone) find(rtype, name string) ([][]string, dns.Status, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for range 10 {
		if r := z.records[rtype+" "+name]; len(r) > 0 {
			return r, dns.Found, nil
		}
		alias := z.records["CNAME "+name]
		if len(alias) == 0 {
			break
		}
		name = strings.ToLower(strings.TrimSuffix(alias[0][0], "."))
	}
	switch {
	case z.timeout[name] || len(z.records["CNAME "+name]) > 0:
		return nil, 0, mail.Errorf(mail.Unavailable, "time is up")
	case z.names[name]:
		return nil, dns.NoData, nil
	}
	return nil, dns.NoName, nil
}

func (z *zone) TXT(_ context.Context, name string) (dns.Answer[[]string], error) {
	list, status, err := z.find("TXT", name)
	a := dns.Answer[[]string]{Status: status}
	for _, r := range list {
		a.Value = append(a.Value, strings.Join(r, ""))
	}
	return a, err
}

func (z *zone) Addresses(_ context.Context, name string) (a dns.Answer[[]netip.Addr], err error) {
	for _, rtype := range []string{"A", "AAAA"} {
		list, status, failed := z.find(rtype, name)
		if failed != nil {
			err = failed
		}
		for _, r := range list {
			a.Value = append(a.Value, netip.MustParseAddr(r[0]))
		}
		if a.Status != dns.Found {
			a.Status = status
		}
	}
	if len(a.Value) > 0 {
		err = nil
	}
	return a, err
}

func (z *zone) MX(_ context.Context, name string) (dns.Answer[[]dns.MX], error) {
	list, status, err := z.find("MX", name)
	a := dns.Answer[[]dns.MX]{Status: status}
	for _, r := range list {
		a.Value = append(a.Value, dns.MX{Host: r[1]})
	}
	return a, err
}

func (z *zone) PTR(_ context.Context, ip netip.Addr) (dns.Answer[[]string], error) {
	name := ip.String()
	parts := strings.Split(name, ".")
	if suffix := ".in-addr.arpa"; ip.Is6() {
		name = dotted(ip)
		parts, suffix = strings.Split(name, "."), ".ip6.arpa"
		slices.Reverse(parts)
		name = strings.Join(parts, ".") + suffix
	} else {
		slices.Reverse(parts)
		name = strings.Join(parts, ".") + suffix
	}
	list, status, err := z.find("PTR", name)
	a := dns.Answer[[]string]{Status: status}
	for _, r := range list {
		a.Value = append(a.Value, r[0])
	}
	return a, err
}

// The official suite of RFC 7208, whole: 203 tests.
func TestOfficialSuite(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/rfc7208-tests.json")
	if err != nil {
		t.Fatal(err)
	}
	var suites []suite
	if err := json.Unmarshal(b, &suites); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range suites {
		z := newZone(s)
		for _, name := range slices.Sorted(maps.Keys(s.Tests)) {
			n++
			c := s.Tests[name]
			local, domain, ok := cutLast(c.MailFrom)
			if !ok {
				local, domain = "postmaster", c.Helo
			}
			got := Check(context.Background(), z, Query{IP: netip.MustParseAddr(c.Host), Local: local, Domain: domain, Helo: c.Helo, Now: time.Unix(1e9, 0)})
			if !slices.Contains(c.Result, string(got.Result)) {
				t.Errorf("%s / %s: %s (%s), want %v", s.Description, name, got.Result, got.Reason, c.Result)
			}
			if want := c.Explanation; want != "" && want != "DEFAULT" && got.Explanation != want || want == "DEFAULT" && got.Explanation != "" {
				t.Errorf("%s / %s: explanation %q, want %q", s.Description, name, got.Explanation, want)
			}
			if got.Reason == "" || len(got.Reason) > 600 {
				t.Errorf("%s / %s: reason %q", s.Description, name, got.Reason)
			}
		}
	}
	if n != 203 {
		t.Errorf("%d tests, want 203", n)
	}
}

func cutLast(s string) (before, after string, ok bool) {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

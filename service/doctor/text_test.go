package doctor

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/service/judge/spf"
)

func TestGeneric(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"mail.example.test": false, "mx1.static.test": false, "192-0-2-10.host.test": true, "host.10.2.0.192.other.test": true, "ip192.0.2.10.dyn.test": true,
		"pool12.other.test": true, "dhcp-7.lan.other.test": true, "a": false, "": false, "cable.other.test": true, "cable.test": false,
	} {
		if got := generic(name, v4); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestFullName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"mail.example.test": true, "xn--bcher-kva.test": true, "mail": false, "": false, "192.0.2.1": false, "::1": false, "host.localdomain": false,
		"a_b.test": false, "-a.test": false, "a..test": false,
	} {
		if got := fullName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// Records that are suggested are records that work.
func TestSuggestedSPF(t *testing.T) {
	t.Parallel()
	for _, in := range [][]string{
		{"v=spf1 mx -all", "v=spf1 a ~all"}, {"v=spf1", "v=spf1 +all"}, {"v=spf1 redirect=a.test", "v=spf1 redirect=b.test"}, {"V=SPF1 MX", "v=spf1 all"},
	} {
		usableSPF(t, merged(in, []netip.Addr{v4, v6}))
	}
	for _, in := range []string{"v=spf1 -all", "v=spf1", "v=spf1 redirect=none.test", "v=spf1 a:x.test ~all exp=y.test"} {
		text := withAddresses(in, []netip.Addr{v4, v6})
		usableSPF(t, text)
		static, err := dns.NewStatic(dns.StaticConfig{Zone: domain + ` TXT "` + text + `"`})
		if err != nil {
			t.Fatal(err)
		}
		for _, ip := range []netip.Addr{v4, v6} {
			if out := spf.Check(context.Background(), static, spf.Query{IP: ip, Domain: domain}); out.Result != spf.Pass {
				t.Errorf("%q: %s for %s", text, out.Reason, ip)
			}
		}
	}
}

// usableSPF fails for a record with a syntax error.
func usableSPF(t *testing.T, text string) {
	t.Helper()
	static, err := dns.NewStatic(dns.StaticConfig{Zone: domain + ` TXT "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`})
	if err != nil {
		t.Fatal(err)
	}
	if out := spf.Check(context.Background(), static, spf.Query{IP: nobody[0], Domain: domain}); strings.Contains(out.Reason, "is wrong") {
		t.Errorf("%q: %s", text, out.Reason)
	}
}

func TestIssue(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]struct {
		issuer, account string
		ok              bool
	}{
		`0 issue "ca.test"`: {"ca.test", "", true},
		`128 ISSUE "CA.test ; accounturi=https://a/1; x=y"`: {"ca.test", "https://a/1", true},
		`0 issue ";"`:               {"", "", true},
		`0 issuewild "ca.test"`:     {"", "", false},
		`0 iodef "mailto:a@b.test"`: {"", "", false},
		``:                          {"", "", false},
		`0`:                         {"", "", false},
		`\# 3 000000`:               {"", "", false},
	} {
		issuer, params, ok := issue(data)
		if issuer != want.issuer || params["accounturi"] != want.account || ok != want.ok {
			t.Errorf("%q: %q %v %v", data, issuer, params, ok)
		}
	}
}

// Texts that others publish never bring the readers down, and what is suggested in their place is one line.
func FuzzTexts(f *testing.F) {
	for _, s := range []string{"v=spf1 mx -all", `0 issue "ca.test; accounturi=x"`, "v=spf1 redirect= all", "0 1 993 a.", "v=spf1\x00 ?ALL"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		found, near := spfRecords([]string{a, b})
		if len(found) > 2 || len(near) > max(len(a), len(b)) {
			t.Error(found, near)
		}
		for _, r := range found {
			if again, _ := spfRecords([]string{withAddresses(r, []netip.Addr{v4})}); len(again) != 1 {
				t.Errorf("%q is no record any more", r)
			}
		}
		if len(found) == 2 {
			if again, _ := spfRecords([]string{merged(found, []netip.Addr{v4, v6})}); len(again) != 1 {
				t.Errorf("%q makes no record", found)
			}
		}
		issue(a)
		sameTarget(a, b)
		generic(a, v6)
		fullName(b)
	})
}

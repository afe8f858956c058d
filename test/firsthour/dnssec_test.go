package firsthour

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/netlab"
)

const (
	anchorEnv   = "FIRSTHOUR_ANCHOR"
	plainEnv    = "FIRSTHOUR_PLAIN"
	checkingEnv = "FIRSTHOUR_CHECKING"
)

const someRecords = `
@        MX 10 mx
@        TXT "genuine"
mx       A 198.51.100.7
_25._tcp.mx TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
alias    CNAME mx.secure.example.
wrong    CNAME mx.wrong.example.
*.wild   TXT "genuine"
`

// signings are the zones in every state of DNSSEC. The zones above them are signed: example with NSEC3, test with NSEC, org with
// NSEC3 and opt-out.
var signings = []netlab.Zone{
	{Name: "secure.example", Records: someRecords},
	{Name: "secure.test", Records: someRecords},
	{Name: "secure.org", Records: someRecords},
	{Name: "hashed.test", Shape: netlab.Hashed, Records: someRecords},
	{Name: "optout.test", Shape: netlab.OptOut, Records: someRecords},
	{Name: "open.optout.test", Shape: netlab.Unsigned, Records: someRecords},
	{Name: "open.example", Shape: netlab.Unsigned, Records: someRecords},
	{Name: "open.test", Shape: netlab.Unsigned, Records: someRecords},
	{Name: "open.org", Shape: netlab.Unsigned, Records: someRecords},
	{Name: "below.open.org", Records: someRecords}, // signed, but nobody can know its key
	{Name: "island.test", Shape: netlab.Island, Records: someRecords},
	{Name: "expired.example", Shape: netlab.Expired, Records: someRecords},
	{Name: "expired.test", Shape: netlab.Expired, Records: someRecords},
	{Name: "early.test", Shape: netlab.Early, Records: someRecords},
	{Name: "wrong.example", Shape: netlab.WrongKey, Records: someRecords},
	{Name: "tampered.test", Shape: netlab.Tampered, Records: someRecords},
	{Name: "lame.test", Shape: netlab.Lame},
	{Name: "silent.test", Shape: netlab.Silent},
}

// trusts says what is to be made of names. RFC 4035 5, RFC 5155 8 and 9, RFC 6840 5, RFC 7672 2.1.
var trusts = []struct {
	name, kind string
	security   dns.Security
	status     dns.Status
	reason     string // part of the sentence
}{
	{"secure.example", "MX", dns.Secure, dns.Found, ""},
	{"secure.test", "TXT", dns.Secure, dns.Found, ""},
	{"secure.org", "TXT", dns.Secure, dns.Found, ""},
	{"mx.secure.example", "A", dns.Secure, dns.Found, ""},
	{"mx.secure.example", "AAAA", dns.Secure, dns.NoData, ""},
	{"_25._tcp.mx.secure.example", "TLSA", dns.Secure, dns.Found, ""},
	{"_465._tcp.mx.secure.example", "TLSA", dns.Secure, dns.NoName, ""},
	{"alias.secure.test", "A", dns.Secure, dns.Found, ""},
	{"none.secure.test", "TXT", dns.Secure, dns.NoName, ""},
	{"x.y.wild.secure.test", "TXT", dns.Secure, dns.Found, ""},
	{"nowhere.example", "MX", dns.Secure, dns.NoName, ""},
	{"nowhere", "MX", dns.Secure, dns.NoName, ""},
	{"hashed.test", "TXT", dns.Secure, dns.Found, ""},
	{"none.hashed.test", "TXT", dns.Secure, dns.NoName, ""},
	{"x.wild.hashed.test", "TXT", dns.Secure, dns.Found, ""},
	{"mx.hashed.test", "TXT", dns.Secure, dns.NoData, ""},
	// Opt-out: what exists is secure; that something does not exist is no proof of more than that no signed zone is there.
	{"optout.test", "TXT", dns.Secure, dns.Found, ""},
	{"mx.optout.test", "TXT", dns.Secure, dns.NoData, ""},
	{"none.optout.test", "TXT", dns.Insecure, dns.NoName, ""},
	{"open.optout.test", "TXT", dns.Insecure, dns.Found, ""},
	{"_25._tcp.mx.open.optout.test", "TLSA", dns.Insecure, dns.Found, ""},
	{"open.org", "TXT", dns.Insecure, dns.Found, ""},
	{"none.open.org", "TXT", dns.Insecure, dns.NoName, ""},
	{"nowhere.org", "TXT", dns.Insecure, dns.NoName, ""},
	{"below.open.org", "TXT", dns.Insecure, dns.Found, ""},
	{"open.example", "TXT", dns.Insecure, dns.Found, ""},
	{"open.test", "MX", dns.Insecure, dns.Found, ""},
	{"mx.open.test", "AAAA", dns.Insecure, dns.NoData, ""},
	{"alias.open.test", "A", dns.Insecure, dns.Found, ""},
	{"island.test", "TXT", dns.Insecure, dns.Found, ""},
	{"expired.example", "TXT", dns.Bogus, dns.NoAnswer, "expired"},
	{"expired.test", "MX", dns.Bogus, dns.NoAnswer, "expired"},
	{"none.expired.test", "TXT", dns.Bogus, dns.NoAnswer, "expired"},
	{"early.test", "TXT", dns.Bogus, dns.NoAnswer, "not valid before"},
	{"wrong.example", "TXT", dns.Bogus, dns.NoAnswer, ""},
	{"wrong.secure.test", "A", dns.Bogus, dns.NoAnswer, ""},
	{"wrong.open.test", "A", dns.Bogus, dns.NoAnswer, ""},
	{"tampered.test", "TXT", dns.Bogus, dns.NoAnswer, ""},
	{"mx.tampered.test", "A", dns.Secure, dns.Found, ""},
	{"lame.test", "TXT", dns.Indeterminate, dns.NoAnswer, ""},
	{"silent.test", "TXT", dns.Indeterminate, dns.NoAnswer, ""},
}

// TestTrust has Postrider's own validator, on top of a resolver that checks nothing, judge zones that BIND serves. Where Unbound can be asked the same,
// it has to agree.
func TestTrust(t *testing.T) {
	if !netlab.Inside() {
		t.Parallel()
		short(t)
		lab := netlab.Start(t, netlab.Plan{Zones: signings})
		us := lab.AddUs(t, "mx.our.example")
		us.Rerun(t, anchorEnv+"="+lab.DNS.Anchor, plainEnv+"="+lab.DNS.Plain.String()+":53", checkingEnv+"="+lab.DNS.Checking.String()+":53")
		return
	}
	ours, err := dns.NewValidating(dns.Config{Servers: []netip.AddrPort{netip.MustParseAddrPort(os.Getenv(plainEnv))}},
		dns.Validation{Anchors: []string{os.Getenv(anchorEnv)}, Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	oracle := dns.New(dns.Config{Servers: []netip.AddrPort{netip.MustParseAddrPort(os.Getenv(checkingEnv))}, Trusted: true})
	t.Cleanup(func() { oracle.Close() })
	for _, row := range trusts {
		t.Run(row.name+" "+row.kind, func(t *testing.T) {
			t.Parallel()
			started := time.Now()
			v, err := ours.Check(t.Context(), row.name, row.kind)
			if err != nil {
				t.Fatal(err)
			}
			if v.Security != row.security || v.Status != row.status || !strings.Contains(v.Reason, row.reason) {
				t.Errorf("%s, %s (%s), want %s, %s (%s)", v.Security, v.Status, v.Reason, row.security, row.status, row.reason)
			}
			if took := time.Since(started); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			if row.kind != "TXT" {
				return
			}
			// Mail asks like this: what is bogus or broken is never "there is none".
			texts, err := ours.TXT(t.Context(), row.name)
			if bad := row.security <= dns.Bogus; bad != mail.Is(err, mail.Unavailable) || !bad && texts.Authentic != (row.security == dns.Secure) {
				t.Errorf("TXT: %+v, %v", texts, err)
			}
			theirs, err := oracle.TXT(t.Context(), row.name)
			if bad := row.security <= dns.Bogus; bad != mail.Is(err, mail.Unavailable) || !bad && (theirs.Authentic != texts.Authentic || theirs.Status != texts.Status) {
				t.Errorf("Unbound: %+v, %v", theirs, err)
			}
		})
	}
}

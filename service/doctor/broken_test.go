package doctor

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/service/records"
	"github.com/postrider/postrider/service/seal"
	"github.com/postrider/postrider/testkit/clock"
)

// broken is one set-up that has one thing wrong.
type broken struct {
	name   string
	change func(c *clinic)
	check  string
	level  Level
	text   string // part of the sentence
	record string // part of the record to publish; "" does not matter
	link   string // "" does not matter
}

// keyName is where the record of a key of the tests is.
func keyName(i int) string { return theKeys()[i].Selector + "._domainkey." + domain }

func keyText(i int) string {
	r, err := theKeys()[i].Record()
	if err != nil {
		panic(err)
	}
	return r.Text
}

func rsaText(bits int) string {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		panic(err)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

// with makes all ports show another certificate, whose TLSA record is published.
func with(cert *tls.Certificate) func(c *clinic) {
	return func(c *clinic) {
		c.cert = cert
		c.facts.Certificates = []*x509.Certificate{cert.Leaf}
		c.publish()
	}
}

func policyOf(c *clinic, change func(p *mtasts.Policy)) {
	p := *c.facts.MTASTS
	change(&p)
	c.facts.MTASTS = &p
	c.publish()
	c.web.policy = p.String()
}

var dnsBroken = []broken{
	{name: "the resolver does not answer", change: func(c *clinic) {
		c.dns.Resolver = dead{}
		c.config = func(cfg *Config) { cfg.Deadline = 200 * time.Millisecond }
	}, check: "resolver", level: Fault, text: "The resolver does not answer", link: linkResolver},
	{name: "the resolver does not hand on DNSSEC", change: func(c *clinic) {
		c.dns.verdicts["test DS"] = dns.Verdict{Security: dns.Insecure, Status: dns.Found, Reason: "the name servers hand on no DNSSEC signatures"}
	}, check: "resolver", level: Warning, text: "does not hand on DNSSEC", link: linkResolver},
	{name: "the root zone is forged", change: func(c *clinic) {
		c.dns.verdicts["test DS"] = dns.Verdict{Security: dns.Bogus, Reason: "no key of the zone . is trusted"}
	}, check: "resolver", level: Fault, text: "forged or spoilt: no key", link: linkDNSSEC},
	{name: "the domain's name servers do not answer", change: func(c *clinic) { c.del(domain, ""); c.set(domain, "FAIL", "") },
		check: "nameserver", level: Fault, text: "The name servers of example.test do not answer"},
	{name: "DNSSEC expired", change: func(c *clinic) {
		c.dns.verdicts[domain+" MX"] = dns.Verdict{Security: dns.Bogus, Reason: "the signature of the zone example.test has expired 3 days ago."}
	}, check: "dnssec", level: Fault, text: "has expired 3 days ago.", link: linkDNSSEC},
	{name: "DNSSEC bogus", change: func(c *clinic) {
		c.dns.verdicts[host+" A"] = dns.Verdict{Security: dns.Bogus, Reason: "the DS record agrees with no key"}
	}, check: "dnssec", level: Fault, text: "DNSSEC refuses the A records of mail.example.test"},
	{name: "no DNSSEC", change: func(c *clinic) {
		c.dns.verdicts[domain+" MX"] = dns.Verdict{Security: dns.Insecure, Status: dns.Found}
	}, check: "dnssec", level: Note, text: "example.test is not signed"},
	{name: "no MX", change: func(c *clinic) { c.del(domain, "MX") }, check: "mx", level: Fault, text: "has no MX record", record: "example.test. IN MX 10 mail.example.test.", link: linkMX},
	{name: "no such domain", change: func(c *clinic) {
		c.zone = slices.DeleteFunc(c.zone, func(r records.Record) bool { return records.Below(r.Name, domain) })
	}, check: "mx", level: Fault, text: "does not exist"},
	{name: "MX to a CNAME", change: func(c *clinic) {
		c.set(domain, "MX", "10 mx.example.test.")
		c.set("mx.example.test", "CNAME", host+".")
	}, check: "mx", level: Fault, text: "mx.example.test of example.test is an alias (CNAME) of mail.example.test", record: "MX 10 mail"},
	{name: "MX to an IP address", change: func(c *clinic) {
		c.dns.records[domain+" MX"] = []string{"10 192.0.2.10."}
		c.del(domain, "MX")
		c.config = func(cfg *Config) { cfg.Resolver = unusable1{cfg.Resolver} }
	}, check: "mx", level: Fault, text: "name no host but the address 192.0.2.10"},
	{name: "MX to an IP address among others", change: func(c *clinic) {
		c.dns.records[domain+" MX"] = []string{"10 mail.example.test.", "20 192.0.2.10."}
	}, check: "mx", level: Fault, text: "but the address 192.0.2.10"},
	{name: "MX to a host without address", change: func(c *clinic) { c.set(domain, "MX", "10 "+host+".", "20 gone.example.test.") },
		check: "mx", level: Fault, text: "gone.example.test of example.test has no address"},
	{name: "MX that does not name us", change: func(c *clinic) {
		c.set(domain, "MX", "10 mx.other.test.")
		c.set("mx.other.test", "A", "198.51.100.77")
	}, check: "mx", level: Fault, text: "name mx.other.test, not us"},
	{name: "MX that names others too", change: func(c *clinic) {
		c.set(domain, "MX", "10 mail.example.test.", "20 mx.other.test.")
		c.set("mx.other.test", "A", "198.51.100.77")
	}, check: "mx", level: Note, text: "name also mx.other.test"},
	{name: "MX to a private address", change: func(c *clinic) {
		c.set(domain, "MX", "10 mail.example.test.", "20 mx.other.test.")
		c.set("mx.other.test", "A", "10.0.0.1")
	}, check: "mx", level: Fault, text: "is at 10.0.0.1, which nobody outside can reach"},
	{name: "null MX", change: func(c *clinic) { c.set(domain, "MX", "0 .") }, check: "mx", level: Fault, text: "takes no mail"},
	{name: "hostname without address", change: func(c *clinic) { c.del(host, "A"); c.del(host, "AAAA") }, check: "hostname", level: Fault,
		text: "has no address in the DNS", record: "mail.example.test. IN A 192.0.2.10\nmail.example.test. IN AAAA 2001:db8::10"},
	{name: "hostname leads elsewhere", change: func(c *clinic) { c.set(host, "A", "198.51.100.9"); c.del(host, "AAAA") }, check: "hostname", level: Fault, text: "leads to 198.51.100.9, not to us"},
	{name: "hostname leads elsewhere too", change: func(c *clinic) { c.set(host, "A", v4.String(), "198.51.100.9") }, check: "hostname", level: Warning, text: "leads also to 198.51.100.9"},
	{name: "hostname at a private address", change: func(c *clinic) { c.set(host, "A", v4.String(), "192.168.1.7") }, check: "hostname", level: Fault, text: "192.168.1.7, an address that nobody outside can reach"},
	{name: "IPv6 not published", change: func(c *clinic) { c.del(host, "AAAA") }, check: "hostname", level: Note, text: "2001:db8::10 is not among", record: "AAAA 2001:db8::10"},
	{name: "HELO is no full name", change: func(c *clinic) { c.facts.Hostname = "mailhost" }, check: "hostname", level: Fault, text: `calls itself "mailhost" (HELO), which is no full name`},
	{name: "no PTR", change: func(c *clinic) { c.del(records.Reverse(v4), "PTR") }, check: "ptr", level: Fault, text: "192.0.2.10 has no name (PTR)",
		record: "10.2.0.192.in-addr.arpa. IN PTR mail.example.test.", link: linkPTR},
	{name: "IPv6 without PTR", change: func(c *clinic) { c.del(records.Reverse(v6), "PTR") }, check: "ptr", level: Fault, text: "Our IPv6 address 2001:db8::10 has no name"},
	{name: "PTR that does not lead back", change: func(c *clinic) { c.set(records.Reverse(v4), "PTR", "lies.test.") }, check: "ptr", level: Fault, text: "has the name lies.test (PTR), but that name does not lead back"},
	{name: "PTR with another name", change: func(c *clinic) {
		c.set(records.Reverse(v4), "PTR", "box.host.test.")
		c.set("box.host.test", "A", v4.String())
	}, check: "ptr", level: Warning, text: "has the name box.host.test (PTR), but we call ourselves mail.example.test"},
	{name: "generic PTR", change: func(c *clinic) {
		c.set(records.Reverse(v4), "PTR", "192-0-2-10.host.test.")
		c.set("192-0-2-10.host.test", "A", v4.String())
	}, check: "ptr", level: Warning, text: "looks like that of a dial-up line"},
	{name: "CAA forbids our authority", change: func(c *clinic) { c.set(host, "CAA", `0 issue "other.test"`) }, check: "caa", level: Fault,
		text: "forbid ca.test to issue certificates for mail.example.test; they allow other.test", record: `mail.example.test. IN CAA 0 issue "ca.test"`},
	{name: "CAA at the domain forbids everybody", change: func(c *clinic) { c.del(host, "CAA"); c.set(domain, "CAA", `0 issue ";"`) }, check: "caa", level: Fault, text: "they allow nobody"},
	{name: "CAA for another account", change: func(c *clinic) {
		c.facts.ACMEAccount = "https://ca.test/acct/1"
		c.set(host, "CAA", `0 issue "ca.test; accounturi=https://ca.test/acct/2"`)
	}, check: "caa", level: Fault, text: "only the account https://ca.test/acct/2"},
	{name: "on a block list", change: func(c *clinic) {
		c.set("10.2.0.192.list.test", "A", "127.0.0.4")
		c.txt("10.2.0.192.list.test", "seen sending junk, see https://list.test/q")
	}, check: "blocklist", level: Fault, text: "192.0.2.10 is on the block list list.test (127.0.0.4), which says: seen sending junk, see https://list.test/q", link: linkBlocklisted},
	{name: "IPv6 on a block list", change: func(c *clinic) {
		c.set(strings.TrimSuffix(records.Reverse(v6), ".ip6.arpa")+".list.test", "A", "127.0.0.2")
	}, check: "blocklist", level: Fault, text: "2001:db8::10 is on the block list list.test"},
	{name: "a public resolver that the list refuses", change: func(c *clinic) { c.set("2.0.0.127.list.test", "A", "127.255.255.254") }, check: "blocklist", level: Warning, text: "does not answer your resolver", link: linkResolver},
	{name: "a list that lists the world", change: func(c *clinic) {
		c.set("1.0.0.127.list.test", "A", "127.0.0.2")
		c.set("10.2.0.192.list.test", "A", "127.0.0.2")
	}, check: "blocklist", level: Note, text: "lists everything"},
	{name: "SRV leads elsewhere", change: func(c *clinic) { c.set("_imaps._tcp.example.test", "SRV", "0 1 993 old.other.test.") }, check: "srv", level: Warning,
		text: "leads elsewhere (0 1 993 old.other.test.)", record: "_imaps._tcp.example.test. IN SRV 0 1 993 mail.example.test.", link: linkAutoconfig},
	{name: "SRV missing", change: func(c *clinic) { c.del("_submissions._tcp.example.test", "SRV") }, check: "srv", level: Note, text: "There is no SRV record at _submissions", record: "SRV 0 1 465"},
	{name: "autoconfig missing", change: func(c *clinic) { c.del("autoconfig.example.test", "CNAME") }, check: "autoconfig", level: Warning, text: "The name autoconfig.example.test is missing", record: "CNAME mail.example.test."},
	{name: "autodiscover elsewhere", change: func(c *clinic) {
		c.set("autodiscover.example.test", "A", "198.51.100.8")
		c.del("autodiscover.example.test", "CNAME")
	}, check: "autoconfig", level: Warning, text: "leads to 198.51.100.8, not to us"},
}

// unusable1 answers as where an MX record names an address alone.
type unusable1 struct{ dns.Resolver }

func (unusable1) MX(context.Context, string) (dns.Answer[[]dns.MX], error) {
	return dns.Answer[[]dns.MX]{Status: dns.Unusable}, nil
}

var believedBroken = []broken{
	{name: "no SPF", change: func(c *clinic) { c.del(domain, "TXT") }, check: "spf", level: Fault, text: "has no SPF record", record: `example.test. IN TXT "v=spf1`, link: linkSPF},
	{name: "two SPF records", change: func(c *clinic) { c.txt(domain, "v=spf1 ip4:192.0.2.10 ~all", "v=spf1 include:_spf.other.test -all") }, check: "spf", level: Fault,
		text: "has 2 SPF records", record: `"v=spf1 ip4:192.0.2.10 include:_spf.other.test ip6:2001:db8::10 ~all"`},
	{name: "SPF syntax", change: func(c *clinic) { c.txt(domain, "v=spf1 ipv4:192.0.2.10 -all") }, check: "spf", level: Fault, text: `the term "ipv4:192.0.2.10" is wrong`},
	{name: "SPF that is none", change: func(c *clinic) { c.txt(domain, "v=spf1; mx -all") }, check: "spf", level: Fault, text: "is not understood"},
	{name: "SPF with more than ten lookups", change: func(c *clinic) {
		terms := ""
		for i := range 11 {
			name := fmt.Sprintf("s%d.other.test", i)
			terms += " include:" + name
			c.txt(name, "v=spf1 ip4:198.51.100.1 -all")
		}
		c.txt(domain, "v=spf1 mx"+terms+" -all") // ours comes first, and passes
	}, check: "spf", level: Fault, text: "more than 10 questions"},
	{name: "SPF with void lookups", change: func(c *clinic) { c.txt(domain, "v=spf1 mx a:a.none.test a:b.none.test a:c.none.test -all") }, check: "spf", level: Fault, text: "have no data"},
	{name: "SPF that includes nothing", change: func(c *clinic) { c.txt(domain, "v=spf1 mx include:none.test -all") }, check: "spf", level: Fault, text: "includes none.test"},
	{name: "SPF +all", change: func(c *clinic) { c.txt(domain, "v=spf1 mx +all") }, check: "spf", level: Fault, text: "(+all)"},
	{name: "SPF ?all", change: func(c *clinic) { c.txt(domain, "v=spf1 mx ?all") }, check: "spf", level: Warning, text: "does not say what to do"},
	{name: "SPF without us", change: func(c *clinic) { c.txt(domain, "v=spf1 ip4:192.0.2.10 -all") }, check: "spf", level: Fault, text: "does not allow our address 2001:db8::10",
		record: `"v=spf1 ip4:192.0.2.10 ip6:2001:db8::10 -all"`},
	{name: "SPF of the hostname without us", change: func(c *clinic) { c.txt(host, "v=spf1 -all") }, check: "spf", level: Warning, text: "Bounces and reports", record: "mail.example.test. IN TXT"},
	{name: "DKIM missing", change: func(c *clinic) { c.del(keyName(1), "TXT") }, check: "dkim", level: Fault, text: "The DKIM record at r1._domainkey.example.test is missing", record: "r1._domainkey.example.test. IN TXT", link: linkDKIM},
	{name: "DKIM with another key", change: func(c *clinic) { c.txt(keyName(1), rsaText(2048)) }, check: "dkim", level: Fault, text: "another key than the one that signs"},
	{name: "DKIM revoked", change: func(c *clinic) { c.txt(keyName(0), "v=DKIM1; k=ed25519; p=") }, check: "dkim", level: Fault, text: "revoked (p= is empty)"},
	{name: "DKIM key too short", change: func(c *clinic) { c.txt(keyName(1), shortRSA) }, check: "dkim", level: Fault, text: "fewer than 1024 bits"},
	{name: "DKIM of the wrong type", change: func(c *clinic) { c.txt(keyName(0), strings.Replace(keyText(0), "k=ed25519", "k=rsa", 1)) }, check: "dkim", level: Fault, text: "is for a key of type rsa (k=), but ours is of type ed25519"},
	{name: "DKIM cut short", change: func(c *clinic) { c.txt(keyName(1), keyText(1)[:250]) }, check: "dkim", level: Fault, text: "cannot be read"},
	{name: "DKIM being tried out", change: func(c *clinic) { c.txt(keyName(1), strings.Replace(keyText(1), "; p=", "; t=y; p=", 1)) }, check: "dkim", level: Warning, text: "t=y"},
	{name: "DKIM not for mail", change: func(c *clinic) { c.txt(keyName(1), strings.Replace(keyText(1), "; p=", "; s=tlsrpt; p=", 1)) }, check: "dkim", level: Fault, text: "does not let its key sign mail"},
	{name: "two DKIM records", change: func(c *clinic) { c.txt(keyName(0), keyText(0), "v=DKIM1; p=") }, check: "dkim", level: Fault, text: "There are 2 records"},
	{name: "no DKIM key", change: func(c *clinic) { c.facts.Keys = nil }, check: "dkim", level: Fault, text: "There is no DKIM key"},
	{name: "next DKIM key not published", change: func(c *clinic) {
		c.facts.Keys = slices.Clone(c.facts.Keys)
		c.facts.Keys[0].State = seal.Published
		c.del(keyName(0), "TXT")
	}, check: "dkim", level: Warning, text: "is not published yet"},
	{name: "no DMARC", change: func(c *clinic) { c.del("_dmarc."+domain, "TXT") }, check: "dmarc", level: Fault, text: "has no DMARC record", record: "_dmarc.example.test. IN TXT", link: linkDMARC},
	{name: "two DMARC records", change: func(c *clinic) { c.txt("_dmarc."+domain, "v=DMARC1; p=none", "v=DMARC1; p=reject") }, check: "dmarc", level: Fault, text: "has 2 DMARC records"},
	{name: "DMARC syntax", change: func(c *clinic) { c.txt("_dmarc."+domain, "v=DMARC; p=reject") }, check: "dmarc", level: Fault, text: "is not understood"},
	{name: "DMARC without a policy", change: func(c *clinic) { c.txt("_dmarc."+domain, "v=DMARC1; q=reject") }, check: "dmarc", level: Fault, text: "asks for nothing"},
	{name: "DMARC with a wrong tag", change: func(c *clinic) { c.txt("_dmarc."+domain, "v=DMARC1; p=reject; sp=all; rua=mailto:dmarc@example.test") }, check: "dmarc", level: Warning, text: "has a fault"},
	{name: "DMARC p=none", change: func(c *clinic) { c.txt("_dmarc."+domain, "v=DMARC1; p=none; rua=mailto:dmarc@example.test") }, check: "dmarc", level: Note, text: "is none"},
	{name: "DMARC without reports", change: func(c *clinic) { c.txt("_dmarc."+domain, "v=DMARC1; p=reject") }, check: "dmarc", level: Note, text: "names no address for reports", link: linkReports},
	{name: "DMARC reports to strangers", change: func(c *clinic) { c.txt("_dmarc."+domain, "v=DMARC1; p=reject; rua=mailto:us@reports.other.test") }, check: "dmarc", level: Warning,
		text: "has not said that it takes them", record: `example.test._report._dmarc.reports.other.test. IN TXT "v=DMARC1;"`},
}

// shortRSA is the record of a key of 512 bits, which Go no longer makes.
var shortRSA = func() string {
	n := new(big.Int).Lsh(big.NewInt(1), 511)
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n.Add(n, big.NewInt(12345)), E: 65537})
	if err != nil {
		panic(err)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}()

var stsBroken = []broken{
	{name: "MTA-STS record missing", change: func(c *clinic) { c.del("_mta-sts."+domain, "TXT") }, check: "mta-sts", level: Warning, text: "record of example.test is missing", record: "_mta-sts.example.test. IN TXT \"v=STSv1; id=", link: linkMTASTS},
	{name: "no MTA-STS at all", change: func(c *clinic) { c.facts.MTASTS = nil; c.del("_mta-sts."+domain, "TXT") }, check: "mta-sts", level: Note, text: "it is optional"},
	{name: "MTA-STS record broken", change: func(c *clinic) { c.txt("_mta-sts."+domain, "v=STSv1 id=1") }, check: "mta-sts", level: Fault, text: "is not understood"},
	{name: "two MTA-STS records", change: func(c *clinic) { c.txt("_mta-sts."+domain, "v=STSv1; id=1", "v=STSv1; id=2") }, check: "mta-sts", level: Fault, text: "more than one MTA-STS record"},
	{name: "MTA-STS record without policy", change: func(c *clinic) { c.web.status = 404 }, check: "mta-sts", level: Fault, text: "the answer is 404"},
	{name: "MTA-STS policy redirected", change: func(c *clinic) { c.web.status, c.web.location = 301, "https://www.example.test/" }, check: "mta-sts", level: Fault, text: "a redirect to https://www.example.test/"},
	{name: "MTA-STS host missing", change: func(c *clinic) { c.del("mta-sts."+domain, "CNAME") }, check: "mta-sts", level: Fault, text: "cannot be fetched", record: "CNAME mail.example.test."},
	{name: "MTA-STS web server down", change: func(c *clinic) { c.serve = map[uint16]func(net.Conn){443: nil} }, check: "mta-sts", level: Fault, text: "cannot be fetched"},
	{name: "MTA-STS policy broken", change: func(c *clinic) { c.web.policy = "<html>hello</html>" }, check: "mta-sts", level: Fault, text: "is not valid"},
	{name: "MTA-STS policy does not name us", change: func(c *clinic) { policyOf(c, func(p *mtasts.Policy) { p.MX = []string{"mx.old.test"} }) }, check: "mta-sts", level: Fault,
		text: "names mx.old.test, but not its MX host mail.example.test"},
	{name: "MTA-STS mode testing", change: func(c *clinic) { policyOf(c, func(p *mtasts.Policy) { p.Mode = mtasts.Testing }) }, check: "mta-sts", level: Note, text: "mode testing"},
	{name: "MTA-STS id of another policy", change: func(c *clinic) { c.txt("_mta-sts."+domain, "v=STSv1; id=20250101") }, check: "mta-sts", level: Fault, text: "still has the id of another policy", record: "v=STSv1; id="},
	{name: "MTA-STS policy of somebody else", change: func(c *clinic) { c.web.policy = strings.Replace(c.web.policy, "604800", "86400", 1) }, check: "mta-sts", level: Warning, text: "is not the one that is set here"},
	{name: "MTA-STS policy of the wrong type", change: func(c *clinic) { c.web.kind = "text/html" }, check: "mta-sts", level: Warning, text: "not as text/plain"},
	{name: "MTA-STS host's certificate is for others", change: with1(host), check: "mta-sts", level: Fault, text: "The certificate of mta-sts.example.test is for mail.example.test, not for mta-sts.example.test", link: linkCertificate},
	{name: "TLSRPT missing", change: func(c *clinic) { c.del("_smtp._tls."+domain, "TXT") }, check: "tlsrpt", level: Warning, text: "has no TLSRPT record", record: "v=TLSRPTv1; rua=mailto:tlsrpt@example.test", link: linkReports},
	{name: "TLSRPT broken", change: func(c *clinic) { c.txt("_smtp._tls."+domain, "v=TLSRPTv1; rua=tlsrpt@example.test") }, check: "tlsrpt", level: Warning, text: "names no address for reports"},
	{name: "two TLSRPT records", change: func(c *clinic) {
		c.txt("_smtp._tls."+domain, "v=TLSRPTv1; rua=mailto:a@example.test", "v=TLSRPTv1; rua=mailto:b@example.test")
	}, check: "tlsrpt", level: Warning, text: "more than one TLSRPT record"},
	{name: "TLSA stale", change: func(c *clinic) {
		c.set("_25._tcp."+host, "TLSA", "3 1 1 "+strings.Repeat("ab", 32))
	}, check: "tlsa", level: Fault, text: "None of the TLSA records at _25._tcp.mail.example.test agrees with the certificate", record: "_25._tcp.mail.example.test. IN TLSA 3 1 1 ", link: linkDANE},
	{name: "TLSA without DNSSEC", change: func(c *clinic) { c.dns.authentic = false }, check: "tlsa", level: Warning, text: "no DNSSEC vouches"},
	{name: "TLSA that cannot be used", change: func(c *clinic) { c.set("_25._tcp."+host, "TLSA", "1 1 1 "+strings.Repeat("ab", 32)) }, check: "tlsa", level: Warning, text: "None of the TLSA records at _25._tcp.mail.example.test can be used"},
	{name: "TLSA missing", change: func(c *clinic) { c.del("_25._tcp."+host, "TLSA") }, check: "tlsa", level: Note, text: "There are no TLSA records", record: "TLSA 3 1 1"},
	{name: "TLSA bogus", change: func(c *clinic) {
		c.dns.tlsaErr = &mail.Error{Kind: mail.Unavailable, Text: "DNS cannot tell", Err: errors.New("the signature is wrong")}
		c.dns.verdicts["_25._tcp."+host+" TLSA"] = dns.Verdict{Security: dns.Bogus, Reason: "the signature is wrong"}
	}, check: "tlsa", level: Fault, text: "DNSSEC refuses"},
}

// with1 makes all ports show a good certificate for one name.
func with1(name string) func(c *clinic) { return func(c *clinic) { with(leaf(nil, name))(c) } }

func selfSigned() *tls.Certificate {
	made, key := issue1(&x509.Certificate{Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}}, nil, nil)
	return &tls.Certificate{Certificate: [][]byte{made.Raw}, PrivateKey: key, Leaf: made}
}

func foreign() *tls.Certificate { return signedBy(pkix.Name{CommonName: "Nobody's Root"}) }

func signedBy(authority pkix.Name) *tls.Certificate {
	root, rootKey := issue1(&x509.Certificate{Subject: authority, IsCA: true}, nil, nil)
	made, key := issue1(&x509.Certificate{Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}}, root, rootKey)
	return &tls.Certificate{Certificate: [][]byte{made.Raw, root.Raw}, PrivateKey: key, Leaf: made}
}

func alone() *tls.Certificate {
	c := *leaf(nil, host)
	c.Certificate = c.Certificate[:1]
	return &c
}

func until(days int) *tls.Certificate {
	return leaf(func(c *x509.Certificate) {
		c.NotAfter = clock.Start.AddDate(0, 0, days)
		c.NotBefore = c.NotAfter.AddDate(0, 0, -90)
	}, host)
}

var portsBroken = []broken{
	{name: "certificate expired", change: with(until(-3)), check: "certificate", level: Fault, text: "has expired 3 days ago", link: linkCertificate},
	{name: "certificate ends soon", change: with(until(9)), check: "certificate", level: Warning, text: "ends in 9 days"},
	{name: "certificate not valid yet", change: with(until(95)), check: "certificate", level: Fault, text: "is not valid yet"},
	{name: "certificate for another name", change: with(leaf(nil, "other.test")), check: "certificate", level: Fault, text: "is for other.test, not for mail.example.test"},
	{name: "certificate self-signed", change: with(selfSigned()), check: "certificate", level: Fault, text: "is self-signed"},
	{name: "certificate without its intermediate", change: with(alone()), check: "certificate", level: Fault, text: "comes without the intermediate certificate of CN=Test Intermediate"},
	{name: "certificate of an unknown authority", change: with(foreign()), check: "certificate", level: Fault, text: "not trusted (CN=Nobody's Root)"},
	{name: "certificate of our own making", change: func(c *clinic) {
		c.cert = signedBy(pkix.Name{CommonName: "Postrider development authority on vm", Organization: []string{"Postrider"}})
		c.cert.Certificate = c.cert.Certificate[:1]
	}, check: "certificate", level: Fault, text: "is only a stand-in that Postrider made itself"},
	{name: "certificate self-signed, where nobody looks", change: func(c *clinic) {
		with(selfSigned())(c)
		c.facts.MTASTS = nil
		c.facts.Ports = slices.DeleteFunc(c.facts.Ports, func(p Port) bool { return p.Service != "smtp" })
	}, check: "certificate", level: Warning, text: "is self-signed"},
	{name: "no STARTTLS on 25", change: func(c *clinic) { c.smtp.starttls = false }, check: "starttls", level: Fault, text: "Port 25 (smtp) at 192.0.2.10:25 does not offer TLS", link: linkTLS},
	{name: "TLS fails on 993", change: func(c *clinic) {
		c.serve = map[uint16]func(net.Conn){993: func(conn net.Conn) { fmt.Fprint(conn, "* OK plain\r\n") }}
	}, check: "starttls", level: Fault, text: "TLS on port 993 (imaps) at 192.0.2.10:993 fails"},
	{name: "port 25 closed", change: func(c *clinic) { c.serve = map[uint16]func(net.Conn){25: nil} }, check: "port", level: Fault, text: "Port 25 (smtp) is closed", link: linkPorts},
	{name: "nothing listens", change: func(c *clinic) {
		c.serve = map[uint16]func(net.Conn){25: nil, 587: nil, 465: nil, 993: nil, 995: nil, 80: nil, 443: nil}
	}, check: "port", level: Fault, text: "No port of ours is open at 192.0.2.10", link: linkPorts},
	{name: "port 587 closed", change: func(c *clinic) { c.serve = map[uint16]func(net.Conn){587: nil} }, check: "port", level: Fault, text: "Port 587 (submission) is closed"},
	{name: "port 465 closed", change: func(c *clinic) { c.serve = map[uint16]func(net.Conn){465: nil} }, check: "port", level: Fault, text: "Port 465 (submissions) is closed"},
	{name: "port 993 closed", change: func(c *clinic) { c.serve = map[uint16]func(net.Conn){993: nil} }, check: "port", level: Fault, text: "Port 993 (imaps) is closed"},
	{name: "port 443 closed", change: func(c *clinic) { c.serve = map[uint16]func(net.Conn){443: nil} }, check: "port", level: Fault, text: "Port 443 (https) is closed"},
	{name: "port 80 closed", change: func(c *clinic) { c.serve = map[uint16]func(net.Conn){80: nil} }, check: "port", level: Warning, text: "Port 80 (http) is closed"},
	{name: "another program on port 25", change: func(c *clinic) { c.smtp.name = "exchange.other.test" }, check: "port", level: Warning, text: "calls itself exchange.other.test, not mail.example.test"},
	{name: "port 25 says no", change: func(c *clinic) { c.smtp.greeting = "554 5.3.2 no service" }, check: "port", level: Fault, text: "what answers there is not as it should be: 554 5.3.2 no service"},
	{name: "open relay", change: func(c *clinic) { c.smtp.accept = []string{"*"} }, check: "relay", level: Fault, text: "an open relay", link: linkRelay},
	{name: "no postmaster", change: func(c *clinic) { c.smtp.accept = c.smtp.accept[1:] }, check: "postmaster", level: Fault, text: "refuses mail for postmaster@example.test"},
	{name: "no abuse", change: func(c *clinic) { c.smtp.accept = c.smtp.accept[:1] }, check: "postmaster", level: Warning, text: "refuses mail for abuse@example.test"},
	{name: "port 25 blocked outward", change: func(c *clinic) { c.dials["198.51.100.5:25"] = closedPort }, check: "reach", level: Fault, text: "Port 25 is blocked outward", link: linkPort25},
	{name: "somebody in between on port 25 outward", change: func(c *clinic) {
		c.dials["198.51.100.5:25"] = listen(c.t, func(conn net.Conn) { fmt.Fprint(conn, "HTTP/1.0 403 no\r\n") })
	}, check: "reach", level: Fault, text: "Something between us and other hosts"},
	{name: "clock slow", change: func(c *clinic) { c.now = func() time.Time { return clock.Start.Add(17 * time.Minute) } }, check: "clock", level: Fault, text: "clock is 17 minutes behind", link: linkClock},
	{name: "clock fast", change: func(c *clinic) {
		c.config = func(cfg *Config) {
			cfg.Time = func(context.Context) (time.Time, error) { return clock.Start.Add(-90 * time.Second), nil }
		}
	}, check: "clock", level: Warning, text: "clock is 90 seconds ahead"},
	{name: "autoconfig on another web server", change: func(c *clinic) { c.web.settings = "<h1>It works</h1>" }, check: "autoconfig", level: Warning, text: "another web server answers"},
	{name: "autoconfig's certificate", change: with1(host), check: "autoconfig", level: Warning, text: "The certificate of autoconfig.example.test is for"},
}

// What cannot be told is a note, never a fault.
var untoldBroken = []broken{
	{name: "the MX host's DNS fails", change: func(c *clinic) {
		c.set(domain, "MX", "10 mx.other.test.")
		c.set("mx.other.test", "FAIL", "")
	}, check: "mx", level: Note, text: "could not be checked"},
	{name: "SPF's DNS fails", change: func(c *clinic) { c.txt(domain, "v=spf1 include:f.test mx -all"); c.set("f.test", "FAIL", "") }, check: "spf", level: Note, text: "could not be checked"},
	{name: "DKIM's DNS fails", change: func(c *clinic) { c.del(keyName(0), "TXT"); c.set(keyName(0), "FAIL", "") }, check: "dkim", level: Note, text: "could not be checked"},
	{name: "DMARC's DNS fails", change: func(c *clinic) { c.del("_dmarc."+domain, "TXT"); c.set("_dmarc."+domain, "FAIL", "") }, check: "dmarc", level: Note, text: "could not be checked"},
	{name: "PTR's DNS fails", change: func(c *clinic) { c.del(records.Reverse(v4), "PTR"); c.set(records.Reverse(v4), "FAIL", "") }, check: "ptr", level: Note, text: "could not be checked"},
	{name: "the list's DNS fails", change: func(c *clinic) { c.set("2.0.0.127.list.test", "FAIL", "") }, check: "blocklist", level: Note, text: "could not be checked"},
	{name: "the list is empty", change: func(c *clinic) { c.del("2.0.0.127.list.test", "A") }, check: "blocklist", level: Note, text: "could not be checked"},
	{name: "nobody tells the time", change: func(c *clinic) { c.dials["198.51.100.6:80"] = closedPort }, check: "clock", level: Note, text: "could not be checked"},
	{name: "the host outside has no name", change: func(c *clinic) { c.facts.Reach = []string{"gone.test:25"} }, check: "reach", level: Note, text: "could not be checked"},
	{name: "postmaster is greylisted", change: func(c *clinic) { c.smtp.accept, c.smtp.later = nil, true }, check: "postmaster", level: Note, text: "could not be checked"},
	{name: "our addresses are not known", change: func(c *clinic) { c.facts.Addresses = nil }, check: "ptr", level: Note, text: "could not be checked"},
	{name: "TLSA cannot be told", change: func(c *clinic) {
		c.dns.tlsaErr = &mail.Error{Kind: mail.Unavailable, Text: "DNS cannot tell", Enhanced: "4.4.3"}
	}, check: "tlsa", level: Note, text: "could not be checked"},
	{name: "CAA and SRV are left to the resolver", change: func(c *clinic) {
		c.dns.checkErr = mail.Errorf(mail.Invalid, "this resolver leaves DNSSEC to its name servers")
	}, check: "caa", level: Note, text: "could not be checked"},
	{name: "a relay that includes ourselves", change: func(c *clinic) {
		c.smtp.accept = []string{"*"}
		c.facts.Relays = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, check: "relay", level: Note, text: "this host itself may"},
	{name: "hidden behind a router", change: func(c *clinic) {
		c.facts.Translated = true
		c.config = func(cfg *Config) {
			cfg.Deadline = 300 * time.Millisecond
			next := cfg.Dialer
			cfg.Dialer = hairpin{next}
		}
	}, check: "port", level: Note, text: "cannot be told from here"},
}

// hairpin never gets an answer on port 25.
type hairpin struct{ Dialer }

func (h hairpin) DialAddr(ctx context.Context, ip netip.Addr, port uint16) (net.Conn, error) {
	if port == 25 {
		<-ctx.Done()
		return nil, &mail.Error{Kind: mail.Unavailable, Text: "cannot connect", Err: ctx.Err()}
	}
	return h.Dialer.DialAddr(ctx, ip, port)
}

// Each broken set-up is recognised, and explained. RFC 5321 5.1, RFC 7505 3, RFC 7208 4.6.4, RFC 6376 3.6.1, RFC 9990 4, RFC 8461 3.3, RFC 8460 3,
// RFC 7672 3, RFC 5782 5, RFC 8659 4.2, RFC 5321 4.5.1.
func TestBroken(t *testing.T) {
	t.Parallel()
	for _, b := range slices.Concat(dnsBroken, believedBroken, stsBroken, portsBroken, untoldBroken) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t)
			b.change(c)
			r := c.half(b.check)
			if !slices.ContainsFunc(r.Findings, func(f Finding) bool {
				return f.Check == b.check && f.Level == b.level && strings.Contains(f.Text, b.text) && strings.Contains(f.Record, b.record) && (b.link == "" || f.Link == b.link)
			}) {
				t.Errorf("no %s of %s says %q (record %q, %s):\n%s", b.level, b.check, b.text, b.record, b.link, show(r, Note))
			}
			wellFormed(t, r)
			if (r.Exit() == 1) != (r.Counts.Faults > 0) {
				t.Error("the exit status does not tell of faults")
			}
		})
	}
}

// wellFormed looks whether findings have what people need.
func wellFormed(t *testing.T, r Report) {
	t.Helper()
	known := map[string]bool{}
	for _, c := range Checks() {
		known[c.Name] = true
	}
	for _, f := range r.Findings {
		switch {
		case !known[f.Check], f.Subject == "", f.Text == "":
			t.Errorf("not well-formed: %+v", f)
		case f.Level >= Warning && (f.Remedy == "" || !strings.HasPrefix(f.Link, page)):
			t.Errorf("no remedy or link: %+v", f)
		case !strings.HasSuffix(f.Text, "."), strings.Contains(f.Text, "%!"), strings.Contains(f.Text, ".."), strings.Contains(f.Remedy, "%!"):
			t.Errorf("not a sentence: %s", f.Text)
		}
	}
}

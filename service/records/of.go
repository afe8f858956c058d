package records

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/dkimtext"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/proto/tlsrpt"
	"github.com/postrider/postrider/service/seal"
)

// Facts are what is known of one domain of ours and the host that serves it. Names may be in any spelling, with or without the last dot.
type Facts struct {
	Domain   string
	Hostname string
	// Domains are all domains of ours, to tell where the hostname lies; Domain need not be among them.
	Domains []string
	// Addresses are those at which others reach the host. Empty: its address records and their reverse are left out.
	Addresses []netip.Addr
	// Keys are DKIM keys, whatever their state; those of other domains are passed over.
	Keys []seal.Key
	// Certificates are the host's own on port 25: the one in use, and the next if it is known. Empty: no TLSA records. TLSA are further
	// records for them, such as of keys that were made for later.
	Certificates []*x509.Certificate
	TLSA         []dane.Record
	// SPFTerms stand before -all in the domain's SPF record, such as "include:_spf.example.net" for a smarthost.
	SPFTerms []string
	// DMARC is what others are asked to do with mail that fails; "" is quarantine.
	DMARC dmarc.Policy
	// DMARCReports and TLSReports are the mail addresses that reports are wanted at; empty: none are. A record that lets DMARC reports
	// go to another domain is among the records of that domain.
	DMARCReports, TLSReports []string
	// MTASTS is the policy that we serve for the domain; nil: none.
	MTASTS *mtasts.Policy
	// Services are those that users' programs can reach at the hostname.
	Services Services
	// Web says that mail programs get their settings at autoconfig. and autodiscover. below the domain, over HTTPS.
	Web bool
	// CA is the name of the authority that issues the host's certificates, as in CAA records ("letsencrypt.org"); "": no CAA record.
	// ACMEAccount is the URI of our account there, so that nobody else's account gets one; it may be empty.
	CA, ACMEAccount string
	// TTL of all records but those of keys; 0: an hour.
	TTL time.Duration
}

// Services are the ports of the services for users; 0: not offered.
type Services struct {
	Submissions, Submission, IMAPS, IMAP, POP3S, POP3 uint16
}

// LetsEncrypt is the name of Let's Encrypt in CAA records.
const LetsEncrypt = "letsencrypt.org"

// Of lists the records that the domain must have. The host's own are among them where the domain is the nearest of ours above the hostname;
// where it lies in none of ours they are there without a Zone, as advice. An address's reverse is always without one. A Facts whose Domain or
// Hostname is no name has none.
func Of(f Facts) []Record {
	l := list{f: f, ttl: cmp.Or(f.TTL, time.Hour)}
	var errD, errH error
	l.domain, errD = addr.NormalDomain(strings.TrimSuffix(f.Domain, "."))
	l.host, errH = addr.NormalDomain(strings.TrimSuffix(f.Hostname, "."))
	if errD != nil || errH != nil || strings.HasPrefix(l.domain, "[") || strings.HasPrefix(l.host, "[") {
		return nil
	}
	l.hostZone = nearest(l.host, append(slices.Clone(f.Domains), l.domain))
	l.delivery()
	l.trust()
	l.tls()
	l.programs()
	return l.all
}

// nearest is the longest of the domains that name is or lies below.
func nearest(name string, domains []string) string {
	best := ""
	for _, d := range domains {
		d, err := addr.NormalDomain(strings.TrimSuffix(d, "."))
		if err == nil && Below(name, d) && len(d) > len(best) {
			best = d
		}
	}
	return best
}

// Below reports whether a name is a domain or lies in it. Both are in canonical spelling.
func Below(name, domain string) bool {
	return domain != "" && (name == domain || strings.HasSuffix(name, "."+domain))
}

type list struct {
	f                      Facts
	domain, host, hostZone string
	ttl                    time.Duration
	all                    []Record
}

// own adds a record of the domain.
func (l *list) own(name, typ, value string, need Need, why string) {
	l.all = append(l.all, Record{Name: name, Type: typ, TTL: l.ttl, Value: value, Zone: l.domain, For: why, Need: need})
}

// ofHost adds a record of the host, unless it is among those of another domain of ours.
func (l *list) ofHost(name, typ, value string, need Need, why string) {
	if l.hostZone == l.domain || l.hostZone == "" {
		l.all = append(l.all, Record{Name: name, Type: typ, TTL: l.ttl, Value: value, Zone: l.hostZone, For: why, Need: need})
	}
}

func (l *list) text(name, text string, need Need, why string) {
	l.own(name, "TXT", dkimtext.Quoted(text), need, why)
}

// delivery is how mail comes here. RFC 5321 5.1.
func (l *list) delivery() {
	l.own(l.domain, "MX", "10 "+l.host+".", Must, "Mail for "+l.domain+" goes to this host.")
	for _, ip := range l.f.Addresses {
		ip = ip.Unmap()
		typ := "A"
		if ip.Is6() {
			typ = "AAAA"
		}
		l.ofHost(l.host, typ, ip.WithZone("").String(), Must, "Where the mail host is reached.")
	}
	for _, ip := range l.f.Addresses {
		l.all = append(l.all, Record{Name: Reverse(ip), Type: "PTR", TTL: l.ttl, Value: l.host + ".", Need: Must,
			For: fmt.Sprintf("Many hosts refuse mail from %s unless its reverse names the mail host; whoever rents you the address sets it.", ip.Unmap().WithZone(""))})
	}
}

// trust is why our mail is believed.
func (l *list) trust() {
	terms := strings.Join(append([]string{"v=spf1", "mx"}, append(slices.Clone(l.f.SPFTerms), "-all")...), " ")
	l.text(l.domain, terms, Must, "SPF: only the mail host may send mail of this domain.")
	if l.host != l.domain && (l.hostZone == l.domain || l.hostZone == "") {
		// Reports of mail that could not be delivered have no sender: their SPF is that of the host's name. RFC 7208 10.1.3.
		l.ofHost(l.host, "TXT", dkimtext.Quoted("v=spf1 a -all"), Should, "SPF for the mail host's own name, which counts for reports without a sender.")
	}
	l.keys()
	policy := dmarc.Record{Policy: cmp.Or(l.f.DMARC, dmarc.PolicyQuarantine)}
	var elsewhere []string
	for _, a := range l.f.DMARCReports {
		parsed, err := addr.Parse(a)
		if err != nil {
			continue
		}
		if u, ok := dmarc.Mailto(parsed); ok {
			policy.Aggregate = append(policy.Aggregate, u)
			if !Below(u.Host, l.domain) && !Below(l.domain, u.Host) && !slices.Contains(elsewhere, u.Host) {
				elsewhere = append(elsewhere, u.Host)
			}
		}
	}
	l.text("_dmarc."+l.domain, policy.String(), Must, "DMARC: what others do with mail in the name of this domain that is not from us, and where they report it.")
	for _, host := range elsewhere {
		// RFC 9990 4. It lies in the domain that receives the reports, which may be another of ours.
		l.all = append(l.all, Record{Name: dmarc.Authorisation(l.domain, host), Type: "TXT", TTL: l.ttl, Value: `"v=DMARC1;"`,
			Zone: nearest(host, l.f.Domains), Need: Should, For: "Lets DMARC reports about " + l.domain + " go to " + host + "."})
	}
}

// keys are the DKIM keys, those that sign first. RFC 6376 3.6.2.
func (l *list) keys() {
	order := []seal.State{seal.Active, seal.Published, seal.Retiring}
	keys := slices.Clone(l.f.Keys)
	slices.SortFunc(keys, func(a, b seal.Key) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.State), slices.Index(order, b.State)), cmp.Compare(a.Selector, b.Selector))
	})
	for _, k := range keys {
		r, err := k.Record()
		if err != nil || k.Domain != l.domain {
			continue
		}
		why, need := "DKIM: the key that signs our mail ("+string(k.Algorithm)+").", Should
		switch {
		case k.State == seal.Published:
			why = "DKIM: the key that will sign next (" + string(k.Algorithm) + "); it must be known before it does."
		case k.State == seal.Retiring:
			why = "DKIM: a key that signed mail which may still be under way (" + string(k.Algorithm) + ")."
		case k.Algorithm == seal.RSA:
			need = Must
		}
		l.text(r.Name, r.Text, need, why)
	}
}

// tls is how mail is kept from being read on its way here.
func (l *list) tls() {
	if p := l.f.MTASTS; p != nil {
		if text, err := mtasts.FormatRecord(mtasts.ID(*p)); err == nil {
			l.text(mtasts.Name(l.domain), text, Should, "MTA-STS: tells that there is a policy which asks for TLS; it changes when the policy does.")
			l.alias(mtasts.Host(l.domain), Should, "MTA-STS: the web host that serves the policy.")
		}
	}
	var uris []string
	for _, a := range l.f.TLSReports {
		parsed, err := addr.Parse(a)
		if u, ok := dmarc.Mailto(parsed); err == nil && ok {
			uris = append(uris, u.Text)
		}
	}
	if text, err := tlsrpt.FormatRecord(uris...); err == nil && len(uris) > 0 {
		l.text(tlsrpt.Name(l.domain), text, Should, "TLSRPT: where others report mail that could not be sent to us under TLS.")
	}
	tlsa := slices.Clone(l.f.TLSA)
	for _, c := range l.f.Certificates {
		if c != nil {
			tlsa = append(tlsa, dane.Own(c))
		}
	}
	var seen []string
	for _, r := range tlsa {
		if v := r.String(); !slices.Contains(seen, v) {
			seen = append(seen, v)
			l.ofHost(dane.OwnerName(l.host, 25), "TLSA", v, Should, "DANE: the key of the mail host's certificate, for domains whose zone is signed (DNSSEC).")
		}
	}
	if l.f.CA != "" {
		issue := l.f.CA
		if l.f.ACMEAccount != "" {
			issue += "; accounturi=" + l.f.ACMEAccount // RFC 8657 3
		}
		l.ofHost(l.host, "CAA", `0 issue "`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(issue)+`"`, May, "Only this authority may issue certificates for the mail host.")
	}
}

// alias makes a name below the domain lead to the host.
func (l *list) alias(name string, need Need, why string) {
	if name != l.host {
		l.own(name, "CNAME", l.host+".", need, why)
	}
}

// programs is how mail programs find our services. RFC 6186 3.4, RFC 8314 5.1.
func (l *list) programs() {
	s := l.f.Services
	for _, p := range []struct {
		name     string
		priority int
		port     uint16
		what     string
	}{
		{"_submissions", 0, s.Submissions, "Submission over TLS"},
		{"_submission", 10, s.Submission, "Submission with STARTTLS"},
		{"_imaps", 0, s.IMAPS, "IMAP over TLS"},
		{"_imap", 10, s.IMAP, "IMAP with STARTTLS"},
		{"_pop3s", 20, s.POP3S, "POP3 over TLS"},
		{"_pop3", 30, s.POP3, "POP3 with STARTTLS"},
	} {
		value, why := "0 0 0 .", p.what+" is not offered: mail programs need not try." // RFC 6186 3.4
		if p.port != 0 {
			value, why = fmt.Sprintf("%d 1 %d %s.", p.priority, p.port, l.host), p.what+": where mail programs find it."
		}
		l.own(p.name+"._tcp."+l.domain, "SRV", value, need(p.port != 0), why)
	}
	if l.f.Web {
		l.alias("autoconfig."+l.domain, Should, "Thunderbird and others read their settings there.")
		l.alias("autodiscover."+l.domain, Should, "Outlook and others read their settings there.")
		l.own("_autodiscover._tcp."+l.domain, "SRV", "0 1 443 "+l.host+".", May, "Outlook looks here when there is no autodiscover host.")
	}
}

func need(should bool) Need {
	if should {
		return Should
	}
	return May
}

// Reverse is the name at which an address has its PTR records. RFC 1035 3.5, RFC 3596 2.5.
func Reverse(ip netip.Addr) string {
	ip = ip.Unmap()
	var b strings.Builder
	octets := ip.AsSlice()
	for _, o := range slices.Backward(octets) {
		if ip.Is4() {
			fmt.Fprintf(&b, "%d.", o)
		} else {
			fmt.Fprintf(&b, "%x.%x.", o&15, o>>4)
		}
	}
	if ip.Is4() {
		return b.String() + "in-addr.arpa"
	}
	return b.String() + "ip6.arpa"
}

package doctor

import (
	"context"
)

// check is one function that looks at one subject.
type check struct {
	name   string
	about  string // a noun, for "... could not be checked" and for the documentation
	ofHost bool   // not of a domain
	run    func(ctx context.Context, s *sheet)
}

// checks are all of them, in the order of reports.
var checks = []check{
	{"resolver", "the resolver", true, checkResolver},
	{"clock", "the clock", true, checkClock},
	{"hostname", "the host's name and its addresses", true, checkHostname},
	{"ptr", "the names of our addresses (PTR)", true, checkPTR},
	{"port", "our ports", true, checkPorts},
	{"starttls", "TLS on our ports", true, checkTLS},
	{"certificate", "our certificates", true, checkCertificates},
	{"relay", "whether strangers can send through us", true, checkRelay},
	{"reach", "port 25 outward", true, checkReach},
	{"blocklist", "block lists", true, checkLists},
	{"tlsa", "the TLSA records (DANE)", true, checkTLSA},
	{"caa", "the CAA records", true, checkCAA},
	{"nameserver", "the domain's name servers", false, checkNameservers},
	{"dnssec", "the domain's DNSSEC", false, checkDNSSEC},
	{"mx", "the MX records", false, checkMX},
	{"postmaster", "the addresses that every domain must have", false, checkPostmaster},
	{"spf", "the SPF record", false, checkSPF},
	{"dkim", "the DKIM records", false, checkDKIM},
	{"dmarc", "the DMARC record", false, checkDMARC},
	{"mta-sts", "the MTA-STS policy", false, checkMTASTS},
	{"tlsrpt", "the TLSRPT record", false, checkTLSRPT},
	{"autoconfig", "the settings for mail programs", false, checkAutoconfig},
	{"srv", "the SRV records", false, checkSRV},
}

// Check is one of the checks.
type Check struct {
	Name  string // as in Finding.Check
	About string // what it looks at, a noun
	Host  bool   // of the host, not of a domain
}

// Checks lists all checks, in the order of reports.
func Checks() []Check {
	out := make([]Check, len(checks))
	for i, c := range checks {
		out[i] = Check{c.name, c.about, c.ofHost}
	}
	return out
}

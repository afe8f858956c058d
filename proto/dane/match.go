package dane

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"slices"
	"strings"
	"time"
)

// Match is what certificates say to records.
type Match uint8

// The matches.
const (
	NoCertificate Match = iota // the server showed none
	Matched                    // a record agrees
	Mismatched                 // no record agrees with any certificate
	Untrusted                  // a trust anchor agrees, but the server's certificate does not lead to it
	WrongName                  // it leads there, but is for other names
	Expired                    // it leads there, but is not valid at this time
)

// String names the match for logs.
func (m Match) String() string {
	names := [...]string{"no-certificate", "matched", "mismatched", "untrusted", "wrong-name", "expired"}
	if int(m) < len(names) {
		return names[m]
	}
	return "mismatched"
}

// maxChain bounds how many certificates of a server are looked at.
const maxChain = 16

// Check compares the certificates a server showed, its own first, with its records. names are those it may answer to (see References):
// only DANE-TA looks at them, and at the time.
func Check(records []Record, chain []*x509.Certificate, names []string, now time.Time) Match {
	if len(chain) == 0 {
		return NoCertificate
	}
	chain = chain[:min(len(chain), maxChain)]
	records = Select(records)
	for _, r := range records {
		if r.Usage == DANEEE && r.agrees(chain[0]) { // RFC 7672 3.1.1: neither names nor dates
			return Matched
		}
	}
	best := Mismatched
	for _, r := range records {
		if r.Usage != DANETA {
			continue
		}
		for _, anchor := range anchors(r, chain) {
			switch m := leads(chain, anchor, names, now); {
			case m == Matched:
				return Matched
			case m > best:
				best = m
			}
		}
	}
	return best
}

// agrees compares one certificate with a record (RFC 6698 2.1).
func (r Record) agrees(c *x509.Certificate) bool {
	part := c.Raw
	if r.Selector == SPKI {
		part = c.RawSubjectPublicKeyInfo
	}
	switch r.Matching {
	case SHA256:
		sum := sha256.Sum256(part)
		part = sum[:]
	case SHA512:
		sum := sha512.Sum512(part)
		part = sum[:]
	}
	return bytes.Equal(part, r.Data)
}

// anchors are the certificates that a DANE-TA record names: of those that the server showed above its own (RFC 7672 3.1.2 has
// it show them), or the one in the record itself (RFC 7671 5.2.1).
func anchors(r Record, chain []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range chain[1:] {
		if r.agrees(c) {
			out = append(out, c)
		}
	}
	if len(out) == 0 && r.Selector == Cert && r.Matching == Full {
		if c, err := x509.ParseCertificate(r.Data); err == nil {
			out = append(out, c)
		}
	}
	return out
}

// leads checks that a server's certificate leads to a trust anchor, is for one of the names, and is valid now (RFC 7672 3.1.2).
func leads(chain []*x509.Certificate, anchor *x509.Certificate, names []string, now time.Time) Match {
	opt := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	opt.Roots.AddCert(anchor)
	for _, c := range chain[1:] {
		opt.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(opt); err != nil {
		var invalid x509.CertificateInvalidError
		if asInvalid(err, &invalid) && invalid.Reason == x509.Expired {
			return Expired
		}
		return Untrusted
	}
	if !slices.ContainsFunc(names, func(n string) bool { return isFor(chain[0], n) }) {
		return WrongName
	}
	return Matched
}

func asInvalid(err error, to *x509.CertificateInvalidError) bool {
	e, ok := err.(x509.CertificateInvalidError)
	*to = e
	return ok
}

// isFor reports a certificate for a name: among its DNS names, or where it has none its common name (RFC 7672 3.2.3).
func isFor(c *x509.Certificate, name string) bool {
	ids := c.DNSNames
	if len(ids) == 0 {
		ids = []string{c.Subject.CommonName}
	}
	return slices.ContainsFunc(ids, func(id string) bool { return covers(id, name) })
}

// covers compares names; an asterisk stands for exactly one whole label, the first (RFC 6125 6.4.3).
func covers(id, name string) bool {
	id, name = canonical(id), canonical(name)
	if id == "" || name == "" {
		return false
	}
	if rest, ok := strings.CutPrefix(id, "*."); ok {
		_, under, found := strings.Cut(name, ".")
		return found && strings.Contains(rest, ".") && under == rest
	}
	return id == name
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// References lists the names that a server may answer to under DANE-TA: the base domain of its records, the next hop (the recipient's
// domain, or the host that the operator set), and what an alias at the next hop securely led to, "" if nothing (RFC 7672 3.2.2).
func References(base, nextHop, expanded string) []string {
	var out []string
	for _, n := range []string{base, nextHop, expanded} {
		if n = canonical(n); n != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// Bases lists where to look for a host's records, in order: the first that has any counts (RFC 7672 2.2.2, 2.2.3). expanded is the name that its
// aliases led to, host itself when there are none; secure tells that the way to its addresses is secure as a whole, own that what is at
// host itself is.
func Bases(host, expanded string, own, secure bool) []string {
	host, expanded = canonical(host), canonical(expanded)
	switch {
	case secure && expanded != host && expanded != "":
		return []string{expanded, host}
	case secure || own && expanded != host:
		return []string{host}
	}
	return nil
}

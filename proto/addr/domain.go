package addr

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// lookup maps as for a look-up (RFC 5891 5, UTS 46), but lets hyphens stand where
// existing names have them (`r3---sn.example`).
var lookup = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(),
	idna.StrictDomainName(true), idna.CheckHyphens(false), idna.VerifyDNSLength(true))

// display turns A-labels back into U-labels and changes nothing else.
var display = idna.New(idna.Transitional(false), idna.BidiRule(), idna.ValidateLabels(true),
	idna.StrictDomainName(true), idna.CheckHyphens(true))

// domainFault says what is wrong with the domain of an address, or nothing.
func domainFault(domain string) string {
	switch {
	case domain == "":
		return "nothing stands after the @"
	case domain[0] == '[':
		if _, ok := parseLiteral(domain); !ok {
			return "the address literal is neither [IPv4] nor [IPv6:...]"
		}
		return ""
	case isASCII(domain):
		return nameFault(domain)
	}
	ascii, err := lookup.ToASCII(domain)
	if err != nil || strings.HasSuffix(domain, ".") {
		return "the domain is not a valid internationalised name"
	}
	return nameFault(ascii)
}

// nameFault checks a name of ASCII labels. RFC 5321 4.1.2, RFC 1123 2.1.
func nameFault(name string) string {
	if len(name) > MaxDomain {
		return "the domain is too long"
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return "the domain has an empty label"
		case len(label) > 63:
			return "a label of the domain is longer than 63 octets"
		case label[0] == '-' || label[len(label)-1] == '-':
			return "a label of the domain starts or ends with a hyphen"
		}
		for i := range len(label) {
			if !isNameByte(label[i]) {
				return "the domain holds a character that no domain may hold"
			}
		}
	}
	return ""
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// NormalDomain gives the form in which two spellings of one domain are equal: A-labels in lower case,
// no dot at the end; for a literal the usual spelling of its IP address. The error is a *SyntaxError.
// RFC 5890 2.3.2.1, RFC 4343 2.
func NormalDomain(s string) (string, error) {
	if strings.HasPrefix(s, "[") {
		ip, ok := parseLiteral(s)
		if !ok {
			return "", refuse(s, "the address literal is neither [IPv4] nor [IPv6:...]")
		}
		return formatLiteral(ip), nil
	}
	if len(s) > 4*MaxDomain {
		return "", refuse(s, "the domain is too long")
	}
	name := s
	if !isASCII(name) {
		ascii, err := lookup.ToASCII(strings.TrimSuffix(name, "."))
		if err != nil {
			return "", refuse(s, "the domain is not a valid internationalised name")
		}
		name = ascii
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if reason := nameFault(name); reason != "" {
		return "", refuse(s, reason)
	}
	return name, nil
}

// UnicodeDomain gives a domain as people read it: A-labels that decode soundly become U-labels, all else
// stays. It never fails; use it for display only, never to compare.
func UnicodeDomain(s string) string {
	if len(s) > MaxDomain || !isASCII(s) || !strings.Contains(strings.ToLower(s), "xn--") {
		return s
	}
	labels := strings.Split(s, ".")
	for i, label := range labels {
		if len(label) < 4 || !strings.EqualFold(label[:4], "xn--") {
			continue
		}
		// One that does not come back the same is a trap for the eye; it stays as it is.
		shown, err := display.ToUnicode(strings.ToLower(label))
		if err != nil {
			continue
		}
		if back, err := lookup.ToASCII(shown); err == nil && strings.EqualFold(back, label) {
			labels[i] = shown
		}
	}
	return strings.Join(labels, ".")
}

// IP gives the address in a domain literal; ok is false where the domain is a name.
// RFC 5321 4.1.3.
func (a Address) IP() (ip netip.Addr, ok bool) { return parseLiteral(a.Domain) }

// parseLiteral reads `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3).
func parseLiteral(s string) (netip.Addr, bool) {
	inner, ok := strings.CutPrefix(s, "[")
	if !ok {
		return netip.Addr{}, false
	}
	if inner, ok = strings.CutSuffix(inner, "]"); !ok || len(inner) > 64 {
		return netip.Addr{}, false
	}
	v6 := len(inner) > 5 && strings.EqualFold(inner[:5], "IPv6:")
	if v6 {
		inner = inner[5:]
	}
	ip, err := netip.ParseAddr(inner)
	if err != nil || ip.Is6() != v6 || ip.Zone() != "" {
		return netip.Addr{}, false
	}
	return ip, true
}

// formatLiteral writes an address literal as RFC 5321 4.1.3 wants it.
func formatLiteral(ip netip.Addr) string {
	if ip.Is4() {
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}

// Literal writes the domain literal that stands for an IP address; an IPv4 address
// wrapped in IPv6 is written as IPv4.
func Literal(ip netip.Addr) string { return formatLiteral(ip.Unmap().WithZone("")) }

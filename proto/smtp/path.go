package smtp

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Path is a mailbox of a command: what stands between "<" and ">" (RFC 5321 4.1.2), without a source route. The zero
// Path is the null reverse-path "<>".
type Path struct {
	Local  string // decoded: without quotes and backslashes
	Domain string // in lower case; an address literal with its brackets; empty only for <> and <Postmaster>
}

// Bounds of RFC 5321 4.5.3.1. Local parts are given more than the 64 octets promised there: reply addresses of
// mailing lists, which carry an address of their own inside, are often longer, and refusing them would lose mail.
const (
	maxLocal  = 255
	maxDomain = 255
)

// IsNull reports whether the path is the null reverse-path.
func (p Path) IsNull() bool { return p.Local == "" && p.Domain == "" }

// ASCII reports whether the path can be sent without SMTPUTF8 (RFC 6531 3.3).
func (p Path) ASCII() bool { return isASCII(p.Local) && isASCII(p.Domain) }

// String writes the path without angle brackets, with quotes where the local part needs them. The null path is empty.
func (p Path) String() string {
	if p.IsNull() {
		return ""
	}
	local := p.Local
	if !isDotString(local) {
		var b strings.Builder
		b.WriteByte('"')
		for i := range len(local) {
			if local[i] == '"' || local[i] == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(local[i])
		}
		b.WriteByte('"')
		local = b.String()
	}
	if p.Domain == "" {
		return local
	}
	return local + "@" + p.Domain
}

// ParsePath reads a mailbox written without angle brackets: "" for the null path, else as String writes it.
func ParsePath(s string) (Path, bool) {
	if s == "" {
		return Path{}, true
	}
	p, rest, ok := cutMailbox(s)
	return p, ok && rest == "" && p.Domain != ""
}

// cutPath reads "<...>" at the start of s: Path of RFC 5321 4.1.2, with the source route skipped (RFC 5321 4.1.1.3, C).
func cutPath(s string) (p Path, rest string, ok bool) {
	if !strings.HasPrefix(s, "<") {
		return Path{}, s, false
	}
	s = s[1:]
	if strings.HasPrefix(s, ">") {
		return Path{}, s[1:], true
	}
	if strings.HasPrefix(s, "@") {
		if s, ok = skipRoute(s); !ok {
			return Path{}, s, false
		}
	}
	p, s, ok = cutMailbox(s)
	if !ok || !strings.HasPrefix(s, ">") {
		return Path{}, s, false
	}
	return p, s[1:], true
}

// skipRoute skips `A-d-l ":"`.
func skipRoute(s string) (string, bool) {
	for {
		if !strings.HasPrefix(s, "@") {
			return s, false
		}
		_, rest, ok := cutDomain(s[1:])
		switch {
		case !ok || rest == "":
			return rest, false
		case rest[0] == ':':
			return rest[1:], true
		case rest[0] != ',':
			return rest, false
		}
		s = rest[1:]
	}
}

// cutMailbox reads `Local-part "@" ( Domain / address-literal )`. Without "@", the Domain stays empty: the caller
// decides whether that is Postmaster.
func cutMailbox(s string) (p Path, rest string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		p.Local, s, ok = cutQuoted(s)
	} else {
		p.Local, s, ok = cutDotString(s)
	}
	if !ok || len(p.Local) > maxLocal {
		return Path{}, s, false
	}
	if !strings.HasPrefix(s, "@") {
		return p, s, p.Local != ""
	}
	s = s[1:]
	if strings.HasPrefix(s, "[") {
		p.Domain, s, ok = cutLiteral(s)
	} else {
		p.Domain, s, ok = cutDomain(s)
		p.Domain = strings.ToLower(p.Domain)
	}
	return p, s, ok && len(p.Domain) <= maxDomain
}

// cutQuoted reads Quoted-string and decodes it.
func cutQuoted(s string) (local, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			return b.String(), s[i+1:], utf8.ValidString(b.String())
		case c == '\\':
			if i++; i == len(s) || s[i] < ' ' || s[i] > '~' {
				return "", s, false
			}
			b.WriteByte(s[i])
		case c < ' ' || c == 0x7f:
			return "", s, false
		default:
			b.WriteByte(c)
		}
	}
	return "", s, false
}

// cutDotString reads Dot-string: atoms with single dots between (RFC 5321 4.1.2, RFC 6531 3.3).
func cutDotString(s string) (local, rest string, ok bool) {
	i := 0
	for i < len(s) && (s[i] == '.' || isAtext(s[i])) {
		i++
	}
	return s[:i], s[i:], isDotString(s[:i])
}

func isDotString(s string) bool {
	afterDot := true
	for i := range len(s) {
		switch {
		case s[i] == '.':
			if afterDot {
				return false
			}
			afterDot = true
		case !isAtext(s[i]):
			return false
		default:
			afterDot = false
		}
	}
	return !afterDot && utf8.ValidString(s)
}

// isAtext reports whether c is of atext (RFC 5322 3.2.3), or part of a character beyond ASCII (RFC 6532 3.2).
func isAtext(c byte) bool {
	return c >= 0x80 || isAlnum(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isAlnum(c byte) bool {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
}

// cutDomain reads Domain: labels of letters, digits and inner hyphens, or of other than ASCII (RFC 6531 3.3).
func cutDomain(s string) (domain, rest string, ok bool) {
	i := 0
	for i < len(s) && (s[i] == '.' || s[i] == '-' || s[i] >= 0x80 || isAlnum(s[i])) {
		i++
	}
	domain = s[:i]
	if i == 0 || i > maxDomain || !utf8.ValidString(domain) {
		return "", s, false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", s, false
		}
	}
	return domain, s[i:], true
}

// cutLiteral reads address-literal (RFC 5321 4.1.3): an IPv4 address, or "IPv6:" and an address. That is the only tag that
// was ever registered.
func cutLiteral(s string) (literal, rest string, ok bool) {
	end := strings.IndexByte(s, ']')
	if end < 0 || end > maxDomain {
		return "", s, false
	}
	inner := s[1:end]
	if tag, value, tagged := strings.Cut(inner, ":"); tagged {
		a, err := netip.ParseAddr(value)
		ok = err == nil && a.Is6() && a.Zone() == "" && strings.EqualFold(tag, "IPv6")
	} else {
		a, err := netip.ParseAddr(inner)
		ok = err == nil && a.Is4()
	}
	return s[:end+1], s[end+1:], ok
}

func isLDH(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' {
			return false
		}
	}
	return s != "" && s[len(s)-1] != '-'
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

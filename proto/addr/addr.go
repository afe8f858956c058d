package addr

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits on what is taken for an address, in octets.
const (
	// MaxLocal bounds a local part, unquoted. RFC 5321 4.5.3.1.1 names 64 as what everyone must
	// take; real senders use more.
	MaxLocal = 256
	// MaxDomain bounds a domain in its ASCII form (RFC 5321 4.5.3.1.2 says 255 octets; a
	// name that DNS can hold has at most 253 characters).
	MaxDomain = 253
	// MaxText bounds the text given to Parse: a local part where every octet is escaped, and a
	// domain in UTF-8, which can be longer than its ASCII form.
	MaxText = 2*MaxLocal + 3 + 4*MaxDomain
)

// SyntaxError says why a text is not an address or not a domain.
type SyntaxError struct {
	Text   string // the refused text, cut to 100 octets
	Reason string // what is wrong with it, as the end of a sentence
}

// Error gives one sentence that is safe to show: the refused text is quoted.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%q: %s", e.Text, e.Reason) }

func refuse(text, reason string) *SyntaxError {
	if len(text) > 100 {
		cut := 100
		for cut > 96 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	return &SyntaxError{Text: text, Reason: reason}
}

// Address is one mail address. The zero value means "no address" and is what the null
// reverse path `<>` becomes.
type Address struct {
	Local  string // as the owner's system reads it: without quotes and escapes, case kept
	Domain string // as written: ASCII or UTF-8 labels, or a literal with its brackets
}

// Parse reads an addr-spec such as `ann@example.com`, `"ann lee"@example.com` or
// `ann@[192.0.2.1]`. Nothing may stand around it. The error is a *SyntaxError.
// RFC 5321 4.1.2, RFC 6531 3.3.
func Parse(s string) (Address, error) {
	if len(s) > MaxText {
		return Address{}, refuse(s, "the address is too long")
	}
	if !utf8.ValidString(s) {
		return Address{}, refuse(s, "the address is not valid UTF-8")
	}
	local, rest, err := parseLocal(s)
	if err != nil {
		return Address{}, err
	}
	if len(local) > MaxLocal {
		return Address{}, refuse(s, "the part before the @ is too long")
	}
	if rest == "" || rest[0] != '@' {
		return Address{}, refuse(s, "the address lacks an @ and a domain")
	}
	domain := rest[1:]
	if reason := domainFault(domain); reason != "" {
		return Address{}, refuse(s, reason)
	}
	return Address{Local: local, Domain: domain}, nil
}

// New makes an Address of halves that are known apart: the local part is taken as it is, unquoted.
// It fails where no text could stand for the pair.
func New(local, domain string) (Address, error) {
	a := Address{Local: local, Domain: domain}
	if len(local) > MaxLocal || len(domain) > 4*MaxDomain {
		return Address{}, refuse(local+"@"+domain, "the address is too long")
	}
	if reason := domainFault(domain); reason != "" {
		return Address{}, refuse(domain, reason)
	}
	if !utf8.ValidString(local) || strings.ContainsFunc(local, forbidden) {
		return Address{}, refuse(local, "the part before the @ holds a character that no address may hold")
	}
	return a, nil
}

// parseLocal reads a dot-string or a quoted string from the start of s.
func parseLocal(s string) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		return parseQuoted(s)
	}
	end := 0
	for i, r := range s {
		if r != '.' && !isAtext(r) {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	local, rest = s[:end], s[end:]
	switch {
	case local == "" && strings.HasPrefix(rest, "@"):
		return "", "", refuse(s, "nothing stands before the @")
	case local == "" || rest != "" && rest[0] != '@':
		return "", "", refuse(s, "the part before the @ holds a character that must be quoted")
	case !isDotAtom(local):
		return "", "", refuse(s, "a dot may only stand between other characters")
	}
	return local, rest, nil
}

// parseQuoted reads a Quoted-string (RFC 5321 4.1.2). UTF-8 may stand in it, but not
// be escaped (RFC 6531 3.3 widens only the text).
func parseQuoted(s string) (local, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"':
			return b.String(), s[i+1:], nil
		case r == '\\':
			i++
			if i == len(s) || s[i] < ' ' || s[i] > '~' {
				return "", "", refuse(s, "a backslash escapes nothing or what need not be escaped")
			}
			b.WriteByte(s[i])
			i++
			continue
		case forbidden(r):
			return "", "", refuse(s, "a control character may not stand in an address")
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	return "", "", refuse(s, "the opening quote is never closed")
}

// isAtext reports a character that needs no quotes. RFC 5322 3.2.3, RFC 6532 3.2.
func isAtext(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	case r >= utf8.RuneSelf:
		return !forbidden(r)
	}
	return strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// forbidden reports what no half may hold, even quoted: controls of ASCII and of Latin-1, and the
// two line separators some programs break lines at.
func forbidden(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
}

func isDotAtom(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for _, r := range s {
		if r != '.' && !isAtext(r) {
			return false
		}
	}
	return true
}

// IsZero reports the zero Address, "no address".
func (a Address) IsZero() bool { return a == Address{} }

// String writes the address as text: with quotes around the local part where it needs
// them, the domain as it is. The zero Address gives the empty string.
func (a Address) String() string {
	switch {
	case a.IsZero():
		return ""
	case a.Domain == "":
		return QuoteLocal(a.Local)
	}
	return QuoteLocal(a.Local) + "@" + a.Domain
}

// QuoteLocal writes a local part as it must stand in an address: bare where it is a
// dot-atom, else as a quoted string (RFC 5321 4.1.2).
func QuoteLocal(local string) string {
	if isDotAtom(local) {
		return local
	}
	var b strings.Builder
	b.Grow(len(local) + 2)
	b.WriteByte('"')
	for _, r := range local {
		if r == '"' || r == '\\' {
			b.WriteByte('\\')
		}
		if forbidden(r) {
			r = '?' // only a hand-made Address has one; it must not break a line
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}

// Normal gives the form in which two addresses of the same mailbox here are equal: the domain
// as NormalDomain makes it, the local part composed (NFC) and in lower case. Use it as a key
// for what is ours; for a remote host keep the local part as it was written, because only
// that host knows whether case matters (RFC 5321 2.4). A domain that is no domain is only
// put in lower case.
func (a Address) Normal() Address {
	domain, err := NormalDomain(a.Domain)
	if err != nil {
		domain = strings.ToLower(a.Domain)
	}
	return Address{Local: NormalLocal(a.Local), Domain: domain}
}

// NormalLocal composes (NFC, RFC 6530 10.1) a local part and puts it in lower case.
func NormalLocal(local string) string {
	plain := true
	for i := range len(local) {
		if c := local[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			plain = false
			break
		}
	}
	if plain {
		return local
	}
	// Lower case may come apart again (Kelvin sign, dotted capitals), hence the second pass.
	return norm.NFC.String(strings.ToLower(norm.NFC.String(local)))
}

// ASCII gives the address with its domain as A-labels, the form that can be sent to a host that knows no
// SMTPUTF8. ok is false where that cannot be: the local part is not ASCII (RFC 6531 3.2)
// or the domain is no domain.
func (a Address) ASCII() (_ Address, ok bool) {
	if !isASCII(a.Local) {
		return Address{}, false
	}
	if isASCII(a.Domain) {
		return a, true
	}
	domain, err := NormalDomain(a.Domain)
	return Address{Local: a.Local, Domain: domain}, err == nil
}

// NeedsUTF8 reports that only a host that offers SMTPUTF8 can be told this address.
func (a Address) NeedsUTF8() bool { return !isASCII(a.Local) }

// SplitSub cuts a local part at the first separator: `ann+box` with `+` gives `ann` and `box`.
// Without a separator, or where it stands first, all is user and detail is empty.
// RFC 5233 2 names the halves so.
func SplitSub(local, sep string) (user, detail string) {
	if sep == "" {
		return local, ""
	}
	i := strings.Index(local, sep)
	if i <= 0 {
		return local, ""
	}
	return local[:i], local[i+len(sep):]
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

package authres

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Name is the name of the field.
const Name = "Authentication-Results"

// The methods of RFC 8601 2.7 and RFC 9989 9.1 that we report.
const (
	SPF   = "spf"
	DKIM  = "dkim"
	DMARC = "dmarc"
	IPRev = "iprev"
	Auth  = "auth"
	ARC   = "arc"
)

// The kinds of property of RFC 8601 2.3 and RFC 8601 2.4.
const (
	SMTP   = "smtp"   // a parameter of the SMTP session
	Header = "header" // a field of the header
	Body   = "body"
	Policy = "policy" // something local, or a value derived from others
)

// Field is one Authentication-Results field.
type Field struct {
	ID      string // who says so: the authserv-id (RFC 8601 2.5)
	Results []Result
	// Skipped counts results that could not be read.
	Skipped int
}

// Result is the result of one method.
type Result struct {
	Method     string // in lower case
	Value      string // in lower case: pass, fail, none ...
	Reason     string // for people; may be empty
	Comment    string // for people, shown in parentheses behind the value; may be empty
	Properties []Property
}

// Property is something the method looked at: smtp.mailfrom=example.com.
type Property struct {
	Type  string // in lower case
	Name  string // in lower case
	Value string
}

// Get gives the value of a property, or an empty string.
func (r Result) Get(kind, name string) string {
	for _, p := range r.Properties {
		if p.Type == kind && p.Name == name {
			return p.Value
		}
	}
	return ""
}

// With gives the result with one more property; an empty value adds none.
func (r Result) With(kind, name, value string) Result {
	if value != "" {
		r.Properties = append(r.Properties[:len(r.Properties):len(r.Properties)], Property{kind, name, value})
	}
	return r
}

// OfSPF is a result of SPF for the domain of MAIL FROM or, where that is empty, of HELO. RFC 8601 2.7.2.
func OfSPF(value, mailFrom, helo string) Result {
	r := Result{Method: SPF, Value: value}
	if mailFrom != "" {
		return r.With(SMTP, "mailfrom", mailFrom)
	}
	return r.With(SMTP, "helo", helo)
}

// Signature is what is told of one DKIM signature.
type Signature struct {
	Domain    string // d=
	Selector  string // s=
	Algorithm string // a=
	Data      string // b=, as it stands in the signature; only its start is written, to tell signatures apart
}

// OfDKIM is the result of one signature. RFC 8601 2.7.1.
func OfDKIM(value string, s Signature) Result {
	data := strings.Join(strings.Fields(s.Data), "")
	return Result{Method: DKIM, Value: value}.With(Header, "d", s.Domain).With(Header, "s", s.Selector).With(Header, "a", s.Algorithm).With(Header, "b", data[:min(len(data), 8)])
}

// OfDMARC is a result of DMARC for the domain in From; policy, which may be empty, is the one that applies. RFC 9989 9.1.
func OfDMARC(value, from, policy string) Result {
	return Result{Method: DMARC, Value: value}.With(Header, "from", from).With(Policy, "dmarc", policy)
}

// OfIPRev is the result of looking the name of an address up, and the address of that name. RFC 8601 2.7.3, RFC 8601 3.
func OfIPRev(value string, ip netip.Addr) Result {
	r := Result{Method: IPRev, Value: value}
	if ip.IsValid() {
		r = r.With(Policy, "iprev", ip.Unmap().WithZone("").String())
	}
	return r
}

// OfAuth is the result of SMTP AUTH; user is who logged in. RFC 8601 2.7.4.
func OfAuth(value, user string) Result {
	return Result{Method: Auth, Value: value}.With(SMTP, "auth", user)
}

// OfARC is the result of the chain of ARC. RFC 8601 2.7.5.
func OfARC(value string, ip netip.Addr) Result {
	r := Result{Method: ARC, Value: value}
	if ip.IsValid() {
		r = r.With(SMTP, "remote-ip", ip.Unmap().WithZone("").String())
	}
	return r
}

// Line lengths (RFC 5322 2.1.1), and what a value or a comment is cut to.
const (
	preferLine = 78
	maxValue   = 320
)

// Format writes the field, folded, with CRLF at its end. Words that cannot be written become "x", long values are cut, control
// characters become spaces. Without results it says "none". RFC 8601 2.2.
func (f Field) Format() []byte {
	w := writer{b: []byte(Name + ":"), column: len(Name) + 1}
	w.word(" ", value(f.ID)+";")
	if len(f.Results) == 0 {
		w.word(" ", "none")
	}
	results := f.Results[:min(len(f.Results), MaxResults)]
	for i, r := range results {
		end := ""
		if i < len(results)-1 {
			end = ";"
		}
		words := r.words()
		words[len(words)-1] += end
		w.fold()
		for _, word := range words {
			w.word(" ", word)
		}
	}
	return append(w.b, "\r\n"...)
}

// words gives the parts of a result between which a line may be folded.
func (r Result) words() []string {
	words := []string{keyword(r.Method) + "=" + keyword(r.Value)}
	if c := comment(r.Comment); c != "" {
		words = append(words, "("+c+")")
	}
	if r.Reason != "" {
		words = append(words, "reason="+value(r.Reason))
	}
	for _, p := range r.Properties[:min(len(r.Properties), MaxProperties)] {
		words = append(words, keyword(p.Type)+"."+keyword(p.Name)+"="+propertyValue(p.Value))
	}
	return words
}

// writer puts words on lines.
type writer struct {
	b      []byte
	column int
}

func (w *writer) fold() {
	w.b, w.column = append(w.b, "\r\n"...), 0
}

func (w *writer) word(space, word string) {
	if w.column > 1 && w.column+len(space)+len(word) > preferLine {
		w.fold()
	}
	w.b = append(append(w.b, space...), word...)
	w.column += len(space) + len(word)
}

// keyword makes a word that can stand bare: letters, digits, hyphens.
func keyword(s string) string {
	s = strings.ToLower(s)
	if !isKeyword(s) {
		return "x"
	}
	return s
}

func isKeyword(s string) bool {
	if s == "" || len(s) > 64 || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && (c != '-' && c != '_' || i == 0) {
			return false
		}
	}
	return true
}

// isToken reports a token of RFC 2045 5.1.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// plain makes a text of one line, in UTF-8 and not too long.
func plain(s string) string {
	if len(s) > maxValue {
		s = s[:maxValue]
		for len(s) > maxValue-utf8.UTFMax && !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// value writes a token or a quoted string.
func value(s string) string {
	s = plain(s)
	if isToken(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// propertyValue leaves addresses without quotes where the grammar has them so: local@domain, @domain.
func propertyValue(s string) string {
	s = plain(s)
	if local, domain, ok := strings.Cut(s, "@"); ok && isToken(domain) && !strings.HasPrefix(domain, ".") && (local == "" || isToken(local)) {
		return s
	}
	return value(s)
}

func comment(s string) string {
	return strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(strings.TrimSpace(plain(s)))
}

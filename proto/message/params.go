package message

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Bounds on the parameters of one field; what is beyond is dropped.
const (
	maxParams   = 64      // parameters, each continuation of RFC 2231 3 counted
	maxParamLen = 8 << 10 // octets of one value, joined
)

// Param is one parameter of a Content-Type or Content-Disposition field.
type Param struct {
	Name  string // in lower case, without the * marks of RFC 2231
	Value string // in UTF-8: continuations joined, charset and encoded words decoded
}

// ParamValue gives the value of the first parameter of that name (in lower case), or an empty string.
func ParamValue(params []Param, name string) string {
	for _, p := range params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Encoded gives the parameter in ASCII: as it is, or as RFC 2231 4 writes it, `name*` and
// `utf-8”percent-encoded`. IMAP shows it so to a client that has not asked for UTF-8.
func (p Param) Encoded() Param {
	if !needsWord(p.Value) {
		return p
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.WriteString("utf-8''")
	for i := range len(p.Value) {
		if c := p.Value[i]; isAttrChar(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return Param{Name: p.Name + "*", Value: b.String()}
}

// isAttrChar reports the attribute-char of RFC 2231 7.
func isAttrChar(c byte) bool { return isTokenChar(c) && c != '*' && c != '\'' && c != '%' }

// isTokenChar reports a character of a token (RFC 2045 5.1).
func isTokenChar(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0
}

func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}

// FormatParams writes a value with its parameters, as the fields Content-Type and Content-Disposition want them:
// quoted where needed, in ASCII by RFC 2231 where it is not. FoldField folds it.
func FormatParams(value string, params []Param) string {
	var b strings.Builder
	b.WriteString(value)
	for _, p := range params {
		p = p.Encoded()
		b.WriteString("; " + p.Name + "=")
		if isToken(p.Value) {
			b.WriteString(p.Value)
		} else {
			b.WriteString(quote(p.Value))
		}
	}
	return b.String()
}

// quote writes a quoted string (RFC 5322 3.2.4).
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.Write([]byte{'\\', c})
		case c < ' ' && c != '\t' || c == 0x7f:
			b.WriteByte(' ')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// ParseContentType reads the value of a Content-Type field (RFC 2045 5.1), tolerantly: comments and space
// anywhere, parameters that are not quoted although they should be, a missing subtype. Type and subtype are in lower
// case; both are empty where the value names no type.
func ParseContentType(value string) (mediaType, subtype string, params []Param) {
	l := lexer{s: value}
	mediaType = l.token("/;")
	l.skip()
	if l.take('/') {
		subtype = l.token(";")
	}
	if !isToken(subtype) {
		subtype = ""
	}
	if !isToken(mediaType) {
		mediaType, subtype = "", ""
	}
	return intern(lowered(mediaType)), intern(lowered(subtype)), l.params()
}

// ParseDisposition reads the value of a Content-Disposition field (RFC 2183 2) as tolerantly.
func ParseDisposition(value string) (disposition string, params []Param) {
	l := lexer{s: value}
	disposition = l.token(";")
	return intern(lowered(disposition)), l.params()
}

// lowered is strings.ToLower for ASCII, without an allocation where nothing changes.
func lowered(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

// lexer reads the structured fields of MIME.
type lexer struct {
	s  string
	at int
}

func (l *lexer) done() bool { return l.at >= len(l.s) }

func (l *lexer) take(c byte) bool {
	if !l.done() && l.s[l.at] == c {
		l.at++
		return true
	}
	return false
}

// skip goes over space, control characters and comments (RFC 5322 3.2.2), nested ones too: whatever ends a token
// and is no stop of it.
func (l *lexer) skip() {
	for !l.done() {
		switch c := l.s[l.at]; {
		case c <= ' ':
			l.at++
		case c == '(':
			l.at = skipComment(l.s, l.at)
		default:
			return
		}
	}
}

// skipComment gives the position behind the comment that opens at s[at]; one that is never closed
// goes to the end. It counts, so depth costs nothing.
func skipComment(s string, at int) int {
	depth := 0
	for ; at < len(s); at++ {
		switch s[at] {
		case '\\':
			at++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
	return len(s)
}

// token reads up to one of the stop characters, space or a comment.
func (l *lexer) token(stop string) string {
	l.skip()
	start := l.at
	for !l.done() {
		c := l.s[l.at]
		if c <= ' ' || c == '(' || strings.IndexByte(stop, c) >= 0 {
			break
		}
		l.at++
	}
	return l.s[start:l.at]
}

// piece is one parameter as it was written.
type piece struct {
	name     string
	number   int  // of a continuation; -1 for a whole value
	extended bool // percent-encoded (RFC 2231 4)
	value    string
}

// params reads what follows the value: `; name=value` any number of times.
func (l *lexer) params() []Param {
	var store [8]piece
	pieces := store[:0]
	plain := true
	for len(pieces) < maxParams {
		l.skip()
		l.take(';') // which some forget
		if l.skip(); l.done() {
			break
		}
		start := l.at
		name := l.token("=;")
		l.skip()
		if l.at == start && l.s[start] != '=' {
			l.at++ // no input may hold the loop
		}
		if !l.take('=') || name == "" {
			continue
		}
		p := newPiece(lowered(name), l.value())
		plain = plain && p.number < 0 && !p.extended
		pieces = append(pieces, p)
	}
	if len(pieces) == 0 {
		return nil
	}
	params := make([]Param, 0, len(pieces))
	if plain {
		for _, p := range pieces {
			params = addParam(params, p.name, DecodeText(p.value))
		}
		return params
	}
	return joinPieces(params, pieces)
}

// addParam adds unless the name is there: the first one counts.
func addParam(params []Param, name, value string) []Param {
	for i := range params {
		if params[i].Name == name {
			return params
		}
	}
	if len(value) > maxParamLen {
		value = value[:cutAt(value, maxParamLen)]
	}
	return append(params, Param{Name: intern(name), Value: intern(value)})
}

// value reads a quoted string or what stands up to the next semicolon.
func (l *lexer) value() string {
	l.skip()
	if !l.take('"') {
		start := l.at
		for !l.done() && l.s[l.at] != ';' && l.s[l.at] != '(' {
			l.at++
		}
		return strings.Trim(l.s[start:l.at], " \t\r\n")
	}
	start := l.at
	if end := strings.IndexAny(l.s[start:], `"\`); end >= 0 && l.s[start+end] == '"' {
		l.at = start + end + 1
		return l.s[start : start+end]
	}
	var b strings.Builder
	for !l.done() {
		c := l.s[l.at]
		l.at++
		switch {
		case c == '"':
			return b.String()
		case c == '\\' && !l.done() && (l.s[l.at] == '"' || l.s[l.at] == '\\'):
			c = l.s[l.at]
			l.at++
		}
		b.WriteByte(c) // a backslash before another character is most likely a path of Windows
	}
	return b.String()
}

// newPiece takes the marks of RFC 2231 off a name: `filename*`, `filename*0`, `filename*0*`.
func newPiece(name, value string) piece {
	p := piece{name: name, number: -1, value: value}
	base, mark, found := strings.Cut(name, "*")
	if !found || base == "" {
		return p
	}
	if mark == "" {
		p.name, p.extended = base, true
		return p
	}
	number, star := strings.CutSuffix(mark, "*")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return p
	}
	p.name, p.number, p.extended = base, int(n), star
	return p
}

// joinPieces puts continuations together in the order of their numbers (RFC 2231 3). A value in the extended
// form wins over a plain one of the same name, which is there for old readers.
func joinPieces(params []Param, pieces []piece) []Param {
	rank := func(p piece) int {
		switch {
		case p.number >= 0:
			return 1
		case p.extended:
			return 0
		}
		return 2
	}
	var order []string // names as they first came
	for _, p := range pieces {
		if !slices.Contains(order, p.name) {
			order = append(order, p.name)
		}
	}
	slices.SortStableFunc(pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.name), slices.Index(order, b.name)),
			cmp.Compare(rank(a), rank(b)), cmp.Compare(a.number, b.number))
	})
	for i := 0; i < len(pieces); {
		end := i + 1
		if pieces[i].number >= 0 {
			for end < len(pieces) && pieces[end].name == pieces[i].name && pieces[end].number >= 0 {
				end++
			}
		}
		params = addParam(params, pieces[i].name, joinValue(pieces[i:end]))
		i = end
	}
	return params
}

// joinValue decodes one value of one or more pieces; the numbers of continuations must follow each
// other, what comes after a gap is left out.
func joinValue(run []piece) string {
	if run[0].number < 0 && !run[0].extended {
		return DecodeText(run[0].value)
	}
	charset := ""
	extended := false
	var raw []byte
	for i, p := range run {
		if p.number > 0 && i == 0 || i > 0 && p.number != run[i-1].number+1 {
			break
		}
		value := p.value
		if p.extended {
			extended = true
			if i == 0 {
				if cs, rest, ok := strings.Cut(value, "'"); ok {
					if _, text, ok := strings.Cut(rest, "'"); ok {
						charset, value = cs, text
					}
				}
			}
			raw = appendPercent(raw, value)
		} else {
			raw = append(raw, value...)
		}
	}
	if !extended {
		return DecodeText(string(raw))
	}
	return oneLine(decodeCharset(charset, raw))
}

func appendPercent(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := hexValue(s[i+1]), hexValue(s[i+2]); hi >= 0 && lo >= 0 {
				dst = append(dst, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		dst = append(dst, s[i])
	}
	return dst
}

// intern gives the one copy of a string that most messages have, so that many trees in memory share it.
func intern(s string) string {
	if len(s) > maxCommon {
		return s
	}
	if i, ok := wordIndex[s]; ok {
		return commonWords[i]
	}
	return s
}

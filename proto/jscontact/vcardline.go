package jscontact

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"
)

// MaxVCard is how many octets one vCard may have on its way in; what is made of it has MaxSize at most.
const MaxVCard = 512 << 10

// ErrVCard says that a vCard cannot be read. It is wrapped with the reason. The next card of the stream may be well.
var ErrVCard = errors.New("the vCard cannot be read")

// line is a content line (RFC 6350 3.3).
type line struct {
	group  string
	name   string // in capitals
	params []param
	value  string // as it is written
}

type param struct {
	name   string // in capitals
	values []string
}

// get gives the values of a parameter.
func (l *line) get(name string) (values []string) {
	for _, p := range l.params {
		if p.name == name {
			values = append(values, p.values...)
		}
	}
	return values
}

func (l *line) first(name string) string {
	if v := l.get(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Reader reads vCards from a stream (RFC 6350, RFC 2426).
type Reader struct {
	r     *bufio.Reader
	ahead []byte // a physical line that was read too far
	has   bool
	ended bool
}

// NewReader makes a Reader. What is not UTF-8 in the stream is taken as Latin 1.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReader(r)} }

// Next gives the next card. io.EOF at the end; an error that is ErrVCard stands for one card, and Next may be called again; any other is the
// stream's own.
func (r *Reader) Next() (Card, error) {
	for {
		l, err := r.logical(new(int))
		if err != nil && !errors.Is(err, ErrVCard) {
			return nil, err
		}
		if err == nil && strings.EqualFold(strings.TrimSpace(l), "BEGIN:VCARD") {
			return r.card()
		}
	}
}

// card reads up to END:VCARD.
func (r *Reader) card() (Card, error) {
	var lines []line
	var bad error
	octets := 0
	for {
		text, err := r.logical(&octets)
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("%w: it has no end", ErrVCard)
		case errors.Is(err, ErrVCard):
			bad = err
		case err != nil:
			return nil, err
		}
		if strings.EqualFold(strings.TrimSpace(text), "END:VCARD") {
			break
		}
		if octets > MaxVCard {
			bad, lines = fmt.Errorf("%w: it has more than %d octets", ErrVCard, MaxVCard), nil
		}
		if bad != nil || text == "" {
			continue
		}
		if l, ok := parseLine(text); ok {
			lines = append(lines, l)
		} // a line that is none is passed over, as other programs do
	}
	if bad != nil {
		return nil, bad
	}
	return fromLines(lines)
}

// logical reads a line and what is folded into it (RFC 6350 3.2). n counts octets.
func (r *Reader) logical(n *int) (string, error) {
	first, err := r.physical(n)
	if err != nil {
		return "", err
	}
	b := append([]byte(nil), first...)
	soft := bytes.Contains(bytes.ToUpper(b[:min(len(b), 200)]), []byte("QUOTED-PRINTABLE")) // vCard 2.1, which telephones still write
	for {
		next, err := r.physical(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		switch {
		case soft && bytes.HasSuffix(b, []byte("=")):
			b = append(b[:len(b)-1], next...)
		case len(next) > 0 && (next[0] == ' ' || next[0] == '\t'):
			b = append(b, next[1:]...)
		default:
			r.ahead, r.has = append([]byte(nil), next...), true
			*n -= len(next)
			return toUTF8(b), nil
		}
		if len(b) > MaxVCard {
			b = b[:MaxVCard] // what follows is read, and counted, and refused by the counter
		}
	}
	return toUTF8(b), nil
}

// physical reads a line of at most MaxVCard octets; of a longer one the rest is read and dropped.
func (r *Reader) physical(n *int) ([]byte, error) {
	if r.has {
		r.has = false
		*n += len(r.ahead)
		return r.ahead, nil
	}
	if r.ended {
		return nil, io.EOF
	}
	var b []byte
	for {
		part, err := r.r.ReadSlice('\n')
		*n += len(part)
		if len(b) <= MaxVCard {
			b = append(b, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			r.ended = true
			if len(b) == 0 {
				return nil, io.EOF
			}
		case err != nil:
			return nil, err
		}
		return bytes.TrimPrefix(bytes.TrimRight(b, "\r\n"), []byte("\xef\xbb\xbf")), nil
	}
}

// toUTF8 takes what is not UTF-8 as Latin 1.
func toUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// parseLine takes a content line apart.
func parseLine(s string) (l line, ok bool) {
	i := strings.IndexAny(s, ";:")
	if i <= 0 {
		return l, false
	}
	l.name = strings.ToUpper(s[:i])
	if g, n, has := strings.Cut(l.name, "."); has {
		l.group, l.name = g, n
	}
	for s[i] == ';' {
		s = s[i+1:]
		var p param
		p, i, ok = parseParam(s)
		if !ok || len(l.params) >= 50 {
			return l, false
		}
		l.params = append(l.params, p)
	}
	l.value = s[i+1:]
	if strings.EqualFold(l.first("ENCODING"), "QUOTED-PRINTABLE") {
		if b, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(l.value))); err == nil {
			l.value = toUTF8(b)
		}
	}
	return l, l.name != ""
}

// parseParam reads a parameter; at is where the colon or semicolon behind it stands.
func parseParam(s string) (p param, at int, ok bool) {
	end := strings.IndexAny(s, "=;:")
	if end < 0 {
		return p, 0, false
	}
	p.name = strings.ToUpper(s[:end])
	if s[end] != '=' { // vCard 2.1: a type without its name
		bare := p.name
		p.name = "TYPE"
		switch bare {
		case "QUOTED-PRINTABLE", "BASE64", "8BIT", "7BIT":
			p.name = "ENCODING"
		}
		p.values = []string{bare}
		return p, end, true
	}
	i := end + 1
	for {
		var v string
		if i < len(s) && s[i] == '"' {
			n := strings.IndexByte(s[i+1:], '"')
			if n < 0 {
				return p, 0, false
			}
			v, i = s[i+1:i+1+n], i+n+2
		} else {
			n := strings.IndexAny(s[i:], ",;:")
			if n < 0 {
				return p, 0, false
			}
			v, i = s[i:i+n], i+n
		}
		p.values = append(p.values, uncaret.Replace(v))
		if i >= len(s) {
			return p, 0, false
		}
		switch s[i] {
		case ',':
			i++
		case ';', ':':
			return p, i, len(p.values) <= 50
		default:
			return p, 0, false
		}
	}
}

// uncaret undoes RFC 6868 3.
var uncaret = strings.NewReplacer("^n", "\n", "^N", "\n", "^^", "^", "^'", `"`)

var caret = strings.NewReplacer("^", "^^", "\n", "^n", "\r", "", `"`, "^'")

// unescape undoes the escapes of a text (RFC 6350 3.4).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			switch s[i] {
			case 'n', 'N':
				b.WriteByte('\n')
			default:
				b.WriteByte(s[i])
			}
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

var escape = strings.NewReplacer(`\`, `\\`, "\r\n", `\n`, "\n", `\n`, "\r", "", ",", `\,`, ";", `\;`)

// split cuts at a character that is not escaped; the parts stay escaped.
func split(s string, at byte) (parts []string) {
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case at:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

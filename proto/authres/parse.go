package authres

import (
	"errors"
	"strings"
)

// Bounds on what is read.
const (
	MaxField      = 64 << 10
	MaxResults    = 64
	MaxProperties = 32 // of one result
	maxDepth      = 16 // of comments in comments
)

// Errors of Parse.
var (
	ErrNoID    = errors.New("the Authentication-Results field does not say whose results it has")
	ErrVersion = errors.New("the Authentication-Results field is of a version that is not known")
	ErrTooLong = errors.New("the Authentication-Results field is too long")
)

// Parse reads the value of a field, unfolded or not. Results that cannot be read are skipped and counted; only a field
// without a readable authserv-id, of an unknown version (RFC 8601 2.6), or beyond MaxField is an error. RFC 8601 2.2.
func Parse(text string) (Field, error) {
	if len(text) > MaxField {
		return Field{}, ErrTooLong
	}
	p := parser{s: text}
	id, ok := p.value("")
	if !ok || id == "" {
		return Field{}, ErrNoID
	}
	f := Field{ID: id}
	p.space()
	if version := p.bare(""); version != "" && strings.Trim(version, "0123456789") == "" {
		if strings.TrimLeft(version, "0") != "1" {
			return Field{ID: id}, ErrVersion
		}
	} else if version != "" {
		// Other words behind the name: some hosts say more than they should.
		f.Skipped++
	}
	p.toNext()
	for p.take(';') {
		p.space()
		if p.done() || p.s[p.i] == ';' {
			continue
		}
		r, ok := p.result()
		switch {
		case ok && len(f.Results) < MaxResults:
			f.Results = append(f.Results, r)
		case !ok && r.Method == "none": // the word alone: no results
		default:
			f.Skipped++
		}
		p.toNext()
	}
	return f, nil
}

type parser struct {
	s       string
	i       int
	comment string // the first comment since it was emptied
}

func (p *parser) done() bool { return p.i >= len(p.s) }

func (p *parser) take(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

// space passes over space and comments. RFC 5322 3.2.2.
func (p *parser) space() {
	for !p.done() {
		switch p.s[p.i] {
		case ' ', '\t', '\r', '\n':
			p.i++
		case '(':
			text := p.parens()
			if p.comment == "" {
				p.comment = text
			}
		default:
			return
		}
	}
}

// parens reads a comment with the ones in it; one that does not end takes the rest.
func (p *parser) parens() string {
	var b strings.Builder
	depth := 0
	for ; !p.done(); p.i++ {
		c := p.s[p.i]
		switch {
		case c == '\\' && p.i+1 < len(p.s):
			p.i++
			b.WriteByte(p.s[p.i])
			continue
		case c == '(':
			if depth++; depth > maxDepth {
				p.i = len(p.s)
				return oneLine(b.String())
			}
			if depth == 1 {
				continue
			}
		case c == ')':
			if depth--; depth == 0 {
				p.i++
				return oneLine(b.String())
			}
		}
		b.WriteByte(c)
	}
	return oneLine(b.String())
}

func oneLine(s string) string { return strings.Join(strings.Fields(plain(s)), " ") }

// bare reads what stands without quotes up to space, a comment, a semicolon or one of stop.
func (p *parser) bare(stop string) string {
	start := p.i
	for !p.done() {
		if c := p.s[p.i]; c <= ' ' || c == '(' || c == ';' || c == '"' || strings.IndexByte(stop, c) >= 0 {
			break
		}
		p.i++
	}
	return p.s[start:p.i]
}

// value reads a quoted string or what stands without quotes; ok is false where a quoted string does not end.
func (p *parser) value(stop string) (text string, ok bool) {
	p.space()
	if !p.take('"') {
		return p.bare(stop), true
	}
	var b strings.Builder
	for ; !p.done(); p.i++ {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return strings.Map(noBreak, b.String()), true
		case c == '\\' && p.i+1 < len(p.s):
			p.i++
			b.WriteByte(p.s[p.i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// noBreak drops the line ends of folding.
func noBreak(r rune) rune {
	if r == '\r' || r == '\n' {
		return -1
	}
	return r
}

// toNext goes on to the semicolon that ends a result.
func (p *parser) toNext() {
	for p.space(); !p.done() && p.s[p.i] != ';'; p.space() {
		if p.s[p.i] == '"' {
			if _, ok := p.value(""); !ok {
				return
			}
		} else if p.bare("") == "" {
			p.i++
		}
	}
}

// result reads `method=value`, a reason and properties. For the word none alone it gives a Method of none and false.
func (p *parser) result() (r Result, ok bool) {
	p.comment = ""
	r.Method = strings.ToLower(p.bare("=/"))
	p.space()
	if p.take('/') { // the version of the method
		p.space()
		if version := p.bare("="); strings.TrimLeft(version, "0") != "1" {
			return Result{Method: "x"}, false
		}
		p.space()
	}
	if !p.take('=') || !isKeyword(r.Method) {
		return r, false
	}
	p.space()
	p.comment = ""
	r.Value = strings.ToLower(p.bare("="))
	if !isKeyword(r.Value) {
		return Result{Method: "x"}, false
	}
	p.space()
	r.Comment = p.comment
	for !p.done() && p.s[p.i] != ';' {
		if !p.property(&r) {
			break
		}
		p.space()
	}
	return r, true
}

// property reads a reason or one property; it is false where there is neither, and the rest of the result is passed over.
func (p *parser) property(r *Result) bool {
	kind := strings.ToLower(p.bare("=."))
	p.space()
	if kind == "reason" && p.take('=') {
		reason, ok := p.value("")
		r.Reason = plain(reason)
		return ok
	}
	if !p.take('.') || !isKeyword(kind) {
		return false
	}
	p.space()
	name := strings.ToLower(p.bare("="))
	p.space()
	if !p.take('=') || !isKeyword(name) {
		return false
	}
	text, ok := p.value("")
	if ok && !p.done() && p.s[p.i] == '@' { // "a local part"@domain
		text += p.bare("")
	}
	if ok && len(r.Properties) < MaxProperties {
		r.Properties = append(r.Properties, Property{kind, name, plain(text)})
	}
	return ok
}

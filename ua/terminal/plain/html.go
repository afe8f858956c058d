package plain

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Bounds of what is read of a page.
const (
	maxMarkup = 2 << 20 // octets
	maxToken  = 256 << 10
	maxOpen   = 512 // elements within one another
	maxLinks  = 300
)

// FromHTML gives the text of a page as people would read it. Links are numbered, and where they truly lead is listed at the end.
func FromHTML(page string) string {
	p := reader{z: html.NewTokenizer(strings.NewReader(page[:min(len(page), maxMarkup)]))}
	p.z.SetMaxBuf(maxToken)
	for {
		switch p.z.Next() {
		case html.ErrorToken:
			return p.end()
		case html.TextToken:
			p.text(string(p.z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			p.open()
		case html.EndTagToken:
			name, _ := p.z.TagName()
			p.close(string(name))
		}
	}
}

// element is one that is open.
type element struct {
	name   atom.Atom // 0 for what is no element of HTML
	tag    string
	hidden bool
	quote  bool
	pre    bool
	link   int // the number of the link that ends with it
	label  int // where its label begins in the output
	items  int // of an ordered list, counted
}

type reader struct {
	z     *html.Tokenizer
	out   strings.Builder
	stack []element
	links []string
	deep  int // elements open whose contents are not shown

	started bool // the line has something on it
	space   bool // white space is due before the next word
	breaks  int  // line ends at the end of the output
}

func (p *reader) hidden() bool { return p.deep > 0 }

func (p *reader) push(e element) {
	p.stack = append(p.stack, e)
	if e.hidden {
		p.deep++
	}
}

func (p *reader) pop() element {
	e := p.stack[len(p.stack)-1]
	p.stack = p.stack[:len(p.stack)-1]
	if e.hidden {
		p.deep--
	}
	return e
}

// implied closes what ends where an element begins, though nobody says so: paragraphs, items, the head.
func (p *reader) implied(name atom.Atom) {
	if name == atom.Body {
		for len(p.stack) > 0 {
			p.pop()
		}
	}
	if len(p.stack) == 0 {
		return
	}
	switch top := p.stack[len(p.stack)-1].name; {
	case top == atom.P && (slices.Contains(paragraphs, name) || slices.Contains(blocks, name)),
		top == atom.Head && name != atom.Meta && name != atom.Link && name != atom.Base && !slices.Contains(silent, name),
		(top == atom.Li || top == atom.Option || top == atom.Td || top == atom.Tr) && top == name:
		p.pop()
	}
}

// silent are elements whose contents are not shown.
var silent = []atom.Atom{atom.Script, atom.Style, atom.Head, atom.Title, atom.Template, atom.Object, atom.Svg, atom.Math, atom.Textarea, atom.Select, atom.Iframe}

// paragraphs have an empty line around them, blocks a line end.
var (
	paragraphs = []atom.Atom{atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Blockquote, atom.Pre, atom.Table, atom.Dl}
	blocks     = []atom.Atom{atom.Div, atom.Li, atom.Tr, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Center, atom.Form, atom.Dt, atom.Dd, atom.Address,
		atom.Main, atom.Nav, atom.Aside, atom.Figure, atom.Fieldset, atom.Option}
	void = []atom.Atom{atom.Br, atom.Hr, atom.Img, atom.Input, atom.Meta, atom.Link, atom.Area, atom.Base, atom.Col, atom.Embed, atom.Source, atom.Track, atom.Wbr}
)

func (p *reader) open() {
	raw, more := p.z.TagName()
	tag, name := string(raw), atom.Lookup(raw)
	var href, alt, style string
	hidden := slices.Contains(silent, name)
	for n := 0; more && n < 64; n++ {
		var key, value []byte
		key, value, more = p.z.TagAttr()
		switch string(key) {
		case "href":
			href = string(value)
		case "alt":
			alt = string(value)
		case "style":
			style = strings.ToLower(strings.Join(strings.Fields(string(value)), ""))
		case "hidden":
			hidden = true
		}
	}
	hidden = hidden || strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden")
	p.implied(name)
	p.layout(name)
	if slices.Contains(void, name) {
		if !hidden && !p.hidden() {
			p.voidElement(name, alt)
		}
		return
	}
	if len(p.stack) >= maxOpen || name == 0 && !hidden {
		return
	}
	e := element{name: name, tag: tag, hidden: hidden, quote: name == atom.Blockquote, pre: name == atom.Pre}
	if name == atom.A && href != "" && !hidden && !p.hidden() {
		e.link, e.label = p.link(href), p.out.Len()
	}
	p.push(e)
	if name == atom.Li && !p.hidden() {
		p.item()
	}
}

func (p *reader) voidElement(name atom.Atom, alt string) {
	switch name {
	case atom.Br:
		p.line(1, true)
	case atom.Hr:
		p.line(1, false)
		p.word("────────────────────")
		p.line(1, false)
	case atom.Img:
		if alt = Line(alt); alt != "" {
			p.text("[" + Cut(alt, 60) + "]")
		}
	}
}

// item marks a list's item.
func (p *reader) item() {
	for i := len(p.stack) - 1; i >= 0; i-- {
		switch p.stack[i].name {
		case atom.Ol:
			p.stack[i].items++
			p.word(fmt.Sprintf("%d.", p.stack[i].items))
			p.space = true
			return
		case atom.Ul:
			i = 0
		}
	}
	p.word("•")
	p.space = true
}

// link numbers where a link leads; 0 for what is no place.
func (p *reader) link(href string) int {
	href = Line(strings.Join(strings.Fields(href), ""))
	lower := strings.ToLower(href)
	if !strings.HasPrefix(lower, "http://") && !strings.HasPrefix(lower, "https://") && !strings.HasPrefix(lower, "mailto:") && !strings.HasPrefix(lower, "tel:") {
		return 0
	}
	if i := slices.Index(p.links, href); i >= 0 {
		return i + 1
	}
	if len(p.links) >= maxLinks {
		return 0
	}
	p.links = append(p.links, href)
	return len(p.links)
}

func (p *reader) close(tag string) {
	name := atom.Lookup([]byte(tag))
	for i := len(p.stack) - 1; i >= 0; i-- {
		if p.stack[i].tag != tag {
			continue
		}
		for len(p.stack) > i {
			e := p.pop()
			if e.link > 0 && !p.hidden() && strings.TrimSpace(p.out.String()[min(e.label, p.out.Len()):]) != "" {
				p.word(fmt.Sprintf("[%d]", e.link))
			}
		}
		break
	}
	p.layout(name)
}

// layout ends lines where an element begins or ends.
func (p *reader) layout(name atom.Atom) {
	switch {
	case p.hidden():
	case slices.Contains(paragraphs, name):
		p.line(2, false)
	case slices.Contains(blocks, name):
		p.line(1, false)
	case name == atom.Td || name == atom.Th:
		p.space = p.space || p.started
	}
}

// line ends the line; n of 2 leaves one empty. A forced one adds to those there are.
func (p *reader) line(n int, forced bool) {
	p.space = false
	if p.out.Len() == 0 {
		return
	}
	if forced {
		n = min(p.breaks+1, 2)
	}
	for p.breaks < n {
		p.out.WriteByte('\n')
		p.breaks++
	}
	p.started = false
}

func (p *reader) text(s string) {
	if p.hidden() {
		return
	}
	if p.pre() {
		for i, l := range strings.Split(Block(s), "\n") {
			if i > 0 {
				p.breaks = min(p.breaks, 1)
				p.line(p.breaks+1, false)
			}
			if l != "" {
				p.word(l)
			}
		}
		return
	}
	for i, w := range strings.FieldsFunc(s, asSpace) {
		if i > 0 || asSpace(rune(s[0])) {
			p.space = true
		}
		p.word(Line(w))
	}
	if s != "" && asSpace(rune(s[len(s)-1])) {
		p.space = true
	}
}

// pre reports whether white space is kept.
func (p *reader) pre() bool {
	for i := len(p.stack) - 1; i >= 0 && i > len(p.stack)-20; i-- {
		if p.stack[i].pre {
			return true
		}
	}
	return false
}

// asSpace reports what HTML takes for white space.
func asSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '\f' }

// word writes a clean word, with the quotation marks of the line it begins.
func (p *reader) word(w string) {
	if w == "" {
		return
	}
	if !p.started {
		quotes := 0
		for _, e := range p.stack {
			if e.quote && quotes < 10 {
				quotes++
			}
		}
		p.out.WriteString(strings.Repeat("> ", quotes))
	} else if p.space {
		p.out.WriteByte(' ')
	}
	p.out.WriteString(w)
	p.started, p.space, p.breaks = true, false, 0
}

func (p *reader) end() string {
	text := strings.TrimRight(p.out.String(), "\n ")
	if len(p.links) == 0 {
		return text + "\n"
	}
	var b strings.Builder
	b.WriteString(text + "\n\n")
	for i, l := range p.links {
		fmt.Fprintf(&b, "[%d] %s\n", i+1, l)
	}
	return b.String()
}

package junk

import (
	"bytes"
	"io"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// maxToken is how large one tag or text of HTML may be; what is larger ends the reading.
const maxToken = 64 << 10

// counted reads up to a bound that lasts over several texts.
type counted struct {
	r    io.Reader
	left *int
}

func (c counted) Read(p []byte) (int, error) {
	if *c.left <= 0 {
		return 0, io.EOF
	}
	n, err := c.r.Read(p[:min(len(p), *c.left)])
	*c.left -= n
	return n, err
}

// page is where in a page of HTML the reading is.
type page struct {
	c      *content
	silent string // the element whose text is not shown
	anchor string // the host of the link that is open
	label  []byte // what it shows
}

// strip reads HTML: the text that people see goes to c.text. A tag in the middle of a word parts it only where a reader would see it parted.
func (c *content) strip(r io.Reader) {
	z := html.NewTokenizer(counted{r, &c.markup})
	z.SetMaxBuf(maxToken)
	p := page{c: c}
	for len(c.text) < maxText {
		switch z.Next() {
		case html.ErrorToken:
			p.close()
			return
		case html.TextToken:
			p.text(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			p.start(string(name), attributes(z, more))
		case html.EndTagToken:
			name, _ := z.TagName()
			p.end(string(name))
		}
	}
}

// attributes are those of a tag that matter.
func attributes(z *html.Tokenizer, more bool) (out struct{ href, src, style string }) {
	for n := 0; more && n < 50; n++ {
		var key, val []byte
		key, val, more = z.TagAttr()
		switch string(key) {
		case "href", "action":
			out.href = string(val)
		case "src", "background":
			out.src = string(val)
		case "style":
			out.style = string(val)
		}
	}
	return out
}

func (p *page) text(b []byte) {
	if p.silent != "" {
		return
	}
	p.c.letters += len(bytes.TrimSpace(b))
	p.c.text = append(p.c.text, b[:min(len(b), max(0, maxText-len(p.c.text)))]...)
	if p.anchor != "" && len(p.label) < 200 {
		p.label = append(p.label, b[:min(len(b), 200)]...)
	}
}

func (p *page) start(name string, a struct{ href, src, style string }) {
	switch name {
	case "script", "style", "head", "noscript", "template":
		if p.silent == "" && name != "head" {
			p.silent = name
		}
	case "a", "area", "form":
		p.close()
		p.anchor = p.c.link(a.href)
	case "img", "input", "image":
		p.c.images++
		p.c.link(a.src)
	}
	if a.style != "" && invisible(a.style) {
		p.c.hidden = true
	}
	if parts(name) {
		p.c.write(" ")
	}
}

func (p *page) end(name string) {
	switch name {
	case p.silent:
		p.silent = ""
	case "a":
		p.close()
	}
	if parts(name) {
		p.c.write(" ")
	}
}

// close ends a link: what it shows is held against where it leads.
func (p *page) close() {
	label := strings.TrimSpace(string(p.label))
	anchor := p.anchor
	p.anchor, p.label = "", p.label[:0]
	if anchor == "" || label == "" || p.c.shownHost != "" || strings.ContainsAny(label, " \t\r\n@") {
		return
	}
	shown := hostOf(label)
	if _, err := netip.ParseAddr(shown); err == nil || !strings.Contains(shown, ".") || !looksLikeHost(label) {
		return
	}
	if shown != "" && registered(shown) != registered(anchor) {
		p.c.shownHost, p.c.meantHost = shown, anchor
	}
}

// looksLikeHost reports a text that readers take for the address of a site.
func looksLikeHost(label string) bool {
	l := strings.ToLower(label)
	return strings.HasPrefix(l, "http://") || strings.HasPrefix(l, "https://") || strings.HasPrefix(l, "www.")
}

// parts reports elements whose begin or end parts words.
func parts(name string) bool {
	switch name {
	case "a", "b", "i", "u", "s", "em", "strong", "span", "font", "small", "big", "sub", "sup", "wbr", "ins", "del", "mark", "code", "tt":
		return false
	}
	return true
}

// invisible reports a style that hides text from people.
func invisible(style string) bool {
	s := strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, strings.ToLower(style[:min(len(style), 500)]))
	return strings.Contains(s, "font-size:0;") || strings.Contains(s, "font-size:0px") || strings.Contains(s, "font-size:1px") || strings.HasSuffix(s, "font-size:0")
}

// link takes the target of a link, and gives its host.
func (c *content) link(target string) string {
	target = strings.TrimSpace(target)
	scheme, rest, ok := strings.Cut(target, ":")
	switch {
	case strings.HasPrefix(target, "//"):
	case ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "ftp")) && strings.HasPrefix(rest, "//"):
	default:
		return ""
	}
	host := hostOf(target)
	if host == "" {
		return ""
	}
	if _, err := netip.ParseAddr(host); err == nil || number(host) {
		if c.bareAddress == "" {
			c.bareAddress = host
		}
		return host
	}
	if len(c.hosts) < maxHosts && !slices.Contains(c.hosts, host) {
		c.hosts = append(c.hosts, host)
	}
	if base := registered(host); base != host && len(c.hosts) < maxHosts && !slices.Contains(c.hosts, base) {
		c.hosts = append(c.hosts, base)
	}
	return host
}

// number reports a host that is an address written as one number.
func number(host string) bool {
	return host != "" && strings.Trim(host, "0123456789") == "" || strings.HasPrefix(host, "0x")
}

// links finds the links in plain text.
func (c *content) links(text string) {
	for len(c.hosts) < maxHosts {
		i := strings.Index(text, "://")
		if i < 0 {
			break
		}
		rest := text[i+3:]
		end := strings.IndexAny(rest, " \t\r\n<>\"'")
		if end < 0 {
			end = len(rest)
		}
		scheme := strings.ToLower(text[max(0, i-5):i])
		if strings.HasSuffix(scheme, "http") || strings.HasSuffix(scheme, "https") {
			c.link("http://" + strings.TrimRight(rest[:end], ".,;:!?)]}"))
		}
		text = rest[end:]
	}
	for field := range strings.FieldsSeq(text) {
		if len(c.hosts) >= maxHosts {
			return
		}
		if len(field) > 8 && strings.EqualFold(field[:4], "www.") {
			c.link("http://" + strings.TrimRight(field, ".,;:!?)]}"))
		}
	}
}

// hostOf is the host in a link, with or without scheme: A-labels, or an address; "" when there is none.
func hostOf(link string) string {
	if _, rest, ok := strings.Cut(link, "//"); ok {
		link = rest
	}
	if i := strings.IndexAny(link, "/?#\\"); i >= 0 {
		link = link[:i]
	}
	if i := strings.LastIndexByte(link, '@'); i >= 0 {
		link = link[i+1:]
	}
	if inner, ok := strings.CutPrefix(link, "["); ok {
		inner, _, _ = strings.Cut(inner, "]")
		if ip, err := netip.ParseAddr(inner); err == nil {
			return ip.Unmap().WithZone("").String()
		}
		return ""
	}
	if i := strings.LastIndexByte(link, ':'); i >= 0 {
		link = link[:i]
	}
	link = strings.TrimSuffix(link, ".")
	if ip, err := netip.ParseAddr(link); err == nil {
		return ip.String()
	}
	if number(link) {
		return link
	}
	host := normal(link)
	if !strings.Contains(host, ".") {
		return ""
	}
	return host
}

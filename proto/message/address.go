package message

import (
	"strings"

	"github.com/postrider/postrider/proto/addr"
)

// maxAddresses bounds one address list; what is beyond is dropped.
const maxAddresses = 10000

// Mailbox is one address of a header with its display name.
type Mailbox struct {
	Name string // decoded, in UTF-8; may be empty
	// Addr is the address as far as it could be told. A header may hold anything: before it is sent to or
	// looked up, addr.New says whether it is one.
	Addr addr.Address
}

// Group is a named group of mailboxes, or a run of mailboxes outside any.
type Group struct {
	Name    string // decoded; empty outside a group
	Named   bool   // this is a group, even where its name or its list is empty
	Members []Mailbox
}

// ParseAddressList reads the value of a field such as To, tolerantly: comments, obsolete routes, missing brackets and
// names that should have been quoted. Nothing is refused; what cannot be told apart is a mailbox without a domain.
// RFC 5322 3.4, RFC 5322 4.4.
func ParseAddressList(value string) (groups []Group) {
	open := false
	for _, a := range parseAddresses(value, maxAddresses) {
		switch a.Kind {
		case AddressGroupStart:
			groups = append(groups, Group{Name: DecodeText(a.Mailbox), Named: true})
			open = true
		case AddressGroupEnd:
			open = false
		default:
			if n := len(groups); n == 0 || groups[n-1].Named && !open {
				groups = append(groups, Group{})
			}
			g := &groups[len(groups)-1]
			g.Members = append(g.Members, a.Decoded())
		}
	}
	return groups
}

// ParseMailboxes is ParseAddressList without the groups.
func ParseMailboxes(value string) (all []Mailbox) {
	for _, a := range parseAddresses(value, maxAddresses) {
		if a.Kind == AddressMailbox {
			all = append(all, a.Decoded())
		}
	}
	return all
}

// Decoded gives an entry of an envelope with its name in UTF-8.
func (a Address) Decoded() Mailbox {
	return Mailbox{Name: DecodeText(a.Name), Addr: addr.Address{Local: guess(a.Mailbox), Domain: guess(a.Host)}}
}

// String writes the mailbox for a header, in ASCII but for the address itself.
func (m Mailbox) String() string {
	text := oneLine(m.Addr.String())
	if m.Name == "" {
		return text
	}
	return formatPhrase(m.Name) + " <" + text + ">"
}

// FormatMailboxes writes a list for FoldField.
func FormatMailboxes(list []Mailbox) string {
	texts := make([]string, len(list))
	for i, m := range list {
		texts[i] = m.String()
	}
	return strings.Join(texts, ", ")
}

// formatPhrase writes a display name: bare, quoted or as encoded words (RFC 5322 3.2.5, RFC 2047 5 (3)).
func formatPhrase(name string) string {
	name = strings.TrimSpace(oneLine(guess(name)))
	if needsWord(name) {
		return strings.Join(encodeRun(name), " ")
	}
	for word := range strings.SplitSeq(name, " ") {
		if word == "" || strings.ContainsAny(word, "()<>[]:;@\\,.\"\t") {
			return quote(name)
		}
	}
	return name
}

// parseAddresses reads a list into entries as IMAP wants them, at most limit.
func parseAddresses(value string, limit int) []Address {
	p := addressParser{s: value, limit: limit}
	p.parse()
	return p.out
}

// addressParser reads a list in one pass. It keeps where the words of the entry it is in begin and end; only when the
// entry is over does it decide what they were.
type addressParser struct {
	s     string
	limit int
	out   []Address

	group      bool
	words      int      // words before and after the <...>
	first, end int      // the words' place in s
	simple     bool     // one word or several, with nothing between them but space
	phrase     []string // the words, unquoted; made only where not simple
	comment    string   // the last one
	angle      string   // what stood in <...>
	hasAngle   bool
	quotes     quotes
}

func (p *addressParser) parse() {
	p.reset()
	for at := 0; at < len(p.s) && len(p.out) < p.limit; {
		switch c := p.s[at]; c {
		case ' ', '\t', '\r', '\n':
			at++
		case ',':
			p.flush()
			at++
		case ';':
			p.flush()
			p.endGroup()
			at++
		case '(':
			end := skipComment(p.s, at)
			p.comment = commentText(p.s[at:end])
			p.simple = p.simple && p.words == 0
			at = end
		case '<':
			at = p.takeAngle(at)
		case '"':
			at = p.takeQuoted(at)
		case ':':
			if p.group || p.hasAngle {
				at = p.takeAtom(at)
				continue
			}
			p.startGroup()
			at++
		default:
			at = p.takeAtom(at)
		}
	}
	p.flush()
	p.endGroup()
}

func (p *addressParser) reset() {
	p.words, p.first, p.end, p.simple, p.phrase = 0, 0, 0, true, p.phrase[:0]
	p.comment, p.angle, p.hasAngle = "", "", false
}

// add notes a word that is s[start:end]; text is the same without quotes.
func (p *addressParser) add(start, end int, text string) {
	if p.words == 0 {
		p.first = start
	}
	p.words++
	p.end = end
	p.phrase = append(p.phrase, text)
}

// takeAtom takes a word without quotes: up to space or something that has a meaning here. An
// encoded word is taken whole, because some programs leave commas in it.
func (p *addressParser) takeAtom(at int) int {
	if strings.HasPrefix(p.s[at:], "=?") {
		if _, n := parseWord(p.s[at:]); n > 0 && !strings.ContainsAny(p.s[at:at+n], " \t") {
			p.add(at, at+n, p.s[at:at+n])
			return at + n
		}
	}
	const maxLiteral = 80
	end := at // whatever stands there, it is not looked at again
	for ; end < len(p.s); end++ {
		c := p.s[end]
		if c == '[' { // a literal may hold a colon
			ahead := p.s[end:min(len(p.s), end+maxLiteral)]
			if n := strings.IndexAny(ahead, "],<"); n > 0 && ahead[n] == ']' {
				end += n
				continue
			}
		}
		if end == at {
			continue
		}
		if c <= ' ' || c == ',' || c == ';' || c == '<' || c == '(' || c == '"' || c == ':' && !p.group {
			break
		}
	}
	p.add(at, end, p.s[at:end])
	return end
}

// takeQuoted takes a quoted string; one that is never closed is a word that begins with a quote.
func (p *addressParser) takeQuoted(at int) int {
	end := p.quotes.skip(p.s, at)
	if end == at+1 {
		return p.takeAtom(at)
	}
	p.simple = false
	p.add(at, end, unquote(p.s[at+1:end-1]))
	return end
}

// unquote takes the backslashes of quoted pairs away.
func unquote(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// takeAngle takes <...>. Where it is not closed before the next one opens, it ends at a comma or
// semicolon.
func (p *addressParser) takeAngle(at int) int {
	start, stop := at+1, -1
	for i := start; i < len(p.s); i++ {
		switch p.s[i] {
		case '"':
			i = p.quotes.skip(p.s, i) - 1
			continue
		case '(':
			i = skipComment(p.s, i) - 1
			continue
		case ',', ';':
			if stop < 0 {
				stop = i
			}
			continue
		case '>':
			p.setAngle(p.s[start:i])
			return i + 1
		case '<':
		default:
			continue
		}
		if stop < 0 {
			stop = i
		}
		break // another one opens
	}
	if stop < 0 {
		stop = len(p.s)
	}
	p.setAngle(p.s[start:stop])
	return stop
}

// quotes finds the ends of quoted strings. It remembers that one was never closed: from there on quotes mean
// nothing, and no text is searched to its end again and again.
type quotes struct{ dead bool }

// skip gives the position behind the quoted string that opens at s[at], or behind the quote alone
// where it is never closed.
func (q *quotes) skip(s string, at int) int {
	for i := at + 1; i < len(s) && !q.dead; i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	q.dead = true
	return at + 1
}

func (p *addressParser) setAngle(s string) {
	if !p.hasAngle {
		p.angle, p.hasAngle = s, true
	}
	p.simple = p.simple && p.words == 0
}

func (p *addressParser) startGroup() {
	p.out = append(p.out, Address{Kind: AddressGroupStart, Mailbox: p.phraseText()})
	p.group = true
	p.reset()
}

func (p *addressParser) endGroup() {
	if p.group {
		p.out = append(p.out, Address{Kind: AddressGroupEnd})
		p.group = false
	}
}

// phraseText is the words as one text.
func (p *addressParser) phraseText() string {
	switch p.words {
	case 0:
		return ""
	case 1:
		return p.phrase[0]
	}
	// Words with one space between them are a piece of the value as it is.
	if s := p.s[p.first:p.end]; p.simple && strings.IndexByte(s, '\t') < 0 && !strings.Contains(s, "  ") {
		return s
	}
	return strings.Join(p.phrase, " ")
}

// flush ends an entry.
func (p *addressParser) flush() {
	defer p.reset()
	switch {
	case p.hasAngle:
		a := parseSpec(p.angle)
		a.Name = p.phraseText()
		if a.Name == "" {
			a.Name = p.comment
		}
		if a != (Address{}) {
			p.out = append(p.out, a)
		}
	case p.words > 0:
		name, spec := splitBare(p.s[p.first:p.end])
		a := parseSpec(spec)
		if a.Name = name; name == "" {
			a.Name = p.comment
		}
		p.out = append(p.out, a)
	}
}

// splitBare takes apart an entry without brackets: it is an address, or a name and an address behind it.
func splitBare(s string) (name, spec string) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 || !strings.ContainsAny(s, " \t(\"") {
		return "", s
	}
	i := strings.LastIndexAny(s[:at], " \t")
	for i > 0 { // space around the @ and the dots belongs to the address (obsolete)
		left, right := strings.TrimRight(s[:i], " \t"), strings.TrimLeft(s[i:], " \t")
		if right[0] != '.' && right[0] != '@' && left != "" && left[len(left)-1] != '.' && left[len(left)-1] != '@' {
			break
		}
		i = strings.LastIndexAny(left, " \t")
	}
	if i <= 0 || strings.IndexByte(s[i:at], '"') >= 0 || strings.IndexByte(s[i:at], ')') >= 0 {
		return "", s
	}
	name = strings.Trim(s[:i], " \t")
	var q quotes
	if len(name) > 1 && name[0] == '"' && q.skip(name, 0) == len(name) {
		name = unquote(name[1 : len(name)-1])
	}
	return name, s[i+1:]
}

// parseSpec reads an addr-spec, maybe with a route before it (RFC 5322 4.4).
func parseSpec(s string) (a Address) {
	s = strings.Trim(s, " \t\r\n")
	if strings.HasPrefix(s, "@") {
		if route, rest, ok := strings.Cut(s, ":"); ok {
			a.Route, s = stripSpace(route), rest
		}
	}
	at := lastAt(s)
	if at < 0 {
		a.Mailbox = localText(s)
		return a
	}
	a.Mailbox, a.Host = localText(s[:at]), stripSpace(s[at+1:])
	return a
}

// lastAt finds the @ between local part and domain: the last one that is not quoted or in a comment.
func lastAt(s string) int {
	if strings.IndexByte(s, '"') < 0 && strings.IndexByte(s, '(') < 0 {
		return strings.LastIndexByte(s, '@')
	}
	last := -1
	var q quotes
	for i := 0; i < len(s); {
		switch s[i] {
		case '"':
			i = q.skip(s, i)
			continue
		case '(':
			i = skipComment(s, i)
			continue
		case '@':
			last = i
		}
		i++
	}
	return last
}

// localText gives a local part without quotes, comments and space around its words.
func localText(s string) string {
	if strings.IndexByte(s, '"') < 0 {
		return stripSpace(s)
	}
	var b strings.Builder
	var q quotes
	for i := 0; i < len(s); {
		switch s[i] {
		case '"':
			end := q.skip(s, i)
			if end > i+1 {
				b.WriteString(unquote(s[i+1 : end-1]))
			}
			i = end
		case '(':
			i = skipComment(s, i)
		case ' ', '\t', '\r', '\n':
			i++
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String()
}

// stripSpace takes space and comments out.
func stripSpace(s string) string {
	if !strings.ContainsAny(s, " \t\r\n(") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		switch s[i] {
		case '(':
			i = skipComment(s, i)
		case ' ', '\t', '\r', '\n':
			i++
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String()
}

// commentText gives what a comment says, without its own parentheses and quoted pairs.
func commentText(s string) string {
	s = strings.TrimPrefix(s, "(")
	s = strings.TrimSuffix(s, ")")
	return strings.Trim(unquote(s), " \t")
}

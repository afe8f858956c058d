package jmap

import (
	"container/list"
	"context"
	"html"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/message"
)

// previewLength is how many characters a preview has at most (RFC 8621 4.1.4).
const previewLength = 256

// previewRead is how many octets of a text are read for one.
const previewRead = 16 << 10

// previews remembers those made lately. A message's text never changes.
type previews struct {
	mu    sync.Mutex
	byID  map[mail.EmailID]*list.Element
	order list.List
}

type preview struct {
	id   mail.EmailID
	text string
}

// maxPreviews is how many are remembered, of some hundred octets each.
const maxPreviews = 20_000

func newPreviews() *previews { return &previews{byID: make(map[mail.EmailID]*list.Element)} }

func (p *previews) get(id mail.EmailID) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	el := p.byID[id]
	if el == nil {
		return "", false
	}
	p.order.MoveToFront(el)
	return el.Value.(*preview).text, true
}

func (p *previews) put(id mail.EmailID, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID[id] != nil {
		return
	}
	p.byID[id] = p.order.PushFront(&preview{id, text})
	if p.order.Len() > maxPreviews {
		delete(p.byID, p.order.Remove(p.order.Back()).(*preview).id)
	}
}

// preview gives a message's. A body that cannot be read has an empty one: the list it is for must be shown all the same.
func (c *call) preview(_ context.Context, id mail.EmailID, src *source) string {
	if text, ok := c.s.previews.get(id); ok {
		return text
	}
	text := previewOf(src)
	c.s.previews.put(id, text)
	return text
}

// previewOf makes one of the first text of a message.
func previewOf(src *source) string {
	root, err := src.tree()
	if err != nil {
		return ""
	}
	for _, l := range sortParts(root).text {
		if l.part.MediaType != "text" {
			continue
		}
		text, err := src.plain(l.part, previewRead)
		if err != nil {
			return ""
		}
		if text = squeeze(text, previewLength); text != "" {
			return text
		}
	}
	return ""
}

// plain reads the text of a part, without the tags of HTML.
func (s *source) plain(p *message.Part, most int64) (string, error) {
	r, err := message.Text(p, s.section)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return "", err
	}
	text := strings.ToValidUTF8(string(b), "")
	if p.Subtype == "html" {
		text = stripTags(text)
	}
	return text, nil
}

// stripTags leaves the text of HTML. What it gives is shown as text, never as HTML.
func stripTags(s string) string {
	var out strings.Builder
	low := lowered(s)
	for at := 0; at < len(s); {
		n := strings.IndexByte(s[at:], '<')
		if n < 0 {
			out.WriteString(s[at:])
			break
		}
		out.WriteString(s[at : at+n])
		at += n + 1
		end := ">"
		if strings.HasPrefix(s[at:], "!--") {
			end = "-->"
		} else if name := hiddenElement(low[at:]); name != "" {
			// What it holds is no text.
			n := strings.Index(low[at:], "</"+name)
			if n < 0 {
				break
			}
			at += n
		}
		if n = strings.Index(s[at:], end); n < 0 {
			break
		}
		at += n + len(end)
		out.WriteByte(' ')
	}
	return html.UnescapeString(out.String())
}

// hiddenElement gives the name of the element that begins here, if it is one whose content is not shown.
func hiddenElement(low string) string {
	for _, name := range [...]string{"style", "script", "title", "head"} {
		if strings.HasPrefix(low, name) && (len(low) == len(name) || !isLetter(low[len(name)])) {
			return name
		}
	}
	return ""
}

// lowered makes ASCII letters small, so that places in the text stay.
func lowered(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' }

// squeeze makes one line of a text, its white space single, at most so many characters.
func squeeze(s string, most int) string {
	var out strings.Builder
	n, space := 0, false
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u200b' || r == '\u200c' || r == '\u034f' || r == '\ufeff' {
			space = n > 0
			continue
		}
		if space {
			if n++; n >= most {
				break
			}
			out.WriteByte(' ')
			space = false
		}
		if n++; n > most {
			break
		}
		out.WriteRune(r)
	}
	return out.String()
}

// utc is a time of a snapshot as a UTCDate.
func utc(seconds int64) string { return wire.FormatUTC(time.Unix(seconds, 0)) }

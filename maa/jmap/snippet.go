package jmap

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/proto/textindex"
)

// Bounds of a snippet (RFC 8621 5: at most 255 octets without the marks).
const (
	snippetLength = 200
	snippetBefore = 60
	snippetRead   = 256 << 10
)

// snippetGet answers SearchSnippet/get (RFC 8621 5.1).
func (c *call) snippetGet() (any, error) {
	var ids wire.IDs
	r := wire.Reader{Args: c.args}
	raw := r.Raw("filter")
	r.Must("emailIds", &ids)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	const most = 200 // each is read
	if len(ids) > most {
		return nil, wire.Errorf(wire.ErrRequestTooLarge, fmt.Sprintf("one call makes %d snippets at most", most))
	}
	filter, err := wire.ParseFilter(raw, c.compile)
	if err != nil {
		return nil, invalid(err)
	}
	var subject, body [][]rune
	asked(filter, func(q *question) {
		word := []rune(q.folded)
		switch q.query.Field {
		case mail.FieldText:
			subject, body = append(subject, word), append(body, word)
		case mail.FieldSubject:
			subject = append(subject, word)
		case mail.FieldBody:
			body = append(body, word)
		}
	})
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	list, missing := []object{}, []string{}
	for _, id := range ids {
		n, _ := parseEmail(c.real(id))
		var o object
		if e := s.email(n); e != nil {
			o, err = c.snippet(e, subject, body)
		}
		switch {
		case o == nil && err == nil, mail.Is(err, mail.NotFound):
			missing = append(missing, id)
		case err != nil:
			return nil, err
		default:
			o["emailId"] = id
			list = append(list, o)
		}
	}
	return object{"accountId": accountID(c.account.ID), "list": list, "notFound": orNull(missing)}, nil
}

// asked gives the questions that a result must answer with yes.
func asked(f *wire.Filter[*condition], do func(*question)) {
	if f == nil || f.Op == wire.Not {
		return
	}
	if f.Op == wire.Leaf {
		for _, q := range f.Cond.texts {
			if q.folded != "" {
				do(q)
			}
		}
	}
	for _, k := range f.Kids {
		asked(k, do)
	}
}

func (c *call) snippet(e *email, subject, body [][]rune) (object, error) {
	o := object{"subject": nil, "preview": nil}
	m, err := c.s.cfg.Mailboxes.Message(c.ctx, c.account.ID, e.id)
	if err != nil {
		return nil, err
	}
	src, err := c.stored(c.ctx, &m)
	if err != nil {
		return nil, err
	}
	defer src.close()
	if env := src.root.Envelope; env != nil {
		text := []rune(message.DecodeText(env.Subject))
		if at := marks(text, subject); at != nil {
			o["subject"] = marked(text, at)
		}
	}
	if len(body) == 0 {
		return o, nil
	}
	for _, l := range sortParts(src.root).text {
		if l.part.MediaType != "text" {
			continue
		}
		text, err := src.plain(l.part, snippetRead)
		if err != nil {
			break // the subject is shown all the same
		}
		runes := []rune(squeeze(text, snippetRead))
		at := marks(runes, body)
		if at == nil {
			continue
		}
		from := max(at[0].from-snippetBefore, 0)
		runes = runes[from:min(len(runes), from+snippetLength)]
		o["preview"] = marked(runes, marks(runes, body))
		break
	}
	return o, nil
}

// span is a found word.
type span struct{ from, to int }

// marks finds all words in a text, in order and not one in another.
func marks(text []rune, words [][]rune) (out []span) {
	folded := make([]rune, len(text))
	for i, r := range text {
		folded[i] = textindex.FoldRune(r)
	}
	for i := 0; i < len(folded); i++ {
		longest := 0
		for _, w := range words {
			if len(w) > longest && i+len(w) <= len(folded) && slices.Equal(folded[i:i+len(w)], w) {
				longest = len(w)
			}
		}
		if longest > 0 {
			out = append(out, span{i, i + longest})
			i += longest - 1
		}
	}
	return out
}

// marked is the text as HTML, with what was found in mark elements.
func marked(text []rune, at []span) string {
	var out strings.Builder
	done := 0
	for _, s := range at {
		out.WriteString(html.EscapeString(string(text[done:s.from])))
		out.WriteString("<mark>" + html.EscapeString(string(text[s.from:s.to])) + "</mark>")
		done = s.to
	}
	out.WriteString(html.EscapeString(string(text[done:])))
	return out.String()
}

package jmap

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/proto/message"
)

// partProps are the properties of an EmailBodyPart (RFC 8621 4.1.4) but those of its header.
var partProps = []string{"partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location", "subParts", "headers"}

// defaultPartProps are what is told of parts unless the client says otherwise (RFC 8621 4.2).
var defaultPartProps = []string{"partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location"}

// bodies are a message's parts as people see them: leaves that are text, html and attachments (RFC 8621 4.1.4).
type bodies struct {
	text, html, attached []leaf
}

// sortParts walks the structure as RFC 8621 4.1.4 does.
func sortParts(root *message.Part) *bodies {
	b := new(bodies)
	b.walk([]*message.Part{root}, "", walkState{kind: "mixed", text: true, html: true})
	if root.Multipart() {
		return b
	}
	// A single part is its own number 1.
	for _, list := range []*[]leaf{&b.text, &b.html, &b.attached} {
		for i := range *list {
			(*list)[i].id = "1"
		}
	}
	return b
}

// walkState is where the walk is: in a multipart of a kind, in an alternative or not, and which lists still take parts.
type walkState struct {
	kind          string
	inAlternative bool
	text, html    bool
	rootless      bool
}

func (b *bodies) walk(parts []*message.Part, parent string, st walkState) {
	textBefore, htmlBefore := len(b.text), len(b.html)
	for i, p := range parts {
		id := childID(parent, i)
		if parent == "" && !st.rootless {
			id = "" // the message itself
		}
		if p.Multipart() {
			inner := st
			inner.kind, inner.rootless = p.Subtype, true
			inner.inAlternative = st.inAlternative || p.Subtype == "alternative"
			b.walk(p.Children, id, inner)
			continue
		}
		b.place(leaf{id, p}, i, &st)
	}
	if st.kind == "alternative" && st.text && st.html {
		// Where one list has nothing of this alternative, it takes what the other has.
		if textBefore == len(b.text) && htmlBefore != len(b.html) {
			b.text = append(b.text, b.html[htmlBefore:]...)
		}
		if htmlBefore == len(b.html) && textBefore != len(b.text) {
			b.html = append(b.html, b.text[textBefore:]...)
		}
	}
}

func (b *bodies) place(l leaf, i int, st *walkState) {
	mediaType, subtype := l.part.Announced()
	kind := mediaType + "/" + subtype
	isText := kind == "text/plain" || kind == "text/html"
	isMedia := mediaType == "image" || mediaType == "audio" || mediaType == "video"
	inline := l.part.Disposition != "attachment" && (isText || isMedia) && (i == 0 || st.kind != "related" && (isMedia || l.part.Filename() == ""))
	switch {
	case !inline:
		b.attached = append(b.attached, l)
	case st.kind == "alternative":
		switch kind {
		case "text/plain":
			b.text = append(b.text, l)
		case "text/html":
			b.html = append(b.html, l)
		default:
			b.attached = append(b.attached, l)
		}
	default:
		if st.inAlternative {
			if kind == "text/plain" {
				st.html = false
			}
			if kind == "text/html" {
				st.text = false
			}
		}
		if st.text {
			b.text = append(b.text, l)
		}
		if st.html {
			b.html = append(b.html, l)
		}
		if (!st.text || !st.html) && isMedia {
			b.attached = append(b.attached, l)
		}
	}
}

// partMaker makes EmailBodyPart objects.
type partMaker struct {
	c       *call
	src     *source
	base    string // blob id of the message
	props   []string
	headers []headerProp
}

// part makes one. id is "" for the message itself.
func (m *partMaker) part(p *message.Part, id string, deep bool) (object, error) {
	mediaType, subtype := p.Announced()
	o := make(object, len(m.props))
	own := id
	if own == "" {
		own = "1"
	}
	for _, prop := range m.props {
		var v any
		var err error
		switch prop {
		case "partId":
			if !p.Multipart() {
				v = own
			}
		case "blobId":
			if !p.Multipart() {
				v = partBlob(m.base, own)
			}
		case "size":
			v, err = m.size(p)
		case "name":
			v = emptyNull(p.Filename())
		case "type":
			v = mediaType + "/" + subtype
		case "charset":
			if mediaType == "text" {
				if v = p.Charset(); v == "" {
					v = "us-ascii"
				}
			}
		case "disposition":
			v = emptyNull(p.Disposition)
		case "cid":
			v = emptyNull(strings.Trim(strings.TrimSpace(p.ID), "<>"))
		case "language":
			v = orNull(p.Language)
		case "location":
			v = emptyNull(p.Location)
		case "subParts":
			if !p.Multipart() || !deep {
				continue
			}
			v, err = m.children(p, id)
		case "headers":
			continue // with the others, below
		}
		if err != nil {
			return nil, err
		}
		o[prop] = v
	}
	return o, m.fields(p, o)
}

func (m *partMaker) children(p *message.Part, id string) ([]object, error) {
	out := make([]object, len(p.Children))
	for i, k := range p.Children {
		var err error
		if out[i], err = m.part(k, childID(id, i), true); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (m *partMaker) size(p *message.Part) (int64, error) {
	if p.Multipart() {
		return p.Size(), nil
	}
	n, err := m.src.contentSize(p)
	if err != nil && m.c.unreadable(m.src, err) {
		return p.Size(), nil
	}
	return n, err
}

// fields adds what is asked of the part's header.
func (m *partMaker) fields(p *message.Part, o object) error {
	all := slices.Contains(m.props, "headers")
	if !all && len(m.headers) == 0 {
		return nil
	}
	h, err := m.src.partHeader(p)
	if err != nil && !m.c.unreadable(m.src, err) {
		return err
	}
	if all {
		o["headers"] = fieldsOf(&h)
	}
	for i := range m.headers {
		o[m.headers[i].prop] = m.headers[i].value(&h)
	}
	return nil
}

func (m *partMaker) list(leaves []leaf) ([]object, error) {
	out := make([]object, len(leaves))
	for i, l := range leaves {
		var err error
		if out[i], err = m.part(l.part, l.id, false); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func emptyNull(s string) any {
	if s == "" {
		return nil
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// bodyValue reads the text of a part, at most so many octets of it (RFC 8621 4.1.4 EmailBodyValue).
func (s *source) bodyValue(p *message.Part, most int64) (object, int64, error) {
	r, err := message.Text(p, s.section)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, most+4))
	if err != nil {
		return nil, 0, err
	}
	value := strings.ReplaceAll(string(text), "\r\n", "\n")
	cut := int64(len(text)) > most
	if cut {
		value = cutText(value, int(most), p.Subtype == "html")
	}
	known := p.Charset() == "" || message.KnownCharset(p.Charset())
	odd := !known || !slices.Contains([]string{"", "7bit", "8bit", "binary", "base64", "quoted-printable"}, p.Encoding)
	if !utf8.ValidString(value) {
		value, odd = strings.ToValidUTF8(value, "\uFFFD"), true
	}
	return object{"value": value, "isEncodingProblem": odd, "isTruncated": cut}, int64(len(value)), nil
}

// cutText shortens a text to so many octets, not in the midst of a character or of a tag.
func cutText(s string, most int, html bool) string {
	if len(s) > most {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s = s[:most]
	}
	if html {
		if open := strings.LastIndexByte(s, '<'); open > strings.LastIndexByte(s, '>') {
			s = s[:open]
		}
	}
	return s
}

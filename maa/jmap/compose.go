package jmap

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/postrider/postrider/proto/addr"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/message"
)

// draft is a message that a client describes (RFC 8621 4.6).
type draft struct {
	header message.Header
	root   *draftPart
	values map[string]string
}

// draftPart is a part of it.
type draftPart struct {
	partID, blobID   string
	mediaType        string
	name             *string
	charset          *string
	disposition, cid *string
	language         []string
	location         *string
	header           message.Header
	kids             []*draftPart
}

// create makes a message of a description.
func (e *emailSetter) create(key string, raw json.RawMessage) {
	o, err := e.createOne(raw)
	if err != nil {
		e.out.notMade(e.c, key, err)
		return
	}
	e.out.made(e.c, key, o["id"].(string), o)
}

func (e *emailSetter) createOne(raw json.RawMessage) (object, error) {
	a, err := decodeObject(raw)
	if err != nil {
		return nil, err
	}
	var boxes, words map[string]bool
	var received *wire.UTCDate
	r := wire.Reader{Args: a}
	r.Must("mailboxIds", &boxes)
	r.Get("keywords", &words)
	r.Get("receivedAt", &received)
	d := &draft{}
	if err := d.read(&r); err != nil {
		return nil, err
	}
	if err := r.End(); err != nil {
		return nil, badProperties(err.Error(), unknownOf(a)...)
	}
	f, err := e.c.filing(e.s, boxes, words, received)
	if err != nil {
		return nil, err
	}
	if err := e.c.complete(d); err != nil {
		return nil, err
	}
	if err := e.c.blobsThere(d.root); err != nil {
		return nil, err
	}
	return e.file(f, func(w io.Writer) error { return e.c.write(w, d) })
}

// unknownOf names the properties that cannot be set.
func unknownOf(a wire.Args) (bad []string) {
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if _, isHeader := parseHeaderProp(name); !isHeader && !settable[name] {
			bad = append(bad, name)
		}
	}
	return bad
}

var settable = map[string]bool{"mailboxIds": true, "keywords": true, "receivedAt": true, "messageId": true, "inReplyTo": true, "references": true,
	"sender": true, "from": true, "to": true, "cc": true, "bcc": true, "replyTo": true, "subject": true, "sentAt": true,
	"bodyStructure": true, "bodyValues": true, "textBody": true, "htmlBody": true, "attachments": true}

// shorthands are properties that stand for a field and its form (RFC 8621 4.1.3).
var shorthands = []struct{ prop, header string }{
	{"sentAt", "header:Date:asDate"}, {"from", "header:From:asAddresses"}, {"sender", "header:Sender:asAddresses"}, {"replyTo", "header:Reply-To:asAddresses"},
	{"to", "header:To:asAddresses"}, {"cc", "header:Cc:asAddresses"}, {"bcc", "header:Bcc:asAddresses"}, {"subject", "header:Subject:asText"},
	{"messageId", "header:Message-ID:asMessageIds"}, {"inReplyTo", "header:In-Reply-To:asMessageIds"}, {"references", "header:References:asMessageIds"},
}

// read reads header and body.
func (d *draft) read(r *wire.Reader) error {
	for _, s := range shorthands {
		if raw := r.Raw(s.prop); !wire.IsNull(raw) {
			if err := addField(&d.header, s.prop, s.header, raw); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Args)) {
		if !strings.HasPrefix(name, "header:") {
			continue
		}
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "header:content-") {
			return badProperties("fields about content belong to the body's parts", name)
		}
		if raw := r.Raw(name); !wire.IsNull(raw) {
			if err := addField(&d.header, name, name, raw); err != nil {
				return err
			}
		}
	}
	var values map[string]wire.Args
	if r.Get("bodyValues", &values); values != nil {
		d.values = map[string]string{}
		for id, v := range values {
			var text string
			var problem, cut bool
			vr := wire.Reader{Args: v}
			vr.Must("value", &text)
			vr.Get("isEncodingProblem", &problem)
			vr.Get("isTruncated", &cut)
			if err := vr.End(); err != nil || problem || cut {
				return badProperties("a body value has a value, whole and without problems", "bodyValues")
			}
			d.values[id] = text
		}
	}
	return d.readBody(r)
}

// readBody reads bodyStructure, or makes a structure of textBody, htmlBody and attachments.
func (d *draft) readBody(r *wire.Reader) error {
	whole, text, html, attached := r.Raw("bodyStructure"), r.Raw("textBody"), r.Raw("htmlBody"), r.Raw("attachments")
	if !wire.IsNull(whole) {
		if !wire.IsNull(text) || !wire.IsNull(html) || !wire.IsNull(attached) {
			return badProperties("with bodyStructure there is no textBody, htmlBody or attachments", "bodyStructure")
		}
		left := maxParts
		p, err := d.part(whole, "bodyStructure", &left)
		d.root = p
		return err
	}
	var lists [3][]*draftPart
	for i, l := range []struct {
		raw        json.RawMessage
		name, kind string
	}{{text, "textBody", "text/plain"}, {html, "htmlBody", "text/html"}, {attached, "attachments", ""}} {
		var raws []json.RawMessage
		if !wire.IsNull(l.raw) && json.Unmarshal(l.raw, &raws) != nil || len(raws) > maxParts {
			return badProperties("a list of parts is expected", l.name)
		}
		for _, raw := range raws {
			left := 1
			p, err := d.part(raw, l.name, &left)
			if err != nil {
				return err
			}
			if l.kind != "" && p.mediaType == "" {
				p.mediaType = l.kind
			}
			if l.kind != "" && (p.mediaType != l.kind || len(raws) != 1) {
				return badProperties("there is one part of type "+l.kind, l.name)
			}
			lists[i] = append(lists[i], p)
		}
	}
	d.root = arrange(lists[0], lists[1], lists[2])
	return nil
}

// arrange makes a structure: text beside HTML, pictures that the HTML refers to with it, and other attachments after all of it.
func arrange(text, html, attached []*draftPart) *draftPart {
	var with, after []*draftPart
	for _, p := range attached {
		if len(html) > 0 && p.cid != nil && p.disposition != nil && *p.disposition == "inline" {
			with = append(with, p)
		} else {
			if p.disposition == nil {
				kind := "attachment"
				p.disposition = &kind
			}
			after = append(after, p)
		}
	}
	if len(with) > 0 {
		html = []*draftPart{{mediaType: "multipart/related", kids: append(slices.Clone(html), with...)}}
	}
	body := append(slices.Clone(text), html...)
	if len(body) > 1 {
		body = []*draftPart{{mediaType: "multipart/alternative", kids: body}}
	}
	switch all := append(body, after...); {
	case len(all) == 0:
		return &draftPart{mediaType: "text/plain"}
	case len(after) == 0:
		return all[0]
	default:
		return &draftPart{mediaType: "multipart/mixed", kids: all}
	}
}

// maxParts is how many parts a message may be made of.
const maxParts = 500

func (d *draft) part(raw json.RawMessage, where string, left *int) (*draftPart, error) {
	var a wire.Args
	if *left--; *left < 0 || json.Unmarshal(raw, &a) != nil || a == nil {
		return nil, badProperties("a part is an object, and there are not too many", where)
	}
	p := new(draftPart)
	var partID, blobID *string
	var size *wire.Uint
	var kids []json.RawMessage
	r := wire.Reader{Args: a}
	r.Get("partId", &partID)
	r.Get("blobId", &blobID)
	r.Get("size", &size)
	r.Get("name", &p.name)
	r.Get("type", &p.mediaType)
	r.Get("charset", &p.charset)
	r.Get("disposition", &p.disposition)
	r.Get("cid", &p.cid)
	r.Get("language", &p.language)
	r.Get("location", &p.location)
	r.Get("subParts", &kids)
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if !strings.HasPrefix(name, "header:") {
			continue
		}
		if strings.HasPrefix(strings.ToLower(name), "header:content-transfer-encoding") {
			return nil, badProperties("the encoding of a part is the server's to choose", where)
		}
		if err := addField(&p.header, where, name, r.Raw(name)); err != nil {
			return nil, err
		}
	}
	if err := r.End(); err != nil {
		return nil, badProperties(err.Error(), where)
	}
	if p.mediaType = strings.ToLower(p.mediaType); p.mediaType != "" && !isMediaType(p.mediaType) {
		return nil, badProperties(fmt.Sprintf("%q is no media type", p.mediaType), where)
	}
	isMulti := strings.HasPrefix(p.mediaType, "multipart/")
	switch {
	case isMulti && (partID != nil || blobID != nil), !isMulti && kids != nil, !isMulti && (partID == nil) == (blobID == nil):
		return nil, badProperties("a multipart has subParts; any other part has a partId or a blobId", where)
	case partID != nil && (p.charset != nil || d.values == nil):
		return nil, badProperties("a part with a partId has its text in bodyValues, and no charset", where)
	case partID != nil && p.mediaType != "" && !strings.HasPrefix(p.mediaType, "text/"):
		return nil, badProperties("a part with a partId is text", where)
	}
	if partID != nil {
		if _, ok := d.values[*partID]; !ok {
			return nil, badProperties(fmt.Sprintf("bodyValues have no %q", *partID), where)
		}
		p.partID = *partID
	}
	if blobID != nil {
		p.blobID = *blobID
	}
	for _, k := range kids {
		kid, err := d.part(k, where, left)
		if err != nil {
			return nil, err
		}
		p.kids = append(p.kids, kid)
	}
	return p, nil
}

func isMediaType(s string) bool {
	kind, sub, ok := strings.Cut(s, "/")
	token := func(t string) bool {
		return t != "" && len(t) < 100 && !strings.ContainsFunc(t, func(r rune) bool {
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?=`, r)
		})
	}
	return ok && token(kind) && token(sub)
}

// addField adds what a property says of a field. The name is refused when the header has such a field already.
func addField(h *message.Header, prop, headerName string, raw json.RawMessage) error {
	p, ok := parseHeaderProp(headerName)
	if !ok {
		return badProperties("there is no such header property", prop)
	}
	if h.Has(p.name) {
		return badProperties("the field "+p.name+" is given twice", prop)
	}
	values := []json.RawMessage{raw}
	if p.all {
		values = nil
		if json.Unmarshal(raw, &values) != nil {
			return badProperties("a list is expected", prop)
		}
	}
	for _, v := range values {
		field, err := fieldOf(p, v)
		if err != nil {
			return badProperties(err.Error(), prop)
		}
		if field != nil {
			h.AppendRaw(field)
		}
	}
	return nil
}

// fieldOf writes a field in one of the forms (RFC 8621 4.1.2).
func fieldOf(p headerProp, raw json.RawMessage) ([]byte, error) {
	switch p.form {
	case "asText":
		var s string
		if err := wire.Decode(raw, &s); err != nil {
			return nil, err
		}
		return message.FormatField(p.name, s), nil
	case "asAddresses":
		var list []emailAddress
		if json.Unmarshal(raw, &list) != nil {
			return nil, fmt.Errorf("a list of addresses is expected")
		}
		text, err := formatAddresses(list)
		if err != nil || text == "" {
			return nil, err
		}
		return message.FoldField(p.name, text), nil
	case "asGroupedAddresses":
		return groupField(p.name, raw)
	case "asMessageIds":
		var ids []string
		if err := wire.Decode(raw, &ids); err != nil {
			return nil, err
		}
		var texts []string
		for _, id := range ids {
			if id == "" || strings.ContainsAny(id, "<> \t\r\n") || len(id) > 900 {
				return nil, fmt.Errorf("%.100q is no message id", id)
			}
			texts = append(texts, "<"+id+">")
		}
		if texts == nil {
			return nil, nil
		}
		return message.FoldField(p.name, strings.Join(texts, " ")), nil
	case "asDate":
		var s string
		if err := wire.Decode(raw, &s); err != nil {
			return nil, err
		}
		t, err := wire.ParseDate(s)
		if err != nil {
			return nil, err
		}
		return message.FoldField(p.name, message.FormatDate(t)), nil
	case "asURLs":
		var list []string
		if err := wire.Decode(raw, &list); err != nil {
			return nil, err
		}
		for i, u := range list {
			if strings.ContainsAny(u, "<>\r\n ") {
				return nil, fmt.Errorf("%.100q is no URL", u)
			}
			list[i] = "<" + u + ">"
		}
		return message.FoldField(p.name, strings.Join(list, ", ")), nil
	}
	return rawField(p.name, raw)
}

// rawField takes a value as it is; line ends in it must be foldings.
func rawField(name string, raw json.RawMessage) ([]byte, error) {
	var s string
	if err := wire.Decode(raw, &s); err != nil {
		return nil, err
	}
	if strings.Contains(s, "\x00") {
		return nil, fmt.Errorf("a field has no NUL")
	}
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		if strings.Contains(l, "\r") || len(l) > 990 || i > 0 && (strings.TrimSpace(l) == "" || l[0] != ' ' && l[0] != '\t') {
			return nil, fmt.Errorf("a field's lines have less than 990 octets, and all but the first begin with a space")
		}
	}
	if !strings.HasPrefix(s, " ") {
		lines[0] = " " + lines[0]
	}
	return []byte(name + ":" + strings.Join(lines, "\r\n") + "\r\n"), nil
}

// emailAddress is an EmailAddress (RFC 8621 4.1.2.3).
type emailAddress struct {
	Name  *string `json:"name"`
	Email string  `json:"email"`
}

func formatAddresses(list []emailAddress) (string, error) {
	boxes := make([]message.Mailbox, 0, len(list))
	for _, a := range list {
		address, err := addr.Parse(strings.TrimSpace(a.Email))
		if err != nil {
			return "", fmt.Errorf("%.100q is no mail address", a.Email)
		}
		m := message.Mailbox{Addr: address}
		if a.Name != nil {
			m.Name = *a.Name
		}
		boxes = append(boxes, m)
	}
	return message.FormatMailboxes(boxes), nil
}

func groupField(name string, raw json.RawMessage) ([]byte, error) {
	var groups []struct {
		Name      *string        `json:"name"`
		Addresses []emailAddress `json:"addresses"`
	}
	if json.Unmarshal(raw, &groups) != nil {
		return nil, fmt.Errorf("a list of groups is expected")
	}
	var texts []string
	for _, g := range groups {
		text, err := formatAddresses(g.Addresses)
		if err != nil {
			return nil, err
		}
		if g.Name != nil {
			// A phrase is written as for a mailbox, of which the address is then taken off.
			phrase := message.Mailbox{Name: *g.Name, Addr: addr.Address{Local: "x", Domain: "x"}}.String()
			text = strings.TrimSuffix(phrase, " <x@x>") + ": " + text + ";"
		}
		if text != "" {
			texts = append(texts, text)
		}
	}
	if texts == nil {
		return nil, nil
	}
	return message.FoldField(name, strings.Join(texts, ", ")), nil
}

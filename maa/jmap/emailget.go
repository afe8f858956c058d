package jmap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/message"
)

// The properties of an Email (RFC 8621 4.1).
var (
	metaProps = []string{"id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt"}
	factProps = []string{"messageId", "inReplyTo", "references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt", "hasAttachment"}
	bodyProps = []string{"headers", "preview", "bodyStructure", "bodyValues", "textBody", "htmlBody", "attachments"}

	defaultEmailProps = slices.Concat(metaProps, factProps, []string{"preview", "bodyValues", "textBody", "htmlBody", "attachments"})
	defaultParseProps = slices.Concat(factProps, []string{"preview", "bodyValues", "textBody", "htmlBody", "attachments"})
)

// wanted is what a client wants to know of emails.
type wanted struct {
	props       []string
	headers     []headerProp
	partProps   []string
	partHeaders []headerProp
	text, html  bool
	all         bool
	maxValue    wire.Uint

	room int64 // octets of texts that the response may still have
}

// maxValues is how many octets of body values one response has.
const maxValues = 24 << 20

func (w *wanted) read(r *wire.Reader) {
	r.Get("bodyProperties", &w.partProps)
	r.Get("fetchTextBodyValues", &w.text)
	r.Get("fetchHTMLBodyValues", &w.html)
	r.Get("fetchAllBodyValues", &w.all)
	r.Get("maxBodyValueBytes", &w.maxValue)
}

// settle sorts what was asked for into kinds, and refuses what there is not.
func (w *wanted) settle(c *call, props, standard []string) error {
	w.room = maxValues
	if props == nil {
		props = standard
	}
	for _, p := range props {
		if h, ok := parseHeaderProp(p); ok {
			w.headers = append(w.headers, h)
		} else if slices.Contains(metaProps, p) || slices.Contains(factProps, p) || slices.Contains(bodyProps, p) {
			w.props = append(w.props, p)
		} else {
			return wire.Errorf(wire.ErrInvalidArguments, fmt.Sprintf("an Email has no property %q", p))
		}
	}
	if w.partProps == nil {
		w.partProps = defaultPartProps
	}
	var plain []string
	for _, p := range w.partProps {
		if h, ok := parseHeaderProp(p); ok {
			w.partHeaders = append(w.partHeaders, h)
		} else if slices.Contains(partProps, p) {
			plain = append(plain, p)
		} else {
			return wire.Errorf(wire.ErrInvalidArguments, fmt.Sprintf("a body part has no property %q", p))
		}
	}
	w.partProps = plain
	most := wire.Uint(c.s.cfg.Limits.Value)
	if w.maxValue == 0 || w.maxValue > most {
		w.maxValue = most
	}
	return nil
}

// reads reports whether more than the snapshot is needed.
func (w *wanted) reads() bool {
	return len(w.headers) > 0 || slices.ContainsFunc(w.props, func(p string) bool { return !slices.Contains(metaProps, p) })
}

// emailGet answers Email/get (RFC 8621 4.2).
func (c *call) emailGet() (any, error) {
	var w wanted
	g, err := c.getArgs(nil, w.read)
	if err != nil {
		return nil, err
	}
	if g.all {
		return nil, wire.Errorf(wire.ErrRequestTooLarge, "name the messages to get; Email/query finds them")
	}
	if err := w.settle(c, g.props, defaultEmailProps); err != nil {
		return nil, err
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	resp := c.got(stateText(s.state))
	load := &loader{c: c}
	for ids := range slices.Chunk(g.ids, loadAhead) {
		if err := c.emails(s, ids, &w, load, resp); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// emails adds some messages to a response.
func (c *call) emails(s *snapshot, ids []string, w *wanted, load *loader, resp *got) error {
	found := make([]*email, len(ids))
	for i, id := range ids {
		n, _ := parseEmail(id)
		found[i] = s.email(n)
	}
	if w.reads() {
		if err := load.ahead(slices.DeleteFunc(slices.Clone(found), func(e *email) bool { return e == nil })); err != nil {
			return err
		}
	}
	for i, e := range found {
		if e == nil {
			resp.NotFound = append(resp.NotFound, ids[i])
			continue
		}
		o, err := c.email(e, w, load)
		switch {
		case mail.Is(err, mail.NotFound):
			resp.NotFound = append(resp.NotFound, ids[i])
		case err != nil:
			return err
		default:
			resp.List = append(resp.List, o)
		}
	}
	return nil
}

// email makes one Email object.
func (c *call) email(e *email, w *wanted, load *loader) (object, error) {
	o := make(object, len(w.props)+len(w.headers))
	for _, p := range w.props {
		switch p {
		case "id":
			o[p] = emailID(e.id)
		case "blobId":
			o[p] = blobID(e.id)
		case "threadId":
			o[p] = threadID(e.thread)
		case "mailboxIds":
			o[p] = e.mailboxIDs()
		case "keywords":
			o[p] = keywords(e.flags)
		case "size":
			o[p] = e.size
		case "receivedAt":
			o[p] = utc(e.received)
		}
	}
	if !w.reads() {
		return o, nil
	}
	m, err := load.message(e.id)
	if err != nil {
		return nil, err
	}
	src, err := c.stored(c.ctx, &m)
	if err != nil {
		return nil, err
	}
	defer src.close()
	if slices.Contains(w.props, "preview") {
		o["preview"] = c.preview(c.ctx, e.id, src)
	}
	return o, c.describe(o, src, w)
}

func (e *email) mailboxIDs() map[string]bool {
	ids := make(map[string]bool, len(e.places))
	for _, p := range e.places {
		ids[mailboxID(p.mailbox)] = true
	}
	return ids
}

// describe tells what a message says of itself.
func (c *call) describe(o object, src *source, w *wanted) error {
	root, err := src.tree()
	if err != nil {
		return err
	}
	env := root.Envelope
	if env == nil {
		env = new(message.Envelope)
	}
	for _, p := range w.props {
		if v, ok := fact(p, root, env); ok {
			o[p] = v
		}
	}
	if len(w.headers) > 0 || slices.Contains(w.props, "headers") {
		h, err := src.header()
		if err != nil && !c.unreadable(src, err) {
			return err
		}
		if slices.Contains(w.props, "headers") {
			o["headers"] = fieldsOf(&h)
		}
		for i := range w.headers {
			o[w.headers[i].prop] = w.headers[i].value(&h)
		}
	}
	return c.bodies(o, src, root, w)
}

// unreadable says that a body cannot be read, and notes it: what the store knows of the message is told all the same, so that one that is damaged does
// not hide the others. Anything else that went wrong is no such thing.
func (c *call) unreadable(src *source, err error) bool {
	if c.ctx.Err() != nil || mail.KindOf(err) != mail.Internal {
		return false
	}
	c.s.cfg.Log.Warn("message cannot be read", "role", "maa/jmap", "account", string(c.account.Address), "blob", src.id, "error", err)
	return true
}

// fact gives a property that the envelope tells.
func fact(prop string, root *message.Part, env *message.Envelope) (any, bool) {
	switch prop {
	case "messageId":
		return orNull(message.ParseMessageIDs(env.MessageID)), true
	case "inReplyTo":
		return orNull(message.ParseMessageIDs(env.InReplyTo)), true
	case "references":
		return orNull(env.References), true
	case "sender":
		return envelopeAddresses(env.Sender), true
	case "from":
		return envelopeAddresses(env.From), true
	case "to":
		return envelopeAddresses(env.To), true
	case "cc":
		return envelopeAddresses(env.Cc), true
	case "bcc":
		return envelopeAddresses(env.Bcc), true
	case "replyTo":
		return envelopeAddresses(env.ReplyTo), true
	case "subject":
		return emptyNull(norm.NFC.String(message.DecodeText(env.Subject))), true
	case "sentAt":
		if env.Time.IsZero() || env.Time.Year() > 9999 || env.Time.Year() < 1 {
			return nil, true
		}
		return wire.FormatDate(env.Time), true
	case "hasAttachment":
		return hasAttachment(root), true
	}
	return nil, false
}

func hasAttachment(root *message.Part) bool {
	has := false
	root.Walk(func(p *message.Part) bool {
		has = p.Attachment()
		return !has
	})
	return has
}

// bodies adds the parts and their texts.
func (c *call) bodies(o object, src *source, root *message.Part, w *wanted) error {
	want := func(p string) bool { return slices.Contains(w.props, p) }
	if !want("bodyStructure") && !want("textBody") && !want("htmlBody") && !want("attachments") && !want("bodyValues") {
		return nil
	}
	sorted := sortParts(root)
	m := &partMaker{c: c, src: src, base: src.id, props: w.partProps, headers: w.partHeaders}
	if want("bodyStructure") {
		deep := *m
		if !slices.Contains(deep.props, "subParts") {
			deep.props = append(slices.Clone(deep.props), "subParts")
		}
		v, err := deep.part(root, "", true)
		if err != nil {
			return err
		}
		o["bodyStructure"] = v
	}
	for name, list := range map[string][]leaf{"textBody": sorted.text, "htmlBody": sorted.html, "attachments": sorted.attached} {
		if !want(name) {
			continue
		}
		v, err := m.list(list)
		if err != nil {
			return err
		}
		o[name] = v
	}
	if !want("bodyValues") {
		return nil
	}
	values := map[string]object{}
	for _, l := range slices.Concat(sorted.text, sorted.html, leaves(root)) {
		inText := slices.Contains(sorted.text, l)
		inHTML := slices.Contains(sorted.html, l)
		if l.part.MediaType != "text" || values[l.id] != nil || !(w.all || w.text && inText || w.html && inHTML) {
			continue
		}
		v, n, err := src.bodyValue(l.part, min(int64(w.maxValue), max(w.room, 0)))
		if err != nil {
			if !c.unreadable(src, err) {
				return err
			}
			v = object{"value": "", "isEncodingProblem": true, "isTruncated": true}
		}
		w.room -= n
		values[l.id] = v
	}
	o["bodyValues"] = values
	return nil
}

// keywords are the flags of IMAP as JMAP spells them (RFC 8621 4.1.1): \Deleted is none.
func keywords(f mail.Flags) map[string]bool {
	out := map[string]bool{}
	for _, n := range f.Names() {
		switch {
		case n == `\Deleted`:
		case n[0] == '\\':
			out["$"+strings.ToLower(n[1:])] = true
		default:
			out[strings.ToLower(n)] = true
		}
	}
	return out
}

// flagsOf is the reverse. Invalid for what is no keyword.
func flagsOf(words map[string]bool) (mail.Flags, error) {
	names := make([]string, 0, len(words))
	for w, on := range words {
		name, ok := flagName(w)
		if !on || !ok {
			return mail.Flags{}, badProperties(fmt.Sprintf("%q is no keyword, or not set to true", w), "keywords")
		}
		names = append(names, name)
	}
	f, err := mail.ParseFlags(names...)
	if mail.Is(err, mail.Invalid) {
		if len(names) > mail.MaxKeywords {
			return f, wire.Errorf(wire.ErrTooManyKeywords, mail.Sentence(err))
		}
		return f, badProperties(mail.Sentence(err), "keywords")
	}
	return f, err
}

// flagName is IMAP's name of a keyword.
func flagName(word string) (string, bool) {
	if word == "" || word[0] == '\\' {
		return "", false
	}
	switch w := strings.ToLower(word); w {
	case "$seen", "$answered", "$flagged", "$draft":
		return `\` + w[1:], true
	case "$deleted", "$recent":
		return "", false
	default:
		return w, true
	}
}

// emailParse answers Email/parse (RFC 8621 4.9).
func (c *call) emailParse() (any, error) {
	var w wanted
	var ids wire.IDs
	var props []string
	r := wire.Reader{Args: c.args}
	r.Must("blobIds", &ids)
	r.Get("properties", &props)
	w.read(&r)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	const most = 50 // each is read whole
	if len(ids) > most {
		return nil, wire.Errorf(wire.ErrRequestTooLarge, fmt.Sprintf("one call parses %d messages at most", most))
	}
	if err := w.settle(c, props, defaultParseProps); err != nil {
		return nil, err
	}
	parsed := map[string]object{}
	notParsable, missing := []string{}, []string{}
	for _, id := range ids {
		o, err := c.parse(c.ctx, c.real(id), &w)
		switch {
		case mail.Is(err, mail.NotFound):
			missing = append(missing, id)
		case mail.Is(err, mail.Invalid):
			notParsable = append(notParsable, id)
		case err != nil:
			return nil, err
		default:
			parsed[id] = o
		}
	}
	return object{"accountId": accountID(c.account.ID), "parsed": orNil(parsed), "notParsable": orNull(notParsable), "notFound": orNull(missing)}, nil
}

func orNil(m map[string]object) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

func (c *call) parse(ctx context.Context, id string, w *wanted) (object, error) {
	src, err := c.blob(ctx, id)
	if err != nil {
		return nil, err
	}
	defer src.close()
	root, err := src.tree()
	if err != nil {
		return nil, err
	}
	if h, err := src.header(); err != nil {
		return nil, err
	} else if !looksLikeMail(&h) || root.Envelope == nil {
		return nil, mail.Errorf(mail.Invalid, "the blob is no message")
	}
	o := object{}
	for _, p := range w.props {
		switch p {
		case "id", "threadId", "mailboxIds", "keywords", "receivedAt":
			o[p] = nil
		case "blobId":
			o[p] = src.id
		case "size":
			if o[p] = src.size; src.size < 0 {
				o[p] = root.End
			}
		case "preview":
			o[p] = previewOf(src)
		}
	}
	return o, c.describe(o, src, w)
}

// looksLikeMail reports whether a header has a field at all.
func looksLikeMail(h *message.Header) bool {
	for f := range h.All() {
		if f.Name() != "" {
			return true
		}
	}
	return false
}

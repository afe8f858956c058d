package imap

import (
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/proto/textindex"
	"github.com/postrider/postrider/service/search"
)

// headerTest asks whether a field has a text in it, decoded, in any letter case; an empty text asks for the field alone
// (RFC 9051 6.4.4 HEADER). What the envelope holds is taken from there.
func (m *matcher) headerTest(k wire.SearchKey) test {
	m.needs(bySummary)
	known := m.ask(mail.TextQuery{Field: textField(k.Field), Name: k.Field, Text: k.Value})
	want := textindex.Fold(k.Value)
	if get := envelopeField(k.Field); get != nil {
		return func(c *candidate) verdict {
			if v := known(c); v != open || c.level < bySummary {
				return v
			}
			text, has := get(c.env)
			return verdictOf(has && strings.Contains(textindex.Fold(text), want))
		}
	}
	m.needs(byBody)
	return func(c *candidate) verdict {
		if v := known(c); v != open || c.level < byBody {
			return v
		}
		texts, err := m.open(c)
		found := false
		if err == nil {
			found, err = texts.HeaderHas(k.Field, want)
		}
		if err != nil {
			c.err = err
		}
		return verdictOf(found)
	}
}

// textField is the field of a key for header fields.
func textField(name string) mail.TextField {
	if f, ok := envelopeFields[name]; ok {
		return f
	}
	return mail.FieldHeader
}

var envelopeFields = map[string]mail.TextField{
	"FROM": mail.FieldFrom, "TO": mail.FieldTo, "CC": mail.FieldCc, "BCC": mail.FieldBcc, "SUBJECT": mail.FieldSubject,
}

// envelopeField gives how to read a field from an envelope, or nil where that does not tell all of it.
func envelopeField(name string) func(*message.Envelope) (string, bool) {
	if name == "MESSAGE-ID" {
		return func(e *message.Envelope) (string, bool) { return e.MessageID, e.MessageID != "" }
	}
	f, ok := envelopeFields[name]
	if !ok {
		return nil
	}
	return func(e *message.Envelope) (string, bool) { return search.EnvelopeText(e, f) }
}

// textTest searches the texts of a message: BODY its parts of type text and the headers of messages within it, TEXT the
// header as well (RFC 9051 6.4.4). Transfer encodings and charsets are undone.
func (m *matcher) textTest(k wire.SearchKey) test {
	field := mail.FieldBody
	if k.Op == wire.SearchText {
		field = mail.FieldText
	}
	known := m.ask(mail.TextQuery{Field: field, Text: k.Value})
	want := textindex.Fold(k.Value)
	return func(c *candidate) verdict {
		if v := known(c); v != open || c.level < byBody {
			return v
		}
		if want == "" {
			return yes
		}
		texts, err := m.open(c)
		found := false
		if err == nil && k.Op == wire.SearchText {
			found, err = texts.HeaderHas("", want)
		}
		if err == nil && !found {
			found, err = texts.BodyHas(want)
		}
		if err != nil {
			c.err = err
		}
		return verdictOf(found)
	}
}

// open goes to the texts of a candidate.
func (m *matcher) open(c *candidate) (*search.Texts, error) {
	if err := c.src.open(); err != nil {
		return nil, err
	}
	root, err := c.src.tree()
	if err != nil {
		return nil, err
	}
	m.read.Set(c.src.m.Prefix, root, c.src.body)
	return &m.read, nil
}

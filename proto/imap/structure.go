package imap

import (
	"strings"

	"github.com/postrider/postrider/proto/message"
)

// Envelope writes a message's ENVELOPE (RFC 9051 7.5.2). Without one, every field of it is NIL.
func (e *Encoder) Envelope(env *message.Envelope) *Encoder {
	if env == nil {
		env = new(message.Envelope)
	}
	e.Raw("(")
	e.text(env.Date).SP()
	e.text(env.Subject).SP()
	from := env.From
	e.addresses(from).SP()
	e.addresses(orElse(env.Sender, from)).SP()
	e.addresses(orElse(env.ReplyTo, from)).SP()
	e.addresses(env.To).SP()
	e.addresses(env.Cc).SP()
	e.addresses(env.Bcc).SP()
	e.text(env.InReplyTo).SP()
	e.text(env.MessageID)
	return e.Raw(")")
}

// orElse is what readers do where Sender or Reply-To is missing: From stands for it (RFC 9051 7.5.2).
func orElse(list, from []message.Address) []message.Address {
	if len(list) == 0 {
		return from
	}
	return list
}

// text writes what a header says, or NIL. A client that did not ask for UTF-8 gets encoded words
// in place of raw UTF-8 (RFC 2047).
func (e *Encoder) text(s string) *Encoder { return e.NString(e.plain(s)) }

func (e *Encoder) plain(s string) string {
	if e.UTF8 || strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0 {
		return s
	}
	return message.EncodeText(s)
}

func (e *Encoder) addresses(list []message.Address) *Encoder {
	if len(list) == 0 {
		return e.Raw("NIL")
	}
	e.Raw("(")
	for _, a := range list {
		switch a.Kind {
		case message.AddressGroupStart:
			e.Raw("(NIL NIL ").String(e.plain(a.Mailbox)).Raw(" NIL)")
		case message.AddressGroupEnd:
			e.Raw("(NIL NIL NIL NIL)")
		default:
			e.Raw("(")
			e.text(a.Name).SP()
			e.text(a.Route).SP()
			// NIL in either place would mean a group.
			e.String(e.plain(a.Mailbox)).SP()
			e.String(e.plain(a.Host)).Raw(")")
		}
	}
	return e.Raw(")")
}

// Structure writes BODY, or with extension data BODYSTRUCTURE (RFC 9051 7.5.2).
func (e *Encoder) Structure(p *message.Part, extended bool) *Encoder {
	if p.Multipart() {
		return e.multipart(p, extended)
	}
	mediaType, subtype := p.Announced()
	e.Raw("(")
	e.String(e.plain(mediaType)).SP().String(e.plain(subtype)).SP()
	e.params(p.Params).SP()
	e.text(p.ID).SP()
	e.text(p.Description).SP()
	e.String(e.plain(orWord(p.Encoding, "7bit"))).SP()
	e.Number(uint64(p.Size()))
	inner := p.Message()
	switch {
	case inner != nil:
		e.SP().Envelope(inner.Envelope).SP()
		e.Structure(inner, extended).SP()
		e.Number(uint64(p.Lines))
	case mediaType == "text":
		e.SP().Number(uint64(p.Lines))
	}
	if extended {
		e.SP().text(p.MD5)
		e.disposition(p)
	}
	return e.Raw(")")
}

func (e *Encoder) multipart(p *message.Part, extended bool) *Encoder {
	e.Raw("(")
	for _, c := range p.Children {
		e.Structure(c, extended)
	}
	e.SP().String(e.plain(p.Subtype))
	if extended {
		e.SP().params(p.Params)
		e.disposition(p)
	}
	return e.Raw(")")
}

// disposition writes the extension data that every part has: disposition, language and location.
func (e *Encoder) disposition(p *message.Part) {
	if p.Disposition == "" {
		e.Raw(" NIL ")
	} else {
		e.Raw(" (").String(e.plain(p.Disposition)).SP()
		e.params(p.DispositionParams).Raw(") ")
	}
	if len(p.Language) == 0 {
		e.Raw("NIL ")
	} else {
		e.Raw("(")
		for i, l := range p.Language {
			if i > 0 {
				e.SP()
			}
			e.text(l)
		}
		e.Raw(") ")
	}
	e.text(p.Location)
}

func (e *Encoder) params(list []message.Param) *Encoder {
	if len(list) == 0 {
		return e.Raw("NIL")
	}
	e.Raw("(")
	for i, p := range list {
		if i > 0 {
			e.SP()
		}
		if !e.UTF8 {
			p = p.Encoded()
		}
		e.String(e.plain(p.Name)).SP().String(p.Value)
	}
	return e.Raw(")")
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}

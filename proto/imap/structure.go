package imap

import (
	"strconv"

	"github.com/postrider/postrider/proto/message"
)

// usual is more than most envelopes and structures take.
const usual = 2 << 10

// Envelope writes a message's ENVELOPE (RFC 9051 7.5.2). Without one, every field of it is NIL.
func (e *Encoder) Envelope(env *message.Envelope) *Encoder {
	return e.put(e.appendEnvelope(e.room(usual), env))
}

func (e *Encoder) appendEnvelope(b []byte, env *message.Envelope) []byte {
	if env == nil {
		return append(b, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"...)
	}
	b = append(b, '(')
	b = append(e.appendText(b, env.Date), ' ')
	b = append(e.appendText(b, env.Subject), ' ')
	from := len(b)
	b = append(e.appendAddresses(b, env.From), ' ')
	until := len(b)
	for _, list := range [][]message.Address{env.Sender, env.ReplyTo} {
		if len(list) == 0 { // readers take From for it (RFC 9051 7.5.2)
			b = append(b, b[from:until]...)
		} else {
			b = append(e.appendAddresses(b, list), ' ')
		}
	}
	for _, list := range [][]message.Address{env.To, env.Cc, env.Bcc} {
		b = append(e.appendAddresses(b, list), ' ')
	}
	b = append(e.appendText(b, env.InReplyTo), ' ')
	return append(e.appendText(b, env.MessageID), ')')
}

func (e *Encoder) appendAddresses(b []byte, list []message.Address) []byte {
	if len(list) == 0 {
		return append(b, "NIL"...)
	}
	b = append(b, '(')
	for i := range list {
		a := &list[i]
		switch a.Kind {
		case message.AddressGroupStart:
			b = append(b, "(NIL NIL "...)
			b = append(e.appendString(b, e.plain(a.Mailbox)), " NIL)"...)
		case message.AddressGroupEnd:
			b = append(b, "(NIL NIL NIL NIL)"...)
		default:
			b = append(b, '(')
			b = append(e.appendText(b, a.Name), ' ')
			b = append(e.appendText(b, a.Route), ' ')
			// NIL in either place would mean a group.
			b = append(e.appendString(b, e.plain(a.Mailbox)), ' ')
			b = append(e.appendString(b, e.plain(a.Host)), ')')
		}
	}
	return append(b, ')')
}

// Structure writes BODY, or with extension data BODYSTRUCTURE (RFC 9051 7.5.2).
func (e *Encoder) Structure(p *message.Part, extended bool) *Encoder {
	return e.put(e.appendStructure(e.room(usual), p, extended))
}

func (e *Encoder) appendStructure(b []byte, p *message.Part, extended bool) []byte {
	if p.Multipart() {
		return e.appendMultipart(b, p, extended)
	}
	mediaType, subtype := p.Announced()
	b = append(b, '(')
	b = append(e.appendString(b, e.plain(mediaType)), ' ')
	b = append(e.appendString(b, e.plain(subtype)), ' ')
	b = append(e.appendParams(b, p.Params), ' ')
	b = append(e.appendText(b, p.ID), ' ')
	b = append(e.appendText(b, p.Description), ' ')
	b = append(e.appendString(b, e.plain(orWord(p.Encoding, "7bit"))), ' ')
	b = strconv.AppendInt(b, p.Size(), 10)
	inner := p.Message()
	switch {
	case inner != nil:
		b = append(e.appendEnvelope(append(b, ' '), inner.Envelope), ' ')
		b = append(e.appendStructure(b, inner, extended), ' ')
		b = strconv.AppendInt(b, p.Lines, 10)
	case mediaType == "text":
		b = strconv.AppendInt(append(b, ' '), p.Lines, 10)
	}
	if extended {
		b = e.appendText(append(b, ' '), p.MD5)
		b = e.appendDisposition(b, p)
	}
	return append(b, ')')
}

func (e *Encoder) appendMultipart(b []byte, p *message.Part, extended bool) []byte {
	b = append(b, '(')
	for _, c := range p.Children {
		b = e.appendStructure(b, c, extended)
	}
	b = e.appendString(append(b, ' '), e.plain(p.Subtype))
	if extended {
		b = e.appendParams(append(b, ' '), p.Params)
		b = e.appendDisposition(b, p)
	}
	return append(b, ')')
}

// appendDisposition spells the extension data that every part has: disposition, language and location.
func (e *Encoder) appendDisposition(b []byte, p *message.Part) []byte {
	if p.Disposition == "" {
		b = append(b, " NIL "...)
	} else {
		b = append(e.appendString(append(b, " ("...), e.plain(p.Disposition)), ' ')
		b = append(e.appendParams(b, p.DispositionParams), ") "...)
	}
	if len(p.Language) == 0 {
		b = append(b, "NIL "...)
	} else {
		b = append(b, '(')
		for i, l := range p.Language {
			if i > 0 {
				b = append(b, ' ')
			}
			b = e.appendText(b, l)
		}
		b = append(b, ") "...)
	}
	return e.appendText(b, p.Location)
}

func (e *Encoder) appendParams(b []byte, list []message.Param) []byte {
	if len(list) == 0 {
		return append(b, "NIL"...)
	}
	b = append(b, '(')
	for i, p := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		if !e.UTF8 {
			p = p.Encoded()
		}
		b = append(e.appendString(b, e.plain(p.Name)), ' ')
		b = e.appendString(b, p.Value)
	}
	return append(b, ')')
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}

package message

import "strings"

// fieldReader takes from the fields of a header what a Part and an Envelope tell.
type fieldReader struct {
	part *Part
	left *int // octets of text that may still be kept

	hasType, hasEncoding, hasDisposition bool
}

// read goes through a header. whole says that it is the header of a message, which has an Envelope.
func (r *fieldReader) read(raw []byte, whole bool) {
	if whole {
		r.part.Envelope = &Envelope{}
	}
	for n := 0; len(raw) > 0 && emptyLine(raw) == 0; n++ {
		f := nextField(raw)
		raw = raw[len(f.raw):]
		if n >= MaxFields {
			r.part.Cut = true
			return
		}
		switch {
		case f.name < 2:
		case f.name > 8 && equalFold(f.raw[:8], "content-"):
			r.content(f)
		case whole:
			r.envelope(f, r.part.Envelope)
		}
	}
}

// take gives the value of a field, if it may be kept.
func (r *fieldReader) take(f Field) string {
	if len(f.raw) > *r.left {
		r.part.Cut = true
		return ""
	}
	v := f.Value()
	*r.left -= len(v)
	return v
}

// first takes the value of a field that counts the first time only.
func (r *fieldReader) first(to *string, f Field) {
	if *to == "" {
		*to = r.take(f)
	}
}

// content reads a Content- field (RFC 2045 3).
func (r *fieldReader) content(f Field) {
	p := r.part
	switch f.name {
	case len("content-id"): // content-md5 is one longer
		if f.Is("content-id") {
			r.first(&p.ID, f)
		}
	case len("content-md5"):
		if f.Is("content-md5") {
			r.first(&p.MD5, f)
		}
	case len("content-type"):
		if f.Is("content-type") && !r.hasType {
			r.hasType = true
			if value := r.take(f); value != "" {
				p.MediaType, p.Subtype, p.Params = ParseContentType(value)
			} else if p.Cut {
				p.MediaType, p.Subtype = "application", "octet-stream"
			}
		}
	case len("content-language"): // content-location is as long
		switch {
		case f.Is("content-language"):
			p.Language = append(p.Language, languages(r.take(f), len(p.Language))...)
		case f.Is("content-location"):
			r.first(&p.Location, f)
		}
	case len("content-description"): // content-disposition is as long
		switch {
		case f.Is("content-description"):
			r.first(&p.Description, f)
		case f.Is("content-disposition") && !r.hasDisposition:
			r.hasDisposition = true
			p.Disposition, p.DispositionParams = ParseDisposition(r.take(f))
		}
	case len("content-transfer-encoding"):
		if f.Is("content-transfer-encoding") && !r.hasEncoding {
			r.hasEncoding = true
			l := lexer{s: r.take(f)}
			p.Encoding = intern(lowered(l.token(";,")))
		}
	}
}

// languages reads a list of tags (RFC 3282 2), at most 32 with those there already.
func languages(value string, have int) (tags []string) {
	l := lexer{s: value}
	for have+len(tags) < 32 && !l.done() {
		if t := l.token(","); isToken(t) {
			tags = append(tags, intern(t))
		}
		if l.skip(); !l.take(',') && l.at < len(l.s) {
			l.at++
		}
	}
	return tags
}

// envelope reads a field of the message itself.
func (r *fieldReader) envelope(f Field, e *Envelope) {
	switch lower(f.raw[0]) {
	case 'd':
		if f.Is("date") && e.Date == "" {
			e.Date = r.take(f)
			e.Time, _ = ParseDate(e.Date)
		}
	case 's':
		switch {
		case f.Is("subject"):
			r.first(&e.Subject, f)
		case f.Is("sender"):
			r.addresses(&e.Sender, f)
		}
	case 'f':
		if f.Is("from") {
			r.addresses(&e.From, f)
		}
	case 't':
		if f.Is("to") {
			r.addresses(&e.To, f)
		}
	case 'c':
		if f.Is("cc") {
			r.addresses(&e.Cc, f)
		}
	case 'b':
		if f.Is("bcc") {
			r.addresses(&e.Bcc, f)
		}
	case 'm':
		if f.Is("message-id") {
			r.first(&e.MessageID, f)
		}
	case 'i':
		if f.Is("in-reply-to") {
			r.first(&e.InReplyTo, f)
		}
	case 'r':
		switch {
		case f.Is("received"):
			e.Received++
		case f.Is("reply-to"):
			r.addresses(&e.ReplyTo, f)
		case f.Is("references") && e.References == nil:
			e.References = ParseMessageIDs(r.take(f))
		}
	}
}

// addresses adds the addresses of a field. Each costs memory beyond its text, which is counted.
func (r *fieldReader) addresses(to *[]Address, f Field) {
	const cost = 40
	value := r.take(f)
	if value == "" {
		return
	}
	limit := min(maxAddresses-len(*to), *r.left/cost)
	if limit <= 0 {
		r.part.Cut = true
		return
	}
	list := parseAddresses(value, limit)
	if len(list) >= limit {
		r.part.Cut = true
	}
	*r.left -= cost * len(list)
	for i := range list {
		list[i].Host = intern(list[i].Host)
	}
	if *to == nil {
		*to = list
	} else {
		*to = append(*to, list...)
	}
}

// finish sets what holds where nothing was said (RFC 2045 5.2, RFC 2045 6.1, RFC 2046 5.1.5).
func (r *fieldReader) finish(digest bool) {
	p := r.part
	if p.MediaType == "" && digest && !r.hasType {
		p.MediaType, p.Subtype = "message", "rfc822"
	}
	if p.MediaType == "" {
		p.MediaType, p.Subtype = "text", "plain"
	}
	if p.Subtype == "" {
		switch p.MediaType {
		case "text":
			p.Subtype = "plain"
		case "multipart":
			p.Subtype = "mixed"
		case "message":
			p.Subtype = "rfc822"
		default:
			p.MediaType, p.Subtype = "application", "octet-stream"
		}
	}
	if !isToken(p.Encoding) {
		p.Encoding = "7bit"
	}
	p.Disposition = strings.Trim(p.Disposition, `"`)
	if p.Disposition != "" && !isToken(p.Disposition) {
		p.Disposition = "attachment" // RFC 2183 2.8: unknown is treated as attachment
	}
}

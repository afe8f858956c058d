package jmap

import (
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/quotedprintable"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// complete adds the fields that every message has (RFC 8621 4.6: Message-ID and Date).
func (c *call) complete(d *draft) error {
	now := c.s.cfg.Clock.Now()
	if !d.header.Has("Date") {
		d.header.AppendRaw(message.FoldField("Date", message.FormatDate(now)))
	}
	if !d.header.Has("Message-ID") {
		_, domain := c.account.Address.Split()
		d.header.AppendRaw(message.FoldField("Message-ID", message.FormatMessageID(string(mail.NewTraceID(now, rand.Uint32()))+"@"+domain)))
	}
	d.header.Del("MIME-Version")
	d.header.AppendRaw([]byte("MIME-Version: 1.0\r\n"))
	return nil
}

// blobsThere tells which blobs of a message are not there, before it is written in vain.
func (c *call) blobsThere(root *draftPart) error {
	var missing []string
	var walk func(p *draftPart)
	walk = func(p *draftPart) {
		if p.blobID != "" {
			p.blobID = c.real(p.blobID)
			if src, err := c.blob(c.ctx, p.blobID); err != nil {
				missing = append(missing, p.blobID)
			} else {
				if p.mediaType == "" {
					p.mediaType = src.kind
				}
				src.close()
			}
		}
		for _, k := range p.kids {
			walk(k)
		}
	}
	walk(root)
	if missing != nil {
		return blobMissing(missing...)
	}
	return nil
}

// write writes the message.
func (c *call) write(w io.Writer, d *draft) error {
	t := &tail{w: w}
	if _, err := t.Write(d.header.Bytes()); err != nil {
		return err
	}
	if err := c.writePart(t, d, d.root, fmt.Sprintf("%x", rand.Uint64())); err != nil {
		return err
	}
	if t.last == '\n' {
		return nil
	}
	_, err := io.WriteString(t, "\r\n") // the last line of a message is ended
	return err
}

// tail knows the last octet that was written.
type tail struct {
	w    io.Writer
	last byte
}

func (t *tail) Write(p []byte) (int, error) {
	if len(p) > 0 {
		t.last = p[len(p)-1]
	}
	return t.w.Write(p)
}

// writePart writes a part's header and what is in it. unique makes boundaries.
func (c *call) writePart(w io.Writer, d *draft, p *draftPart, unique string) error {
	h := p.header
	if p.mediaType == "" {
		p.mediaType = "text/plain"
	}
	boundary := ""
	var params []message.Param
	encoding := ""
	switch {
	case strings.HasPrefix(p.mediaType, "multipart/"):
		boundary = message.Boundary(unique)
		params = append(params, message.Param{Name: "boundary", Value: boundary})
	case p.blobID == "":
		params, encoding = append(params, message.Param{Name: "charset", Value: "utf-8"}), "quoted-printable"
	case p.mediaType == "message/rfc822" || p.mediaType == "message/global":
		encoding = "8bit" // a message within a message is never encoded (RFC 2046 5.2.1)
	default:
		encoding = "base64"
		if p.charset != nil {
			params = append(params, message.Param{Name: "charset", Value: *p.charset})
		}
	}
	if !h.Has("Content-Type") {
		if p.name != nil && *p.name != "" && p.disposition == nil {
			params = append(params, message.Param{Name: "name", Value: *p.name})
		}
		h.AppendRaw(message.FoldField("Content-Type", message.FormatParams(p.mediaType, params)))
	} else if boundary != "" {
		return badProperties("the type of a multipart is given by type, not as a field", "bodyStructure")
	}
	p.describe(&h)
	if encoding != "" {
		h.AppendRaw(message.FoldField("Content-Transfer-Encoding", encoding))
	}
	if _, err := w.Write(append(h.Bytes(), "\r\n"...)); err != nil {
		return err
	}
	switch encoding {
	case "":
		return c.writeKids(w, d, p, boundary, unique)
	case "quoted-printable":
		return writeQuoted(w, d.values[p.partID])
	case "8bit":
		return c.copyBlob(w, p.blobID, nil)
	}
	return c.writeBase64(w, p.blobID)
}

// describe adds the fields about a part.
func (p *draftPart) describe(h *message.Header) {
	if p.disposition != nil && *p.disposition != "" && !h.Has("Content-Disposition") {
		var params []message.Param
		if p.name != nil && *p.name != "" {
			params = append(params, message.Param{Name: "filename", Value: *p.name})
		}
		kind := "attachment"
		if isMediaType(*p.disposition + "/x") {
			kind = strings.ToLower(*p.disposition)
		}
		h.AppendRaw(message.FoldField("Content-Disposition", message.FormatParams(kind, params)))
	}
	if p.cid != nil && *p.cid != "" && !h.Has("Content-ID") {
		h.AppendRaw(message.FoldField("Content-ID", message.FormatMessageID(*p.cid)))
	}
	if len(p.language) > 0 && !h.Has("Content-Language") {
		h.AppendRaw(message.FormatField("Content-Language", strings.Join(p.language, ", ")))
	}
	if p.location != nil && *p.location != "" && !h.Has("Content-Location") {
		h.AppendRaw(message.FormatField("Content-Location", *p.location))
	}
}

func (c *call) writeKids(w io.Writer, d *draft, p *draftPart, boundary, unique string) error {
	for i, k := range p.kids {
		if _, err := io.WriteString(w, "--"+boundary+"\r\n"); err != nil {
			return err
		}
		if err := c.writePart(w, d, k, fmt.Sprintf("%s.%d", unique, i)); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\r\n"); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "--"+boundary+"--\r\n")
	return err
}

func writeQuoted(w io.Writer, text string) error {
	text = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n", "\r\n")
	q := quotedprintable.NewWriter(w)
	if _, err := io.WriteString(q, text); err != nil {
		return err
	}
	return q.Close()
}

func (c *call) writeBase64(w io.Writer, id string) error {
	lines := &lineBreaker{w: w}
	enc := base64.NewEncoder(base64.StdEncoding, lines)
	if err := c.copyBlob(enc, id, nil); err != nil {
		return err
	}
	return enc.Close()
}

// lineBreaker ends lines after 76 characters (RFC 2045 6.8).
type lineBreaker struct {
	w      io.Writer
	column int
}

func (l *lineBreaker) Write(p []byte) (int, error) {
	const width = 76
	total := len(p)
	for len(p) > 0 {
		if l.column == width {
			if _, err := io.WriteString(l.w, "\r\n"); err != nil {
				return 0, err
			}
			l.column = 0
		}
		n := min(width-l.column, len(p))
		if _, err := l.w.Write(p[:n]); err != nil {
			return 0, err
		}
		l.column += n
		p = p[n:]
	}
	return total, nil
}

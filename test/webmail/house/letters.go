package house

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime"
	"mime/quotedprintable"
	"net/smtp"
	"strings"
	"time"
)

// Letter is one that is brought in by another host.
type Letter struct {
	From, To, Name string // addresses, and the sender's name
	Subject        string
	ID, Answers    string // Message-ID without brackets, and that of the letter it answers
	At             time.Time
	Plain, HTML    string
	Files          []File
	Inline         []File // shown in the HTML by cid:<name>
	Header         string // more fields, complete lines
}

// File is an attachment.
type File struct {
	Name, Type string
	Content    []byte
}

// Deliver brings a message to the first system over SMTP, as a stranger would.
func (h *House) Deliver(from, to, text string) error {
	c, err := smtp.Dial(first(h.one.cfg.Listen.SMTP))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

// text is the message.
func (l Letter) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s <%s>\r\nTo: Ann Example <%s>\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s>\r\n", mime.QEncoding.Encode("utf-8", l.Name), l.From, l.To,
		mime.QEncoding.Encode("utf-8", l.Subject), l.At.Format(time.RFC1123Z), l.ID)
	if l.Answers != "" {
		fmt.Fprintf(&b, "In-Reply-To: <%s>\r\nReferences: <%s>\r\n", l.Answers, l.Answers)
	}
	b.WriteString(l.Header + "MIME-Version: 1.0\r\n")
	body := textPart("plain", l.Plain)
	if l.HTML != "" {
		html := textPart("html", l.HTML)
		if len(l.Inline) > 0 {
			html = multipart("related", append([]string{html}, fileParts(l.Inline, "inline")...))
		}
		body = multipart("alternative", []string{body, html})
	}
	if len(l.Files) > 0 {
		body = multipart("mixed", append([]string{body}, fileParts(l.Files, "attachment")...))
	}
	b.WriteString(body)
	return b.String()
}

func textPart(kind, text string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n"))) //nolint:errcheck // into memory
	w.Close()                                               //nolint:errcheck // as above
	return "Content-Type: text/" + kind + "; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b.String() + "\r\n"
}

func multipart(kind string, parts []string) string {
	edge := "=_" + kind + "_edge"
	return "Content-Type: multipart/" + kind + "; boundary=\"" + edge + "\"\r\n\r\n--" + edge + "\r\n" + strings.Join(parts, "\r\n--"+edge+"\r\n") + "\r\n--" + edge + "--\r\n"
}

func fileParts(files []File, disposition string) []string {
	var out []string
	for _, f := range files {
		text := base64.StdEncoding.EncodeToString(f.Content)
		var b strings.Builder
		fmt.Fprintf(&b, "Content-Type: %s; name=\"%s\"\r\nContent-Disposition: %s; filename=\"%s\"\r\nContent-ID: <%s>\r\nContent-Transfer-Encoding: base64\r\n\r\n",
			f.Type, f.Name, disposition, f.Name, f.Name)
		for len(text) > 76 {
			b.WriteString(text[:76] + "\r\n")
			text = text[76:]
		}
		out = append(out, b.String()+text+"\r\n")
	}
	return out
}

// picture is a small painting.
func picture(w, h int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(120 + 110*x/w), uint8(80 + 90*y/h), uint8(160 - 100*x/w), 255})
		}
	}
	var b bytes.Buffer
	png.Encode(&b, m) //nolint:errcheck // into memory
	return b.Bytes()
}

// paper is a PDF of one page that says something.
func paper(text string) []byte {
	stream := "BT /F1 24 Tf 72 720 Td (" + text + ") Tj ET"
	objects := []string{"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(stream), stream), "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var at []int
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, a := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", a)
	}
	fmt.Fprintf(&b, "trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, xref)
	return b.Bytes()
}

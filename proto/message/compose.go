package message

import (
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"
	"slices"
	"strings"
)

// Writer composes a multipart message part by part, for reports and system mail. After the first error every call
// returns it; nothing is held back, so parts may be of any size.
type Writer struct {
	w        io.Writer
	boundary string
	closed   bool
	err      error
}

var errComposerClosed = errors.New("message writer: a part was added after Close")

// NewWriter writes h and the fields that make the message a multipart of the given subtype, and gives the Writer for
// its parts. params are further parameters of the Content-Type. The boundary must be one that no part contains: Boundary
// makes one of anything unique.
func NewWriter(w io.Writer, h Header, subtype, boundary string, params ...Param) *Writer {
	m := &Writer{w: w, boundary: boundary}
	h.Del("Content-Type")
	h.Del("Content-Transfer-Encoding")
	h.Set("MIME-Version", "1.0")
	value := FormatParams("multipart/"+subtype, append(slices.Clip(params), Param{Name: "boundary", Value: boundary}))
	h.SetRaw("Content-Type", FoldField("Content-Type", value))
	m.write(string(h.Bytes()) + "\r\n")
	return m
}

// Boundary makes a boundary of something unique, such as a message identifier. It starts with `=_`, which encoded text
// never contains (RFC 2045 6.7).
func Boundary(unique string) string {
	const room = 60
	b := []byte("=_")
	for i := 0; i < len(unique) && len(b) < room; i++ {
		if c := unique[i]; isTokenChar(c) && strings.IndexByte("'+_-.", c) >= 0 || hexValue(c) >= 0 || 'a' <= lower(c) && lower(c) <= 'z' {
			b = append(b, c)
		}
	}
	return string(b)
}

func (m *Writer) write(s string) {
	if m.err == nil {
		_, m.err = io.WriteString(m.w, s)
	}
}

// start begins a part.
func (m *Writer) start(h Header) {
	if m.closed && m.err == nil {
		m.err = errComposerClosed
	}
	m.write("--" + m.boundary + "\r\n" + string(h.Bytes()) + "\r\n")
}

// Part adds a part whose body is copied as it is from r: the caller answers for its line ends and encoding.
func (m *Writer) Part(h Header, r io.Reader) error {
	m.start(h)
	if m.err == nil {
		_, m.err = io.Copy(m.w, r)
	}
	m.write("\r\n")
	return m.err
}

// Text adds a text part of the given subtype.
func (m *Writer) Text(subtype, text string) error {
	var h Header
	quoted := textHeader(&h, subtype, text)
	m.start(h)
	m.text(text, quoted)
	m.write("\r\n")
	return m.err
}

func (m *Writer) text(text string, quoted bool) {
	if m.err == nil {
		m.err = writeText(m.w, text, quoted)
	}
}

// Attachment says what an attached file is.
type Attachment struct {
	MediaType   string // "application/pdf"; empty is application/octet-stream
	Name        string // file name, in UTF-8
	Disposition string // "attachment" if empty
	ID          string // Content-ID, for pictures inside a text
}

// Attach adds a file, encoded in base64 while it is read.
func (m *Writer) Attach(a Attachment, r io.Reader) error {
	if a.MediaType == "" {
		a.MediaType = "application/octet-stream"
	}
	if a.Disposition == "" {
		a.Disposition = "attachment"
	}
	var name []Param
	if a.Name != "" {
		name = []Param{{Name: "filename", Value: oneLine(guess(a.Name))}}
	}
	var h Header
	h.AppendRaw(FoldField("Content-Type", a.MediaType))
	h.AppendRaw(FoldField("Content-Disposition", FormatParams(a.Disposition, name)))
	if a.ID != "" {
		h.AppendRaw(FoldField("Content-ID", FormatMessageID(a.ID)))
	}
	h.AppendRaw(FoldField("Content-Transfer-Encoding", "base64"))
	m.start(h)
	if m.err == nil {
		lines := &lineWriter{w: m.w}
		enc := base64.NewEncoder(base64.StdEncoding, lines)
		_, m.err = io.Copy(enc, r)
		if err := enc.Close(); m.err == nil {
			m.err = err
		}
	}
	m.write("\r\n")
	return m.err
}

// Close writes the closing boundary and tells the first error of all.
func (m *Writer) Close() error {
	if !m.closed {
		m.write("--" + m.boundary + "--\r\n")
		m.closed = true
	}
	return m.err
}

// WriteText writes a whole message of plain text.
func WriteText(w io.Writer, h Header, text string) error {
	h.Set("MIME-Version", "1.0")
	quoted := textHeader(&h, "plain", text)
	if _, err := w.Write(append(h.Bytes(), "\r\n"...)); err != nil {
		return err
	}
	return writeText(w, text, quoted)
}

// textHeader sets the fields for a text and tells whether it must be quoted-printable.
func textHeader(h *Header, subtype, text string) (quoted bool) {
	ascii, encoding := "utf-8", "quoted-printable"
	quoted = needsQuoting(text)
	if !quoted {
		ascii, encoding = "us-ascii", "7bit"
	}
	h.SetRaw("Content-Type", FoldField("Content-Type", "text/"+subtype+"; charset="+ascii))
	h.SetRaw("Content-Transfer-Encoding", FoldField("Content-Transfer-Encoding", encoding))
	return quoted
}

// needsQuoting reports text that is not short lines of printable ASCII.
func needsQuoting(text string) bool {
	column := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\n':
			column = 0
			continue
		case c == '\r':
			if i+1 == len(text) || text[i+1] != '\n' {
				return true
			}
		case c >= 0x7f || c < ' ' && c != '\t':
			return true
		}
		if column++; column > preferLine+1 { // one for CR
			return true
		}
	}
	return false
}

// writeText writes text with CRLF line ends, the last line ended too.
func writeText(w io.Writer, text string, quoted bool) error {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	if !strings.HasSuffix(text, "\r\n") {
		text += "\r\n"
	}
	if !quoted {
		_, err := io.WriteString(w, text)
		return err
	}
	q := quotedprintable.NewWriter(w)
	if _, err := io.WriteString(q, text); err != nil {
		return err
	}
	return q.Close()
}

// lineWriter breaks what is written to it into lines of 76 characters (RFC 2045 6.8).
type lineWriter struct {
	w      io.Writer
	column int
}

// Write implements io.Writer.
func (l *lineWriter) Write(p []byte) (int, error) {
	const width = 76
	total := len(p)
	for len(p) > 0 {
		n := min(width-l.column, len(p))
		if _, err := l.w.Write(p[:n]); err != nil {
			return total - len(p), err
		}
		p = p[n:]
		if l.column += n; l.column == width {
			if _, err := io.WriteString(l.w, "\r\n"); err != nil {
				return total - len(p), err
			}
			l.column = 0
		}
	}
	return total, nil
}

package command

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"

	"github.com/postrider/postrider/mail"
)

// letter is a message to be composed. The submission agent adds Date and Message-ID.
type letter struct {
	from        string
	to, cc, bcc []string
	subject     string
	text        string
	body        io.Reader // UTF-8 text
	attach      []string  // paths
}

// compose writes the message as it is read: nothing of it is kept in memory. Closing the message ends the writing.
func (l letter) compose() (io.ReadCloser, error) {
	for _, s := range append([]string{l.from, l.subject}, append(l.to, l.cc...)...) {
		if strings.ContainsAny(s, "\r\n\x00") {
			return nil, mail.Errorf(mail.Invalid, "%q has more than one line; a header field has one", s)
		}
	}
	for _, path := range l.attach {
		info, err := os.Stat(path)
		if err != nil {
			return nil, mail.Errorf(mail.NotFound, "the file to attach cannot be read: %w", err)
		}
		if !info.Mode().IsRegular() {
			return nil, mail.Errorf(mail.Invalid, "%s is not a file that can be attached", path)
		}
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(l.write(w)) }()
	return r, nil
}

func (l letter) write(w io.Writer) error {
	fields := []string{"From: " + l.from}
	if len(l.to) > 0 {
		fields = append(fields, "To: "+strings.Join(l.to, ",\r\n "))
	}
	if len(l.cc) > 0 {
		fields = append(fields, "Cc: "+strings.Join(l.cc, ",\r\n "))
	}
	if l.subject != "" {
		fields = append(fields, "Subject: "+mime.QEncoding.Encode("utf-8", l.subject))
	}
	fields = append(fields, "MIME-Version: 1.0")
	if len(l.attach) == 0 {
		fields = append(fields, "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", "", "")
		if _, err := io.WriteString(w, strings.Join(fields, "\r\n")); err != nil {
			return err
		}
		return quoted(w, l.body)
	}
	parts := multipart.NewWriter(w)
	fields = append(fields, "Content-Type: multipart/mixed; boundary="+parts.Boundary(), "", "")
	if _, err := io.WriteString(w, strings.Join(fields, "\r\n")); err != nil {
		return err
	}
	text, err := parts.CreatePart(textproto.MIMEHeader{
		"Content-Type": {"text/plain; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"}})
	if err != nil {
		return err
	}
	if err := quoted(text, l.body); err != nil {
		return err
	}
	for _, path := range l.attach {
		if err := attach(parts, path); err != nil {
			return err
		}
	}
	return parts.Close()
}

func quoted(w io.Writer, r io.Reader) error {
	q := quotedprintable.NewWriter(w)
	if _, err := io.Copy(q, r); err != nil {
		return err
	}
	return q.Close()
}

func attach(parts *multipart.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return mail.Errorf(mail.NotFound, "the file to attach cannot be read: %w", err)
	}
	defer f.Close()
	kind := mime.TypeByExtension(filepath.Ext(path))
	if kind == "" {
		kind = "application/octet-stream"
	}
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": filepath.Base(path)})
	if disposition == "" {
		disposition = "attachment"
	}
	part, err := parts.CreatePart(textproto.MIMEHeader{
		"Content-Type": {kind}, "Content-Transfer-Encoding": {"base64"}, "Content-Disposition": {disposition}})
	if err != nil {
		return err
	}
	lines := &folder{w: part}
	encoder := base64.NewEncoder(base64.StdEncoding, lines)
	if _, err := io.Copy(encoder, f); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	if err := encoder.Close(); err != nil {
		return err
	}
	_, err = io.WriteString(part, "\r\n")
	return err
}

// folder breaks base64 into lines (RFC 2045 6.8).
type folder struct {
	w  io.Writer
	at int
}

// Write implements io.Writer.
func (f *folder) Write(p []byte) (n int, err error) {
	const length = 76
	for len(p) > 0 {
		if f.at == length {
			if _, err := io.WriteString(f.w, "\r\n"); err != nil {
				return n, err
			}
			f.at = 0
		}
		k := min(length-f.at, len(p))
		m, err := f.w.Write(p[:k])
		n += m
		if err != nil {
			return n, err
		}
		f.at += k
		p = p[k:]
	}
	return n, nil
}

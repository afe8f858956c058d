package export

import (
	"archive/zip"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// AttachedParts lists the parts of a message that people would call attachments, in order. A message that is attached is one of them, and what is
// attached to it is not.
func AttachedParts(root *message.Part) []*message.Part {
	var out []*message.Part
	var visit func(p *message.Part)
	visit = func(p *message.Part) {
		if !p.Multipart() && (p != root || p.Disposition == "attachment") && p.Attachment() {
			out = append(out, p)
			return
		}
		if p.Multipart() {
			for _, c := range p.Children {
				visit(c)
			}
		}
	}
	visit(root)
	return out
}

// Attachments writes the attachments of a message as a zip file, their transfer encodings undone. NotFound, before anything is written, when
// there are none.
func Attachments(w io.Writer, root *message.Part, open message.OpenSection, at time.Time) error {
	parts := AttachedParts(root)
	if len(parts) == 0 {
		return mail.Errorf(mail.NotFound, "the message has no attachments")
	}
	z := zip.NewWriter(w)
	taken := unique{}
	for i, p := range parts {
		name := FileName(p.Filename())
		if name == "" {
			name = fmt.Sprintf("attachment-%d%s", i+1, extension(p))
		}
		if err := attach(z, taken.file(name), p, open, at); err != nil {
			return err
		}
	}
	return z.Close()
}

func attach(z *zip.Writer, name string, p *message.Part, open message.OpenSection, at time.Time) error {
	method := zip.Deflate
	if p.MediaType == "image" || p.MediaType == "video" || p.MediaType == "audio" || p.Subtype == "zip" || p.Subtype == "gzip" {
		method = zip.Store // packed already
	}
	f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: at})
	if err != nil {
		return err
	}
	r, err := message.Contents(p, open)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(f, r)
	return err
}

// file is name for files: what tells equal ones apart stands before the extension.
func (u unique) file(name string) string {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	for n := 2; u[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s (%d)%s", stem, n, ext)
	}
	u[strings.ToLower(name)] = true
	return name
}

// maxFileName is how long a name gets, in octets.
const maxFileName = 120

// FileName makes a safe name for a file of one that a stranger gave: no path, no control character, nothing that turns the direction of letters or is
// not seen, nothing that a system gives a meaning of its own. It is "" where nothing is left.
func FileName(s string) string {
	s = strings.ToValidUTF8(s, "_")
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r), r == utf8.RuneError, unicode.Is(unicode.Co, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		}
		return r
	}, s)
	s = strings.TrimRight(strings.TrimLeft(s, " .~"), " .")
	if len(s) > maxFileName {
		ext := path.Ext(s)
		if len(ext) > 16 {
			ext = ""
		}
		s = strings.TrimRight(strings.ToValidUTF8(s[:maxFileName-len(ext)], ""), " .") + ext
	}
	if stem, _, _ := strings.Cut(strings.ToLower(s), "."); device(strings.TrimSpace(stem)) {
		s = "_" + s
	}
	return s
}

// device reports names that Windows gives to devices.
func device(stem string) bool {
	switch stem {
	case "con", "prn", "aux", "nul", "conin$", "conout$", "clock$":
		return true
	}
	if n, ok := strings.CutPrefix(stem, "com"); ok || strings.HasPrefix(stem, "lpt") {
		if !ok {
			n = stem[3:]
		}
		return len(n) == 1 && n[0] >= '0' && n[0] <= '9' || n == "¹" || n == "²" || n == "³"
	}
	return false
}

// extension is for parts without a name.
func extension(p *message.Part) string {
	switch p.MediaType + "/" + p.Subtype {
	case "image/png", "image/gif", "image/webp", "image/bmp", "application/pdf", "application/zip", "video/mp4", "image/avif":
		return "." + p.Subtype
	case "image/jpeg":
		return ".jpg"
	case "image/svg+xml":
		return ".svg"
	case "text/plain":
		return ".txt"
	case "text/html":
		return ".html"
	case "text/calendar":
		return ".ics"
	case "text/vcard", "text/x-vcard":
		return ".vcf"
	case "text/csv":
		return ".csv"
	case "audio/mpeg":
		return ".mp3"
	case "message/rfc822", "message/global":
		return ".eml"
	}
	return ".bin"
}

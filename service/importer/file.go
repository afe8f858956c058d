package importer

import (
	"context"
	"path"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Format is what a file is.
type Format string

// The formats.
const (
	Mbox Format = "mbox"
	EML  Format = "eml"
	Zip  Format = "zip"
)

// File is a source that was uploaded whole.
type File struct {
	name   string
	format Format
	body   mail.SealedBody
}

// NewFile makes a source of a body that nobody else uses: it is discarded by Close. name is the file's.
func NewFile(name string, format Format, body mail.SealedBody) *File {
	return &File{name: name, format: format, body: body}
}

// Name implements Source.
func (f *File) Name() string {
	if f.name == "" {
		return "a file"
	}
	return path.Base(strings.ReplaceAll(f.name, `\`, "/"))
}

// Close implements Source.
func (f *File) Close() { f.body.Discard() }

// Run implements Source.
func (f *File) Run(ctx context.Context, d *Deposit) error {
	r, err := f.body.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	d.Total(f.body.Size())
	switch f.format {
	case Mbox:
		if err := d.Folder(ctx, folderOfFile(f.name)); err != nil {
			return err
		}
		return addMbox(ctx, d, f.Name(), r, d.Done)
	case EML:
		if err := d.Folder(ctx, Folder{Name: "Imported"}); err != nil {
			return err
		}
		return d.Add(ctx, Message{What: f.Name()}, r)
	case Zip:
		return runZip(ctx, d, r, f.body.Size())
	}
	return mail.Errorf(mail.Invalid, "there is no format %q; send mbox, eml or zip", string(f.format))
}

// folderOfFile is the mailbox for the messages of an mbox, by the file's name.
func folderOfFile(name string) Folder {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	for _, end := range []string{".mbox", ".mbx", ".mbs", ".txt"} {
		if n := len(base) - len(end); n > 0 && strings.EqualFold(base[n:], end) {
			base = base[:n]
		}
	}
	if base == "" || base == "." || base == "/" || strings.HasPrefix(base, "All mail") {
		base = "Imported"
	}
	return Folder{Name: base, Use: useOf(base)}
}

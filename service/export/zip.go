package export

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/postrider/postrider/mail"
)

// Zip is a Sink that writes one zip file while it walks: nothing is put aside on the way, so that it can go straight to a browser. Its contents are
// those that a Writer puts into a directory, in the same formats. It is for one goroutine.
//
// What has gone out cannot be taken back: whoever walks does so over Checked bodies, which are read to their end before the first octet goes out.
type Zip struct {
	out      *zip.Writer
	opt      Options
	form     zipForm
	summary  Summary
	began    time.Time
	plan     Plan
	accounts map[string]string
	taken    unique
}

var _ Sink = (*Zip)(nil)

// zipForm writes one format.
type zipForm interface {
	mailbox(account string, b Mailbox) (path string, err error)
	message(m Message, r io.Reader) error
	end() error
}

// NewZip begins a zip file. Resume of the options is nothing here. Invalid for an unknown format.
func NewZip(w io.Writer, o Options) (*Zip, error) {
	if o.Format == "" {
		o.Format = Maildir
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	z := &Zip{out: zip.NewWriter(w), opt: o, began: o.Now(), accounts: map[string]string{}, taken: unique{summaryName: true, reportName: true}}
	z.summary = Summary{Format: o.Format, Mailboxes: []Written{}, Missing: []Missing{}}
	switch o.Format {
	case Maildir:
		z.form = &zipMaildir{z: z, taken: map[string]unique{}}
	case Mbox:
		z.form = &zipMbox{z: z, taken: unique{}}
	case EML:
		z.form = &zipEML{z: z, taken: unique{}}
	default:
		return nil, mail.Errorf(mail.Invalid, "there is no format %q; choose maildir, mbox or eml", o.Format)
	}
	return z, nil
}

// file begins a file; it ends when the next one begins.
func (z *Zip) file(name string, at time.Time) (io.Writer, error) {
	return z.out.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at})
}

// Plan implements Sink.
func (z *Zip) Plan(p Plan) error {
	z.plan = p
	z.tell("")
	return nil
}

func (z *Zip) tell(box string) {
	if z.opt.Progress != nil {
		z.opt.Progress(Progress{Mailbox: box, Messages: z.summary.Messages, Total: z.plan.Messages})
	}
}

// Mailbox implements Sink.
func (z *Zip) Mailbox(b Mailbox) error {
	if err := z.form.end(); err != nil {
		return err
	}
	dir, ok := z.accounts[b.Account]
	if !ok {
		dir = z.taken.name(component(b.Account))
		z.accounts[b.Account] = dir
		z.summary.Accounts++
	}
	where, err := z.form.mailbox(dir, b)
	if err != nil {
		return err
	}
	z.summary.Mailboxes = append(z.summary.Mailboxes, Written{Mailbox: b, Path: where})
	z.tell(b.Name)
	return nil
}

// Message implements Sink.
func (z *Zip) Message(m Message, r io.Reader) error {
	if len(z.summary.Mailboxes) == 0 {
		return mail.Errorf(mail.Invalid, "a message came before its mailbox")
	}
	box := &z.summary.Mailboxes[len(z.summary.Mailboxes)-1]
	in := &watched{r: r}
	err := z.form.message(m, in)
	if in.err != nil {
		z.Note("message %d of %q broke off while it was written: what is there of it is not all", m.UID, box.Name)
		return in.err
	}
	if err != nil {
		return err
	}
	box.Exported++
	z.summary.Messages++
	z.summary.Octets += m.Size
	z.tell(box.Name)
	return nil
}

// Missing implements Sink.
func (z *Zip) Missing(m Missing) error {
	z.summary.Missing = append(z.summary.Missing, m)
	return nil
}

// Note remembers something that people should know of the export.
func (z *Zip) Note(format string, args ...any) {
	z.summary.Notes = append(z.summary.Notes, fmt.Sprintf(format, args...))
}

// Extra writes a file beside the accounts, once all mail is in; fill gives its contents. Its name must be a path of safe names.
func (z *Zip) Extra(name string, fill func(io.Writer) error) error {
	if err := z.form.end(); err != nil {
		return err
	}
	w, err := z.file(name, z.opt.Now())
	if err != nil {
		return err
	}
	return fill(w)
}

// Finish ends the file. Without it, readers find that it is not whole.
func (z *Zip) Finish() (Summary, error) {
	z.summary.Complete = true
	z.summary.Seconds = z.opt.Now().Sub(z.began).Seconds()
	if err := z.form.end(); err != nil {
		return z.summary, err
	}
	err := z.Extra(summaryName, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(z.summary)
	})
	if err != nil {
		return z.summary, err
	}
	if err := z.Extra(reportName, z.summary.report); err != nil {
		return z.summary, err
	}
	return z.summary, z.out.Close()
}

// zipMaildir is maildir in a zip file.
type zipMaildir struct {
	z     *Zip
	taken map[string]unique
	roots map[string]bool
	dir   string
	name  string
	words keywords
}

func (d *zipMaildir) mailbox(account string, b Mailbox) (string, error) {
	if d.taken[account] == nil {
		d.taken[account] = unique{}
		if err := d.make(account, false); err != nil {
			return account, err
		}
	}
	folder := d.taken[account].name(maildirName(b.Name))
	noteDots(b, folder, d.z.Note)
	d.dir, d.name = path.Join(account, folder), fmt.Sprintf("V%d", b.UIDValidity)
	if folder == "" {
		return d.dir, nil
	}
	return d.dir, d.make(d.dir, true)
}

// make makes the directories of a Maildir.
func (d *zipMaildir) make(dir string, folder bool) error {
	for _, sub := range []string{"cur/", "new/", "tmp/"} {
		if _, err := d.z.out.CreateHeader(&zip.FileHeader{Name: dir + "/" + sub, Modified: d.z.began}); err != nil {
			return err
		}
	}
	if !folder {
		return nil
	}
	_, err := d.z.file(dir+"/maildirfolder", d.z.began)
	return err
}

func (d *zipMaildir) message(m Message, r io.Reader) error {
	w, err := d.z.file(path.Join(d.dir, "cur", maildirBase(d.name, m)+":2,"+d.words.flags(m.Flags)), m.Received)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return err
}

func (d *zipMaildir) end() error {
	words := d.words
	d.words = keywords{}
	words.note(d.dir, d.z.Note)
	if len(words.letters) == 0 {
		return nil
	}
	w, err := d.z.file(path.Join(d.dir, keywordsName), d.z.began)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, words.file())
	return err
}

// zipMbox is mbox in a zip file.
type zipMbox struct {
	z     *Zip
	taken unique
	out   *bufio.Writer
}

func (b *zipMbox) mailbox(account string, box Mailbox) (string, error) {
	where := b.taken.name(path.Join(account, pathName(box.Name)) + ".mbox")
	w, err := b.z.file(where, b.z.began)
	if err != nil {
		return where, err
	}
	b.out = bufio.NewWriterSize(w, 64<<10)
	return where, nil
}

func (b *zipMbox) message(m Message, r io.Reader) error {
	err := writeMbox(b.out, m, r)
	if err != nil { // what follows begins behind an empty line all the same
		b.out.WriteString("\n\n") //nolint:errcheck // told by the next
	}
	return err
}

func (b *zipMbox) end() error {
	if b.out == nil {
		return nil
	}
	err := b.out.Flush()
	b.out = nil
	return err
}

// zipEML is eml in a zip file. As only one file can be written at a time, the lines about a mailbox's messages are held until its end, packed.
type zipEML struct {
	z     *Zip
	taken unique
	dir   string
	held  bytes.Buffer
	lines *flate.Writer
}

func (e *zipEML) mailbox(account string, b Mailbox) (string, error) {
	e.dir = e.taken.name(path.Join(account, pathName(b.Name)))
	var err error
	e.lines, err = flate.NewWriter(&e.held, flate.DefaultCompression)
	return e.dir, err
}

func (e *zipEML) message(m Message, r io.Reader) error {
	name := fmt.Sprintf("%08d.eml", m.UID)
	w, err := e.z.file(path.Join(e.dir, name), m.Received)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	line, err := indexLine(name, m)
	if err != nil {
		return err
	}
	_, err = e.lines.Write(line)
	return err
}

func (e *zipEML) end() error {
	if e.lines == nil {
		return nil
	}
	err := e.lines.Close()
	e.lines = nil
	if err != nil {
		return err
	}
	w, err := e.z.file(path.Join(e.dir, indexFile), e.z.began)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, flate.NewReader(&e.held)) //nolint:gosec // what was packed here
	e.held.Reset()
	return err
}

// Checked gives bodies that were read to their end once before they are given, so that what is damaged is found out in time.
func Checked(b Bodies) Bodies { return checked{b} }

type checked struct{ Bodies }

func (c checked) Open(ctx context.Context, id mail.BlobID) (mail.BlobReader, error) {
	first, err := c.Bodies.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, struct{ io.Reader }{first}) // as it is read later: by Read
	if closed := first.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	return c.Bodies.Open(ctx, id)
}

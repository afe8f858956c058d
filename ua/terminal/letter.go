package terminal

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal/plain"
)

// Draft is a letter that is being written.
type Draft struct {
	Letter client.Letter
	Paths  []string      // files to attach
	Parts  []client.Part // parts of another message to attach

	about   string // the message that is marked once it is sent
	keyword string // with this
}

// Form writes a letter as people edit it: fields, an empty line, the text.
func (d *Draft) Form() string {
	var b strings.Builder
	l := &d.Letter
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\n", name, plain.Line(value)) }
	if l.From.Email != "" {
		field("From", written([]client.Address{l.From}))
	}
	field("To", written(l.To))
	field("Cc", written(l.Cc))
	if len(l.Bcc) > 0 {
		field("Bcc", written(l.Bcc))
	}
	field("Subject", l.Subject)
	for i, p := range d.Parts {
		field("Attach", fmt.Sprintf("#%d %s", i+1, fileName(p)))
	}
	for _, p := range d.Paths {
		field("Attach", p)
	}
	b.WriteString("\n" + l.Text)
	return b.String()
}

// written writes addresses so that they are read as the same.
func written(list []client.Address) string {
	out := make([]string, 0, len(list))
	for _, a := range list {
		p, err := addr.Parse(a.Email)
		if err != nil {
			continue // it could not be sent to
		}
		out = append(out, message.Mailbox{Name: plain.Line(a.Name), Addr: p}.String())
	}
	return strings.Join(out, ", ")
}

// maxForm bounds what an editor gives back, in octets.
const maxForm = 8 << 20

// Read takes what was edited. What is wrong is told, and nothing is changed then.
func (d *Draft) Read(r io.Reader) error {
	next := Draft{Letter: d.Letter, about: d.about, keyword: d.keyword}
	l := &next.Letter
	l.To, l.Cc, l.Bcc, l.Subject = nil, nil, nil, ""
	in := bufio.NewReader(io.LimitReader(r, maxForm+1))
	for {
		line, err := in.ReadString('\n')
		if err != nil && err != io.EOF {
			return mail.Errorf(mail.Unavailable, "the letter cannot be read: %w", err)
		}
		line = strings.TrimSpace(line)
		if line != "" {
			if err := next.field(d.Parts, line); err != nil {
				return err
			}
		}
		if line == "" || err == io.EOF {
			break
		}
	}
	text, err := io.ReadAll(in)
	switch {
	case err != nil:
		return mail.Errorf(mail.Unavailable, "the letter cannot be read: %w", err)
	case len(text) > maxForm-maxLineOfForm:
		return mail.Errorf(mail.TooLarge, "the text is longer than %s; attach it as a file", octets(maxForm))
	}
	l.Text = strings.ReplaceAll(strings.ToValidUTF8(string(text), "\uFFFD"), "\r\n", "\n")
	*d = next
	return nil
}

const maxLineOfForm = 64 << 10

// field takes one line of the fields.
func (d *Draft) field(parts []client.Part, line string) (err error) {
	l := &d.Letter
	name, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	if !ok {
		return mail.Errorf(mail.Invalid, "%q is no field; the text begins after an empty line", plain.Cut(plain.Line(line), 40))
	}
	switch strings.ToLower(name) {
	case "from":
		var from []client.Address
		if from, err = Addresses(value); err == nil && len(from) == 1 {
			l.From = from[0]
		} else if err == nil {
			err = mail.Errorf(mail.Invalid, "a letter is from one address")
		}
	case "to":
		err = more(&l.To, value)
	case "cc":
		err = more(&l.Cc, value)
	case "bcc":
		err = more(&l.Bcc, value)
	case "subject":
		l.Subject = plain.Line(value)
	case "attach":
		if number, _, _ := strings.Cut(value, " "); strings.HasPrefix(number, "#") {
			n, err := strconv.Atoi(number[1:])
			if err != nil || n < 1 || n > len(parts) {
				return mail.Errorf(mail.Invalid, "there is no attachment %s", plain.Line(number))
			}
			d.Parts = append(d.Parts, parts[n-1])
			return nil
		}
		if value != "" {
			d.Paths = append(d.Paths, value)
		}
	default:
		err = mail.Errorf(mail.Invalid, "there is no field %q; fields are From, To, Cc, Bcc, Subject and Attach, and the text begins after an empty line",
			plain.Cut(plain.Line(name), 40))
	}
	return err
}

func more(list *[]client.Address, value string) error {
	got, err := Addresses(value)
	*list = append(*list, got...)
	return err
}

// Addresses reads addresses as people write them: with names or without, with commas between.
func Addresses(value string) (out []client.Address, err error) {
	if strings.ContainsAny(value, "\r\n\x00") {
		return nil, mail.Errorf(mail.Invalid, "%q has more than one line", plain.Cut(plain.Line(value), 60))
	}
	if strings.TrimSpace(value) == "" {
		return nil, nil
	}
	for _, m := range message.ParseMailboxes(value) {
		a, err := addr.Parse(m.Addr.String())
		if err != nil {
			return nil, mail.Errorf(mail.Invalid, "%q is no mail address", plain.Cut(plain.Line(cmp.Or(m.Addr.String(), m.Name, value)), 60))
		}
		out = append(out, client.Address{Name: m.Name, Email: a.String()})
	}
	if len(out) == 0 {
		return nil, mail.Errorf(mail.Invalid, "%q is no mail address", plain.Cut(plain.Line(value), 60))
	}
	return out, nil
}

// Send uploads the files and sends the letter.
func (d *Draft) Send(ctx context.Context, p Post) (client.Sent, error) {
	l, err := d.whole(ctx, p)
	if err != nil {
		return client.Sent{}, err
	}
	return p.Send(ctx, l)
}

// Keep uploads the files and keeps the letter as a draft, in the mailbox whose name it gives.
func (d *Draft) Keep(ctx context.Context, p Post) (string, error) {
	l, err := d.whole(ctx, p)
	if err != nil {
		return "", err
	}
	_, where, err := p.SaveDraft(ctx, l)
	return where, err
}

func (d *Draft) whole(ctx context.Context, p Post) (client.Letter, error) {
	l := d.Letter
	l.Files = append([]client.Part(nil), d.Parts...)
	for _, path := range d.Paths {
		part, err := upload(ctx, p, path)
		if err != nil {
			return l, err
		}
		l.Files = append(l.Files, part)
	}
	return l, nil
}

// CheckFile tells whether a file can be attached.
func CheckFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return mail.Errorf(mail.NotFound, "the file to attach cannot be read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return mail.Errorf(mail.Invalid, "%s is not a file that can be attached", path)
	}
	return nil
}

func upload(ctx context.Context, p Post, path string) (client.Part, error) {
	if err := CheckFile(path); err != nil {
		return client.Part{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return client.Part{}, mail.Errorf(mail.NotFound, "the file to attach cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return client.Part{}, mail.Errorf(mail.NotFound, "the file to attach cannot be read: %w", err)
	}
	kind, _, err := mime.ParseMediaType(mime.TypeByExtension(filepath.Ext(path)))
	if err != nil || strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "message/") {
		kind = "application/octet-stream"
	}
	part, err := p.Upload(ctx, kind, f, info.Size())
	part.Type, part.Name = kind, filepath.Base(path)
	return part, err
}

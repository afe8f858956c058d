package search

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/proto/textindex"
)

// maxField bounds how much of one header field is looked at.
const maxField = 64 << 10

// Texts reads the texts of stored messages, one message after the other. Memory does not grow with a message. Whatever is
// looked for must have gone through textindex.Fold.
type Texts struct {
	prefix []byte
	root   *message.Part
	body   io.ReaderAt

	lines  *bufio.Reader
	field  []byte
	folded []byte
	buf    []byte
	window []byte
}

// Set goes to a message: the prefix, the structure that its summary tells, and its body.
func (t *Texts) Set(prefix []byte, root *message.Part, body io.ReaderAt) {
	t.prefix, t.root, t.body = prefix, root, body
	if t.lines == nil {
		t.lines = bufio.NewReaderSize(nil, 4<<10)
		t.buf = make([]byte, 16<<10)
	}
}

// HeaderHas searches the fields of a name in the message's header, their values decoded. With no name it searches all of them, as
// `Name: value`.
func (t *Texts) HeaderHas(name, want string) (bool, error) {
	found := false
	err := t.fields(t.header(), func(field, value []byte) bool {
		switch {
		case name == "":
			t.folded = t.foldField(field, value)
		case strings.EqualFold(string(field), name):
			t.folded = textindex.AppendFold(t.folded[:0], value)
		default:
			return true
		}
		found = bytes.Contains(t.folded, []byte(want))
		return !found
	})
	return found, err
}

func (t *Texts) foldField(name, value []byte) []byte {
	out := textindex.AppendFold(t.folded[:0], name)
	return textindex.AppendFold(append(out, ": "...), value)
}

// BodyHas searches the parts of type text, and the headers of messages within the message. Transfer encodings and charsets are
// undone. A run of white space in the text, such as a line's end, matches as it stands only.
func (t *Texts) BodyHas(want string) (found bool, err error) {
	t.root.Walk(func(p *message.Part) bool {
		if p != t.root && p.Envelope != nil {
			// What is wrong with reading it shows with the texts too.
			_ = t.fields(t.section(p.HeaderOffset, p.BodyOffset), func(name, value []byte) bool {
				t.folded = t.foldField(name, value)
				found = bytes.Contains(t.folded, []byte(want))
				return !found
			})
		}
		if !found && isText(p) {
			err = t.text(p, func(r io.Reader) (err error) {
				found, err = t.contains(r, want)
				return err
			})
		}
		return !found && err == nil
	})
	return found, err
}

func isText(p *message.Part) bool {
	mediaType, _ := p.Announced()
	return mediaType == "text" && len(p.Children) == 0
}

// text opens the text of a part.
func (t *Texts) text(p *message.Part, f func(io.Reader) error) error {
	r, err := message.Text(p, func(off, n int64) (io.ReadCloser, error) {
		return io.NopCloser(t.section(off, off+n)), nil
	})
	if err != nil {
		return err
	}
	defer r.Close()
	return f(r)
}

// Index adds the message to a builder in which its document was begun. The error is one of reading.
func (t *Texts) Index(b *textindex.Builder) error {
	err := t.fields(t.header(), func(name, value []byte) bool {
		b.Words(textindex.Header, string(name), ": ", string(value))
		return !b.Full()
	})
	if err != nil {
		return err
	}
	if env := t.root.Envelope; env != nil {
		for field, class := range lineClasses {
			text, _ := EnvelopeText(env, mail.TextField(field))
			b.Lines(class, text)
		}
		if env.MessageID != "" && !b.HasWords(textindex.Header, "Message-ID: "+env.MessageID) {
			b.Unsure() // the field is written so that the header's words do not tell it
		}
	}
	t.root.Walk(func(p *message.Part) bool {
		if p != t.root && p.Envelope != nil {
			err = t.fields(t.section(p.HeaderOffset, p.BodyOffset), func(name, value []byte) bool {
				b.Words(textindex.Body, string(name), ": ", string(value))
				return !b.Full()
			})
		}
		if err == nil && isText(p) {
			err = t.text(p, func(r io.Reader) error { return b.WordsFrom(textindex.Body, r, t.buf) })
		}
		return err == nil && !b.Full()
	})
	if b.Full() {
		b.Unsure()
	}
	return err
}

// lineClasses are the fields of envelopes.
var lineClasses = map[mail.TextField]textindex.Class{
	mail.FieldFrom: textindex.From, mail.FieldTo: textindex.To, mail.FieldCc: textindex.Cc, mail.FieldBcc: textindex.Bcc,
	mail.FieldSubject: textindex.Subject,
}

// EnvelopeText is the text of a field of the envelope, FieldFrom to FieldSubject, and whether the message has the field. Each address
// of a list is a line.
func EnvelopeText(env *message.Envelope, field mail.TextField) (text string, has bool) {
	var list []message.Address
	switch field {
	case mail.FieldFrom:
		list = env.From
	case mail.FieldTo:
		list = env.To
	case mail.FieldCc:
		list = env.Cc
	case mail.FieldBcc:
		list = env.Bcc
	case mail.FieldSubject:
		return message.DecodeText(env.Subject), env.Subject != ""
	}
	return addressText(list), len(list) > 0
}

// addressText spells addresses in the ways people may search for them.
func addressText(list []message.Address) string {
	var out strings.Builder
	for _, a := range list {
		if a.Kind != message.AddressMailbox {
			out.WriteString(message.DecodeText(a.Mailbox))
			out.WriteString("\n")
			continue
		}
		if a.Name != "" {
			out.WriteString(message.DecodeText(a.Name))
			out.WriteString(" ")
		}
		out.WriteString("<" + a.Mailbox)
		if a.Host != "" {
			out.WriteString("@" + a.Host)
		}
		out.WriteString(">\n")
	}
	return out.String()
}

// header gives the message's header with its empty line; the prefix comes first.
func (t *Texts) header() io.Reader {
	return io.MultiReader(bytes.NewReader(t.prefix), t.section(0, t.root.BodyOffset))
}

func (t *Texts) section(from, to int64) *io.SectionReader {
	return io.NewSectionReader(t.body, from, to-from)
}

// fields gives the fields of a header, unfolded and decoded, until f says stop. A field beyond maxField is cut. What f is given lasts
// until it returns.
func (t *Texts) fields(r io.Reader, f func(name, value []byte) bool) error {
	br := t.lines
	br.Reset(r)
	defer br.Reset(nil)
	t.field = t.field[:0]
	give := func() bool {
		name, value, ok := bytes.Cut(t.field, []byte(":"))
		t.field = t.field[:0]
		return !ok || f(bytes.TrimRight(name, " \t"), decodeValue(bytes.TrimSpace(value)))
	}
	start := true
	for {
		line, err := br.ReadSlice('\n')
		if start && len(line) > 0 && line[0] != ' ' && line[0] != '\t' && !give() {
			return nil
		}
		if room := maxField - len(t.field); room > 0 {
			text := bytes.TrimRight(line, "\r\n")
			t.field = append(t.field, text[:min(len(text), room)]...)
		}
		start = err == nil
		switch {
		case err == io.EOF:
			give()
			return nil
		case err != nil && err != bufio.ErrBufferFull:
			return err
		}
	}
}

// decodeValue is message.DecodeText, which leaves plain text as it is.
func decodeValue(b []byte) []byte {
	for i, c := range b {
		if c < ' ' || c > '~' || c == '?' && i > 0 && b[i-1] == '=' {
			return []byte(message.DecodeText(string(b)))
		}
	}
	return b
}

// contains searches a text while it is read.
func (t *Texts) contains(r io.Reader, want string) (bool, error) {
	window, rest := t.window[:0], 0
	defer func() { t.window = window }()
	for {
		n, err := r.Read(t.buf[rest:])
		n += rest
		whole := n
		if err == nil {
			whole = fullRunes(t.buf[:n])
		}
		window = textindex.AppendFold(window, t.buf[:whole])
		rest = copy(t.buf, t.buf[whole:n])
		if bytes.Contains(window, []byte(want)) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		keep := min(len(window), len(want)-1)
		window = append(window[:0], window[len(window)-keep:]...)
	}
}

// fullRunes is how much of b ends with a whole character.
func fullRunes(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if utf8.FullRune(b[i:]) {
				return len(b)
			}
			return i
		}
	}
	return len(b)
}

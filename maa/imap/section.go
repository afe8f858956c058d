package imap

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	wire "github.com/postrider/postrider/proto/imap"
	"github.com/postrider/postrider/proto/message"
)

// content is what a section of a message holds: octets as they are stored, or octets that have to be made.
type content struct {
	raw  *io.SectionReader
	made func(w io.Writer) error
}

// find gives what a section means (RFC 9051 6.4.5.1), or nil where the message has no such part. The source must be open.
func (src *source) find(it wire.FetchItem) (*content, error) {
	root, err := src.tree()
	if err != nil {
		return nil, err
	}
	sec := it.Section
	part := root
	if len(sec.Part) > 0 {
		path := make([]int, len(sec.Part))
		for i, n := range sec.Part {
			path[i] = int(n)
		}
		if part = root.Section(path...); part == nil {
			return nil, nil
		}
	}
	if it.Item != wire.ItemSection {
		return src.binary(part, len(sec.Part) == 0)
	}
	if len(sec.Part) == 0 {
		if sec.Spec == wire.SpecAll {
			return &content{raw: src.piece(0, src.m.Size)}, nil
		}
		return src.ofMessage(part, sec, true), nil
	}
	switch sec.Spec {
	case wire.SpecAll:
		return &content{raw: src.inBody(part.BodyOffset, part.End)}, nil
	case wire.SpecMIME:
		return &content{raw: src.header(part, part == root)}, nil
	}
	inner := part.Message()
	if inner == nil {
		return nil, nil
	}
	return src.ofMessage(inner, sec, false), nil
}

// header gives the octets of a part's header with its empty line; that of the message itself begins with the prefix.
func (src *source) header(p *message.Part, root bool) *io.SectionReader {
	if root {
		return src.piece(0, int64(len(src.m.Prefix))+p.BodyOffset)
	}
	return src.inBody(p.HeaderOffset, p.BodyOffset)
}

// ofMessage gives HEADER, HEADER.FIELDS and TEXT of a message.
func (src *source) ofMessage(p *message.Part, sec wire.Section, root bool) *content {
	switch sec.Spec {
	case wire.SpecHeader:
		return &content{raw: src.header(p, root)}
	case wire.SpecFields, wire.SpecFieldsNot:
		return &content{made: func(w io.Writer) error {
			return filterFields(w, src.header(p, root), sec.Fields, sec.Spec == wire.SpecFields)
		}}
	}
	return &content{raw: src.inBody(p.BodyOffset, p.End)}
}

// errUnknownCTE is answered with UNKNOWN-CTE (RFC 9051 7.1).
var errUnknownCTE = errors.New("the part is in a transfer encoding that is not known here")

// binary gives a part with its transfer encoding undone (RFC 9051 6.4.5.1 BINARY).
func (src *source) binary(p *message.Part, whole bool) (*content, error) {
	if whole {
		return &content{raw: src.piece(0, src.m.Size)}, nil
	}
	raw := src.inBody(p.BodyOffset, p.End)
	switch strings.ToLower(p.Encoding) {
	case "", "7bit", "8bit", "binary":
		return &content{raw: raw}, nil
	case "base64", "quoted-printable":
		return &content{made: func(w io.Writer) error {
			_, err := raw.Seek(0, io.SeekStart)
			if err == nil {
				_, err = io.Copy(w, message.DecodeTransfer(p.Encoding, raw))
			}
			return err
		}}, nil
	}
	return nil, errUnknownCTE
}

// filterFields copies the fields of a header that are named, or those that are not, and an empty line
// (RFC 9051 6.4.5.1 HEADER.FIELDS).
func filterFields(w io.Writer, header io.Reader, names []string, named bool) error {
	r := bufio.NewReaderSize(header, 4<<10)
	take, start := false, true
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 && start {
			if len(bytes.TrimRight(line, "\r\n")) == 0 {
				break
			}
			if line[0] != ' ' && line[0] != '\t' {
				take = isNamed(line, names) == named
			}
		}
		if take {
			if _, werr := w.Write(line); werr != nil {
				return werr
			}
		}
		start = err == nil
		switch {
		case err == io.EOF:
			if take && len(line) > 0 && line[len(line)-1] != '\n' {
				line = []byte("\r\n")
				if _, werr := w.Write(line); werr != nil {
					return werr
				}
			}
			_, werr := io.WriteString(w, "\r\n")
			return werr
		case err != nil && err != bufio.ErrBufferFull:
			return err
		}
	}
	_, err := io.WriteString(w, "\r\n")
	return err
}

func isNamed(line []byte, names []string) bool {
	name, _, colon := bytes.Cut(line, []byte(":"))
	if !colon {
		return false
	}
	field := string(bytes.TrimRight(name, " \t"))
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, field) })
}

// measured is a content, or the window of it that a partial fetch asks for (RFC 9051 6.4.5 partial), of which everything is
// known that is announced before its octets.
type measured struct {
	content
	size   int64 // of the whole content
	off, n int64 // the window
	nul    bool  // a made content holds NUL
	kept   []byte
}

// maxKept is how much of one message's contents is kept between measuring and writing them.
const maxKept = 64 << 10

// measure finds the size of a content, by making it where it has to be made. A window that there is room for is read at once; of
// any other the message is read through first, for what was announced cannot be taken back.
func (src *source) measure(c *content, sec wire.Section) (*measured, error) {
	m := &measured{content: *c}
	if c.raw != nil {
		m.size = c.raw.Size()
		m.setWindow(sec)
		if m.n > int64(src.room) {
			return m, src.verify()
		}
		m.kept = make([]byte, m.n)
		src.room -= int(m.n)
		if n, err := c.raw.ReadAt(m.kept, m.off); n < len(m.kept) {
			return nil, err
		}
		return m, nil
	}
	var buf bytes.Buffer
	err := c.made(writerFunc(func(p []byte) (int, error) {
		m.nul = m.nul || bytes.IndexByte(p, 0) >= 0
		if m.size += int64(len(p)); m.size <= int64(src.room) {
			buf.Write(p)
		}
		return len(p), nil
	}))
	if err != nil {
		return nil, err
	}
	m.setWindow(sec)
	if m.size > int64(src.room) {
		return m, src.verify()
	}
	src.room -= int(m.size)
	m.kept = buf.Bytes()[m.off : m.off+m.n]
	return m, nil
}

func (m *measured) setWindow(sec wire.Section) {
	m.n = m.size
	if sec.Partial {
		m.off = min(int64(sec.Offset), m.size)
		m.n = min(int64(sec.Count), m.size-m.off)
	}
}

// errReading is a failure to read what was announced already: nothing can be said any more on this connection.
var errReading = errors.New("a message could not be read to its end")

// writeTo writes the window.
func (m *measured) writeTo(w io.Writer) error {
	var err error
	switch {
	case m.kept != nil:
		_, err = w.Write(m.kept)
	case m.raw != nil:
		var k int64
		k, err = io.Copy(w, io.NewSectionReader(m.raw, m.off, m.n))
		if err == nil && k < m.n {
			err = io.ErrUnexpectedEOF
		}
	default:
		off, left := m.off, m.n
		err = m.made(writerFunc(func(p []byte) (int, error) {
			k := len(p)
			skip := min(off, int64(k))
			off -= skip
			p = p[skip:min(int64(k), skip+left)]
			left -= int64(len(p))
			if _, err := w.Write(p); err != nil {
				return 0, err
			}
			return k, nil
		}))
		if err == nil && left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		return errors.Join(errReading, err)
	}
	return nil
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
)

// Bounds on a header.
const (
	// DefaultMaxHeader is how many octets of header are read where no other limit is given.
	DefaultMaxHeader = 256 << 10
	// MaxFields is how many fields a Header tells apart; what follows is kept as one nameless field.
	MaxFields = 5000
)

// ErrHeaderTooLarge says that a header did not end within the limit given to ReadHeader.
var ErrHeaderTooLarge = errors.New("the header of the message is too large")

// Field is one header field as it was written, or a line that is none (then its name is empty).
type Field struct {
	raw  []byte // with folding and line end, as read
	name int    // length of the name; 0 for a line that is no field
}

// Name is the field's name in the case it was written, or empty for a line that is no field.
func (f Field) Name() string { return string(f.raw[:f.name]) }

// Is reports whether the field has this name, in any case.
func (f Field) Is(name string) bool {
	return f.name == len(name) && f.name > 0 && equalFold(f.raw[:f.name], name)
}

// Raw is the field as it was written, with folding and line end. It must not be changed.
func (f Field) Raw() []byte { return f.raw }

// body is what follows the colon, still folded.
func (f Field) body() []byte {
	if f.name == 0 {
		return f.raw
	}
	_, after, _ := bytes.Cut(f.raw[f.name:], []byte{':'})
	return after
}

// Value is what follows the colon, unfolded (RFC 5322 2.2.3) and trimmed, encoded words left as
// they are. CR, LF and NUL that are no folding become spaces.
func (f Field) Value() string { return unfold(f.body()) }

// Text is Value with encoded words decoded, in UTF-8.
func (f Field) Text() string { return DecodeText(f.Value()) }

// Header is the fields of a message or part in order. The zero Header is empty and ready.
type Header struct {
	fields []Field
}

// ParseHeader reads the header at the start of b, up to and with the empty line that ends it, and
// tells how many octets that was. Nothing is fatal: a line without a colon is kept as a
// nameless field. The Header keeps slices of b. RFC 5322 2.2.
func ParseHeader(b []byte) (h Header, size int) {
	for size < len(b) {
		rest := b[size:]
		if n := emptyLine(rest); n > 0 {
			return h, size + n
		}
		var f Field
		if len(h.fields) >= MaxFields {
			f = Field{raw: rest[:untilEmptyLine(rest)]}
		} else {
			f = nextField(rest)
		}
		h.fields = append(h.fields, f)
		size += len(f.raw)
	}
	return h, size
}

// ReadHeader reads a header from r up to and with the empty line that ends it. Where it does not end within
// limit octets (0: DefaultMaxHeader), the error is ErrHeaderTooLarge and the fields read so far are returned:
// together with what r still holds, nothing is lost. The end of r ends a header like an empty line does.
func ReadHeader(r *bufio.Reader, limit int) (Header, error) {
	if limit <= 0 {
		limit = DefaultMaxHeader
	}
	var buf []byte
	start := 0 // of the line being read
	for {
		chunk, err := r.ReadSlice('\n')
		buf = append(buf, chunk...)
		switch {
		case err == nil && emptyLine(buf[start:]) > 0, errors.Is(err, io.EOF):
			h, _ := ParseHeader(buf)
			return h, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return Header{}, err
		case len(buf) > limit:
			h, _ := ParseHeader(buf)
			return h, ErrHeaderTooLarge
		case err == nil:
			start = len(buf)
		}
	}
}

// emptyLine gives the length of the empty line b starts with, or 0.
func emptyLine(b []byte) int {
	switch {
	case len(b) > 0 && b[0] == '\n':
		return 1
	case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
		return 2
	}
	return 0
}

func untilEmptyLine(b []byte) int {
	for i := 0; i < len(b); {
		if emptyLine(b[i:]) > 0 {
			return i
		}
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			break
		}
		i += n + 1
	}
	return len(b)
}

// nextField cuts the first field with its continuation lines off b, which is not empty.
func nextField(b []byte) Field {
	end := 0
	for {
		n := bytes.IndexByte(b[end:], '\n')
		if n < 0 {
			end = len(b)
			break
		}
		end += n + 1
		if end == len(b) || b[end] != ' ' && b[end] != '\t' {
			break
		}
	}
	return Field{raw: b[:end], name: nameLen(b[:end])}
}

// nameLen gives the length of the field name raw starts with, or 0 where there is none. Space
// before the colon is obsolete, yet seen (RFC 5322 4.5.8).
func nameLen(raw []byte) int {
	for i, c := range raw {
		switch {
		case c == ':':
			return i
		case c == ' ' || c == '\t':
			rest := bytes.TrimLeft(raw[i:], " \t")
			if len(rest) > 0 && rest[0] == ':' {
				return i
			}
			return 0
		case c <= ' ' || c >= 0x7f:
			return 0
		}
	}
	return 0
}

// unfold gives the value of a field as one line.
func unfold(b []byte) string {
	b = bytes.Trim(b, " \t\r\n")
	if bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') < 0 && bytes.IndexByte(b, 0) < 0 {
		return string(b)
	}
	var s strings.Builder
	s.Grow(len(b))
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '\r', '\n':
			if c == '\r' && i+1 < len(b) && b[i+1] == '\n' {
				i++
			}
			// The space that follows a folded line end stays; a bare line end becomes one.
			if i+1 < len(b) && b[i+1] != ' ' && b[i+1] != '\t' {
				s.WriteByte(' ')
			}
		case 0:
			s.WriteByte(' ')
		default:
			s.WriteByte(c)
		}
	}
	return s.String()
}

func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// Len is the number of fields, nameless ones too.
func (h *Header) Len() int { return len(h.fields) }

// Size is the number of octets Write would write.
func (h *Header) Size() (n int) {
	for _, f := range h.fields {
		n += len(f.raw)
	}
	return n
}

// All goes through the fields in order.
func (h *Header) All() iter.Seq[Field] { return slices.Values(h.fields) }

// Named goes through the fields of one name in order.
func (h *Header) Named(name string) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for _, f := range h.fields {
			if f.Is(name) && !yield(f) {
				return
			}
		}
	}
}

// Field gives the first field of a name.
func (h *Header) Field(name string) (Field, bool) {
	for f := range h.Named(name) {
		return f, true
	}
	return Field{}, false
}

// Get gives the unfolded value of the first field of a name, or an empty string.
func (h *Header) Get(name string) string {
	if f, ok := h.Field(name); ok {
		return f.Value()
	}
	return ""
}

// Text gives the decoded value of the first field of a name, or an empty string.
func (h *Header) Text(name string) string { return DecodeText(h.Get(name)) }

// Values gives the unfolded values of all fields of a name.
func (h *Header) Values(name string) (values []string) {
	for f := range h.Named(name) {
		values = append(values, f.Value())
	}
	return values
}

// Has reports whether a field of that name is there.
func (h *Header) Has(name string) bool {
	_, ok := h.Field(name)
	return ok
}

// Count tells how many fields of that name are there.
func (h *Header) Count(name string) (n int) {
	for range h.Named(name) {
		n++
	}
	return n
}

// Del takes out every field of a name and tells how many there were.
func (h *Header) Del(name string) int {
	before := len(h.fields)
	h.fields = slices.DeleteFunc(slices.Clone(h.fields), func(f Field) bool { return f.Is(name) })
	return before - len(h.fields)
}

// Prepend puts a field before all others, as trace fields go; the value is folded and encoded as
// FormatField does.
func (h *Header) Prepend(name, value string) { h.PrependRaw(FormatField(name, value)) }

// Append puts a field after all others.
func (h *Header) Append(name, value string) { h.AppendRaw(FormatField(name, value)) }

// PrependRaw puts a ready field, as FormatField or Received give it, before all others.
func (h *Header) PrependRaw(raw []byte) {
	h.fields = slices.Insert(slices.Clone(h.fields), 0, ownField(raw))
}

// AppendRaw puts a ready field after all others.
func (h *Header) AppendRaw(raw []byte) {
	if n := len(h.fields); n > 0 && !bytes.HasSuffix(h.fields[n-1].raw, []byte("\n")) {
		h.fields = slices.Clone(h.fields) // the input ended in the midst of its last line
		h.fields[n-1].raw = append(bytes.Clone(h.fields[n-1].raw), "\r\n"...)
	}
	// Clipped, so that a copy of this Header never sees the new field.
	h.fields = append(slices.Clip(h.fields), ownField(raw))
}

// Set replaces the first field of a name in its place and takes out the others; without one it appends.
func (h *Header) Set(name, value string) { h.SetRaw(name, FormatField(name, value)) }

// SetRaw is Set with a ready field.
func (h *Header) SetRaw(name string, raw []byte) {
	i := slices.IndexFunc(h.fields, func(f Field) bool { return f.Is(name) })
	if i < 0 {
		h.AppendRaw(raw)
		return
	}
	kept := slices.Clone(h.fields[:i+1])
	kept[i] = ownField(raw)
	for _, f := range h.fields[i+1:] {
		if !f.Is(name) {
			kept = append(kept, f)
		}
	}
	h.fields = kept
}

func ownField(raw []byte) Field { return Field{raw: raw, name: nameLen(raw)} }

// Write writes the fields as they are, without the empty line that ends a header.
func (h *Header) Write(w io.Writer) error {
	for _, f := range h.fields {
		if _, err := w.Write(f.raw); err != nil {
			return err
		}
	}
	return nil
}

// Bytes gives what Write writes.
func (h *Header) Bytes() []byte {
	b := make([]byte, 0, h.Size())
	for _, f := range h.fields {
		b = append(b, f.raw...)
	}
	return b
}

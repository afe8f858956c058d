package dkimtext

import (
	"bytes"
	"crypto/sha256"
	"strings"

	"github.com/postrider/postrider/proto/message"
)

// Fields is a header as signatures see it: by name, the last field of a name first. It is for any number of signatures.
type Fields struct {
	byName map[string][][]byte
}

// NewFields takes headers that stand one above the other. It keeps their fields.
func NewFields(headers ...*message.Header) *Fields {
	f := &Fields{byName: map[string][][]byte{}}
	for _, h := range headers {
		for field := range h.All() {
			if name := strings.ToLower(field.Name()); name != "" {
				f.byName[name] = append(f.byName[name], field.Raw())
			}
		}
	}
	return f
}

// Count tells how many fields of a name there are.
func (f *Fields) Count(name string) int { return len(f.byName[strings.ToLower(name)]) }

// Digest is what is signed: the fields that s names, from the last of a name upwards, then the field of the signature itself, as
// written, with an empty b=. Names of fields that are not there count nothing. RFC 6376 3.7, RFC 6376 5.4.2.
func (f *Fields) Digest(s *Signature, own []byte) [sha256.Size]byte {
	sum := sha256.New()
	used := map[string]int{}
	var buf []byte
	for _, name := range s.Headers {
		name = strings.ToLower(name)
		all, n := f.byName[name], used[name]
		if n >= len(all) {
			continue
		}
		used[name] = n + 1
		buf = AppendField(buf[:0], s.HeaderCanon, all[len(all)-1-n])
		sum.Write(buf)
	}
	buf = AppendField(buf[:0], s.HeaderCanon, withoutData(own))
	sum.Write(bytes.TrimSuffix(buf, []byte("\r\n")))
	var out [sha256.Size]byte
	sum.Sum(out[:0])
	return out
}

// withoutData empties the b= of a signature field, with all white space around. RFC 6376 3.7.
func withoutData(own []byte) []byte {
	_, value, ok := bytes.Cut(own, []byte{':'})
	for start := len(own) - len(value); ok; {
		part := own[start:]
		end := bytes.IndexByte(part, ';')
		if end >= 0 {
			part = part[:end]
		}
		if name, _, found := bytes.Cut(part, []byte{'='}); found && string(bytes.Trim(name, " \t\r\n")) == "b" {
			return append(bytes.Clone(own[:start+len(name)+1]), own[start+len(part):]...)
		}
		if end < 0 {
			break
		}
		start += end + 1
	}
	return own
}

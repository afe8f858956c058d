package authres

import (
	"errors"
	"strings"

	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/message"
)

// Claims reports whether the value of a field claims to come from a host of ours: its authserv-id is one of own, in any
// case, spelling or script, or cannot be read. In a message from outside such a field is forged. RFC 8601 5, RFC 8601 7.1.
func Claims(value string, own ...string) bool {
	f, err := Parse(value)
	if err != nil && !errors.Is(err, ErrVersion) {
		return true
	}
	id := normal(f.ID)
	for _, ours := range own {
		if id == normal(ours) {
			return true
		}
	}
	return false
}

// normal makes equal what a reader would take for the same host.
func normal(id string) string {
	id = strings.TrimSpace(id)
	if name, err := addr.NormalDomain(id); err == nil {
		return name
	}
	return strings.ToLower(strings.TrimSuffix(id, "."))
}

// Forged counts the fields in the header of a received body that claim to come from us. RFC 8601 5.
func Forged(body *message.Header, own ...string) (n int) {
	for f := range body.Named(Name) {
		if Claims(f.Value(), own...) {
			n++
		}
	}
	return n
}

// Without gives the header without the fields that claim to come from us, for programs that believe what bears our name. The given header
// stays as it is. RFC 8601 5.
func Without(body *message.Header, own ...string) (h message.Header) {
	for f := range body.All() {
		if !f.Is(Name) || !Claims(f.Value(), own...) {
			h.AppendRaw(f.Raw())
		}
	}
	return h
}

// Trusted gives the fields that we wrote ourselves. prefix is the header of the prefix stored beside the body; the header of
// a body must never be given. RFC 8601 4.1.
func Trusted(prefix *message.Header, own ...string) (fields []Field) {
	for f := range prefix.Named(Name) {
		field, err := Parse(f.Value())
		if err == nil && Claims(f.Value(), own...) {
			fields = append(fields, field)
		}
	}
	return fields
}

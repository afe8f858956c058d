package jmap

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/message"
)

// headerProp is a property header:NAME with its form (RFC 8621 4.1.2, RFC 8621 4.1.3).
type headerProp struct {
	prop string // as it was written
	name string
	form string
	all  bool
}

// forms says which fields a form is allowed for; nil: for all. Fields that RFC 5322 and RFC 2369 do not define may have any form.
var forms = map[string][]string{
	"asRaw":              nil,
	"asText":             {"subject", "comments", "keywords", "list-id"},
	"asAddresses":        {"from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-reply-to", "resent-to", "resent-cc", "resent-bcc"},
	"asGroupedAddresses": {"from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-reply-to", "resent-to", "resent-cc", "resent-bcc"},
	"asMessageIds":       {"message-id", "in-reply-to", "references", "resent-message-id"},
	"asDate":             {"date", "resent-date"},
	"asURLs":             {"list-help", "list-unsubscribe", "list-subscribe", "list-post", "list-owner", "list-archive"},
}

// defined are the fields whose forms are restricted.
var defined = func() []string {
	all := []string{"received", "return-path", "mime-version", "content-type", "content-transfer-encoding"}
	for _, names := range forms {
		all = append(all, names...)
	}
	return all
}()

// parseHeaderProp reads a property that begins with "header:". ok is false when it is none that can be asked for.
func parseHeaderProp(prop string) (h headerProp, ok bool) {
	rest, ok := strings.CutPrefix(prop, "header:")
	if !ok {
		return h, false
	}
	parts := strings.Split(rest, ":")
	h = headerProp{prop: prop, name: parts[0], form: "asRaw"}
	parts = parts[1:]
	if len(parts) > 0 && parts[0] != "all" {
		h.form, parts = parts[0], parts[1:]
	}
	if len(parts) > 0 && parts[0] == "all" {
		h.all, parts = true, parts[1:]
	}
	if len(parts) > 0 || h.name == "" || len(h.name) > 200 || strings.ContainsFunc(h.name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return h, false
	}
	allowed, known := forms[h.form]
	if !known {
		return h, false
	}
	name := strings.ToLower(h.name)
	return h, allowed == nil || slices.Contains(allowed, name) || !slices.Contains(defined, name)
}

// value gives the property's value in a header: of the last field of the name, or of all of them.
func (p *headerProp) value(h *message.Header) any {
	var last any
	all := []any{}
	for f := range h.Named(p.name) {
		last = formOf(f, p.form)
		all = append(all, last)
	}
	if p.all {
		return all
	}
	return last
}

// formOf is the value of a field in a form.
func formOf(f message.Field, form string) any {
	switch form {
	case "asText":
		return norm.NFC.String(strings.TrimSpace(f.Text()))
	case "asAddresses":
		return addresses(message.ParseMailboxes(f.Value()))
	case "asGroupedAddresses":
		groups := []object{}
		for _, g := range message.ParseAddressList(f.Value()) {
			var name any
			if g.Named {
				name = g.Name
			}
			groups = append(groups, object{"name": name, "addresses": addresses(g.Members)})
		}
		return groups
	case "asMessageIds":
		return orNull(message.ParseMessageIDs(f.Value()))
	case "asDate":
		if t, ok := message.ParseDate(f.Value()); ok {
			return wire.FormatDate(t)
		}
		return nil
	case "asURLs":
		return orNull(urls(f.Value()))
	}
	return rawValue(f)
}

// rawValue is what follows the colon, as it was written, without the last line end (RFC 8621 4.1.2.1).
func rawValue(f message.Field) string {
	_, value, _ := strings.Cut(string(f.Raw()), ":")
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	if !utf8.ValidString(value) || strings.Contains(value, "\x00") {
		value = strings.ReplaceAll(strings.ToValidUTF8(value, "\uFFFD"), "\x00", "")
	}
	return value
}

func orNull(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// urls are what stands in angle brackets (RFC 2369 2).
func urls(value string) (list []string) {
	for {
		_, rest, ok := strings.Cut(value, "<")
		if !ok {
			return list
		}
		inside, after, ok := strings.Cut(rest, ">")
		if !ok {
			return list
		}
		if u := strings.Join(strings.Fields(inside), ""); u != "" {
			list = append(list, u)
		}
		value = after
	}
}

// addresses makes EmailAddress objects (RFC 8621 4.1.2.3).
func addresses(list []message.Mailbox) []object {
	out := make([]object, 0, len(list))
	for _, m := range list {
		var name any
		if m.Name != "" {
			name = norm.NFC.String(m.Name)
		}
		email := m.Addr.Local
		if m.Addr.Domain != "" {
			email = m.Addr.String()
		}
		out = append(out, object{"name": name, "email": email})
	}
	return out
}

// envelopeAddresses makes them of an envelope's list; null where there is no such field.
func envelopeAddresses(list []message.Address) any {
	if len(list) == 0 {
		return nil
	}
	boxes := make([]message.Mailbox, 0, len(list))
	for _, a := range list {
		if a.Kind == message.AddressMailbox {
			boxes = append(boxes, a.Decoded())
		}
	}
	return addresses(boxes)
}

// fieldsOf lists the fields of a header (RFC 8621 4.1.3 headers).
func fieldsOf(h *message.Header) []object {
	out := make([]object, 0, h.Len())
	for f := range h.All() {
		if f.Name() != "" {
			out = append(out, object{"name": f.Name(), "value": rawValue(f)})
		}
	}
	return out
}

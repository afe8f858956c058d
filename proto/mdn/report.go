package mdn

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/postrider/postrider/proto/message"
)

// Disposition is what was done with a message, and by whom (RFC 8098 3.2.6). The words are in lower case.
type Disposition struct {
	ActionMode  string   // "manual-action", "automatic-action"
	SendingMode string   // "mdn-sent-manually", "mdn-sent-automatically"
	Type        string   // "displayed", "deleted", "dispatched", "processed"
	Modifiers   []string // "error", or others
}

// The words of a disposition.
var (
	ActionModes  = []string{"manual-action", "automatic-action"}
	SendingModes = []string{"mdn-sent-manually", "mdn-sent-automatically"}
	Types        = []string{"deleted", "dispatched", "displayed", "processed"}
)

// Field is a field of which this package knows nothing.
type Field struct{ Name, Value string }

// Report is what a notification says (RFC 8098 3.1). Addresses have their type in front: "rfc822; ann@example.com".
type Report struct {
	ReportingUA       string
	Gateway           string
	OriginalRecipient string
	FinalRecipient    string
	OriginalMessageID string // with its brackets
	Disposition       Disposition
	Errors            []string
	Extensions        []Field
}

// Bounds on what Parse reads; what is beyond is left out.
const (
	MaxReport = 64 << 10 // octets
	maxFields = 100
	maxWords  = 20
)

// ErrNoReport says that what was read is no notification.
var ErrNoReport = errors.New("this is no disposition notification: it has no disposition of a recipient")

// Find gives the part of a message that Parse reads, or nil where the message is no notification.
func Find(root *message.Part) (part *message.Part) {
	root.Walk(func(p *message.Part) bool {
		if p.MediaType == "message" && (p.Subtype == "disposition-notification" || p.Subtype == "global-disposition-notification") {
			part = p
		}
		return part == nil
	})
	return part
}

// Parse reads the body of a message/disposition-notification or message/global-disposition-notification part, its transfer encoding undone
// (message.Contents). It is tolerant: fields in any order, in any letter case, empty lines where none belong. An error of r ends the report where it
// stands; the error of Parse is ErrNoReport or, where nothing was read, that of r.
func Parse(r io.Reader) (Report, error) {
	raw, readErr := io.ReadAll(io.LimitReader(r, MaxReport))
	var rep Report
	for n := 0; len(raw) > 0 && n < maxFields; {
		raw = bytes.TrimLeft(raw, "\r\n")
		h, size := message.ParseHeader(raw)
		for f := range h.All() {
			if n++; n <= maxFields {
				rep.field(f)
			}
		}
		if size == 0 {
			break
		}
		raw = raw[size:]
	}
	if rep.FinalRecipient == "" || rep.Disposition.Type == "" {
		if len(raw) == 0 && readErr != nil {
			return Report{}, readErr
		}
		return Report{}, ErrNoReport
	}
	return rep, nil
}

// field takes one field. The first of a name counts (RFC 8098 3.1: but Error, which may come again).
func (rep *Report) field(f message.Field) {
	value := strings.TrimSpace(f.Text())
	if value == "" {
		return
	}
	set := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	switch strings.ToLower(f.Name()) {
	case "reporting-ua":
		set(&rep.ReportingUA, value)
	case "mdn-gateway":
		set(&rep.Gateway, value)
	case "original-recipient":
		set(&rep.OriginalRecipient, value)
	case "final-recipient":
		set(&rep.FinalRecipient, value)
	case "original-message-id":
		set(&rep.OriginalMessageID, value)
	case "disposition":
		if rep.Disposition.Type == "" {
			rep.Disposition = parseDisposition(value)
		}
	case "error":
		rep.Errors = append(rep.Errors, value)
	default:
		rep.Extensions = append(rep.Extensions, Field{f.Name(), value})
	}
}

// parseDisposition reads the value of the field; without a type it is none. What modes are missing or unknown is taken for the least that may be meant: done,
// and sent, by a machine.
func parseDisposition(s string) Disposition {
	s = strings.ToLower(stripComments(s))
	modes, rest, ok := strings.Cut(s, ";")
	if !ok {
		modes, rest = "", s
	}
	kind, modifiers, _ := strings.Cut(rest, "/")
	if kind = strings.TrimSpace(kind); !isWord(kind) {
		return Disposition{}
	}
	d := Disposition{ActionMode: ActionModes[1], SendingMode: SendingModes[1], Type: kind}
	action, sending, _ := strings.Cut(modes, "/")
	if strings.TrimSpace(action) == ActionModes[0] {
		d.ActionMode = ActionModes[0]
	}
	if strings.TrimSpace(sending) == SendingModes[0] {
		d.SendingMode = SendingModes[0]
	}
	for m := range strings.SplitSeq(modifiers, ",") {
		if m = strings.TrimSpace(m); isWord(m) && len(d.Modifiers) < maxWords {
			d.Modifiers = append(d.Modifiers, m)
		}
	}
	return d
}

// isWord reports whether s is a word as types and modifiers are: those of older versions and of extensions are let through.
func isWord(s string) bool {
	const longest = 40
	return s != "" && len(s) <= longest && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// stripComments takes out what stands in parentheses.
func stripComments(s string) string {
	depth := 0
	return strings.Map(func(r rune) rune {
		switch {
		case r == '(':
			depth++
			return -1
		case r == ')' && depth > 0:
			depth--
			return -1
		case depth > 0:
			return -1
		}
		return r
	}, s)
}

package mdn

import (
	"strings"

	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/message"
)

// Request is what a message asks for by its header (RFC 8098 2).
type Request struct {
	To       []message.Mailbox // who is to be notified, each once; none: nobody asks
	Unknown  []string          // options that must be understood, and are not (RFC 8098 2.2)
	Original string            // Original-Recipient, with its type; "" where the message does not say (RFC 8098 2.3)
	// Doubtful says why a notification must not be sent without asking a person; "" when nothing speaks against it (RFC 8098 2.1).
	Doubtful string
	// Never says why none is sent at all; "" otherwise.
	Never string
}

// ReadRequest reads the header of a message, with what the last hop has put in front of it.
func ReadRequest(h *message.Header) (r Request) {
	for f := range h.All() {
		if !f.Is("Disposition-Notification-To") {
			continue
		}
		for _, m := range message.ParseMailboxes(f.Value()) {
			if a := m.Addr; !a.IsZero() && a.Domain != "" && !has(r.To, a) {
				r.To = append(r.To, m)
			}
		}
	}
	r.Original = strings.TrimSpace(h.Text("Original-Recipient"))
	r.Unknown = required(h.Get("Disposition-Notification-Options"))
	kind, subtype, params := message.ParseContentType(h.Get("Content-Type"))
	if kind == "multipart" && subtype == "report" && strings.Contains(strings.ToLower(message.ParamValue(params, "report-type")), "notification") {
		r.Never = "it is a notification itself" // RFC 8098 3
	}
	sender := message.ParseMailboxes(h.Get("Return-Path"))
	auto := strings.ToLower(strings.TrimSpace(stripComments(h.Get("Auto-Submitted"))))
	switch {
	case len(r.To) > 1:
		r.Doubtful = "several addresses ask for it"
	case len(r.To) == 1 && (len(sender) == 0 || !same(sender[0].Addr, r.To[0].Addr)):
		r.Doubtful = "who asks for it is not who sent the message"
	case auto != "" && auto != "no":
		r.Doubtful = "a machine sent the message" // RFC 3834 2
	case h.Get("List-Id") != "":
		r.Doubtful = "the message came by a mailing list"
	}
	return r
}

func has(list []message.Mailbox, a addr.Address) bool {
	for _, m := range list {
		if same(m.Addr, a) {
			return true
		}
	}
	return false
}

// same compares addresses: the local part exactly, because another letter case may be another mailbox (RFC 8098 2.1).
func same(a, b addr.Address) bool {
	return a.Local == b.Local && a.Normal().Domain == b.Normal().Domain
}

// required gives the options that must be understood (RFC 8098 2.2): none is known here.
func required(value string) (names []string) {
	for option := range strings.SplitSeq(value, ";") {
		name, rest, ok := strings.Cut(option, "=")
		importance, _, _ := strings.Cut(rest, ",")
		if ok && strings.EqualFold(strings.TrimSpace(importance), "required") && len(names) < maxWords {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

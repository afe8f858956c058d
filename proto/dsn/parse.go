package dsn

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/postrider/postrider/proto/message"
)

// Bounds on what Parse reads; what is beyond is left out.
const (
	MaxReport     = 1 << 20 // octets
	MaxRecipients = 1000
)

// ErrNoReport says that what was read tells of no recipient.
var ErrNoReport = errors.New("this is no delivery status: it names no recipient")

// Find gives the part of a message that Parse reads, or nil where the message is no report.
func Find(root *message.Part) (part *message.Part) {
	root.Walk(func(p *message.Part) bool {
		if p.MediaType == "message" && (p.Subtype == "delivery-status" || p.Subtype == "global-delivery-status") {
			part = p
		}
		return part == nil
	})
	return part
}

// Parse reads the body of a message/delivery-status or message/global-delivery-status part, its transfer encoding
// undone (message.Contents). It is tolerant: fields in any order, empty lines where none belong, missing types. An
// error of r ends the report where it stands; the error of Parse is ErrNoReport or, where nothing was read, that of r.
// RFC 3464 2.1, RFC 6533 4.
func Parse(r io.Reader) (Report, error) {
	raw, readErr := io.ReadAll(io.LimitReader(r, MaxReport))
	var rep Report
	for len(raw) > 0 && len(rep.Recipients) < MaxRecipients {
		raw = bytes.TrimLeft(raw, "\r\n")
		h, size := message.ParseHeader(raw)
		raw = raw[size:]
		rep.message(&h)
		if rec, ok := recipientOf(&h); ok {
			rep.Recipients = append(rep.Recipients, rec)
		}
	}
	if len(rep.Recipients) == 0 {
		if readErr != nil {
			return Report{}, readErr
		}
		return Report{}, ErrNoReport
	}
	return rep, nil
}

// message takes the fields that tell of the whole message, wherever they stand.
func (rep *Report) message(h *message.Header) {
	set := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	set(&rep.EnvelopeID, h.Text("Original-Envelope-Id"))
	set(&rep.ReportingMTA, afterType(h.Text("Reporting-MTA")))
	set(&rep.ReceivedFrom, afterType(h.Text("Received-From-MTA")))
	if rep.ArrivalDate.IsZero() {
		rep.ArrivalDate, _ = message.ParseDate(h.Get("Arrival-Date"))
	}
}

// recipientOf takes the fields of one recipient.
func recipientOf(h *message.Header) (r Recipient, ok bool) {
	final := h.Text("Final-Recipient")
	r.Original = h.Text("Original-Recipient")
	if kind, address, found := strings.Cut(r.Original, ";"); found {
		r.Original = strings.ToLower(strings.Trim(kind, " \t")) + ";" + strings.Trim(address, " \t")
	}
	if final == "" && r.Original == "" {
		return r, false
	}
	r.Final = bareAddress(afterType(final))
	if r.Final == "" {
		r.Final = bareAddress(afterType(r.Original))
	}
	r.Action = ParseAction(h.Get("Action"))
	r.Diagnostic = afterType(h.Text("Diagnostic-Code"))
	// Some write words behind the code.
	word, _, _ := strings.Cut(h.Get("Status"), " ")
	if r.Status, ok = ParseStatus(word); !ok {
		r.Status, _ = OfReply(r.Diagnostic)
	}
	r.RemoteMTA = afterType(h.Text("Remote-MTA"))
	r.LastAttempt, _ = message.ParseDate(h.Get("Last-Attempt-Date"))
	r.WillRetryUntil, _ = message.ParseDate(h.Get("Will-Retry-Until"))
	return r, true
}

// afterType takes the type off a value such as `dns; mx.example.com`.
func afterType(s string) string {
	_, value := typed(s)
	return value
}

// bareAddress takes the brackets off that some put around an address.
func bareAddress(s string) string {
	if strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">") {
		return s[1 : len(s)-1]
	}
	return s
}

package dsn

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/message"
)

// MaxReturnedHeader bounds how much of the original header a report returns, in octets; whole fields are left out beyond it.
const MaxReturnedHeader = 64 << 10

// Message is a report about to be written.
type Message struct {
	Report
	To        addr.Address // the sender of the original; the null sender gets no report (RFC 3461 6.2)
	MessageID string       // of the report; unique, with or without brackets
	Date      time.Time    // now, in the zone it shall be told in
	// Original is the header of the message the report is about.
	Original message.Header
	// Body, if not nil, gives the rest of the original: it is returned whole (RET=FULL, RFC 3461 4.3). It must have CRLF line ends.
	Body io.Reader
	// Postmaster is where a person can ask; the address of the report itself is not read by anyone. May be empty.
	Postmaster string
}

// Errors of Compose, apart from those of the writer and of Body.
var (
	ErrNoRecipients = errors.New("a report needs at least one recipient to report on")
	ErrNullSender   = errors.New("a report cannot be sent to the null sender")
	ErrNoMessageID  = errors.New("a report needs a message identifier of its own")
)

// NeedsUTF8 reports whether the report can only be sent to a host that offers SMTPUTF8 (RFC 6533 1).
func (m *Message) NeedsUTF8() bool {
	if m.To.NeedsUTF8() {
		return true
	}
	for i := range m.Recipients {
		if !isASCII(m.Recipients[i].Final) || !isASCII(m.Recipients[i].Original) {
			return true
		}
	}
	return false
}

// Compose writes the report as a whole message with CRLF line ends. It is to be sent with the null sender.
// RFC 3464 2, RFC 6522 3.
func Compose(w io.Writer, m Message) error {
	switch {
	case len(m.Recipients) == 0:
		return ErrNoRecipients
	case m.To.IsZero():
		return ErrNullSender
	case strings.Trim(m.MessageID, "<> \t") == "":
		return ErrNoMessageID
	}
	out := bufio.NewWriter(w)
	mw := message.NewWriter(out, m.header(), "report", message.Boundary(m.MessageID), message.Param{Name: "report-type", Value: "delivery-status"})
	err := mw.Text("plain", m.words())
	if err == nil {
		err = m.machinePart(mw)
	}
	if err == nil {
		err = m.originalPart(mw)
	}
	if err == nil {
		err = mw.Close()
	}
	if err == nil {
		err = out.Flush()
	}
	return err
}

// header is that of the report itself. RFC 3464 2, RFC 3834 3.1.4, RFC 3834 5.
func (m *Message) header() (h message.Header) {
	host := hostWord(m.ReportingMTA)
	from := message.Mailbox{Name: "Mail Delivery System", Addr: addr.Address{Local: "mailer-daemon", Domain: host}}
	h.Append("Date", message.FormatDate(m.Date))
	h.AppendRaw(message.FoldField("From", from.String()))
	h.AppendRaw(message.FoldField("To", message.Mailbox{Addr: m.To}.String()))
	h.Append("Subject", m.subject())
	h.AppendRaw(message.FoldField("Message-ID", message.FormatMessageID(m.MessageID)))
	if ids := message.ParseMessageIDs(m.Original.Get("Message-ID")); len(ids) > 0 {
		id := message.FormatMessageID(ids[0])
		h.AppendRaw(message.FoldField("In-Reply-To", id))
		h.AppendRaw(message.FoldField("References", id))
	}
	h.Append("Auto-Submitted", "auto-replied")
	return h
}

func (m *Message) machinePart(mw *message.Writer) error {
	name := "message/delivery-status"
	utf8 := m.NeedsUTF8()
	if utf8 {
		name = "message/global-delivery-status" // RFC 6533 4
	}
	return mw.Part(partHeader(name, utf8), bytes.NewReader(m.statusText(utf8)))
}

// partHeader makes the header of a part that is given as it is.
func partHeader(mediaType string, eight bool) (h message.Header) {
	h.Append("Content-Type", mediaType)
	if eight {
		h.Append("Content-Transfer-Encoding", "8bit")
	}
	return h
}

// statusText writes the fields for machines: a group for the message and one for each recipient (RFC 3464 2.1).
func (m *Message) statusText(utf8 bool) []byte {
	var b bytes.Buffer
	field := func(name, value string) {
		if value != "" {
			if !utf8 {
				value = asciiOnly(value)
			}
			b.Write(message.FoldField(name, value))
		}
	}
	when := func(name string, t time.Time) {
		if !t.IsZero() {
			field(name, message.FormatDate(t))
		}
	}
	field("Original-Envelope-Id", m.EnvelopeID)
	field("Reporting-MTA", "dns; "+hostWord(m.ReportingMTA))
	if m.ReceivedFrom != "" {
		field("Received-From-MTA", "dns; "+hostWord(m.ReceivedFrom))
	}
	when("Arrival-Date", m.ArrivalDate)
	for _, r := range m.Recipients {
		b.WriteString("\r\n")
		if r.Original != "" {
			kind, address := typed(r.Original)
			field("Original-Recipient", kind+"; "+address)
		}
		kind, address := typed(r.Final)
		field("Final-Recipient", kind+"; "+address)
		field("Action", r.Action.String())
		field("Status", r.status().String())
		if r.RemoteMTA != "" {
			field("Remote-MTA", "dns; "+hostWord(r.RemoteMTA))
		}
		if r.Diagnostic != "" {
			field("Diagnostic-Code", "smtp; "+clip(r.Diagnostic))
		}
		when("Last-Attempt-Date", r.LastAttempt)
		when("Will-Retry-Until", r.WillRetryUntil)
	}
	return b.Bytes()
}

// status is never none: the field is required (RFC 3464 2.3.4).
func (r *Recipient) status() Status {
	if !r.Status.IsZero() {
		return r.Status
	}
	if st, ok := OfReply(r.Diagnostic); ok {
		return st
	}
	switch r.Action {
	case Delayed:
		return Status{Class: 4}
	case Failed, Unknown:
		return Status{Class: 5}
	}
	return Status{Class: 2}
}

// originalPart returns the message, or its header (RFC 3461 6.2).
func (m *Message) originalPart(mw *message.Writer) error {
	if m.Body != nil {
		name := "message/rfc822"
		head := m.Original.Bytes()
		if !isASCII(string(head)) {
			name = "message/global" // RFC 6532 3.7
		}
		return mw.Part(partHeader(name, true), io.MultiReader(crlf(head), strings.NewReader("\r\n"), m.Body))
	}
	head := m.returnedHeader()
	if isASCII(string(head)) {
		return mw.Part(partHeader("text/rfc822-headers", false), crlf(head))
	}
	return mw.Part(partHeader("message/global-headers", true), crlf(head))
}

// returnedHeader is the header as far as it may go back.
func (m *Message) returnedHeader() []byte {
	var b []byte
	for f := range m.Original.All() {
		if f.Is("Bcc") || len(b)+len(f.Raw()) > MaxReturnedHeader {
			continue
		}
		b = append(b, f.Raw()...)
	}
	return b
}

// crlf gives a header with whole lines that end in CRLF, and no CR, LF or NUL within them.
func crlf(head []byte) io.Reader {
	head = bytes.ReplaceAll(head, []byte("\r\n"), []byte("\n"))
	head = bytes.Map(func(r rune) rune {
		if r == '\r' || r == 0 {
			return ' '
		}
		return r
	}, bytes.ToValidUTF8(head, []byte("?")))
	if len(head) > 0 && head[len(head)-1] != '\n' {
		head = append(head, '\n')
	}
	return bytes.NewReader(bytes.ReplaceAll(head, []byte("\n"), []byte("\r\n")))
}

// hostWord makes of a host's name one that can stand in a field: in ASCII where it is a name at all.
func hostWord(s string) string {
	if name, err := addr.NormalDomain(s); err == nil {
		return name
	}
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune("()<>;,\"\\", r) {
			return '?'
		}
		return r
	}, clip(s))
	if s == "" {
		return "unknown"
	}
	return s
}

// clip bounds what a remote host said, and puts it on one line.
func clip(s string) string {
	const maxSaid = 1000
	if len(s) > maxSaid {
		s = strings.ToValidUTF8(s[:maxSaid], "") + "..."
	}
	return strings.Join(strings.Fields(message.DecodeText(strings.ReplaceAll(s, "=?", "= ?"))), " ")
}

func asciiOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}

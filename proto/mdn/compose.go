package mdn

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/postrider/postrider/proto/message"
)

// Message is a notification about to be written.
type Message struct {
	Report
	From      message.Mailbox
	To        []message.Mailbox
	Subject   string
	Text      string // the words for the person, in UTF-8
	MessageID string // of the notification; unique, with or without brackets
	Date      time.Time
	// Original, if not nil, gives the whole message: it goes back (RFC 8098 3 d). It must have CRLF line ends.
	Original io.Reader
}

// Errors of Compose, apart from those of the writer and of Original.
var (
	ErrNobody      = errors.New("a notification needs somebody whom it goes to, and who sends it")
	ErrNoMessageID = errors.New("a notification needs a message identifier of its own")
	ErrField       = errors.New("the name of a field has letters, digits and hyphens, and is none that the notification has anyway")
)

// Compose writes the notification as a whole message with CRLF line ends. It is to be sent with the null sender (RFC 8098 3).
func Compose(w io.Writer, m Message) error {
	switch {
	case len(m.To) == 0, m.From.Addr.IsZero():
		return ErrNobody
	case strings.Trim(m.MessageID, "<> \t") == "":
		return ErrNoMessageID
	}
	status, global, err := m.statusText()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	mw := message.NewWriter(out, m.header(), "report", message.Boundary(m.MessageID), message.Param{Name: "report-type", Value: "disposition-notification"})
	if err = mw.Text("plain", m.Text); err == nil {
		name := "message/disposition-notification"
		if global {
			name = "message/global-disposition-notification" // RFC 6533 6
		}
		err = mw.Part(partHeader(name, global), bytes.NewReader(status))
	}
	if err == nil && m.Original != nil {
		err = mw.Part(partHeader("message/rfc822", true), m.Original)
	}
	if err == nil {
		err = mw.Close()
	}
	if err == nil {
		err = out.Flush()
	}
	return err
}

// header is that of the notification itself (RFC 8098 3, RFC 3834 5).
func (m *Message) header() (h message.Header) {
	h.Append("Date", message.FormatDate(m.Date))
	h.AppendRaw(message.FoldField("From", m.From.String()))
	var to []string
	for _, t := range m.To {
		to = append(to, t.String())
	}
	h.AppendRaw(message.FoldField("To", strings.Join(to, ", ")))
	h.AppendRaw(message.FormatField("Subject", m.Subject))
	h.AppendRaw(message.FoldField("Message-ID", message.FormatMessageID(m.MessageID)))
	if ids := message.ParseMessageIDs(m.OriginalMessageID); len(ids) > 0 {
		id := message.FormatMessageID(ids[0])
		h.AppendRaw(message.FoldField("In-Reply-To", id))
		h.AppendRaw(message.FoldField("References", id))
	}
	h.Append("Auto-Submitted", "auto-replied")
	return h
}

func partHeader(mediaType string, eight bool) (h message.Header) {
	h.Append("Content-Type", mediaType)
	if eight {
		h.Append("Content-Transfer-Encoding", "8bit")
	}
	return h
}

// statusText writes the fields for machines (RFC 8098 3.1). global says that they are not ASCII.
func (m *Message) statusText() (text []byte, global bool, err error) {
	var b bytes.Buffer
	field := func(name, value string) {
		if value = oneLine(value); value != "" {
			b.Write(message.FoldField(name, value))
		}
	}
	field("Reporting-UA", m.ReportingUA)
	field("MDN-Gateway", m.Gateway)
	field("Original-Recipient", m.OriginalRecipient)
	field("Final-Recipient", m.FinalRecipient)
	field("Original-Message-ID", m.OriginalMessageID)
	d := m.Disposition
	value := d.ActionMode + "/" + d.SendingMode + "; " + d.Type
	if len(d.Modifiers) > 0 {
		value += "/" + strings.Join(d.Modifiers, ",")
	}
	field("Disposition", value)
	for _, e := range m.Errors {
		field("Error", e)
	}
	for _, f := range m.Extensions {
		if !extension(f.Name) {
			return nil, false, ErrField
		}
		field(f.Name, f.Value)
	}
	for _, c := range b.Bytes() {
		global = global || c >= 0x80
	}
	return b.Bytes(), global, nil
}

// oneLine makes one line of a text.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?")))
}

// extension reports whether a field may be added (RFC 8098 3.3).
func extension(name string) bool {
	const longest = 60
	if name == "" || len(name) > longest {
		return false
	}
	for i := range len(name) {
		if c := name[i] | 0x20; !(c >= 'a' && c <= 'z' || name[i] >= '0' && name[i] <= '9' || name[i] == '-') {
			return false
		}
	}
	switch strings.ToLower(name) {
	case "reporting-ua", "mdn-gateway", "original-recipient", "final-recipient", "original-message-id", "disposition", "error":
		return false
	}
	return true
}

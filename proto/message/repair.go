package message

import (
	"fmt"
	"strings"
	"time"

	"github.com/postrider/postrider/proto/addr"
)

// RepairInput is what Repair needs from outside.
type RepairInput struct {
	Now       time.Time    // for a missing Date, in the zone it shall be told in
	MessageID string       // for a missing Message-ID, with or without brackets
	From      addr.Address // for a missing From; the zero Address makes a missing From an error
	// Sender, if not zero, is who is known to submit: it becomes the Sender where From names someone
	// else or several people (RFC 6409 8.1), and no other Sender stays.
	Sender addr.Address
}

// RepairError says why a message cannot be submitted as it is, in one sentence.
type RepairError struct{ Text string }

// Error gives the sentence.
func (e *RepairError) Error() string { return e.Text }

func beyondRepair(format string, args ...any) *RepairError {
	return &RepairError{Text: fmt.Sprintf(format, args...)}
}

// singles are the fields that may stand in a message once (RFC 5322 3.6) and whose doubling misleads readers.
var singles = [...]string{"From", "Sender", "Date", "Message-ID", "Subject"}

// Repair completes the header of a submitted message: missing Date and Message-ID, Sender, From; Bcc is taken out
// (RFC 5322 3.6.3). done names the changes for a trace. The error is a *RepairError, and then h is unchanged.
// RFC 6409 8.
func Repair(h *Header, in RepairInput) (done []string, err error) {
	if err := checkFields(h); err != nil {
		return nil, err
	}
	from, err := fromOf(h)
	if err != nil {
		return nil, err
	}
	if len(from) == 0 && in.From.IsZero() {
		return nil, beyondRepair("the message has no From field: add one with the address of its author")
	}
	if !h.Has("Date") {
		h.Set("Date", FormatDate(in.Now))
		done = append(done, "added Date")
	} else if _, ok := ParseDate(h.Get("Date")); !ok {
		h.Set("Date", FormatDate(in.Now))
		done = append(done, "replaced a Date that is none")
	}
	if len(from) == 0 {
		h.SetRaw("From", FoldField("From", in.From.String()))
		from = []Mailbox{{Addr: in.From}}
		done = append(done, "added From")
	}
	done = append(done, repairSender(h, from, in.Sender)...)
	if id := h.Get("Message-ID"); !validID(id) {
		h.SetRaw("Message-ID", FoldField("Message-ID", FormatMessageID(in.MessageID)))
		if id == "" {
			done = append(done, "added Message-ID")
		} else {
			done = append(done, "replaced a Message-ID that is none")
		}
	}
	if h.Del("Bcc") > 0 {
		done = append(done, "removed Bcc")
	}
	return done, nil
}

func checkFields(h *Header) error {
	for f := range h.All() {
		if f.name == 0 {
			line := oneLine(guess(f.Value()))
			return beyondRepair("the header holds a line that is no field (%q): an empty line must stand between header and body", line[:cutAt(line, min(len(line), 60))])
		}
	}
	for _, name := range singles {
		if n := h.Count(name); n > 1 {
			return beyondRepair("the message has %d %s fields: only one is allowed", n, name)
		}
	}
	return nil
}

// fromOf reads the authors. None at all is no error here, one that is no address is.
func fromOf(h *Header) ([]Mailbox, error) {
	if !h.Has("From") {
		return nil, nil
	}
	from := ParseMailboxes(h.Get("From"))
	for _, m := range from {
		if _, err := addr.New(m.Addr.Local, m.Addr.Domain); err != nil {
			return nil, beyondRepair("the From field names no valid address: %v", err)
		}
	}
	if len(from) == 0 {
		return nil, beyondRepair("the From field names no address")
	}
	return from, nil
}

// repairSender makes Sender tell who submits (RFC 6409 8.1, RFC 5322 3.6.2).
func repairSender(h *Header, from []Mailbox, sender addr.Address) []string {
	if sender.IsZero() {
		return nil
	}
	if len(from) == 1 && from[0].Addr.Normal() == sender.Normal() {
		if old := ParseMailboxes(h.Get("Sender")); len(old) != 1 || old[0].Addr.Normal() != sender.Normal() {
			if h.Del("Sender") > 0 {
				return []string{"removed a Sender that did not submit"}
			}
		}
		return nil
	}
	if old := ParseMailboxes(h.Get("Sender")); len(old) == 1 && old[0].Addr.Normal() == sender.Normal() {
		return nil
	}
	h.SetRaw("Sender", FoldField("Sender", sender.String()))
	return []string{"set Sender"}
}

// validID reports whether a Message-ID can serve: one identifier in brackets, with an @ in it.
func validID(value string) bool {
	if !strings.HasPrefix(value, "<") || !strings.HasSuffix(value, ">") || strings.ContainsAny(value, " \t") {
		return false
	}
	inner := value[1 : len(value)-1]
	at := strings.LastIndexByte(inner, '@')
	return at > 0 && at < len(inner)-1 && !strings.ContainsAny(inner, "<>")
}

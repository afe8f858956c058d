package dsn

import (
	"fmt"
	"strings"

	"github.com/postrider/postrider/proto/message"
)

// subject tells the fate, and which message it was.
func (m *Message) subject() string {
	const maxSubject = 150
	about := clip(m.Original.Text("Subject"))
	if about == "" {
		about = "(no subject)"
	}
	if r := []rune(about); len(r) > maxSubject {
		about = string(r[:maxSubject]) + "..."
	}
	switch m.Worst() {
	case Delayed:
		return "Not delivered yet: " + about
	case Delivered:
		return "Delivered: " + about
	case Relayed, Expanded:
		return "Passed on: " + about
	}
	return "Not delivered: " + about
}

// words is the part for people: what happened, to which recipients, in the remote's own words, and what one can do.
func (m *Message) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "This is the mail system at %s.\n\nIt is about your message", hostWord(m.ReportingMTA))
	if s := clip(m.Original.Text("Subject")); s != "" {
		fmt.Fprintf(&b, " %q", s)
	}
	if d := clip(m.Original.Get("Date")); d != "" {
		fmt.Fprintf(&b, " of %s", d)
	}
	b.WriteString(".\n")
	for _, part := range [...]struct {
		action Action
		title  string
	}{
		{Failed, "It could NOT be delivered to the following, and nothing more will be tried:"},
		{Unknown, "It is not clear what became of it for the following:"},
		{Delayed, "It could not be delivered YET to the following. You need not send it again; attempts go on by themselves:"},
		{Delivered, "It is in the mailbox of the following:"},
		{Relayed, "It was passed on for the following, to a system that does not report what becomes of it:"},
		{Expanded, "It was passed on to the members of the following:"},
	} {
		m.wordsFor(&b, part.action, part.title)
	}
	if m.Worst() == Failed || m.Worst() == Delayed {
		if m.Postmaster != "" {
			fmt.Fprintf(&b, "\nIf you need help, write to %s and send this report along.\n", clip(m.Postmaster))
		}
	}
	b.WriteString("\nWhat follows is the same for machines, and your message")
	if m.Body == nil {
		b.WriteString("'s header")
	}
	b.WriteString(".\n")
	return b.String()
}

func (m *Message) wordsFor(b *strings.Builder, action Action, title string) {
	for i := range m.Recipients {
		r := &m.Recipients[i]
		if r.Action != action {
			continue
		}
		if title != "" {
			b.WriteString("\n" + title + "\n")
			title = ""
		}
		r.words(b)
	}
}

// words tells of one recipient.
func (r *Recipient) words(b *strings.Builder) {
	fmt.Fprintf(b, "\n  %s\n", clip(shown(r.Final)))
	if kind, original := typed(r.Original); original != "" && !strings.EqualFold(original, r.Final) && (strings.EqualFold(kind, "rfc822") || strings.EqualFold(kind, "utf-8")) {
		fmt.Fprintf(b, "    You had written to %s.\n", clip(shown(original)))
	}
	switch r.Action {
	case Failed, Delayed, Unknown:
	default:
		return
	}
	e := r.status().Explain()
	wrap(b, e.What)
	switch {
	case r.Diagnostic != "" && r.RemoteMTA != "":
		fmt.Fprintf(b, "    The server %s said:\n      %s\n", hostWord(r.RemoteMTA), clip(r.Diagnostic))
	case r.Diagnostic != "":
		fmt.Fprintf(b, "    The server said:\n      %s\n", clip(r.Diagnostic))
	case r.Reason != "":
		wrap(b, "More exactly: "+clip(r.Reason))
	}
	if r.Action == Delayed {
		if !r.WillRetryUntil.IsZero() {
			fmt.Fprintf(b, "    Attempts go on until %s.\n", message.FormatDate(r.WillRetryUntil))
		}
		return
	}
	if e.Advice != "" {
		wrap(b, "What you can do: "+e.Advice)
	}
}

// wrap writes text indented, in lines of at most 76 characters.
func wrap(b *strings.Builder, text string) {
	const indent, width = "    ", 72
	column := 0
	for word := range strings.FieldsSeq(text) {
		n := len([]rune(word))
		switch {
		case column == 0:
			b.WriteString(indent)
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	if column > 0 {
		b.WriteByte('\n')
	}
}

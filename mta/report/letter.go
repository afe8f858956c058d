package report

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/message"
)

// letter is a mail that carries a report.
type letter struct {
	from    addr.Address
	to      []addr.Address
	subject string         // "" where marks has it
	marks   message.Header // further fields
	id      string
	text    string
	subtype string // of the multipart
	params  []message.Param
	media   string
	name    string
	body    []byte
}

// post sends a letter, by the same commit that takes the day's counts away.
func (s *Sender) post(ctx context.Context, d day, l letter, wish mail.TLSWish) error {
	env := mail.Envelope{TLS: wish} // the null reverse-path
	for _, a := range l.to {
		env.To = append(env.To, mail.Path(a.String()))
	}
	posting, err := s.Poster.Post(ctx, env, func(w io.Writer) error { return l.write(w, message.FormatDate(s.Clock.Now().UTC())) })
	if posting.Discard != nil {
		defer posting.Discard()
	}
	if err != nil {
		return err
	}
	set := mail.ChangeSet{Changes: []mail.Change{taken(d)}}
	set.Add(posting.Changes...)
	_, err = s.Journal.Commit(ctx, set)
	return err
}

func (l letter) write(w io.Writer, date string) error {
	var h message.Header
	h.Append("Date", date)
	h.AppendRaw(message.FoldField("From", message.Mailbox{Addr: l.from}.String()))
	var to []message.Mailbox
	for _, a := range l.to {
		to = append(to, message.Mailbox{Addr: a})
	}
	h.AppendRaw(message.FoldField("To", message.FormatMailboxes(to)))
	if l.subject != "" {
		h.Append("Subject", l.subject)
	}
	for f := range l.marks.All() {
		h.AppendRaw(f.Raw())
	}
	h.AppendRaw(message.FoldField("Message-ID", message.FormatMessageID(strings.Map(idRune, l.id))))
	h.Append("Auto-Submitted", "auto-generated") // RFC 3834 5
	m := message.NewWriter(w, h, l.subtype, message.Boundary(l.id), l.params...)
	if err := m.Text("plain", l.text); err != nil {
		return err
	}
	if err := m.Attach(message.Attachment{MediaType: l.media, Name: l.name}, bytes.NewReader(l.body)); err != nil {
		return err
	}
	return m.Close()
}

// idRune keeps a report's identifier within what a Message-ID may have.
func idRune(c rune) rune {
	if c > ' ' && c < 0x7f && c != '<' && c != '>' {
		return c
	}
	return '-'
}

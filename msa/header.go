package msa

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/directory"
	"github.com/postrider/postrider/service/intake"
)

// repaired reads the header, checks and repairs it, notes what it wishes of TLS, and gives the whole message as a stream again.
func (a *Agent) repaired(ctx context.Context, s *submission) (io.Reader, error) {
	in := bufio.NewReaderSize(s.body, 16<<10)
	h, err := message.ReadHeader(in, message.DefaultMaxHeader)
	if errors.Is(err, message.ErrHeaderTooLarge) {
		return nil, &mail.Error{Kind: mail.TooLarge, Enhanced: "5.3.4", Text: "the header of the message is over 256 KiB; send with fewer or shorter fields"}
	}
	if err != nil {
		return nil, err
	}
	if err := a.mayHeader(ctx, s.account, &h); err != nil {
		return nil, err
	}
	if err := a.repair(s.account, &h); err != nil {
		return nil, err
	}
	// The parameter of MAIL, where there is one, counts more (RFC 8689 4.1).
	if s.env.TLS == mail.TLSAsUsual && strings.EqualFold(strings.TrimSpace(h.Get("TLS-Required")), "No") {
		s.env.TLS = mail.TLSOptional
	}
	s.extra = append(s.extra, a.remembered(s.account.ID, &h, s.env)...)
	if a.OneClick && !h.Has("List-Unsubscribe-Post") && strings.Contains(strings.ToLower(h.Get("List-Unsubscribe")), "<https://") {
		h.Append("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	head := append(h.Bytes(), "\r\n"...)
	return io.MultiReader(bytes.NewReader(head), in), nil
}

// repair completes the header. A Sender is added only where several authors make it needed (RFC 5322 3.6.2): who
// writes as an alias need not tell their other address.
func (a *Agent) repair(account mail.Account, h *message.Header) error {
	own, err := addr.Parse(string(account.Address))
	if err != nil {
		return mail.Errorf(mail.Internal, "the account's address %s cannot be read: %w", account.Address, err)
	}
	now := a.Clock.Now()
	in := message.RepairInput{Now: now, From: own, MessageID: string(mail.NewTraceID(now, rand.Uint32())) + "@" + a.Intake.Hostname}
	if len(addresses(h.Get("From"))) > 1 && !h.Has("Sender") {
		in.Sender = own
	}
	if _, err := message.Repair(h, in); err != nil {
		return &mail.Error{Kind: mail.Invalid, Enhanced: "5.6.0", Text: err.Error(), Err: err}
	}
	return nil
}

// mayHeader refuses a From or Sender that is somebody else's. A message that its owner sends on untouched (Resent-From)
// keeps the From it came with. RFC 6409 8.1, RFC 5322 3.6.6.
func (a *Agent) mayHeader(ctx context.Context, account mail.Account, h *message.Header) error {
	fields := []string{"From", "Sender"}
	if h.Has("Resent-From") {
		fields = []string{"Resent-From", "Resent-Sender"}
	}
	for _, name := range fields {
		for _, value := range h.Values(name) {
			for _, p := range addresses(value) {
				if err := a.mayUse(ctx, account, p, "the address in the field "+name+":"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// addresses lists the addresses of a field; what is none is left to Repair to judge.
func addresses(value string) []mail.Path {
	var out []mail.Path
	for _, m := range message.ParseMailboxes(value) {
		if m.Addr.Domain == "" {
			continue
		}
		if c, err := directory.Canonical(mail.Path(m.Addr.String())); err == nil {
			out = append(out, c)
		}
	}
	return out
}

// received is the trace field of a submission that did not come over SMTP.
func (a *Agent) received(s mail.Submission, l *mail.Letter) []byte {
	hello := s.Hello
	if hello == "" {
		hello = "localhost"
	}
	return message.Received{Helo: hello, By: a.Intake.Hostname, With: s.With, ID: string(l.Trace), For: intake.For(l.Envelope), Time: l.Arrived}.Field()
}

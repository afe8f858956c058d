package imap

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
	"github.com/postrider/postrider/proto/message"
)

// cmdAppend serves APPEND (RFC 9051 6.3.12), of several messages as well (RFC 3502): all of them or none, in one change set.
// A message goes straight to the store; one that the client does not finish leaves nothing behind.
func (s *session) cmdAppend(ctx context.Context, c *call, a *wire.Append) (reply, error) {
	box, err := s.mailbox(ctx, a.Mailbox)
	if err != nil {
		return intoMissing(s.refuse(c, err)), nil
	}
	account, err := s.cfg.Authenticator.Account(ctx, string(s.account.Address))
	if err != nil {
		return reply{}, err
	}
	room := account.Quota - account.Used
	var set mail.ChangeSet
	summaries := 0
	defer func() {
		for _, ch := range set.Changes {
			ch.(mail.AddMessage).Body.(mail.SealedBody).Discard()
		}
	}()
	for {
		m, more := c.d.NextMessage()
		if !more {
			break
		}
		if r := s.appendable(m, len(set.Changes)); r.status != "" {
			return r, nil
		}
		if room -= m.Literal.Size; account.Quota > 0 && room < 0 {
			// Refused before the message is sent: it could not be filed anyway.
			return refusal(mail.Errorf(mail.OverQuota, "the account has no room for this message")), nil
		}
		add, err := s.receive(ctx, c, m)
		if err != nil {
			return reply{}, err
		}
		add.Mailbox = box.ID
		set.Add(add)
		if summaries += len(add.Summary); summaries > maxSummaries {
			return no("LIMIT", "these messages are too many or too complicated for one APPEND; send them in several"), nil
		}
		if c.d.MessageEnd(m); c.d.Err() != nil {
			return refusal(c.d.Err()), nil
		}
	}
	if c.d.Err() == nil && len(set.Changes) == 0 {
		c.d.Fail("APPEND needs a message")
	}
	if !c.d.End() {
		return refusal(c.d.Err()), nil
	}
	rc, err := s.cfg.Journal.Commit(ctx, set)
	if err != nil {
		return intoMissing(s.refuse(c, err)), nil
	}
	if s.box != nil && s.box.id == box.ID {
		c.changed, err = s.appended(set, rc)
	}
	return okCode(appendUID(rc), "appended"), err
}

// appended tells the client of what it appended to the mailbox it has selected. It is true where others changed the mailbox meanwhile, and
// the store must be asked.
func (s *session) appended(set mail.ChangeSet, rc mail.Receipt) (ask bool, err error) {
	before := len(s.box.entries)
	for i, r := range rc.Results {
		if ask = !s.box.follows(r.ModSeq); ask {
			break
		}
		if _, err = s.box.put(r.UID, set.Changes[i].(mail.AddMessage).Flags, r.ModSeq); err != nil {
			return false, err
		}
		s.box.advance(r.ModSeq)
	}
	if len(s.box.entries) > before {
		s.tellExists()
		s.tellFlagNames()
	}
	return ask, nil
}

// maxSummaries bounds what is held of the structures of all messages of one APPEND.
const maxSummaries = 4 << 20

// appendUID tells the UIDs of what was appended (RFC 9051 7.1 APPENDUID).
func appendUID(rc mail.Receipt) string {
	var uids []wire.Range
	for _, r := range rc.Results {
		uids = wire.AppendNumber(uids, r.UID)
	}
	return fmt.Sprintf("APPENDUID %d %s", rc.Results[0].UIDValidity, wire.FormatRanges(uids))
}

// appendable says no to a message before it is sent.
func (s *session) appendable(m wire.AppendMessage, before int) reply {
	switch limit := s.cfg.Limits.Append; {
	case m.Literal.Size > limit: // RFC 7889 4
		return no("TOOBIG", "a message can have %d octets at most", limit)
	case m.Literal.Size == 0: // RFC 3502 6.3.11: how a client calls it off
		return no("CANNOT", "a message of no octets cancels APPEND")
	case before >= s.cfg.Limits.Messages:
		return no("LIMIT", "one APPEND takes %d messages at most", s.cfg.Limits.Messages)
	}
	return reply{}
}

// receive streams one message into the store, and scans it on the way.
func (s *session) receive(ctx context.Context, c *call, m wire.AppendMessage) (mail.AddMessage, error) {
	var none mail.AddMessage
	flags, err := parseFlags(m.Flags)
	if err != nil {
		return none, err
	}
	w, err := s.cfg.Blobs.Create(ctx)
	if err != nil {
		return none, err
	}
	defer w.Discard()
	scanner := message.NewScanner(message.Limits{})
	check := &nulCheck{}
	if _, err := io.Copy(io.MultiWriter(check, w, scanner), c.d.Message(m)); err != nil {
		return none, err
	}
	root := scanner.Finish()
	facts := root.Facts()
	body, err := w.Seal()
	if err != nil {
		return none, err
	}
	now := s.cfg.Clock.Now()
	received := m.Date
	if received.IsZero() {
		received = now
	}
	return mail.AddMessage{Account: s.account.ID, Body: body, Summary: message.Encode(root), Flags: flags,
		Received: received.UTC(), Saved: now, CheckQuota: true,
		Thread: mail.ThreadKeys{MessageID: facts.MessageID, References: threadRefs(facts), Subject: facts.BaseSubject}}, nil
}

// threadRefs are In-Reply-To and References, the last 32 of them.
func threadRefs(f message.Facts) []string {
	refs := append(append([]string(nil), f.InReplyTo...), f.References...)
	return refs[max(0, len(refs)-32):]
}

// nulCheck refuses NUL, which a literal cannot hold when the message is fetched (RFC 9051 4.3), nor can mail be that
// holds it (RFC 5322 3.5).
type nulCheck struct{}

func (*nulCheck) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, 0) >= 0 {
		return 0, errNUL
	}
	return len(p), nil
}

var errNUL = mail.Errorf(mail.Invalid, "the message holds NUL octets, which mail cannot; send such content in base64")

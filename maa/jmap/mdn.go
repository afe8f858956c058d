package jmap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/mdn"
	"github.com/postrider/postrider/proto/message"
)

// capMDN is RFC 9007 1.3.
const capMDN = "urn:ietf:params:jmap:mdn"

// maxMDNText is how many octets the words of a notification have.
const maxMDNText = 64 << 10

// mdnParse answers MDN/parse (RFC 9007 2.2).
func (c *call) mdnParse() (any, error) {
	var ids wire.IDs
	r := wire.Reader{Args: c.args}
	r.Must("blobIds", &ids)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	const most = 50 // each is read whole
	if len(ids) > most {
		return nil, wire.Errorf(wire.ErrRequestTooLarge, fmt.Sprintf("one call parses %d blobs at most", most))
	}
	parsed := map[string]object{}
	notParsable, missing := []string{}, []string{}
	sent := sentMail{c: c}
	for _, id := range ids {
		o, err := c.parseMDN(c.ctx, c.real(id), &sent)
		switch {
		case mail.Is(err, mail.NotFound):
			missing = append(missing, id)
		case mail.Is(err, mail.Invalid):
			notParsable = append(notParsable, id)
		case err != nil:
			return nil, err
		default:
			parsed[id] = o
		}
	}
	return object{"accountId": accountID(c.account.ID), "parsed": orNil(parsed), "notParsable": orNull(notParsable), "notFound": orNull(missing)}, nil
}

// parseMDN reads one notification. Invalid when the blob is none.
func (c *call) parseMDN(ctx context.Context, id string, sent *sentMail) (object, error) {
	src, err := c.blob(ctx, id)
	if err != nil {
		return nil, err
	}
	defer src.close()
	root, err := src.tree()
	if err != nil {
		return nil, err
	}
	p := mdn.Find(root)
	if p == nil {
		return nil, mail.Errorf(mail.Invalid, "the blob is no disposition notification")
	}
	body, err := message.Contents(p, src.section)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	rep, err := mdn.Parse(body)
	if errors.Is(err, mdn.ErrNoReport) || err == nil && !slices.Contains(mdn.Types, rep.Disposition.Type) {
		return nil, mail.Errorf(mail.Invalid, "the blob is no disposition notification that is understood")
	}
	if err != nil {
		return nil, err
	}
	h, err := src.header()
	if err != nil {
		return nil, err
	}
	text, err := src.mdnText(root)
	if err != nil {
		return nil, err
	}
	email, err := sent.find(rep.OriginalMessageID)
	if err != nil {
		return nil, err
	}
	o := reportObject(&rep)
	o["forEmailId"], o["subject"], o["textBody"] = emptyNull(email), emptyNull(h.Text("Subject")), text
	o["includeOriginalMessage"] = slices.ContainsFunc(root.Children, func(p *message.Part) bool { return p.Message() != nil })
	return o, nil
}

// reportObject is what a notification says, as RFC 9007 2 has it.
func reportObject(rep *mdn.Report) object {
	o := object{"reportingUA": emptyNull(rep.ReportingUA), "mdnGateway": emptyNull(rep.Gateway), "originalRecipient": emptyNull(rep.OriginalRecipient),
		"finalRecipient": emptyNull(rep.FinalRecipient), "originalMessageId": emptyNull(rep.OriginalMessageID), "error": orNull(rep.Errors), "extensionFields": nil,
		"disposition": object{"actionMode": rep.Disposition.ActionMode, "sendingMode": rep.Disposition.SendingMode, "type": rep.Disposition.Type}}
	if len(rep.Extensions) > 0 {
		more := map[string]string{}
		for _, f := range rep.Extensions {
			more[f.Name] = f.Value
		}
		o["extensionFields"] = more
	}
	return o
}

// mdnText is the first text of a notification, for people; null without.
func (s *source) mdnText(root *message.Part) (any, error) {
	for _, l := range sortParts(root).text {
		if l.part.MediaType == "text" && l.part.Subtype == "plain" {
			v, _, err := s.bodyValue(l.part, maxMDNText)
			return v["value"], err
		}
	}
	return nil, nil //nolint:nilnil // null
}

// sentMail finds a message that was sent by its Message-ID. It reads what was sent once.
type sentMail struct {
	c    *call
	byID map[string]string
}

// find gives the Email's id; "" when it is not known.
func (s *sentMail) find(id string) (string, error) {
	ids := message.ParseMessageIDs(id)
	if len(ids) == 0 || !s.c.s.sends() {
		return "", nil
	}
	if s.byID == nil {
		list, _, err := s.c.submissions()
		if err != nil {
			return "", err
		}
		s.byID = map[string]string{}
		for _, sub := range list {
			if sub.MessageID != "" {
				s.byID[sub.MessageID] = sub.Email
			}
		}
	}
	return s.byID[ids[0]], nil
}

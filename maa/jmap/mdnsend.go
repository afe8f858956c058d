package jmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/mdn"
	"github.com/postrider/postrider/proto/message"
)

// errMDNSent is RFC 9007 2.1.
const errMDNSent = "mdnAlreadySent"

// kindMDN is the kind of the notes that say that a notification was sent, so that of two calls at the same time one sends it. They are made by the
// commit that takes it. The keyword, which is set by that commit too, says so for longer.
const (
	kindMDN = "mdn-sent"
	mdnLife = 90 * 24 * time.Hour
)

// keyMDNSent is the keyword (RFC 3503, RFC 9007 1.2).
const keyMDNSent = "$mdnsent"

// maxMDNTo is how many addresses one message may have notified.
const maxMDNTo = 5

// mdnSend answers MDN/send (RFC 9007 2.1).
func (c *call) mdnSend() (any, error) {
	var identityID string
	var send, after map[string]json.RawMessage
	r := wire.Reader{Args: c.args}
	r.Must("identityId", &identityID)
	r.Must("send", &send)
	r.Get("onSuccessUpdateEmail", &after)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	if most := c.s.cfg.Limits.Set; len(send) > most {
		return nil, wire.Errorf(wire.ErrRequestTooLarge, fmt.Sprintf("one call sends %d notifications at most", most))
	}
	who, err := c.identity(c.real(identityID))
	if err != nil {
		return nil, wire.Errorf(wire.ErrInvalidArguments, "there is no such identity")
	}
	sent, notSent := map[string]object{}, map[string]*wire.MethodError{}
	update := map[string]json.RawMessage{}
	for _, key := range slices.Sorted(maps.Keys(send)) {
		m, err := c.readMDN(send[key], who)
		var patch json.RawMessage
		if err == nil {
			patch, err = patchOf(after, key, m.email)
		}
		if err == nil {
			err = c.sendMDN(m)
		}
		if err != nil {
			notSent[key] = c.setError(err)
			continue
		}
		sent[key], update[m.email] = m.told, patch
	}
	if len(update) > 0 {
		c.also("Email/set", wire.Args{"update": rawArg(update)}, (*call).emailSet)
	}
	resp := object{"accountId": accountID(c.account.ID), "sent": orNil(sent), "notSent": nil}
	if len(notSent) > 0 {
		resp["notSent"] = notSent
	}
	return resp, nil
}

// patchOf finds what is done to the message afterwards: without the keyword being set by it nothing is sent (RFC 9007 2.1).
func patchOf(after map[string]json.RawMessage, key, email string) (json.RawMessage, error) {
	for _, name := range []string{"#" + key, email} {
		raw, there := after[name]
		if !there {
			continue
		}
		var patch map[string]any
		if json.Unmarshal(raw, &patch) != nil {
			break
		}
		words, _ := patch["keywords"].(map[string]any)
		if patch["keywords/"+keyMDNSent] == true || words[keyMDNSent] == true {
			return raw, nil
		}
	}
	return nil, wire.Errorf(wire.ErrInvalidProperties, "onSuccessUpdateEmail must set the keyword "+keyMDNSent+" on the message")
}

// outgoingMDN is a notification that is to be sent.
type outgoingMDN struct {
	mdn.Message
	email string // of the message that it is about
	id    mail.EmailID
	whole bool   // the original goes with it
	told  object // what the client did not set
}

// readMDN reads what the client wants (RFC 9007 2).
func (c *call) readMDN(raw json.RawMessage, who *identity) (*outgoingMDN, error) {
	a, err := decodeObject(raw)
	if err != nil {
		return nil, err
	}
	m := &outgoingMDN{told: object{}}
	var d struct{ ActionMode, SendingMode, Type string }
	var more map[string]string
	r := wire.Reader{Args: a}
	r.Must("forEmailId", &m.email)
	r.Get("subject", &m.Subject)
	r.Get("textBody", &m.Text)
	r.Get("includeOriginalMessage", &m.whole)
	r.Get("reportingUA", &m.ReportingUA)
	r.Get("finalRecipient", &m.FinalRecipient)
	r.Must("disposition", &d)
	r.Get("extensionFields", &more)
	for _, name := range []string{"mdnGateway", "originalRecipient", "originalMessageId", "error"} {
		if !wire.IsNull(r.Raw(name)) {
			return nil, badProperties("this is the server's to say", name)
		}
	}
	if err := r.End(); err != nil {
		return nil, badProperties(err.Error(), slices.Sorted(maps.Keys(a))...)
	}
	m.Disposition = mdn.Disposition{ActionMode: d.ActionMode, SendingMode: d.SendingMode, Type: d.Type}
	if !slices.Contains(mdn.ActionModes, d.ActionMode) || !slices.Contains(mdn.SendingModes, d.SendingMode) || !slices.Contains(mdn.Types, d.Type) {
		return nil, badProperties("it has an actionMode, a sendingMode and a type of RFC 9007 2", "disposition")
	}
	size := len(m.Subject) + len(m.Text) + len(m.ReportingUA)
	for _, name := range slices.Sorted(maps.Keys(more)) {
		m.Extensions = append(m.Extensions, mdn.Field{Name: name, Value: more[name]})
		size += len(name) + len(more[name])
	}
	if size > maxMDNText {
		return nil, wire.Errorf(wire.ErrTooLarge, fmt.Sprintf("the texts of a notification can have %d octets", maxMDNText))
	}
	m.email = c.real(m.email)
	if err := c.mdnSender(m, who); err != nil {
		return nil, err
	}
	if _, given := a["includeOriginalMessage"]; !given {
		m.told["includeOriginalMessage"] = false
	}
	return m, nil
}

// mdnSender says who sends the notification, and for whom (RFC 9007 5).
func (c *call) mdnSender(m *outgoingMDN, who *identity) error {
	from, err := addr.Parse(who.Email)
	if err != nil {
		return wire.Errorf(wire.ErrForbiddenFrom, "the identity has no mail address")
	}
	m.From = message.Mailbox{Name: who.Name, Addr: from}
	if m.FinalRecipient == "" {
		m.FinalRecipient = "rfc822; " + from.String()
		m.told["finalRecipient"] = m.FinalRecipient
		return nil
	}
	kind, address, ok := strings.Cut(m.FinalRecipient, ";")
	if !ok {
		kind, address = "rfc822", kind
	}
	final, err := addr.Parse(strings.TrimSpace(address))
	if kind = strings.ToLower(strings.TrimSpace(kind)); err != nil || kind != "rfc822" && kind != "utf-8" {
		return badProperties("it is no mail address", "finalRecipient")
	}
	may, err := c.s.cfg.Senders.MayUse(c.ctx, c.account.ID, mail.Path(final.Normal().String()))
	if err != nil {
		return err
	}
	if !may {
		return wire.Errorf(wire.ErrForbiddenFrom, final.String()+" does not belong to "+string(c.account.Address))
	}
	m.FinalRecipient = kind + "; " + final.String()
	return nil
}

// sendMDN sends a notification, if one may be.
func (c *call) sendMDN(m *outgoingMDN) error {
	s, err := c.snap()
	if err != nil {
		return err
	}
	m.id, _ = parseEmail(m.email)
	e := s.email(m.id)
	switch junk := s.role(mail.UseJunk); {
	case e == nil:
		return notFound("message")
	case e.flags.Bits&mail.MDNSent != 0:
		return wire.Errorf(errMDNSent, "a notification was sent for this message")
	case e.flags.Bits&mail.Junk != 0, junk != nil && e.in(junk.ID):
		return wire.Errorf(wire.ErrForbidden, "junk is told nothing; move the message out of there first")
	}
	stored, err := c.s.cfg.Mailboxes.Message(c.ctx, c.account.ID, m.id)
	if err != nil {
		return err
	}
	src, err := c.stored(c.ctx, &stored)
	if err != nil {
		return err
	}
	defer src.close()
	if err := c.mayMDN(m, src); err != nil {
		return err
	}
	now := c.s.cfg.Clock.Now()
	extra := []mail.Change{
		mail.PutNote{If: mail.NoteAbsent, Note: mail.Note{Kind: kindMDN, Key: c.ownKey() + m.email, Account: c.account.ID, Expires: now.Add(mdnLife)}},
		mail.SetFlags{Account: c.account.ID, Mailbox: e.places[0].mailbox, UIDs: []mail.UIDRange{{First: e.places[0].uid, Last: e.places[0].uid}}, Op: mail.FlagsAdd,
			Flags: mail.Flags{Bits: mail.MDNSent}},
	}
	err = c.submitMDN(m, src, extra)
	if mail.Is(err, mail.Exists) {
		return wire.Errorf(errMDNSent, "a notification was sent for this message")
	}
	if err != nil {
		return sendError(err)
	}
	c.s.tell(c.account.ID)
	return nil
}

// mayMDN says whether a message asks for a notification, and one may be sent (RFC 8098 2, RFC 9007 2.1). It fills in what the message says.
func (c *call) mayMDN(m *outgoingMDN, src *source) error {
	h, err := src.header()
	if err != nil {
		return err
	}
	req := mdn.ReadRequest(&h)
	automatic := m.Disposition.SendingMode != mdn.SendingModes[0]
	switch {
	case len(req.To) == 0:
		return wire.Errorf(wire.ErrNotFound, "the message asks for no notification")
	case req.Never != "":
		return wire.Errorf(wire.ErrForbidden, "no notification is sent: "+req.Never)
	case len(req.Unknown) > 0:
		return wire.Errorf(wire.ErrForbidden, "no notification is sent: the message demands what is not known here: "+strings.Join(req.Unknown, ", "))
	case automatic && req.Doubtful != "":
		return wire.Errorf(wire.ErrForbidden, "no notification is sent without asking a person: "+req.Doubtful)
	case len(req.To) > maxMDNTo:
		return wire.Errorf(wire.ErrForbidden, fmt.Sprintf("no notification is sent: more than %d addresses ask for it", maxMDNTo))
	}
	m.To = req.To
	if m.OriginalRecipient = req.Original; req.Original != "" {
		m.told["originalRecipient"] = req.Original
	}
	if ids := message.ParseMessageIDs(h.Get("Message-ID")); len(ids) > 0 {
		m.OriginalMessageID = message.FormatMessageID(ids[0])
		m.told["originalMessageId"] = m.OriginalMessageID
	}
	if m.Subject == "" {
		m.Subject = "Read: " + h.Text("Subject")
		m.told["subject"] = m.Subject
	}
	if m.Text == "" {
		m.Text = "This is a notification about a message that you sent to " + m.From.Addr.String() + ".\n\nIt was " + m.Disposition.Type +
			". That does not say that it was read or understood.\n"
		m.told["textBody"] = m.Text
	}
	return nil
}

// submitMDN writes the notification while the submitter reads it. Its sender is nobody, so that no report comes back for it (RFC 8098 3).
func (c *call) submitMDN(m *outgoingMDN, src *source, extra []mail.Change) error {
	now := c.s.cfg.Clock.Now()
	m.Date = now
	m.MessageID = string(mail.NewTraceID(now, rand.Uint32())) + "@" + m.From.Addr.Domain
	if m.whole {
		original, err := src.section(0, -1)
		if err != nil {
			return err
		}
		defer original.Close()
		m.Original = original
	}
	env := mail.Envelope{Body: mail.Body8Bit}
	for _, to := range m.To {
		env.To = append(env.To, mail.Path(to.Addr.Normal().String()))
		env.UTF8 = env.UTF8 || to.Addr.NeedsUTF8()
	}
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := mdn.Compose(in, m.Message)
		in.CloseWithError(err) //nolint:errcheck // never fails
		done <- err
	}()
	_, err := c.s.cfg.Submit.Submit(c.ctx, mail.Submission{Account: c.account.ID, Envelope: env, Peer: c.peer(), With: "HTTP", Body: out, Extra: extra})
	out.CloseWithError(io.ErrClosedPipe) //nolint:errcheck // never fails
	composed := <-done
	if errors.Is(composed, mdn.ErrField) {
		return badProperties(composed.Error(), "extensionFields")
	}
	return err // where anything else went wrong in writing it, the submitter has read so
}

package jmap

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/message"
)

// submissionSet answers EmailSubmission/set (RFC 8621 7.5).
func (c *call) submissionSet() (any, error) {
	var a setArgs
	var onUpdate map[string]json.RawMessage
	var onDestroy []string
	r := wire.Reader{Args: c.args}
	a.read(&r)
	r.Get("onSuccessUpdateEmail", &onUpdate)
	r.Get("onSuccessDestroyEmail", &onDestroy)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	list, state, err := c.submissions()
	if err != nil {
		return nil, err
	}
	if err := a.check(c, state); err != nil {
		return nil, err
	}
	out := c.setResult(state)
	done := map[string]string{} // submissions that went well, by id and "#creation id", and their emails
	for _, key := range slices.Sorted(maps.Keys(a.create)) {
		s, err := c.submit(a.create[key], list)
		if err != nil {
			out.notMade(c, key, err)
			continue
		}
		list = append(list, s)
		done["#"+key], done[s.ID] = s.Email, s.Email
		f, err := c.fate(s)
		if err != nil {
			return nil, err
		}
		out.made(c, key, s.ID, object{"threadId": s.Thread, "sendAt": wire.FormatUTC(s.SendAt), "undoStatus": f.undo, "deliveryStatus": f.delivery,
			"envelope": s.Envelope, "dsnBlobIds": []string{}, "mdnBlobIds": []string{}})
	}
	for _, id := range slices.Sorted(maps.Keys(a.update)) {
		s := findSubmission(list, c.real(id))
		err := error(notFound("submission"))
		if s != nil {
			err = c.undo(s.ID, a.update[id])
		}
		if err != nil {
			out.notChanged(c, id, err)
			continue
		}
		done[id] = s.Email
		out.changed(id, nil)
	}
	for _, id := range a.destroy {
		s := findSubmission(list, c.real(id))
		err := error(notFound("submission"))
		if s != nil { // what was sent stays sent, and what is to be sent is (RFC 8621 7.5)
			err = c.commitNotes("EmailSubmission", mail.RemoveNote{Kind: kindSubmission, Key: c.ownKey() + s.ID})
		}
		if err != nil {
			out.notGone(c, id, err)
			continue
		}
		done[id] = s.Email
		out.gone(id)
	}
	c.afterwards(done, onUpdate, onDestroy)
	_, out.NewState, err = c.submissions()
	return out, err
}

func findSubmission(list []*submission, id string) *submission {
	for _, s := range list {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// afterwards changes and destroys the messages of what went well, by one Email/set (RFC 8621 7.5).
func (c *call) afterwards(done map[string]string, onUpdate map[string]json.RawMessage, onDestroy []string) {
	update := map[string]json.RawMessage{}
	for id, patch := range onUpdate {
		if email, ok := done[id]; ok {
			update[email] = patch
		}
	}
	var destroy []string
	for _, id := range onDestroy {
		if email, ok := done[id]; ok && !slices.Contains(destroy, email) {
			destroy = append(destroy, email)
		}
	}
	if len(update) > 0 || len(destroy) > 0 {
		c.also("Email/set", wire.Args{"update": rawArg(update), "destroy": rawArg(destroy)}, (*call).emailSet)
	}
}

// submit sends a message, or has it sent later. before are the account's submissions.
func (c *call) submit(raw json.RawMessage, before []*submission) (*submission, error) {
	a, err := decodeObject(raw)
	if err != nil {
		return nil, err
	}
	s := &submission{}
	var env *wireEnvelope
	r := wire.Reader{Args: a}
	r.Must("identityId", &s.Identity)
	r.Must("emailId", &s.Email)
	r.Get("envelope", &env)
	if err := r.End(); err != nil {
		return nil, badProperties(err.Error(), slices.Sorted(maps.Keys(a))...)
	}
	s.Identity, s.Email = c.real(s.Identity), c.real(s.Email)
	who, err := c.identity(s.Identity)
	if err != nil {
		return nil, err
	}
	n, _ := parseEmail(s.Email)
	m, err := c.s.cfg.Mailboxes.Message(c.ctx, c.account.ID, n)
	if mail.Is(err, mail.NotFound) {
		return nil, badProperties("there is no such message", "emailId")
	}
	if err != nil {
		return nil, err
	}
	s.Thread = threadID(m.Thread)
	src, err := c.stored(c.ctx, &m)
	if err != nil {
		return nil, err
	}
	defer src.close()
	if s.Envelope, err = envelope(env, src.root.Envelope, who); err != nil {
		return nil, err
	}
	may, err := c.s.cfg.Senders.MayUse(c.ctx, c.account.ID, mail.Path(s.Envelope.MailFrom.Email))
	if err != nil {
		return nil, err
	}
	if !may {
		return nil, wire.Errorf(wire.ErrForbiddenMailFrom, s.Envelope.MailFrom.Email+" does not belong to "+string(c.account.Address))
	}
	now := c.s.cfg.Clock.Now().UTC()
	if s.SendAt, err = sendAt(s.Envelope.MailFrom.Parameters, now); err != nil {
		return nil, err
	}
	s.ID = "S" + string(mail.NewTraceID(now, rand.Uint32())) // so that they are listed by time
	if s.SendAt.After(now) {
		return s, c.hold(s, &m, before)
	}
	return s, c.send(s, src)
}

func (c *call) identity(id string) (*identity, error) {
	list, _, err := c.identities()
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if i.ID == id {
			return i, nil
		}
	}
	return nil, badProperties("there is no such identity", "identityId")
}

// envelope is what the client gives, or what the message says (RFC 8621 7).
func envelope(given *wireEnvelope, says *message.Envelope, who *identity) (e wireEnvelope, err error) {
	if given != nil {
		e = *given
	} else {
		if says == nil {
			return e, wire.Errorf(wire.ErrInvalidEmail, "the message has no header")
		}
		e.MailFrom.Email = who.Email
		if list := append(says.Sender, says.From...); len(list) > 0 {
			e.MailFrom.Email = list[0].Decoded().Addr.String()
		}
		for _, a := range slices.Concat(says.To, says.Cc, says.Bcc) {
			if a.Kind == message.AddressMailbox {
				e.RcptTo = append(e.RcptTo, wireAddress{Email: a.Decoded().Addr.String()})
			}
		}
	}
	if len(e.RcptTo) == 0 {
		return e, wire.Errorf(wire.ErrNoRecipients, "the message is to nobody; add a recipient")
	}
	const most = 1000
	if len(e.RcptTo) > most {
		e := wire.Errorf(wire.ErrTooManyRecipients, "the message has too many recipients")
		e.Extra = map[string]any{"maxRecipients": most}
		return wireEnvelope{}, e
	}
	var bad []string
	seen := map[string]bool{}
	var to []wireAddress
	for _, a := range e.RcptTo {
		if len(a.Parameters) > 0 {
			return e, badProperties("no SMTP parameters of recipients are taken here", "envelope")
		}
		p, err := addr.Parse(a.Email)
		if err != nil {
			bad = append(bad, a.Email)
			continue
		}
		if text := p.String(); !seen[strings.ToLower(text)] {
			seen[strings.ToLower(text)] = true
			to = append(to, wireAddress{Email: text})
		}
	}
	if bad != nil {
		e := wire.Errorf(wire.ErrInvalidRecipients, "these are no mail addresses")
		e.Extra = map[string]any{"invalidRecipients": bad}
		return wireEnvelope{}, e
	}
	e.RcptTo = to
	from, err := addr.Parse(e.MailFrom.Email)
	if err != nil {
		return e, wire.Errorf(wire.ErrForbiddenMailFrom, "the sender is no mail address")
	}
	e.MailFrom.Email = from.Normal().String()
	return e, nil
}

// send hands the message to the submitter; that it was sent is remembered in the same commit.
func (c *call) send(s *submission, src *source) error {
	s.Handed = s.SendAt.Truncate(time.Second)
	o := outgoing{s: c.s, account: c.account.ID, sub: s, env: s.Envelope, peer: c.peer()}
	kept, err := o.message(src, time.Time{})
	if err != nil {
		return err
	}
	defer o.body.Close()
	if err := o.submit(c.ctx, kept); err != nil {
		return sendError(err)
	}
	return nil
}

// peer is the client's address for Received and the trail.
func (c *call) peer() string {
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		host = c.r.RemoteAddr
	}
	return "[" + host + "]"
}

// sendError is why a message was not taken (RFC 8621 7.5).
func sendError(err error) error {
	kinds := map[mail.Kind]string{mail.Denied: wire.ErrForbiddenFrom, mail.NotFound: wire.ErrInvalidRecipients, mail.OverQuota: wire.ErrInvalidRecipients,
		mail.Invalid: wire.ErrInvalidEmail, mail.TooLarge: wire.ErrTooLarge, mail.TooMany: wire.ErrRateLimit}
	kind, ok := kinds[mail.KindOf(err)]
	if !ok {
		return err
	}
	return wire.Errorf(kind, mail.Sentence(err))
}

// undo takes a message back that still waits (RFC 8621 7.5).
func (c *call) undo(id string, raw json.RawMessage) error {
	patch, err := wire.ParsePatch(raw)
	if err != nil {
		return wire.Errorf(wire.ErrInvalidPatch, err.Error())
	}
	for name := range patch {
		if name != "undoStatus" {
			return badProperties("of a submission, undoStatus can change", name)
		}
	}
	if patch["undoStatus"] != "canceled" {
		return badProperties("undoStatus can be set to canceled", "undoStatus")
	}
	const tries = 3 // while it is tried and put off, its notes change
	for range tries {
		n, err := c.s.cfg.Notes.Note(c.ctx, kindSubmission, c.ownKey()+id)
		if mail.Is(err, mail.NotFound) {
			return notFound("submission")
		}
		if err != nil {
			return err
		}
		s := readSubmission(n)
		if s == nil {
			return notFound("submission")
		}
		f, err := c.fate(s)
		switch {
		case err != nil:
			return err
		case s.Canceled:
			return nil
		case f.undo == "final":
			return wire.Errorf(wire.ErrCannotUnsend, "the message is on its way already")
		}
		err = c.cancel(s, f)
		if !mail.Is(err, mail.Conflict) && !mail.Is(err, mail.NotFound) {
			return err
		}
	}
	return wire.Errorf(wire.ErrCannotUnsend, "the message is on its way already")
}

// cancel stops what sends a message, and notes it, in one commit: NotFound or Conflict when that is over, or runs.
func (c *call) cancel(s *submission, f fate) error {
	stop := []mail.Change{mail.QueueAct{Queue: f.queue, Act: mail.ActDelete, Now: c.s.cfg.Clock.Now(), Unleased: true}}
	if s.Later != "" {
		n, err := c.s.cfg.Notes.Note(c.ctx, kindLater, s.Later)
		if err != nil {
			return err
		}
		if stop, err = c.s.forget(c.ctx, n); err != nil {
			return err
		}
	}
	s.Canceled, s.Later, s.Reply = true, "", ""
	kept, err := s.keep(c.account.ID)
	if err != nil {
		return err
	}
	return c.commitNotes("EmailSubmission", append(stop, kept)...)
}

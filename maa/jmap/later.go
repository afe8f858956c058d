package jmap

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/message"
)

// kindLater is the kind of the notes that have messages sent later. Keys begin with the time, so that those that are due come first.
const kindLater = "later"

// Bounds of sending later.
const (
	maxDelay = 365 * 24 * time.Hour // how far ahead a message can be held
	maxHeld  = 1000                 // how many messages of an account can be
	giveUp   = 5 * 24 * time.Hour   // for how long it is tried again to hand a message over
	dateAge  = time.Minute          // a Date that is older than this when the message is sent is replaced
)

// What clients are told of messages that are not sent.
const (
	replyCanceled = "550 5.7.0 canceled by its sender"
	replyGone     = "550 5.7.0 not sent: neither the message nor what was kept of it is there any more"
)

// delayed is a message that waits for its time. It has all that is needed to send it, also when its submission was destroyed meanwhile.
type delayed struct {
	ID       string       `json:"id"` // of the submission
	Email    string       `json:"emailId"`
	Envelope wireEnvelope `json:"envelope"`
	SendAt   time.Time    `json:"sendAt"`
	Peer     string       `json:"peer"`
	Keep     mail.TraceID `json:"keep"` // of the queue's entry that keeps the body
	Tries    int          `json:"tries,omitempty"`
}

// keepRoute is the route of the queue's entries that keep bodies. It leads nowhere (RFC 6761 6.4): should an operator release one, it goes to nobody.
const keepRoute = "later.invalid"

// keep makes an entry of the queue that nobody tries. It keeps the body until the message is sent, though the message itself be destroyed before: that must not
// stop it (RFC 8621 7.5).
func (h *delayed) keep(m *mail.Message, now time.Time) mail.Change {
	from := mail.Path(h.Envelope.MailFrom.Email)
	to := mail.QueuedRecipient{Address: from, Original: from, Route: keepRoute, Held: true, Next: h.SendAt,
		Last: "kept for its sender, who has it sent at " + wire.FormatUTC(h.SendAt)}
	return mail.Enqueue{Body: mail.StoredBody{ID: m.Blob, Octets: m.Size - int64(len(m.Prefix))}, Message: mail.Queued{Trace: h.Keep, From: from, Account: m.Account,
		Created: now, Expires: h.SendAt.Add(maxDelay), Recipients: []mail.QueuedRecipient{to}}}
}

// kept finds that entry; nil when an operator has taken it away.
func (h *delayed) kept(ctx context.Context, q mail.Queue) (*mail.Queued, error) {
	list, err := q.Queued(ctx, mail.QueueFilter{Trace: h.Keep, Held: true, Limit: 1})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// forget takes a note away, unless somebody else did, and what is kept for it.
func (s *Server) forget(ctx context.Context, n mail.Note) ([]mail.Change, error) {
	out := []mail.Change{mail.RemoveNote{Kind: kindLater, Key: n.Key, If: mail.NoteIs, Was: n.Value}}
	var h delayed
	if err := json.Unmarshal(n.Value, &h); err != nil {
		return out, nil //nolint:nilerr // of a later version: what it keeps is not known
	}
	q, err := h.kept(ctx, s.cfg.Queue)
	if q != nil {
		out = append(out, mail.QueueAct{Queue: q.ID, Act: mail.ActDelete, Now: s.cfg.Clock.Now()})
	}
	return out, err
}

// note makes the note that sends it at a time, which is a whole second and never too early.
func (h *delayed) note(account mail.AccountID, at time.Time) (mail.Note, error) {
	value, err := json.Marshal(h)
	return mail.Note{Kind: kindLater, Key: fmt.Sprintf("%012d/%s/%s", ceilSecond(at), accountID(account), h.ID), Account: account, Value: value}, err
}

// dueAt is when the note of a key is due.
func dueAt(key string) time.Time {
	seconds, _, _ := strings.Cut(key, "/")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// futureRelease are the arguments of the keyword FUTURERELEASE (RFC 4865 4): the longest interval, and the latest time.
func futureRelease(now time.Time) []string {
	return []string{strconv.FormatInt(int64(maxDelay/time.Second), 10), wire.FormatUTC(now.Add(maxDelay).Truncate(24 * time.Hour))}
}

// sendAt reads HOLDFOR and HOLDUNTIL (RFC 4865 5): when the message is to be sent. A time that is over is now.
func sendAt(parameters map[string]*string, now time.Time) (time.Time, error) {
	at, given := now, ""
	for name, value := range parameters {
		name = strings.ToUpper(name)
		bad := badProperties("HOLDFOR takes seconds and HOLDUNTIL a time such as 2014-10-30T06:12:00Z; other SMTP parameters are not taken here", "envelope")
		if value == nil {
			return at, bad
		}
		switch name {
		case "HOLDFOR":
			n, err := strconv.ParseUint(*value, 10, 31)
			if err != nil {
				return at, bad
			}
			at = now.Add(time.Duration(n) * time.Second)
		case "HOLDUNTIL":
			t, err := wire.ParseDate(*value)
			if err != nil {
				return at, bad
			}
			at = t.UTC()
		default:
			return at, bad
		}
		if given != "" {
			return at, badProperties("a message is held for a time or until a time, not both", "envelope")
		}
		given = name
	}
	if at.Before(now) {
		at = now
	}
	if at.After(now.Add(maxDelay)) {
		return at, badProperties(fmt.Sprintf("a message can be held for %d days at most", maxDelay/(24*time.Hour)), "envelope")
	}
	return at, nil
}

// hold has a message sent later.
func (c *call) hold(s *submission, m *mail.Message, before []*submission) error {
	waiting := 0
	for _, o := range before {
		if o.Later != "" {
			waiting++
		}
	}
	if waiting >= maxHeld {
		return wire.Errorf(wire.ErrRateLimit, fmt.Sprintf("%d messages wait to be sent already; cancel one, or send this one now", maxHeld))
	}
	now := c.s.cfg.Clock.Now()
	h := &delayed{ID: s.ID, Email: s.Email, Envelope: s.Envelope, SendAt: s.SendAt, Peer: c.peer(), Keep: mail.NewTraceID(now, rand.Uint32())}
	n, err := h.note(c.account.ID, s.SendAt)
	if err != nil {
		return err
	}
	s.Later = n.Key
	kept, err := s.keep(c.account.ID)
	if err != nil {
		return err
	}
	if err := c.commitNotes("EmailSubmission", kept, mail.PutNote{Note: n, If: mail.NoteAbsent}, h.keep(m, now)); err != nil {
		return err
	}
	c.s.wakeRunner()
	return nil
}

// outgoing is a message on its way to the submitter.
type outgoing struct {
	s       *Server
	account mail.AccountID
	sub     *submission // nil when it was destroyed
	env     wireEnvelope
	peer    string
	body    io.ReadCloser
}

// message opens what is sent: the body without what we added in front of it when it came in. It gets a Message-ID, by which it can be found, and a Date of
// now where its own is too old; the zero now leaves it. What is to be remembered of it is what the commit that takes it does too.
func (o *outgoing) message(src *source, now time.Time) (also []mail.Change, err error) {
	if o.body, err = src.section(0, -1); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(o.body, 16<<10)
	h, err := message.ReadHeader(in, message.DefaultMaxHeader)
	if err != nil && !errors.Is(err, message.ErrHeaderTooLarge) { // which the submitter refuses
		_ = o.body.Close()
		return nil, err
	}
	ids := message.ParseMessageIDs(h.Get("Message-ID"))
	if len(ids) == 0 && err == nil {
		_, domain := mail.Path(o.env.MailFrom.Email).Split()
		ids = []string{string(mail.NewTraceID(o.s.cfg.Clock.Now(), rand.Uint32())) + "@" + domain}
		h.SetRaw("Message-ID", message.FoldField("Message-ID", message.FormatMessageID(ids[0])))
	}
	if !now.IsZero() {
		if date, ok := message.ParseDate(h.Get("Date")); !ok || now.Sub(date) > dateAge {
			h.SetRaw("Date", message.FoldField("Date", message.FormatDate(now)))
		}
	}
	head := h.Bytes()
	if err == nil {
		head = append(head, "\r\n"...)
	}
	o.body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), in), o.body}
	if o.sub == nil {
		return nil, nil
	}
	if len(ids) > 0 {
		o.sub.MessageID = ids[0]
	}
	kept, err := o.sub.keep(o.account)
	return []mail.Change{kept, changeOf(o.account, "EmailSubmission")}, err
}

// submit hands it over. Its trace is noted when that is done: a crash before that leaves a submission whose trace is found by its Message-ID.
func (o *outgoing) submit(ctx context.Context, also []mail.Change) error {
	env := mail.Envelope{From: mail.Path(o.env.MailFrom.Email), Body: mail.Body8Bit}
	for _, to := range o.env.RcptTo {
		env.To = append(env.To, mail.Path(to.Email))
	}
	trace, err := o.s.cfg.Submit.Submit(ctx, mail.Submission{Account: o.account, Envelope: env, Peer: o.peer, With: "HTTP", Body: o.body, Extra: also})
	if err != nil {
		return err
	}
	defer o.s.tell(o.account)
	if o.sub == nil {
		return nil
	}
	o.sub.Trace = trace
	kept, err := o.sub.keep(o.account)
	if err == nil {
		_, err = o.s.cfg.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{kept}})
	}
	if err != nil {
		// It is sent: to say that it is not would have it sent twice.
		o.s.cfg.Log.Warn("trace not noted", "role", "maa/jmap", "account", int64(o.account), "trace", string(trace), "error", err)
	}
	return nil
}

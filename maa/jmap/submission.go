package jmap

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// kindSubmission is the kind of the notes that submissions are remembered in, for submissionLife.
const (
	kindSubmission = "submission"
	submissionLife = 90 * 24 * time.Hour
	maxSubmissions = 20_000
)

// submission is a message that was handed over to be sent, or is to be (RFC 8621 7). What becomes of it then, the queue and the trail say.
type submission struct {
	ID        string       `json:"-"`
	Identity  string       `json:"identityId"`
	Email     string       `json:"emailId"`
	Thread    string       `json:"threadId"`
	Envelope  wireEnvelope `json:"envelope"`
	SendAt    time.Time    `json:"sendAt"`
	Handed    time.Time    `json:"handed,omitzero"`     // when it was handed over
	MessageID string       `json:"messageId,omitempty"` // by which its trace is found, where Trace is not known
	Trace     mail.TraceID `json:"trace,omitempty"`
	Later     string       `json:"later,omitempty"` // the key of the note that sends it; "" when none does
	Canceled  bool         `json:"canceled,omitempty"`
	Refused   bool         `json:"refused,omitempty"` // for good, when it was to be sent
	Reply     string       `json:"reply,omitempty"`   // why it is not sent, or not yet, as an SMTP reply

	kept []byte // its note's value, as it was read
}

// wireEnvelope is an Envelope (RFC 8621 7).
type wireEnvelope struct {
	MailFrom wireAddress   `json:"mailFrom"`
	RcptTo   []wireAddress `json:"rcptTo"`
}

type wireAddress struct {
	Email      string             `json:"email"`
	Parameters map[string]*string `json:"parameters"`
}

var submissionProps = []string{"id", "identityId", "emailId", "threadId", "envelope", "sendAt", "undoStatus", "deliveryStatus", "dsnBlobIds", "mdnBlobIds"}

// submissions lists the account's, the oldest first.
func (c *call) submissions() ([]*submission, string, error) {
	state, err := c.state("EmailSubmission") // before what it is of: rather too old than too new
	if err != nil {
		return nil, "", err
	}
	list, err := c.notes(kindSubmission)
	if err != nil {
		return nil, "", err
	}
	var out []*submission
	for _, n := range list {
		if s := readSubmission(n); s != nil {
			out = append(out, s)
		}
	}
	return out, state, nil
}

// readSubmission reads a note; nil for one of a later version.
func readSubmission(n mail.Note) *submission {
	_, id, _ := strings.Cut(n.Key, "/")
	s := &submission{ID: id, kept: n.Value}
	if json.Unmarshal(n.Value, s) != nil {
		return nil
	}
	return s
}

// keep makes the change that writes a submission, on condition that nobody has changed it since it was read.
func (s *submission) keep(account mail.AccountID) (mail.Change, error) {
	value, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	put := mail.PutNote{If: mail.NoteAbsent, Note: mail.Note{Kind: kindSubmission, Key: accountID(account) + "/" + s.ID, Account: account, Value: value,
		Expires: s.SendAt.Add(submissionLife)}}
	if s.kept != nil {
		put.If, put.Was = mail.NoteIs, s.kept
	}
	s.kept = value
	return put, nil
}

// fate is what the queue and the trail say of a submission.
type fate struct {
	undo     string
	delivery map[string]object
	queue    mail.QueueID
}

// fate finds out. It is final as soon as one recipient has the message, or an attempt runs: then it cannot be taken back (RFC 8621 7).
func (c *call) fate(s *submission) (fate, error) {
	switch {
	case s.Canceled:
		return s.unsent("canceled", "no", cmp.Or(s.Reply, replyCanceled)), nil
	case s.Refused:
		return s.unsent("final", "no", s.Reply), nil
	case s.Later != "":
		return s.unsent("pending", "queued", cmp.Or(s.Reply, "250 2.0.0 held until "+wire.FormatUTC(s.SendAt))), nil
	}
	return c.fateOfSent(s)
}

// unsent is the fate of what was not handed over.
func (s *submission) unsent(undo, delivered, reply string) fate {
	f := fate{undo: undo, delivery: map[string]object{}}
	for _, to := range s.Envelope.RcptTo {
		f.delivery[to.Email] = object{"smtpReply": reply, "delivered": delivered, "displayed": "unknown"}
	}
	return f
}

// fateOfSent is what the trail and the queue say.
func (c *call) fateOfSent(s *submission) (fate, error) {
	f := s.unsent("final", "queued", "250 2.0.0 queued")
	events, err := c.trail(s)
	if err != nil {
		return f, err
	}
	queued, err := c.queued(s)
	if err != nil {
		return f, err
	}
	handedOn := false
	for _, e := range events {
		handedOn = handedOn || e.Outcome.Final()
		o, ok := f.delivery[string(e.To)]
		if !ok {
			continue
		}
		words := map[mail.Outcome]string{mail.Delivered: "yes", mail.Relayed: "unknown", mail.Expanded: "unknown", mail.Bounced: "no", mail.Rejected: "no",
			mail.Discarded: "yes", mail.Deferred: "queued"}
		if w, ok := words[e.Outcome]; ok {
			o["delivered"] = w
			o["smtpReply"] = replyOf(e)
		}
	}
	now := c.s.cfg.Clock.Now()
	if queued != nil && !handedOn && len(queued.Recipients) == len(s.Envelope.RcptTo) &&
		!slices.ContainsFunc(queued.Recipients, func(r mail.QueuedRecipient) bool { return r.Lease.Until.After(now) }) {
		f.undo, f.queue = "pending", queued.ID
	}
	return f, nil
}

// trail lists the events of a submission. Where a crash came before its trace could be noted, it is that of the message's first passage since.
func (c *call) trail(s *submission) ([]mail.Event, error) {
	if s.Trace != "" {
		return c.s.cfg.Trail.Events(c.ctx, mail.TrailQuery{Trace: s.Trace})
	}
	if s.MessageID == "" {
		return nil, nil
	}
	events, err := c.s.cfg.Trail.Events(c.ctx, mail.TrailQuery{MessageID: s.MessageID})
	i := slices.IndexFunc(events, func(e mail.Event) bool {
		return e.Outcome == mail.Accepted && e.Account == c.account.ID && !e.At.Before(s.Handed)
	})
	if err != nil || i < 0 {
		return nil, err
	}
	s.Trace = events[i].Trace
	return slices.DeleteFunc(events, func(e mail.Event) bool { return e.Trace != s.Trace }), nil
}

// replyOf is an SMTP reply for an event: the remote's own words, where they are one.
func replyOf(e mail.Event) string {
	if r := e.Reason; len(r) > 4 && r[0] >= '2' && r[0] <= '5' && r[1] >= '0' && r[1] <= '9' && r[2] >= '0' && r[2] <= '9' && r[3] == ' ' {
		return r
	}
	switch e.Outcome {
	case mail.Bounced, mail.Rejected:
		return "550 5.0.0 " + cmp.Or(e.Reason, "failed")
	case mail.Deferred:
		return "450 4.0.0 " + cmp.Or(e.Reason, "not yet")
	}
	return "250 2.0.0 " + cmp.Or(e.Reason, string(e.Outcome))
}

// queued finds the queue's entry of a submission; nil when there is none.
func (c *call) queued(s *submission) (*mail.Queued, error) {
	if s.Trace == "" {
		return nil, nil //nolint:nilnil // it was never taken
	}
	list, err := c.s.cfg.Queue.Queued(c.ctx, mail.QueueFilter{Trace: s.Trace, Limit: 1})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

func (c *call) submissionObject(s *submission, g *getArgs) (object, error) {
	o := object{"id": s.ID, "identityId": s.Identity, "emailId": s.Email, "threadId": s.Thread, "envelope": s.Envelope,
		"sendAt": wire.FormatUTC(s.SendAt), "dsnBlobIds": []string{}, "mdnBlobIds": []string{}}
	if g.wants("undoStatus") || g.wants("deliveryStatus") {
		f, err := c.fate(s)
		if err != nil {
			return nil, err
		}
		o["undoStatus"], o["deliveryStatus"] = f.undo, f.delivery
	}
	return o, nil
}

// submissionGet answers EmailSubmission/get (RFC 8621 7.1).
func (c *call) submissionGet() (any, error) {
	g, err := c.getArgs(submissionProps, nil)
	if err != nil {
		return nil, err
	}
	list, state, err := c.submissions()
	if err != nil {
		return nil, err
	}
	if g.all && len(list) > c.s.cfg.Limits.Get {
		return nil, wire.Errorf(wire.ErrRequestTooLarge, "there are more submissions than one call gets; query for them first")
	}
	resp := c.got(state)
	for _, s := range list {
		at := slices.Index(g.ids, s.ID)
		if !g.all && at < 0 {
			continue
		}
		if at >= 0 {
			g.ids = slices.Delete(g.ids, at, at+1)
		}
		o, err := c.submissionObject(s, &g)
		if err != nil {
			return nil, err
		}
		resp.add(&g, o)
	}
	resp.NotFound = append(resp.NotFound, g.ids...)
	return resp, nil
}

// submissionChanges answers EmailSubmission/changes (RFC 8621 7.2).
func (c *call) submissionChanges() (any, error) { return c.unchanged("EmailSubmission") }

// submissionCond is a condition of EmailSubmission/query (RFC 8621 7.3).
type submissionCond struct {
	identities, emails, threads *wire.IDs
	undo                        *string
	before, after               *wire.UTCDate
}

func compileSubmission(a wire.Args) (k submissionCond, err error) {
	r := wire.Reader{Args: a}
	r.Get("identityIds", &k.identities)
	r.Get("emailIds", &k.emails)
	r.Get("threadIds", &k.threads)
	r.Get("undoStatus", &k.undo)
	r.Get("before", &k.before)
	r.Get("after", &k.after)
	if err := r.End(); err != nil {
		return k, wire.Errorf(wire.ErrUnsupportedFilter, err.Error())
	}
	return k, nil
}

func (c *call) fitsSubmission(k *submissionCond, s *submission) (bool, error) {
	if k.identities != nil && !slices.Contains(*k.identities, s.Identity) || k.emails != nil && !slices.Contains(*k.emails, s.Email) ||
		k.threads != nil && !slices.Contains(*k.threads, s.Thread) || k.before != nil && !s.SendAt.Before(k.before.Time) ||
		k.after != nil && s.SendAt.Before(k.after.Time) {
		return false, nil
	}
	if k.undo == nil {
		return true, nil
	}
	f, err := c.fate(s)
	return f.undo == *k.undo, err
}

// submissionResults are the results of a query in order.
func (c *call) submissionResults(raw, sort json.RawMessage) ([]*submission, string, error) {
	filter, err := wire.ParseFilter(raw, compileSubmission)
	if err != nil {
		return nil, "", invalid(err)
	}
	keys, err := wire.ParseSort(sort)
	if err != nil {
		return nil, "", wire.Errorf(wire.ErrUnsupportedSort, err.Error())
	}
	for _, k := range keys {
		if k.Property != "emailId" && k.Property != "threadId" && k.Property != "sentAt" {
			return nil, "", wire.Errorf(wire.ErrUnsupportedSort, fmt.Sprintf("submissions are not sorted by %q", k.Property))
		}
	}
	list, state, err := c.submissions()
	if err != nil {
		return nil, "", err
	}
	list = slices.DeleteFunc(list, func(s *submission) bool {
		return filter.Eval(func(k *submissionCond) wire.Verdict {
			ok, ferr := c.fitsSubmission(k, s)
			err = cmp.Or(err, ferr)
			return wire.Is(ok)
		}) != wire.Yes
	})
	slices.SortStableFunc(list, func(a, b *submission) int {
		for _, k := range keys {
			n := map[string]int{"emailId": strings.Compare(a.Email, b.Email), "threadId": strings.Compare(a.Thread, b.Thread), "sentAt": a.SendAt.Compare(b.SendAt)}[k.Property]
			if !k.Ascending {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
	return list, state, err
}

// submissionQuery answers EmailSubmission/query (RFC 8621 7.3).
func (c *call) submissionQuery() (any, error) {
	r := wire.Reader{Args: c.args}
	var p page
	p.read(c, &r)
	raw, sort := r.Raw("filter"), r.Raw("sort")
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	list, state, err := c.submissionResults(raw, sort)
	if err != nil {
		return nil, err
	}
	resp, err := queried(c, &p, state, list, func(s *submission) string { return s.ID })
	if o, ok := resp.(object); ok {
		o["canCalculateChanges"] = false
	}
	return resp, err
}

// submissionQueryChanges answers EmailSubmission/queryChanges (RFC 8621 7.4): no history is kept.
func (c *call) submissionQueryChanges() (any, error) {
	r := wire.Reader{Args: c.args}
	var qc queryChanges
	qc.read(&r)
	raw, sort := r.Raw("filter"), r.Raw("sort")
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	list, state, err := c.submissionResults(raw, sort)
	if err != nil {
		return nil, err
	}
	if qc.since != state {
		return nil, wire.Errorf(wire.ErrCannotCalculate, "what changed since that state is not kept; query again")
	}
	return requeried(c, &qc, state, list, func(s *submission) string { return s.ID }, nil)
}

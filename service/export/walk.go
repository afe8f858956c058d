package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// Plan is how much a walk will visit, by the counters of the mailboxes.
type Plan struct {
	Accounts  int   `json:"accounts"`
	Mailboxes int   `json:"mailboxes"`
	Messages  int64 `json:"messages"`
	Octets    int64 `json:"octets"`
}

// Mailbox is a mailbox about to be exported.
type Mailbox struct {
	Account     string `json:"account"` // its address
	Name        string `json:"name"`
	Use         string `json:"use,omitempty"` // "sent", "trash" ...
	UIDValidity uint32 `json:"uidvalidity"`
	Messages    int64  `json:"messages"` // by its counter
	Subscribed  bool   `json:"subscribed,omitempty"`
}

// Message is what is known of a message beside its text.
type Message struct {
	UID      uint32    `json:"uid"`
	Flags    []string  `json:"flags"` // in IMAP spelling
	Received time.Time `json:"received"`
	Size     int64     `json:"size"`
}

// Missing is something that cannot be exported.
type Missing struct {
	Account string `json:"account,omitempty"`
	Mailbox string `json:"mailbox,omitempty"` // "": the whole account
	First   uint32 `json:"first,omitempty"`   // UIDs First to Last; 0: the whole mailbox
	Last    uint32 `json:"last,omitempty"`
	Reason  string `json:"reason"`
}

// String is the sentence for people.
func (m Missing) String() string {
	where := m.Account
	if m.Mailbox != "" {
		where = strings.TrimSpace(where+" ") + " in " + fmt.Sprintf("%q", m.Mailbox)
	}
	if where = strings.TrimSpace(where); where != "" {
		where += ": "
	}
	switch {
	case m.First == 0:
		return where + m.Reason
	case m.Last > m.First:
		return fmt.Sprintf("%sUIDs %d to %d, as many as there were: %s", where, m.First, m.Last, m.Reason)
	}
	return fmt.Sprintf("%sUID %d: %s", where, m.First, m.Reason)
}

// Sink takes what a walk finds. An error of its own ends the walk.
type Sink interface {
	Plan(p Plan) error
	// Mailbox begins a mailbox; it may stay empty.
	Mailbox(b Mailbox) error
	// Message is one of the latest mailbox. r gives its text. When r fails, nothing of the message may remain, and that error is
	// returned; the walk then goes on, with Missing.
	Message(m Message, r io.Reader) error
	Missing(m Missing) error
}

// Mailboxes is what a walk reads of mail.Mailboxes.
type Mailboxes interface {
	Mailboxes(ctx context.Context, account mail.AccountID) ([]mail.Mailbox, error)
	Placements(ctx context.Context, mailbox mail.MailboxID, in mail.UIDRange, since uint64) iter.Seq2[mail.Placement, error]
	Messages(ctx context.Context, mailbox mail.MailboxID, in mail.UIDRange) iter.Seq2[mail.PlacedMessage, error]
}

// Bodies is what a walk reads of mail.Blobs.
type Bodies interface {
	Open(ctx context.Context, id mail.BlobID) (mail.BlobReader, error)
}

// Source is where mail comes from.
type Source struct {
	Mailboxes Mailboxes
	Bodies    Bodies
}

// Selection says what is exported: all mailboxes of the accounts, or those with the given names.
type Selection struct {
	Accounts  []mail.Account
	Mailboxes []string
}

const (
	pageSize = 256
	// maxProbes is how often the index of one mailbox is asked in vain. Past it the rest of the mailbox is given up as one.
	maxProbes = 100_000
)

// walker is one walk.
type walker struct {
	src  Source
	sink Sink
}

// Walk hands what is selected to the sink. Its error is the sink's, or the end of ctx: what cannot be read is no error but
// handed to the sink as Missing. NotFound when no account has a mailbox of a selected name.
func Walk(ctx context.Context, src Source, sel Selection, sink Sink) error {
	w := &walker{src: src, sink: sink}
	type part struct {
		account mail.Account
		boxes   []mail.Mailbox
	}
	var parts []part
	var lost []Missing
	plan := Plan{Accounts: len(sel.Accounts)}
	for _, a := range sel.Accounts {
		boxes, err := src.Mailboxes.Mailboxes(ctx, a.ID)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			lost = append(lost, Missing{Account: string(a.Address), Reason: "its mailboxes cannot be listed: " + reason(err)})
			continue
		}
		boxes = named(boxes, sel.Mailboxes)
		for _, b := range boxes {
			plan.Mailboxes++
			plan.Messages += b.Messages
			plan.Octets += b.Size
		}
		parts = append(parts, part{a, boxes})
	}
	if len(sel.Mailboxes) > 0 && plan.Mailboxes == 0 && len(lost) == 0 {
		return mail.Errorf(mail.NotFound, "there is no mailbox %q; see what there is with: postrider account show ADDRESS", sel.Mailboxes[0])
	}
	if err := sink.Plan(plan); err != nil {
		return err
	}
	for _, m := range lost {
		if err := sink.Missing(m); err != nil {
			return err
		}
	}
	for _, p := range parts {
		for _, b := range p.boxes {
			if err := w.mailbox(ctx, p.account, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// named keeps the mailboxes with one of the names; none keeps all.
func named(boxes []mail.Mailbox, names []string) []mail.Mailbox {
	if len(names) == 0 {
		return boxes
	}
	var out []mail.Mailbox
	for _, b := range boxes {
		for _, n := range names {
			if b.Name == n || b.Name == mail.Inbox && strings.EqualFold(n, mail.Inbox) {
				out = append(out, b)
				break
			}
		}
	}
	return out
}

// mailbox exports one mailbox.
func (w *walker) mailbox(ctx context.Context, a mail.Account, b mail.Mailbox) error {
	err := w.sink.Mailbox(Mailbox{Account: string(a.Address), Name: b.Name, Use: string(b.Use), UIDValidity: b.UIDValidity,
		Messages: b.Messages, Subscribed: b.Subscribed})
	if err != nil {
		return err
	}
	v := &visit{walker: w, box: b, lost: Missing{Account: string(a.Address), Mailbox: b.Name}}
	if b.UIDNext > 1 {
		if err := v.span(ctx, mail.UIDRange{First: 1, Last: b.UIDNext - 1}); err != nil {
			return err
		}
	}
	return v.flush()
}

// visit is the walk through one mailbox.
type visit struct {
	*walker
	box    mail.Mailbox
	lost   Missing // names the mailbox; with First set, a stretch that is not told yet
	probes int
}

// span exports a range of UIDs. Where the index cannot be read it is halved, until only what really cannot be read is left out.
func (v *visit) span(ctx context.Context, in mail.UIDRange) error {
	page := make([]mail.Placement, 0, pageSize)
	var broken error
	for p, err := range v.src.Mailboxes.Placements(ctx, v.box.ID, in, 0) {
		if err != nil {
			broken = err
			break
		}
		if page = append(page, p); len(page) == pageSize {
			if err := v.page(ctx, page); err != nil {
				return err
			}
			in.First = p.UID + 1
			page = page[:0]
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(page) > 0 {
		if err := v.page(ctx, page); err != nil {
			return err
		}
		in.First = page[len(page)-1].UID + 1
	}
	if broken == nil {
		return nil
	}
	if mail.Is(broken, mail.NotFound) {
		return nil // the mailbox was deleted meanwhile
	}
	if in.First > in.Last {
		return nil // all of the range was read before it broke
	}
	if v.probes++; in.First == in.Last || v.probes > maxProbes {
		return v.missing(in.First, in.Last, reason(broken))
	}
	half := in.First + (in.Last-in.First)/2
	if err := v.span(ctx, mail.UIDRange{First: in.First, Last: half}); err != nil {
		return err
	}
	return v.span(ctx, mail.UIDRange{First: half + 1, Last: in.Last})
}

// page exports the messages of some placements, in ascending order of UIDs.
func (v *visit) page(ctx context.Context, page []mail.Placement) error {
	facts, broken := v.facts(ctx, mail.UIDRange{First: page[0].UID, Last: page[len(page)-1].UID})
	for _, p := range page {
		m, ok := facts[p.UID]
		why := ""
		if !ok && broken != nil {
			one, err := v.facts(ctx, mail.UIDRange{First: p.UID, Last: p.UID})
			if m, ok = one[p.UID]; err != nil {
				why = reason(err)
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !ok && why == "" {
			if v.gone(ctx, p.UID) {
				continue // expunged meanwhile
			}
			why = "the index has lost what it knew of it"
		}
		var err error
		if why != "" {
			err = v.missing(p.UID, p.UID, why)
		} else {
			err = v.message(ctx, p, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// facts reads what is known of the messages of a range, as far as that can be read.
func (v *visit) facts(ctx context.Context, in mail.UIDRange) (map[uint32]mail.PlacedMessage, error) {
	out := map[uint32]mail.PlacedMessage{}
	for m, err := range v.src.Mailboxes.Messages(ctx, v.box.ID, in) {
		if err != nil {
			return out, err
		}
		m.Summary = nil
		out[m.UID] = m
	}
	return out, nil
}

// gone reports that a message is not in the mailbox any more.
func (v *visit) gone(ctx context.Context, uid uint32) bool {
	for _, err := range v.src.Mailboxes.Placements(ctx, v.box.ID, mail.UIDRange{First: uid, Last: uid}, 0) {
		return mail.Is(err, mail.NotFound)
	}
	return true
}

// message exports one message.
func (v *visit) message(ctx context.Context, p mail.Placement, m mail.PlacedMessage) error {
	body, err := v.src.Bodies.Open(ctx, m.Blob)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if mail.Is(err, mail.NotFound) && v.gone(ctx, p.UID) {
			return nil
		}
		return v.missing(p.UID, p.UID, reason(err))
	}
	defer body.Close()
	if err := v.flush(); err != nil {
		return err
	}
	r := &watched{r: io.MultiReader(bytes.NewReader(m.Prefix), body)}
	err = v.sink.Message(Message{UID: p.UID, Flags: p.Flags.Names(), Received: p.Received, Size: p.Size}, r)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case r.err != nil:
		return v.missing(p.UID, p.UID, reason(r.err))
	}
	return err
}

// watched remembers that the reading failed, not the writing.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(b []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.r.Read(b)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// missing notes UIDs that cannot be exported. Neighbours with the same reason are told as one.
func (v *visit) missing(first, last uint32, why string) error {
	if v.lost.First != 0 && v.lost.Last+1 == first && v.lost.Reason == why {
		v.lost.Last = last
		return nil
	}
	if err := v.flush(); err != nil {
		return err
	}
	v.lost.First, v.lost.Last, v.lost.Reason = first, last, why
	return nil
}

// flush tells the stretch that was not told yet.
func (v *visit) flush() error {
	if v.lost.First == 0 {
		return nil
	}
	m := v.lost
	v.lost.First = 0
	return v.sink.Missing(m)
}

// reason is an error for the operator, who may read all of it.
func reason(err error) string {
	var e *mail.Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return err.Error()
}

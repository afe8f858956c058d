package jmap

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/message"
)

// filing is where and how a new message is put.
type filing struct {
	in       []mail.MailboxID // one or more, the lowest first
	flags    mail.Flags
	received time.Time
}

// filing reads mailboxIds, keywords and receivedAt of a message to be made.
func (c *call) filing(s *snapshot, boxes, words map[string]bool, received *wire.UTCDate) (f filing, err error) {
	if len(boxes) == 0 {
		return f, badProperties("a message needs a mailbox to be in", "mailboxIds")
	}
	for id, on := range boxes {
		n, _ := parseMailbox(c.real(id))
		if s.box(n) == nil || !on {
			return f, badProperties(fmt.Sprintf("there is no mailbox %q", id), "mailboxIds")
		}
		f.in = append(f.in, n)
	}
	slices.Sort(f.in)
	f.in = slices.Compact(f.in)
	f.received = c.s.cfg.Clock.Now()
	if received != nil {
		f.received = received.Time
	}
	f.flags, err = flagsOf(words)
	return f, err
}

// file stores a message while write writes it, and files it.
func (e *emailSetter) file(f filing, write func(io.Writer) error) (object, error) {
	c := e.c
	add, err := c.receive(c.ctx, write)
	if err != nil {
		return nil, err
	}
	defer add.Body.(mail.SealedBody).Discard()
	add.Mailbox, add.Flags, add.Received = f.in[0], f.flags, f.received.UTC()
	return e.add(add, f.in[1:])
}

// add commits a message and tells what a client does not know of it (RFC 8621 4.6). Only once it has a number can it be put into more mailboxes: that is
// a second commit. A crash between the two leaves it in its first mailbox, whole, and the client, which has no answer, finds it there.
func (e *emailSetter) add(add mail.AddMessage, more []mail.MailboxID) (object, error) {
	add.Saved = e.c.s.cfg.Clock.Now()
	r, err := e.commit(add)
	if err != nil {
		return nil, err
	}
	made := r[0]
	var places []mail.Change
	for _, box := range more {
		places = append(places, mail.PlaceMessage{Account: add.Account, Email: made.Email, To: box, Saved: add.Saved})
	}
	if len(places) > 0 {
		if _, err := e.commit(places...); err != nil {
			// It is made whole or not at all.
			_, undo := e.commit(mail.Expunge{Account: add.Account, Mailbox: made.Mailbox, UIDs: []mail.UIDRange{{First: made.UID, Last: made.UID}}})
			return nil, cmp.Or(undo, err)
		}
	}
	return object{"id": emailID(made.Email), "blobId": blobID(made.Email), "threadId": threadID(made.Thread), "size": int64(len(add.Prefix)) + add.Body.Size()}, nil
}

// commit makes changes and keeps their receipt.
func (e *emailSetter) commit(changes ...mail.Change) ([]mail.Result, error) {
	rc, err := e.c.s.cfg.Journal.Commit(e.c.ctx, mail.ChangeSet{Changes: changes})
	if err != nil {
		return nil, err
	}
	e.receipts = append(e.receipts, rc)
	return rc.Results, nil
}

// receive stores a message that is written, and scans it on the way. Its body must be discarded.
func (c *call) receive(ctx context.Context, write func(io.Writer) error) (add mail.AddMessage, err error) {
	w, err := c.s.cfg.Blobs.Create(ctx)
	if err != nil {
		return add, err
	}
	defer w.Discard()
	scanner := message.NewScanner(message.Limits{})
	guard := &mailGuard{w: io.MultiWriter(w, scanner), left: c.s.cfg.Limits.Upload * 3 / 2} // base64 makes attachments longer
	if err := write(guard); err != nil {
		return add, err
	}
	root := scanner.Finish()
	facts := root.Facts()
	body, err := w.Seal()
	if err != nil {
		return add, err
	}
	return mail.AddMessage{Account: c.account.ID, Body: body, Summary: message.Encode(root), CheckQuota: true, Thread: threadKeys(facts)}, nil
}

func threadKeys(f message.Facts) mail.ThreadKeys {
	const most = 32
	refs := slices.Concat(f.InReplyTo, f.References)
	return mail.ThreadKeys{MessageID: f.MessageID, References: refs[max(0, len(refs)-most):], Subject: f.BaseSubject}
}

// mailGuard refuses NUL, which mail cannot hold (RFC 5322 3.5), and what is too long.
type mailGuard struct {
	w    io.Writer
	left int64
}

func (g *mailGuard) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, 0) >= 0 {
		return 0, wire.Errorf(wire.ErrInvalidEmail, "the message holds NUL octets, which mail cannot")
	}
	if g.left -= int64(len(p)); g.left < 0 {
		return 0, wire.Errorf(wire.ErrTooLarge, "the message is too long")
	}
	return g.w.Write(p)
}

// readBlob has f read the first most octets of a blob; below 0: all.
func (c *call) readBlob(id string, most int64, f func(io.Reader) error) error {
	src, err := c.blob(c.ctx, id)
	if err != nil {
		if mail.Is(err, mail.NotFound) {
			return blobMissing(id)
		}
		return err
	}
	defer src.close()
	r, err := src.open(0, most)
	if err != nil {
		return err
	}
	defer r.Close()
	return f(r)
}

// copyBlob writes a blob.
func (c *call) copyBlob(w io.Writer, id string, decode func(io.Reader) io.Reader) error {
	return c.readBlob(id, -1, func(in io.Reader) error {
		if decode != nil {
			in = decode(in)
		}
		_, err := io.Copy(w, in)
		return err
	})
}

func blobMissing(ids ...string) error {
	e := wire.Errorf(wire.ErrBlobNotFound, "there is no such blob, or not any more; upload it again")
	e.Extra = map[string]any{"notFound": ids}
	return e
}

// emailImport answers Email/import (RFC 8621 4.8).
func (c *call) emailImport() (any, error) {
	var a struct {
		ifInState *string
		emails    map[string]wire.Args
	}
	r := wire.Reader{Args: c.args}
	r.Get("ifInState", &a.ifInState)
	r.Must("emails", &a.emails)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	args := setArgs{ifInState: a.ifInState, create: rawMap(a.emails)}
	if err := args.check(c, stateText(s.state)); err != nil {
		return nil, err
	}
	e := &emailSetter{c: c, s: s, out: c.setResult(stateText(s.state))}
	for _, key := range slices.Sorted(maps.Keys(a.emails)) {
		if o, err := e.importOne(a.emails[key]); err != nil {
			e.out.notMade(c, key, err)
		} else {
			e.out.made(c, key, o["id"].(string), o)
		}
	}
	if _, err := c.settle(e.out, s, e.receipts); err != nil {
		return nil, err
	}
	return object{"accountId": e.out.Account, "oldState": e.out.OldState, "newState": e.out.NewState, "created": e.out.Created, "notCreated": e.out.NotCreated}, nil
}

// rawMap has the keys of a map of objects, for their count and form.
func rawMap(m map[string]wire.Args) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(m))
	for k := range m {
		out[k] = nil
	}
	return out
}

func (e *emailSetter) importOne(a wire.Args) (object, error) {
	var blob string
	var boxes, words map[string]bool
	var received *wire.UTCDate
	r := wire.Reader{Args: a}
	r.Must("blobId", &blob)
	r.Must("mailboxIds", &boxes)
	r.Get("keywords", &words)
	r.Get("receivedAt", &received)
	if err := r.End(); err != nil {
		return nil, badProperties(err.Error(), slices.Sorted(maps.Keys(a))...)
	}
	f, err := e.c.filing(e.s, boxes, words, received)
	if err != nil {
		return nil, err
	}
	blob = e.c.real(blob)
	if err := e.c.looksLikeMail(blob); err != nil {
		return nil, err
	}
	return e.file(f, func(w io.Writer) error { return e.c.copyBlob(w, blob, nil) })
}

// looksLikeMail refuses a blob that has no header field.
func (c *call) looksLikeMail(id string) error {
	return c.readBlob(id, message.DefaultMaxHeader, func(in io.Reader) error {
		h, err := readHeader(in)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if !looksLikeMail(&h) {
			return wire.Errorf(wire.ErrInvalidEmail, "the blob is no message: it has no header")
		}
		return nil
	})
}

// emailCopy answers Email/copy (RFC 8621 4.7). It copies from one account to another, and a client has one account here: so all it can say is why not.
// A message goes into more mailboxes of its account by its mailboxIds.
func (c *call) emailCopy() (any, error) {
	var from string
	var state, fromState *string
	var create map[string]wire.Args
	destroy := false
	r := wire.Reader{Args: c.args}
	r.Must("fromAccountId", &from)
	r.Get("ifInState", &state)
	r.Get("ifFromInState", &fromState)
	r.Must("create", &create)
	r.Get("onSuccessDestroyOriginal", &destroy)
	r.Raw("destroyFromIfInState")
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	if from != accountID(c.account.ID) {
		return nil, wire.Errorf(wire.ErrFromAccountNotFound, "you have no account "+from)
	}
	return nil, wire.Errorf(wire.ErrInvalidArguments, "fromAccountId is another account than accountId; within one account, set mailboxIds")
}

// also makes another call in consequence of this one: its response follows (RFC 8620 5.4, RFC 8621 7.5).
func (c *call) also(name string, args wire.Args, run func(*call) (any, error)) {
	next := *c
	next.name, next.args, next.out = name, args, nil
	out, err := run(&next)
	if err != nil {
		name, out = "error", c.methodError(err)
	}
	c.out = append(c.out, wire.Invocation{Name: name, Args: rawArg(out), ID: c.id})
}

// rawArg is an argument as JSON, for a call that one method makes of another.
func rawArg(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}

package junk

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// Bounds on learning.
const (
	maxBatch    = 32 // messages of one commit
	learnWithin = time.Minute
	endWithin   = 5 * time.Second
)

// Run learns what a Watch saw, until ctx ends; what waits then, or is under way, is learnt within endWithin, or lost.
func (f *Filter) Run(ctx context.Context) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-f.cfg.Clock.After(endWithin):
			cancel()
		case <-work.Done():
		}
	})()
	for {
		select {
		case <-ctx.Done():
			f.last(work)
			return
		case l := <-f.lessons:
			f.take(work, l)
		}
	}
}

// last learns what waits.
func (f *Filter) last(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case l := <-f.lessons:
			f.take(ctx, l)
		default:
			return
		}
	}
}

// take learns one lesson.
func (f *Filter) take(ctx context.Context, l lesson) {
	if n := f.missed.Swap(0); n > 0 {
		f.cfg.Log.Warn("messages were moved or marked faster than the junk filter learns; some taught it nothing", "count", n)
	}
	ctx, cancel := context.WithTimeout(ctx, learnWithin)
	defer cancel()
	if err := f.teach(ctx, l); err != nil && !mail.Is(err, mail.NotFound) {
		f.cfg.Log.Warn("the junk filter could not learn from an account's mail", "account", int64(l.account), "error", err)
	}
}

// teach finds out what a lesson says and makes it part of the model.
func (f *Filter) teach(ctx context.Context, l lesson) error {
	if l.gone {
		return f.models.forget(ctx, l.account)
	}
	if l.said == Neutral && l.unsaid == Neutral {
		places, err := f.cfg.Places.Places(ctx, l.account)
		if err != nil {
			return err
		}
		if l.said, l.weak = meaning(places, l); l.said == Neutral {
			return nil
		}
	}
	var batch []example
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		n, err := f.models.learn(ctx, l.account, batch)
		if n > 0 {
			f.cfg.Log.Debug("the junk filter has learnt", "account", int64(l.account), "messages", n)
		}
		batch = batch[:0]
		return err
	}
	for _, uids := range l.uids {
		for m, err := range f.cfg.Mailboxes.Messages(ctx, l.to, uids) {
			if err != nil {
				return err
			}
			e, ok, err := f.example(ctx, l, m.Message)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if batch = append(batch, e); len(batch) == maxBatch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// meaning is what it says about messages that their owner put them where they are. What goes into Junk is junk; what comes out of it is good, unless
// it is thrown away; and what is put aside from INBOX is likely wanted.
func meaning(places []mail.Place, l lesson) (v Verdict, weak bool) {
	var from, to mail.Place
	for _, p := range places {
		if p.ID == l.from {
			from = p
		}
		if p.ID == l.to {
			to = p
		}
	}
	switch {
	case to.ID == 0 || from.ID == to.ID:
		return Neutral, false
	case to.Use == mail.UseJunk:
		return Junk, false
	case from.Use == mail.UseJunk && to.Use != mail.UseTrash:
		return Good, false
	case from.Use == mail.UseInbox && !l.copied && (to.Use == mail.NoUse || to.Use == mail.UseArch):
		return Good, true
	}
	return Neutral, false
}

// example reads a message for learning. ok is false when it is not there any more, or a taken-off keyword said nothing that was learnt.
func (f *Filter) example(ctx context.Context, l lesson, m mail.Message) (e example, ok bool, err error) {
	e = example{key: messageKey(m), verdict: l.said, weak: l.weak}
	if l.unsaid != Neutral {
		memory, err := f.models.memory(ctx, l.account)
		if err != nil || memory.of(e.key) != l.unsaid {
			return e, false, err
		}
	}
	r, err := f.cfg.Blobs.Open(ctx, m.Blob)
	if mail.Is(err, mail.NotFound) {
		return e, false, nil
	}
	if err == nil {
		defer r.Close() //nolint:errcheck // it was only read
		var root *message.Part
		if root, err = structure(m.Summary, r); err == nil {
			var c *content
			if c, err = read(root, r); err == nil {
				e.tokens = c.words.list
				return e, true, nil
			}
		}
	}
	if ctx.Err() != nil {
		return e, false, err
	}
	f.cfg.Log.Warn("a message that the junk filter should learn cannot be read", "account", int64(l.account), "email", int64(m.ID), "error", err)
	return e, false, nil
}

// messageKey names a message for as long as its body is kept: copies of it, which are messages of their own, have the same.
func messageKey(m mail.Message) uint64 {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(m.Blob))                       //nolint:gosec // any number will do
	binary.BigEndian.PutUint64(b[8:], uint64(m.Size-int64(len(m.Prefix)))) //nolint:gosec // any number will do
	h := fnv.New64a()
	h.Write(b[:]) //nolint:errcheck // it never fails
	return h.Sum64()
}

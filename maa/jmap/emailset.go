package jmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// emailSet answers Email/set (RFC 8621 4.6).
func (c *call) emailSet() (any, error) {
	var a setArgs
	r := wire.Reader{Args: c.args}
	a.read(&r)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	if err := a.check(c, stateText(s.state)); err != nil {
		return nil, err
	}
	e := &emailSetter{c: c, s: s, out: c.setResult(stateText(s.state))}
	for _, key := range slices.Sorted(maps.Keys(a.create)) {
		e.create(key, a.create[key])
	}
	e.updateAll(a.update, a.destroy)
	e.destroyAll(a.destroy)
	_, err = c.settle(e.out, s, e.receipts)
	return e.out, err
}

type emailSetter struct {
	c        *call
	s        *snapshot
	out      *setResult
	receipts []mail.Receipt
}

// deed is what one object of a set does, and how its results tell that it was done.
type deed struct {
	id      string // as the client wrote it
	changes []mail.Change
	again   func(*snapshot) ([]mail.Change, error) // makes the changes anew, when the message has moved meanwhile
}

// perform commits deeds, all in one set where that can be, else one by one. done is told what became of each.
func (e *emailSetter) perform(deeds []deed, done func(d *deed, err error)) {
	var all mail.ChangeSet
	for _, d := range deeds {
		all.Add(d.changes...)
	}
	if len(all.Changes) == 0 {
		for i := range deeds {
			done(&deeds[i], nil)
		}
		return
	}
	rc, err := e.c.s.cfg.Journal.Commit(e.c.ctx, all)
	var refused *mail.ChangeError
	switch {
	case err == nil:
		e.receipts = append(e.receipts, rc)
		results := rc.Results
		for i := range deeds {
			d := &deeds[i]
			n := len(d.changes)
			if missed(d.changes, results[:n]) {
				done(d, e.retry(d))
			} else {
				done(d, nil)
			}
			results = results[n:]
		}
	case errors.As(err, &refused):
		for i := range deeds {
			done(&deeds[i], e.retry(&deeds[i]))
		}
	default:
		for i := range deeds {
			done(&deeds[i], err)
		}
	}
}

// retry makes one deed alone, on the account as it is now.
func (e *emailSetter) retry(d *deed) error {
	const tries = 3
	for range tries {
		s, err := e.c.snap()
		if err != nil {
			return err
		}
		changes, err := d.again(s)
		if err != nil || len(changes) == 0 {
			return err
		}
		rc, err := e.c.s.cfg.Journal.Commit(e.c.ctx, mail.ChangeSet{Changes: changes})
		if err != nil {
			return err
		}
		e.receipts = append(e.receipts, rc)
		if !missed(changes, rc.Results) {
			return nil
		}
	}
	return mail.Errorf(mail.Unavailable, "the message is changed by others at this moment; try again")
}

// missed reports whether a change found no message where the snapshot had it.
func missed(changes []mail.Change, results []mail.Result) bool {
	for i, ch := range changes {
		r := &results[i]
		switch ch.(type) {
		case mail.SetFlags:
			if len(r.Placements) == 0 {
				return true
			}
		case mail.MoveMessages:
			if len(r.Copied) == 0 {
				return true
			}
		case mail.Expunge:
			if len(r.Expunged) == 0 {
				return true
			}
		}
	}
	return false
}

// updateAll changes keywords and mailboxes (RFC 8621 4.6). Nothing else of an Email can change.
func (e *emailSetter) updateAll(update map[string]json.RawMessage, destroy wire.IDs) {
	var deeds []deed
	for _, id := range slices.Sorted(maps.Keys(update)) {
		raw, number := update[id], e.c.real(id)
		if slices.Contains(destroy, id) {
			e.out.notChanged(e.c, id, wire.Errorf(wire.ErrWillDestroy, "the same call destroys it"))
			continue
		}
		again := func(s *snapshot) ([]mail.Change, error) { return e.c.emailUpdate(s, number, raw) }
		s := e.s
		if _, fresh := parseEmail(number); number != id && fresh { // made by this request: a newer snapshot has it
			if newer, err := e.c.snap(); err == nil {
				s = newer
			}
		}
		changes, err := again(s)
		if err != nil {
			e.out.notChanged(e.c, id, err)
			continue
		}
		deeds = append(deeds, deed{id, changes, again})
	}
	e.perform(deeds, func(d *deed, err error) {
		if err != nil {
			e.out.notChanged(e.c, d.id, err)
		} else {
			e.out.changed(d.id, nil)
		}
	})
}

// emailUpdate makes the changes that a patch asks for.
func (c *call) emailUpdate(s *snapshot, id string, raw json.RawMessage) ([]mail.Change, error) {
	n, _ := parseEmail(id)
	e := s.email(n)
	if e == nil {
		return nil, notFound("message")
	}
	patch, err := wire.ParsePatch(raw)
	if err != nil {
		return nil, wire.Errorf(wire.ErrInvalidPatch, err.Error())
	}
	for path := range patch {
		if name, _, _ := cutPath(path); name != "keywords" && name != "mailboxIds" {
			if is, ok := c.immutable(e, name); ok && path == name && string(rawArg(is)) == string(rawArg(patch[path])) {
				delete(patch, path)
				continue
			}
			return nil, badProperties("of a message, keywords and mailboxIds can change", name)
		}
	}
	after, err := patch.Apply(map[string]any{"keywords": anyMap(keywords(e.flags)), "mailboxIds": anyMap(e.mailboxIDs())})
	if err != nil {
		return nil, wire.Errorf(wire.ErrInvalidPatch, err.Error())
	}
	words, ok := boolMap(after["keywords"], true)
	if !ok {
		return nil, badProperties("keywords are a map of words to true", "keywords")
	}
	boxes, ok := boolMap(after["mailboxIds"], false)
	if !ok {
		return nil, badProperties("mailboxIds are a map of ids to true", "mailboxIds")
	}
	flags, err := flagsOf(words)
	if err != nil {
		return nil, err
	}
	changes := c.flagChanges(e, flags)
	moves, err := c.moves(s, e, boxes)
	return append(changes, moves...), err
}

// immutable gives a property that never changes, for clients that send all of an object back.
func (c *call) immutable(e *email, name string) (any, bool) {
	switch name {
	case "id":
		return emailID(e.id), true
	case "blobId":
		return blobID(e.id), true
	case "threadId":
		return threadID(e.thread), true
	case "size":
		return e.size, true
	case "receivedAt":
		return utc(e.received), true
	}
	return nil, false
}

// flagChanges makes a message's flags what they are to be. \Deleted, which JMAP does not know, stays.
func (c *call) flagChanges(e *email, to mail.Flags) (out []mail.Change) {
	is := e.flags.Without(mail.Flags{Bits: mail.Deleted})
	at := mail.SetFlags{Account: c.account.ID, Mailbox: e.places[0].mailbox, UIDs: uids(e.places[0])}
	if add := to.Without(is); add != (mail.Flags{}) {
		at.Op, at.Flags = mail.FlagsAdd, add
		out = append(out, at)
	}
	if remove := is.Without(to); remove != (mail.Flags{}) {
		at.Op, at.Flags = mail.FlagsRemove, remove
		out = append(out, at)
	}
	return out
}

func uids(p place) []mail.UIDRange { return []mail.UIDRange{{First: p.uid, Last: p.uid}} }

// moves puts a message into the mailboxes it is to be in (RFC 8621 4.1.1): from each that it leaves it goes to another, as long as there are such.
func (c *call) moves(s *snapshot, e *email, to map[string]bool) (out []mail.Change, err error) {
	if len(to) == 0 {
		return nil, badProperties("a message is in a mailbox, or it is destroyed", "mailboxIds")
	}
	var add []mail.MailboxID
	keep := map[mail.MailboxID]bool{}
	for id := range to {
		n, _ := parseMailbox(c.real(id))
		switch {
		case s.box(n) == nil:
			return nil, badProperties(fmt.Sprintf("there is no mailbox %q", id), "mailboxIds")
		case e.in(n):
			keep[n] = true
		default:
			add = append(add, n)
		}
	}
	var leave []place
	for _, p := range e.places {
		if !keep[p.mailbox] {
			leave = append(leave, p)
		}
	}
	slices.Sort(add)
	add = slices.Compact(add)
	now := c.s.cfg.Clock.Now()
	for i, p := range leave {
		if i < len(add) {
			out = append(out, mail.MoveMessages{Account: c.account.ID, From: p.mailbox, To: add[i], UIDs: uids(p), Saved: now})
		} else {
			out = append(out, mail.Expunge{Account: c.account.ID, Mailbox: p.mailbox, UIDs: uids(p)})
		}
	}
	for _, box := range add[min(len(leave), len(add)):] {
		out = append(out, mail.PlaceMessage{Account: c.account.ID, Email: e.id, To: box, Saved: now})
	}
	return out, nil
}

// destroyAll removes messages for good.
func (e *emailSetter) destroyAll(ids wire.IDs) {
	var deeds []deed
	seen := map[string]bool{}
	for _, id := range ids {
		number := e.c.real(id)
		if seen[number] {
			continue
		}
		seen[number] = true
		again := func(s *snapshot) ([]mail.Change, error) {
			n, _ := parseEmail(number)
			m := s.email(n)
			if m == nil {
				return nil, notFound("message")
			}
			var out []mail.Change
			for _, p := range m.places {
				out = append(out, mail.Expunge{Account: e.c.account.ID, Mailbox: p.mailbox, UIDs: uids(p)})
			}
			return out, nil
		}
		s, err := e.c.snap() // what the same call has moved is elsewhere now
		var changes []mail.Change
		if err == nil {
			changes, err = again(s)
		}
		if err != nil {
			e.out.notGone(e.c, id, err)
			continue
		}
		deeds = append(deeds, deed{id, changes, again})
	}
	e.perform(deeds, func(d *deed, err error) {
		if err != nil {
			e.out.notGone(e.c, d.id, err)
		} else {
			e.out.gone(d.id)
		}
	})
}

// cutPath takes the first token off a path.
func cutPath(path string) (first, rest string, more bool) {
	for i := range len(path) {
		if path[i] == '/' {
			return wire.Unescape(path[:i]), path[i+1:], true
		}
	}
	return wire.Unescape(path), "", false
}

func anyMap(m map[string]bool) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// boolMap reads a map in which every value is true. null is the empty map where that is allowed.
func boolMap(v any, mayBeNull bool) (map[string]bool, bool) {
	if v == nil {
		return nil, mayBeNull
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	out := make(map[string]bool, len(m))
	for k, v := range m {
		if v != true {
			return nil, false
		}
		out[k] = true
	}
	return out, true
}

package jmap

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/postrider/postrider/mail"
)

// How the runner waits. Other nodes take submissions too: so it looks again from time to time, though it knows of none.
const (
	lookAgain  = time.Minute
	sweepAgain = 24 * time.Hour
	firstPause = time.Minute // before a message is tried again; twice as long each time
	lastPause  = time.Hour
)

// wakeRunner has the runner look at what is due now.
func (s *Server) wakeRunner() {
	select {
	case s.held <- struct{}{}:
	default: // it is told already
	}
}

// RunLater sends messages whose time has come, until ctx ends or the server does. It may run on every node: a message is sent and its note forgotten in one
// commit, so that of several that try, one succeeds. A crash leaves the note, or it does not: then the message is sent.
func (s *Server) RunLater(ctx context.Context) error {
	if !s.sends() {
		return nil
	}
	var swept time.Time
	for {
		if now := s.cfg.Clock.Now(); now.Sub(swept) >= sweepAgain {
			swept = now
			if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Log.Warn("what was kept for accounts that are gone stays", "role", "maa/jmap", "error", err)
			}
		}
		next, err := s.sendDue(ctx)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("messages to be sent later are not sent", "role", "maa/jmap", "error", err)
		}
		wait := lookAgain
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(s.cfg.Clock.Now()), 0))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.stop.Done():
			return nil
		case <-s.held:
		case <-s.cfg.Clock.After(wait):
		}
	}
}

// sweep takes away what is kept for accounts that are gone: their notes went with them, the queue's entries do not.
func (s *Server) sweep(ctx context.Context) error {
	f := mail.QueueFilter{Held: true, Limit: 100}
	for {
		page, err := s.cfg.Queue.Queued(ctx, f)
		if err != nil {
			return err
		}
		for _, q := range page {
			if len(q.Recipients) != 1 || q.Recipients[0].Route != keepRoute {
				continue
			}
			if _, err := s.cfg.Accounts.Account(ctx, q.Account); err == nil {
				continue
			} else if !mail.Is(err, mail.NotFound) {
				return err
			}
			act := mail.QueueAct{Queue: q.ID, Act: mail.ActDelete, Now: s.cfg.Clock.Now()}
			if _, err := s.cfg.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{act}}); err != nil && !mail.Is(err, mail.NotFound) {
				return err
			}
		}
		if len(page) < f.Limit {
			return nil
		}
		f.After = page[len(page)-1].ID
	}
}

// sendDue sends what is due, and gives the time of the next.
func (s *Server) sendDue(ctx context.Context) (next time.Time, err error) {
	q := mail.NoteQuery{Kind: kindLater, Limit: 100}
	for {
		page, err := s.cfg.Notes.Notes(ctx, q)
		if err != nil {
			return time.Time{}, err
		}
		for _, n := range page {
			if at := dueAt(n.Key); at.After(s.cfg.Clock.Now()) {
				return at, nil
			}
			if err := s.release(ctx, n); err != nil {
				return time.Time{}, err
			}
		}
		if len(page) < q.Limit {
			return time.Time{}, nil
		}
		q.After = page[len(page)-1].Key
	}
}

// due is a message whose time has come.
type due struct {
	s    *Server
	note mail.Note
	held delayed
	sub  *submission // nil when it was destroyed
}

// release sends a message that is due, or says why not. An error is one of the store; the message stays as it is then.
func (s *Server) release(ctx context.Context, n mail.Note) error {
	d := &due{s: s, note: n}
	if err := json.Unmarshal(n.Value, &d.held); err != nil {
		s.cfg.Log.Error("message to be sent later cannot be read", "role", "maa/jmap", "key", n.Key, "error", err)
		return nil
	}
	kept, err := s.cfg.Notes.Note(ctx, kindSubmission, accountID(n.Account)+"/"+d.held.ID)
	switch {
	case err == nil:
		d.sub = readSubmission(kept)
	case !mail.Is(err, mail.NotFound):
		return err
	}
	m, err := d.message(ctx)
	if err != nil {
		return err
	}
	if m == nil {
		return d.end(ctx, replyGone)
	}
	err = d.send(ctx, m)
	switch {
	case err == nil, mail.Is(err, mail.Conflict): // sent, or canceled or sent by somebody else
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case mail.KindOf(err).Temporary() && s.cfg.Clock.Now().Sub(d.held.SendAt) < giveUp:
		return d.putOff(ctx, err)
	}
	s.cfg.Log.Warn("message to be sent later refused", "role", "maa/jmap", "account", int64(n.Account), "submission", d.held.ID, "error", err)
	return d.end(ctx, refusal("550", "5.0.0", err))
}

// message gives what is to be sent: the message, or what was kept of one that was destroyed; nil when nothing was.
func (d *due) message(ctx context.Context) (*mail.Message, error) {
	id, _ := parseEmail(d.held.Email)
	m, err := d.s.cfg.Mailboxes.Message(ctx, d.note.Account, id)
	if !mail.Is(err, mail.NotFound) {
		return &m, err
	}
	q, err := d.held.kept(ctx, d.s.cfg.Queue)
	if err != nil || q == nil {
		return nil, err
	}
	return &mail.Message{Account: d.note.Account, Blob: q.Blob, Size: q.Size}, nil
}

// refusal is an SMTP reply for an error.
func refusal(code, enhanced string, err error) string {
	if e, ok := err.(*mail.Error); ok { //nolint:errorlint // the submitter's own come bare
		enhanced = cmp.Or(e.Enhanced, enhanced)
	}
	if enhanced[0] != code[0] {
		enhanced = code[:1] + ".0.0"
	}
	return code + " " + enhanced + " " + mail.Sentence(err)
}

// send hands the message over. The commit that takes it forgets the note.
func (d *due) send(ctx context.Context, m *mail.Message) error {
	src := (&visit{s: d.s}).octets(ctx, m)
	defer src.close()
	now := d.s.cfg.Clock.Now().UTC()
	if d.sub != nil {
		d.sub.Later, d.sub.Reply, d.sub.Handed = "", "", now.Truncate(time.Second)
	}
	o := outgoing{s: d.s, account: d.note.Account, sub: d.sub, env: d.held.Envelope, peer: d.held.Peer}
	also, err := o.message(src, now)
	if err != nil {
		return err
	}
	defer o.body.Close()
	forget, err := d.s.forget(ctx, d.note)
	if err != nil {
		return err
	}
	return o.submit(ctx, append(also, forget...))
}

// end gives a message up.
func (d *due) end(ctx context.Context, reply string) error {
	forget, err := d.s.forget(ctx, d.note)
	if err != nil {
		return err
	}
	return d.settle(ctx, func(s *submission) { s.Refused, s.Later, s.Reply = true, "", reply }, forget...)
}

// settle changes the submission of what is not sent, if it is there, together with other things. Where somebody else was faster, theirs holds.
func (d *due) settle(ctx context.Context, change func(*submission), more ...mail.Change) error {
	set := mail.ChangeSet{Changes: more}
	if d.sub != nil {
		// It is read again: an attempt has changed what is in memory.
		n, err := d.s.cfg.Notes.Note(ctx, kindSubmission, accountID(d.note.Account)+"/"+d.held.ID)
		if err == nil {
			d.sub = readSubmission(n)
		} else if !mail.Is(err, mail.NotFound) {
			return err
		}
		if err == nil && d.sub != nil {
			change(d.sub)
			kept, err := d.sub.keep(d.note.Account)
			if err != nil {
				return err
			}
			set.Add(kept, changeOf(d.note.Account, "EmailSubmission"))
		}
	}
	_, err := d.s.cfg.Journal.Commit(ctx, set)
	if mail.Is(err, mail.Conflict) {
		return nil
	}
	d.s.tell(d.note.Account)
	return err
}

// putOff has the message tried again.
func (d *due) putOff(ctx context.Context, why error) error {
	pause := min(firstPause<<min(d.held.Tries, 10), lastPause)
	next := d.held
	next.Tries++
	n, err := next.note(d.note.Account, d.s.cfg.Clock.Now().Add(pause))
	if err != nil {
		return err
	}
	d.s.cfg.Log.Info("message to be sent later put off", "role", "maa/jmap", "account", int64(d.note.Account), "submission", d.held.ID, "pause", pause, "error", why)
	return d.settle(ctx, func(s *submission) { s.Later, s.Reply = n.Key, refusal("450", "4.0.0", why) }, mail.PutNote{Note: n, If: mail.NoteAbsent},
		mail.RemoveNote{Kind: kindLater, Key: d.note.Key, If: mail.NoteIs, Was: d.note.Value})
}

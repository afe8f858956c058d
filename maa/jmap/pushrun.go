package jmap

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/maa/jmap/webpush"
	"github.com/postrider/postrider/mail"
)

// Times of pushing.
const (
	pushGather = time.Second      // after a change, for what comes with it to be told in the same message
	pushLook   = 20 * time.Second // between looks at the subscriptions, which other nodes make too
	pushLease  = time.Minute      // how long a node that does not say that it lives is believed to push
	pushTTL    = 24 * time.Hour   // a push service keeps a message so long for a device that is off
	pushPause  = 10 * time.Second // after a push service could not take a message; twice as long each time
	pushRest   = time.Hour        // the longest such pause
	verifyTTL  = 10 * time.Minute
	verifies   = 3 // attempts to send a verification
)

// kindPushLease is the kind of the note that says which node pushes.
const kindPushLease = "push-lease"

// wakePusher has the runner look at the subscriptions.
func (s *Server) wakePusher() {
	select {
	case s.pusher.wake <- struct{}{}:
	default: // it is told already
	}
}

// pushing is what a server has for it.
type pushing struct {
	wake chan struct{}
	work sync.WaitGroup // verifications on their way
}

// verify sends a PushVerification (RFC 8620 7.2.2), in the background: the client may hear of it before it has the answer to its request.
func (s *Server) verify(p *subscription) {
	m, err := p.message(object{"@type": "PushVerification", "pushSubscriptionId": p.ID, "verificationCode": p.Code})
	if err != nil {
		return // the keys were looked at
	}
	m.TTL, m.Urgency = verifyTTL, "high"
	s.pusher.work.Go(func() {
		for n := range verifies {
			res := s.cfg.Push.Send(s.stop, m)
			s.logPush(p, res)
			if res.Outcome != webpush.Later || s.stop.Err() != nil {
				return
			}
			select {
			case <-s.cfg.Clock.After(max(res.Retry, pushPause<<n)):
			case <-s.stop.Done():
				return
			}
		}
	})
}

// logPush tells what became of a message, without the address, which is a secret.
func (s *Server) logPush(p *subscription, res webpush.Result) {
	host := ""
	if u, err := url.Parse(p.URL); err == nil {
		host = u.Host
	}
	s.cfg.Log.Debug("push message", "role", "maa/jmap", "subscription", p.ID, "host", host, "status", res.Status, "error", res.Err)
}

// RunPush sends StateChanges to push subscriptions (RFC 8620 7.2) until ctx ends or the server does. It may run on every node: one of them pushes at a
// time, and another when that one is gone.
func (s *Server) RunPush(ctx context.Context) error {
	if !s.pushes() {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.stop, cancel)()
	r := &pushRunner{s: s, name: secret(), people: map[mail.AccountID]*pushPerson{}}
	defer r.resign(ctx)
	defer r.end()
	for {
		lead, err := r.lead(ctx)
		if err == nil && lead {
			err = r.look(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("push messages are not sent", "role", "maa/jmap", "error", err)
		}
		if !lead {
			r.end()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.pusher.wake:
		case <-s.cfg.Clock.After(pushLook):
		}
	}
}

// pushRunner pushes for all accounts that have subscriptions.
type pushRunner struct {
	s      *Server
	name   string // of this process, in the lease
	lease  []byte // as it was written last
	until  time.Time
	people map[mail.AccountID]*pushPerson
}

// lead reports whether this node pushes. One that cannot write its lease any more stops before another may begin.
func (r *pushRunner) lead(ctx context.Context) (bool, error) {
	now := r.s.cfg.Clock.Now()
	value := []byte(r.name + " " + now.UTC().Format(time.RFC3339Nano))
	put := mail.PutNote{Note: mail.Note{Kind: kindPushLease, Key: "lease", Value: value, Expires: now.Add(pushLease)}, If: mail.NoteAbsent}
	if r.lease != nil {
		put.If, put.Was = mail.NoteIs, r.lease
	}
	_, err := r.s.cfg.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{put}})
	switch {
	case err == nil:
		r.lease, r.until = value, now.Add(pushLease)
		return true, nil
	case mail.Is(err, mail.Exists), mail.Is(err, mail.Conflict):
		r.lease = nil
		return false, nil
	}
	const early = pushLook // a look may take so long
	return r.lease != nil && now.Before(r.until.Add(-early)), err
}

// look begins and ends pushing for accounts.
func (r *pushRunner) look(ctx context.Context) error {
	have := map[mail.AccountID]bool{}
	q := mail.NoteQuery{Kind: kindPush, Limit: 1000}
	for {
		page, err := r.s.cfg.Notes.Notes(ctx, q)
		if err != nil {
			return err
		}
		for _, n := range page {
			head, _, _ := strings.Cut(n.Key, "/")
			if id, ok := number('A', head); ok {
				have[mail.AccountID(id)] = true
			}
		}
		if len(page) < q.Limit {
			break
		}
		q.After = page[len(page)-1].Key
	}
	for id, p := range r.people {
		if !have[id] || p.ctx.Err() != nil {
			p.end()
			delete(r.people, id)
		}
	}
	for id := range have {
		if r.people[id] == nil {
			r.people[id] = r.s.pushFor(ctx, id)
		} else {
			r.people[id].wake()
		}
	}
	return nil
}

func (r *pushRunner) end() {
	for id, p := range r.people {
		p.end()
		delete(r.people, id)
	}
}

// resign gives the lease up, so that another node need not wait for its end.
func (r *pushRunner) resign(ctx context.Context) {
	if r.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = r.s.cfg.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.RemoveNote{Kind: kindPushLease, Key: "lease", If: mail.NoteIs, Was: r.lease}}})
}

// pushPerson pushes for one account.
type pushPerson struct {
	s      *Server
	id     mail.AccountID
	ctx    context.Context //nolint:containedctx // ends with the pushing
	cancel context.CancelFunc
	again  chan struct{} // look at the subscriptions
	work   sync.WaitGroup
	to     map[string]*pushTarget // of the goroutine that runs
}

func (s *Server) pushFor(ctx context.Context, id mail.AccountID) *pushPerson {
	p := &pushPerson{s: s, id: id, again: make(chan struct{}, 1), to: map[string]*pushTarget{}}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.work.Go(p.run)
	return p
}

func (p *pushPerson) end() {
	p.cancel()
	p.work.Wait()
}

func (p *pushPerson) wake() {
	select {
	case p.again <- struct{}{}:
	default:
	}
}

// run watches the account. When it ends by itself it may be begun again.
func (p *pushPerson) run() {
	defer p.cancel()
	news, stop := p.s.cfg.Bus.Watch(mail.Topic{Kind: mail.TopicAccount, Account: p.id})
	defer stop()
	w, err := p.s.watch(p.ctx, p.id, nil)
	if err == nil {
		err = p.refresh()
	}
	for err == nil {
		select {
		case <-p.ctx.Done():
			return
		case <-p.again:
			err = p.refresh()
			continue
		case <-news:
		}
		select {
		case <-p.ctx.Done():
			return
		case <-p.s.cfg.Clock.After(pushGather):
		}
		if err = p.refresh(); err == nil {
			err = p.tell(w)
		}
	}
	if p.ctx.Err() != nil {
		return
	}
	if mail.Is(err, mail.Denied) {
		// Whoever may not log in any more has no subscriptions (RFC 8620 7.2).
		if list, listed := p.s.subscriptions(p.ctx, p.id); listed == nil {
			err = p.s.forgetPushes(p.ctx, p.id, list)
		}
	}
	if err != nil {
		p.s.cfg.Log.Warn("an account's push messages are not sent", "role", "maa/jmap", "account", int64(p.id), "error", err)
	}
}

// forgetPushes removes subscriptions.
func (s *Server) forgetPushes(ctx context.Context, account mail.AccountID, list []*subscription) error {
	var set mail.ChangeSet
	for _, p := range list {
		set.Add(mail.RemoveNote{Kind: kindPush, Key: p.key(account)})
	}
	_, err := s.cfg.Journal.Commit(ctx, set)
	return err
}

// refresh reads the subscriptions, and begins and ends sending to them.
func (p *pushPerson) refresh() error {
	list, err := p.s.subscriptions(p.ctx, p.id)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, sub := range list {
		if !sub.Verified {
			continue // nothing but the verification may be sent (RFC 8620 7.2)
		}
		have[sub.ID] = true
		if t := p.to[sub.ID]; t != nil {
			t.set(sub)
			continue
		}
		t := &pushTarget{p: p, sub: sub, due: make(chan struct{}, 1)}
		t.ctx, t.cancel = context.WithCancel(p.ctx)
		p.to[sub.ID] = t
		p.work.Go(t.run)
	}
	for id, t := range p.to {
		if !have[id] {
			t.cancel()
			delete(p.to, id)
		}
	}
	return nil
}

// tell hands what is new to each subscription that asks for it.
func (p *pushPerson) tell(w *watcher) error {
	fresh, err := w.news(p.ctx)
	if err != nil {
		return err
	}
	for _, t := range p.to {
		t.add(fresh)
	}
	return nil
}

// pushTarget sends to one subscription, one message after the other.
type pushTarget struct {
	p      *pushPerson
	ctx    context.Context //nolint:containedctx // ends with the subscription
	cancel context.CancelFunc
	due    chan struct{}

	mu     sync.Mutex
	sub    *subscription
	states map[string]string // to be told
}

func (t *pushTarget) set(sub *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sub = sub
}

// add puts states to those that are to be told; newer ones take the place of older ones.
func (t *pushTarget) add(states map[string]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for kind, state := range states {
		if t.sub.Types == nil || slices.Contains(t.sub.Types, kind) {
			put(&t.states, kind, state)
		}
	}
	if len(t.states) > 0 {
		select {
		case t.due <- struct{}{}:
		default:
		}
	}
}

// take gives what is to be told, and to whom.
func (t *pushTarget) take() (*subscription, map[string]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	states := t.states
	t.states = nil
	return t.sub, states
}

// back puts states back that could not be told.
func (t *pushTarget) back(states map[string]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.Copy(states, t.states)
	t.states = states
}

// run sends until the subscription is gone. What cannot be sent now is sent later, together with what has changed since.
func (t *pushTarget) run() {
	defer t.cancel()
	s := t.p.s
	failures := 0
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-t.due:
		}
		for {
			sub, states := t.take()
			if len(states) == 0 || !s.cfg.Clock.Now().Before(sub.Expires) {
				break
			}
			res := t.send(sub, states)
			if t.ctx.Err() != nil {
				return
			}
			s.logPush(sub, res)
			if res.Outcome == webpush.Gone {
				t.forget()
				return
			}
			if res.Outcome != webpush.Later {
				failures = 0
				break
			}
			t.back(states)
			pause := max(res.Retry, min(pushPause<<min(failures, 10), pushRest))
			failures++
			select {
			case <-t.ctx.Done():
				return
			case <-s.cfg.Clock.After(pause):
			}
		}
	}
}

// send sends one StateChange.
func (t *pushTarget) send(sub *subscription, states map[string]string) webpush.Result {
	m, err := sub.message(stateChange(t.p.id, states))
	if err != nil {
		return webpush.Result{Outcome: webpush.Refused, Err: err}
	}
	m.TTL, m.Urgency = pushTTL, "normal"
	if states["EmailDelivery"] != "" {
		m.Urgency = "high" // somebody waits for new mail
	}
	// Of messages that tell the same types, the device needs the last one (RFC 8030 5.4).
	sum := sha256.Sum256([]byte(strings.Join(slices.SortedFunc(maps.Keys(states), cmp.Compare[string]), ",")))
	const topic = 24
	m.Topic = base64.RawURLEncoding.EncodeToString(sum[:])[:topic]
	return t.p.s.cfg.Push.Send(t.ctx, m)
}

// forget removes the subscription: the push service says that it is no more (RFC 8030 7.3).
func (t *pushTarget) forget() {
	t.mu.Lock()
	sub := t.sub
	t.mu.Unlock()
	if err := t.p.s.forgetPushes(t.p.ctx, t.p.id, []*subscription{sub}); err != nil {
		t.p.s.cfg.Log.Warn("a push subscription that is no more is not forgotten", "role", "maa/jmap", "error", err)
	}
}

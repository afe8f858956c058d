package tls

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"github.com/postrider/postrider/mail"
)

// How long a lock lasts when nobody renews it, because its node died; how often it is renewed; and how often one that
// another has is looked at, at first and at most.
const (
	leaseLife  = 2 * time.Minute
	leaseRenew = 30 * time.Second
	leaseLook  = 250 * time.Millisecond
	leaseSlow  = 5 * time.Second
)

// lease is a lock this node has. Its token tells it from one that another took after it ran out.
type lease struct {
	token []byte
	end   context.CancelFunc
	done  chan struct{} // it is not renewed any more
	freed chan struct{} // it was given back
}

func (v *vault) leaseNote(name string, token []byte, cond mail.NoteIf) mail.PutNote {
	return mail.PutNote{
		Note: mail.Note{Kind: lockNotes, Key: noteKey(name), Value: token, Expires: v.clock.Now().Add(leaseLife)},
		If:   cond, Was: token,
	}
}

// Lock implements certmagic.Locker: it waits until the lock is free or ctx ends. The lock is renewed until Unlock.
func (v *vault) Lock(ctx context.Context, name string) error {
	token := make([]byte, 16)
	rand.Read(token)
	for wait := leaseLook; ; wait = min(2*wait, leaseSlow) {
		err := v.commit(ctx, v.leaseNote(name, token, mail.NoteAbsent))
		if err == nil {
			break
		}
		if !mail.Is(err, mail.Exists) {
			return err
		}
		select {
		case <-v.clock.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	renewing, end := context.WithCancel(context.Background())
	l := &lease{token: token, end: end, done: make(chan struct{}), freed: make(chan struct{})}
	v.mu.Lock()
	v.held[name] = l
	v.mu.Unlock()
	go v.renew(renewing, name, l)
	return nil
}

// renew keeps a lock alive until it is given back or lost.
func (v *vault) renew(ctx context.Context, name string, l *lease) {
	defer close(l.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.clock.After(leaseRenew):
		}
		// Another has it when the condition fails; any other trouble may pass before the lock runs out.
		if err := v.commit(ctx, v.leaseNote(name, l.token, mail.NoteIs)); mail.Is(err, mail.Conflict) {
			return
		}
	}
}

// Unlock implements certmagic.Locker. A lock that ran out and that another has now is left to it.
func (v *vault) Unlock(ctx context.Context, name string) error {
	v.mu.Lock()
	l := v.held[name]
	v.mu.Unlock()
	if l == nil {
		return mail.Errorf(mail.NotFound, "the lock %q is not ours", name)
	}
	defer func() {
		v.mu.Lock()
		if v.held[name] == l {
			delete(v.held, name)
		}
		v.mu.Unlock()
		close(l.freed)
	}()
	l.end()
	<-l.done
	err := v.commit(ctx, v.leaseNote(name, l.token, mail.NoteIs), mail.RemoveNote{Kind: lockNotes, Key: noteKey(name)})
	if mail.Is(err, mail.Conflict) {
		return nil
	}
	return err
}

// idle waits until all locks are given back, or ctx ends.
func (v *vault) idle(ctx context.Context) {
	v.mu.Lock()
	held := slices.Collect(maps.Values(v.held))
	v.mu.Unlock()
	for _, l := range held {
		select {
		case <-l.freed:
		case <-ctx.Done():
			return
		}
	}
}

package jmap

import (
	"container/list"
	"context"
	"sync"

	"github.com/postrider/postrider/mail"
)

// accounts keeps the snapshots of the accounts that were used last.
type accounts struct {
	reader  mail.Mailboxes
	people  Accounts
	mu      sync.Mutex
	entries map[mail.AccountID]*list.Element // of *entry, the one used last in front
	order   list.List
	octets  int64
	limit   int64
}

// entry is one account. Its snapshot is made by one request at a time.
type entry struct {
	id     mail.AccountID
	making chan struct{} // holds a token while nobody makes
	snap   *snapshot     // of who holds the token, or of accounts.mu
	octets int64
	gates  gates
}

// gates count what an account does at this moment.
type gates struct {
	mu                                 sync.Mutex
	requests, uploads, events, sockets int
}

// enter counts one more, unless there are most.
func (g *gates) enter(n *int, most int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if *n >= most {
		return false
	}
	*n++
	return true
}

func (g *gates) leave(n *int) {
	g.mu.Lock()
	*n--
	g.mu.Unlock()
}

func newAccounts(reader mail.Mailboxes, people Accounts, limit int64) *accounts {
	return &accounts{reader: reader, people: people, entries: make(map[mail.AccountID]*list.Element), limit: limit}
}

// entry gives an account's entry. Entries are small; those without a snapshot and nothing at their gates may go at any time.
func (a *accounts) entry(id mail.AccountID) *entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	if el := a.entries[id]; el != nil {
		a.order.MoveToFront(el)
		return el.Value.(*entry)
	}
	e := &entry{id: id, making: make(chan struct{}, 1)}
	e.making <- struct{}{}
	a.entries[id] = a.order.PushFront(e)
	a.tidy()
	return e
}

// maxEntries is how many accounts are remembered, with or without a snapshot.
const maxEntries = 10_000

// tidy drops snapshots until they cost what they may, but that of the account in front.
func (a *accounts) tidy() {
	for el := a.order.Back(); el != nil && el != a.order.Front() && (a.octets > a.limit || a.order.Len() > maxEntries); {
		before := el.Prev()
		e := el.Value.(*entry)
		a.octets -= e.octets
		e.snap, e.octets = nil, 0
		if e.idle() {
			a.order.Remove(el)
			delete(a.entries, e.id)
		}
		el = before
	}
}

func (e *entry) idle() bool {
	e.gates.mu.Lock()
	defer e.gates.mu.Unlock()
	return e.gates.requests+e.gates.uploads+e.gates.events+e.gates.sockets == 0 && len(e.making) == 1
}

// modseq asks the store for the account's latest change.
func (a *accounts) modseq(ctx context.Context, id mail.AccountID) (uint64, error) {
	account, err := a.people.Account(ctx, id)
	return account.ModSeq, err
}

// snapshot gives the account as it is now.
func (a *accounts) snapshot(ctx context.Context, e *entry) (*snapshot, error) {
	state, err := a.modseq(ctx, e.id)
	if err != nil {
		return nil, err
	}
	if s := a.kept(e); s != nil && s.state >= state {
		return s, nil
	}
	select {
	case <-e.making:
		defer func() { e.making <- struct{}{} }()
	case <-ctx.Done():
		return nil, mail.Errorf(mail.Unavailable, "the account is busy; try again: %w", context.Cause(ctx))
	}
	old := a.kept(e)
	if old != nil && old.state >= state {
		return old, nil // somebody else made it meanwhile
	}
	s, err := refresh(ctx, a.reader, e.id, func(ctx context.Context) (uint64, error) { return a.modseq(ctx, e.id) }, old)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if el := a.entries[e.id]; el != nil && el.Value.(*entry) == e {
		a.octets += s.octets() - e.octets
		e.snap, e.octets = s, s.octets()
		a.tidy()
	}
	return s, nil
}

func (a *accounts) kept(e *entry) *snapshot {
	a.mu.Lock()
	defer a.mu.Unlock()
	return e.snap
}

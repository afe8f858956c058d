package store

import (
	"context"
	"slices"
	"sync"

	"github.com/postrider/postrider/mail"
)

// knownLimit is how many entries each part of known may have; past it, any one makes room.
const knownLimit = 50_000

// known is the directory as it is in memory, so that a recipient costs no query. It is exact: what the committer changes
// is changed or dropped here after the commit and before anybody is told of it. An entry is only put in when nothing that
// it may depend on was committed since before it was read.
type known struct {
	mu        sync.RWMutex
	epoch     uint64                  // grows with each commit that an entry being read might have missed
	domains   map[string]*mail.Domain // nil: there is none
	aliases   map[mail.Path]*mail.Alias
	addresses map[mail.Path]mail.AccountID // 0: there is none
	accounts  map[mail.AccountID]*knownAccount
}

// knownAccount is an account with its mailboxes.
type knownAccount struct {
	mail.Account
	boxes []knownBox
}

type knownBox struct {
	mail.Place
	modseq         uint64
	messages, size int64
}

func newKnown() *known {
	k := &known{}
	k.clear()
	return k
}

func (k *known) clear() {
	k.domains, k.aliases = map[string]*mail.Domain{}, map[mail.Path]*mail.Alias{}
	k.addresses, k.accounts = map[mail.Path]mail.AccountID{}, map[mail.AccountID]*knownAccount{}
}

// news is what a group of change sets changes in known.
type news struct {
	directory bool             // anything about domains, accounts, aliases
	reshaped  []mail.AccountID // accounts whose list of mailboxes changed
	boxes     []box            // counters as they are after the group
}

// apply takes in what was committed.
func (k *known) apply(n news) {
	if !n.directory && len(n.reshaped) == 0 && len(n.boxes) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if n.directory {
		k.epoch++
		k.clear()
		return
	}
	for _, id := range n.reshaped {
		k.epoch++
		delete(k.accounts, id)
	}
	for i := range n.boxes {
		if a := k.accounts[n.boxes[i].account]; a == nil {
			k.epoch++
		} else if !a.count(&n.boxes[i]) {
			k.epoch++
			delete(k.accounts, a.ID)
		}
	}
}

// count takes a mailbox's counters in. False: it is not known.
func (a *knownAccount) count(b *box) bool {
	i := slices.IndexFunc(a.boxes, func(have knownBox) bool { return have.ID == b.id })
	if i < 0 {
		return false
	}
	have := &a.boxes[i]
	a.Used += b.size - have.size
	a.Messages += b.messages - have.messages
	a.ModSeq = max(a.ModSeq, b.modseq)
	have.size, have.messages, have.modseq = b.size, b.messages, b.modseq
	return true
}

// recall gives what find finds in memory; else it reads it and remembers it with keep, unless a commit came between.
func recall[T any](k *known, find func() (T, bool), read func() (T, error), keep func(T)) (T, error) {
	k.mu.RLock()
	v, ok := find()
	epoch := k.epoch
	k.mu.RUnlock()
	if ok {
		return v, nil
	}
	v, err := read()
	if err != nil {
		return v, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.epoch == epoch {
		keep(v)
	}
	return v, nil
}

// remember puts an entry into a bounded map.
func remember[K comparable, V any](m map[K]V, key K, v V) {
	if len(m) >= knownLimit {
		for old := range m {
			delete(m, old)
			break
		}
	}
	m[key] = v
}

// absent turns NotFound into a nil that can be remembered.
func absent[T any](v T, err error) (*T, error) {
	switch {
	case mail.Is(err, mail.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &v, nil
}

// Domain reads one domain.
func (s *Store) Domain(ctx context.Context, name string) (mail.Domain, error) {
	k := s.known
	d, err := recall(k, func() (*mail.Domain, bool) { d, ok := k.domains[name]; return d, ok },
		func() (*mail.Domain, error) { return absent(s.readDomain(ctx, name)) },
		func(d *mail.Domain) { remember(k.domains, name, d) })
	switch {
	case err != nil:
		return mail.Domain{}, err
	case d == nil:
		return mail.Domain{}, noDomain(name)
	}
	return *d, nil
}

// Alias reads one alias.
func (s *Store) Alias(ctx context.Context, address mail.Path) (mail.Alias, error) {
	k := s.known
	a, err := recall(k, func() (*mail.Alias, bool) { a, ok := k.aliases[address]; return a, ok },
		func() (*mail.Alias, error) { return absent(s.readAlias(ctx, address)) },
		func(a *mail.Alias) { remember(k.aliases, address, a) })
	switch {
	case err != nil:
		return mail.Alias{}, err
	case a == nil:
		return mail.Alias{}, noAlias(address)
	}
	out := *a
	out.Targets = slices.Clone(a.Targets)
	return out, nil
}

// AccountByAddress reads one account by its address.
func (s *Store) AccountByAddress(ctx context.Context, address mail.Path) (mail.Account, error) {
	k := s.known
	id, err := recall(k, func() (mail.AccountID, bool) { id, ok := k.addresses[address]; return id, ok },
		func() (mail.AccountID, error) { return s.readAddress(ctx, address) },
		func(id mail.AccountID) { remember(k.addresses, address, id) })
	if err != nil {
		return mail.Account{}, err
	}
	var a mail.Account
	if id != 0 {
		a, err = s.Account(ctx, id)
	}
	if id == 0 || mail.Is(err, mail.NotFound) { // the second: it went between the two
		return mail.Account{}, mail.Errorf(mail.NotFound, "there is no account %s", address)
	}
	return a, err
}

// Account reads one account.
func (s *Store) Account(ctx context.Context, id mail.AccountID) (mail.Account, error) {
	return fromAccount(ctx, s, id, func(a *knownAccount) mail.Account { return a.Account })
}

// Places lists where an account's mail can be filed, by name, INBOX first.
func (s *Store) Places(ctx context.Context, id mail.AccountID) ([]mail.Place, error) {
	return fromAccount(ctx, s, id, func(a *knownAccount) []mail.Place {
		list := make([]mail.Place, len(a.boxes))
		for i, b := range a.boxes {
			list[i] = b.Place
		}
		return list
	})
}

// fromAccount takes something out of an account while nothing changes it.
func fromAccount[T any](ctx context.Context, s *Store, id mail.AccountID, take func(*knownAccount) T) (T, error) {
	k := s.known
	var fresh *knownAccount
	return recall(k, func() (v T, ok bool) {
		if a := k.accounts[id]; a != nil {
			return take(a), true
		}
		return v, false
	}, func() (v T, err error) {
		if fresh, err = s.readAccount(ctx, id); err != nil {
			return v, err
		}
		return take(fresh), nil
	}, func(T) { remember(k.accounts, id, fresh) })
}

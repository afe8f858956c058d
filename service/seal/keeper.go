package seal

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// Keeper keeps keys in the notes that all nodes share: kind "dkim", "<domain>/<selector>" as their key, JSON as their value. What was read is
// remembered for a few seconds, so that signing does not ask the store for each message; a change by another node is known after that time,
// which is nothing against the day that a record settles. It is for any number of goroutines.
type Keeper struct {
	notes   mail.Notes
	journal mail.Journal
	clock   mail.Clock

	mu    sync.Mutex
	epoch int // of own writes: what was read before one is not remembered after it
	cache map[string]remembered
}

type remembered struct {
	keys  []Key
	until time.Time
}

var _ Keys = (*Keeper)(nil)

const (
	kindNote   = "dkim"
	freshFor   = 5 * time.Second
	maxDomains = 10000 // remembered at once
	pageNotes  = 500
)

// NewKeeper makes a Keeper.
func NewKeeper(notes mail.Notes, journal mail.Journal, clock mail.Clock) *Keeper {
	return &Keeper{notes: notes, journal: journal, clock: clock, cache: map[string]remembered{}}
}

// noteKey is a key as its note has it; the domain and selector are the note's key.
type noteKey struct {
	Algorithm Algorithm `json:"algorithm"`
	Private   string    `json:"private"`
	State     State     `json:"state"`
	Created   time.Time `json:"created"`
	Changed   time.Time `json:"changed"`
	Seen      time.Time `json:"seen,omitzero"`
}

func encode(k Key) (mail.Note, error) {
	v, err := json.Marshal(noteKey{Algorithm: k.Algorithm, Private: k.Private, State: k.State, Created: k.Created.UTC(), Changed: k.Changed.UTC(), Seen: k.Seen.UTC()})
	if err != nil {
		return mail.Note{}, mail.Errorf(mail.Internal, "the DKIM key %s cannot be written: %w", k, err)
	}
	return mail.Note{Kind: kindNote, Key: k.Domain + "/" + k.Selector, Value: v}, nil
}

func decode(n mail.Note) (Key, error) {
	domain, selector, _ := strings.Cut(n.Key, "/")
	var v noteKey
	if err := json.Unmarshal(n.Value, &v); err != nil || selector == "" {
		// The error would show the value.
		return Key{}, mail.Errorf(mail.Internal, "the DKIM key %s of %s is damaged in the store; remove it and make a new one", selector, domain)
	}
	return Key{Domain: domain, Selector: selector, Algorithm: v.Algorithm, Private: v.Private, State: v.State, Created: v.Created, Changed: v.Changed, Seen: v.Seen}, nil
}

// Keys implements Keys.
func (k *Keeper) Keys(ctx context.Context, domain string) ([]Key, error) {
	now := k.clock.Now()
	k.mu.Lock()
	c, ok := k.cache[domain]
	epoch := k.epoch
	k.mu.Unlock()
	if ok && now.Before(c.until) && c.until.Sub(now) <= freshFor { // the second: a clock that was set back
		return slices.Clone(c.keys), nil
	}
	notes, err := k.read(ctx, domain)
	if err != nil {
		return nil, err
	}
	keys, err := decodeAll(notes)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	if domain != "" && k.epoch == epoch {
		if len(k.cache) >= maxDomains {
			clear(k.cache)
		}
		k.cache[domain] = remembered{slices.Clone(keys), now.Add(freshFor)}
	}
	k.mu.Unlock()
	return keys, nil
}

// read gives the notes of a domain, or all.
func (k *Keeper) read(ctx context.Context, domain string) ([]mail.Note, error) {
	q := mail.NoteQuery{Kind: kindNote, Limit: pageNotes}
	if domain != "" {
		q.Prefix = domain + "/"
	}
	var all []mail.Note
	for {
		page, err := k.notes.Notes(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < pageNotes {
			return all, nil
		}
		q.After = page[len(page)-1].Key
	}
}

// domains lists those that have keys.
func (k *Keeper) domains(ctx context.Context) ([]string, error) {
	notes, err := k.read(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range notes {
		domain, _, _ := strings.Cut(n.Key, "/")
		if len(out) == 0 || out[len(out)-1] != domain {
			out = append(out, domain)
		}
	}
	return out, nil
}

func decodeAll(notes []mail.Note) ([]Key, error) {
	keys := make([]Key, 0, len(notes))
	for _, n := range notes {
		key, err := decode(n)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// commit writes, and forgets what was remembered.
func (k *Keeper) commit(ctx context.Context, set mail.ChangeSet) error {
	_, err := k.journal.Commit(ctx, set)
	k.mu.Lock()
	k.epoch++
	clear(k.cache)
	k.mu.Unlock()
	return err
}

// PutKeys implements Keys.
func (k *Keeper) PutKeys(ctx context.Context, keys []Key) error {
	var set mail.ChangeSet
	for _, key := range keys {
		n, err := encode(key)
		if err != nil {
			return err
		}
		set.Add(mail.PutNote{Note: n})
	}
	if len(set.Changes) == 0 {
		return nil
	}
	return k.commit(ctx, set)
}

// RemoveKey implements Keys.
func (k *Keeper) RemoveKey(ctx context.Context, domain, selector string) error {
	if _, err := k.notes.Note(ctx, kindNote, domain+"/"+selector); err != nil {
		return err
	}
	return k.commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.RemoveNote{Kind: kindNote, Key: domain + "/" + selector}}})
}

// maxRaces bounds how often a change is made anew because another node was faster.
const maxRaces = 10

// Change reads the keys of a domain, has f say how they are to be, and writes the difference, on the condition that each key it touches is still as it
// was read. Where another node was faster, f is asked again with what is there then. Errors are those of f and of the store; Conflict when others were faster
// too often.
func (k *Keeper) Change(ctx context.Context, domain string, f func([]Key) ([]Key, error)) error {
	for n := 1; ; n++ {
		notes, err := k.read(ctx, domain)
		if err != nil {
			return err
		}
		keys, err := decodeAll(notes)
		if err != nil {
			return err
		}
		after, err := f(slices.Clone(keys))
		if err != nil {
			return err
		}
		set, err := difference(notes, keys, after)
		if err != nil || len(set.Changes) == 0 {
			return err
		}
		err = k.commit(ctx, set)
		if n == maxRaces || !mail.Is(err, mail.Conflict) && !mail.Is(err, mail.Exists) {
			return err
		}
	}
}

// difference makes a change set of what the keys were and are to be.
func difference(notes []mail.Note, before, after []Key) (set mail.ChangeSet, err error) {
	for _, key := range after {
		n, err := encode(key)
		if err != nil {
			return set, err
		}
		i := slices.IndexFunc(before, func(b Key) bool { return b.Domain == key.Domain && b.Selector == key.Selector })
		switch {
		case i < 0:
			set.Add(mail.PutNote{Note: n, If: mail.NoteAbsent})
		case !bytes.Equal(n.Value, notes[i].Value):
			set.Add(mail.PutNote{Note: n, If: mail.NoteIs, Was: notes[i].Value})
		}
	}
	for i, key := range before {
		if !slices.ContainsFunc(after, func(a Key) bool { return a.Domain == key.Domain && a.Selector == key.Selector }) {
			// A removal has no condition of its own: the write before it makes one.
			set.Add(mail.PutNote{Note: notes[i], If: mail.NoteIs, Was: notes[i].Value}, mail.RemoveNote{Kind: notes[i].Kind, Key: notes[i].Key})
		}
	}
	return set, nil
}

// Ensure makes the keys that a domain of ours lacks: of each algorithm one that signs, at once, and one that waits. It gives all keys of the domain.
// What is there stays as it is: calling it again makes nothing. An RSA key takes a second or so to make.
func (k *Keeper) Ensure(ctx context.Context, domain string) ([]Key, error) {
	domain, err := addr.NormalDomain(domain)
	if err != nil || strings.HasPrefix(domain, "[") {
		return nil, mail.Errorf(mail.Invalid, "%q is no domain, so it cannot have DKIM keys", domain)
	}
	var all []Key
	made := newMaker(k.clock.Now())
	err = k.Change(ctx, domain, func(keys []Key) ([]Key, error) {
		made.again()
		// First the keys that sign, so that they have the first names.
		for _, state := range []State{Active, Published} {
			for _, a := range [...]Algorithm{Ed25519, RSA} {
				r := rotation{domain: domain, algorithm: a, now: made.now, all: keys}
				if len(r.in(state)) > 0 {
					continue
				}
				if waiting := r.in(Published); state == Active && len(waiting) > 0 {
					i := slices.IndexFunc(keys, func(k Key) bool { return k.Selector == waiting[0].Selector })
					keys[i].State, keys[i].Changed = Active, made.now
					continue
				}
				key, err := made.make(domain, r.selector(), a)
				if err != nil {
					return nil, err
				}
				key.State = state
				keys = append(keys, key)
			}
		}
		all = keys
		return keys, nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// maker generates keys, and gives the same again when a change has to be made anew.
type maker struct {
	now  time.Time
	pool map[Algorithm][]Key
	used map[Algorithm]int
}

func newMaker(now time.Time) *maker { return &maker{now: now, pool: map[Algorithm][]Key{}} }

// again begins a change, for the first time or anew.
func (m *maker) again() { m.used = map[Algorithm]int{} }

func (m *maker) make(domain, selector string, a Algorithm) (Key, error) {
	n := m.used[a]
	if n == len(m.pool[a]) {
		k, err := Generate(domain, selector, a, m.now)
		if err != nil {
			return Key{}, err
		}
		m.pool[a] = append(m.pool[a], k)
	}
	m.used[a]++
	k := m.pool[a][n]
	k.Selector = selector
	return k, nil
}

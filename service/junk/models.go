package junk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// noteKind is the kind of notes that models are kept in. Keys are "<account>/totals", "<account>/seen" and "<account>/s00" to s15.
const noteKind = "junk"

// Bounds on models in memory, and how long one is kept that learns nothing more.
const (
	cacheEntries = 1 << 20 // words of all models in memory, 24 octets each
	keepFor      = 400 * 24 * time.Hour
	maxTries     = 16 // of a commit that another node's got ahead of
	firstRest    = 4 * time.Millisecond
	longestRest  = time.Second
)

// models keeps what accounts have learnt.
type models struct {
	notes   mail.Notes
	journal mail.Journal
	clock   mail.Clock

	mu    sync.Mutex
	room  int
	cache map[mail.AccountID]*model
}

func newModels(notes mail.Notes, journal mail.Journal, clock mail.Clock) *models {
	return &models{notes: notes, journal: journal, clock: clock, room: cacheEntries, cache: map[mail.AccountID]*model{}}
}

func key(account mail.AccountID, name string) string { return fmt.Sprintf("%d/%s", account, name) }

// totals reads how much an account has learnt. raw is the note as it stands, nil when there is none.
func (s *models) totals(ctx context.Context, account mail.AccountID) (t totals, raw []byte, err error) {
	n, err := s.notes.Note(ctx, noteKind, key(account, "totals"))
	if mail.Is(err, mail.NotFound) {
		return totals{}, nil, nil
	}
	if err != nil {
		return totals{}, nil, err
	}
	raw = n.Value
	if raw == nil {
		raw = []byte{}
	}
	t, err = decodeTotals(n.Value)
	return t, raw, err
}

// load gives an account's model. A damaged part is empty, and the error says so beside the model.
func (s *models) load(ctx context.Context, account mail.AccountID) (m *model, raw []byte, err error) {
	t, raw, damaged := s.totals(ctx, account)
	if damaged != nil && raw == nil {
		return nil, nil, damaged
	}
	if m := s.cached(account); m != nil && damaged == nil && m.totals == t {
		return m, raw, nil
	}
	m = &model{totals: t}
	if raw == nil || damaged != nil {
		return m, raw, damaged
	}
	prefix := key(account, "s")
	list, err := s.notes.Notes(ctx, mail.NoteQuery{Kind: noteKind, Prefix: prefix, Limit: shardCount + 4})
	if err != nil {
		return nil, nil, err
	}
	for _, n := range list {
		var i int
		if c, err := fmt.Sscanf(strings.TrimPrefix(n.Key, prefix), "%02d", &i); c != 1 || err != nil || i < 0 || i >= shardCount {
			continue // the memory of messages
		}
		if m.shards[i], err = decodeShard(n.Value); err != nil {
			damaged = fmt.Errorf("note %s %s: %w", noteKind, n.Key, err)
		}
	}
	if damaged == nil {
		s.keep(account, m)
	}
	return m, raw, damaged
}

// memory reads which messages an account has learnt.
func (s *models) memory(ctx context.Context, account mail.AccountID) (seen, error) {
	n, err := s.notes.Note(ctx, noteKind, key(account, "seen"))
	if mail.Is(err, mail.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out, err := decodeSeen(n.Value)
	if err != nil {
		return nil, nil // nothing is remembered: at worst a message counts twice
	}
	return out, nil
}

// learn makes examples part of an account's model: as one commit, and anew when another node's came in between. taught is what came of it.
func (s *models) learn(ctx context.Context, account mail.AccountID, examples []example) (taught int, err error) {
	now := s.clock.Now()
	for try := range maxTries {
		if err := s.rest(ctx, try); err != nil {
			return 0, err
		}
		m, raw, damaged := s.load(ctx, account)
		if m == nil {
			return 0, damaged
		}
		if raw == nil || damaged != nil {
			m.totals.serial = uint64(now.UnixNano()) //nolint:gosec // one that no model of this account had before
		}
		memory, err := s.memory(ctx, account)
		if err != nil {
			return 0, err
		}
		next, after, changed, any := m.learn(memory, examples)
		if !any {
			return 0, nil
		}
		set := mail.ChangeSet{}
		put := func(name string, value []byte, how mail.NoteIf, was []byte) {
			set.Add(mail.PutNote{Note: mail.Note{Kind: noteKind, Key: key(account, name), Value: value, Expires: now.Add(keepFor)}, If: how, Was: was})
		}
		if raw == nil {
			put("totals", next.totals.encode(), mail.NoteAbsent, nil)
		} else {
			put("totals", next.totals.encode(), mail.NoteIs, raw)
		}
		put("seen", after.encode(), mail.NoteAlways, nil)
		for i, yes := range changed {
			if yes || damaged != nil { // what is damaged is written anew
				put(fmt.Sprintf("s%02d", i), next.shards[i].encode(), mail.NoteAlways, nil)
			}
		}
		_, err = s.journal.Commit(ctx, set)
		if mail.Is(err, mail.Conflict) || mail.Is(err, mail.Exists) {
			continue
		}
		if err == nil {
			s.keep(account, next)
		}
		return len(examples), err
	}
	return 0, mail.Errorf(mail.Unavailable, "the junk model of account %d is changed by others all the time", account)
}

// rest waits before another try, each time longer and never as long as another node does, so that one of them gets through.
func (s *models) rest(ctx context.Context, try int) error {
	if try == 0 {
		return nil
	}
	most := min(firstRest<<try, longestRest)
	select {
	case <-s.clock.After(rand.N(most)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forget drops an account's model.
func (s *models) forget(ctx context.Context, account mail.AccountID) error {
	s.drop(account)
	set := mail.ChangeSet{}
	set.Add(mail.RemoveNote{Kind: noteKind, Key: key(account, "totals")}, mail.RemoveNote{Kind: noteKind, Key: key(account, "seen")})
	for i := range shardCount {
		set.Add(mail.RemoveNote{Kind: noteKind, Key: key(account, fmt.Sprintf("s%02d", i))})
	}
	_, err := s.journal.Commit(ctx, set)
	return err
}

func (m *model) cost() int {
	n := 64
	for _, s := range m.shards {
		n += len(s)
	}
	return n
}

func (s *models) cached(account mail.AccountID) *model {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cache[account]
}

// keep takes a model into memory. What goes for it is left to chance (the order of a map).
func (s *models) keep(account mail.AccountID, m *model) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out(account)
	need := m.cost()
	for other := range s.cache {
		if s.room >= need {
			break
		}
		s.out(other)
	}
	s.cache[account] = m
	s.room -= need
}

func (s *models) drop(account mail.AccountID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out(account)
}

// out lets go of one. s.mu is held.
func (s *models) out(account mail.AccountID) {
	if m, ok := s.cache[account]; ok {
		s.room += m.cost()
		delete(s.cache, account)
	}
}

package limits

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// KindBan is the kind of the notes that are bans.
const KindBan = "ban"

// Times of bans.
const (
	longestBan  = 7 * 24 * time.Hour
	banMemory   = 7 * 24 * time.Hour // after its end a ban makes the next one longer
	banRefresh  = 15 * time.Second
	banCommit   = 5 * time.Second
	banListPage = 1000
)

// Ban is an address, or IPv6 /64, from which nobody may log in but those who are known.
type Ban struct {
	Prefix   netip.Prefix `json:"prefix"`
	Since    time.Time    `json:"since"`
	Until    time.Time    `json:"until"`
	Failures int          `json:"failures"` // the wrong passwords that led to it
	Times    int          `json:"times"`    // how many bans in a row this is; each is twice as long as the one before
}

// banValue is what the note of a ban holds.
type banValue struct {
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Failures int       `json:"failures"`
}

// readBan reads a note.
func readBan(n mail.Note) (Ban, error) {
	var v banValue
	p, err := netip.ParsePrefix(n.Key)
	if err == nil {
		err = json.Unmarshal(n.Value, &v)
	}
	return Ban{Prefix: p, Since: v.Since, Until: v.Until, Failures: v.Failures, Times: int(n.N)}, err
}

// note writes one. It outlives the ban, so that the next one knows of it.
func (b Ban) note() mail.Note {
	v, _ := json.Marshal(banValue{b.Since, b.Until, b.Failures}) //nolint:errcheck,errchkjson // cannot fail
	return mail.Note{Kind: KindBan, Key: b.Prefix.String(), Value: v, N: int64(b.Times), Expires: b.Until.Add(banMemory)}
}

// ban is a Ban in memory.
type ban struct {
	Ban
	inhabited bool // somebody has logged in from there: it is let in to say who it is
	unwritten bool // the store did not take it: it holds on this node only
}

// bans is what this node knows of bans.
type bans struct {
	mu    sync.RWMutex
	of    map[netip.Prefix]*ban
	grown int // changes of its own since the process began
}

// get gives the ban that holds now.
func (s *bans) get(p netip.Prefix, now time.Time) (ban, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.of[p]
	if b == nil || !now.Before(b.Until) {
		return ban{}, false
	}
	return *b, true
}

// put adds a ban; in a full table one of those that end first makes room.
func (s *bans) put(b ban) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.of) >= maxBans && s.of[b.Prefix] == nil {
		var victim *ban
		seen := 0
		for _, o := range s.of {
			if victim == nil || o.Until.Before(victim.Until) {
				victim = o
			}
			if seen++; seen == tallySample {
				break
			}
		}
		delete(s.of, victim.Prefix)
	}
	s.grown++
	s.of[b.Prefix] = &b
}

func (s *bans) remove(p netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grown++
	delete(s.of, p)
}

// inhabit notes that somebody logged in from a banned client.
func (s *bans) inhabit(p netip.Prefix) {
	s.mu.RLock()
	b := s.of[p]
	done := b == nil || b.inhabited
	s.mu.RUnlock()
	if done {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.of[p]; b != nil {
		b.inhabited = true
	}
}

// generation tells whether the node changed its bans itself.
func (s *bans) generation() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.grown
}

// replace takes over what was read, unless the node changed its bans meanwhile.
func (s *bans) replace(fresh map[netip.Prefix]*ban, generation int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grown != generation {
		return // the next time
	}
	for p, b := range s.of {
		if f := fresh[p]; f != nil {
			f.inhabited = f.inhabited || b.inhabited
		} else if b.unwritten && now.Before(b.Until) {
			fresh[p] = b
		}
	}
	s.of = fresh
}

// ban bans a client for twice as long as the last time. When the store cannot be told, it holds here.
func (g *Guard) ban(ctx context.Context, c netip.Prefix, failures int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), banCommit)
	defer cancel()
	b, err := g.writeBan(ctx, c, failures)
	if err != nil {
		b.unwritten = true
		g.log.Warn("a ban cannot be written down; it holds on this node until it ends or the process does", "role", "service/limits", "client", c.String(), "error", err)
	}
	if b.inhabited, err = g.inhabited(ctx, c); err != nil {
		b.inhabited = true // rather ask everybody who they are
	}
	g.bans.put(b)
	g.log.Info("address banned for wrong passwords", "role", "service/limits", "client", c.String(), "failures", failures, "until", b.Until, "times", b.Times)
}

// writeBan makes the ban's note. Another node that did so at the same moment has the better of it.
func (g *Guard) writeBan(ctx context.Context, c netip.Prefix, failures int) (ban, error) {
	now := g.clock.Now()
	put := mail.PutNote{If: mail.NoteAbsent}
	b := Ban{Prefix: c, Since: now, Failures: failures, Times: 1}
	old, err := g.notes.Note(ctx, KindBan, c.String())
	switch {
	case err == nil:
		put.If, put.Was = mail.NoteIs, old.Value
		b.Times = int(old.N) + 1
		if was, err := readBan(old); err == nil && now.Before(was.Until) {
			return ban{Ban: was}, nil
		}
	case !mail.Is(err, mail.NotFound):
		b.Until = now.Add(g.banFor)
		return ban{Ban: b}, err
	}
	b.Until = now.Add(banTime(g.banFor, b.Times))
	put.Note = b.note()
	_, err = g.journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{put}})
	if mail.Is(err, mail.Exists) || mail.Is(err, mail.Conflict) {
		err = nil
	}
	return ban{Ban: b}, err
}

// banTime is how long the n-th ban in a row lasts.
func banTime(first time.Duration, n int) time.Duration {
	d := first
	for ; n > 1 && d < longestBan; n-- {
		d *= 2
	}
	return max(first, min(d, longestBan))
}

// Run reads bans of other nodes and of earlier times now and then, until ctx ends.
func (g *Guard) Run(ctx context.Context) {
	if g.failures <= 0 {
		return
	}
	for {
		if err := g.Load(ctx); err != nil && ctx.Err() == nil {
			g.log.Warn("the bans cannot be read now; those that are known here hold", "role", "service/limits", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-g.clock.After(banRefresh):
		}
	}
}

// Load reads the bans once.
func (g *Guard) Load(ctx context.Context) error {
	generation, now := g.bans.generation(), g.clock.Now()
	list, err := g.Bans(ctx)
	if err != nil {
		return err
	}
	fresh := make(map[netip.Prefix]*ban, len(list))
	for _, b := range list {
		f := &ban{Ban: b}
		if have, ok := g.bans.get(b.Prefix, now); ok {
			f.inhabited = have.inhabited
		} else if f.inhabited, err = g.inhabited(ctx, b.Prefix); err != nil {
			return err
		}
		fresh[b.Prefix] = f
	}
	g.bans.replace(fresh, generation, now)
	return nil
}

// Bans lists the bans that hold now, of all nodes, by prefix; of more than 65,536 only so many.
func (g *Guard) Bans(ctx context.Context) ([]Ban, error) {
	now := g.clock.Now()
	var out []Ban
	q := mail.NoteQuery{Kind: KindBan, Limit: banListPage}
	for {
		page, err := g.notes.Notes(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, n := range page {
			b, err := readBan(n)
			if err != nil {
				g.log.Warn("the note of a ban is damaged and passed over", "role", "service/limits", "key", n.Key, "error", err)
				continue
			}
			if now.Before(b.Until) && len(out) < maxBans {
				out = append(out, b)
			}
		}
		if len(page) < banListPage || len(out) == maxBans {
			break
		}
		q.After = page[len(page)-1].Key
	}
	slices.SortFunc(out, func(a, b Ban) int { return a.Prefix.Compare(b.Prefix) })
	return out, nil
}

// Unban lifts a ban and forgets that there was one. An address with all its bits stands for its client. Other nodes
// learn of it within a quarter of a minute. NotFound when it is not banned.
func (g *Guard) Unban(ctx context.Context, p netip.Prefix) error {
	if p.IsSingleIP() {
		p = client(p.Addr())
	}
	_, here := g.bans.get(p, g.clock.Now())
	_, err := g.notes.Note(ctx, KindBan, p.String())
	switch {
	case mail.Is(err, mail.NotFound) && !here:
		return mail.Errorf(mail.NotFound, "%s is not banned; list the bans to see which are", p)
	case err != nil && !mail.Is(err, mail.NotFound):
		return err
	}
	if _, err := g.journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.RemoveNote{Kind: KindBan, Key: p.String()}}}); err != nil {
		return err
	}
	g.bans.remove(p)
	g.clients.forget(g.clientKey(p))
	g.log.Info("ban lifted", "role", "service/limits", "client", p.String())
	return nil
}

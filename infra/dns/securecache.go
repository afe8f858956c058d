package dns

import (
	"container/list"
	"sync"
	"time"
)

// standing is what is known about a name as a cut between zones.
type standing uint8

const (
	noCut    standing = iota // nothing is delegated here; the zone above goes on
	signedAt                 // a signed zone begins here
	openAt                   // an insecure zone begins here
)

// trust is what was proven about a name. It is never changed.
type trust struct {
	standing standing
	name     string // canonical
	keys     []key  // signedAt: those that may sign
	reason   string // openAt: why, for people
	err      error  // instead of all that: why it cannot be trusted
	ttl      time.Duration
}

// trustCache keeps trusts until they are too old or others need the room: least recently used go first.
type trustCache struct {
	limit int // octets

	mu      sync.Mutex
	used    int
	entries map[string]*list.Element
	recent  list.List // of *kept, the latest used first
}

type kept struct {
	*trust
	till time.Time
	cost int
}

func (c *trustCache) get(name string, now time.Time) *trust {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[name]
	if e == nil {
		return nil
	}
	v := e.Value.(*kept)
	if !v.till.After(now) {
		c.drop(e)
		return nil
	}
	c.recent.MoveToFront(e)
	return v.trust
}

func (c *trustCache) put(t *trust, now time.Time) {
	const entry, perKey = 400, 400
	v := &kept{trust: t, till: now.Add(t.ttl), cost: entry + 2*len(t.name) + len(t.reason)}
	if t.err != nil {
		v.cost += len(t.err.Error())
	}
	for _, k := range t.keys {
		v.cost += perKey + len(k.rr.PublicKey)
	}
	if t.ttl <= 0 || v.cost > c.limit {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[t.name]; e != nil {
		c.drop(e)
	}
	for c.used+v.cost > c.limit {
		c.drop(c.recent.Back())
	}
	if c.entries == nil {
		c.entries = make(map[string]*list.Element)
	}
	c.entries[t.name] = c.recent.PushFront(v)
	c.used += v.cost
}

func (c *trustCache) drop(e *list.Element) {
	v := c.recent.Remove(e).(*kept)
	delete(c.entries, v.name)
	c.used -= v.cost
}

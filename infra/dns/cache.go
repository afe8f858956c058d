package dns

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// cache keeps answers and failures until they are too old or others need the room: least recently used go first.
type cache struct {
	limit int // octets; 0 or less keeps nothing
	clock mail.Clock

	mu      sync.Mutex
	used    int
	entries map[cacheKey]*list.Element
	recent  list.List // of *cached, the latest used first
}

type cacheKey struct {
	name string
	kind kind
}

type cached struct {
	key  cacheKey
	set  set
	err  error
	till time.Time
	cost int
}

func (c *cache) get(key cacheKey) (set, error, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return set{}, nil, false
	}
	v := e.Value.(*cached)
	left := v.till.Sub(c.clock.Now())
	if left <= 0 {
		c.drop(e)
		return set{}, nil, false
	}
	c.recent.MoveToFront(e)
	s := v.set
	s.ttl = left
	return s, v.err, true
}

func (c *cache) put(key cacheKey, s set, err error, ttl time.Duration) {
	v := &cached{key: key, set: s, err: err, till: c.clock.Now().Add(ttl), cost: cost(key, s)}
	if ttl <= 0 || v.cost > c.limit {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		c.drop(e)
	}
	for c.used+v.cost > c.limit {
		c.drop(c.recent.Back())
	}
	if c.entries == nil {
		c.entries = make(map[cacheKey]*list.Element)
	}
	c.entries[key] = c.recent.PushFront(v)
	c.used += v.cost
}

func (c *cache) drop(e *list.Element) {
	v := c.recent.Remove(e).(*cached)
	delete(c.entries, v.key)
	c.used -= v.cost
}

// cost is about what an entry takes in memory.
func cost(key cacheKey, s set) int {
	const entry, header, addr = 400, 24, 24
	n := entry + len(key.name) + len(s.name) + len(s.addrs)*addr
	for _, m := range s.mx {
		n += header + len(m.Host)
	}
	for _, t := range s.texts {
		n += header + len(t)
	}
	for _, r := range s.tlsa {
		n += header + len(r.Data)
	}
	return n
}

func addrFrom(ip []byte) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice(ip)
	return a.Unmap(), ok
}

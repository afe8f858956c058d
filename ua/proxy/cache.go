package proxy

import (
	"container/list"
	"sync"
	"time"
)

// entry is what is known of a URL: its picture, or why there is none.
type entry struct {
	picture
	err   error
	until time.Time
	key   string
}

// size is what an entry takes, about.
func (e *entry) size() int64 { return int64(len(e.key)) + 512 + int64(len(e.octets)) }

// cache keeps entries, those used last, up to a number of octets.
type cache struct {
	most int64

	mu    sync.Mutex
	held  int64
	byKey map[string]*list.Element
	order *list.List // used last in front
}

func newCache(most int64) *cache {
	return &cache{most: most, byKey: map[string]*list.Element{}, order: list.New()}
}

func (c *cache) get(key string, now time.Time) (entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.byKey[key]
	if !ok {
		return entry{}, false
	}
	e := el.Value.(*entry)
	if !now.Before(e.until) {
		c.drop(el)
		return entry{}, false
	}
	c.order.MoveToFront(el)
	return *e, true
}

func (c *cache) put(key string, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byKey[key]; ok {
		c.drop(el)
	}
	e.key = key
	c.byKey[key] = c.order.PushFront(&e)
	c.held += e.size()
	for c.held > c.most {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(el *list.Element) {
	e := c.order.Remove(el).(*entry)
	delete(c.byKey, e.key)
	c.held -= e.size()
}

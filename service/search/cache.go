package search

import (
	"container/list"
	"sync"
)

// cache keeps values that were read, up to a bound on what they cost together; what was not asked for longest goes first.
type cache[K comparable, V any] struct {
	mu    sync.Mutex
	bound int
	room  int // of it that is left
	items map[K]*list.Element
	order list.List // the latest first
}

type cached[K comparable, V any] struct {
	key   K
	value V
	cost  int
}

func newCache[K comparable, V any](room int) *cache[K, V] {
	return &cache[K, V]{bound: room, room: room, items: map[K]*list.Element{}}
}

func (c *cache[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[key]
	if e == nil {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached[K, V]).value, true
}

// put takes a value, unless it alone costs too much.
func (c *cache[K, V]) put(key K, value V, cost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(key)
	if cost > c.bound {
		return
	}
	for c.room < cost {
		c.drop(c.order.Back().Value.(*cached[K, V]).key)
	}
	c.room -= cost
	c.items[key] = c.order.PushFront(&cached[K, V]{key, value, cost})
}

// remove forgets a value.
func (c *cache[K, V]) remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(key)
}

func (c *cache[K, V]) drop(key K) {
	e := c.items[key]
	if e == nil {
		return
	}
	c.room += e.Value.(*cached[K, V]).cost
	delete(c.items, key)
	c.order.Remove(e)
}

package search

import "sync"

// cache keeps values that were read, up to a bound on what they cost together. What goes for another is left to chance (the order of
// a map): a search that goes through a few more segments than there is room for still finds most of them, where with the one that was not
// used for longest going first it would find none.
type cache[K comparable, V any] struct {
	mu    sync.Mutex
	room  int // that is left
	bound int
	items map[K]cached[V]
}

type cached[V any] struct {
	value V
	cost  int
}

func newCache[K comparable, V any](bound int) *cache[K, V] {
	return &cache[K, V]{bound: bound, room: bound, items: map[K]cached[V]{}}
}

func (c *cache[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	return e.value, ok
}

// put takes a value, unless it alone costs too much.
func (c *cache[K, V]) put(key K, value V, cost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(key)
	if cost > c.bound {
		return
	}
	for other := range c.items {
		if c.room >= cost {
			break
		}
		c.drop(other)
	}
	c.room -= cost
	c.items[key] = cached[V]{value, cost}
}

// remove forgets a value.
func (c *cache[K, V]) remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(key)
}

func (c *cache[K, V]) drop(key K) {
	if e, ok := c.items[key]; ok {
		c.room += e.cost
		delete(c.items, key)
	}
}

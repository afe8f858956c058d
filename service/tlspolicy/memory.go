package tlspolicy

import (
	"container/list"
	"sync"
	"time"

	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/proto/tlsrpt"
)

// known is what is remembered in memory of one domain. It is never changed once it is there.
type known struct {
	domain string
	entry  mtasts.Entry
	id     string            // what the DNS said last; "" for no sound record or no answer
	till   time.Time         // how long that is believed
	asked  time.Time         // when it was asked
	fault  tlsrpt.ResultType // why the last fetch failed
	wanted time.Time         // about when a message last asked, as the note has it
}

// sound reports whether the DNS need not be asked again yet. A clock that was turned back makes it ask.
func (k *known) sound(now time.Time) bool { return now.Before(k.till) && !now.Before(k.asked) }

// counts gives what Policy answers.
func (k *known) counts(now time.Time) (*mtasts.Policy, tlsrpt.ResultType) {
	if k.entry.Expired(now) {
		return nil, k.fault
	}
	return &k.entry.Policy, k.fault
}

// cost is about what it takes in memory.
func (k *known) cost() int {
	n := 600 + len(k.domain) + len(k.id)
	for _, mx := range k.entry.Policy.MX {
		n += 16 + len(mx)
	}
	return n
}

// memory keeps the domains that were asked about last.
type memory struct {
	limit int // octets

	mu      sync.Mutex
	used    int
	domains map[string]*list.Element
	recent  list.List // of *known, the latest first
}

func (m *memory) get(domain string) *known {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.domains[domain]
	if e == nil {
		return nil
	}
	m.recent.MoveToFront(e)
	return e.Value.(*known)
}

func (m *memory) put(k *known) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.domains[k.domain]; e != nil {
		m.drop(e)
	}
	if m.domains == nil {
		m.domains = map[string]*list.Element{}
	}
	m.domains[k.domain] = m.recent.PushFront(k)
	for m.used += k.cost(); m.used > m.limit && m.recent.Len() > 1; {
		m.drop(m.recent.Back())
	}
}

func (m *memory) drop(e *list.Element) {
	k := m.recent.Remove(e).(*known)
	delete(m.domains, k.domain)
	m.used -= k.cost()
}

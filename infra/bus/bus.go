// Package bus carries news between the parts of one process: mail.Bus over channels.
//
// It takes topics from whoever committed a change (the store publishes after each commit) and hands a
// wake-up to whoever watches one: an IMAP session in IDLE, a JMAP push stream, the queue's runner.
//
// Invariants:
//
//   - Publish never blocks and never starts a goroutine: each watcher has a channel with room for one piece of
//     news, and news that finds it full is merged with what waits there.
//   - News that is published after Watch returned is never lost. News that was published before is not repeated:
//     watch first, then read the store.
//   - The cost of Publish grows with the watchers of its topics only, that of Watch and stop with nothing.
//   - A stopped watch holds no memory here. Its channel is not closed, so that a loop that selects on it
//     cannot start to spin; it just stays silent.
package bus

import (
	"sync"

	"github.com/postrider/postrider/mail"
)

// Bus is an in-process mail.Bus, safe for concurrent use. The zero value is ready.
type Bus struct {
	mu     sync.Mutex
	topics map[mail.Topic]*watch // the first watch of each topic
}

var _ mail.Bus = (*Bus)(nil)

// New makes a bus.
func New() *Bus { return &Bus{} }

// watch is one watcher: a node in its topic's doubly linked list.
type watch struct {
	news       chan struct{}
	topic      mail.Topic
	prev, next *watch
	stopped    bool
}

// Publish wakes every watcher of the topics.
func (b *Bus) Publish(topics ...mail.Topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range topics {
		for w := b.topics[normal(t)]; w != nil; w = w.next {
			select {
			case w.news <- struct{}{}:
			default: // what waits there tells it already
			}
		}
	}
}

// Watch gives a channel that receives after each Publish of the topic, and the function that ends it.
func (b *Bus) Watch(t mail.Topic) (news <-chan struct{}, stop func()) {
	w := &watch{news: make(chan struct{}, 1), topic: normal(t)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics == nil {
		b.topics = make(map[mail.Topic]*watch)
	}
	if first := b.topics[w.topic]; first != nil {
		w.next, first.prev = first, w
	}
	b.topics[w.topic] = w
	return w.news, func() { b.drop(w) }
}

// Watchers tells how many watches are open, for metrics.
func (b *Bus) Watchers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, w := range b.topics {
		for ; w != nil; w = w.next {
			n++
		}
	}
	return n
}

func (b *Bus) drop(w *watch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.stopped {
		return
	}
	w.stopped = true
	if w.next != nil {
		w.next.prev = w.prev
	}
	switch {
	case w.prev != nil:
		w.prev.next = w.next
	case w.next != nil:
		b.topics[w.topic] = w.next
	default:
		delete(b.topics, w.topic)
	}
	w.prev, w.next = nil, nil
}

// normal drops the account where the kind has none, so that both sides mean the same topic.
func normal(t mail.Topic) mail.Topic {
	if t.Kind != mail.TopicAccount {
		t.Account = 0
	}
	return t
}

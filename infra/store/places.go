package store

import (
	"sync"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
)

// places remembers where the bodies of freshly queued messages lie, so that who sends them on at once need not ask the index.
// It knows a body only while a queue entry refers to it. A place may be out of date, when the body was moved since: then the pack is gone.
type places struct {
	mu     sync.Mutex
	recent map[mail.BlobID]blob.Ref
	order  []mail.BlobID // as they came; some may be forgotten already
}

// maxPlaces bounds what is remembered; the oldest go first.
const maxPlaces = 8192

func (p *places) put(id mail.BlobID, ref blob.Ref) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.recent == nil {
		p.recent = map[mail.BlobID]blob.Ref{}
	}
	p.recent[id] = ref
	if p.order = append(p.order, id); len(p.order) > maxPlaces {
		delete(p.recent, p.order[0])
		p.order = p.order[1:]
	}
}

func (p *places) of(id mail.BlobID) (blob.Ref, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ref, ok := p.recent[id]
	return ref, ok
}

func (p *places) forget(id mail.BlobID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.recent, id)
}

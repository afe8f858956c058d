package outbound

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"time"
)

// spot is what connections are pooled by: two that have one spot can stand in for one another.
type spot struct {
	host     string
	port     uint16
	security Security
	verify   bool
	username string
	// configured is of a host that the operator named, not DNS.
	configured bool
}

func (t target) spot() spot {
	return spot{host: t.host, port: t.port, security: t.hop.Security, verify: t.hop.Verify, username: t.hop.Username, configured: t.hop.Host != ""}
}

// pool counts the connections of each spot and keeps idle ones for a moment. An idle connection counts like one in use.
type pool struct {
	perHost, maxIdle int
	keep             time.Duration
	hangUp           func(*session) // ends a connection politely; may take a moment

	mu     sync.Mutex
	places map[spot]*place
	idle   list.List // of *session, the longest idle first
	ending sync.WaitGroup
}

// place is what is known of one spot, as long as it has a connection or somebody who waits for one.
type place struct {
	open    int
	idle    []*session // the last put is the last
	waiting []chan struct{}
}

func newPool(perHost, maxIdle int, keep time.Duration, hangUp func(*session)) *pool {
	return &pool{perHost: perHost, maxIdle: maxIdle, keep: keep, hangUp: hangUp, places: map[spot]*place{}}
}

// enter waits for leave to use a connection of a spot: an idle one that has proven what is needed, or nil for the right to make one. fresh
// asks for the latter. Whoever entered must call put or leave.
func (p *pool) enter(ctx context.Context, at spot, want need, fresh bool) (*session, error) {
	for {
		s, freed := p.tryEnter(at, want, fresh)
		if freed == nil {
			return s, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			p.giveUp(at, freed)
			return nil, context.Cause(ctx)
		}
	}
}

func (p *pool) tryEnter(at spot, want need, fresh bool) (s *session, wait chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.places[at]
	if h == nil {
		h = &place{}
		p.places[at] = h
	}
	for i := len(h.idle) - 1; i >= 0 && !fresh; i-- {
		// The youngest is the least likely to have been closed by the other side.
		if s := h.idle[i]; want.metBy(s.proof) {
			p.takeOut(s)
			return s, nil
		}
	}
	for fresh && len(h.idle) > 0 {
		p.end(h.idle[0]) // a stale one; its siblings are of the same age
	}
	if h.open >= p.perHost {
		if len(h.idle) > 0 { // of no use here: its place is
			p.end(h.idle[0])
		}
		wait = make(chan struct{})
		h.waiting = append(h.waiting, wait)
		return nil, wait
	}
	h.open++
	return nil, nil
}

// giveUp ends a wait. Where the turn came at the same moment, the next one gets it.
func (p *pool) giveUp(at spot, wait chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.places[at]
	if h == nil {
		return
	}
	if i := slices.Index(h.waiting, wait); i >= 0 {
		h.waiting = slices.Delete(h.waiting, i, i+1)
	} else {
		h.wake()
	}
	p.tidy(at, h)
}

// put gives a connection back for others to use.
func (p *pool) put(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle.Len() >= p.maxIdle {
		p.end(p.idle.Front().Value.(*session))
	}
	h := p.places[s.spot]
	h.idle = append(h.idle, s)
	s.idle = p.idle.PushBack(s)
	if s.timer == nil {
		s.timer = time.AfterFunc(p.keep, func() { p.expire(s) })
	} else {
		s.timer.Reset(p.keep)
	}
	h.wake()
}

// takeOut takes a connection out of the idle ones. p.mu is held.
func (p *pool) takeOut(s *session) {
	s.timer.Stop()
	p.idle.Remove(s.idle)
	s.idle = nil
	h := p.places[s.spot]
	i := slices.Index(h.idle, s)
	h.idle = slices.Delete(h.idle, i, i+1)
}

// leave ends the use of a spot whose connection is closed, or was never made.
func (p *pool) leave(at spot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(at)
}

// retire ends a connection that is not to be used any more.
func (p *pool) retire(s *session) {
	p.hangUp(s)
	p.leave(s.spot)
}

// expire ends a connection that was idle for its time. One that was taken at the same moment is not idle any more.
func (p *pool) expire(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.idle != nil {
		p.end(s)
	}
}

// end hangs an idle connection up in the background. p.mu is held.
func (p *pool) end(s *session) {
	p.takeOut(s)
	p.ending.Go(func() {
		p.hangUp(s)
		p.leave(s.spot)
	})
}

// release gives a connection's place to whoever waits for it. p.mu is held.
func (p *pool) release(at spot) {
	h := p.places[at]
	h.open--
	h.wake()
	p.tidy(at, h)
}

func (p *pool) tidy(at spot, h *place) {
	if h.open == 0 && len(h.waiting) == 0 {
		delete(p.places, at)
	}
}

// wake lets the one who has waited longest look again.
func (h *place) wake() {
	if len(h.waiting) > 0 {
		close(h.waiting[0])
		h.waiting = h.waiting[1:]
	}
}

// close ends all idle connections and waits until they have ended. No attempt may be running.
func (p *pool) close() {
	p.mu.Lock()
	for p.idle.Len() > 0 {
		p.end(p.idle.Front().Value.(*session))
	}
	p.mu.Unlock()
	p.ending.Wait()
}

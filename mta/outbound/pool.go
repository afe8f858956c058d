package outbound

import (
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
	open   map[spot]int
	idle   []*session // oldest first
	freed  chan struct{}
	ending sync.WaitGroup
}

func newPool(perHost, maxIdle int, keep time.Duration, hangUp func(*session)) *pool {
	return &pool{perHost: perHost, maxIdle: maxIdle, keep: keep, hangUp: hangUp, open: map[spot]int{}, freed: make(chan struct{})}
}

// enter waits for leave to use a connection of a spot: an idle one, or nil for the right to make one. fresh asks for
// the latter. Whoever entered must call put or leave.
func (p *pool) enter(ctx context.Context, at spot, fresh bool) (*session, error) {
	for {
		s, freed := p.tryEnter(at, fresh)
		if freed == nil {
			return s, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (p *pool) tryEnter(at spot, fresh bool) (s *session, wait <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// The youngest is the least likely to have been closed by the other side.
	for i := len(p.idle) - 1; i >= 0; i-- {
		if p.idle[i].spot != at {
			continue
		}
		s := p.idle[i]
		p.idle = slices.Delete(p.idle, i, i+1)
		s.timer.Stop()
		if !fresh {
			return s, nil
		}
		p.end(s) // a stale one; its siblings are of the same age
	}
	if p.open[at] >= p.perHost {
		return nil, p.freed
	}
	p.open[at]++
	return nil, nil
}

// put gives a connection back for others to use.
func (p *pool) put(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) >= p.maxIdle {
		oldest := p.idle[0]
		p.idle = slices.Delete(p.idle, 0, 1)
		oldest.timer.Stop()
		p.end(oldest)
	}
	p.idle = append(p.idle, s)
	s.timer = time.AfterFunc(p.keep, func() { p.expire(s) })
	p.wake()
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

func (p *pool) expire(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.idle, s); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
		p.end(s)
	}
}

// end hangs up in the background. p.mu is held.
func (p *pool) end(s *session) {
	p.ending.Go(func() {
		p.hangUp(s)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.release(s.spot)
	})
}

func (p *pool) release(at spot) {
	if p.open[at]--; p.open[at] <= 0 {
		delete(p.open, at)
	}
	p.wake()
}

func (p *pool) wake() {
	close(p.freed)
	p.freed = make(chan struct{})
}

// close ends all idle connections and waits until they have ended. No attempt may be running.
func (p *pool) close() {
	p.mu.Lock()
	for _, s := range p.idle {
		s.timer.Stop()
		p.end(s)
	}
	p.idle = nil
	p.mu.Unlock()
	p.ending.Wait()
}

package outbound

import (
	"sync"
	"time"
)

// silent remembers hosts that could not be reached several times in a row, so that a long queue for a dead host does not
// spend a connection timeout on each message while others wait. It forgets after a pause, and the first successful
// connection clears a host.
type silent struct {
	pause time.Duration
	mu    sync.Mutex
	hosts map[spot]silence
}

type silence struct {
	failures int
	since    time.Time // the last failure
}

const (
	silentAfter  = 3 // failures in a row
	maxSilent    = 10000
	silentSecond = time.Second
)

func newSilent(pause time.Duration) *silent { return &silent{pause: pause, hosts: map[spot]silence{}} }

// lately tells how long ago the host failed, if it is not to be tried now.
func (s *silent) lately(at spot) (ago time.Duration, skip bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[at]
	ago = time.Since(h.since)
	return ago.Round(silentSecond), h.failures >= silentAfter && ago < s.pause
}

func (s *silent) failed(at spot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[at]
	if time.Since(h.since) >= s.pause {
		h.failures = 0
	}
	if len(s.hosts) >= maxSilent {
		clear(s.hosts) // it is only a help
	}
	s.hosts[at] = silence{failures: h.failures + 1, since: time.Now()}
}

func (s *silent) reached(at spot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hosts, at)
}

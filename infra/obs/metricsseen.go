package obs

import "sync"

// seen bounds how many combinations of labels there are. It is for any number of goroutines.
type seen struct {
	mu  sync.RWMutex
	all map[string]bool
}

// admit reports whether a combination is known, or may become so.
func (s *seen) admit(key string) bool {
	s.mu.RLock()
	known := s.all[key]
	s.mu.RUnlock()
	if known {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]bool{}
	}
	if len(s.all) >= maxPoints && !s.all[key] {
		return false
	}
	s.all[key] = true
	return true
}

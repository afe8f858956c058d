package blob

import (
	"context"
	"log/slog"
	"sync"
)

// idleHandles is how many packs stay open for reading while nobody reads them.
const idleHandles = 64

// handle is one pack open for reading, shared by all its readers.
type handle struct {
	pack   int64
	file   File
	users  int
	doomed bool   // the pack goes when the last user lets go
	used   uint64 // when it was last taken, in takes
}

// handles shares open packs among readers and removes packs once nobody reads them.
type handles struct {
	bucket Bucket
	log    *slog.Logger

	mu    sync.Mutex
	open  map[int64]*handle
	idle  int
	takes uint64
}

func (s *handles) acquire(ctx context.Context, pack int64) (*handle, error) {
	s.mu.Lock()
	if h := s.open[pack]; h != nil {
		s.take(h)
		s.mu.Unlock()
		return h, nil
	}
	s.mu.Unlock()
	f, err := s.bucket.Open(ctx, PackName(pack))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.open[pack]; h != nil { // somebody was faster
		_ = f.Close()
		s.take(h)
		return h, nil
	}
	h := &handle{pack: pack, file: f}
	s.open[pack] = h
	s.idle++
	s.take(h)
	return h, nil
}

// take counts one more user. The lock is held.
func (s *handles) take(h *handle) {
	if h.users == 0 {
		s.idle--
	}
	h.users++
	s.takes++
	h.used = s.takes
}

func (s *handles) release(h *handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.users--
	if h.users > 0 {
		return
	}
	if h.doomed {
		delete(s.open, h.pack)
		_ = h.file.Close()
		s.unlink(h.pack)
		return
	}
	s.idle++
	for s.idle > idleHandles {
		s.closeOldest()
	}
}

// closeOldest closes the idle handle that was not used for the longest time. The lock is held.
func (s *handles) closeOldest() {
	var oldest *handle
	for _, h := range s.open {
		if h.users == 0 && (oldest == nil || h.used < oldest.used) {
			oldest = h
		}
	}
	delete(s.open, oldest.pack)
	s.idle--
	_ = oldest.file.Close()
}

// remove deletes a pack now, or when its last reader lets go.
func (s *handles) remove(pack int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.open[pack]; h != nil {
		if h.users > 0 {
			h.doomed = true
			return
		}
		delete(s.open, pack)
		s.idle--
		_ = h.file.Close()
	}
	s.unlink(pack)
}

// unlink deletes the pack's file. One that stays is swept by the next Open, so that an error here loses only room.
func (s *handles) unlink(pack int64) {
	if err := s.bucket.Remove(context.Background(), PackName(pack)); err != nil {
		s.log.Warn("an empty pack could not be removed", "pack", PackName(pack), "error", err)
	}
}

// closeAll closes every handle. Readers that are still open fail from then on.
func (s *handles) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pack, h := range s.open {
		_ = h.file.Close()
		if h.doomed {
			s.unlink(pack)
		}
	}
	clear(s.open)
	s.idle = 0
}

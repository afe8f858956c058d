package blob

import (
	"io"
	"sync"
)

// HoldLimit is how many octets of a body are held in memory. A longer one gets a pack of its own.
const HoldLimit = 128 << 10

// A held body's first chunk is small, so that a short message costs little.
const (
	firstChunk = 4 << 10
	nextChunk  = 32 << 10
)

// chunkPools hand out chunks; what they hold is garbage to whoever takes it.
type chunkPools struct{ first, next sync.Pool }

func (p *chunkPools) get(first bool) []byte {
	pool, size := &p.next, nextChunk
	if first {
		pool, size = &p.first, firstChunk
	}
	if c, ok := pool.Get().(*[]byte); ok {
		return (*c)[:0]
	}
	return make([]byte, 0, size)
}

func (p *chunkPools) put(c []byte) {
	switch cap(c) {
	case firstChunk:
		p.first.Put(&c)
	case nextChunk:
		p.next.Put(&c)
	}
}

// hold is octets in pooled chunks. It is an io.Writer that never fails.
type hold struct {
	pools  *chunkPools
	chunks [][]byte
	size   int
}

// Write appends b.
func (h *hold) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		last := len(h.chunks) - 1
		if last < 0 || len(h.chunks[last]) == cap(h.chunks[last]) {
			h.chunks = append(h.chunks, h.pools.get(last < 0))
			last++
		}
		c := h.chunks[last]
		k := copy(c[len(c):cap(c)], b)
		h.chunks[last] = c[:len(c)+k]
		b = b[k:]
	}
	h.size += n
	return n, nil
}

// ReadAt reads from offset off.
func (h *hold) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for _, c := range h.chunks {
		if off >= int64(len(c)) {
			off -= int64(len(c))
			continue
		}
		k := copy(b[n:], c[off:])
		n, off = n+k, 0
		if n == len(b) {
			return n, nil
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// free gives the chunks back. The hold is empty then.
func (h *hold) free() {
	for _, c := range h.chunks {
		h.pools.put(c)
	}
	h.chunks, h.size = nil, 0
}

package blob

import (
	"hash/crc32"
	"sync/atomic"

	"github.com/postrider/postrider/mail"
)

// Sealed is a complete body that waits for its commit: in memory, or in a pack of its own.
type Sealed struct {
	p     *Packs
	size  int64
	sum   uint32 // CRC-32C of the stored octets
	codec Codec
	held  hold

	file  File // its own pack, or nil
	own   Ref
	ownID mail.BlobID

	// pins counts who still needs the octets: the one who sealed it, a committer that writes it, readers. The last to let
	// go frees them, so that a Discard that comes while a commit is still under way harms nothing.
	pins      atomic.Int32
	discarded atomic.Bool
	// filed is the id under which it was committed, or 0.
	filed atomic.Int64
}

// Size is the body's length.
func (s *Sealed) Size() int64 { return s.size }

// Of reports whether p made it.
func (s *Sealed) Of(p *Packs) bool { return s.p == p }

// Own gives id and place of a body that has its own pack.
func (s *Sealed) Own() (id mail.BlobID, r Ref, ok bool) { return s.ownID, s.own, s.file != nil }

// Filed is the id under which it was committed, or 0.
func (s *Sealed) Filed() mail.BlobID { return mail.BlobID(s.filed.Load()) }

// MarkFiled says that a commit has made it durable under an id.
func (s *Sealed) MarkFiled(id mail.BlobID) { s.filed.Store(int64(id)) }

// Pin keeps the octets until Unpin, even when the body is discarded meanwhile. It
// reports false when it is too late.
func (s *Sealed) Pin() bool {
	for {
		n := s.pins.Load()
		if n == 0 {
			return false
		}
		if s.pins.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Unpin ends a Pin.
func (s *Sealed) Unpin() {
	if s.pins.Add(-1) > 0 {
		return
	}
	s.held.free()
	if s.file == nil {
		return
	}
	if s.Filed() != 0 {
		_ = s.file.Close() // it was synced; a reading handle of its own is elsewhere
		return
	}
	s.p.scrap(s.file, s.own.Pack)
}

// Discard lets the body go. A committed one stays in the store.
func (s *Sealed) Discard() {
	if s.discarded.CompareAndSwap(false, true) {
		s.Unpin()
	}
}

// Open reads the body.
func (s *Sealed) Open() (mail.BlobReader, error) {
	if !s.Pin() {
		return nil, mail.Errorf(mail.NotFound, "the body was discarded")
	}
	switch {
	case s.file != nil:
		return &reader{at: offsetReader{s.file, HeaderSize}, size: s.size, check: s.verify, release: s.Unpin}, nil
	case s.codec == Raw:
		return &reader{at: &s.held, size: s.size, release: s.Unpin}, nil
	}
	defer s.Unpin()
	stored := make([]byte, s.held.size)
	if _, err := s.held.ReadAt(stored, 0); err != nil {
		return nil, err
	}
	body, err := s.p.codecs.expand(stored, s.size)
	if err != nil {
		return nil, mail.Errorf(mail.Internal, "a body in memory does not expand: %w", err)
	}
	return &reader{at: bytesAt(body), size: s.size, release: func() {}}, nil
}

// verify compares the sum of a whole read of its own pack.
func (s *Sealed) verify(sum uint32) error {
	if sum != s.sum {
		return damaged(s.ownID, s.own, "its checksum differs", nil)
	}
	return nil
}

// header is the record header under an id.
func (s *Sealed) header(id mail.BlobID) Header {
	return Header{ID: id, Codec: s.codec, Stored: int64(s.held.size), Size: s.size, Sum: s.sum}
}

// sumOf is the CRC-32C of b.
func sumOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

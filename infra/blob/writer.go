package blob

import (
	"context"
	"errors"
	"hash/crc32"
	"syscall"

	"github.com/postrider/postrider/mail"
)

// roomEvery is how often a long body asks whether the disk still has room.
const roomEvery = 4 << 20

// Writer takes one body. Its memory is at most HoldLimit plus one chunk. It is for one goroutine.
type Writer struct {
	p    *Packs
	ctx  context.Context
	hold hold
	size int64
	sum  uint32 // of a body that goes to its own pack; a held one is summed when sealed

	file File // the own pack, once the body outgrew memory; hold is then its write buffer
	pack int64
	off  int64
	err  error // sticky
	done bool
}

// Create starts a body. Unavailable when the disk is nearly full or the packs have failed.
func (p *Packs) Create(ctx context.Context) (*Writer, error) {
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	return &Writer{p: p, ctx: context.WithoutCancel(ctx), hold: hold{pools: &p.chunks}}, nil
}

// Write takes more of the body. After an error the writer stays failed.
func (w *Writer) Write(b []byte) (int, error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.done:
		return 0, mail.Errorf(mail.Internal, "the body is sealed already")
	}
	if w.file == nil && w.size+int64(len(b)) > HoldLimit {
		if w.err = w.spill(); w.err != nil {
			return 0, w.err
		}
	}
	w.size += int64(len(b))
	if w.file == nil {
		return w.hold.Write(b)
	}
	n := len(b)
	if len(b) >= nextChunk { // no use in copying it
		if w.err = w.flush(b); w.err != nil {
			return 0, w.err
		}
		return n, nil
	}
	_, _ = w.hold.Write(b)
	if w.hold.size >= nextChunk {
		if w.err = w.flush(nil); w.err != nil {
			return 0, w.err
		}
	}
	return n, nil
}

// spill moves what is held to a pack of its own.
func (w *Writer) spill() error {
	w.pack = w.p.nextPack.Add(1)
	f, err := w.p.bucket.Create(w.ctx, PackName(w.pack))
	if err != nil {
		return w.p.writeError(err)
	}
	w.file, w.off = f, HeaderSize
	return w.flush(nil)
}

// flush writes what is buffered, and more after it, to the own pack.
func (w *Writer) flush(more []byte) error {
	n := int64(w.hold.size + len(more))
	if w.off/roomEvery != (w.off+n)/roomEvery {
		if err := w.p.ready(w.ctx); err != nil {
			return err
		}
	}
	bufs := append(w.hold.chunks, more)
	for _, b := range bufs {
		w.sum = crc32.Update(w.sum, castagnoli, b)
	}
	if err := w.file.WriteAll(w.off, bufs...); err != nil {
		return w.p.writeError(err)
	}
	w.off += n
	w.hold.free()
	return nil
}

// Seal ends the body. One with a pack of its own is on stable storage when it returns, but the
// index does not know it yet: a crash before the commit leaves a pack that Open removes.
func (w *Writer) Seal() (mail.SealedBody, error) {
	s, err := w.SealBody()
	if err != nil {
		return nil, err
	}
	return s, nil
}

// SealBody is Seal with the package's own type.
func (w *Writer) SealBody() (*Sealed, error) {
	if w.err != nil {
		return nil, w.err
	}
	if w.done {
		return nil, mail.Errorf(mail.Internal, "the body is sealed already")
	}
	var s *Sealed
	var err error
	if w.file != nil {
		s, err = w.sealOwn()
	} else {
		s, err = w.sealHeld()
	}
	if err != nil {
		w.err = err
		return nil, err
	}
	w.done = true
	return s, nil
}

func (w *Writer) sealHeld() (*Sealed, error) {
	s := &Sealed{p: w.p, size: w.size, held: w.hold}
	if w.size >= compressFrom {
		small, err := w.p.codecs.compress(&w.hold)
		if err != nil {
			return nil, mail.Errorf(mail.Internal, "the body could not be compressed: %w", err)
		}
		if small != nil {
			w.hold.free()
			s.held, s.codec = *small, Zstd
		}
	}
	for _, c := range s.held.chunks {
		s.sum = crc32.Update(s.sum, castagnoli, c)
	}
	w.hold = hold{}
	s.pins.Store(1)
	return s, nil
}

func (w *Writer) sealOwn() (*Sealed, error) {
	if w.hold.size > 0 {
		if err := w.flush(nil); err != nil {
			return nil, err
		}
	}
	h := Header{ID: mail.BlobID(w.p.nextBlob.Add(1)), Own: true, Stored: w.size, Size: w.size, Sum: w.sum}
	if err := w.file.WriteAll(0, h.Encode(make([]byte, 0, HeaderSize))); err != nil {
		return nil, w.p.writeError(err)
	}
	if err := w.file.Sync(); err != nil {
		return nil, w.p.fail(err)
	}
	s := &Sealed{p: w.p, size: w.size, sum: w.sum, file: w.file, own: Ref{Pack: w.pack, Stored: w.size, Size: w.size}, ownID: h.ID}
	s.pins.Store(1)
	return s, nil
}

// Discard gives the body up. It does nothing after Seal.
func (w *Writer) Discard() {
	if w.done {
		return
	}
	w.done = true
	w.hold.free()
	if w.file != nil {
		w.p.scrap(w.file, w.pack)
		w.file = nil
	}
}

// writeError turns a failed write into an answer: a full disk is a trouble that passes.
func (p *Packs) writeError(err error) error {
	if isFull(err) {
		return diskFull(err)
	}
	return mail.Errorf(mail.Unavailable, "the body could not be written: %w", err)
}

// isFull reports that a write failed for want of room.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// diskFull is RFC 3463 X.3.1, "mail system full".
func diskFull(cause error) error {
	return &mail.Error{Kind: mail.Unavailable, Enhanced: "4.3.1", Err: cause,
		Text: "the disk is nearly full; try again when its owner has made room"}
}

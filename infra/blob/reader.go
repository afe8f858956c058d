package blob

import (
	"context"
	"hash/crc32"
	"io"
	"sync"

	"github.com/postrider/postrider/mail"
)

// reader is a mail.BlobReader over any io.ReaderAt. A check, where there is one, compares the
// checksum of a read that went from the start to the end in order.
type reader struct {
	at    io.ReaderAt
	size  int64
	pos   int64
	sum   uint32 // of everything up to pos
	check func(sum uint32) error

	once    sync.Once
	release func()
}

// Size is the body's length.
func (r *reader) Size() int64 { return r.size }

// ReadAt reads at any place, without a check.
func (r *reader) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, mail.Errorf(mail.Invalid, "a body has no offset %d", off)
	}
	if off >= r.size {
		return 0, io.EOF
	}
	short := int64(len(b)) > r.size-off
	if short {
		b = b[:r.size-off]
	}
	n, err := r.at.ReadAt(b, off)
	if n == len(b) {
		err = nil
		if short {
			err = io.EOF
		}
	} else if err == io.EOF {
		err = io.ErrUnexpectedEOF // the pack ends before the body does
	}
	return n, err
}

// Read reads on. The octets that end the body are given only if its checksum agrees.
func (r *reader) Read(b []byte) (int, error) {
	if r.pos >= r.size {
		return 0, io.EOF
	}
	if len(b) == 0 {
		return 0, nil
	}
	n, err := r.ReadAt(b, r.pos)
	r.pos += int64(n)
	if err == io.EOF {
		err = nil
	}
	if err != nil || r.check == nil {
		return n, err
	}
	r.sum = crc32.Update(r.sum, castagnoli, b[:n])
	if r.pos == r.size {
		if err := r.check(r.sum); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// WriteTo writes the rest of the body.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	if b, ok := r.at.(bytesAt); ok && r.check == nil {
		n, err := w.Write(b[r.pos:])
		r.pos += int64(n)
		return int64(n), err
	}
	buf := make([]byte, min(nextChunk, max(1, r.size-r.pos)))
	var total int64
	for {
		n, err := r.Read(buf)
		if n > 0 {
			k, werr := w.Write(buf[:n])
			total += int64(k)
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Close lets go. It may be called again.
func (r *reader) Close() error {
	r.once.Do(r.release)
	return nil
}

// bytesAt is octets in memory as an io.ReaderAt.
type bytesAt []byte

func (b bytesAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// offsetReader reads from a place on.
type offsetReader struct {
	at  io.ReaderAt
	off int64
}

func (o offsetReader) ReadAt(p []byte, off int64) (int, error) { return o.at.ReadAt(p, o.off+off) }

// Open reads a stored body. A body of at most HoldLimit octets is read and checked whole before Open returns, a
// longer one is checked when it is read in order to its end. fs.ErrNotExist is in the chain when the pack
// is gone: the body may have moved, look it up again.
func (p *Packs) Open(ctx context.Context, id mail.BlobID, r Ref) (mail.BlobReader, error) {
	h, err := p.handles.acquire(ctx, r.Pack)
	if err != nil {
		return nil, damaged(id, r, "the pack cannot be opened", err)
	}
	if r.Size > HoldLimit {
		rd, err := p.openLong(h, id, r)
		if err != nil {
			p.handles.release(h)
		}
		return rd, err
	}
	defer p.handles.release(h)
	body, err := p.readShort(h.file, id, r)
	if err != nil {
		return nil, err
	}
	return &reader{at: bytesAt(body), size: r.Size, release: func() {}}, nil
}

// readShort reads a whole record with one call, and checks it.
func (p *Packs) readShort(f File, id mail.BlobID, r Ref) ([]byte, error) {
	if r.Stored < 0 || r.Stored > HoldLimit || r.Size < 0 {
		return nil, damaged(id, r, "the index gives it an impossible length", nil)
	}
	buf := make([]byte, r.Octets())
	if _, err := f.ReadAt(buf, r.Offset); err != nil {
		return nil, damaged(id, r, "it cannot be read", err)
	}
	h, err := ParseHeader(buf)
	if err != nil {
		return nil, damaged(id, r, err.Error(), nil)
	}
	if why := r.matches(id, h); why != "" {
		return nil, damaged(id, r, why, nil)
	}
	stored := buf[HeaderSize:]
	if sumOf(stored) != h.Sum {
		return nil, damaged(id, r, "its checksum differs", nil)
	}
	if h.Codec == Raw {
		return stored, nil
	}
	body, err := p.codecs.expand(stored, h.Size)
	if err != nil {
		return nil, damaged(id, r, "it does not expand", err)
	}
	return body, nil
}

// openLong reads the header alone; the reader checks the rest as it goes.
func (p *Packs) openLong(hd *handle, id mail.BlobID, r Ref) (mail.BlobReader, error) {
	var buf [HeaderSize]byte
	if _, err := hd.file.ReadAt(buf[:], r.Offset); err != nil {
		return nil, damaged(id, r, "it cannot be read", err)
	}
	h, err := ParseHeader(buf[:])
	if err != nil {
		return nil, damaged(id, r, err.Error(), nil)
	}
	if why := r.matches(id, h); why != "" {
		return nil, damaged(id, r, why, nil)
	}
	check := func(sum uint32) error {
		if sum != h.Sum {
			return damaged(id, r, "its checksum differs", nil)
		}
		return nil
	}
	return &reader{at: offsetReader{hd.file, r.Offset + HeaderSize}, size: r.Size, check: check,
		release: func() { p.handles.release(hd) }}, nil
}

// Check reads a whole record and says what is wrong with it, if anything.
func (p *Packs) Check(ctx context.Context, id mail.BlobID, r Ref) error {
	rd, err := p.Open(ctx, id, r)
	if err != nil {
		return err
	}
	defer rd.Close()
	if r.Size <= HoldLimit {
		return nil
	}
	_, err = rd.WriteTo(io.Discard)
	if err != nil && mail.KindOf(err) == mail.Internal {
		return damaged(id, r, "it cannot be read to its end", err)
	}
	return err
}

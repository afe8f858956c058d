package blob

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/postrider/postrider/mail"
)

// Scan reads the records of a shared pack up to limit in order, one at a time, and stops at the first that is
// not whole: its error names pack and offset. fn may keep Stored.
func (p *Packs) Scan(ctx context.Context, pack, limit int64, fn func(Moved) error) error {
	h, err := p.handles.acquire(ctx, pack)
	if err != nil {
		return fmt.Errorf("pack %s cannot be opened: %w", PackName(pack), err)
	}
	defer p.handles.release(h)
	return scan(ctx, io.NewSectionReader(h.file, 0, limit), pack, fn)
}

func scan(ctx context.Context, r *io.SectionReader, pack int64, fn func(Moved) error) error {
	var off int64
	var buf [HeaderSize]byte
	for off < r.Size() {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := func(reason string, cause error) error {
			return &mail.Error{Kind: mail.Internal, Err: cause,
				Text: fmt.Sprintf("pack %s is damaged at offset %d: %s", PackName(pack), off, reason)}
		}
		if _, err := r.ReadAt(buf[:], off); err != nil {
			return at("it cannot be read", err)
		}
		h, err := ParseHeader(buf[:])
		if err != nil {
			return at(err.Error(), nil)
		}
		if h.Stored > HoldLimit || h.Stored > r.Size()-off-HeaderSize {
			return at("a record in it is longer than it can be", nil)
		}
		stored := make([]byte, h.Stored)
		if _, err := r.ReadAt(stored, off+HeaderSize); err != nil && !errors.Is(err, io.EOF) {
			return at("it cannot be read", err)
		}
		if sumOf(stored) != h.Sum {
			return at(fmt.Sprintf("the checksum of body %d differs", h.ID), nil)
		}
		ref := Ref{Pack: pack, Offset: off, Stored: h.Stored, Size: h.Size, Codec: h.Codec}
		if err := fn(Moved{From: ref, Header: h, Stored: stored}); err != nil {
			return err
		}
		off += ref.Octets()
	}
	return nil
}

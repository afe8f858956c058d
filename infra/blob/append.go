package blob

import (
	"context"
	"fmt"

	"github.com/postrider/postrider/mail"
)

// Append is one record on its way into the active pack: a sealed body, or a record that moves from another pack.
type Append struct {
	ID   mail.BlobID
	Body *Sealed // held in memory; or nil
	Move *Moved
	Ref  Ref // set by Place
}

// Moved is a record taken out of another pack, as it was stored there.
type Moved struct {
	From   Ref
	Header Header
	Stored []byte
}

func (a *Append) header() Header {
	if a.Move != nil {
		h := a.Move.Header
		h.Own = false
		return h
	}
	return a.Body.header(a.ID)
}

// Place decides where a group of records will lie: all in the active pack, one after another. Nothing is written
// but, when the pack is full, a new one made. It returns the pack and where it will end.
func (p *Packs) Place(ctx context.Context, group []Append) (pack, end int64, err error) {
	if err := p.Failed(); err != nil {
		return 0, 0, err
	}
	if p.active == nil || p.activeEnd >= p.rollAt {
		if err := p.roll(ctx); err != nil {
			return 0, 0, err
		}
	}
	for i := range group {
		a := &group[i]
		h := a.header()
		a.Ref = Ref{Pack: p.activePack, Offset: p.activeEnd, Stored: h.Stored, Size: h.Size, Codec: h.Codec}
		p.activeEnd += a.Ref.Octets()
	}
	return p.activePack, p.activeEnd, nil
}

// roll closes the active pack, which was synced with its last group, and makes the next. A crash leaves an empty
// pack that no index knows.
func (p *Packs) roll(ctx context.Context) error {
	pack := p.nextPack.Add(1)
	f, err := p.bucket.Create(ctx, PackName(pack))
	if err != nil {
		return p.writeError(fmt.Errorf("a new pack could not be made: %w", err))
	}
	if p.active != nil {
		_ = p.active.Close()
	}
	p.active, p.activePack, p.activeEnd = f, pack, 0
	return nil
}

// Write puts a placed group into the active pack with one write. A crash in it leaves octets past the end that
// the index knows, which Open cuts off. A full disk leaves things as they were before Place; any other failure stops the packs.
func (p *Packs) Write(group []Append) error {
	if len(group) == 0 {
		return nil
	}
	headers := make([]byte, 0, HeaderSize*len(group))
	bufs := make([][]byte, 0, 3*len(group))
	for i := range group {
		a := &group[i]
		start := len(headers)
		headers = a.header().Encode(headers)
		bufs = append(bufs, headers[start:])
		if a.Move != nil {
			bufs = append(bufs, a.Move.Stored)
		} else {
			bufs = append(bufs, a.Body.held.chunks...)
		}
	}
	if err := p.active.WriteAll(group[0].Ref.Offset, bufs...); err != nil {
		if isFull(err) {
			p.activeEnd = group[0].Ref.Offset // the next group is written over what there is of this one
			return diskFull(err)
		}
		return p.fail(err)
	}
	return nil
}

// Sync makes all that was written durable. A failure stops the packs: it is not tried again.
func (p *Packs) Sync() error {
	if p.active == nil {
		return nil
	}
	if err := p.active.Sync(); err != nil {
		return p.fail(err)
	}
	return nil
}

// Active is the pack that is being written, or 0.
func (p *Packs) Active() int64 {
	if p.active == nil {
		return 0
	}
	return p.activePack
}

package blob

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/postrider/postrider/mail"
)

// Options say where packs are and how they are kept.
type Options struct {
	Bucket  Bucket
	Log     *slog.Logger // nil is slog.Default
	RollAt  int64        // a pack this long is followed by a new one; 0: 128 MiB
	Reserve int64        // octets of the bucket's room that are left free; 0: none
	// LastBlob and LastPack are the highest numbers the index has given out.
	LastBlob mail.BlobID
	LastPack int64
}

// Known is a pack as the index knows it.
type Known struct {
	Pack   int64
	Own    bool
	Octets int64 // what lies behind that was never acknowledged
}

// Packs is a set of packs. Create, Open and Remove may be called from any goroutine; Place, Write
// and Sync belong to one committer.
type Packs struct {
	bucket  Bucket
	log     *slog.Logger
	rollAt  int64
	reserve int64
	chunks  chunkPools
	codecs  codecs
	handles handles

	nextBlob atomic.Int64 // the last number given out
	nextPack atomic.Int64
	failed   atomic.Pointer[mail.Error]

	active     File // nil until the first Place
	activePack int64
	activeEnd  int64
}

// Open makes a set of packs ready: it removes packs that the index does not know, cuts what lies behind the known
// end of the last shared one, and logs what is missing. A crash at any point of it is harmless: it would be done again.
func Open(ctx context.Context, o Options, known []Known) (*Packs, error) {
	p := &Packs{bucket: o.Bucket, log: o.Log, rollAt: o.RollAt, reserve: o.Reserve}
	if p.log == nil {
		p.log = slog.Default()
	}
	if p.rollAt <= 0 {
		p.rollAt = 128 << 20
	}
	p.handles = handles{bucket: o.Bucket, log: p.log, open: map[int64]*handle{}}
	p.nextBlob.Store(int64(o.LastBlob))
	p.nextPack.Store(o.LastPack)
	items, err := p.bucket.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("the packs cannot be listed: %w", err)
	}
	sizes := make(map[int64]int64, len(items))
	for _, it := range items {
		if pack, ok := parsePackName(it.Name); ok {
			sizes[pack] = it.Size
		}
	}
	last, err := p.reconcile(sizes, known)
	if err != nil {
		return nil, err
	}
	if last.Pack == 0 {
		return p, nil
	}
	return p, p.resume(ctx, last)
}

// reconcile compares what is there with what the index knows, and gives the last shared pack.
func (p *Packs) reconcile(sizes map[int64]int64, known []Known) (last Known, err error) {
	for _, k := range known {
		size, ok := sizes[k.Pack]
		if ok {
			delete(sizes, k.Pack)
		}
		if !ok || size < k.Octets {
			p.log.Error("a pack is missing or too short; the bodies in it cannot be read until it is restored from a backup",
				"pack", PackName(k.Pack), "octets", size, "expected", k.Octets)
			continue
		}
		if !k.Own && k.Pack > last.Pack {
			last = k
		}
	}
	for pack := range sizes {
		p.log.Info("a pack that was never committed is removed", "pack", PackName(pack))
		p.handles.remove(pack)
		p.nextPack.Store(max(p.nextPack.Load(), pack)) // its number is not used again
	}
	return last, nil
}

// resume goes on with the last shared pack where its known part ends.
func (p *Packs) resume(ctx context.Context, last Known) error {
	if last.Octets >= p.rollAt {
		return nil
	}
	f, err := p.bucket.Open(ctx, PackName(last.Pack))
	if err != nil {
		return fmt.Errorf("pack %s cannot be opened: %w", PackName(last.Pack), err)
	}
	size, err := f.Size()
	if err == nil && size > last.Octets {
		p.log.Info("the end of a pack that was never committed is cut off", "pack", PackName(last.Pack), "octets", size-last.Octets)
		if err = f.Truncate(last.Octets); err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("pack %s cannot be made ready: %w", PackName(last.Pack), err)
	}
	p.active, p.activePack, p.activeEnd = f, last.Pack, last.Octets
	return nil
}

// Numbers are the highest blob and pack numbers given out so far. The index keeps them with each commit.
func (p *Packs) Numbers() (mail.BlobID, int64) {
	return mail.BlobID(p.nextBlob.Load()), p.nextPack.Load()
}

// NextID gives out a blob number.
func (p *Packs) NextID() mail.BlobID { return mail.BlobID(p.nextBlob.Add(1)) }

// Remove deletes a pack that the index no longer knows, once its last reader has let go.
func (p *Packs) Remove(pack int64) { p.handles.remove(pack) }

// Room reports whether n more octets may be written without touching the reserve. The
// error is the answer to give: Unavailable, 4.3.1.
func (p *Packs) Room(ctx context.Context, n int64) error {
	free, err := p.bucket.Room(ctx)
	if err != nil {
		return mail.Errorf(mail.Unavailable, "the disk's free room is not known: %w", err)
	}
	if free-n < p.reserve {
		return diskFull(nil)
	}
	return nil
}

// Failed is the error that stopped the packs, or nil.
func (p *Packs) Failed() error {
	if e := p.failed.Load(); e != nil {
		return e
	}
	return nil
}

// Fail stops the packs from without: the commit that was to refer to them failed.
func (p *Packs) Fail(cause error) error { return p.fail(cause) }

// fail stops everything that would acknowledge: what the kernel dropped after a failed sync it will not report again.
func (p *Packs) fail(cause error) error {
	e := &mail.Error{Kind: mail.Unavailable, Enhanced: "4.3.0", Err: cause,
		Text: "the store has stopped because the disk failed to keep what was written; restart it once the disk is sound"}
	if p.failed.CompareAndSwap(nil, e) {
		p.log.Error("writing to the packs failed; nothing more is accepted until a restart", "error", cause)
	}
	return p.failed.Load()
}

// ready says whether a body may be begun or go on.
func (p *Packs) ready(ctx context.Context) error {
	if err := p.Failed(); err != nil {
		return err
	}
	return p.Room(ctx, HoldLimit)
}

// scrap closes and removes an own pack that was given up.
func (p *Packs) scrap(f File, pack int64) {
	_ = f.Close()
	p.handles.remove(pack)
}

// Close closes what is open. Nothing is written: what was acknowledged is synced already.
func (p *Packs) Close() error {
	p.handles.closeAll()
	if p.active == nil {
		return nil
	}
	f := p.active
	p.active = nil
	return f.Close()
}

package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/postrider/postrider/mail"
)

// Carved is a record that was found without help of the index.
type Carved struct {
	Ref    Ref
	ID     mail.BlobID
	Damage string // why the body cannot be trusted; "" when its checksum holds
}

// Carver reads packs without an index, and never writes: every record says itself what it is.
type Carver struct {
	root  string
	packs *Packs
}

// NewCarver makes one for the packs below a directory, as Dir keeps them. It must be closed.
func NewCarver(root string) *Carver {
	b := readOnly{root: root}
	log := slog.New(slog.DiscardHandler)
	return &Carver{root: root, packs: &Packs{bucket: b, log: log, handles: handles{bucket: b, log: log, open: map[int64]*handle{}}}}
}

// Close lets go of open packs.
func (c *Carver) Close() error { return c.packs.Close() }

// Open reads a record as Packs.Open does.
func (c *Carver) Open(ctx context.Context, id mail.BlobID, r Ref) (mail.BlobReader, error) {
	return c.packs.Open(ctx, id, r)
}

// Remains gives the octets of a record as they lie there, without any check; of a compressed one there is nothing to give.
func (c *Carver) Remains(ctx context.Context, r Ref) (io.ReadCloser, bool) {
	if r.Codec != Raw {
		return nil, false
	}
	h, err := c.packs.handles.acquire(ctx, r.Pack)
	if err != nil {
		return nil, false
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(h.file, r.Offset+HeaderSize, r.Stored), closer(func() { c.packs.handles.release(h) })}, true
}

type closer func()

func (c closer) Close() error { c(); return nil }

// Pack is a pack file that a Carver found.
type Pack struct {
	Number int64
	Size   int64
	Time   int64 // when it was last written, in seconds since 1970
}

// Packs lists the packs by name.
func (c *Carver) Packs(ctx context.Context) ([]Pack, error) {
	var out []Pack
	err := filepath.WalkDir(c.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if err != nil && path != c.root {
				return nil // a directory that cannot be read hides its packs and no others
			}
			return err
		}
		name, err := filepath.Rel(c.root, path)
		if err != nil {
			return err
		}
		n, ok := parsePackName(filepath.ToSlash(name))
		if info, err := e.Info(); ok && err == nil {
			out = append(out, Pack{n, info.Size(), info.ModTime().Unix()})
		}
		return ctx.Err()
	})
	return out, err
}

// Carve finds every record of a pack and checks it. Behind damage it looks for the next record; damage is told what could not be made
// sense of. Its error is fn's, the end of ctx, or a pack that cannot be opened.
func (c *Carver) Carve(ctx context.Context, p Pack, fn func(Carved) error, damage func(offset, octets int64)) error {
	h, err := c.packs.handles.acquire(ctx, p.Number)
	if err != nil {
		return fmt.Errorf("pack %s cannot be opened: %w", PackName(p.Number), err)
	}
	defer c.packs.handles.release(h)
	buf := make([]byte, 64<<10)
	var lost int64 // where the present damage began, counted from 1
	for off := int64(0); off < p.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, ok := carve(h.file, p, off)
		if !ok {
			if lost == 0 {
				lost = off + 1
			}
			off = nextMagic(h.file, buf, off+1, p.Size)
			continue
		}
		if lost > 0 {
			damage(lost-1, off-lost+1)
			lost = 0
		}
		rec.Damage = sumRecord(h.file, rec, buf)
		if err := fn(rec); err != nil {
			return err
		}
		off += rec.Ref.Octets() // to be trusted, because the header has a checksum of its own
	}
	if lost > 0 {
		damage(lost-1, p.Size-lost+1)
	}
	return nil
}

// carve reads the header of a record.
func carve(r io.ReaderAt, p Pack, off int64) (rec Carved, ok bool) {
	var head [HeaderSize]byte
	if _, err := r.ReadAt(head[:], off); err != nil {
		return rec, false
	}
	h, err := ParseHeader(head[:])
	if err != nil {
		return rec, false
	}
	rec.ID = h.ID
	rec.Ref = Ref{Pack: p.Number, Offset: off, Stored: h.Stored, Size: h.Size, Codec: h.Codec}
	if h.Stored > p.Size-off-HeaderSize {
		rec.Damage = "the pack ends before the body does"
	}
	return rec, true
}

// sumRecord says what is wrong with a record's octets.
func sumRecord(r io.ReaderAt, rec Carved, buf []byte) string {
	if rec.Damage != "" {
		return rec.Damage
	}
	var head [HeaderSize]byte
	if _, err := r.ReadAt(head[:], rec.Ref.Offset); err != nil {
		return "it cannot be read: " + err.Error()
	}
	h, err := ParseHeader(head[:])
	if err != nil {
		return err.Error()
	}
	sum := uint32(0)
	in := io.NewSectionReader(r, rec.Ref.Offset+HeaderSize, rec.Ref.Stored)
	for {
		n, err := in.Read(buf)
		sum = crc32.Update(sum, castagnoli, buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return "it cannot be read: " + err.Error()
		}
	}
	if sum != h.Sum {
		return "its checksum differs"
	}
	return ""
}

// nextMagic is the next offset before end where a record may begin; a part that cannot be read is passed over in blocks.
func nextMagic(r io.ReaderAt, buf []byte, off, end int64) int64 {
	const block = 4096
	for off < end {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), end-off)], off)
		if i := bytes.Index(buf[:n], headerMagic[:]); i >= 0 {
			return off + int64(i)
		}
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			off = (off+int64(n))/block*block + block
		case n < len(headerMagic):
			return end
		default:
			off += int64(n - len(headerMagic) + 1) // the magic may begin in one part and end in the next
		}
	}
	return end
}

// readOnly is a Bucket that changes nothing, also on a file system that would not let it.
type readOnly struct{ root string }

var errReadOnly = errors.New("these packs are only read")

func (b readOnly) Create(context.Context, string) (File, error) { return nil, errReadOnly }

func (b readOnly) Open(_ context.Context, name string) (File, error) {
	path := filepath.Join(b.root, filepath.FromSlash(name))
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &dirFile{f: f, path: path}, nil
}

func (b readOnly) Remove(context.Context, string) error { return errReadOnly }
func (b readOnly) List(context.Context) ([]Item, error) { return nil, errReadOnly }
func (b readOnly) Room(context.Context) (int64, error)  { return 0, errReadOnly }

package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/postrider/postrider/mail"
)

// faulty is a bucket whose writes, syncs and room can be made to fail.
type faulty struct {
	Bucket
	writeErr, syncErr atomic.Pointer[error]
	room              atomic.Int64
}

func (b *faulty) Create(ctx context.Context, name string) (File, error) {
	f, err := b.Bucket.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, b}, nil
}

func (b *faulty) Room(context.Context) (int64, error) { return b.room.Load(), nil }

type faultyFile struct {
	File
	b *faulty
}

func (f *faultyFile) WriteAll(off int64, bufs ...[]byte) error {
	if e := f.b.writeErr.Load(); e != nil {
		_ = f.File.WriteAll(off, bufs[0][:len(bufs[0])/2]) // as a full disk does
		return *e
	}
	return f.File.WriteAll(off, bufs...)
}

func (f *faultyFile) Sync() error {
	if e := f.b.syncErr.Load(); e != nil {
		return *e
	}
	return f.File.Sync()
}

func newFaulty(t testing.TB) (*faulty, *Packs) {
	t.Helper()
	d, err := OpenDir(filepath.Join(t.TempDir(), "packs"))
	if err != nil {
		t.Fatal(err)
	}
	b := &faulty{Bucket: d}
	b.room.Store(math.MaxInt64)
	p, err := Open(t.Context(), Options{Bucket: b, Log: slog.New(slog.DiscardHandler), Reserve: 1000}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return b, p
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// put seals a body and, where it is held, appends it. It returns the first error.
func put(t testing.TB, p *Packs, body []byte) (mail.BlobID, Ref, error) {
	t.Helper()
	w, err := p.Create(t.Context())
	if err != nil {
		return 0, Ref{}, err
	}
	defer w.Discard()
	if _, err := w.Write(body); err != nil {
		return 0, Ref{}, err
	}
	s, err := w.SealBody()
	if err != nil {
		return 0, Ref{}, err
	}
	defer s.Discard()
	if id, ref, own := s.Own(); own {
		s.MarkFiled(id)
		return id, ref, nil
	}
	group := []Append{{ID: p.NextID(), Body: s}}
	if _, _, err := p.Place(t.Context(), group); err != nil {
		return 0, Ref{}, err
	}
	if err := p.Write(group); err != nil {
		return 0, Ref{}, err
	}
	return group[0].ID, group[0].Ref, p.Sync()
}

// A sync that fails stops everything that would acknowledge, for good: the kernel may have dropped what it could not write.
func TestSyncFailureStops(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 200_000} {
		b, p := newFaulty(t)
		id, ref, err := put(t, p, []byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		eio := error(syscall.EIO)
		b.syncErr.Store(&eio)
		if _, _, err := put(t, p, noise(size)); !mail.Is(err, mail.Unavailable) || !errors.Is(err, syscall.EIO) {
			t.Errorf("a failed sync gave %v", err)
		}
		b.syncErr.Store(nil)
		if _, _, err := put(t, p, noise(size)); !mail.Is(err, mail.Unavailable) || p.Failed() == nil {
			t.Errorf("after a failed sync a body was taken: %v", err)
		}
		if err := p.Check(t.Context(), id, ref); err != nil { // reading goes on
			t.Error(err)
		}
	}
}

// A full disk is a trouble that passes: nothing of the group is kept, and the next is written over it.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 200_000} {
		b, p := newFaulty(t)
		if _, _, err := put(t, p, []byte("before")); err != nil {
			t.Fatal(err)
		}
		full := error(syscall.ENOSPC)
		b.writeErr.Store(&full)
		_, _, err := put(t, p, noise(size))
		var e *mail.Error
		if !errors.As(err, &e) || e.Kind != mail.Unavailable || e.Enhanced != "4.3.1" {
			t.Errorf("a full disk gave %#v", err)
		}
		b.writeErr.Store(nil)
		id, ref, err := put(t, p, noise(size+1))
		if err != nil {
			t.Fatalf("once there was room again: %v", err)
		}
		if err := p.Check(t.Context(), id, ref); err != nil {
			t.Error(err)
		}
		if err := p.Scan(t.Context(), p.Active(), p.activeEnd, func(Moved) error { return nil }); err != nil {
			t.Errorf("the pack is not a run of whole records: %v", err)
		}
	}
}

// Bodies are refused before the reserve is touched, also in the middle of a long one.
func TestReserve(t *testing.T) {
	t.Parallel()
	b, p := newFaulty(t)
	w, err := p.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	b.room.Store(HoldLimit + 999)
	if _, err := p.Create(t.Context()); !mail.Is(err, mail.Unavailable) {
		t.Errorf("with little room left a body was begun: %v", err)
	}
	for i := 0; err == nil && i < 200; i++ {
		_, err = w.Write(noise(100_000))
	}
	if !mail.Is(err, mail.Unavailable) {
		t.Errorf("a long body went on: %v", err)
	}
	if _, err := w.Seal(); err == nil {
		t.Error("a body that failed was sealed")
	}
	w.Discard()
	b.room.Store(HoldLimit + 1000)
	if _, _, err := put(t, p, []byte("x")); err != nil {
		t.Error(err)
	}
}

// Every damaged octet of a record is noticed, and the error names pack and offset.
func TestDamage(t *testing.T) {
	t.Parallel()
	_, p := newFaulty(t)
	for _, body := range [][]byte{[]byte("short"), []byte(strings.Repeat("text to compress ", 2000)), noise(200_000)} {
		id, ref, err := put(t, p, body)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(p.bucket.(*faulty).Bucket.(*Dir).root, PackName(ref.Pack))
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, at := range []int64{0, 4, 5, 8, 16, 24, 32, 36, HeaderSize, HeaderSize + ref.Stored/2, ref.Octets() - 1} {
			var b [1]byte
			_, _ = f.ReadAt(b[:], ref.Offset+at)
			flipped := [1]byte{b[0] ^ 0x10}
			_, _ = f.WriteAt(flipped[:], ref.Offset+at)
			err := p.Check(t.Context(), id, ref)
			if !mail.Is(err, mail.Internal) || !strings.Contains(err.Error(), PackName(ref.Pack)) || !strings.Contains(err.Error(), "offset") {
				t.Errorf("octet %d of a body of %d was damaged: %v", at, len(body), err)
			}
			_, _ = f.WriteAt(b[:], ref.Offset+at)
		}
		if err := p.Check(t.Context(), id, ref); err != nil {
			t.Error(err)
		}
		if _, err := p.Open(t.Context(), id+1, ref); err == nil {
			t.Error("another body was read in its place")
		}
		short := ref
		short.Stored--
		if _, err := p.Open(t.Context(), id, short); err == nil {
			t.Error("a body of another length was read in its place")
		}
		if _, err := p.Open(t.Context(), id, Ref{Pack: ref.Pack, Offset: 1 << 40, Stored: 5, Size: 5}); err == nil {
			t.Error("a body past the pack's end was read")
		}
	}
}

// The last octets of a damaged long body are never given out as if they were good.
func TestDamagedTail(t *testing.T) {
	t.Parallel()
	_, p := newFaulty(t)
	body := noise(200_000)
	id, ref, err := put(t, p, body)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.bucket.(*faulty).Bucket.(*Dir).root, PackName(ref.Pack))
	if err := os.WriteFile(path, append((Header{ID: id, Own: true, Stored: ref.Stored, Size: ref.Size, Sum: 1}).Encode(nil), body...), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := p.Open(t.Context(), id, ref)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err == nil || len(got) >= len(body) {
		t.Errorf("%d octets, %v", len(got), err)
	}
	// Truncated: the reader says so rather than ending early.
	if err := os.Truncate(path, 150_000); err != nil {
		t.Fatal(err)
	}
	r2, err := p.Open(t.Context(), id, ref)
	if err != nil {
		t.Fatal(err)
	}
	defer r2.Close()
	if got, err := io.ReadAll(r2); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d octets, %v", len(got), err)
	}
}

// Open packs are shared and bounded.
func TestHandles(t *testing.T) {
	t.Parallel()
	_, p := newFaulty(t)
	p.rollAt = 1
	type placed struct {
		id  mail.BlobID
		ref Ref
	}
	var all []placed
	for i := range idleHandles + 20 {
		id, ref, err := put(t, p, []byte{byte(i)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, placed{id, ref})
	}
	for range 2 {
		for _, b := range all {
			if err := p.Check(t.Context(), b.id, b.ref); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.handles.mu.Lock()
	defer p.handles.mu.Unlock()
	if n := len(p.handles.open); n != idleHandles || p.handles.idle != n {
		t.Errorf("%d packs are open, %d counted as idle", n, p.handles.idle)
	}
}

// A discard while somebody still needs the octets takes nothing from them.
func TestPins(t *testing.T) {
	t.Parallel()
	_, p := newFaulty(t)
	w, err := p.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := noise(50_000)
	_, _ = w.Write(want)
	s, err := w.SealBody()
	if err != nil || !s.Pin() {
		t.Fatal(err)
	}
	s.Discard()
	other := &hold{pools: &p.chunks} // would get its chunks, were they free
	_, _ = other.Write(bytes.Repeat([]byte{'!'}, 100_000))
	if got := bytes.Join(s.held.chunks, nil); !bytes.Equal(got, want) {
		t.Error("a pinned body was overwritten")
	}
	s.Unpin()
	if s.Pin() {
		t.Error("a freed body was pinned")
	}
}

// TestLongBodyMemory sends 50 MB through a writer and back and looks at the heap: promise 4.
func TestLongBodyMemory(t *testing.T) {
	_, p := newFaulty(t)
	piece := noise(7000)
	const pieces = 50 << 20 / 7000
	var base, peak uint64
	look := func() {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
		if base == 0 {
			base = m.HeapAlloc
		}
	}
	look()
	w, err := p.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	for i := range pieces {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
		if i%1000 == 0 {
			look()
		}
	}
	s, err := w.SealBody()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Discard()
	id, ref, _ := s.Own()
	s.MarkFiled(id)
	look()
	if err := p.Check(t.Context(), id, ref); err != nil {
		t.Fatal(err)
	}
	look()
	if grown := int64(peak) - int64(base); grown > 1<<20 {
		t.Errorf("a body of %d octets took %d octets of heap", ref.Size, grown)
	}
}

func BenchmarkSeal(b *testing.B) {
	for name, size := range map[string]int{"4K": 4 << 10, "64K": 64 << 10} {
		b.Run(name, func(b *testing.B) {
			_, p := newFaulty(b)
			body := []byte(strings.Repeat("The quick brown fox jumps over the lazy dog. ", size/45))
			b.ReportAllocs()
			for b.Loop() {
				w, err := p.Create(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				_, _ = w.Write(body)
				s, err := w.SealBody()
				if err != nil {
					b.Fatal(err)
				}
				s.Discard()
			}
		})
	}
}

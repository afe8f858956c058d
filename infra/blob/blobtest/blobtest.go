// Package blobtest is the contract suite for buckets, and for packs kept in them: any blob.Bucket has to pass it.
//
// It takes a function that opens the same bucket again and again, as restarts do, and hands it names and octets.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
)

// Opener opens one bucket, the same each time.
type Opener func(t testing.TB) blob.Bucket

// Run runs the suite. newBucket is called once for each case.
func Run(t *testing.T, newBucket func(t testing.TB) Opener) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Opener)
	}{
		{"CreateAndRead", testCreateAndRead},
		{"Unsynced", testUnsynced},
		{"Names", testNames},
		{"Append", testAppend},
		{"Concurrent", testConcurrent},
		{"Packs", testPacks},
		{"PacksRecover", testPacksRecover},
		{"PacksRoll", testPacksRoll},
		{"PacksRemove", testPacksRemove},
		{"PacksScan", testPacksScan},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, newBucket(t))
		})
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pack makes a synced pack.
func pack(t testing.TB, b blob.Bucket, name string, content ...[]byte) {
	t.Helper()
	f, err := b.Create(t.Context(), name)
	ok(t, err)
	ok(t, f.WriteAll(0, content...))
	ok(t, f.Sync())
	ok(t, f.Close())
}

// content reads a pack.
func content(t testing.TB, b blob.Bucket, name string) []byte {
	t.Helper()
	f, err := b.Open(t.Context(), name)
	ok(t, err)
	defer f.Close()
	size, err := f.Size()
	ok(t, err)
	got, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	ok(t, err)
	return got
}

func list(t testing.TB, b blob.Bucket) []string {
	t.Helper()
	items, err := b.List(t.Context())
	ok(t, err)
	var out []string
	for _, it := range items {
		out = append(out, it.Name)
	}
	slices.Sort(out)
	return out
}

func testCreateAndRead(t *testing.T, open Opener) {
	b := open(t)
	if got := list(t, b); len(got) != 0 {
		t.Fatalf("a new bucket holds %v", got)
	}
	var many [][]byte
	for i := range 3000 { // more than one vectored write takes
		many = append(many, bytes.Repeat([]byte{byte(i)}, i%7))
	}
	pack(t, b, "0000/a.pack", many...)
	pack(t, b, "0001/b.pack", []byte("hello"))
	for range 2 {
		if got := content(t, b, "0000/a.pack"); !bytes.Equal(got, bytes.Join(many, nil)) {
			t.Errorf("%d octets read back as %d", len(bytes.Join(many, nil)), len(got))
		}
		if got := list(t, b); !slices.Equal(got, []string{"0000/a.pack", "0001/b.pack"}) {
			t.Errorf("the bucket holds %v", got)
		}
		b = open(t)
	}
	items, err := b.List(t.Context())
	ok(t, err)
	for _, it := range items {
		if want := len(content(t, b, it.Name)); it.Size != int64(want) {
			t.Errorf("%s has %d octets, not %d", it.Name, want, it.Size)
		}
	}
	f, err := b.Open(t.Context(), "0001/b.pack")
	ok(t, err)
	defer f.Close()
	buf := make([]byte, 10)
	if n, err := f.ReadAt(buf, 3); n != 2 || err != io.EOF || string(buf[:n]) != "lo" {
		t.Errorf("the end reads %q, %v", buf[:n], err)
	}
	if room, err := b.Room(t.Context()); err != nil || room <= 0 {
		t.Errorf("room for %d octets, %v", room, err)
	}
}

// A pack that was never synced is not there after a restart.
func testUnsynced(t *testing.T, open Opener) {
	b := open(t)
	f, err := b.Create(t.Context(), "0000/a.pack")
	ok(t, err)
	ok(t, f.WriteAll(0, []byte("lost")))
	if got := list(t, b); len(got) != 0 {
		t.Errorf("before its first sync a pack is listed: %v", got)
	}
	ok(t, f.Close())
	b = open(t)
	if got := list(t, b); len(got) != 0 {
		t.Errorf("the bucket holds %v", got)
	}
	pack(t, b, "0000/a.pack", []byte("new")) // its name is free
	f, err = b.Create(t.Context(), "0000/c.pack")
	ok(t, err)
	ok(t, f.Close())
	ok(t, b.Remove(t.Context(), "0000/c.pack"))
	pack(t, b, "0000/c.pack")
}

func testNames(t *testing.T, open Opener) {
	b := open(t)
	pack(t, b, "0000/a.pack", []byte("first"))
	if _, err := b.Create(t.Context(), "0000/a.pack"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a pack was made twice: %v", err)
	}
	if got := content(t, b, "0000/a.pack"); string(got) != "first" {
		t.Errorf("it reads %q", got)
	}
	if _, err := b.Open(t.Context(), "0000/no.pack"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	ok(t, b.Remove(t.Context(), "0000/a.pack"))
	ok(t, b.Remove(t.Context(), "0000/a.pack"))
	if _, err := b.Open(t.Context(), "0000/a.pack"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A synced pack can be opened and gone on with, and cut off.
func testAppend(t *testing.T, open Opener) {
	b := open(t)
	pack(t, b, "0000/a.pack", []byte("0123456789"))
	b = open(t)
	f, err := b.Open(t.Context(), "0000/a.pack")
	ok(t, err)
	ok(t, f.Truncate(4))
	ok(t, f.WriteAll(4, []byte("ab"), nil, []byte("cd")))
	ok(t, f.Sync())
	ok(t, f.Close())
	if got := content(t, open(t), "0000/a.pack"); string(got) != "0123abcd" {
		t.Errorf("it reads %q", got)
	}
}

func testConcurrent(t *testing.T, open Opener) {
	b := open(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 4 {
				name := blob.PackName(int64(i*4096 + j + 1))
				f, err := b.Create(t.Context(), name)
				if err != nil {
					t.Error(err)
					return
				}
				err = errors.Join(f.WriteAll(0, []byte(name)), f.Sync(), f.Close())
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	names := list(t, b)
	if len(names) != 32 {
		t.Errorf("%d packs are there", len(names))
	}
	for _, name := range names {
		if got := content(t, b, name); string(got) != name {
			t.Errorf("%s reads %q", name, got)
		}
	}
}

// index is what an engine remembers of its packs.
type index struct {
	refs  map[mail.BlobID]blob.Ref
	known map[int64]blob.Known
}

func newIndex() *index {
	return &index{refs: map[mail.BlobID]blob.Ref{}, known: map[int64]blob.Known{}}
}

// open opens packs with what the index knows.
func (x *index) open(t testing.TB, b blob.Bucket, rollAt int64) *blob.Packs {
	t.Helper()
	o := blob.Options{Bucket: b, Log: slog.New(slog.DiscardHandler), RollAt: rollAt}
	var known []blob.Known
	for _, k := range x.known {
		known = append(known, k)
		o.LastPack = max(o.LastPack, k.Pack)
	}
	for id := range x.refs {
		o.LastBlob = max(o.LastBlob, id)
	}
	p, err := blob.Open(t.Context(), o, known)
	ok(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// store commits bodies as an engine does; commit false leaves the index as it was.
func (x *index) store(t testing.TB, p *blob.Packs, commit bool, bodies ...[]byte) (ids []mail.BlobID) {
	t.Helper()
	var group []blob.Append
	note := func(id mail.BlobID, r blob.Ref, own bool, end int64) {
		ids = append(ids, id)
		if commit {
			x.refs[id] = r
			x.known[r.Pack] = blob.Known{Pack: r.Pack, Own: own, Octets: end}
		}
	}
	for _, b := range bodies {
		s := seal(t, p, b)
		if id, ref, own := s.Own(); own {
			note(id, ref, true, ref.Octets())
			if commit {
				s.MarkFiled(id)
			}
			continue
		}
		group = append(group, blob.Append{ID: p.NextID(), Body: s})
	}
	if len(group) > 0 {
		_, end, err := p.Place(t.Context(), group)
		ok(t, err)
		ok(t, p.Write(group))
		ok(t, p.Sync())
		for _, a := range group {
			note(a.ID, a.Ref, false, end)
		}
	}
	return ids
}

// seal makes a sealed body; it is discarded with the test.
func seal(t testing.TB, p *blob.Packs, body []byte) *blob.Sealed {
	t.Helper()
	w, err := p.Create(t.Context())
	ok(t, err)
	defer w.Discard()
	_, err = w.Write(body)
	ok(t, err)
	s, err := w.SealBody()
	ok(t, err)
	t.Cleanup(s.Discard)
	return s
}

// noise is n octets that do not compress, others for each n.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	_, _ = r.Read(b)
	return b
}

// expect reads a stored body.
func (x *index) expect(t testing.TB, p *blob.Packs, id mail.BlobID, want []byte) {
	t.Helper()
	r, err := p.Open(context.Background(), id, x.refs[id])
	ok(t, err)
	defer r.Close()
	got, err := io.ReadAll(r)
	ok(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("body %d of %d octets reads back as %d", id, len(want), len(got))
	}
	ok(t, p.Check(context.Background(), id, x.refs[id]))
}

func testPacks(t *testing.T, open Opener) {
	b, x := open(t), newIndex()
	p := x.open(t, b, 0)
	text := []byte(strings.Repeat("It compresses well. ", 2000))
	bodies := [][]byte{nil, []byte("small"), text, noise(100_000), noise(300_000), bytes.Repeat(text, 10)}
	ids := x.store(t, p, true, bodies...)
	order := []int{0, 1, 2, 3} // held ones come after own packs in ids
	if len(ids) != len(bodies) {
		t.Fatalf("%d ids for %d bodies", len(ids), len(bodies))
	}
	check := func(p *blob.Packs) {
		t.Helper()
		for i, want := range [][]byte{bodies[4], bodies[5]} {
			x.expect(t, p, ids[i], want)
		}
		for _, i := range order {
			x.expect(t, p, ids[2+i], bodies[i])
		}
	}
	check(p)
	if r := x.refs[ids[4]]; r.Codec != blob.Zstd || r.Stored > r.Size/2 {
		t.Errorf("text was stored as %+v", r)
	}
	if r := x.refs[ids[5]]; r.Codec != blob.Raw {
		t.Errorf("noise was stored as %+v", r)
	}
	ok(t, p.Close())
	check(x.open(t, open(t), 0))
}

// What was never committed is cut off or removed by the next Open, and all else is as it was.
func testPacksRecover(t *testing.T, open Opener) {
	x := newIndex()
	p := x.open(t, open(t), 0)
	a := x.store(t, p, true, []byte("kept"), noise(200_000))
	x.store(t, p, false, []byte("lost"), noise(210_000), noise(5000))
	w, err := p.Create(t.Context()) // never sealed
	ok(t, err)
	_, err = w.Write(noise(400_000))
	ok(t, err)
	before := len(list(t, open(t))) // another look at the same bucket; unsynced packs go
	ok(t, p.Close())
	b := open(t)
	p = x.open(t, b, 0)
	if after := len(list(t, b)); after != 2 || before != 3 {
		t.Errorf("%d packs before, %d after: %v", before, after, list(t, b))
	}
	x.expect(t, p, a[0], noise(200_000))
	x.expect(t, p, a[1], []byte("kept"))
	for _, k := range x.known {
		if got := len(content(t, b, blob.PackName(k.Pack))); int64(got) != k.Octets {
			t.Errorf("pack %d has %d octets, known are %d", k.Pack, got, k.Octets)
		}
	}
	c := x.store(t, p, true, []byte("after"))
	if c[0] <= a[1] {
		t.Errorf("body %d came after %d", c[0], a[1])
	}
	x.expect(t, p, c[0], []byte("after"))
	x.expect(t, p, a[1], []byte("kept"))
}

func testPacksRoll(t *testing.T, open Opener) {
	b, x := open(t), newIndex()
	p := x.open(t, b, 10_000)
	var ids []mail.BlobID
	for i := range 20 {
		ids = append(ids, x.store(t, p, true, noise(1500+i))...)
	}
	if n := len(x.known); n < 3 {
		t.Errorf("30 KB went into %d packs of 10 KB", n)
	}
	ok(t, p.Close())
	p = x.open(t, open(t), 10_000)
	for i, id := range ids {
		x.expect(t, p, id, noise(1500+i))
	}
}

// A pack that is removed while it is read goes when the last reader has closed.
func testPacksRemove(t *testing.T, open Opener) {
	b, x := open(t), newIndex()
	p := x.open(t, b, 0)
	id := x.store(t, p, true, noise(500_000))[0]
	r, err := p.Open(t.Context(), id, x.refs[id])
	ok(t, err)
	p.Remove(x.refs[id].Pack)
	got, err := io.ReadAll(r)
	ok(t, err)
	if !bytes.Equal(got, noise(500_000)) {
		t.Error("the open reader lost its pack")
	}
	ok(t, r.Close())
	ok(t, r.Close())
	if got := list(t, b); len(got) != 0 {
		t.Errorf("the bucket holds %v", got)
	}
	if _, err := p.Open(t.Context(), id, x.refs[id]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Records move to another pack as they were stored.
func testPacksScan(t *testing.T, open Opener) {
	b, x := open(t), newIndex()
	p := x.open(t, b, 1)
	text := []byte(strings.Repeat("again and again ", 3000))
	ids := x.store(t, p, true, []byte("one"), text, noise(70_000))
	from := x.refs[ids[0]].Pack
	var group []blob.Append
	err := p.Scan(t.Context(), from, x.known[from].Octets, func(m blob.Moved) error {
		if m.From != x.refs[m.Header.ID] {
			t.Errorf("the record of body %d is at %+v, known at %+v", m.Header.ID, m.From, x.refs[m.Header.ID])
		}
		group = append(group, blob.Append{ID: m.Header.ID, Move: &m})
		return nil
	})
	ok(t, err)
	pack, end, err := p.Place(t.Context(), group)
	ok(t, err)
	ok(t, p.Write(group))
	ok(t, p.Sync())
	for _, a := range group {
		x.refs[a.ID] = a.Ref
	}
	if pack == from || len(group) != 3 {
		t.Errorf("%d records moved from pack %d to %d", len(group), from, pack)
	}
	x.known[pack] = blob.Known{Pack: pack, Octets: end}
	delete(x.known, from)
	p.Remove(from)
	ok(t, p.Close())
	p = x.open(t, open(t), 1)
	x.expect(t, p, ids[0], []byte("one"))
	x.expect(t, p, ids[1], text)
	x.expect(t, p, ids[2], noise(70_000))
}

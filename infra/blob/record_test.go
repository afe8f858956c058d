package blob

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
)

// anyHeader draws a header that ParseHeader must take.
func anyHeader(t *rapid.T) Header {
	h := Header{ID: mail.BlobID(rapid.Int64Range(1, 1<<62).Draw(t, "id")), Own: rapid.Bool().Draw(t, "own"), Sum: rapid.Uint32().Draw(t, "sum")}
	h.Size = rapid.Int64Range(0, 1<<40).Draw(t, "size")
	h.Stored = h.Size
	if rapid.Bool().Draw(t, "zstd") {
		h.Codec = Zstd
		h.Size %= HoldLimit + 1
		h.Stored = rapid.Int64Range(0, HoldLimit).Draw(t, "stored")
	}
	return h
}

func TestHeaderRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := anyHeader(t)
		b := h.Encode(nil)
		if len(b) != HeaderSize {
			t.Fatalf("a header has %d octets", len(b))
		}
		got, err := ParseHeader(append(b, "body"...))
		if err != nil || got != h {
			t.Fatalf("%+v reads back as %+v, %v", h, got, err)
		}
		// One flipped bit is noticed, wherever it is.
		bit := rapid.IntRange(0, HeaderSize*8-1).Draw(t, "bit")
		b[bit/8] ^= 1 << (bit % 8)
		var e *HeaderError
		if _, err := ParseHeader(b); !errors.As(err, &e) {
			t.Fatalf("bit %d was flipped and nobody saw: %v", bit, err)
		}
	})
}

func TestHeaderRefusals(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]Header{
		"no id":            {Stored: 1, Size: 1},
		"negative id":      {ID: -1, Stored: 1, Size: 1},
		"negative length":  {ID: 1, Stored: -1, Size: -1},
		"lengths differ":   {ID: 1, Stored: 1, Size: 2},
		"unknown codec":    {ID: 1, Codec: 2},
		"a zstd bomb":      {ID: 1, Codec: Zstd, Stored: 10, Size: 1 << 40},
		"a long zstd body": {ID: 1, Codec: Zstd, Stored: HoldLimit + 1, Size: 10},
	} {
		if _, err := ParseHeader(h.Encode(nil)); err == nil {
			t.Errorf("%s: %+v was taken", name, h)
		}
	}
	if _, err := ParseHeader(make([]byte, HeaderSize-1)); err == nil {
		t.Error("a short header was taken")
	}
}

func TestPackNames(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{1, 4095, 4096, 1 << 31, 1 << 40} {
		if got, ok := parsePackName(PackName(n)); !ok || got != n {
			t.Errorf("%s reads as %d, %v", PackName(n), got, ok)
		}
	}
	for _, name := range []string{"", "x", "0000/1.pack", "0000/00000001.pack2", "0001/00000001.pack", "0000/00000001.own"} {
		if n, ok := parsePackName(name); ok {
			t.Errorf("%q reads as pack %d", name, n)
		}
	}
}

// memFile is a pack's octets as a File that is only read.
type memFile struct{ *bytes.Reader }

func (memFile) WriteAll(int64, ...[]byte) error { return os.ErrPermission }
func (f memFile) Size() (int64, error)          { return f.Reader.Size(), nil }
func (memFile) Truncate(int64) error            { return os.ErrPermission }
func (memFile) Sync() error                     { return nil }
func (memFile) Close() error                    { return nil }

// FuzzPack reads arbitrary octets as a pack, in order and by reference. Whatever is given back must be what a header promised.
func FuzzPack(f *testing.F) {
	body := []byte("a body")
	raw := Header{ID: 7, Stored: int64(len(body)), Size: int64(len(body)), Sum: sumOf(body)}
	f.Add(append(raw.Encode(nil), body...))
	c := &codecs{}
	h := &hold{pools: &chunkPools{}}
	_, _ = h.Write(bytes.Repeat([]byte("compress me "), 3000))
	small, err := c.compress(h)
	if err != nil || small == nil {
		f.Fatal(err)
	}
	packed := bytes.Join(small.chunks, nil)
	z := Header{ID: 8, Codec: Zstd, Stored: int64(len(packed)), Size: int64(h.size), Sum: sumOf(packed)}
	f.Add(append(append(z.Encode(nil), packed...), raw.Encode(nil)...))
	bomb := z
	bomb.Size = 10
	f.Add(append(bomb.Encode(nil), packed...))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &Packs{}
		var next int64
		_ = scan(t.Context(), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), 1, func(m Moved) error {
			if m.From.Offset != next || int64(len(m.Stored)) != m.Header.Stored || sumOf(m.Stored) != m.Header.Sum {
				t.Fatalf("%+v", m)
			}
			next += m.From.Octets()
			return nil
		})
		if next > int64(len(b)) {
			t.Fatal("read past the end")
		}
		if len(b) < HeaderSize {
			return
		}
		hd, err := ParseHeader(b)
		if err != nil || hd.Size > HoldLimit {
			return
		}
		ref := Ref{Stored: hd.Stored, Size: hd.Size, Codec: hd.Codec}
		got, err := p.readShort(memFile{bytes.NewReader(b)}, hd.ID, ref)
		if err == nil && int64(len(got)) != hd.Size {
			t.Fatalf("%d octets, the header said %d", len(got), hd.Size)
		}
	})
}

// FuzzExpand feeds the decoder arbitrary octets: it must not give more than was asked for.
func FuzzExpand(f *testing.F) {
	c := &codecs{}
	h := &hold{pools: &chunkPools{}}
	_, _ = h.Write(bytes.Repeat([]byte{'x'}, 128<<10))
	small, err := c.compress(h)
	if err != nil || small == nil {
		f.Fatal(err)
	}
	f.Add(bytes.Join(small.chunks, nil), int64(h.size))
	f.Add(bytes.Join(small.chunks, nil), int64(10))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if size < 0 || size > HoldLimit {
			return
		}
		got, err := c.expand(b, size)
		if err == nil && int64(len(got)) != size {
			t.Fatalf("%d octets, asked for %d", len(got), size)
		}
	})
}

// A hold takes and gives back what is written, however it is cut, and takes little for little.
func TestHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := &hold{pools: &chunkPools{}}
		var want []byte
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 40_000), 0, 6).Draw(t, "writes") {
			b := bytes.Repeat([]byte{byte(n)}, n)
			_, _ = h.Write(b)
			want = append(want, b...)
		}
		off := rapid.IntRange(0, len(want)).Draw(t, "off")
		buf := make([]byte, rapid.IntRange(0, 50_000).Draw(t, "len"))
		n, err := h.ReadAt(buf, int64(off))
		if end := min(len(want), off+len(buf)); !bytes.Equal(buf[:n], want[off:end]) || (n < len(buf)) != (err == io.EOF) {
			t.Fatalf("read %d, %v", n, err)
		}
		taken := 0
		for _, c := range h.chunks {
			taken += cap(c)
		}
		if taken > len(want)+nextChunk || len(want) <= firstChunk && taken > firstChunk {
			t.Fatalf("%d octets take %d", len(want), taken)
		}
	})
}

// A directory's half-made packs are removed when it is opened.
func TestDirSweeps(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "packs")
	d, err := OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Create(t.Context(), PackName(1))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.WriteAll(0, []byte("x"))
	_ = f.Close()
	if _, err := OpenDir(root); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(root, "*", "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

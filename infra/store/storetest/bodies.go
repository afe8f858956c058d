package storetest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/postrider/postrider/mail"
)

// sizes are around every limit an engine is likely to have.
var sizes = []int{0, 1, 100, 4095, 4096, 4097, 16<<10 - 1, 16 << 10, 40_000, 128<<10 - 1, 128 << 10, 128<<10 + 1, 1 << 20, 5<<20 + 17}

// sample makes n octets: text that compresses, or noise.
func sample(n int, noise bool) []byte {
	b := make([]byte, n)
	if noise {
		r := rand.NewChaCha8([32]byte{byte(n)})
		_, _ = r.Read(b)
		return b
	}
	line := "The quick brown fox jumps over the lazy dog.\r\n"
	copy(b, strings.Repeat(line, n/len(line)+1))
	return b
}

// sealed seals octets, written in pieces.
func (f *fixture) sealed(body []byte, piece int) mail.SealedBody {
	f.Helper()
	w, err := f.Create(f.ctx)
	f.ok(err)
	defer w.Discard()
	for len(body) > 0 {
		n, err := w.Write(body[:min(piece, len(body))])
		f.ok(err)
		body = body[n:]
	}
	s, err := w.Seal()
	f.ok(err)
	f.Cleanup(s.Discard)
	return s
}

// compare reads a body in every way and compares it.
func (f *fixture) compare(what string, open func() (mail.BlobReader, error), want []byte) {
	f.Helper()
	r, err := open()
	f.ok(err)
	defer r.Close()
	got, err := io.ReadAll(io.MultiReader(io.LimitReader(r, 7), r))
	f.ok(err)
	if !bytes.Equal(got, want) || r.Size() != int64(len(want)) {
		f.Errorf("%s: %d octets read back as %d, size %d", what, len(want), len(got), r.Size())
	}
	r2, err := open()
	f.ok(err)
	defer r2.Close()
	var buf bytes.Buffer
	if n, err := r2.WriteTo(&buf); err != nil || n != int64(len(want)) || !bytes.Equal(buf.Bytes(), want) {
		f.Errorf("%s: WriteTo gave %d octets, %v", what, n, err)
	}
	for _, at := range []int{0, len(want) / 3, len(want) - 1, len(want)} {
		if at < 0 {
			continue
		}
		part := make([]byte, 1000)
		n, err := r.ReadAt(part, int64(at))
		if end := min(len(want), at+1000); !bytes.Equal(part[:n], want[at:end]) || (n < 1000) != (err == io.EOF) {
			f.Errorf("%s: ReadAt %d gave %d octets, %v", what, at, n, err)
		}
	}
	if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
		f.Errorf("%s: there is something at offset -1", what)
	}
}

func testBodies(f *fixture) {
	p := f.person("ann")
	var blobs []mail.BlobID
	var want [][]byte
	for _, n := range sizes {
		for _, noise := range []bool{false, true} {
			b := sample(n, noise)
			s := f.sealed(b, 3000+n/3)
			if s.Size() != int64(n) {
				f.Errorf("a body of %d octets says it has %d", n, s.Size())
			}
			f.compare("sealed", s.Open, b)
			r := f.do(mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: s})[0]
			s.Discard()
			blobs, want = append(blobs, r.Blob), append(want, b)
		}
	}
	check := func(what string) {
		for i, id := range blobs {
			f.compare(what, func() (mail.BlobReader, error) { return f.Store.Open(f.ctx, id) }, want[i])
		}
	}
	check("stored")
	f.reopen()
	check("after a restart")
	_, err := f.Store.Open(f.ctx, 999_999)
	f.want(mail.NotFound, err)
	// A reader that is open reads on although its body goes.
	r, err := f.Store.Open(f.ctx, blobs[len(blobs)-1])
	f.ok(err)
	defer r.Close()
	f.do(mail.Expunge{Account: p.id, Mailbox: p.inbox, UIDs: all})
	got, err := io.ReadAll(r)
	f.ok(err)
	if !bytes.Equal(got, want[len(want)-1]) {
		f.Error("an open reader lost its body")
	}
	for _, id := range blobs {
		_, err := f.Store.Open(f.ctx, id)
		f.want(mail.NotFound, err)
	}
}

func testSealedBodies(f *fixture) {
	p := f.person("ann")
	for _, n := range []int{10, 100_000, 1 << 20} {
		want := sample(n, true)
		// Given up before and after Seal.
		w, err := f.Create(f.ctx)
		f.ok(err)
		_, err = w.Write(want)
		f.ok(err)
		w.Discard()
		w.Discard()
		f.sealed(want, n).Discard()

		// Discard after Seal does nothing; a reader stays good until it is closed.
		w, err = f.Create(f.ctx)
		f.ok(err)
		_, err = w.Write(want)
		f.ok(err)
		s, err := w.Seal()
		f.ok(err)
		w.Discard()
		r, err := s.Open()
		f.ok(err)
		s.Discard()
		s.Discard()
		got, err := io.ReadAll(r)
		f.ok(err)
		if !bytes.Equal(got, want) {
			f.Errorf("%d octets read back as %d", len(want), len(got))
		}
		f.ok(r.Close())
		if _, err := s.Open(); err == nil {
			f.Error("a discarded body was opened")
		}
		f.refuse(mail.Invalid, mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: s})
		if _, err := w.Seal(); err == nil {
			f.Error("a body was sealed twice")
		}
		// One body in two sets, one after the other.
		s2 := f.sealed(want, n)
		a := f.do(mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: s2})[0]
		b := f.do(mail.AddMessage{Account: p.id, Mailbox: p.archive, Body: s2})[0]
		s2.Discard()
		f.compare("first", func() (mail.BlobReader, error) { return f.Store.Open(f.ctx, a.Blob) }, want)
		f.compare("second", func() (mail.BlobReader, error) { return f.Store.Open(f.ctx, b.Blob) }, want)
	}
	// Not filed: nothing of it is there after a restart.
	f.sealed(sample(1<<20, true), 1000)
	before := f.account(p.id)
	f.reopen()
	if got := f.account(p.id); got != before {
		f.Errorf("after a restart the account reads %+v, before %+v", got, before)
	}
}

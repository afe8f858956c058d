package textindex

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// ErrDamaged says that octets are no segment, or one that was changed.
var ErrDamaged = errors.New("the segment of the search index is damaged")

// ErrVersion says that a segment was written by a program that made other terms: its documents must be indexed anew.
var ErrVersion = errors.New("the segment of the search index is of another version")

// maxDictionary bounds a dictionary's text when it is read.
const maxDictionary = 64 << 20

// Segment is an index of the words or the lines of some documents. It is never changed, and may be asked by many at once.
type Segment struct {
	tag    string
	kind   byte
	ids    []uint64
	unsure Set
	dict   dictionary
}

// every is how many terms lie between two whose place is known.
const every = 64

// dictionary is the terms of a segment, and for each a record of its documents.
type dictionary struct {
	text   []byte   // "\nterm\nterm\n"
	recs   []byte   // each with its length
	textAt []uint32 // where each every-th term begins
	recAt  []uint32
	n      int
}

// Decode reads a segment. It keeps parts of b. The error is ErrDamaged or ErrVersion.
func Decode(b []byte, tag string) (*Segment, error) {
	if len(b) < len(magic)+6 || string(b[:len(magic)]) != magic {
		return nil, ErrDamaged
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, ErrDamaged
	}
	return decode(body, tag)
}

// decode reads a segment whose checksum holds.
func decode(b []byte, tag string) (*Segment, error) {
	r := reader{b: b}
	r.take(len(magic))
	head := r.take(3)
	if r.bad {
		return nil, ErrDamaged
	}
	if head[0] != version {
		return nil, ErrVersion
	}
	if got := string(r.take(int(head[2]))); r.bad || got != tag {
		return nil, ErrVersion
	}
	s := &Segment{tag: tag, kind: head[1]}
	r.bad = s.kind > kindLines
	s.readDocuments(&r)
	s.dict.read(&r, uint32(len(s.ids)))
	if r.bad || len(r.b) > 0 {
		return nil, ErrDamaged
	}
	return s, nil
}

func (s *Segment) readDocuments(r *reader) {
	n := r.count(MaxDocuments)
	s.ids = make([]uint64, 0, min(n, len(r.b)))
	id := uint64(0)
	for i := range n {
		d := r.uvarint()
		if r.bad || i > 0 && d == 0 || id+d < id {
			r.bad = true
			return
		}
		id += d
		s.ids = append(s.ids, id)
	}
	s.unsure = NewSet(len(s.ids))
	doc := uint64(0)
	for range r.count(n) {
		if doc += r.uvarint(); r.bad || doc >= uint64(n) {
			r.bad = true
			return
		}
		s.unsure.add(uint32(doc))
	}
}

// read reads a dictionary and looks at every term and record, so that asking needs to check nothing.
func (d *dictionary) read(r *reader, docs uint32) {
	d.n = r.count(maxDictionary)
	size := r.count(maxDictionary)
	dict := reader{b: r.take(r.count(len(r.b)))}
	d.recs = r.take(r.count(len(r.b)))
	if r.bad || d.n > size || d.n > len(dict.b) || size > (len(dict.b)/2+1)*(MaxTerm+1) {
		r.bad = true
		return
	}
	recs := reader{b: d.recs}
	d.text = append(make([]byte, 0, size+1), '\n')
	d.textAt = make([]uint32, 0, d.n/every+1)
	d.recAt = make([]uint32, 0, d.n/every+1)
	prev := 1 // where the term before begins
	for i := range d.n {
		start := len(d.text)
		if i%every == 0 {
			d.textAt = append(d.textAt, uint32(start))
			d.recAt = append(d.recAt, uint32(len(d.recs)-len(recs.b)))
		}
		head := dict.take(2)
		if dict.bad || int(head[0]) > start-prev || int(head[0])+int(head[1]) > MaxTerm {
			r.bad = true
			return
		}
		shared, added := int(head[0]), dict.take(int(head[1]))
		before := d.text[prev:max(prev, start-1)]
		if dict.bad || shared > len(before) || bytes.IndexByte(added, '\n') >= 0 || len(d.text)+shared+len(added)+1 > size+1 {
			r.bad = true
			return
		}
		d.text = append(d.text, before[:shared]...)
		d.text = append(d.text, added...)
		if shared+len(added) == 0 || i > 0 && bytes.Compare(before, d.text[start:]) >= 0 || !soundRecord(recs.take(recs.count(len(recs.b))), docs) {
			r.bad = true
			return
		}
		d.text = append(d.text, '\n')
		prev = start
	}
	if len(dict.b) > 0 || len(recs.b) > 0 || recs.bad || len(d.text) != size+1 {
		r.bad = true
	}
}

// soundRecord checks a record: its documents are there, in order, and as many as it says.
func soundRecord(rec []byte, docs uint32) bool {
	r := reader{b: rec}
	head := r.take(2)
	if r.bad || head[1] == 0 {
		return false
	}
	lists := 0
	switch head[0] {
	case recSingle:
		return r.uvarint() < uint64(docs) && !r.bad && len(r.b) == 0
	case recUniform:
		lists = 1
	case recByClass:
		for c := head[1]; c != 0; c &= c - 1 {
			lists++
		}
	default:
		return false
	}
	for range lists {
		n := 0
		r.list(docs, func(uint32) { n++ })
		if n == 0 {
			return false
		}
	}
	return !r.bad && len(r.b) == 0
}

// reader reads octets; after the first mistake it is bad and gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 && !r.bad {
		n := r.b[0]
		r.b = r.b[1:]
		return uint64(n)
	}
	n, size := binary.Uvarint(r.b)
	if r.bad || size <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[size:]
	return n
}

// count reads a number that is at most most.
func (r *reader) count(most int) int {
	n := r.uvarint()
	if n > uint64(most) {
		r.bad = true
		return 0
	}
	return int(n)
}

// list gives the documents of a list in order.
func (r *reader) list(docs uint32, f func(uint32)) {
	head := r.uvarint()
	n := head >> 1
	if r.bad || n > uint64(docs) {
		r.bad = true
		return
	}
	if head&1 == 0 {
		doc := uint64(0)
		for i := range n {
			d := r.uvarint()
			doc += d
			if r.bad || i > 0 && d == 0 || doc >= uint64(docs) {
				r.bad = true
				return
			}
			f(uint32(doc))
		}
		return
	}
	bits := r.take((int(docs) + 7) / 8)
	for i, c := range bits {
		for ; c != 0; c &= c - 1 {
			d := uint32(8*i + trailing[c&-c])
			if d >= docs {
				r.bad = true
				return
			}
			f(d)
		}
	}
}

// trailing is the place of the only bit of an octet.
var trailing = func() (t [129]int) {
	for i := range 8 {
		t[1<<i] = i
	}
	return t
}()

package textindex

import (
	"bytes"
	"math/bits"
	"slices"
	"sort"
)

// Set is a set of documents of one segment, by their place in IDs.
type Set []uint64

// NewSet makes an empty set for n documents.
func NewSet(n int) Set { return make(Set, (n+63)/64) }

func (s Set) add(d uint32) { s[d/64] |= 1 << (d % 64) }

// Has reports whether a document is in the set.
func (s Set) Has(place int) bool { return s[place/64]&(1<<(place%64)) != 0 }

// Count is how many documents are in the set.
func (s Set) Count() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s Set) and(t Set) {
	for i := range s {
		s[i] &= t[i]
	}
}

func (s Set) or(t Set) {
	for i := range s {
		s[i] |= t[i]
	}
}

func (s Set) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

// IDs are the numbers of the documents, ascending. They must not be changed.
func (s *Segment) IDs() []uint64 { return s.ids }

// Place finds a document near a place where it is expected.
func (s *Segment) Place(id uint64, near int) (int, bool) {
	if near < len(s.ids) && s.ids[near] == id {
		return near, true
	}
	return slices.BinarySearch(s.ids, id)
}

// Unsure reports whether a document is not indexed whole: that Search leaves it out means nothing.
func (s *Segment) Unsure(place int) bool { return s.unsure.Has(place) }

// Memory is about how many octets the segment holds.
func (s *Segment) Memory() int {
	d := &s.dict
	return 8*len(s.ids) + len(d.text) + len(d.recs) + 4*(len(d.textAt)+len(d.recAt)) + 1024
}

// Search gives the documents that answer a question in one of the classes, which must be of the segment's kind. The question must
// narrow (Query.Words, Query.Lines).
func (s *Segment) Search(q *Query, in Class) Set {
	out := NewSet(len(s.ids))
	if s.kind == kindLines {
		s.dict.collect(q.line, in, uint32(len(s.ids)), out)
		return out
	}
	words := &s.dict
	if len(q.words) == 1 {
		words.collect(q.words[0], in, uint32(len(s.ids)), out)
		return out
	}
	for c := Class(1); c <= wordClasses; c <<= 1 { // all parts must be in texts of one class
		if c&in == 0 {
			continue
		}
		both, one := NewSet(len(s.ids)), NewSet(len(s.ids))
		for i, p := range q.words {
			if i == 0 {
				words.collect(p, c, uint32(len(s.ids)), both)
			} else {
				clear(one)
				words.collect(p, c, uint32(len(s.ids)), one)
				both.and(one)
			}
			if both.empty() {
				break
			}
		}
		out.or(both)
	}
	return out
}

// collect adds the documents of all terms that have the pattern in them, where they have it in one of the classes.
func (d *dictionary) collect(p pattern, in Class, docs uint32, out Set) {
	c := cursor{d: d}
	for from := 0; from < len(d.text); {
		i := bytes.Index(d.text[from:], p)
		if i < 0 {
			return
		}
		at := from + i
		if p[0] == '\n' {
			at++
		}
		end := bytes.IndexByte(d.text[at:], '\n')
		if end < 0 { // a pattern that ends with the text's last line end, which begins no term
			return
		}
		collectRecord(c.record(at), in, docs, out)
		from = at + end // the line end may begin the next match
	}
}

// collectRecord adds a record's documents that have one of the classes.
func collectRecord(rec []byte, in Class, docs uint32, out Set) {
	r := reader{b: rec}
	head := r.take(2)
	classes := Class(head[1])
	if classes&in == 0 {
		return
	}
	switch head[0] {
	case recSingle:
		out.add(uint32(r.uvarint()))
	case recUniform:
		r.list(docs, out.add)
	default:
		for c := Class(1); c != 0; c <<= 1 {
			if classes&c == 0 {
				continue
			}
			if in&c != 0 {
				r.list(docs, out.add)
			} else {
				r.list(docs, func(uint32) {})
			}
		}
	}
}

// cursor finds the records of terms, quickest when they are asked for in order.
type cursor struct {
	d     *dictionary
	block int // the block it stands in
	term  int // the term in that block whose record is next
	text  int // where that term begins
	rec   int // where its record begins
	valid bool
}

// record gives the record of the term that has an offset of the text in it.
func (c *cursor) record(at int) []byte {
	d := c.d
	if !c.valid || at < c.text || c.block+1 < len(d.textAt) && at >= int(d.textAt[c.block+1]) {
		c.block = sort.Search(len(d.textAt), func(i int) bool { return int(d.textAt[i]) > at }) - 1
		c.term, c.text, c.rec, c.valid = 0, int(d.textAt[c.block]), int(d.recAt[c.block]), true
	}
	skip := bytes.Count(d.text[c.text:at], newline)
	r := reader{b: d.recs[c.rec:]}
	for range skip {
		r.take(int(r.uvarint()))
	}
	rec := r.take(int(r.uvarint()))
	c.term += skip + 1
	c.rec = len(d.recs) - len(r.b)
	c.text = at + bytes.IndexByte(d.text[at:], '\n') + 1
	if c.text >= len(d.text) {
		c.valid = false
	}
	return rec
}

var newline = []byte("\n")

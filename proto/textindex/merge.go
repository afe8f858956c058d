package textindex

import (
	"bytes"
	"slices"
)

// Merge joins segments of one kind, at least one, into one, leaving out the documents that keep refuses. The segments' documents must not mingle: all of one
// come before all of the next. No document may be left over of what would be more than MaxDocuments.
func Merge(segments []*Segment, keep func(id uint64) bool) []byte {
	var ids []uint64
	var unsure []uint32
	places := make([][]int32, len(segments)) // of each document in the new segment, or -1
	for i, s := range segments {
		places[i] = make([]int32, len(s.ids))
		for k, id := range s.ids {
			places[i][k] = -1
			if !keep(id) {
				continue
			}
			places[i][k] = int32(len(ids))
			if s.Unsure(k) {
				unsure = append(unsure, uint32(len(ids)))
			}
			ids = append(ids, id)
		}
	}
	w := dictWriter{docs: uint32(len(ids))}
	mergeDictionaries(&w, segments, places)
	return encode(segments[0].tag, segments[0].kind, ids, unsure, &w)
}

// walker goes through a dictionary term by term.
type walker struct {
	term []byte // nil at the end
	text []byte
	recs reader
	rec  []byte
}

func (w *walker) next() {
	if len(w.text) == 0 {
		w.term = nil
		return
	}
	end := bytes.IndexByte(w.text, '\n')
	w.term, w.text = w.text[:end], w.text[end+1:]
	w.rec = w.recs.take(int(w.recs.uvarint()))
}

func mergeDictionaries(w *dictWriter, segments []*Segment, places [][]int32) {
	walkers := make([]walker, len(segments))
	for i, s := range segments {
		walkers[i] = walker{text: s.dict.text[1:], recs: reader{b: s.dict.recs}}
		walkers[i].next()
	}
	var posts, scratch []uint32
	var term []byte
	for {
		least := -1
		for i := range walkers {
			if walkers[i].term != nil && (least < 0 || bytes.Compare(walkers[i].term, walkers[least].term) < 0) {
				least = i
			}
		}
		if least < 0 {
			return
		}
		term, posts = append(term[:0], walkers[least].term...), posts[:0]
		for i := least; i < len(walkers); i++ {
			if walkers[i].term == nil || !bytes.Equal(walkers[i].term, term) {
				continue
			}
			scratch = appendPosts(scratch[:0], walkers[i].rec, uint32(len(segments[i].ids)))
			for _, p := range scratch {
				if place := places[i][p>>8]; place >= 0 {
					posts = append(posts, uint32(place)<<8|p&0xff)
				}
			}
			walkers[i].next()
		}
		w.add(term, posts)
	}
}

// appendPosts appends a record's documents in order, shifted left by 8, with their classes.
func appendPosts(dst []uint32, rec []byte, docs uint32) []uint32 {
	r := reader{b: rec}
	head := r.take(2)
	classes := uint32(head[1])
	switch head[0] {
	case recSingle:
		return append(dst, uint32(r.uvarint())<<8|classes)
	case recUniform:
		r.list(docs, func(d uint32) { dst = append(dst, d<<8|classes) })
		return dst
	}
	for c := uint32(1); c < 1<<8; c <<= 1 {
		if classes&c != 0 {
			r.list(docs, func(d uint32) { dst = append(dst, d<<8|c) })
		}
	}
	slices.Sort(dst)
	out := dst[:1]
	for _, p := range dst[1:] {
		if last := &out[len(out)-1]; *last>>8 == p>>8 {
			*last |= p
		} else {
			out = append(out, p)
		}
	}
	return out
}

package textindex

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// Class is a field of documents, as a bit. The first two have words, the others lines.
type Class uint8

// The classes.
const (
	Body Class = 1 << iota
	Header
	From
	To
	Cc
	Bcc
	Subject

	wordClasses = Body | Header
)

// MaxDocuments is how many documents a segment can have.
const MaxDocuments = 1 << 20

// Builder gathers documents for two segments of the same documents, of words and of lines.
type Builder struct {
	tag    string
	ids    []uint64
	unsure []uint32
	tables [2]table
	split  splitter
	class  Class
	text   int // octets of this document
	fold   []byte
}

// NewBuilder makes an empty builder. The tag says how texts were taken from documents: Decode refuses a segment with another one.
func NewBuilder(tag string) *Builder {
	b := &Builder{tag: tag}
	for i := range b.tables { // by kind
		b.tables[i].ids = map[string]uint32{}
	}
	b.split.emit = func(term []byte) { b.tables[kindWords].add(term, uint32(len(b.ids)-1), b.class) }
	return b
}

// Begin begins a document. Numbers must ascend.
func (b *Builder) Begin(id uint64) {
	b.ids = append(b.ids, id)
	b.text = 0
}

// Unsure says that the document that was begun is not indexed whole.
func (b *Builder) Unsure() {
	d := uint32(len(b.ids) - 1)
	if n := len(b.unsure); n == 0 || b.unsure[n-1] != d {
		b.unsure = append(b.unsure, d)
	}
}

// Full reports whether the document has all the text that is indexed of one.
func (b *Builder) Full() bool { return b.text >= MaxText }

// room takes n octets of the document's text.
func (b *Builder) room(n int) int {
	n = min(n, MaxText-b.text)
	b.text += n
	return n
}

// Words adds a text of a class with words.
func (b *Builder) Words(c Class, parts ...string) {
	b.class = c
	for _, s := range parts {
		n := b.room(len(s))
		if n < len(s) {
			b.Unsure()
		}
		b.split.write([]byte(s[:n]))
	}
	b.split.done()
}

// WordsFrom adds a text of a class with words while it is read. The error is that of r.
func (b *Builder) WordsFrom(c Class, r io.Reader, buf []byte) error {
	b.class = c
	defer b.split.done()
	for {
		n, err := r.Read(buf)
		if k := b.room(n); k < n {
			b.split.write(buf[:k])
			b.Unsure()
			return nil
		}
		b.split.write(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// HasWords reports whether all terms of a text are among the words of the document.
func (b *Builder) HasWords(c Class, text string) bool {
	all := true
	s := splitter{emit: func(term []byte) { all = all && b.tables[kindWords].has(term, uint32(len(b.ids)-1), c) }}
	s.write([]byte(text))
	s.done()
	return all
}

// Lines adds the lines of a text of a class with lines.
func (b *Builder) Lines(c Class, text string) {
	n := b.room(len(text))
	if n < len(text) {
		b.Unsure()
	}
	for line := range strings.SplitSeq(text[:n], "\n") {
		if line == "" {
			continue
		}
		b.fold = AppendFold(b.fold[:0], []byte(line))
		pieces(b.fold, func(p []byte) { b.tables[kindLines].add(p, uint32(len(b.ids)-1), c) })
	}
}

// Len is how many documents there are.
func (b *Builder) Len() int { return len(b.ids) }

// Size is about how much memory the builder holds.
func (b *Builder) Size() int {
	return b.tables[kindWords].size() + b.tables[kindLines].size() + 8*len(b.ids)
}

// Encode gives the segments of words and of lines. The builder must not be used after.
func (b *Builder) Encode() (words, lines []byte) {
	var out [2][]byte
	for kind := range out {
		w := dictWriter{docs: uint32(len(b.ids))}
		b.tables[kind].write(&w)
		out[kind] = encode(b.tag, byte(kind), b.ids, b.unsure, &w)
	}
	return out[kindWords], out[kindLines]
}

// table gathers the terms of one dictionary.
type table struct {
	ids    map[string]uint32
	terms  []tableTerm
	posts  []tablePost
	octets int
}

type tableTerm struct {
	text string
	last uint32 // into posts
	n    uint32 // of posts
}

// tablePost is one document of a term: number and classes.
type tablePost struct{ term, post uint32 }

func (t *table) add(term []byte, doc uint32, c Class) {
	id, ok := t.ids[string(term)]
	if !ok {
		id = uint32(len(t.terms))
		text := string(term)
		t.ids[text] = id
		t.terms = append(t.terms, tableTerm{text: text})
		t.octets += len(text)
	}
	e := &t.terms[id]
	if e.n > 0 {
		if p := &t.posts[e.last].post; *p>>8 == doc {
			*p |= uint32(c)
			return
		}
	}
	e.last = uint32(len(t.posts))
	e.n++
	t.posts = append(t.posts, tablePost{id, doc<<8 | uint32(c)})
}

func (t *table) has(term []byte, doc uint32, c Class) bool {
	id, ok := t.ids[string(term)]
	if !ok {
		return false
	}
	p := t.posts[t.terms[id].last].post
	return p>>8 == doc && Class(p)&c != 0
}

func (t *table) size() int { return t.octets + 80*len(t.terms) + 8*cap(t.posts) }

// write hands the terms in order to w. Posts of a term lie in order of their documents already: they are only gathered.
func (t *table) write(w *dictWriter) {
	order := make([]uint32, len(t.terms))
	at := make([]uint32, len(t.terms))
	sum := uint32(0)
	for i := range t.terms {
		order[i], at[i] = uint32(i), sum
		sum += t.terms[i].n
	}
	posts := make([]uint32, sum)
	for _, p := range t.posts {
		posts[at[p.term]] = p.post
		at[p.term]++
	}
	slices.SortFunc(order, func(a, b uint32) int { return strings.Compare(t.terms[a].text, t.terms[b].text) })
	for _, id := range order {
		e := &t.terms[id]
		w.add([]byte(e.text), posts[at[id]-e.n:at[id]])
	}
}

// dictWriter writes a dictionary whose terms come in order.
type dictWriter struct {
	docs uint32
	n    int
	text int // octets of the terms, each with its line end
	prev []byte
	dict []byte
	recs []byte
	rec  []byte
	list []uint32
}

// add adds a term with its posts: document numbers in order, shifted left by 8, with the classes.
func (w *dictWriter) add(term []byte, posts []uint32) {
	if len(posts) == 0 {
		return
	}
	shared := 0
	for shared < len(term) && shared < len(w.prev) && term[shared] == w.prev[shared] {
		shared++
	}
	w.dict = append(w.dict, byte(shared), byte(len(term)-shared))
	w.dict = append(w.dict, term[shared:]...)
	w.prev = append(w.prev[:0], term...)
	w.n++
	w.text += len(term) + 1
	w.rec = w.record(w.rec[:0], posts)
	w.recs = appendUvarint(w.recs, uint64(len(w.rec)))
	w.recs = append(w.recs, w.rec...)
}

// The kinds of records.
const (
	recSingle  = iota // one document
	recUniform        // all documents have the same classes
	recByClass        // a list for each class
)

func (w *dictWriter) record(dst []byte, posts []uint32) []byte {
	union, same := uint32(0), true
	for _, p := range posts {
		union |= p & 0xff
		same = same && p&0xff == posts[0]&0xff
	}
	switch {
	case len(posts) == 1:
		return appendUvarint(append(dst, recSingle, byte(union)), uint64(posts[0]>>8))
	case same:
		w.list = w.list[:0]
		for _, p := range posts {
			w.list = append(w.list, p>>8)
		}
		return appendList(append(dst, recUniform, byte(union)), w.list, w.docs)
	}
	dst = append(dst, recByClass, byte(union))
	for c := uint32(1); c < 1<<8; c <<= 1 {
		if union&c == 0 {
			continue
		}
		w.list = w.list[:0]
		for _, p := range posts {
			if p&c != 0 {
				w.list = append(w.list, p>>8)
			}
		}
		dst = appendList(dst, w.list, w.docs)
	}
	return dst
}

// appendList appends document numbers: as differences, or as a bit for each document where that is shorter.
func appendList(dst []byte, list []uint32, docs uint32) []byte {
	start := len(dst)
	dst = appendUvarint(dst, uint64(len(list))<<1)
	prev := uint32(0)
	for _, d := range list {
		dst = appendUvarint(dst, uint64(d-prev))
		prev = d
	}
	octets := (int(docs) + 7) / 8
	if len(dst)-start <= octets+uvarintSize(uint64(len(list))<<1) {
		return dst
	}
	dst = appendUvarint(dst[:start], uint64(len(list))<<1|1)
	at := len(dst)
	dst = append(dst, bytes.Repeat([]byte{0}, octets)...)
	for _, d := range list {
		dst[at+int(d/8)] |= 1 << (d % 8)
	}
	return dst
}

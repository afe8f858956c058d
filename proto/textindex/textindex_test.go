package textindex

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

const testTag = "test"

// doc is a document as tests keep it.
type doc struct {
	id     uint64
	header []string // texts
	body   []string
	from   string
}

// scraps are what texts and questions are made of: few, so that questions are answered, and chosen for trouble.
var scraps = []string{"a", "b", "ab", "Ab", "ABBA", " ", " ", ".", "-", "\r\n", "\t", "ß", "ẞ", "ss", "İ", "i", "ı", "I", "é", "e\u0301", "É", "Σ", "σ", "ς", "K", "k", "K",
	"漢字", "字", "かな", "🎉", "\u200d", "\ufffd", "\xff", "\xc3", "1", "٣", "_", "@", "ǅ", "ﬁ", strings.Repeat("x", 40), strings.Repeat("é", 70), strings.Repeat("漢", 120), ": "}

func scrap(t *rapid.T, most int) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(scraps), 0, most).Draw(t, "text"), "")
}

func (d *doc) add(t *rapid.T, b *Builder) {
	b.Begin(d.id)
	for _, s := range d.header {
		b.Words(Header, s[:len(s)/2], s[len(s)/2:])
	}
	for _, s := range d.body {
		var r io.Reader = strings.NewReader(s)
		if len(s)%2 == 1 {
			r = iotest.OneByteReader(r)
		}
		if err := b.WordsFrom(Body, r, make([]byte, 7)); err != nil {
			t.Fatal(err)
		}
	}
	b.Lines(From, d.from)
}

func has(texts []string, want string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(Fold(s), want) })
}

// check asks both segments and compares with the documents.
func check(t *rapid.T, words, lines *Segment, docs []doc, text string) {
	q := NewQuery(text)
	for in, of := range map[Class]func(*doc) bool{
		Header:        func(d *doc) bool { return has(d.header, q.Folded()) },
		Body:          func(d *doc) bool { return has(d.body, q.Folded()) },
		Header | Body: func(d *doc) bool { return has(d.header, q.Folded()) || has(d.body, q.Folded()) },
	} {
		if narrows, exact := q.Words(); narrows {
			compare(t, words, docs, words.Search(&q, in), exact, of, fmt.Sprintf("words of %d with %q", in, text))
		} else if exact {
			t.Fatalf("%q cannot be exact", text)
		}
	}
	if narrows, exact := q.Lines(); narrows {
		of := func(d *doc) bool { return has(strings.Split(d.from, "\n"), q.Folded()) }
		compare(t, lines, docs, lines.Search(&q, From), exact, of, fmt.Sprintf("lines with %q", text))
		if got := lines.Search(&q, To).Count(); got != 0 {
			t.Fatalf("%d documents have a class that none has", got)
		}
	}
}

func compare(t *rapid.T, s *Segment, docs []doc, got Set, exact bool, of func(*doc) bool, what string) {
	if len(s.IDs()) != len(docs) {
		t.Fatalf("%d documents of %d", len(s.IDs()), len(docs))
	}
	for i := range docs {
		want := of(&docs[i])
		switch {
		case s.IDs()[i] != docs[i].id:
			t.Fatalf("document %d is number %d, not %d", i, s.IDs()[i], docs[i].id)
		case want && !got.Has(i):
			t.Fatalf("%s: %+v is left out", what, docs[i])
		case exact && got.Has(i) && !want:
			t.Fatalf("%s: %+v is named", what, docs[i])
		}
	}
}

func decoded(t *rapid.T, b []byte) *Segment {
	s, err := Decode(b, testTag)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSearch compares answers with plain search (RFC 9051 6.4.4: a substring, in any letter case), before and after segments are
// joined and documents dropped.
func TestSearch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var docs []doc
		var words, lines []*Segment
		id := uint64(0)
		for range rapid.IntRange(1, 4).Draw(t, "segments") {
			b := NewBuilder(testTag)
			for range rapid.IntRange(1, 90).Draw(t, "documents") {
				id += uint64(rapid.IntRange(1, 300).Draw(t, "gap"))
				d := doc{id: id, from: scrap(t, 6)}
				for range rapid.IntRange(0, 2).Draw(t, "fields") {
					d.header = append(d.header, scrap(t, 8))
				}
				d.body = []string{scrap(t, 12)}
				d.add(t, b)
				docs = append(docs, d)
			}
			n := len(docs) - b.Len()
			w, l := b.Encode()
			words, lines = append(words, decoded(t, w)), append(lines, decoded(t, l))
			for range 5 {
				check(t, words[len(words)-1], lines[len(lines)-1], docs[n:], question(t, docs))
			}
		}
		modulo := uint64(rapid.IntRange(1, 3).Draw(t, "modulo"))
		keep := func(id uint64) bool { return id%modulo == 0 }
		w, l := decoded(t, Merge(words, keep)), decoded(t, Merge(lines, keep))
		docs = slices.DeleteFunc(docs, func(d doc) bool { return !keep(d.id) })
		for range 10 {
			check(t, w, l, docs, question(t, docs))
		}
	})
}

// question is a piece of a text, or of none.
func question(t *rapid.T, docs []doc) string {
	if len(docs) == 0 || rapid.Bool().Draw(t, "foreign") {
		return scrap(t, 4)
	}
	d := rapid.SampledFrom(docs).Draw(t, "document")
	s := d.body[0]
	if rapid.Bool().Draw(t, "from") {
		s = d.from
	}
	from := rapid.IntRange(0, len(s)).Draw(t, "begin")
	to := rapid.IntRange(from, len(s)).Draw(t, "end")
	return s[from:to]
}

// TestFold: letters in any case are one, letter by letter.
func TestFold(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{{"GRÜSSE", "grüsse"}, {"straße", "STRAẞE"}, {"İstanbul", "istanbul"}, {"ΣΑΣ", "σας"}, {"Kelvin", "kelvin"}, {"ſ", "S"}} {
		if Fold(same[0]) != Fold(same[1]) {
			t.Errorf("%q folds to %q, %q to %q", same[0], Fold(same[0]), same[1], Fold(same[1]))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := scrap(t, 10)
		if got := string(AppendFold(nil, []byte(s))); got != Fold(s) {
			t.Errorf("%q folds to %q and %q", s, got, Fold(s))
		}
	})
}

// TestHeaderQuery: a name and a part of the value, in one field.
func TestHeaderQuery(t *testing.T) {
	t.Parallel()
	b := NewBuilder(testTag)
	for i, field := range []string{"X-Kind: plain talk", "X-Kind: other", "Kind: plain"} {
		b.Begin(uint64(i + 1))
		b.Words(Header, field)
	}
	w, _ := b.Encode()
	s, err := Decode(w, testTag)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, value string
		want        int
	}{{"x-kind", "lai", 1}, {"X-KIND", "", 2}, {"kind", "plain", 2}, {"kind", "talk plain", 1}, {"kind", "plain fox", 0}, {"x", "", 2}, {"kın-d", "plain", 2}} {
		q := NewHeaderQuery(c.name, c.value)
		if _, exact := q.Words(); exact {
			t.Errorf("%+v cannot be exact", c)
		}
		if got := s.Search(&q, Header).Count(); got != c.want {
			t.Errorf("%+v: %d documents", c, got)
		}
	}
}

// TestTooMuchText: a document with more text than is indexed is unsure, the others are not.
func TestTooMuchText(t *testing.T) {
	t.Parallel()
	for _, way := range []func(*Builder, string) error{
		func(b *Builder, s string) error { b.Words(Header, s); return nil },
		func(b *Builder, s string) error { b.Lines(From, s); return nil },
		func(b *Builder, s string) error { return b.WordsFrom(Body, strings.NewReader(s), make([]byte, 5000)) },
	} {
		b := NewBuilder(testTag)
		b.Begin(1)
		b.Words(Body, "small")
		b.Begin(2)
		if err := way(b, strings.Repeat("word ", MaxText/5+2)+" last"); err != nil {
			t.Fatal(err)
		}
		if !b.Full() {
			t.Error("the document is not full")
		}
		w, l := b.Encode()
		for _, data := range [][]byte{w, l} {
			s, err := Decode(data, testTag)
			if err != nil {
				t.Fatal(err)
			}
			if s.Unsure(0) || !s.Unsure(1) {
				t.Error("the wrong document is unsure")
			}
		}
	}
}

// sample is a segment with records of every kind.
func sample() (words, lines []byte) {
	b := NewBuilder(testTag)
	for i := range 300 {
		b.Begin(uint64(i*7 + 1))
		b.Words(Header, "Subject: all have this")
		b.Words(Body, fmt.Sprintf("number %d of all", i))
		if i%3 == 0 {
			b.Words(Body, "subject third")
		}
		if i == 5 {
			b.Unsure()
		}
		b.Lines(From, fmt.Sprintf("Ann <ann%d@example.org>", i%10))
	}
	return b.Encode()
}

// TestDamage: a segment of which one octet differs is refused; one of another tag is of another version.
func TestDamage(t *testing.T) {
	t.Parallel()
	words, lines := sample()
	for _, data := range [][]byte{words, lines} {
		for i := range data {
			bad := bytes.Clone(data)
			bad[i] ^= 0x41
			if _, err := Decode(bad, testTag); !errors.Is(err, ErrDamaged) {
				t.Fatalf("octet %d: %v", i, err)
			}
			if _, err := Decode(data[:i], testTag); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%d octets: %v", i, err)
			}
		}
		if _, err := Decode(data, "other"); !errors.Is(err, ErrVersion) {
			t.Errorf("%v", err)
		}
	}
}

// FuzzDecode reads any octets, asks what comes of them and joins it with itself. The checksum is left out, so that the rest is reached.
func FuzzDecode(f *testing.F) {
	words, lines := sample()
	f.Add(words[:len(words)-4])
	f.Add(lines[:len(lines)-4])
	b := NewBuilder(testTag)
	b.Begin(1)
	small, _ := b.Encode()
	f.Add(small[:len(small)-4])
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decode(data, testTag)
		if err != nil {
			return
		}
		for _, text := range []string{"a", "l h", "subject", "\n", " ", "ann", strings.Repeat("x", 100)} {
			q := NewQuery(text)
			if narrows, _ := q.Words(); narrows && s.kind == kindWords {
				s.Search(&q, Header|Body)
			}
			if narrows, _ := q.Lines(); narrows && s.kind == kindLines {
				s.Search(&q, From)
			}
		}
		again, err := Decode(Merge([]*Segment{s}, func(uint64) bool { return true }), testTag)
		if err != nil || !slices.Equal(again.ids, s.ids) || !bytes.Equal(again.dict.text, s.dict.text) {
			t.Errorf("joined alone it differs: %v", err)
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	text := strings.Repeat("the quick brown fox jumps over the lazy dog and runs away ", 40)
	b.SetBytes(int64(len(text)))
	x := NewBuilder(testTag)
	for i := range b.N {
		if i%4096 == 0 {
			x = NewBuilder(testTag)
		}
		x.Begin(uint64(i + 1))
		x.Words(Body, text)
	}
}

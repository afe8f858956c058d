package junk

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestUntrain: whatever was learnt can be taken back, in any order, and leaves nothing; what is said last is what counts.
func TestUntrain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{}
		var memory seen
		messages := make([][]uint64, rapid.IntRange(1, 6).Draw(t, "messages"))
		for i := range messages {
			messages[i] = rapid.SliceOfNDistinct(rapid.SampledFrom(vocabulary), 0, 20, rapid.ID).Draw(t, "words")
		}
		last := map[int]Verdict{}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			i := rapid.IntRange(0, len(messages)-1).Draw(t, "message")
			v := rapid.SampledFrom([]Verdict{Neutral, Junk, Good}).Draw(t, "verdict")
			weak := v == Good && rapid.Bool().Draw(t, "weak")
			if !weak || last[i] == Neutral {
				last[i] = v
			}
			m, memory, _, _ = m.learn(memory, []example{{key: uint64(i + 1), verdict: v, weak: weak, tokens: messages[i]}})
		}
		want := map[uint64]delta{}
		var junk, good uint32
		for i, v := range last {
			d := change(Neutral, v)
			junk, good = count(junk, d.junk), count(good, d.good)
			for _, tok := range messages[i] {
				have := want[tok]
				if have.junk, have.good = have.junk+d.junk, have.good+d.good; have != (delta{}) {
					want[tok] = have
				}
			}
			if memory.of(uint64(i+1)) != v {
				t.Fatalf("message %d is remembered as %d, want %d", i, memory.of(uint64(i+1)), v)
			}
		}
		got := map[uint64]delta{}
		for _, tok := range vocabulary {
			n, key := place(tok)
			if e := m.shards[n].find(key); e != (entry{}) {
				got[tok] = delta{int(e.junk), int(e.good)}
			}
		}
		if !maps.Equal(got, want) || m.totals.junk != junk || m.totals.good != good {
			t.Fatalf("the model is %v with %d and %d, want %v with %d and %d", got, m.totals.junk, m.totals.good, want, junk, good)
		}
		for i, v := range last {
			if v != Neutral {
				m, memory, _, _ = m.learn(memory, []example{{key: uint64(i + 1), verdict: Neutral, tokens: messages[i]}})
			}
		}
		if m.cost() != (&model{}).cost() || m.totals.junk != 0 || m.totals.good != 0 || len(memory) != 0 {
			t.Fatalf("all was taken back, and there is left %+v, %v", m, memory)
		}
	})
}

var vocabulary = func() (out []uint64) {
	for i := range byte(40) {
		out = append(out, token(classText, []byte{'w', 'o', i}))
	}
	return out
}()

// TestStored: what is stored is read as it was.
func TestStored(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{}
		var memory seen
		for i := range rapid.IntRange(0, 12).Draw(t, "messages") {
			m, memory, _, _ = m.learn(memory, []example{{key: rapid.Uint64Range(1, 99).Draw(t, "key"), verdict: Verdict(i%2 + 1),
				tokens: rapid.SliceOfN(rapid.Uint64(), 0, 40).Draw(t, "tokens")}})
		}
		if got, err := decodeTotals(m.totals.encode()); err != nil || got != m.totals {
			t.Fatalf("%+v, %v", got, err)
		}
		for _, s := range m.shards {
			if got, err := decodeShard(s.encode()); err != nil || !slices.Equal(got, s) {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		if got, err := decodeSeen(memory.encode()); err != nil || !slices.Equal(got, memory) {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

// TestBounds: a model that learns for ever stays bounded and does not forget what is common; nor does its memory grow.
func TestBounds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	m := &model{}
	var memory seen
	common := token(classText, []byte("common"))
	for n := range 200 {
		batch := make([]example, 25)
		for i := range batch {
			tokens := []uint64{common}
			for range 50 {
				tokens = append(tokens, r.Uint64()&^15|classText)
			}
			batch[i] = example{key: uint64(n*25 + i + 1), verdict: Junk, tokens: tokens}
		}
		m, memory, _, _ = m.learn(memory, batch)
	}
	if m.totals.junk > halveAt || m.totals.learnt != 5_000 || len(memory) > maxSeen {
		t.Errorf("after 5000 messages: %+v, %d remembered", m.totals, len(memory))
	}
	for _, s := range m.shards {
		if len(s) > shardEntries || len(s.encode()) > 1+entrySize*shardEntries {
			t.Errorf("a shard has %d words", len(s))
		}
	}
	n, key := place(common)
	if e := m.shards[n].find(key); int(e.junk) < int(m.totals.junk)*9/10 {
		t.Errorf("the common word has %+v of %+v", e, m.totals)
	}
}

// TestChiTail checks against values of tables, and where numbers get extreme.
func TestChiTail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		x    float64
		n    int
		want float64
	}{{2, 1, math.Exp(-1)}, {18.307, 5, 0.05}, {3.940, 5, 0.95}, {0, 3, 1}, {124.342, 50, 0.05}, {5000, 150, 0}, {1e-9, 150, 1}} {
		if got := chiTail(c.x, c.n); math.Abs(got-c.want) > 0.0005 {
			t.Errorf("chiTail(%v, %d) = %v, want %v", c.x, c.n, got, c.want)
		}
	}
}

// TestCombine: the two sides are treated alike, and certainty stays in bounds.
func TestCombine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		evidence := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, maxEvidence).Draw(t, "evidence")
		mirrored := make([]float64, len(evidence))
		for i, f := range evidence {
			mirrored[i] = 1 - f
		}
		a, b := combine(evidence), combine(mirrored)
		if math.IsNaN(a) || a < 0 || a > 1 || math.Abs(a+b-1) > 1e-6 {
			t.Fatalf("combine gives %v, and %v for the mirror", a, b)
		}
	})
}

// TestNoSay: a model says nothing before it has seen enough of each sort, nor of words it does not know.
func TestNoSay(t *testing.T) {
	t.Parallel()
	tokens := vocabulary[:20]
	m := &model{}
	var memory seen
	for i := range 50 {
		m, memory, _, _ = m.learn(memory, []example{{key: uint64(i + 1), verdict: Junk, tokens: tokens}})
	}
	if p, n := m.probability(tokens); p != 0.5 || n != 0 {
		t.Errorf("with junk only: %v by %d words", p, n)
	}
	for i := range MinLearnt {
		m, memory, _, _ = m.learn(memory, []example{{key: uint64(i + 1000), verdict: Good, tokens: vocabulary[20:]}})
	}
	if p, n := m.probability(tokens); p < 0.99 || n != len(tokens) {
		t.Errorf("with both: %v by %d words", p, n)
	}
	if p, _ := m.probability(vocabulary[20:]); p > 0.01 {
		t.Errorf("good words: %v", p)
	}
	if p, n := m.probability([]uint64{1 << 20, 2 << 20}); p != 0.5 || n != 0 {
		t.Errorf("unknown words: %v by %d", p, n)
	}
}

// TestProof: no word can be made that looks like a proof, and a proof is not learnt.
func TestProof(t *testing.T) {
	t.Parallel()
	p := proof("example.com")
	for class := uint64(classText); class < classProof; class++ {
		if token(class, []byte("example.com"))&15 == p&15 {
			t.Errorf("class %d has the proof's bits", class)
		}
	}
	m, _, _, _ := (&model{}).learn(nil, []example{{key: 1, verdict: Junk, tokens: []uint64{p}}})
	if m.cost() != (&model{}).cost() {
		t.Error("a proof was learnt as a word")
	}
}

func FuzzModel(f *testing.F) {
	m, memory, _, _ := (&model{}).learn(nil, []example{{key: 1, verdict: Junk, tokens: vocabulary}})
	f.Add(m.totals.encode())
	f.Add(memory.encode())
	for _, s := range m.shards[:3] {
		f.Add(s.encode())
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeShard(b); err == nil {
			if !slices.Equal(s.encode(), b) || len(s) > shardEntries {
				t.Errorf("%x is read as %x", b, s.encode())
			}
			if !slices.IsSortedFunc(s.with(map[uint64]delta{1: {1, 0}, 2: {-1, -1}}, 7), func(a, b entry) int { return byKey(a, b.key) }) {
				t.Error("a changed shard is not in order")
			}
		} else if !errors.Is(err, errDamaged) {
			t.Error(err)
		}
		if s, err := decodeSeen(b); err == nil && !slices.Equal(s.encode(), b) {
			t.Errorf("%x is remembered as %x", b, s.encode())
		}
		if v, err := decodeTotals(b); err == nil && !slices.Equal(v.encode(), b) {
			t.Errorf("%x are totals %+v", b, v)
		}
	})
}

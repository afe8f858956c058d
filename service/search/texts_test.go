package search

import (
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/textindex"
)

// TestContains compares the search of a text while it is read with the search of the whole.
func TestContains(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scraps := []string{"a", "B", "é", "É", "漢", "\xff", "\xe6\xbc", " ", "\r\n", strings.Repeat("x", 9000), strings.Repeat("漢", 3000)}
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(scraps), 0, 12).Draw(t, "text"), "")
		want := textindex.Fold(strings.Join(rapid.SliceOfN(rapid.SampledFrom(scraps[:9]), 1, 4).Draw(t, "want"), ""))
		var x Texts
		x.Set(nil, nil, nil)
		for _, r := range []interface{ Read([]byte) (int, error) }{strings.NewReader(text), iotest.HalfReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text))} {
			got, err := x.contains(r, want)
			if err != nil || got != strings.Contains(textindex.Fold(text), want) {
				t.Fatalf("%q in %q: %v, %v", want, text, got, err)
			}
		}
	})
}

// TestCache: what is kept never costs more than its bound, and nothing else is lost.
func TestCache(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := newCache[int, int](100)
		costs := map[int]int{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			key, cost := rapid.IntRange(0, 9).Draw(t, "key"), rapid.IntRange(0, 120).Draw(t, "cost")
			if rapid.IntRange(0, 4).Draw(t, "act") == 0 {
				c.remove(key)
				if _, ok := c.get(key); ok {
					t.Fatal("it is there after its removal")
				}
				continue
			}
			c.put(key, cost, cost)
			costs[key] = cost
			if got, ok := c.get(key); ok != (cost <= 100) || ok && got != cost {
				t.Fatalf("%d, %v after a put of %d", got, ok, cost)
			}
			sum := 0
			for k := range 10 {
				if got, ok := c.get(k); ok {
					if sum += got; got != costs[k] {
						t.Fatal("an old value")
					}
				}
			}
			if sum > 100 || sum != 100-c.room {
				t.Fatalf("%d kept, %d left", sum, c.room)
			}
		}
	})
}

// TestPlan: joining goes on until nothing is left to join, and then the segments are few.
func TestPlan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var list []mail.Segment
		id := mail.EmailID(1)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			list = append(list, mail.Segment{First: id, Last: id, Octets: int64(rapid.SampledFrom([]int{300, 5_000, 60_000, 500_000, 3_000_000}).Draw(t, "octets"))})
			id++
			for n := 0; ; n++ {
				from, to := plan(list)
				if from == to {
					break
				}
				if to-from < 2 || n > 20 {
					t.Fatalf("joins %d of %d, the %dth time", to-from, len(list), n)
				}
				one := mail.Segment{First: list[from].First, Last: list[to-1].Last}
				for _, g := range list[from:to] {
					one.Octets += g.Octets
				}
				if one.Octets > mergeLimit {
					t.Fatalf("joins %d octets", one.Octets)
				}
				list = append(append(list[:from:from], one), list[to:]...)
			}
		}
		small := 0
		for _, g := range list {
			if level(g) < levels {
				small++
			}
		}
		if full := len(list) - small; small > (full+1)*levels*fan {
			t.Fatalf("%d small segments beside %d full ones", small, full)
		}
	})
}

package junk

import (
	"math"
	"slices"
)

// The classifier's constants, as Robinson and Fisher's method is commonly tuned.
const (
	strength    = 0.45 // how many messages of experience the belief about an unknown word is worth
	belief      = 0.5  // that belief
	minEvidence = 0.1  // how far from the middle a word must be to be heard
	maxEvidence = 150  // how many words are heard, those furthest from the middle
	leastWords  = 5    // with fewer, the model says nothing
)

// probability is how likely a message with these words is junk, by the model: 0.5 is as good as nothing. words is how many spoke.
func (m *model) probability(tokens []uint64) (p float64, words int) {
	if m.totals.junk < MinLearnt || m.totals.good < MinLearnt {
		return 0.5, 0
	}
	junk, good := float64(m.totals.junk), float64(m.totals.good)
	evidence := make([]float64, 0, 256)
	for _, t := range tokens {
		if t&(1<<classBits-1) == classProof {
			continue
		}
		n, key := place(t)
		e := m.shards[n].find(key)
		if e.junk == 0 && e.good == 0 {
			continue
		}
		j, g := min(float64(e.junk)/junk, 1), min(float64(e.good)/good, 1)
		times := float64(e.junk) + float64(e.good)
		f := (strength*belief + times*(j/(j+g))) / (strength + times)
		if math.Abs(f-0.5) >= minEvidence {
			evidence = append(evidence, f)
		}
	}
	if len(evidence) < leastWords {
		return 0.5, len(evidence)
	}
	if len(evidence) > maxEvidence {
		slices.SortFunc(evidence, func(a, b float64) int {
			switch x, y := math.Abs(a-0.5), math.Abs(b-0.5); {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
		evidence = evidence[:maxEvidence]
	}
	return combine(evidence), len(evidence)
}

// combine makes one probability of many by Fisher's method, once for each side.
func combine(evidence []float64) float64 {
	var forJunk, forGood float64
	for _, f := range evidence {
		f = min(max(f, 1e-4), 1-1e-4)
		forJunk -= 2 * math.Log(1-f)
		forGood -= 2 * math.Log(f)
	}
	n := len(evidence)
	s, h := 1-chiTail(forJunk, n), 1-chiTail(forGood, n)
	return (s - h + 1) / 2
}

// chiTail is the probability that chi-square with 2n degrees of freedom exceeds x.
func chiTail(x float64, n int) float64 {
	half := x / 2
	// In logarithms, so that neither a large x nor many degrees fall out of the range of numbers.
	term := -half
	sum := math.Exp(term)
	for i := 1; i < n; i++ {
		term += math.Log(half / float64(i))
		sum += math.Exp(term)
	}
	return min(sum, 1)
}

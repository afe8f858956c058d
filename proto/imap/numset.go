package imap

import (
	"slices"
	"strconv"
	"strings"
)

// Star stands in a range for "*", the largest number in use.
const Star = ^uint32(0)

// Range is the numbers First to Last, both included, in either order while one of them is Star.
type Range struct{ First, Last uint32 }

// NumSet is a set of message sequence numbers or UIDs as a command names it (RFC 9051 9 sequence-set).
type NumSet struct {
	Ranges []Range
	Saved  bool // "$": the result of the last SEARCH that saved one (RFC 5182 2.1)
}

// NumSet reads a sequence set or "$".
func (d *Decoder) NumSet() NumSet {
	if d.Accept('$') {
		return NumSet{Saved: true}
	}
	var s NumSet
	for {
		if !d.Count() {
			return NumSet{}
		}
		r := Range{First: d.setNumber()}
		r.Last = r.First
		if d.Accept(':') {
			r.Last = d.setNumber()
		}
		if r.First > r.Last {
			r.First, r.Last = r.Last, r.First
		}
		s.Ranges = append(s.Ranges, r)
		if d.err != nil {
			return NumSet{}
		}
		if !d.Accept(',') {
			return s
		}
	}
}

func (d *Decoder) setNumber() uint32 {
	if d.Accept('*') {
		return Star
	}
	n := d.NonZero("a message number")
	if d.err == nil && n == Star {
		// 2^32-1 is a valid UID that no mailbox of ours reaches; as Star it names the last message instead.
		n--
	}
	return n
}

// Resolve gives the set as ascending ranges that do not touch, "*" being largest. A set with "*" always holds
// largest (RFC 9051 9 seq-range); of an empty mailbox (largest 0) nothing is left of "*" ranges.
func (s NumSet) Resolve(largest uint32) []Range {
	out := make([]Range, 0, len(s.Ranges))
	for _, r := range s.Ranges {
		if r.Last == Star {
			if largest == 0 {
				continue
			}
			r.Last = largest
			if r.First == Star {
				r.First = largest
			}
			if r.First > r.Last {
				r.First, r.Last = r.Last, r.First
			}
		}
		out = append(out, r)
	}
	return Merge(out)
}

// HasStar reports whether "*" occurs in the set.
func (s NumSet) HasStar() bool {
	return slices.ContainsFunc(s.Ranges, func(r Range) bool { return r.Last == Star })
}

// Merge sorts ranges and joins those that overlap or touch. It works in place.
func Merge(rs []Range) []Range {
	slices.SortFunc(rs, func(a, b Range) int {
		switch {
		case a.First < b.First:
			return -1
		case a.First > b.First:
			return 1
		}
		return 0
	})
	out := rs[:0]
	for _, r := range rs {
		if n := len(out); n > 0 && (r.First <= out[n-1].Last || r.First-1 == out[n-1].Last) {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Contains reports whether n is in ascending ranges that do not touch.
func Contains(rs []Range, n uint32) bool {
	i, _ := slices.BinarySearchFunc(rs, n, func(r Range, n uint32) int {
		switch {
		case r.Last < n:
			return -1
		case r.First > n:
			return 1
		}
		return 0
	})
	return i < len(rs) && rs[i].First <= n && n <= rs[i].Last
}

// AppendNumber adds n, larger than all before, to ascending ranges.
func AppendNumber(rs []Range, n uint32) []Range {
	if l := len(rs); l > 0 && rs[l-1].Last+1 == n {
		rs[l-1].Last = n
		return rs
	}
	return append(rs, Range{n, n})
}

// FormatRanges spells ranges as a sequence set.
func FormatRanges(rs []Range) string {
	var out strings.Builder
	for i, r := range rs {
		if i > 0 {
			out.WriteByte(',')
		}
		writeSetNumber(&out, r.First)
		if r.Last != r.First {
			out.WriteByte(':')
			writeSetNumber(&out, r.Last)
		}
	}
	return out.String()
}

func writeSetNumber(out *strings.Builder, n uint32) {
	if n == Star {
		out.WriteByte('*')
		return
	}
	out.WriteString(strconv.FormatUint(uint64(n), 10))
}

// String spells the set.
func (s NumSet) String() string {
	if s.Saved {
		return "$"
	}
	return FormatRanges(s.Ranges)
}

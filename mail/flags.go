package mail

import (
	"slices"
	"strings"
)

// Flags are a message's flags and keywords. It is comparable; the zero value has none.
// Bits are the flags that have one; Keywords are all others, lower-case, sorted, joined by single spaces.
type Flags struct {
	Bits     FlagBits
	Keywords string
}

// FlagBits is a set of the system flags (RFC 9051 2.3.2) and registered keywords.
type FlagBits uint16

// The bits. Their values are stored: append only.
const (
	Seen FlagBits = 1 << iota
	Answered
	Flagged
	Deleted
	Draft
	Forwarded
	MDNSent
	Junk
	NotJunk
	Phishing
)

var flagNames = [...]struct {
	bit  FlagBits
	name string
}{
	{Seen, `\Seen`}, {Answered, `\Answered`}, {Flagged, `\Flagged`}, {Deleted, `\Deleted`}, {Draft, `\Draft`},
	{Forwarded, "$Forwarded"}, {MDNSent, "$MDNSent"}, {Junk, "$Junk"}, {NotJunk, "$NotJunk"}, {Phishing, "$Phishing"},
}

// MaxKeywords is how many keywords without a bit one message may carry.
const MaxKeywords = 64

// ParseFlags makes Flags of IMAP flag names, in any letter case. \Recent and unknown names that begin
// with a backslash are an error of kind Invalid, as are keywords past MaxKeywords or with characters outside RFC 9051's atom.
func ParseFlags(names ...string) (Flags, error) {
	var f Flags
	var words []string
next:
	for _, n := range names {
		for _, fn := range flagNames {
			if strings.EqualFold(fn.name, n) {
				f.Bits |= fn.bit
				continue next
			}
		}
		if !isKeyword(n) {
			return Flags{}, Errorf(Invalid, "%q is not a flag a message can have", n)
		}
		words = append(words, strings.ToLower(n))
	}
	slices.Sort(words)
	words = slices.Compact(words)
	if len(words) > MaxKeywords {
		return Flags{}, Errorf(Invalid, "a message can have at most %d keywords", MaxKeywords)
	}
	f.Keywords = strings.Join(words, " ")
	return f, nil
}

func isKeyword(n string) bool {
	if n == "" || len(n) > 100 {
		return false
	}
	for i := range len(n) {
		if c := n[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return true
}

// Names lists the flags in IMAP spelling, system flags first.
func (f Flags) Names() []string {
	var out []string
	for _, fn := range flagNames {
		if f.Bits&fn.bit != 0 {
			out = append(out, fn.name)
		}
	}
	if f.Keywords != "" {
		out = append(out, strings.Split(f.Keywords, " ")...)
	}
	return out
}

// Has reports whether every bit of b is set.
func (f Flags) Has(b FlagBits) bool { return f.Bits&b == b }

// With is f and g together. Keywords past MaxKeywords are dropped, the last in order first.
func (f Flags) With(g Flags) Flags {
	f.Bits |= g.Bits
	if g.Keywords != "" && g.Keywords != f.Keywords {
		words := append(strings.Fields(f.Keywords), strings.Fields(g.Keywords)...)
		slices.Sort(words)
		words = slices.Compact(words)
		f.Keywords = strings.Join(words[:min(len(words), MaxKeywords)], " ")
	}
	return f
}

// Without is f less what g has.
func (f Flags) Without(g Flags) Flags {
	f.Bits &^= g.Bits
	if g.Keywords != "" && f.Keywords != "" {
		gone := strings.Fields(g.Keywords)
		words := slices.DeleteFunc(strings.Fields(f.Keywords), func(w string) bool { return slices.Contains(gone, w) })
		f.Keywords = strings.Join(words, " ")
	}
	return f
}

package textindex

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds, in octets.
const (
	// MaxTerm is the longest term the dictionary holds in one piece.
	MaxTerm = 255
	// Overlap is how much the pieces of a longer term have in common; a longer part of a question is cut to it.
	Overlap = 64
	// MaxText is how much text of one document is indexed.
	MaxText = 2 << 20
)

// Fold makes texts comparable that differ in letter case alone. It works letter by letter, so that a part of a text folds
// to a part of the folded text.
func Fold(s string) string {
	return strings.Map(FoldRune, s)
}

// FoldRune gives one spelling of a letter for all that Unicode counts as the same.
func FoldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return unicode.ToLower(unicode.ToUpper(r))
}

// AppendFold appends the folded form of p, which must not begin or end within a character, unless octets that are no UTF-8 stand there.
func AppendFold(dst, p []byte) []byte {
	for i := 0; i < len(p); {
		if c := p[i]; c < utf8.RuneSelf {
			dst = append(dst, asciiFold[c])
			i++
			continue
		}
		r, n := utf8.DecodeRune(p[i:])
		dst = utf8.AppendRune(dst, FoldRune(r))
		i += n
	}
	return dst
}

// IsTerm reports whether a folded character is of terms; all others part them.
func IsTerm(r rune) bool {
	if r < utf8.RuneSelf {
		return asciiTerm[r] != 0
	}
	return unicode.IsLetter(r) || r != utf8.RuneError && !unicode.In(r, unicode.Z, unicode.P, unicode.C)
}

// asciiFold is FoldRune for ASCII, and asciiTerm the same for what is of terms and 0 for what is not.
var asciiFold, asciiTerm = func() (fold, term [utf8.RuneSelf]byte) {
	for c := range fold {
		r := byte(FoldRune(rune(c)))
		fold[c] = r
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			term[c] = r
		}
	}
	return fold, term
}()

// splitter cuts texts into terms. A term may be cut in pieces, and lives until the next one.
type splitter struct {
	emit func(term []byte)
	term []byte
	rest []byte // the begin of a character
}

// write takes the next octets of a text.
func (s *splitter) write(p []byte) {
	for len(s.rest) > 0 && len(p) > 0 {
		if s.rest = append(s.rest, p[0]); !utf8.FullRune(s.rest) {
			p = p[1:]
			continue
		}
		r, n := utf8.DecodeRune(s.rest)
		s.add(r)
		// What was no character after all is looked at again: its octets but the last were not of p.
		again := append([]byte(nil), s.rest[n:]...)
		s.rest = s.rest[:0]
		p = p[1:]
		if len(again) > 0 {
			s.write(again)
		}
	}
	for i := 0; i < len(p); {
		if c := p[i]; c < utf8.RuneSelf {
			if t := asciiTerm[c]; t != 0 {
				if s.term = append(s.term, t); len(s.term) > MaxTerm-utf8.UTFMax {
					s.cut()
				}
			} else if len(s.term) > 0 {
				s.end()
			}
			i++
			continue
		}
		if !utf8.FullRune(p[i:]) {
			s.rest = append(s.rest[:0], p[i:]...)
			return
		}
		r, n := utf8.DecodeRune(p[i:])
		s.add(r)
		i += n
	}
}

func (s *splitter) add(r rune) {
	if r = FoldRune(r); !IsTerm(r) {
		s.end()
		return
	}
	if s.term = utf8.AppendRune(s.term, r); len(s.term) > MaxTerm-utf8.UTFMax {
		s.cut()
	}
}

// cut gives a piece of a term that is too long, and keeps what the next piece has in common with it.
func (s *splitter) cut() {
	s.emit(s.term)
	s.term = append(s.term[:0], s.term[boundary(s.term, len(s.term)-Overlap):]...)
}

// end ends a term.
func (s *splitter) end() {
	if len(s.term) > 0 {
		s.emit(s.term)
		s.term = s.term[:0]
	}
}

// done ends a text.
func (s *splitter) done() {
	s.rest = s.rest[:0] // what begins no character is no term
	s.end()
}

// boundary is the start of the character at or before an offset.
func boundary[T []byte | string](s T, at int) int {
	for at > 0 && at < len(s) && !utf8.RuneStart(s[at]) {
		at--
	}
	return at
}

// pieces calls f for a folded line whole, or in pieces that overlap.
func pieces(line []byte, f func([]byte)) {
	for len(line) > MaxTerm {
		end := boundary(line, MaxTerm)
		f(line[:end])
		line = line[boundary(line, end-Overlap):]
	}
	f(line)
}

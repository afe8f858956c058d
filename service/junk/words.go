package junk

import (
	"crypto/sha256"
	"encoding/binary"
	"unicode"
	"unicode/utf8"

	"github.com/postrider/postrider/proto/textindex"
)

// MaxTokens is how many words of a message are looked at.
const MaxTokens = 600

// Classes of words: the same word in the subject and in the text is two. The class is the low bits of a token, so that no word can be made
// whose token is of another class.
const (
	classText = iota + 1
	classSubject
	classFrom
	classHost
	classForm
	classProof = 15
	classBits  = 4
)

// Bounds on a word, in octets once folded.
const (
	minWord = 3
	maxWord = 40
)

// wordSet is the tokens of a message, each once, in the order they came.
type wordSet struct {
	list []uint64
	seen map[uint64]struct{}
}

func newWordSet() wordSet {
	return wordSet{list: make([]uint64, 0, 256), seen: make(map[uint64]struct{}, 256)}
}

func (w *wordSet) full() bool { return len(w.list) >= MaxTokens }

// add takes one word as it is.
func (w *wordSet) add(class uint64, word []byte) {
	if w.full() {
		return
	}
	t := token(class, word)
	if _, there := w.seen[t]; !there {
		w.seen[t] = struct{}{}
		w.list = append(w.list, t)
	}
}

// token hashes a word (FNV-1a, then mixed so that its high bits are as good as its low ones).
func token(class uint64, word []byte) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset) ^ class
	h *= prime
	for _, c := range word {
		h = (h ^ uint64(c)) * prime
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return h&^(1<<classBits-1) | class
}

// proof is the token that says that a message's author is proven to be of a domain. It lets somebody's mail through, so nobody must be able to
// find a domain with the token of another one.
func proof(domain string) uint64 {
	sum := sha256.Sum256([]byte(domain))
	return binary.BigEndian.Uint64(sum[:])&^(1<<classBits-1) | classProof
}

// text cuts a text into words. Scripts that are written without spaces give pairs of letters.
func (w *wordSet) text(class uint64, text []byte) {
	var word []byte
	var last rune // of a script without spaces
	digits := 0
	end := func() {
		if n := len(word); n >= minWord && n <= maxWord && digits < n {
			w.add(class, word)
		}
		word, digits = word[:0], 0
	}
	for len(text) > 0 && !w.full() {
		r, size := rune(text[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text)
		}
		text = text[size:]
		r = textindex.FoldRune(r)
		switch {
		case r < utf8.RuneSelf && ('a' <= r && r <= 'z' || r == '$'):
			word = append(word, byte(r))
			last = 0
		case '0' <= r && r <= '9':
			word, digits = append(word, byte(r)), digits+1
			last = 0
		case r < utf8.RuneSelf || r == utf8.RuneError:
			end()
			last = 0
		case unspaced(r):
			end()
			if last != 0 {
				w.add(class, utf8.AppendRune(utf8.AppendRune(nil, last), r))
			}
			last = r
		case unicode.IsLetter(r) || unicode.IsMark(r):
			word = utf8.AppendRune(word, r)
			last = 0
		case unicode.Is(unicode.Cf, r): // a soft hyphen, a joiner: invisible, it parts nothing
		default:
			end()
			last = 0
		}
		if len(word) > maxWord+utf8.UTFMax { // what follows of it is passed over too
			word = word[:maxWord+1]
		}
	}
	end()
}

// unspaced reports letters of scripts that put no space between words.
func unspaced(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

package load

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// letters makes messages that look like people's: names, subjects and texts of words of which few are frequent and most are rare.
// The same seed and number always give the same message.
type letters struct {
	words []string
	share []float64 // of the words up to each, the last is 1
}

// Words that a search looks for: the rare one is in one of two thousand messages, the common one in most.
const (
	rareWord   = "quetzalcoatl"
	rareEvery  = 2000
	wordsKnown = 20000
)

// newLetters makes the vocabulary: word n is 1/n as frequent as the first.
func newLetters() *letters {
	l := &letters{}
	random := rand.New(rand.NewPCG(1, 2))
	syllables := strings.Fields("ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu bra cle dri fro gla stre pli tro ven mar kel tin sor lan")
	sum := 0.0
	for n := range wordsKnown {
		word := ""
		for range 1 + min(3, n/30) + random.IntN(2) {
			word += syllables[random.IntN(len(syllables))]
		}
		sum += 1 / float64(n+1)
		l.words, l.share = append(l.words, word), append(l.share, sum)
	}
	for n := range l.share {
		l.share[n] /= sum
	}
	return l
}

// common is the most frequent word.
func (l *letters) common() string { return l.words[0] }

func (l *letters) word(r *rand.Rand) string {
	x := r.Float64()
	low, high := 0, len(l.share)-1
	for low < high {
		if middle := (low + high) / 2; l.share[middle] < x {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return l.words[low]
}

func (l *letters) text(r *rand.Rand, n int) string {
	var b strings.Builder
	width := 0
	for i := range n {
		w := l.word(r)
		switch {
		case i == 0:
		case width > 66:
			b.WriteString("\r\n")
			width = 0
		default:
			b.WriteByte(' ')
		}
		b.WriteString(w)
		width += len(w) + 1
	}
	return b.String()
}

// make gives message n.
func (l *letters) make(n int) []byte {
	r := rand.New(rand.NewPCG(42, uint64(n)))
	var b strings.Builder
	who := r.IntN(500)
	subject := strings.ReplaceAll(l.text(r, 2+r.IntN(6)), "\r\n", " ")
	if r.IntN(3) == 0 {
		subject = "Re: " + subject
	}
	date := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * 7 * time.Minute)
	fmt.Fprintf(&b, "Received: from mail%d.example.net (mail%d.example.net [192.0.2.%d])\r\n\tby mx.bench.example with ESMTPS id %x;\r\n\t%s\r\n", who%20, who%20, 1+who%250, n, date.Format(time.RFC1123Z))
	fmt.Fprintf(&b, "From: %s %s <%s%d@example.net>\r\nTo: <u0@bench.example>\r\n", l.words[40+who], l.words[600+who], l.words[40+who], who)
	if r.IntN(4) == 0 {
		fmt.Fprintf(&b, "Cc: <%s@example.org>, <%s@example.org>\r\n", l.word(r), l.word(r))
	}
	fmt.Fprintf(&b, "Subject: %s\r\nDate: %s\r\nMessage-ID: <%d.%x@example.net>\r\n", subject, date.Format(time.RFC1123Z), n, r.Uint32())
	if n > 0 && r.IntN(3) == 0 {
		fmt.Fprintf(&b, "In-Reply-To: <%d@example.net>\r\n", r.IntN(n))
	}
	fmt.Fprintf(&b, "X-Ticket: %d\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", n%1000)
	length := min(600, int(30*math.Exp(r.NormFloat64())))
	b.WriteString(l.text(r, 20+length))
	if n%rareEvery == rareEvery/2 {
		b.WriteString("\r\n" + rareWord)
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

package message

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"
)

// DecodeText gives the value of a field as text in UTF-8: encoded words (RFC 2047 2) decoded, wherever they
// stand, octets that are no UTF-8 guessed. Control characters that come out of it become spaces, so that
// the result stays one line. What is no well-formed encoded word stays as it is.
func DecodeText(s string) string {
	at := strings.Index(s, "=?")
	if at < 0 {
		return oneLine(guess(s))
	}
	var out strings.Builder
	out.Grow(len(s))
	var pending words
	for {
		gap := s[:at]
		// RFC 2047 6.2: space between two encoded words is not shown.
		if strings.Trim(gap, " \t\r\n") != "" || pending.charset == "" {
			pending.flush(&out)
			out.WriteString(guess(gap))
			gap = ""
		}
		w, n := parseWord(s[at:])
		if n == 0 {
			pending.flush(&out)
			out.WriteString(gap + "=?")
			n = 2
		} else {
			pending.add(&out, w)
		}
		s = s[at+n:]
		if at = strings.Index(s, "=?"); at < 0 {
			break
		}
	}
	pending.flush(&out)
	out.WriteString(guess(s))
	return oneLine(out.String())
}

// word is one encoded word, its encoding undone, its charset not.
type word struct {
	charset string
	octets  []byte
}

// words gathers neighbours in one charset: some programs cut a character in two.
type words word

func (p *words) add(out *strings.Builder, w word) {
	if p.charset != "" && !strings.EqualFold(p.charset, w.charset) {
		p.flush(out)
	}
	p.charset = w.charset
	p.octets = append(p.octets, w.octets...)
}

func (p *words) flush(out *strings.Builder) {
	if p.charset != "" {
		out.WriteString(decodeCharset(p.charset, p.octets))
	}
	*p = words{}
}

// parseWord reads the encoded word s starts with; n is its length, 0 where there is none.
// A language tag (RFC 2231 5) is dropped; space inside the text is tolerated.
func parseWord(s string) (w word, n int) {
	const maxCharset, maxText = 64, 8 << 10
	charset, rest, ok := strings.Cut(s[2:min(len(s), 2+maxCharset)], "?")
	if !ok || charset == "" || strings.ContainsAny(charset, " \t\"(),") {
		return word{}, 0
	}
	charset, _, _ = strings.Cut(charset, "*")
	at := len(s[2:min(len(s), 2+maxCharset)]) - len(rest) + 2
	if charset == "" || len(s) < at+2 || s[at+1] != '?' {
		return word{}, 0
	}
	text := s[at+2 : min(len(s), at+2+maxText)] // a bound on how far each is searched for its end
	end := strings.Index(text, "?=")
	if end < 0 {
		return word{}, 0
	}
	if next := strings.Index(text, "=?"); next >= 0 && next < end-1 && strings.ContainsAny(text[:next], " \t") {
		return word{}, 0 // never closed: another word starts first
	}
	w.charset = charset
	switch s[at] {
	case 'B', 'b':
		w.octets = decodeBase64(text[:end])
	case 'Q', 'q':
		w.octets = decodeQ(text[:end])
	default:
		return word{}, 0
	}
	return w, at + 2 + end + 2
}

// decodeBase64 is tolerant: it skips what is not of the alphabet and takes missing padding.
func decodeBase64(s string) []byte {
	out := make([]byte, 0, len(s)*3/4)
	var bits, n uint
	for i := range len(s) {
		v := base64Value(s[i])
		if v < 0 {
			if s[i] == '=' { // padding ends a run of octets, wherever it stands
				bits, n = 0, 0
			}
			continue
		}
		bits = bits<<6 | uint(v)
		if n += 6; n >= 8 {
			n -= 8
			out = append(out, byte(bits>>n))
			bits &= 1<<n - 1
		}
	}
	return out
}

// decodeQ undoes the Q encoding (RFC 2047 4.2).
func decodeQ(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '_' {
			c = ' '
		} else if c == '=' && i+2 < len(s) {
			if hi, lo := hexValue(s[i+1]), hexValue(s[i+2]); hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		out = append(out, c)
	}
	return out
}

func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// oneLine makes spaces of control characters.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, breaksLine) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if breaksLine(r) {
			return ' '
		}
		return r
	}, s)
}

func breaksLine(r rune) bool {
	return r < ' ' && r != '\t' || 0x7f <= r && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// maxWord is the length of an encoded word (RFC 2047 2), so that one fits a line with its indentation.
const maxWord = 75

// EncodeText writes text for a field that only ASCII may stand in: words that need it become encoded words
// in UTF-8, the others stay. The result is one line; FormatField folds it. RFC 2047 5.
func EncodeText(s string) string {
	s = oneLine(guess(s))
	fields := strings.Split(s, " ")
	if !slices.ContainsFunc(fields, needsWord) {
		return s
	}
	var out []string
	for i := 0; i < len(fields); {
		if !needsWord(fields[i]) {
			out = append(out, fields[i])
			i++
			continue
		}
		// A run of words that need encoding is encoded with the spaces between them.
		j := i + 1
		for j < len(fields) && (needsWord(fields[j]) || isBlank(fields[j])) {
			j++
		}
		for j > i+1 && isBlank(fields[j-1]) {
			j--
		}
		out = append(out, encodeRun(strings.Join(fields[i:j], " "))...)
		i = j
	}
	return strings.Join(out, " ")
}

// isBlank reports what stands between two spaces and is nothing but space itself: it would not be shown between two
// encoded words (RFC 2047 6.2), so it goes into one.
func isBlank(s string) bool { return strings.Trim(s, "\t") == "" }

// needsWord reports what cannot stand bare in a header of ASCII, or would be read as an encoded word.
func needsWord(s string) bool {
	const longWord = 900 // one that no line could hold with its name
	if strings.Contains(s, "=?") || len(s) > longWord && strings.IndexByte(s[:longWord], ' ') < 0 {
		return true
	}
	for i := range len(s) {
		if s[i] >= 0x7f || s[i] < ' ' && s[i] != '\t' {
			return true
		}
	}
	return false
}

// encodeRun writes s as encoded words, Q where that is not much longer than B. No character is cut in two
// (RFC 2047 5).
func encodeRun(s string) []string {
	const q, b, tail = "=?utf-8?q?", "=?utf-8?b?", "?="
	special := 0
	for i := range len(s) {
		if !plainInWord(s[i]) && s[i] != ' ' {
			special++
		}
	}
	useQ := len(s)+2*special <= 2*((len(s)+2)/3*4) // longer may it be, as people can read it
	var out []string
	for len(s) > 0 {
		room, n := maxWord-len(q)-len(tail), 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if useQ && qLen(s[:n+size]) > room || !useQ && (n+size+2)/3*4 > room {
				break
			}
			n += size
		}
		if useQ {
			out = append(out, q+encodeQ(s[:n])+tail)
		} else {
			out = append(out, b+base64.StdEncoding.EncodeToString([]byte(s[:n]))+tail)
		}
		s = s[n:]
	}
	return out
}

// plainInWord reports what may stand for itself in a Q-encoded word anywhere, also in a phrase
// (RFC 2047 5 (3)).
func plainInWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!*+-/", c) >= 0
}

func qLen(s string) (n int) {
	for i := range len(s) {
		if plainInWord(s[i]) || s[i] == ' ' {
			n++
		} else {
			n += 3
		}
	}
	return n
}

func encodeQ(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			b.WriteByte('_')
		case plainInWord(c):
			b.WriteByte(c)
		default:
			b.Write([]byte{'=', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

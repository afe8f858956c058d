package message

import (
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/transform"
)

// CharsetReader gives r, which is text in the named charset, as UTF-8. Without a name, for US-ASCII and
// for a charset nobody knows, it reads UTF-8 and takes octets that are none as
// Windows-1252, which is right more often than a row of question marks.
func CharsetReader(charset string, r io.Reader) io.Reader {
	return transform.NewReader(r, decoderFor(charset))
}

// KnownCharset reports whether text in this charset can be decoded for certain.
func KnownCharset(charset string) bool {
	_, known := lookupCharset(charset)
	return known
}

// decodeCharset gives b, which is text in the named charset, as UTF-8.
func decodeCharset(charset string, b []byte) string {
	out, _, err := transform.Bytes(decoderFor(charset), b)
	if err != nil {
		return guess(string(b))
	}
	return string(out)
}

// guess makes UTF-8 of text in no known charset.
func guess(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(s[0])
		}
		b.WriteRune(r)
		s = s[n:]
	}
	return b.String()
}

func decoderFor(charset string) transform.Transformer {
	t, _ := lookupCharset(charset)
	return t
}

func lookupCharset(charset string) (t transform.Transformer, known bool) {
	name := strings.ToLower(strings.Trim(charset, " \t\"'"))
	switch name {
	case "utf-7", "unicode-1-1-utf-7", "utf7":
		return &utf7Decoder{}, true
	case "utf-8", "utf8", "us-ascii", "ascii":
		return &guesser{}, true
	case "", "unknown", "unknown-8bit", "x-unknown", "default", "binary":
		return &guesser{}, false
	}
	name = charsetAlias(name)
	enc, err := htmlindex.Get(name)
	if err != nil || enc == encoding.Replacement {
		if enc, err = ianaindex.MIME.Encoding(name); err != nil || enc == nil {
			return &guesser{}, false
		}
	}
	return enc.NewDecoder(), true
}

// charsetAlias gives the registered name for some that are only used.
func charsetAlias(name string) string {
	switch name {
	case "iso-latin-1", "iso_8859_1", "8859-1", "iso8859_1":
		return "iso-8859-1"
	case "iso-8859-15-euro", "latin-9", "latin9":
		return "iso-8859-15"
	case "cp936", "x-gbk", "gb-2312":
		return "gbk"
	case "cp950", "big-5":
		return "big5"
	case "cp949", "ks-c-5601-1987":
		return "euc-kr"
	case "cp932", "x-ms-cp932", "windows-31j":
		return "shift_jis"
	}
	if page, ok := strings.CutPrefix(name, "cp125"); ok && len(page) == 1 {
		return "windows-125" + page
	}
	if part, ok := strings.CutPrefix(name, "iso8859-"); ok {
		return "iso-8859-" + part
	}
	return name
}

// guesser copies UTF-8 and takes each octet that is none as Windows-1252.
type guesser struct{ transform.NopResetter }

// Transform implements transform.Transformer.
func (guesser) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if c := src[nSrc]; c < utf8.RuneSelf {
			if nDst == len(dst) {
				return nDst, nSrc, transform.ErrShortDst
			}
			dst[nDst] = c
			nDst, nSrc = nDst+1, nSrc+1
			continue
		}
		if !atEOF && !utf8.FullRune(src[nSrc:]) {
			return nDst, nSrc, transform.ErrShortSrc
		}
		r, n := utf8.DecodeRune(src[nSrc:])
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(src[nSrc])
		}
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc += n
	}
	return nDst, nSrc, nil
}

// utf7Decoder reads UTF-7 (RFC 2152). What is wrong in it becomes U+FFFD.
type utf7Decoder struct {
	shifted bool   // inside +...-
	empty   bool   // nothing yet since the +
	bits    uint32 // read but not yet used
	n       uint   // how many
	high    rune   // a high surrogate that waits for its other half
}

// Reset implements transform.Transformer.
func (d *utf7Decoder) Reset() { *d = utf7Decoder{} }

// Transform implements transform.Transformer.
func (d *utf7Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if len(dst)-nDst < 2*utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst = d.step(dst, nDst, src[nSrc])
		nSrc++
	}
	if atEOF && d.high != 0 {
		if len(dst)-nDst < utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst = d.put(dst, nDst, utf8.RuneError)
		d.high = 0
	}
	return nDst, nSrc, nil
}

// step takes one octet; it writes at most two characters.
func (d *utf7Decoder) step(dst []byte, at int, c byte) int {
	if !d.shifted {
		switch {
		case c == '+':
			*d = utf7Decoder{shifted: true, empty: true}
			return at
		case c >= utf8.RuneSelf:
			return d.put(dst, at, utf8.RuneError)
		}
		return d.put(dst, at, rune(c))
	}
	v := base64Value(c)
	if v >= 0 {
		d.empty = false
		d.bits = d.bits<<6 | uint32(v)
		d.n += 6
		if d.n < 16 {
			return at
		}
		d.n -= 16
		unit := rune(d.bits >> d.n & 0xffff)
		d.bits &= 1<<d.n - 1
		return d.unit(dst, at, unit)
	}
	if d.high != 0 {
		at = d.put(dst, at, utf8.RuneError)
	}
	empty := d.empty
	*d = utf7Decoder{}
	switch {
	case c == '-' && empty:
		return d.put(dst, at, '+')
	case c == '-':
		return at
	case c >= utf8.RuneSelf:
		return d.put(dst, at, utf8.RuneError)
	}
	return d.put(dst, at, rune(c))
}

// unit takes one UTF-16 code unit.
func (d *utf7Decoder) unit(dst []byte, at int, u rune) int {
	high := d.high
	d.high = 0
	switch {
	case high != 0 && 0xdc00 <= u && u < 0xe000:
		return d.put(dst, at, (high-0xd800)<<10|(u-0xdc00)+0x10000)
	case high != 0:
		at = d.put(dst, at, utf8.RuneError)
	}
	switch {
	case 0xd800 <= u && u < 0xdc00:
		d.high = u
		return at
	case 0xdc00 <= u && u < 0xe000:
		u = utf8.RuneError
	}
	return d.put(dst, at, u)
}

func (d *utf7Decoder) put(dst []byte, at int, r rune) int { return at + utf8.EncodeRune(dst[at:], r) }

// base64Value gives the six bits a character of the base64 alphabet stands for, or -1.
func base64Value(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 26
	case '0' <= c && c <= '9':
		return int(c-'0') + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return -1
}

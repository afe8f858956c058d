package smtp

import "strings"

const upperHex = "0123456789ABCDEF"

// EncodeXtext writes s as xtext (RFC 3461 4): octets other than printable ASCII, and "+" and "=", as "+" and two hex digits.
func EncodeXtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			b.WriteByte('+')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// DecodeXtext reads xtext. Control characters are refused even when they are encoded: nobody has a use for one.
func DecodeXtext(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			if i+2 >= len(s) {
				return "", false
			}
			high, low := strings.IndexByte(upperHex, s[i+1]), strings.IndexByte(upperHex, s[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			c = byte(high<<4 | low)
			i += 2
			if c < ' ' || c == 0x7f {
				return "", false
			}
		case c < '!' || c > '~' || c == '=':
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

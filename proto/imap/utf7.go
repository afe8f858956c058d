package imap

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
)

// base64 of modified UTF-7 has "," for "/" and no padding (RFC 3501 5.1.3).
var utf7Base64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// EncodeUTF7 spells a mailbox name in modified UTF-7 (RFC 3501 5.1.3).
func EncodeUTF7(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '&':
			out.WriteString("&-")
			i++
		case c >= ' ' && c < 0x7f:
			out.WriteByte(c)
			i++
		default:
			end := i
			for end < len(s) && (s[end] < ' ' || s[end] >= 0x7f) {
				end++
			}
			encodeShift(&out, s[i:end])
			i = end
		}
	}
	return out.String()
}

func encodeShift(out *strings.Builder, run string) {
	units := utf16.Encode([]rune(run))
	raw := make([]byte, 0, 2*len(units))
	for _, u := range units {
		raw = append(raw, byte(u>>8), byte(u))
	}
	out.WriteByte('&')
	out.WriteString(utf7Base64.EncodeToString(raw))
	out.WriteByte('-')
}

// DecodeUTF7 reads modified UTF-7. There is one spelling for every name: any other is refused, so that two names
// never mean one mailbox.
func DecodeUTF7(s string) (string, error) {
	var out strings.Builder
	bad := &Error{Text: "the mailbox name is not valid modified UTF-7 (\"&\" alone is written \"&-\")"}
	for i := 0; i < len(s); {
		c := s[i]
		if c < ' ' || c >= 0x7f {
			return "", bad
		}
		if c != '&' {
			out.WriteByte(c)
			i++
			continue
		}
		end := strings.IndexByte(s[i:], '-')
		if end < 0 {
			return "", bad
		}
		if end == 1 {
			out.WriteByte('&')
		} else if !decodeShift(&out, s[i+1:i+end]) {
			return "", bad
		}
		i += end + 1
	}
	got := out.String()
	if EncodeUTF7(got) != s {
		return "", bad
	}
	return got, nil
}

func decodeShift(out *strings.Builder, run string) bool {
	raw, err := utf7Base64.DecodeString(run)
	if err != nil || len(raw)%2 != 0 {
		return false
	}
	units := make([]uint16, 0, len(raw)/2)
	for i := 0; i < len(raw); i += 2 {
		units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
	}
	for _, r := range utf16.Decode(units) {
		out.WriteRune(r)
	}
	return true
}

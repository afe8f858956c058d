package smtp

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Reply is a server's answer to a command, and as an error a refusal.
type Reply struct {
	Code     int    // three digits, 200 to 599
	Enhanced string // enhanced status code (RFC 2034, RFC 3463) as "5.1.1"; empty for none
	Text     string // for people; a line feed starts another line
}

// Errorf makes a Reply from a code, an enhanced status code and a sentence.
func Errorf(code int, enhanced, format string, args ...any) *Reply {
	return &Reply{Code: code, Enhanced: enhanced, Text: fmt.Sprintf(format, args...)}
}

// Error gives the reply on one line, as people quote it: "550 5.1.1 no such user".
func (r *Reply) Error() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(r.Code))
	if r.Enhanced != "" {
		b.WriteByte(' ')
		b.WriteString(r.Enhanced)
	}
	if r.Text != "" {
		b.WriteByte(' ')
		b.WriteString(strings.ReplaceAll(r.Text, "\n", " "))
	}
	return b.String()
}

// Temporary reports whether the same command may succeed later (RFC 5321 4.2.1, 4yz).
func (r *Reply) Temporary() bool { return r.Code/100 == 4 }

// OK reports whether the command was done (2yz) or may go on (3yz).
func (r *Reply) OK() bool { return r.Code/100 == 2 || r.Code/100 == 3 }

// maxReplyLine bounds a reply line with its CR LF (RFC 5321 4.5.3.1.5).
const maxReplyLine = 512

// AppendTo writes the reply as it goes over the wire, in lines of at most 512 octets. Characters that would break the
// line structure become spaces. Other than ASCII is written only with utf8 (RFC 6531 3.7.4.2), else as \x{hex}.
func (r *Reply) AppendTo(dst []byte, utf8 bool) []byte {
	prefix := 4
	if r.Enhanced != "" {
		prefix += len(r.Enhanced) + 1
	}
	text := strings.TrimRight(r.Text, "\r\n")
	for {
		line, rest, more := strings.Cut(text, "\n")
		line = cleanText(strings.TrimSuffix(line, "\r"), utf8)
		for room := maxReplyLine - 2 - prefix; len(line) > room; {
			n := cutLine(line, room)
			dst = r.appendLine(dst, strings.TrimRight(line[:n], " "), '-')
			line = strings.TrimLeft(line[n:], " ")
		}
		if !more {
			return r.appendLine(dst, line, ' ')
		}
		dst = r.appendLine(dst, line, '-')
		text = rest
	}
}

func (r *Reply) appendLine(dst []byte, line string, separator byte) []byte {
	dst = strconv.AppendInt(dst, int64(r.Code), 10)
	dst = append(dst, separator)
	if r.Enhanced != "" {
		dst = append(dst, r.Enhanced...)
		dst = append(dst, ' ')
	}
	dst = append(dst, line...)
	return append(dst, '\r', '\n')
}

// cutLine chooses where to break: after the last space that fits, else between characters.
func cutLine(line string, room int) int {
	if n := strings.LastIndexByte(line[:room], ' '); n > room/2 {
		return n + 1
	}
	for room > 1 && !utf8.RuneStart(line[room]) {
		room--
	}
	return room
}

func cleanText(s string, keepUTF8 bool) string {
	clean := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		switch {
		case c < ' ' || c == 0x7f:
			b.WriteByte(' ')
		case c < 0x7f || (keepUTF8 && c != utf8.RuneError && c > 0x9f):
			b.WriteRune(c)
		default:
			fmt.Fprintf(&b, `\x{%X}`, c)
		}
	}
	return b.String()
}

// ValidEnhanced reports whether s is an enhanced status code (RFC 3463 2), such as "5.1.1".
func ValidEnhanced(s string) bool {
	class, rest, ok := strings.Cut(s, ".")
	if !ok || len(class) != 1 || (class != "2" && class != "4" && class != "5") {
		return false
	}
	subject, detail, ok := strings.Cut(rest, ".")
	return ok && upTo3Digits(subject) && upTo3Digits(detail)
}

func upTo3Digits(s string) bool {
	if len(s) < 1 || len(s) > 3 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

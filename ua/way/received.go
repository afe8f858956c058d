package way

import (
	"net/netip"
	"strings"
	"time"

	"github.com/postrider/postrider/proto/message"
)

// hop is one Received field. Everything in it is a claim of who wrote it.
type hop struct {
	helo string     // what the client called itself
	name string     // its name, as the writer looked it up
	ip   netip.Addr // its address
	by   string
	with string
	id   string
	tls  string // "TLS 1.3", "TLS" where the version is not told, or ""
	at   time.Time
}

// maxField is how much of a field is read.
const maxField = 4 << 10

// readHop reads the value of a Received field, tolerantly: what stands in no order that RFC 5321 4.4 knows is passed over.
func readHop(value string) hop {
	value = value[:min(len(value), maxField)]
	var h hop
	if i := strings.LastIndexByte(value, ';'); i >= 0 {
		if t, ok := message.ParseDate(value[i+1:]); ok {
			h.at = t.UTC()
		}
		value = value[:i]
	}
	key := ""
	for word := range tokens(value) {
		if comment, ok := strings.CutPrefix(word, "("); ok {
			h.comment(key, strings.TrimSuffix(comment, ")"))
			continue
		}
		switch lower := strings.ToLower(word); lower {
		case "from", "by", "with", "id", "for", "via":
			key = lower
			continue
		}
		h.word(key, word)
	}
	if h.tls == "" && secured(h.with) {
		h.tls = "TLS"
	}
	return h
}

func (h *hop) word(key, word string) {
	switch {
	case key == "from" && h.helo == "":
		h.helo = word
		if ip, ok := literal(word); ok {
			h.ip = ip
		}
	case key == "by" && h.by == "":
		h.by = word
	case key == "with" && h.with == "":
		h.with = word
	case key == "id" && h.id == "":
		h.id = word
	}
}

// comment reads what stands in parentheses: "(name [ip])", "([ip])", "(using TLSv1.3 with cipher X)".
func (h *hop) comment(key, text string) {
	if version := tlsVersion(text); version != "" && h.tls == "" {
		h.tls = version
	}
	if key != "from" || h.ip.IsValid() && h.name != "" {
		return
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == '(' || r == ')' }) {
		if ip, ok := literal(word); ok {
			if !h.ip.IsValid() {
				h.ip = ip
			}
			continue
		}
		if h.name == "" && strings.Contains(word, ".") && !strings.ContainsAny(word, "=:@") {
			h.name = strings.TrimSuffix(word, ".")
		}
	}
	if strings.EqualFold(h.name, "unknown") {
		h.name = ""
	}
}

// literal reads "[192.0.2.1]", "[IPv6:2001:db8::1]" or a bare address.
func literal(s string) (netip.Addr, bool) {
	s = strings.Trim(s, "[]")
	if len(s) > 5 && strings.EqualFold(s[:5], "IPv6:") {
		s = s[5:]
	}
	ip, err := netip.ParseAddr(s)
	return ip.Unmap(), err == nil
}

// secured reports a protocol of RFC 3848 that says TLS.
func secured(with string) bool {
	switch strings.ToUpper(with) {
	case "ESMTPS", "ESMTPSA", "LMTPS", "LMTPSA", "UTF8SMTPS", "UTF8SMTPSA", "UTF8LMTPS", "UTF8LMTPSA", "HTTPS":
		return true
	}
	return false
}

// tlsVersion finds a version of TLS in a comment. RFC 8314 4.3.
func tlsVersion(text string) string {
	lower := strings.ToLower(text)
	for _, v := range []struct{ spelt, says string }{{"1.3", "TLS 1.3"}, {"1_3", "TLS 1.3"}, {"1.2", "TLS 1.2"}, {"1_2", "TLS 1.2"}, {"1.1", "TLS 1.1"}, {"1_1", "TLS 1.1"},
		{"1.0", "TLS 1.0"}, {"1_0", "TLS 1.0"}, {"v1", "TLS 1.0"}} {
		for _, before := range []string{"tlsv", "tls ", "tls", "version="} {
			if strings.Contains(lower, before+strings.TrimPrefix(v.spelt, "v")) && (before != "version=" || strings.Contains(lower, "tls")) {
				return v.says
			}
		}
	}
	if strings.Contains(lower, "tls_") || strings.Contains(lower, "cipher=") || strings.Contains(lower, "with cipher") {
		return "TLS"
	}
	return ""
}

// tokens parts a field into words and comments; a comment comes as one, with what is in it.
func tokens(s string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := 0; i < len(s); {
			switch c := s[i]; {
			case c <= ' ':
				i++
			case c == '(':
				end := closing(s, i)
				if !yield(s[i:end]) {
					return
				}
				i = end
			default:
				end := i
				for end < len(s) && s[end] > ' ' && s[end] != '(' {
					end++
				}
				if !yield(s[i:end]) {
					return
				}
				i = end
			}
		}
	}
}

// closing finds the end of a comment, which may hold others.
func closing(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// client shows where a hop came from: the name that was looked up before the one it gives itself, and the address.
func (h hop) client() string {
	name := h.name
	if name == "" {
		name = h.helo
	}
	if ip, ok := literal(name); ok && (!h.ip.IsValid() || ip == h.ip) {
		name, h.ip = "", ip
	}
	if h.ip.IsValid() {
		name = strings.TrimSpace(name + " [" + h.ip.String() + "]")
	}
	return printable(name)
}

// printable keeps what strangers wrote short and on one line.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return -1
		}
		return r
	}, s)
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

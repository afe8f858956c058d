package spf

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// piece is a part of a macro-string: literal text, or a macro. RFC 7208 7.1.
type piece struct {
	literal string
	letter  byte // in lower case; 0: literal
	escape  bool
	keep    int // how many parts from the right; 0: all
	reverse bool
	delims  string
	expand  bool // it was written with %
}

// macroString reads a macro-string. exp allows the letters that only explanations have, and spaces.
func macroString(s string, exp bool) ([]piece, error) {
	var all []piece
	for s != "" {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			i = len(s)
		}
		if i > 0 {
			if !exp && strings.ContainsRune(s[:i], ' ') {
				return nil, errors.New("it has a space")
			}
			all = append(all, piece{literal: s[:i]})
			s = s[i:]
			continue
		}
		if len(s) < 2 {
			return nil, errors.New("a % stands at its end")
		}
		simple := map[byte]string{'%': "%", '_': " ", '-': "%20"}
		if text, ok := simple[s[1]]; ok {
			all = append(all, piece{literal: text, expand: true})
			s = s[2:]
			continue
		}
		end := strings.IndexByte(s, '}')
		if s[1] != '{' || end < 0 {
			return nil, errors.New("a % begins no macro")
		}
		p, err := macro(s[2:end], exp)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
		s = s[end+1:]
	}
	return all, nil
}

func macro(s string, exp bool) (p piece, err error) {
	letters := "slodiphv"
	if exp {
		letters += "crt"
	}
	if s == "" || !strings.ContainsRune(letters, rune(s[0]|0x20)) || !letter(s[0]) {
		return p, errors.New("it has a macro that is not known")
	}
	p = piece{letter: s[0] | 0x20, escape: s[0] < 'a', delims: ".", expand: true}
	s = s[1:]
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	if n > 0 {
		if p.keep, err = strconv.Atoi(s[:min(n, 6)]); err != nil || p.keep == 0 {
			return p, errors.New("a macro keeps no part")
		}
		s = s[n:]
	}
	if s != "" && s[0]|0x20 == 'r' {
		p.reverse, s = true, s[1:]
	}
	if strings.Trim(s, ".-+,/_=") != "" {
		return p, errors.New("a macro has a delimiter that is none")
	}
	if s != "" {
		p.delims = s
	}
	return p, nil
}

// domainSpec reads a domain-spec: a macro-string that ends in a macro or in a top label. RFC 7208 7.1.
func domainSpec(s string) ([]piece, error) {
	if s == "" {
		return nil, errors.New("it has no domain")
	}
	all, err := macroString(s, false)
	if err != nil {
		return nil, err
	}
	last := all[len(all)-1]
	if last.expand {
		return all, nil
	}
	text := strings.TrimSuffix(last.literal, ".")
	if i := strings.LastIndexByte(text, '.'); i < 0 || !topLabel(text[i+1:]) {
		return nil, errors.New("its domain does not end in a top-level domain")
	}
	return all, nil
}

func topLabel(s string) bool {
	numeric := true
	for i := range len(s) {
		switch c := s[i]; {
		case letter(c):
			numeric = false
		case digit(c):
		case c == '-' && i > 0 && i < len(s)-1:
			numeric = false
		default:
			return false
		}
	}
	return s != "" && !numeric
}

// expand writes a macro-string out. RFC 7208 7.3.
func (c *check) expand(ctx context.Context, all []piece, domain string) string {
	var out strings.Builder
	for _, p := range all {
		if p.letter == 0 {
			out.WriteString(p.literal)
			continue
		}
		out.WriteString(p.transform(c.value(ctx, p.letter, domain)))
	}
	return out.String()
}

func (c *check) value(ctx context.Context, letter byte, domain string) string {
	switch letter {
	case 's':
		return c.q.Local + "@" + c.q.Domain
	case 'l':
		return c.q.Local
	case 'o':
		return c.q.Domain
	case 'd':
		return domain
	case 'i':
		return dotted(c.q.IP)
	case 'p':
		return c.validated(ctx, domain)
	case 'v':
		if c.q.IP.Is4() {
			return "in-addr"
		}
		return "ip6"
	case 'h':
		return c.q.Helo
	case 'c':
		return c.q.IP.String()
	case 'r':
		if c.q.Receiver == "" {
			return "unknown"
		}
		return c.q.Receiver
	default: // t
		return strconv.FormatInt(c.q.Now.Unix(), 10)
	}
}

func (p piece) transform(v string) string {
	if p.keep > 0 || p.reverse || p.delims != "." {
		var parts []string
		for start := 0; ; {
			i := strings.IndexAny(v[start:], p.delims)
			if i < 0 {
				parts = append(parts, v[start:])
				break
			}
			parts = append(parts, v[start:start+i])
			start += i + 1
		}
		if p.reverse {
			slices.Reverse(parts)
		}
		if p.keep > 0 && p.keep < len(parts) {
			parts = parts[len(parts)-p.keep:]
		}
		v = strings.Join(parts, ".")
	}
	if !p.escape {
		return v
	}
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(v) {
		if b := v[i]; letter(b) || digit(b) || strings.IndexByte("-._~", b) >= 0 {
			out.WriteByte(b)
		} else {
			out.Write([]byte{'%', hex[b>>4], hex[b&15]})
		}
	}
	return out.String()
}

// dotted writes an IPv6 address nibble by nibble, in capitals as the official suite wants it. RFC 7208 7.3.
func dotted(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	var out []string
	for _, b := range ip.As16() {
		out = append(out, strconv.FormatUint(uint64(b>>4), 16), strconv.FormatUint(uint64(b&15), 16))
	}
	return strings.ToUpper(strings.Join(out, "."))
}

// shorten takes labels off the front until the name fits. RFC 7208 7.3.
func shorten(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for len(name) > 253 {
		_, rest, found := strings.Cut(name, ".")
		if !found {
			return ""
		}
		name = rest
	}
	return name
}

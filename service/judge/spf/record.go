package spf

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds on one record.
const (
	MaxRecord = 16 << 10 // octets
	MaxTerms  = 1000
)

// record is a parsed record. RFC 7208 4.6.1.
type record struct {
	directives []directive
	redirect   []piece
	exp        []piece
}

// directive is a mechanism with the result it gives where it matches.
type directive struct {
	result Result
	name   string // in lower case
	text   string // as it stands in the record, for sentences
	domain []piece
	net    netip.Prefix // of ip4 and ip6
	bits4  int          // of a and mx
	bits6  int
}

var qualifiers = map[byte]Result{'+': Pass, '-': Fail, '~': SoftFail, '?': Neutral}

// isRecord reports whether a TXT record is one of SPF. RFC 7208 4.5.
func isRecord(text string) bool {
	const version = "v=spf1"
	return len(text) >= len(version) && strings.EqualFold(text[:len(version)], version) && (len(text) == len(version) || text[len(version)] == ' ')
}

// parse reads a record that isRecord. RFC 7208 12.
func parse(text string) (*record, error) {
	if len(text) > MaxRecord {
		return nil, fmt.Errorf("the record is longer than %d octets", MaxRecord)
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return nil, errors.New("the record has characters that are not printable ASCII")
		}
	}
	r := &record{}
	n := 0
	for term := range strings.SplitSeq(text[len("v=spf1"):], " ") {
		if term == "" {
			continue
		}
		if n++; n > MaxTerms {
			return nil, fmt.Errorf("the record has more than %d terms", MaxTerms)
		}
		if err := r.term(term); err != nil {
			return nil, fmt.Errorf("the term %q is wrong: %w", cut(term), err)
		}
	}
	return r, nil
}

func (r *record) term(term string) error {
	if i := strings.IndexAny(term, ":/="); i > 0 && term[i] == '=' && modifierName(term[:i]) {
		return r.modifier(strings.ToLower(term[:i]), term[i+1:])
	}
	d := directive{result: Pass, text: term, bits4: 32, bits6: 128}
	if q, ok := qualifiers[term[0]]; ok {
		d.result, term = q, term[1:]
	}
	i := strings.IndexAny(term, ":/")
	if i < 0 {
		i = len(term)
	}
	d.name = strings.ToLower(term[:i])
	if err := d.argument(term[i:]); err != nil {
		return err
	}
	r.directives = append(r.directives, d)
	return nil
}

// argument reads what follows the name of a mechanism. RFC 7208 5.
func (d *directive) argument(arg string) (err error) {
	spec, colon := strings.CutPrefix(arg, ":")
	switch d.name {
	case "all":
		if arg != "" {
			return errors.New("it takes nothing")
		}
		return nil
	case "include", "exists":
		if !colon {
			return errors.New("it needs a domain")
		}
	case "ptr":
		if arg == "" {
			return nil
		}
		if !colon {
			return errors.New("it takes a domain only")
		}
	case "a", "mx":
		if arg, err = d.lengths(arg); err != nil || arg == "" {
			return err
		}
		if spec, colon = strings.CutPrefix(arg, ":"); !colon {
			return errors.New("what follows the name is no domain and no length")
		}
	case "ip4", "ip6":
		if !colon {
			return errors.New("it needs an address")
		}
		return d.network(spec)
	default:
		return errors.New("there is no such mechanism")
	}
	d.domain, err = domainSpec(spec)
	return err
}

// lengths cuts the prefix lengths off the end. RFC 7208 5.6 (dual-cidr-length).
func (d *directive) lengths(arg string) (rest string, err error) {
	if i := strings.LastIndex(arg, "//"); i >= 0 {
		if d.bits6, err = length(arg[i+2:], 128); err != nil {
			return "", err
		}
		arg = arg[:i]
	}
	if i := strings.LastIndexByte(arg, '/'); i >= 0 && !strings.ContainsAny(arg[i:], "}.") {
		if d.bits4, err = length(arg[i+1:], 32); err != nil {
			return "", err
		}
		arg = arg[:i]
	}
	return arg, nil
}

func length(s string, most int) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || int(n) > most || len(s) > 1 && s[0] == '0' {
		return 0, fmt.Errorf("its length is not one from 0 to %d", most)
	}
	return int(n), nil
}

func (d *directive) network(spec string) error {
	text, bits, given := strings.Cut(spec, "/")
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" || ip.Is4() != (d.name == "ip4") {
		return errors.New("its address is none")
	}
	n := ip.BitLen()
	if given {
		if n, err = length(bits, n); err != nil {
			return err
		}
	}
	d.net = netip.PrefixFrom(ip, n)
	return nil
}

// modifier reads a modifier; unknown ones only have to be well formed. RFC 7208 6.
func (r *record) modifier(name, value string) (err error) {
	var into *[]piece
	switch name {
	case "redirect":
		into = &r.redirect
	case "exp":
		into = &r.exp
	default:
		_, err = macroString(value, false)
		return err
	}
	if *into != nil {
		return errors.New("it stands there twice")
	}
	*into, err = domainSpec(value)
	return err
}

func modifierName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case letter(c):
		case i > 0 && (digit(c) || c == '-' || c == '_' || c == '.'):
		default:
			return false
		}
	}
	return true
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// cut keeps what a stranger wrote short enough for a sentence.
func cut(s string) string {
	if len(s) > 80 {
		return s[:80]
	}
	return s
}

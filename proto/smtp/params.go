package smtp

import (
	"slices"
	"strings"
)

// param is one esmtp-param of MAIL or RCPT (RFC 5321 4.1.2): a keyword in upper case, and a value if there is "=".
type param struct {
	key      string
	value    string
	hasValue bool
}

const maxParams = 32

// parseParams splits what follows a path. Each keyword may stand once.
func parseParams(s string) ([]param, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != ' ' {
		return nil, Errorf(501, "5.5.4", "a space belongs between the path and its parameters")
	}
	var list []param
	for word := range strings.SplitSeq(s, " ") {
		if word == "" {
			continue // more than one space is common and harmless
		}
		p, ok := parseParam(word)
		if !ok {
			return nil, Errorf(501, "5.5.4", "malformed parameter")
		}
		if slices.ContainsFunc(list, func(q param) bool { return q.key == p.key }) {
			return nil, Errorf(501, "5.5.4", "parameter %s stands twice", p.key)
		}
		if list = append(list, p); len(list) > maxParams {
			return nil, Errorf(501, "5.5.4", "too many parameters")
		}
	}
	return list, nil
}

func parseParam(word string) (param, bool) {
	var p param
	p.key, p.value, p.hasValue = strings.Cut(word, "=")
	p.key = strings.ToUpper(p.key)
	if p.key == "" || p.key[0] == '-' || (p.hasValue && p.value == "") {
		return p, false
	}
	for i := range len(p.key) {
		if !isAlnum(p.key[i]) && p.key[i] != '-' {
			return p, false
		}
	}
	for i := range len(p.value) {
		if p.value[i] <= ' ' || p.value[i] == '=' || p.value[i] == 0x7f {
			return p, false
		}
	}
	return p, true
}

func badParam(p param) error { return Errorf(501, "5.5.4", "bad value of parameter %s", p.key) }

func unknownParam(p param) error { return Errorf(555, "5.5.4", "parameter %s not recognised", p.key) }

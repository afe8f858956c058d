package smtp

import (
	"strings"
)

// Rcpt is the RCPT command (RFC 5321 4.1.1.3).
type Rcpt struct {
	To     Path   // Domain is empty for <Postmaster> alone (RFC 5321 4.5.1)
	Notify Notify // RFC 3461 4.1
	ORcpt  string // the original recipient (RFC 3461 4.2) as type ";" decoded address; empty for none
}

// Notify says when the sender wants a report; the zero value leaves that to the host.
type Notify uint8

// The values of NOTIFY. NotifyNever stands alone.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

var notifyWords = []struct {
	word string
	bit  Notify
}{{"NEVER", NotifyNever}, {"SUCCESS", NotifySuccess}, {"FAILURE", NotifyFailure}, {"DELAY", NotifyDelay}}

// String writes the value of NOTIFY, empty for none.
func (n Notify) String() string {
	var words []string
	for _, w := range notifyWords {
		if n&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ",")
}

// ParseNotify reads the value of NOTIFY.
func ParseNotify(s string) (Notify, bool) {
	var n Notify
	for word := range strings.SplitSeq(s, ",") {
		before := n
		for _, w := range notifyWords {
			if strings.EqualFold(word, w.word) {
				n |= w.bit
			}
		}
		if n == before {
			return 0, false
		}
	}
	return n, n&NotifyNever == 0 || n == NotifyNever
}

// Verb implements Command.
func (r *Rcpt) Verb() Verb { return RCPT }

// String implements Command.
func (r *Rcpt) String() string {
	s := "RCPT TO:<" + r.To.String() + ">"
	if r.Notify != 0 {
		s += " NOTIFY=" + r.Notify.String()
	}
	if kind, addr, ok := strings.Cut(r.ORcpt, ";"); ok {
		if isASCII(addr) {
			addr = EncodeXtext(addr)
		}
		s += " ORCPT=" + kind + ";" + addr
	}
	return s
}

func parseRcpt(_ Verb, arg string) (Command, error) {
	path, ok := cutWord(arg, "TO:")
	if !ok {
		return nil, Errorf(501, "5.5.2", "say RCPT TO:<address>")
	}
	r := &Rcpt{}
	r.To, path, ok = cutPath(path)
	if !ok || r.To.IsNull() || (r.To.Domain == "" && !strings.EqualFold(r.To.Local, "postmaster")) {
		return nil, Errorf(501, "5.1.3", "bad recipient address; it has the form <user@domain>, with nothing between the colon and <")
	}
	list, err := parseParams(path)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		var ok bool
		switch p.key {
		case "NOTIFY":
			r.Notify, ok = ParseNotify(p.value)
		case "ORCPT":
			r.ORcpt, ok = parseORcpt(p.value)
		default:
			return nil, unknownParam(p)
		}
		if !ok {
			return nil, badParam(p)
		}
	}
	return r, nil
}

// parseORcpt reads `addr-type ";" xtext` (RFC 3461 4.2). For a utf-8 address, which may stand as it is, see RFC 6533 3.
func parseORcpt(s string) (string, bool) {
	kind, addr, ok := strings.Cut(s, ";")
	if !ok || len(s) > 500 || !isLDH(kind) {
		return "", false
	}
	if strings.EqualFold(kind, "utf-8") && !isASCII(addr) {
		return s, !strings.ContainsAny(addr, "+=")
	}
	addr, ok = decodeParam(addr, true)
	return kind + ";" + addr, ok
}

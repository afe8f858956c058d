package smtp

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Body says what octets the message may hold (RFC 6152 2).
type Body uint8

// The bodies: ASCII only, or with octets over 127.
const (
	Body7Bit Body = iota // also where nothing was declared
	Body8BitMIME
)

// Mail is the MAIL command (RFC 5321 4.1.1.2).
type Mail struct {
	From Path  // the zero Path for <>
	Size int64 // declared size in octets (RFC 1870); 0 when none was
	Body Body  // RFC 6152
	UTF8 bool  // SMTPUTF8 (RFC 6531)
	// RequireTLS is REQUIRETLS: the message may go on only inside verified TLS, to hosts that promise the same (RFC 8689 2).
	RequireTLS bool
	Auth       string // the decoded AUTH parameter (RFC 4954 5): an address, or "<>"; empty for none
	Ret        string // FULL or HDRS (RFC 3461 4.3); empty for none
	EnvID      string // the decoded ENVID (RFC 3461 4.4); empty for none
}

// Verb implements Command.
func (m *Mail) Verb() Verb { return MAIL }

// String implements Command.
func (m *Mail) String() string {
	var b strings.Builder
	b.WriteString("MAIL FROM:<" + m.From.String() + ">")
	if m.Size > 0 {
		b.WriteString(" SIZE=" + strconv.FormatInt(m.Size, 10))
	}
	if m.Body == Body8BitMIME {
		b.WriteString(" BODY=8BITMIME")
	}
	if m.UTF8 {
		b.WriteString(" SMTPUTF8")
	}
	if m.RequireTLS {
		b.WriteString(" REQUIRETLS")
	}
	if m.Ret != "" {
		b.WriteString(" RET=" + m.Ret)
	}
	if m.EnvID != "" {
		b.WriteString(" ENVID=" + EncodeXtext(m.EnvID))
	}
	switch m.Auth {
	case "":
	case "<>":
		b.WriteString(" AUTH=<>")
	default:
		b.WriteString(" AUTH=" + EncodeXtext(m.Auth))
	}
	return b.String()
}

func parseMail(_ Verb, arg string) (Command, error) {
	path, ok := cutWord(arg, "FROM:")
	if !ok {
		return nil, Errorf(501, "5.5.2", "say MAIL FROM:<address>")
	}
	m := &Mail{}
	if m.From, path, ok = cutPath(path); !ok || (m.From.Domain == "" && !m.From.IsNull()) {
		return nil, Errorf(501, "5.1.7", "bad sender address; it has the form <user@domain>, with nothing between the colon and <")
	}
	list, err := parseParams(path)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if err := m.set(p); err != nil {
			return nil, err
		}
	}
	if !m.UTF8 && !m.From.ASCII() {
		return nil, Errorf(553, "5.6.7", "an address beyond ASCII needs the SMTPUTF8 parameter")
	}
	return m, nil
}

// set takes one parameter over.
func (m *Mail) set(p param) error {
	ok := p.hasValue && isASCII(p.value)
	switch p.key {
	case "SIZE":
		m.Size, ok = parseSize(p.value)
	case "BODY":
		switch {
		case strings.EqualFold(p.value, "8BITMIME"):
			m.Body = Body8BitMIME
		case strings.EqualFold(p.value, "BINARYMIME"):
			// RFC 3030 3: only after a server announced it, which nobody here does.
			return Errorf(555, "5.5.4", "BODY=BINARYMIME is not offered")
		default:
			ok = ok && strings.EqualFold(p.value, "7BIT")
		}
	case "SMTPUTF8":
		m.UTF8, ok = true, !p.hasValue
	case "REQUIRETLS": // RFC 8689 2
		m.RequireTLS, ok = true, !p.hasValue
	case "AUTH":
		m.Auth, ok = decodeAuthParam(p.value, ok)
	case "RET":
		m.Ret = strings.ToUpper(p.value)
		ok = m.Ret == "FULL" || m.Ret == "HDRS"
	case "ENVID":
		if m.EnvID, ok = decodeParam(p.value, ok); len(p.value) > 100 {
			ok = false // RFC 3461 4.4
		}
	default:
		return unknownParam(p)
	}
	if !ok {
		return badParam(p)
	}
	return nil
}

// parseSize reads size-value: up to 20 digits (RFC 1870 4). What overflows is as good as the largest number.
func parseSize(s string) (int64, bool) {
	if s == "" || len(s) > 20 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n = 1<<63 - 1
	}
	return n, true
}

// decodeAuthParam reads the value of AUTH= (RFC 4954 5): "<>" or a mailbox, in xtext.
func decodeAuthParam(s string, ok bool) (string, bool) {
	if s == "<>" {
		return s, ok
	}
	s, ok = decodeParam(s, ok)
	if !ok || s == "<>" {
		return s, ok
	}
	_, valid := ParsePath(s)
	return s, valid
}

func decodeParam(s string, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	s, ok = DecodeXtext(s)
	return s, ok && s != "" && utf8.ValidString(s) // what stands for no character cannot be written again
}

// cutWord takes a word off the front of s, in any case.
func cutWord(s, word string) (rest string, ok bool) {
	if len(s) < len(word) || !strings.EqualFold(s[:len(word)], word) {
		return s, false
	}
	return s[len(word):], true
}

package imap

import (
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// equalFold compares ASCII words in any letter case.
func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

// number reads digits whose value is at most limit.
func (d *Decoder) number(what string, limit uint64) uint64 {
	s := d.run(what, func(b byte) bool { return b >= '0' && b <= '9' })
	var n uint64
	for i := range len(s) {
		v := uint64(s[i] - '0')
		if n > (limit-v)/10 {
			d.Fail("%s is too large", what)
			return 0
		}
		n = n*10 + v
	}
	return n
}

// Number reads a number of 32 bits.
func (d *Decoder) Number(what string) uint32 { return uint32(d.number(what, 1<<32-1)) }

// Number64 reads a number of 63 bits.
func (d *Decoder) Number64(what string) uint64 { return d.number(what, 1<<63-1) }

// NonZero reads a number of 32 bits that is not zero.
func (d *Decoder) NonZero(what string) uint32 {
	n := d.Number(what)
	if d.err == nil && n == 0 {
		d.Fail("%s cannot be 0", what)
	}
	return n
}

// Mailbox reads the name of a mailbox and gives it in UTF-8, NFC, INBOX in capitals (RFC 9051 5.1).
func (d *Decoder) Mailbox() string {
	s := d.Astring("a mailbox name")
	if d.err != nil {
		return ""
	}
	return d.mailboxName(s)
}

func (d *Decoder) mailboxName(s string) string {
	name, err := DecodeMailbox(s, d.UTF8)
	if err != nil {
		d.Fail("%s", err.Error())
		return ""
	}
	return name
}

// DecodeMailbox turns a mailbox name as a client spells it into UTF-8. Without enabled, names are in modified UTF-7
// (RFC 3501 5.1.3); a client that sends UTF-8 all the same is understood.
func DecodeMailbox(s string, enabled bool) (string, error) {
	ascii := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return "", &Error{Text: "a mailbox name cannot hold control characters"}
		}
		ascii = ascii && s[i] < 0x80
	}
	if ascii && !enabled {
		var err error
		if s, err = DecodeUTF7(s); err != nil {
			return "", err
		}
	}
	if !utf8.ValidString(s) {
		return "", &Error{Text: "a mailbox name must be UTF-8"}
	}
	s = norm.NFC.String(s)
	if equalFold(s, "INBOX") {
		return "INBOX", nil
	}
	if len(s) > 6 && equalFold(s[:6], "INBOX/") {
		return "INBOX/" + s[6:], nil
	}
	return s, nil
}

// ListMailbox reads a mailbox name or pattern of LIST.
func (d *Decoder) ListMailbox() string {
	b, ok := d.peek()
	var s string
	if ok && (b == '"' || b == '{') {
		s = d.String("a mailbox pattern")
	} else {
		s = d.run("a mailbox pattern", isListChar)
	}
	if d.err != nil {
		return ""
	}
	return d.mailboxName(s)
}

// Flag reads a flag: an atom, or one behind a backslash.
func (d *Decoder) Flag() string {
	if d.Accept('\\') {
		return `\` + d.Atom("a flag")
	}
	return d.Atom("a flag")
}

// Flags reads a flag list, in parentheses.
func (d *Decoder) Flags() []string {
	var flags []string
	d.List(0, func() { flags = append(flags, d.Flag()) })
	return flags
}

// Date reads a date as "1-Feb-1994", quoted or not (RFC 9051 9 date). The result is its midnight, UTC.
func (d *Decoder) Date() time.Time {
	quoted := d.Accept('"')
	s := d.run("a date", func(b byte) bool { return isAtomChar(b) })
	if quoted {
		d.Expect('"')
	}
	if d.err != nil {
		return time.Time{}
	}
	t, err := time.Parse("2-Jan-2006", s)
	if err != nil {
		d.Fail("%q is not a date as 1-Feb-1994", s)
		return time.Time{}
	}
	return t
}

// DateTime reads a date and time as " 1-Feb-1994 21:52:25 -0800" in quotes.
func (d *Decoder) DateTime() time.Time {
	s := d.quoted()
	if d.err != nil {
		return time.Time{}
	}
	t, err := time.Parse("_2-Jan-2006 15:04:05 -0700", s)
	if err != nil {
		d.Fail("%q is not a date and time as \" 1-Feb-1994 21:52:25 -0800\"", s)
		return time.Time{}
	}
	return t
}

// Word reads an atom and gives it in capitals.
func (d *Decoder) Word(what string) string { return strings.ToUpper(d.Atom(what)) }

// Literally takes the octets of s, in any letter case.
func (d *Decoder) Literally(s string) {
	for i := range len(s) {
		b, ok := d.peek()
		if !ok {
			return
		}
		if !equalFold(string(rune(b)), s[i:i+1]) {
			d.Fail("expected %q", s)
			return
		}
		if !d.take() {
			return
		}
	}
}

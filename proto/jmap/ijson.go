package jmap

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects of a request may be nested.
const MaxDepth = 64

// ErrJSON says that octets are no I-JSON (RFC 7493 2). It is wrapped with what is wrong and where.
var ErrJSON = errors.New("not I-JSON")

// CheckJSON says whether b is one I-JSON value: RFC 8259 in UTF-8, without surrogates that stand alone and without a name that an object has
// twice (RFC 7493 2.1, RFC 7493 2.3).
func CheckJSON(b []byte) error {
	c := checker{b: b}
	c.space()
	if err := c.value(0); err != nil {
		return err
	}
	c.space()
	if c.at < len(b) {
		return c.fail("something follows the value")
	}
	return nil
}

type checker struct {
	b  []byte
	at int
}

func (c *checker) fail(what string) error {
	return fmt.Errorf("%w: %s at octet %d", ErrJSON, what, c.at)
}

func (c *checker) space() {
	for c.at < len(c.b) {
		switch c.b[c.at] {
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return
		}
	}
}

func (c *checker) peek() byte {
	if c.at < len(c.b) {
		return c.b[c.at]
	}
	return 0
}

func (c *checker) value(depth int) error {
	switch b := c.peek(); {
	case c.at >= len(c.b):
		return c.fail("the text ends in the midst of a value")
	case depth >= MaxDepth && (b == '{' || b == '['):
		return c.fail("too many levels")
	case b == '{':
		return c.object(depth)
	case b == '[':
		return c.array(depth)
	case b == '"':
		_, err := c.text()
		return err
	case b == '-' || b >= '0' && b <= '9':
		return c.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(string(c.b[c.at:min(len(c.b), c.at+len(word))]), word) {
			c.at += len(word)
			return nil
		}
	}
	return c.fail("no value")
}

func (c *checker) array(depth int) error {
	c.at++
	if c.space(); c.peek() == ']' {
		c.at++
		return nil
	}
	for {
		c.space()
		if err := c.value(depth + 1); err != nil {
			return err
		}
		c.space()
		switch c.peek() {
		case ',':
			c.at++
		case ']':
			c.at++
			return nil
		default:
			return c.fail("an array goes on with neither comma nor bracket")
		}
	}
}

func (c *checker) object(depth int) error {
	c.at++
	if c.space(); c.peek() == '}' {
		c.at++
		return nil
	}
	names := make(map[string]struct{}, 8)
	for {
		c.space()
		if c.peek() != '"' {
			return c.fail("an object has no name where one should be")
		}
		name, err := c.text()
		if err != nil {
			return err
		}
		if _, twice := names[name]; twice {
			return c.fail("an object has a name twice")
		}
		names[name] = struct{}{}
		if c.space(); c.peek() != ':' {
			return c.fail("a name is not followed by a colon")
		}
		c.at++
		c.space()
		if err := c.value(depth + 1); err != nil {
			return err
		}
		c.space()
		switch c.peek() {
		case ',':
			c.at++
		case '}':
			c.at++
			return nil
		default:
			return c.fail("an object goes on with neither comma nor brace")
		}
	}
}

// text reads a string and gives what it says.
func (c *checker) text() (string, error) {
	c.at++
	start, plain := c.at, true
	for c.at < len(c.b) {
		switch b := c.b[c.at]; {
		case b == '"':
			raw := c.b[start:c.at]
			c.at++
			if plain {
				return string(raw), nil
			}
			return unescape(raw), nil
		case b < ' ':
			return "", c.fail("a control character in a string")
		case b == '\\':
			plain = false
			if err := c.escape(); err != nil {
				return "", err
			}
		case b < utf8.RuneSelf:
			c.at++
		default:
			r, n := utf8.DecodeRune(c.b[c.at:])
			if r == utf8.RuneError && n == 1 {
				return "", c.fail("not UTF-8")
			}
			c.at += n
		}
	}
	return "", c.fail("the text ends in the midst of a string")
}

func (c *checker) escape() error {
	if c.at+1 >= len(c.b) {
		return c.fail("the text ends in the midst of a string")
	}
	if b := c.b[c.at+1]; b != 'u' {
		if strings.IndexByte(`"\/bfnrt`, b) < 0 {
			return c.fail("an escape that is none")
		}
		c.at += 2
		return nil
	}
	r, ok := hex4(c.b[c.at:])
	switch {
	case !ok:
		return c.fail("an escape that is none")
	case r >= 0xdc00 && r < 0xe000:
		return c.fail("half of a surrogate pair")
	case r >= 0xd800 && r < 0xdc00:
		low, ok := hex4(c.b[min(len(c.b), c.at+6):])
		if !ok || low < 0xdc00 || low >= 0xe000 {
			return c.fail("half of a surrogate pair")
		}
		c.at += 6
	}
	c.at += 6
	return nil
}

// hex4 reads \uXXXX.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}

// unescape gives what a string says whose form was checked.
func unescape(raw []byte) string {
	var out strings.Builder
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out.WriteByte(raw[i])
			i++
			continue
		}
		switch c := raw[i+1]; c {
		case 'u':
			r, _ := hex4(raw[i:])
			i += 6
			if r >= 0xd800 && r < 0xdc00 {
				low, _ := hex4(raw[i:])
				r = (r-0xd800)<<10 + (low - 0xdc00) + 0x10000
				i += 6
			}
			out.WriteRune(r)
			continue
		case 'b':
			out.WriteByte('\b')
		case 'f':
			out.WriteByte('\f')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 't':
			out.WriteByte('\t')
		default:
			out.WriteByte(c)
		}
		i += 2
	}
	return out.String()
}

func (c *checker) digits() bool {
	start := c.at
	for b := c.peek(); b >= '0' && b <= '9'; b = c.peek() {
		c.at++
	}
	return c.at > start
}

func (c *checker) number() error {
	if c.peek() == '-' {
		c.at++
	}
	if c.peek() == '0' {
		c.at++
	} else if !c.digits() {
		return c.fail("a number that is none")
	}
	if c.peek() == '.' {
		c.at++
		if !c.digits() {
			return c.fail("a number that is none")
		}
	}
	if b := c.peek(); b == 'e' || b == 'E' {
		c.at++
		if b := c.peek(); b == '+' || b == '-' {
			c.at++
		}
		if !c.digits() {
			return c.fail("a number that is none")
		}
	}
	return nil
}

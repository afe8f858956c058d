package mtasts

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postrider/postrider/proto/addr"
)

// Bounds on a policy.
const (
	MaxPolicy = 64 << 10 // octets of the file (RFC 8461 3.3)
	MaxMX     = 256
	// MaxAge is the greatest max_age: a year and a day or so (RFC 8461 3.2).
	MaxAge = 31557600 * time.Second
)

// Mode says what becomes of mail that cannot be sent as the policy wants. RFC 8461 5.
type Mode string

// The modes of RFC 8461 3.2.
const (
	Enforce Mode = "enforce" // it is not sent to that host
	Testing Mode = "testing" // it is sent, and the domain is told
	None    Mode = "none"    // as if there were no policy
)

// Policy is the policy of a domain.
type Policy struct {
	Mode Mode
	// MX has the patterns that hosts must match, as A-labels in lower case: a name, or one whose first label is `*`.
	MX     []string
	MaxAge time.Duration // whole seconds
}

// ErrInvalid is given, with the reason, for a file that is no policy; ErrTooLarge for one beyond MaxPolicy.
var (
	ErrInvalid  = errors.New("the MTA-STS policy is not valid")
	ErrTooLarge = fmt.Errorf("%w: it is larger than 64 KiB", ErrInvalid)
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}

// ReadPolicy reads a policy file to its end, at most MaxPolicy octets. The errors are ErrInvalid and those of r.
func ReadPolicy(r io.Reader) (Policy, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxPolicy+1))
	if err != nil {
		return Policy{}, err
	}
	return ParsePolicy(string(raw))
}

// ParsePolicy reads a policy file: lines of `key: value` with CRLF or LF. Unknown keys are passed over, and of doubled ones (but mx)
// the first counts. RFC 8461 3.2.
func ParsePolicy(text string) (Policy, error) {
	if len(text) > MaxPolicy {
		return Policy{}, ErrTooLarge
	}
	var p Policy
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), " \t")
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok || !isExtensionName(key) || !isPolicyValue(value) {
			return Policy{}, invalid("%q is no line of a policy", clip(line))
		}
		if seen[key] && key != "mx" {
			continue
		}
		seen[key] = true
		if err := p.set(key, strings.TrimLeft(value, " \t")); err != nil {
			return Policy{}, err
		}
	}
	for _, key := range []string{"version", "mode", "max_age"} {
		if !seen[key] {
			return Policy{}, invalid("it has no %s", key)
		}
	}
	if len(p.MX) == 0 && p.Mode != None {
		return Policy{}, invalid("it names no mx")
	}
	return p, nil
}

func (p *Policy) set(key, value string) error {
	switch key {
	case "version":
		if value != "STSv1" {
			return invalid("its version is %q, not STSv1", clip(value))
		}
	case "mode":
		p.Mode = Mode(value)
		if p.Mode != Enforce && p.Mode != Testing && p.Mode != None {
			return invalid("its mode is %q, none of enforce, testing and none", clip(value))
		}
	case "max_age":
		seconds, err := strconv.ParseUint(value, 10, 64)
		if err != nil || len(value) > 10 {
			return invalid("its max_age is %q, no number of seconds", clip(value))
		}
		p.MaxAge = time.Duration(min(seconds, uint64(MaxAge/time.Second))) * time.Second
	case "mx":
		pattern, ok := normalPattern(value)
		switch {
		case !ok:
			return invalid("its mx %q is neither a name nor *.name", clip(value))
		case len(p.MX) == MaxMX:
			return invalid("it names more than %d mx", MaxMX)
		}
		p.MX = append(p.MX, pattern)
	}
	return nil
}

// isPolicyValue reports the value of a line: text in UTF-8 without control characters. RFC 8461 3.2.
func isPolicyValue(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func normalPattern(s string) (string, bool) {
	rest, wild := strings.CutPrefix(s, "*.")
	name, err := addr.NormalDomain(rest)
	if err != nil || strings.HasPrefix(name, "[") {
		return "", false
	}
	if wild {
		return "*." + name, true
	}
	return name, true
}

// String writes the policy as the file to serve, with CRLF. RFC 8461 3.2.
func (p Policy) String() string {
	var b strings.Builder
	b.WriteString("version: STSv1\r\nmode: " + string(p.Mode) + "\r\n")
	for _, mx := range p.MX {
		b.WriteString("mx: " + mx + "\r\n")
	}
	fmt.Fprintf(&b, "max_age: %d\r\n", min(p.MaxAge, MaxAge)/time.Second)
	return b.String()
}

// Lines gives the policy as a TLS report shows it. RFC 8460 4.4.
func (p Policy) Lines() []string {
	return strings.Split(strings.TrimSuffix(p.String(), "\r\n"), "\r\n")
}

// Check says whether a policy of ours can be published: as ParsePolicy would read it.
func (p Policy) Check() error {
	_, err := ParsePolicy(p.String())
	return err
}

// Match reports whether a host is one of those the policy names. A `*` stands for exactly one label. RFC 8461 4.1.
func (p Policy) Match(host string) bool {
	name, err := addr.NormalDomain(host)
	if err != nil || strings.HasPrefix(name, "[") {
		return false
	}
	for _, pattern := range p.MX {
		if suffix, wild := strings.CutPrefix(pattern, "*."); wild {
			if _, rest, ok := strings.Cut(name, "."); ok && rest == suffix {
				return true
			}
		} else if name == pattern {
			return true
		}
	}
	return false
}

// clip shortens what a stranger wrote, for a sentence.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

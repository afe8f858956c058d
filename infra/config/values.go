package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a count of octets, written "50MiB", "1.5 GB" or as a plain number.
type Size int64

var sizeUnits = []struct {
	name   string
	octets int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3},
	{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"B", 1},
}

// ParseSize reads a size. Letters of a unit may be in any case; "M" alone means MiB.
func ParseSize(s string) (Size, error) {
	text := strings.TrimSpace(s)
	factor := int64(1)
	for _, u := range sizeUnits {
		if len(text) > len(u.name) && strings.EqualFold(text[len(text)-len(u.name):], u.name) {
			text, factor = strings.TrimSpace(text[:len(text)-len(u.name)]), u.octets
			break
		}
	}
	bad := fmt.Errorf(`%q is not a size; write a number and a unit such as "50MiB"`, s)
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		if int64(n) > math.MaxInt64/factor {
			return 0, fmt.Errorf("%q is larger than any size can be", s)
		}
		return Size(int64(n) * factor), nil
	}
	if strings.Trim(text, "0123456789.") != "" { // no signs, exponents or words such as "inf"
		return 0, bad
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, bad
	}
	if f *= float64(factor); f >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is larger than any size can be", s)
	}
	return Size(f), nil
}

// UnmarshalText reads a size from a configuration file or a flag.
func (s *Size) UnmarshalText(text []byte) error {
	v, err := ParseSize(string(text))
	if err == nil {
		*s = v
	}
	return err
}

// String writes the size with the largest binary unit that divides it, so that ParseSize reads the same.
func (s Size) String() string {
	if s <= 0 {
		return strconv.FormatInt(int64(s), 10)
	}
	for _, u := range sizeUnits[:4] {
		if int64(s)%u.octets == 0 {
			return strconv.FormatInt(int64(s)/u.octets, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Duration is a length of time, written "90s", "4h", "1h30m", "5d" or "2w".
type Duration time.Duration

// Std is the duration as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

const day = 24 * time.Hour

// ParseDuration reads a length of time: Go's units, and d and w for days of 24 hours and weeks in front of them.
func ParseDuration(s string) (Duration, error) {
	rest := strings.TrimSpace(s)
	bad := fmt.Errorf(`%q is not a length of time; write a number and a unit such as "90s", "4h" or "5d"`, s)
	if rest == "0" {
		return 0, nil
	}
	var total time.Duration
	for _, u := range []struct {
		letter string
		length time.Duration
	}{{"w", 7 * day}, {"d", day}} {
		number, after, ok := strings.Cut(rest, u.letter)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 16)
		if err != nil {
			return 0, bad
		}
		total += time.Duration(n) * u.length
		if rest = strings.TrimSpace(after); rest == "" {
			return Duration(total), nil
		}
	}
	d, err := time.ParseDuration(strings.ReplaceAll(rest, " ", ""))
	switch {
	case err != nil:
		return 0, bad
	case d < 0:
		return 0, errors.New("a length of time cannot be negative")
	case d > math.MaxInt64-total:
		return 0, fmt.Errorf("%q is too long a time", s)
	}
	return Duration(total + d), nil
}

// UnmarshalText reads a length of time from a configuration file or a flag.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err == nil {
		*d = v
	}
	return err
}

// String writes the duration so that ParseDuration reads the same: "5d", "4h", "1h30m".
func (d Duration) String() string {
	t := time.Duration(d)
	if t == 0 {
		return "0"
	}
	if t >= day && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Addresses are places to listen on, each "host:port". In a file one may stand without brackets; "" is none.
type Addresses []string

// UnmarshalText takes a single address.
func (a *Addresses) UnmarshalText(text []byte) error {
	if *a = nil; len(text) > 0 {
		*a = Addresses{string(text)}
	}
	return nil
}

// TLSPolicy is how much encryption is asked of a host we hand mail to.
type TLSPolicy string

// The policies.
const (
	TLSNone          TLSPolicy = "none"          // never
	TLSOpportunistic TLSPolicy = "opportunistic" // where the host offers it; its certificate is not judged
	TLSRequire       TLSPolicy = "require"       // or the mail waits; the certificate is not judged
	TLSVerify        TLSPolicy = "verify"        // with a certificate valid for the host, or the mail waits
	TLSImplicit      TLSPolicy = "implicit"      // from the first octet, verified; smarthost only
)

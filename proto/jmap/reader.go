package jmap

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Reader takes arguments out of Args one by one. The first that is wrong is what End tells; after it nothing is read.
type Reader struct {
	Args Args
	seen []string
	err  error
}

// Get reads an argument into what to points at; one that is not there or null leaves it as it is.
func (r *Reader) Get(name string, to any) {
	r.seen = append(r.seen, name)
	raw := r.Args[name]
	if r.err != nil || IsNull(raw) {
		return
	}
	if err := Decode(raw, to); err != nil {
		r.err = fmt.Errorf("the argument %q is not what it should be: %w", name, err)
	}
}

// Must is Get for an argument that must be there.
func (r *Reader) Must(name string, to any) {
	if r.Get(name, to); r.err == nil && IsNull(r.Args[name]) {
		r.err = fmt.Errorf("the argument %q is missing", name)
	}
}

// Raw gives an argument as it is.
func (r *Reader) Raw(name string) json.RawMessage {
	r.seen = append(r.seen, name)
	return r.Args[name]
}

// End tells what was wrong; arguments that nobody asked for are.
func (r *Reader) End() error {
	if r.err != nil {
		return r.err
	}
	for name := range r.Args {
		if !slices.Contains(r.seen, name) {
			return fmt.Errorf("the argument %q is not known here", name)
		}
	}
	return nil
}

// Decode reads JSON into a Go value. The error says what was expected, in JMAP's words.
func Decode(raw json.RawMessage, to any) error {
	err := json.Unmarshal(raw, to)
	if err == nil {
		return nil
	}
	switch to.(type) {
	case *string:
		return fmt.Errorf("a string is expected")
	case *bool:
		return fmt.Errorf("true or false is expected")
	case *int64, **int64, *int, *Uint, **Uint:
		return fmt.Errorf("a whole number is expected")
	case *[]string, *IDs:
		return fmt.Errorf("a list of strings is expected")
	case *time.Time, **time.Time, *UTCDate, **UTCDate:
		return fmt.Errorf("a date such as 2014-10-30T06:12:00Z is expected")
	}
	return fmt.Errorf("it has another form")
}

// MaxInt is the greatest number of JMAP (RFC 8620 1.3).
const MaxInt = 1<<53 - 1

// Uint is an UnsignedInt (RFC 8620 1.3).
type Uint int64

// UnmarshalJSON refuses what is negative or beyond MaxInt.
func (u *Uint) UnmarshalJSON(b []byte) error {
	var n int64
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	if n < 0 || n > MaxInt {
		return fmt.Errorf("%d is no UnsignedInt", n)
	}
	*u = Uint(n)
	return nil
}

// IDs is a list of Ids.
type IDs []string

// UnmarshalJSON refuses what is no Id. A creation id, "#" and an Id, is let through: who knows the map of created ids replaces it.
func (l *IDs) UnmarshalJSON(b []byte) error {
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	for _, id := range list {
		if !ValidID(strings.TrimPrefix(id, "#")) {
			return fmt.Errorf("%q is no id", id)
		}
	}
	*l = list
	return nil
}

// UTCDate is a date and time in UTC (RFC 8620 1.4).
type UTCDate struct{ time.Time }

// UnmarshalJSON reads it; another zone than Z is refused.
func (d *UTCDate) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	t, err := ParseUTCDate(s)
	d.Time = t
	return err
}

// ParseUTCDate reads a UTCDate.
func ParseUTCDate(s string) (time.Time, error) {
	if !strings.HasSuffix(s, "Z") {
		return time.Time{}, fmt.Errorf("%q is no date in UTC", s)
	}
	return ParseDate(s)
}

// ParseDate reads a Date (RFC 8620 1.4), which keeps its zone: RFC 3339 with capital T and Z, and without a fraction that is zero.
func ParseDate(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || strings.ContainsAny(s, "tz,") {
		return time.Time{}, fmt.Errorf("%q is no date", s)
	}
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, fmt.Errorf("%q lies beyond what a date can be", s)
	}
	return t, nil
}

// FormatUTC writes a UTCDate, seconds whole.
func FormatUTC(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// FormatDate writes a Date in the zone it has.
func FormatDate(t time.Time) string { return t.Format("2006-01-02T15:04:05Z07:00") }

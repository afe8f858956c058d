package message

import (
	"strings"
	"time"
)

// FormatDate writes a time for a Date field (RFC 5322 3.3).
func FormatDate(t time.Time) string { return t.Format("Mon, 02 Jan 2006 15:04:05 -0700") }

// ParseDate reads the value of a Date field (RFC 5322 3.3) and much that is found in its place: obsolete zones and
// short years (RFC 5322 4.3), comments, no day name, no seconds, the orders of asctime and of RFC 3339, the
// date of a Received field. A zone nobody knows, and none, count as UTC. ok is false where no date can be told.
func ParseDate(value string) (t time.Time, ok bool) {
	const maxDate = 1000
	if len(value) > maxDate {
		value = value[len(value)-maxDate:]
	}
	if i := strings.LastIndexByte(value, ';'); i >= 0 {
		value = value[i+1:]
	}
	d := dateParser{year: -1}
	var words [12]string
	for _, w := range dateWords(words[:0], value) {
		if !d.word(w) {
			return time.Time{}, false
		}
	}
	return d.time()
}

// dateWords cuts a value at space and commas and leaves comments out.
func dateWords(words []string, s string) []string {
	for at := 0; at < len(s) && len(words) < cap(words); {
		switch s[at] {
		case ' ', '\t', '\r', '\n', ',':
			at++
		case '(':
			at = skipComment(s, at)
		default:
			end := at + 1
			for end < len(s) && strings.IndexByte(" \t\r\n,(", s[end]) < 0 {
				end++
			}
			words = append(words, s[at:end])
			at = end
		}
	}
	return words
}

// dateParser gathers the pieces of a date as they come.
type dateParser struct {
	day, month, year  int // year -1: not yet
	hour, minute, sec int
	hasTime           bool
	zone              *time.Location
}

// word takes the next word; false means this is no date.
func (d *dateParser) word(w string) bool {
	switch {
	case d.zone != nil:
		return true // what follows the zone tells nothing
	case d.day == 0 && len(w) >= 8 && strings.Count(w, "-") >= 2:
		return d.dashed(w)
	case !d.hasTime && strings.IndexByte(w, ':') > 0:
		return d.clock(w)
	case isDigits(w):
		return d.number(w)
	case d.hasTime && d.year >= 0:
		d.zone = parseZone(w)
		return true
	}
	if m := monthNumber(w); m > 0 && d.month == 0 {
		d.month = m
		return true
	}
	if d.hasTime { // asctime has the zone, if any, before the year
		if z := parseZone(w); z != time.UTC || strings.EqualFold(w, "GMT") || strings.EqualFold(w, "UTC") {
			d.zone = z
			if d.year < 0 {
				d.zone = nil
			}
			return true
		}
		return false
	}
	return d.day == 0 && d.month == 0 && isDayName(w)
}

// number takes a day, a month or a year, whichever is due.
func (d *dateParser) number(w string) bool {
	if len(w) > 4 {
		return d.hasTime // a zone that tells nothing
	}
	n := decimal(w)
	switch {
	case d.day == 0 && len(w) <= 2:
		d.day = n
		return n > 0
	case d.month == 0:
		d.month = n
		return n > 0 && n <= 12
	case d.year < 0:
		d.year = fullYear(n, len(w))
	}
	return true
}

// fullYear completes a short year (RFC 5322 4.3).
func fullYear(n, digits int) int {
	switch {
	case digits <= 2 && n < 50:
		return n + 2000
	case digits <= 3:
		return n + 1900
	}
	return n
}

// dashed takes 2026-11-24, maybe with T and a time behind it, or 24-Nov-2026.
func (d *dateParser) dashed(w string) bool {
	parts := strings.SplitN(w, "-", 3)
	day, month, year, clock := parts[0], parts[1], parts[2], ""
	if len(parts[0]) == 4 {
		year = parts[0]
		day, clock, _ = strings.Cut(parts[2], "T")
	}
	if !isDigits(day) || len(day) > 2 || !isDigits(year) || len(year) > 4 {
		return false
	}
	if d.month = monthNumber(month); d.month == 0 && isDigits(month) && len(month) <= 2 {
		d.month = decimal(month)
	}
	d.day, d.year = decimal(day), fullYear(decimal(year), len(year))
	if clock != "" {
		if end := strings.IndexAny(clock, "Zz+-"); end >= 0 {
			d.zone, clock = parseZone(clock[end:]), clock[:end]
		}
		return d.clock(clock)
	}
	return true
}

// decimal reads a few digits.
func decimal(s string) (n int) {
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// clock takes 10:52, 10:52:37 or 10:52:37.123.
func (d *dateParser) clock(w string) bool {
	w, _, _ = strings.Cut(w, ".")
	parts := [3]int{}
	n := 0
	for p := range strings.SplitSeq(w, ":") {
		if n == 3 || len(p) > 2 || !isDigits(p) {
			return false
		}
		parts[n] = decimal(p)
		n++
	}
	d.hour, d.minute, d.sec, d.hasTime = parts[0], parts[1], parts[2], true
	return n >= 2 && d.hour < 24 && d.minute < 60 && d.sec <= 60 // 60 is a leap second
}

func (d *dateParser) time() (time.Time, bool) {
	if d.day < 1 || d.day > 31 || d.month < 1 || d.month > 12 || d.year < 0 || d.year > 9999 || !d.hasTime {
		return time.Time{}, false
	}
	zone := d.zone
	if zone == nil {
		zone = time.UTC
	}
	t := time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.sec, 0, zone)
	if day := time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC); day.Day() != d.day {
		return time.Time{}, false // there is no such day in that month
	}
	return t, true
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

const monthNames = "janfebmaraprmayjunjulaugsepoctnovdec"

// monthNumber reads a month by its English name or the first three letters of it.
func monthNumber(w string) int {
	w = strings.TrimSuffix(w, ".")
	if len(w) < 3 || len(w) > 9 {
		return 0
	}
	short := strings.ToLower(w[:3])
	for i := 0; i < len(monthNames); i += 3 {
		if monthNames[i:i+3] != short {
			continue
		}
		if full := time.Month(i/3 + 1).String(); len(w) <= len(full) && strings.EqualFold(full[:len(w)], w) {
			return i/3 + 1
		}
		return 0
	}
	return 0
}

// isDayName takes whatever looks like a day's name, in any language: it tells nothing that is not told again.
func isDayName(w string) bool {
	w = strings.TrimSuffix(w, ".")
	for i := range len(w) {
		if c := lower(w[i]); (c < 'a' || c > 'z') && c < 0x80 {
			return false
		}
	}
	return len(w) >= 2 && len(w) <= 24
}

// zoneHours are the zones of RFC 5322 4.3 and some of the most used others. Where a name has
// several meanings it is left out.
var zoneHours = map[string]int{
	"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
	"AST": -4, "AKST": -9, "AKDT": -8, "HST": -10, "WET": 0, "WEST": 1, "CET": 1, "MET": 1, "MEZ": 1, "CEST": 2, "MEST": 2, "MESZ": 2,
	"EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "HKT": 8, "SGT": 8, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}

// parseZone reads +0200, +02:00 or a name. The letters of the military are taken as -0000, because RFC 822
// defined them wrongly (RFC 5322 4.3).
func parseZone(w string) *time.Location {
	if w[0] == '+' || w[0] == '-' {
		digits := strings.Replace(w[1:], ":", "", 1)
		if len(digits) < 4 || !isDigits(digits[:4]) {
			return time.UTC
		}
		hours, minutes := int(digits[0]-'0')*10+int(digits[1]-'0'), int(digits[2]-'0')*10+int(digits[3]-'0')
		offset := hours*3600 + minutes*60
		if offset >= 24*3600 || minutes > 59 || offset == 0 {
			return time.UTC
		}
		if w[0] == '-' {
			offset = -offset
		}
		return time.FixedZone("", offset)
	}
	name := strings.ToUpper(w[:min(len(w), 8)])
	hours, ok := zoneHours[name]
	if !ok && len(name) > 3 && name[3] >= '0' && name[3] <= '9' {
		hours, ok = zoneHours[name[:3]] // EST5EDT
	}
	if !ok || hours == 0 {
		return time.UTC
	}
	return time.FixedZone("", hours*3600)
}

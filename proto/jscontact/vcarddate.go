package jscontact

import (
	"fmt"
	"strings"
	"time"
)

// parseTime reads a timestamp in UTC.
func parseTime(s string) (string, bool) {
	for _, form := range []string{"20060102T150405Z", "20060102T150405Z0700", time.RFC3339, "20060102T150405", "2006-01-02T15:04:05", "20060102", "2006-01-02"} {
		if t, err := time.Parse(form, strings.TrimSpace(s)); err == nil && t.Year() > 0 {
			return t.UTC().Format("2006-01-02T15:04:05Z"), true
		}
	}
	return "", false
}

// parseDate reads a date, whole or in part (RFC 6350 4.3.1).
func parseDate(s string) (map[string]any, bool) {
	s = strings.TrimSpace(s)
	if t, ok := strings.CutSuffix(s, "Z"); ok && strings.Contains(t, "T") {
		if utc, ok := parseTime(s); ok {
			return map[string]any{"@type": "Timestamp", "utc": utc}, true
		}
	}
	date, _, _ := strings.Cut(s, "T")
	for form, has := range map[string]string{"20060102": "ymd", "2006-01-02": "ymd", "2006-01": "ym", "2006": "y", "--0102": "md", "--01-02": "md"} {
		base := date
		if has == "md" { // a year with a 29th of February
			form, base = "2006"+form, "2000"+date
		}
		t, err := time.Parse(form, base)
		if err != nil {
			continue
		}
		o := map[string]any{}
		for _, p := range []struct {
			letter, name string
			n            int
		}{{"y", "year", t.Year()}, {"m", "month", int(t.Month())}, {"d", "day", t.Day()}} {
			if strings.Contains(has, p.letter) {
				o[p.name] = p.n
			}
		}
		return o, true
	}
	return nil, false
}

// formatDate writes a date, whole or in part.
func formatDate(o map[string]any, v Version) string {
	if utc := str(o["utc"]); utc != "" {
		return strings.NewReplacer("-", "", ":", "").Replace(utc)
	}
	year, month, day := whole(o["year"]), whole(o["month"]), whole(o["day"])
	sep := ""
	if v == V3 {
		sep = "-"
	}
	switch {
	case year >= 0 && month > 0 && day > 0:
		return fmt.Sprintf("%04d%s%02d%s%02d", year, sep, month, sep, day)
	case year >= 0 && month > 0:
		return fmt.Sprintf("%04d-%02d", year, month)
	case year >= 0:
		return fmt.Sprintf("%04d", year)
	}
	return fmt.Sprintf("--%02d%s%02d", month, sep, day)
}

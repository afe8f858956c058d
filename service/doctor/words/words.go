// Package words puts into sentences what the doctor found, and what others wrote.
//
// It takes texts of strangers, errors, times and lists from service/doctor, and hands back pieces of sentences. Invariants: what comes from
// outside is printable and bounded (Plain, Reason, List, Names); nothing ends with a full stop.
package words

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const maxQuote = 160 // octets of what others wrote

// Plain makes what others wrote fit for a sentence: printable, and not long.
func Plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(Cut(s, 2*maxQuote), " "))
	if len(s) > maxQuote {
		s = strings.ToValidUTF8(s[:maxQuote], "") + "…"
	}
	return strings.TrimSpace(s)
}

// Cut is at most the first n octets, and no half letter.
func Cut(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// List joins values for a sentence, and no more than a few of them: "a, b and c".
func List[T fmt.Stringer](all []T) string {
	words := make([]string, len(all))
	for i, v := range all {
		words[i] = v.String()
	}
	return Names(words)
}

// Names joins names for a sentence, and no more than a few of them.
func Names(all []string) string {
	const most = 6
	var words []string
	for i, s := range all {
		if i == most {
			words = append(words, fmt.Sprintf("%d more", len(all)-most))
			break
		}
		words = append(words, Plain(s))
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// Reason is why something failed.
func Reason(err error) string {
	switch {
	case err == nil:
		return "there was no answer"
	case errors.Is(err, context.DeadlineExceeded):
		return "there was no answer in time"
	}
	return Bare(err.Error())
}

// Bare is a sentence of others without the stop at its end.
func Bare(s string) string { return strings.TrimRight(Plain(s), ". ") }

// Upper begins with a capital.
func Upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Plural is "1 key" or "2 keys".
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Span is a duration as people say it.
func Span(d time.Duration) string {
	day := 24 * time.Hour
	switch {
	case d >= 2*day:
		return Plural(int(d/day), "day")
	case d >= 2*time.Hour:
		return Plural(int(d/time.Hour), "hour")
	case d >= 2*time.Minute:
		return Plural(int(d/time.Minute), "minute")
	}
	return Plural(int(d/time.Second), "second")
}

// Day is a date.
func Day(t time.Time) string { return t.UTC().Format("2 January 2006") }

package words

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestSentences(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		Plain("a\x00b\r\n\x1b[1mc\xff"):                       "a b   [1mc",
		Plain(strings.Repeat("é", 500)):                       strings.Repeat("é", maxQuote/2) + "…",
		Names(nil):                                            "",
		Names([]string{"a"}):                                  "a",
		Names([]string{"a", "b", "c"}):                        "a, b and c",
		Names(strings.Split("abcdefgh", "")):                  "a, b, c, d, e, f and 2 more",
		Reason(nil):                                           "there was no answer",
		Reason(fmt.Errorf("x: %w", context.DeadlineExceeded)): "there was no answer in time",
		Reason(errors.New("it broke. ")):                      "it broke",
		Upper(""):                                             "",
		Upper("the clock"):                                    "The clock",
		Span(90 * time.Second):                                "90 seconds",
		Span(time.Second):                                     "1 second",
		Span(3 * time.Minute):                                 "3 minutes",
		Span(26 * time.Hour):                                  "26 hours",
		Span(72 * time.Hour):                                  "3 days",
		Day(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)):      "1 March 2026",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("a\x00\xff" + strings.Repeat("é", 300))
	f.Fuzz(func(t *testing.T, s string) {
		got := Plain(s)
		if !utf8.ValidString(got) || len(got) > maxQuote+3 || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%q", got)
		}
	})
}

package message_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/message"
)

// RFC 5322 3.3, RFC 5322 4.3
func TestParseDate(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Tue, 1 Jul 2003 10:52:37 +0200":           "2003-07-01T10:52:37+02:00",
		"1 Jul 2003 10:52 +0200":                   "2003-07-01T10:52:00+02:00",
		"Tue,1 Jul 2003 10:52:37 -0730 (a (b) c)":  "2003-07-01T10:52:37-07:30",
		"Thu, 13\r\n Feb\r\n 1969 23:32 -0330 (x)": "1969-02-13T23:32:00-03:30",
		"21 Nov 97 09:55:06 GMT":                   "1997-11-21T09:55:06Z",
		"21 Nov 49 09:55:06 GMT":                   "2049-11-21T09:55:06Z",
		"21 Nov 103 09:55:06 GMT":                  "2003-11-21T09:55:06Z",
		"Sun, 27 Oct 2002 23:57:07 EST":            "2002-10-27T23:57:07-05:00",
		"Sun, 27 Oct 2002 23:57:07 A":              "2002-10-27T23:57:07Z",
		"Sun, 27 Oct 2002 23:57:07 Nowhere":        "2002-10-27T23:57:07Z",
		"Sun, 27 Oct 2002 23:57:07":                "2002-10-27T23:57:07Z",
		"Sun, 27 Oct 2002 23:57:07 -0000":          "2002-10-27T23:57:07Z",
		"Sun, 27 October 2002 23:57:07.123 +01:00": "2002-10-27T23:57:07+01:00",
		"Sun Oct 27 23:57:07 2002":                 "2002-10-27T23:57:07Z",
		"Sun Oct 27 23:57:07 CET 2002":             "2002-10-27T23:57:07Z",
		"2002-10-27 23:57:07 +0100":                "2002-10-27T23:57:07+01:00",
		"2002-10-27T23:57:07+01:00":                "2002-10-27T23:57:07+01:00",
		"2002-10-27T23:57:07.5Z":                   "2002-10-27T23:57:07Z",
		"27-Oct-2002 23:57:07 +0100":               "2002-10-27T23:57:07+01:00",
		"Oct 27, 2002 23:57:07 +0100":              "2002-10-27T23:57:07+01:00",
		"Fri, 31 Dec 1999 23:59:60 GMT":            "2000-01-01T00:00:00Z",
		"from a by b; 21 Nov 97 09:55:06 GMT":      "1997-11-21T09:55:06Z",
		"Thu, 29 Feb 2024 00:00:00 +0000":          "2024-02-29T00:00:00Z",
		"dom, 27 Oct 2002 23:57:07 +0100":          "2002-10-27T23:57:07+01:00",
	} {
		got, ok := message.ParseDate(in)
		if !ok || got.Format(time.RFC3339) != want {
			t.Errorf("ParseDate(%q) = %v, %v; want %s", in, got.Format(time.RFC3339), ok, want)
		}
	}
	for _, in := range []string{
		"", "x", "Tue, 31 Feb 2003 10:52:37 +0200", "0 Jan 2003 10:00:00 GMT", "32 Jan 2003 10:00 GMT", "1 Foo 2003 10:00 GMT", "1 Jan 2003", "1 Jan 2003 25:00 GMT",
		"1 Jan 2003 10:60 GMT", "1 13 2003 10:00 GMT", "Jan", "10:00", "1 Jan 20030 10:00 GMT", "-", "--", "1--2", "2002-13-01 10:00:00", "2002-10-27T", "1 Jan 2003 ::", strings.Repeat("(", 100000),
		"a-b-c 10:00", "2002-10-27T1-1", "99-99-99",
	} {
		if got, ok := message.ParseDate(in); ok {
			t.Errorf("ParseDate(%q) = %v, want none", in, got)
		}
	}
}

// Deviations from the shared cases, by a piece of their header.
var dateDeviates = map[string]string{
	" 4 8 15 16 23 42":     "numbers without colons are no time",
	"((invalid)\ncomment)": "a comment over a line end that is no folding is read all the same",
}

func TestDatesOfOthers(t *testing.T) {
	t.Parallel()
	for _, c := range sharedJSON[struct {
		Header   string
		Expected *struct {
			Year, Month, Day, Hour, Minute, Second int
			TZBeforeGMT                            bool `json:"tz_before_gmt"`
			TZHour                                 int  `json:"tz_hour"`
			TZMinute                               int  `json:"tz_minute"`
		}
	}](t, "header-parsing/date.json") {
		if _, ok := deviation(dateDeviates, c.Header); ok {
			continue
		}
		got, ok := message.ParseDate(c.Header)
		if w := c.Expected; w == nil {
			if ok {
				t.Errorf("%q: %v, want none", c.Header, got)
			}
			continue
		}
		w := c.Expected
		offset := w.TZHour*3600 + w.TZMinute*60
		if w.TZBeforeGMT {
			offset = -offset
		}
		want := time.Date(w.Year, time.Month(w.Month), w.Day, w.Hour, w.Minute, w.Second, 0, time.FixedZone("", offset))
		if !ok || got.Format(time.RFC3339) != want.Format(time.RFC3339) {
			t.Errorf("%q: %v %v, want %v", c.Header, got, ok, want)
		}
	}
}

func TestFormatDate(t *testing.T) {
	t.Parallel()
	if got := message.FormatDate(time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", -3600))); got != "Fri, 02 Jan 2026 03:04:05 -0100" {
		t.Error(got)
	}
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-2e9, 2e11).Draw(t, "sec"), 0).In(time.FixedZone("", 60*rapid.IntRange(-1439, 1439).Draw(t, "zone")))
		text := message.FormatDate(at)
		if got, ok := message.ParseDate(text); !ok || !got.Equal(at) || message.FormatDate(got) != text {
			t.Fatalf("%s came back as %v", text, got)
		}
	})
}

// RFC 5322 3.6.4
func TestParseMessageIDs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                            "",
		"<a@b>":                       "a@b",
		"<a@b> <c@d>\t<e@f>":          "a@b|c@d|e@f",
		"<a@b><c@d>":                  "a@b|c@d",
		"Your mail of Monday <a@b> x": "a@b",
		"<<a@b>>":                     "a@b",
		"<>":                          "",
		"a@b":                         "a@b",
		"words of someone":            "",
		"<a b@c>":                     "ab@c",
		"<a@b":                        "a@b",
		"<a@b> <c@d":                  "a@b",
	} {
		if got := strings.Join(message.ParseMessageIDs(in), "|"); got != want {
			t.Errorf("ParseMessageIDs(%q) = %q, want %q", in, got, want)
		}
	}
	if got := message.ParseMessageIDs(strings.Repeat("<a@b>", 5000) + "<last@x>"); len(got) != 1000 || got[999] != "last@x" {
		t.Errorf("%d identifiers are kept", len(got))
	}
	for in, want := range map[string]string{"a@b": "<a@b>", "<a@b>": "<a@b>", "<<a@b>>": "<a@b>", "a\r\nb@c": "<ab@c>"} {
		if got := message.FormatMessageID(in); got != want {
			t.Errorf("FormatMessageID(%q) = %q", in, got)
		}
	}
}

func TestMessageIDsOfOthers(t *testing.T) {
	t.Parallel()
	for _, c := range sharedJSON[struct {
		Header   string
		Expected []string
	}](t, "header-parsing/id.json") {
		if strings.Contains(c.Header, "\n\n") {
			continue // the case ends at an empty line
		}
		want := c.Expected
		for i := range want {
			want[i] = strings.ReplaceAll(want[i], " ", "") // we take space out
		}
		if got := message.ParseMessageIDs(c.Header); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q: %q, want %q", c.Header, got, want)
		}
	}
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{"Tue, 1 Jul 2003 10:52:37 +0200", "2002-10-27T23:57:07Z", "Sun Oct 27 23:57:07 CET 2002", "27-Oct-2002 1:1 EST5EDT", "1 1 1 1:1 +9959"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := message.ParseDate(s)
		if !ok {
			return
		}
		if back, ok := message.ParseDate(message.FormatDate(got)); !ok || !back.Equal(got) {
			t.Fatalf("%q gives %v, which comes back as %v", s, got, back)
		}
	})
}

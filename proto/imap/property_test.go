package imap

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestUTF7 shows the examples of RFC 3501 5.1.3, and that there is one spelling of every name.
func TestUTF7(t *testing.T) {
	t.Parallel()
	for plain, coded := range map[string]string{"~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "R&D": "R&-D", "😀": "&2D3eAA-", "": ""} {
		if got := EncodeUTF7(plain); got != coded {
			t.Errorf("%q is %q, want %q", plain, got, coded)
		}
		if got, err := DecodeUTF7(coded); err != nil || got != plain {
			t.Errorf("%q is %q (%v), want %q", coded, got, err, plain)
		}
	}
	for _, bad := range []string{"&", "&Jjo", "&U,BTFw-&ZeVnLIqe-", "&AGE-", "&2D0-", "a\x80", "&AA-", "&***-", "&2D3-", "&-&"} {
		if got, err := DecodeUTF7(bad); err == nil {
			t.Errorf("%q is taken as %q", bad, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "name")
		got, err := DecodeUTF7(EncodeUTF7(s))
		if err != nil || got != s {
			t.Fatalf("%q came back as %q, %v", s, got, err)
		}
	})
}

// TestDecodeMailbox shows how names are taken (RFC 9051 5.1, RFC 9755 3).
func TestDecodeMailbox(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		utf8 bool
		want string
	}{{"iNbOx", false, "INBOX"}, {"inbox/a", true, "INBOX/a"}, {"inboxes", false, "inboxes"}, {"A\u0308", true, "Ä"}, {"&AEEDCA-", false, "!"},
		{"Entw\u00fcrfe", false, "Entwürfe"}, {"a&b", true, "a&b"}, {"a&b", false, "!"}, {"a\tb", true, "!"}, {"\xff", true, "!"}} {
		got, err := DecodeMailbox(c.in, c.utf8)
		if err != nil {
			got = "!"
		}
		if got != c.want {
			t.Errorf("%q (%v): %q, want %q", c.in, c.utf8, got, c.want)
		}
	}
}

// TestNumSet shows sets against a model: numbers one by one (RFC 9051 9 sequence-set).
func TestNumSet(t *testing.T) {
	t.Parallel()
	number := rapid.OneOf(rapid.Uint32Range(1, 40), rapid.Just(Star))
	rapid.Check(t, func(t *rapid.T) {
		largest := rapid.Uint32Range(0, 30).Draw(t, "largest")
		var s NumSet
		want := map[uint32]bool{}
		for range rapid.IntRange(1, 8).Draw(t, "ranges") {
			a, b := number.Draw(t, "a"), number.Draw(t, "b")
			r := Range{min(a, b), max(a, b)}
			s.Ranges = append(s.Ranges, r)
			if r.Last == Star && largest == 0 {
				continue
			}
			if r.First == Star {
				r.First = largest
			}
			if r.Last == Star {
				r.Last = largest
			}
			for n := min(r.First, r.Last); n <= max(r.First, r.Last); n++ {
				want[n] = true
			}
		}
		got := s.Resolve(largest)
		for n := uint32(1); n <= 50; n++ {
			if Contains(got, n) != want[n] {
				t.Fatalf("%v of %d: %v, %d is wrong", s, largest, got, n)
			}
		}
		var rebuilt []Range
		for n := uint32(1); n <= 50; n++ {
			if want[n] {
				rebuilt = AppendNumber(rebuilt, n)
			}
		}
		if FormatRanges(rebuilt) != FormatRanges(got) {
			t.Fatalf("%v and %v", rebuilt, got)
		}
		if len(got) > 0 {
			_, a, d, _ := read("A COPY "+FormatRanges(got)+" x\r\n", testLimits)
			if d.Err() != nil || !slices.Equal(a.(*Copy).Set.Ranges, got) {
				t.Fatalf("%v was read as %v, %v", got, a, d.Err())
			}
		}
	})
}

// TestMatch shows patterns of LIST (RFC 9051 6.3.9).
func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{{"*", "a/b", true}, {"%", "a/b", false}, {"%", "a", true}, {"a/%", "a/b", true}, {"a%", "a/b", false}, {"%/%", "a/b", true},
		{"*b", "a/b", true}, {"a*c", "abbc", true}, {"", "", true}, {"", "a", false}, {"a", "b", false}, {"%a%", "bab", true}, {"*/c", "a/b/c", true},
		{"%/c", "a/b/c", false}, {"%b", "a/b", false}} {
		if got := Match(c.pattern, c.name, "/"); got != c.want {
			t.Errorf("%q and %q: %v", c.pattern, c.name, got)
		}
	}
	// Patterns that make backtracking matchers slow.
	if Match(strings.Repeat("*a", 400), strings.Repeat("a", 399), "/") {
		t.Error("matched")
	}
}

// TestStrings shows that what an Encoder writes as a string is read back as it was.
func TestStrings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := strings.ReplaceAll(rapid.String().Draw(t, "s"), "\x00", "")
		utf8 := rapid.Bool().Draw(t, "utf8")
		var coded string
		e, flush := testEncoder(&coded, utf8)
		e.String(s)
		flush()
		if !utf8 && coded[0] == '"' && strings.IndexFunc(coded, func(r rune) bool { return r > 0x7e }) >= 0 && !strings.Contains(coded, "\x7f") {
			t.Fatalf("raw UTF-8 in quotes: %q", coded)
		}
		_, a, d, _ := read("A GETQUOTA "+coded+"\r\n", Limits{Line: 1 << 20, Literal: 1 << 20, Depth: 1, Items: 1})
		if d.Err() != nil || a.(*GetQuota).Root != s {
			t.Fatalf("%q was written as %q and read as %v, %v", s, coded, a, d.Err())
		}
		if name := EncodeUTF7(s); name != "" {
			coded = ""
			e, flush = testEncoder(&coded, false)
			e.Mailbox(s)
			flush()
			if strings.ContainsAny(coded, "\r\n") {
				t.Fatalf("%q is a mailbox as %q", s, coded)
			}
		}
	})
}

package mta_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mta"
)

func TestOneLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"550 5.1.1 No such user", "550 5.1.1 No such user"},
		{"  550\r\n\tno\x00way ", "550 no way"},
		{"bad \xff byte", "bad ? byte"},
		{"line\u2028break\u0085", "line break"},
		{"", ""},
		{strings.Repeat("x", 600), strings.Repeat("x", 500) + "..."},
	} {
		if got := mta.OneLine(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

// Whatever a host says, it stays one bounded line, and is found again in the reason.
func TestSaidIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := string(rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "words"))
		reason := mta.Said("mx.example[192.0.2.1]", words)
		if strings.ContainsAny(reason, "\r\n\x00") || !utf8.ValidString(reason) || len(reason) > 600 {
			t.Fatalf("reason %q", reason)
		}
		host, reply, ok := mta.ParseSaid(reason)
		if !ok || host != "mx.example" || reply != mta.OneLine(words) {
			t.Fatalf("%q reads as %q, %q, %v", reason, host, reply, ok)
		}
		if again := mta.OneLine(reply); again != reply && !strings.HasSuffix(reply, "...") {
			t.Fatalf("%q becomes %q", reply, again)
		}
	})
	if _, _, ok := mta.ParseSaid("the domain does not exist"); ok {
		t.Error("our own sentence is taken for a remote's")
	}
}

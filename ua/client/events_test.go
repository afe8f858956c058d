package client

import (
	"errors"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEventBounds: an event that never ends is cut.
func TestEventBounds(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{"a line": strings.Repeat("x", maxEvent+1), "lines": strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 300)} {
		if err := readEvents(strings.NewReader(in), func(string, string, string) { t.Error(name, "gave an event") }); !errors.Is(err, errLongEvent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzEvents reads what a server may send: it ends, and what it gives is bounded.
func FuzzEvents(f *testing.F) {
	f.Add("event: state\nid: 1\ndata: {}\n\n")
	f.Add(": hello\r\n\r\ndata\ndata:x\n\nid: \x00\n")
	f.Fuzz(func(t *testing.T, in string) {
		err := readEvents(strings.NewReader(in), func(kind, id, data string) {
			if len(data) > maxEvent+1 || strings.Contains(kind+id, "\n") {
				t.Errorf("%q %q %q", kind, id, data)
			}
		})
		if !errors.Is(err, io.EOF) && !errors.Is(err, errLongEvent) {
			t.Error(err)
		}
	})
}

// FuzzWords makes anything harmless.
func FuzzWords(f *testing.F) {
	f.Add("x \x1b[31m \u009b \u202e \n")
	f.Fuzz(func(t *testing.T, in string) {
		if out := words(in); strings.ContainsAny(out, "\x1b\n\r\x07\u009b\u202e\u2066") || len(out) > 4*maxWords+8 {
			t.Errorf("%q", out)
		}
	})
}

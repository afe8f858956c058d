package proxy

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// TestCacheBound keeps no more than it may, and what was used last.
func TestCacheBound(t *testing.T) {
	t.Parallel()
	c := newCache(10_000)
	now := time.Unix(0, 0)
	for i := range 100 {
		c.put(fmt.Sprint(i), entry{picture: picture{"x", make([]byte, 1000)}, until: now.Add(time.Hour)})
		if _, ok := c.get("0", now); !ok && i < 3 {
			t.Errorf("%d: what is used was dropped", i)
		}
		if c.held > c.most || c.held < 0 || len(c.byKey) != c.order.Len() {
			t.Fatalf("%d octets of %d, %d keys of %d", c.held, c.most, len(c.byKey), c.order.Len())
		}
	}
	if _, ok := c.get("0", now); !ok {
		t.Error("what was used all the time was dropped")
	}
	if _, ok := c.get("99", now.Add(time.Hour)); ok {
		t.Error("what is old was given")
	}
	c.put("too large", entry{picture: picture{"x", make([]byte, 20_000)}, until: now.Add(time.Hour)})
	if _, ok := c.get("too large", now); ok || c.held != 0 {
		t.Error("what is larger than the cache stayed")
	}
}

// FuzzLook holds the reader of pictures to its word, whatever it is given.
func FuzzLook(f *testing.F) {
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Add(blank.octets)
	f.Add([]byte("RIFF\x24\x00\x00\x00WEBPVP8 \x18\x00\x00\x000\x01\x00\x9d\x01\x2a\x40\x00\x30\x00"))
	f.Add([]byte("\x00\x00\x00\x1cftypavif\x00\x00\x00\x00mif1avifmiaf\x00\x00\x00\x14ispe\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := look(b)
		if err == nil && (p.kind == "" || bytes.HasPrefix(bytes.TrimSpace(p.octets), []byte("<"))) {
			t.Errorf("%q is taken for %q", b, p.kind)
		}
	})
}

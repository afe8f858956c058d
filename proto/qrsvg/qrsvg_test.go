package qrsvg

import (
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"rsc.io/qr"
)

// TestDraw draws what the code has, module for module, and nothing that a page could run.
func TestDraw(t *testing.T) {
	t.Parallel()
	const text = `otpauth://totp/x:ann@one.example?secret=AAAA&issuer="><script>`
	svg, err := Draw(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal([]byte(svg), new(struct{ XMLName xml.Name })); err != nil || strings.Contains(svg, "script") {
		t.Errorf("%v: %s", err, svg)
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[[2]int]bool{}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(svg, -1) {
		var x, y, n, back int
		fmt.Sscan(strings.Join(m[1:], " "), &x, &y, &n, &back)
		if n != back {
			t.Errorf("%s is no rectangle", m[0])
		}
		for i := range n {
			drawn[[2]int{x + i - margin, y - margin}] = true
		}
	}
	for y := -margin; y < code.Size+margin; y++ {
		for x := -margin; x < code.Size+margin; x++ {
			if drawn[[2]int{x, y}] != code.Black(x, y) {
				t.Fatalf("the module %d, %d is wrong", x, y)
			}
		}
	}
	if _, err := Draw(strings.Repeat("x", 5000)); !errors.Is(err, ErrTooLong) {
		t.Errorf("a text of 5000 octets: %v", err)
	}
}

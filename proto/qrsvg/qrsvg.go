// Package qrsvg draws QR codes (ISO/IEC 18004) as SVG that can stand inside a page: paths and numbers only, no script, no style, no reference.
//
// It takes a text and hands out the picture; whoever shows one (ua/account for second factors and mail programs) needs nothing else.
// An answer depends on the text alone.
package qrsvg

import (
	"errors"
	"strconv"
	"strings"

	"rsc.io/qr"
)

// margin is the empty rim that a code needs, in modules.
const margin = 4

// ErrTooLong is for a text that no code can hold.
var ErrTooLong = errors.New("qrsvg: the text is too long for a QR code")

// Draw gives the code of a text as an SVG element without size of its own. It bears 15 % of damage.
func Draw(text string) (string, error) {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", ErrTooLong
	}
	n := strconv.Itoa(c.Size + 2*margin)
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + n + ` ` + n + `" shape-rendering="crispEdges" role="img">` +
		`<rect width="` + n + `" height="` + n + `" fill="#fff"/><path fill="#000" d="` + path(c) + `"/></svg>`, nil
}

// path makes one run of modules after the other into a rectangle.
func path(c *qr.Code) string {
	var b strings.Builder
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			from := x
			for x < c.Size && c.Black(x, y) {
				x++
			}
			if n := strconv.Itoa(x - from); x > from {
				b.WriteString("M" + strconv.Itoa(from+margin) + " " + strconv.Itoa(y+margin) + "h" + n + "v1h-" + n + "z")
			}
		}
	}
	return b.String()
}

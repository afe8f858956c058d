package autoconfig

import (
	"net/http"
	"strconv"
	"strings"

	"rsc.io/qr"

	"github.com/postrider/postrider/mail"
)

// margin is the empty rim a QR code needs, in modules.
const margin = 4

// drawing is a QR code as the path of an SVG: Size modules wide, rim included.
type drawing struct {
	Size int
	Path string
}

func code(text string) (*qr.Code, error) {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "that is too long for a QR code")
	}
	return c, nil
}

// draw makes one run of modules after the other into a rectangle.
func draw(c *qr.Code) drawing {
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
	return drawing{c.Size + 2*margin, b.String()}
}

func (d drawing) svg() []byte {
	n := strconv.Itoa(d.Size)
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + n + ` ` + n + `" shape-rendering="crispEdges">` +
		`<rect width="` + n + `" height="` + n + `" fill="#fff"/><path fill="#000" d="` + d.Path + `"/></svg>` + "\n")
}

// qrOf answers with the code of where an address's profile is.
func (g *Guide) qrOf(w http.ResponseWriter, r *http.Request, kind string, picture func(*qr.Code) []byte) {
	if !readOnly(w, r) {
		return
	}
	who, err := g.of(r.Context(), r.URL.Query().Get("email"))
	var c *qr.Code
	if err == nil {
		c, err = code(g.profileURL(who))
	}
	if err != nil {
		http.Error(w, words(err), g.status(err))
		return
	}
	send(w, r, http.StatusOK, kind, picture(c))
}

func (g *Guide) qrPNG(w http.ResponseWriter, r *http.Request) {
	g.qrOf(w, r, "image/png", (*qr.Code).PNG)
}

func (g *Guide) qrSVG(w http.ResponseWriter, r *http.Request) {
	g.qrOf(w, r, "image/svg+xml", func(c *qr.Code) []byte { return draw(c).svg() })
}

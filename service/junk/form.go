package junk

import (
	"path"
	"strings"

	"github.com/postrider/postrider/proto/message"
)

// gtube is the text by which anybody can test that junk is recognised; its points are more than any threshold in use.
const (
	gtube       = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
	gtubePoints = 100
)

// form looks at what the message is made of.
func (c *content) form(t *tally, root *message.Part) {
	if c.gtube {
		t.add(gtubePoints, "The message has the text of the test for junk filters (GTUBE).")
	}
	if c.html && !c.plain {
		if c.images > 0 && c.letters < 200 {
			t.add(1.5, "The message is HTML with hardly anything but pictures.")
		} else {
			t.add(0.4, "The message is HTML only.")
		}
	}
	if c.bareAddress != "" {
		t.add(1, "A link of the message leads to the bare address %s.", shown(c.bareAddress))
	}
	if c.shownHost != "" {
		t.add(1.5, "A link shows %s but leads to %s.", shown(c.shownHost), shown(c.meantHost))
	}
	if c.hidden {
		t.add(0.8, "The message has text that nobody can see.")
	}
	if root.Cut {
		t.add(0.5, "The message's structure is too deep or too large to be looked into whole.")
	}
	c.attachments(t, root)
}

// attachments looks at the names of files. One sentence, the worst, is enough.
func (c *content) attachments(t *tally, root *message.Part) {
	worst, points, why := "", 0.0, ""
	root.Walk(func(p *message.Part) bool {
		name := p.Filename()
		if p.Multipart() || name == "" {
			return true
		}
		got, what := danger(name)
		if got > points {
			worst, points, why = name, got, what
		}
		return true
	})
	if points > 0 {
		t.add(points, "The attached file %q is %s.", shown(worst), why)
	}
}

// danger says how dangerous the name of a file is.
func danger(name string) (points float64, what string) {
	name = strings.TrimRight(strings.ToLower(name), ". \t")
	ext := path.Ext(name)
	switch ext {
	case ".exe", ".scr", ".pif", ".com", ".bat", ".cmd", ".cpl", ".msi", ".msp", ".js", ".jse", ".vbs", ".vbe", ".wsf", ".wsh", ".hta", ".ps1",
		".lnk", ".jar", ".reg", ".dll", ".application", ".gadget", ".appx", ".chm":
		switch path.Ext(strings.TrimRight(strings.TrimSuffix(name, ext), " _")) {
		case ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".jpg", ".jpeg", ".png", ".txt", ".zip", ".htm", ".html":
			return 6, "a program that pretends to be a document"
		}
		return 4, "a program"
	case ".iso", ".img", ".vhd", ".vhdx", ".ace", ".one":
		return 2, "of a kind that programs are hidden in"
	case ".docm", ".xlsm", ".pptm", ".dotm", ".xltm", ".xlam", ".xll":
		return 1.5, "a document with macros"
	case ".html", ".htm", ".shtml", ".svg":
		return 1, "a web page"
	}
	return 0, ""
}

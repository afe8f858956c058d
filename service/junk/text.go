package junk

import (
	"bytes"
	"io"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// Bounds on what is read of one message, in octets unless something else is said.
const (
	maxHeader = 128 << 10 // of the header
	maxText   = 64 << 10  // of decoded text, in all
	maxMarkup = 256 << 10 // of HTML that is gone through for it, in all
	maxParts  = 16        // text parts
	maxHosts  = 40        // hosts that links lead to
)

// content is what a message says: its words, and what stands out.
type content struct {
	header message.Header
	words  wordSet

	text   []byte   // decoded, with all markup gone
	hosts  []string // of links, without what is below what somebody registered twice; A-labels
	markup int      // octets of HTML that may still be read

	html, plain bool
	images      int
	letters     int // octets of text that is shown
	gtube       bool
	hidden      bool
	bareAddress string // a link's host that is an address
	shownHost   string // what a link shows ...
	meantHost   string // ... and where it leads
}

// read reads a message. The same message always gives the same words. The error is one of reading the body, not of what it holds.
func read(root *message.Part, body mail.BlobReader) (*content, error) {
	c := &content{markup: maxMarkup, text: make([]byte, 0, min(maxText, 8<<10))}
	head := make([]byte, min(root.BodyOffset, maxHeader))
	if n, err := body.ReadAt(head, 0); n < len(head) && err != nil && err != io.EOF { //nolint:errorlint // as io.ReaderAt says
		return nil, err
	}
	c.header, _ = message.ParseHeader(head)
	parts := 0
	var failed error
	root.Walk(func(p *message.Part) bool {
		mediaType, subtype := p.Announced()
		if mediaType != "text" || len(p.Children) > 0 || p.Disposition == "attachment" {
			return true
		}
		parts++
		failed = c.part(p, subtype == "html", body)
		return failed == nil && parts < maxParts && len(c.text) < maxText
	})
	if failed != nil {
		return nil, failed
	}
	c.gtube = c.gtube || bytes.Contains(c.text, []byte(gtube))
	c.collect(root)
	return c, nil
}

// broken remembers an error of the body itself, which decoding hides.
type broken struct {
	r   io.Reader
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // as io.Reader says
		b.err = err
	}
	return n, err
}

// part reads one text. What is wrong with its encoding ends it early.
func (c *content) part(p *message.Part, html bool, body mail.BlobReader) error {
	section := &broken{}
	r, err := message.Text(p, func(off, n int64) (io.ReadCloser, error) {
		section.r = io.NewSectionReader(body, off, n)
		return io.NopCloser(section), nil
	})
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // it was only read
	if html {
		c.html = true
		c.strip(r)
	} else {
		c.plain = true
		before := len(c.text)
		c.text = appendFrom(c.text, r, maxText)
		c.letters += len(bytes.TrimSpace(c.text[before:]))
		c.links(string(c.text[before:]))
	}
	c.write(" ")
	return section.err
}

// appendFrom reads until the end, an error, or most octets are there.
func appendFrom(b []byte, r io.Reader, most int) []byte {
	for len(b) < most {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):min(cap(b), most)])
		b = b[:len(b)+n]
		if err != nil {
			break
		}
	}
	return b
}

// write adds text.
func (c *content) write(s string) {
	c.text = append(c.text, s[:min(len(s), max(0, maxText-len(c.text)))]...)
}

// collect makes the words: what stands first counts where there is room for some only.
func (c *content) collect(root *message.Part) {
	c.words = newWordSet()
	facts := root.Facts()
	for _, m := range facts.From[:min(len(facts.From), 4)] {
		if d := normal(m.Addr.Domain); d != "" {
			c.words.add(classFrom, []byte(d))
			c.words.add(classFrom, []byte(strings.ToLower(m.Addr.Local)+"@"+d))
		}
		c.words.text(classFrom, []byte(m.Name))
	}
	for _, name := range []string{"Reply-To", "List-Id", "X-Mailer", "User-Agent"} {
		if v := c.header.Text(name); v != "" {
			c.words.text(classForm, []byte(name+" "+v[:min(len(v), 200)]))
		}
	}
	n := 0
	root.Walk(func(p *message.Part) bool {
		n++
		c.words.add(classForm, []byte(p.MediaType+"/"+p.Subtype))
		if cs := p.Charset(); cs != "" {
			c.words.add(classForm, []byte("charset "+cs[:min(len(cs), 40)]))
		}
		if name := p.Filename(); name != "" {
			c.words.text(classForm, []byte(name[max(0, len(name)-60):]))
		}
		return n < maxParts
	})
	c.words.text(classSubject, []byte(facts.Subject))
	c.words.text(classText, []byte(facts.Subject))
	for _, h := range c.hosts {
		c.words.add(classHost, []byte(h))
	}
	c.words.text(classText, c.text)
}

package imap

import (
	"bufio"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	wire "github.com/postrider/postrider/proto/imap"
	"github.com/postrider/postrider/proto/message"
)

// fold makes texts comparable that differ in letter case alone.
func fold(s string) string {
	return strings.Map(foldRune, s)
}

// foldRune gives one spelling of a letter: the smallest of those Unicode counts as the same.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return unicode.ToLower(unicode.ToUpper(r))
}

// maxHeaderSearch bounds how much of one header field is held to search it.
const maxHeaderSearch = 64 << 10

// headerHas searches the fields of a name in the message's header. With no name it searches all of them.
func (c *candidate) headerHas(name, want string) (bool, error) {
	if err := c.src.open(); err != nil {
		return false, err
	}
	root, err := c.src.tree()
	if err != nil {
		return false, err
	}
	found := false
	err = eachField(c.src.header(root, true), func(field, value string) bool {
		if name == "" || strings.EqualFold(field, name) {
			text := message.DecodeText(value)
			if name == "" {
				text = field + ": " + text
			}
			found = strings.Contains(fold(text), want)
		}
		return !found
	})
	return found, err
}

// eachField gives the fields of a header, unfolded, until f says stop. A field beyond maxHeaderSearch is cut.
func eachField(r io.Reader, f func(name, value string) bool) error {
	br := bufio.NewReaderSize(r, 4<<10)
	var field strings.Builder
	give := func() bool {
		name, value, ok := strings.Cut(field.String(), ":")
		field.Reset()
		return !ok || f(strings.TrimRight(name, " \t"), strings.TrimSpace(value))
	}
	start := true
	for {
		line, err := br.ReadSlice('\n')
		if start && len(line) > 0 && line[0] != ' ' && line[0] != '\t' && !give() {
			return nil
		}
		if room := maxHeaderSearch - field.Len(); room > 0 {
			text := strings.TrimRight(string(line), "\r\n")
			field.WriteString(text[:min(len(text), room)])
		}
		start = err == nil
		switch {
		case err == io.EOF:
			give()
			return nil
		case err != nil && err != bufio.ErrBufferFull:
			return err
		}
	}
}

// textTest searches the texts of a message: BODY its parts of type text and the headers of messages within it, TEXT the
// header as well (RFC 9051 6.4.4). Transfer encodings and charsets are undone.
func (m *matcher) textTest(k wire.SearchKey) test {
	want := fold(k.Value)
	return func(c *candidate) verdict {
		if c.level < byBody {
			return open
		}
		if want == "" {
			return yes
		}
		if k.Op == wire.SearchText {
			found, err := c.headerHas("", want)
			if found {
				return yes
			}
			if err != nil {
				c.err = err
				return nay
			}
		}
		found, err := c.bodyHas(want)
		if err != nil {
			c.err = err
		}
		return verdictOf(found)
	}
}

func (c *candidate) bodyHas(want string) (found bool, err error) {
	if err := c.src.open(); err != nil {
		return false, err
	}
	root, err := c.src.tree()
	if err != nil {
		return false, err
	}
	root.Walk(func(p *message.Part) bool {
		if p != root && p.Envelope != nil { // the header of a message within
			_ = eachField(c.src.header(p, false), func(name, value string) bool {
				found = found || strings.Contains(fold(name+": "+message.DecodeText(value)), want)
				return !found
			})
		}
		if mediaType, _ := p.Announced(); !found && mediaType == "text" && len(p.Children) == 0 {
			var r io.ReadCloser
			r, err = message.Text(p, func(off, n int64) (io.ReadCloser, error) {
				return io.NopCloser(c.src.inBody(off, off+n)), nil
			})
			if err == nil {
				found, err = contains(r, want)
			}
		}
		return !found && err == nil
	})
	return found, err
}

// contains searches a text while it is read. want is folded already. A run of white space in the text, such as a line's
// end, matches as it stands only. Memory does not grow with the text.
func contains(r io.Reader, want string) (bool, error) {
	br := bufio.NewReaderSize(r, 8<<10)
	window := make([]byte, 0, 16<<10+len(want))
	for {
		c, _, err := br.ReadRune()
		if err == nil {
			window = utf8.AppendRune(window, foldRune(c))
		}
		if err == nil && len(window) < cap(window)-utf8.UTFMax {
			continue
		}
		if strings.Contains(string(window), want) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		keep := min(len(window), len(want)-1)
		window = append(window[:0], window[len(window)-keep:]...)
	}
}

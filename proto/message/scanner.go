package message

import (
	"bytes"
	"errors"
	"strings"
)

// Limits bounds what a Scanner looks into and keeps. A zero field takes its default. Beyond a limit the scan goes
// on: the octets are counted, but their structure is not told (Part.Cut).
type Limits struct {
	MaxHeader int // octets of one header; default DefaultMaxHeader
	MaxParts  int // parts in all; default 1000
	MaxDepth  int // parts inside parts; default 50
	MaxText   int // octets of field text kept over all parts; default 512 KB
}

func (l Limits) withDefaults() Limits {
	set := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	set(&l.MaxHeader, DefaultMaxHeader)
	set(&l.MaxParts, 1000)
	set(&l.MaxDepth, 50)
	set(&l.MaxText, 512<<10)
	return l
}

// Bounds on a boundary line: RFC 2046 5.1.1 allows 70 octets; what is longer than this is no boundary.
const (
	maxBoundary = 256
	maxLine     = maxBoundary + 128 // with dashes, trailing space and line end
)

// ErrFinished says that a Scanner was written to after Finish.
var ErrFinished = errors.New("message scanner: written to after it was finished")

// Scanner finds the MIME structure of a message while its bytes are written to it, in pieces of any size. It is
// used once and by one goroutine; apart from the result its memory is one header and one line.
//
// Lines may end in CRLF or bare LF. A boundary line counts where it is "--", the boundary, maybe "--", maybe space, and
// nothing more. RFC 2046 5.1.1 would let anything follow; taking that literally makes a nested boundary that
// begins with the outer one end the wrong part, and text that begins with it too.
type Scanner struct {
	lim      Limits
	root     *Part
	header   []byte // of the root
	frames   []frame
	parts    int
	textLeft int
	finished bool

	inHeader bool
	open     int    // frames whose boundary is still looked for
	off      int64  // octets taken
	newlines int64  // LFs among them
	last     byte   // the last octet taken
	hdr      []byte // of the part whose header is read, then the line being read
	kept     int    // how much of hdr is header to keep
	full     bool   // a line did not fit: the rest of the header is not kept
	line     []byte // outside headers: a line cut by the end of a write, as long as it can be a boundary
	midLine  bool   // the rest of the line is of no interest

	lineStart int64 // where the line being read starts
	eol       int64 // length of the line end before it
	lineLF    int64 // newlines before it
}

// frame is a part that is not over yet.
type frame struct {
	part     *Part
	boundary string // "" where it is no multipart
	open     bool   // its closing boundary has not come
	digest   bool   // its parts are messages unless they say otherwise (RFC 2046 5.1.5)
	startLF  int64  // newlines before its body
}

// NewScanner makes a Scanner.
func NewScanner(lim Limits) *Scanner {
	s := &Scanner{lim: lim.withDefaults()}
	s.textLeft = s.lim.MaxText
	s.root = &Part{}
	s.frames = append(make([]frame, 0, 4), frame{part: s.root})
	s.parts = 1
	s.inHeader = true
	return s
}

// Write takes the next octets of the message. It fails only after Finish.
func (s *Scanner) Write(p []byte) (int, error) {
	if s.finished {
		return 0, ErrFinished
	}
	n := len(p)
	for len(p) > 0 {
		switch {
		case s.inHeader:
			p = s.headerLine(p)
		case s.open == 0:
			s.advance(p)
			p = nil
		default:
			p = s.bodyLine(p)
		}
	}
	return n, nil
}

// advance counts octets that need no look.
func (s *Scanner) advance(p []byte) {
	s.off += int64(len(p))
	s.newlines += int64(bytes.Count(p, lf))
	s.last = p[len(p)-1]
}

var lf = []byte{'\n'}

// endLine notes that the line is over: the octet before s.off is its LF.
func (s *Scanner) endLine(beforeLF byte) {
	s.newlines++
	s.eol = 1
	if beforeLF == '\r' {
		s.eol = 2
	}
	s.lineStart, s.lineLF = s.off, s.newlines
	s.last = '\n'
}

// bodyLine takes octets up to the end of a line, or all of them.
func (s *Scanner) bodyLine(p []byte) []byte {
	i := bytes.IndexByte(p, '\n')
	if s.midLine || len(s.line) == 0 && !canBeBoundary(p) {
		if i < 0 {
			s.midLine = true
			s.off += int64(len(p))
			s.last = p[len(p)-1]
			return nil
		}
		s.skipLine(p, i)
		return p[i+1:]
	}
	if i < 0 {
		s.off += int64(len(p))
		s.last = p[len(p)-1]
		if len(s.line)+len(p) > maxLine {
			s.line, s.midLine = s.line[:0], true
		} else {
			s.line = append(s.line, p...)
		}
		return nil
	}
	line := p[:i+1]
	if len(s.line) > 0 {
		if len(s.line)+len(line) <= maxLine {
			s.line = append(s.line, line...)
			line = s.line
		} else {
			line = nil
		}
		s.line = s.line[:0]
	}
	k, closing := s.match(line)
	if k < 0 {
		s.skipLine(p, i)
		return p[i+1:]
	}
	start, eol, lfs := s.lineStart, s.eol, s.lineLF
	s.skipLine(p, i)
	s.boundary(k, closing, start-eol, lfs-min(eol, 1))
	return p[i+1:]
}

// skipLine takes the rest of a line that ends at p[i].
func (s *Scanner) skipLine(p []byte, i int) {
	before := s.last
	if i > 0 {
		before = p[i-1]
	}
	s.off += int64(i + 1)
	s.midLine = false
	s.endLine(before)
}

// canBeBoundary reports whether a line that starts with p may be a boundary line; one dash may be all of it so far.
func canBeBoundary(p []byte) bool { return p[0] == '-' && (len(p) == 1 || p[1] == '-') }

// match finds the open multipart whose boundary line this is, innermost first, or -1.
func (s *Scanner) match(line []byte) (k int, closing bool) {
	if len(line) < 3 || len(line) > maxLine || line[0] != '-' || line[1] != '-' {
		return -1, false
	}
	text := bytes.TrimRight(line[2:], " \t\r\n")
	for k = len(s.frames) - 1; k >= 0; k-- {
		f := &s.frames[k]
		if !f.open || len(text) < len(f.boundary) || string(text[:len(f.boundary)]) != f.boundary {
			continue
		}
		switch tail := text[len(f.boundary):]; {
		case len(tail) == 0:
			return k, false
		case len(tail) == 2 && tail[0] == '-' && tail[1] == '-':
			return k, true
		}
	}
	return -1, false
}

// boundary acts on a boundary line of frame k: what was open in it ends at end, with lines LFs before that.
func (s *Scanner) boundary(k int, closing bool, end, lines int64) {
	s.closeAbove(k, end, lines)
	f := &s.frames[k]
	if closing {
		f.open = false
		s.open--
		return
	}
	if s.parts >= s.lim.MaxParts {
		s.giveUp(f.part)
		return
	}
	s.startPart(f.part)
}

// startPart makes a new child of p, whose header starts here.
func (s *Scanner) startPart(p *Part) {
	child := &Part{HeaderOffset: s.off}
	p.Children = append(p.Children, child)
	s.frames = append(s.frames, frame{part: child})
	s.parts++
	s.inHeader = true
	s.hdr, s.kept, s.full = s.hdr[:0], 0, false
	s.lineStart, s.lineLF = s.off, s.newlines
}

// giveUp makes all that follows one last leaf in p and stops looking for boundaries.
func (s *Scanner) giveUp(p *Part) {
	child := &Part{HeaderOffset: s.off, BodyOffset: s.off, MediaType: "application", Subtype: "octet-stream", Encoding: "7bit", Cut: true}
	p.Children = append(p.Children, child)
	p.Cut = true
	for i := range s.frames {
		s.frames[i].open = false
	}
	s.open = 0
	s.frames = append(s.frames, frame{part: child, startLF: s.newlines})
}

// closeAbove ends all parts inside frame k at end. A boundary may come before a part's header has ended or right behind
// it; then the line end before it cannot belong to the boundary.
func (s *Scanner) closeAbove(k int, end, lines int64) {
	if k == len(s.frames)-1 {
		return
	}
	top := s.frames[len(s.frames)-1]
	if end < top.part.BodyOffset {
		end, lines = top.part.BodyOffset, top.startLF
	}
	for i := len(s.frames) - 1; i > k; i-- {
		f := &s.frames[i]
		if f.open {
			s.open--
		}
		f.part.End = end
		f.part.Lines = max(lines-f.startLF, 0)
		*f = frame{}
	}
	s.frames = s.frames[:k+1]
}

// headerLine takes octets of a header up to the end of a line, or all of them.
func (s *Scanner) headerLine(p []byte) []byte {
	i := bytes.IndexByte(p, '\n')
	take := p
	if i >= 0 {
		take = p[:i+1]
	}
	// The line is kept where the header has room; without, only its start, to see what line it is.
	if room := s.lim.MaxHeader + maxLine - len(s.hdr); len(take) <= room {
		s.hdr = append(s.hdr, take...)
	} else {
		s.hdr = append(s.hdr, take[:max(room, 0)]...)
	}
	s.off += int64(len(take))
	before := s.last
	if len(take) > 1 {
		before = take[len(take)-2]
	}
	s.last = take[len(take)-1]
	if i < 0 {
		return nil
	}
	length := s.off - s.lineStart
	start, eol, lfs := s.lineStart, s.eol, s.lineLF
	s.endLine(before)
	line := s.hdr[s.kept:]
	if length == 1 || length == 2 && before == '\r' {
		s.keepLine(length)
		s.headerDone()
		return p[i+1:]
	}
	if s.open > 0 && length <= maxLine && length == int64(len(line)) {
		if k, closing := s.match(line); k >= 0 {
			s.cutHeader(start, eol, lfs)
			s.boundary(k, closing, start-eol, lfs-min(eol, 1))
			return p[i+1:]
		}
	}
	s.keepLine(length)
	return p[i+1:]
}

// cutHeader acts on a header that a boundary line ends, which starts at start: the body is empty. The line end before is of
// the boundary as ever, if it is not the one that began the header.
func (s *Scanner) cutHeader(start, eol, lfs int64) {
	if p := s.frames[len(s.frames)-1].part; start-eol < p.HeaderOffset {
		s.describe(p.HeaderOffset, lfs)
		return
	}
	s.describe(start-eol, lfs-min(eol, 1))
}

// keepLine makes the line just read part of the header, if it fits.
func (s *Scanner) keepLine(length int64) {
	if !s.full && int64(len(s.hdr)-s.kept) == length && len(s.hdr) <= s.lim.MaxHeader {
		s.kept = len(s.hdr)
		return
	}
	s.full = true
	s.hdr = s.hdr[:s.kept]
}

// headerDone acts on a header that ended with an empty line: the body starts here.
func (s *Scanner) headerDone() {
	f := s.describe(s.off, s.newlines)
	p := f.part
	deep := len(s.frames) >= s.lim.MaxDepth
	switch {
	case p.MediaType == "multipart":
		boundary := strings.TrimRight(p.Param("boundary"), " \t")
		if boundary == "" {
			return
		}
		if deep || len(boundary) > maxBoundary {
			p.Cut = true
			return
		}
		f.boundary, f.open, f.digest = boundary, true, p.Subtype == "digest"
		s.open++
	case isMessageType(p.MediaType, p.Subtype) && identity(p.Encoding):
		if deep || s.parts >= s.lim.MaxParts {
			p.Cut = true
			return
		}
		s.startPart(p)
	}
}

// describe fills in the part whose header has been read; its body starts at body, with lines LFs before that.
func (s *Scanner) describe(body, lines int64) *frame {
	s.inHeader = false
	f := &s.frames[len(s.frames)-1]
	f.part.BodyOffset, f.startLF = body, lines
	raw := s.hdr[:s.kept]
	digest, whole := false, true
	if n := len(s.frames); n > 1 {
		digest = s.frames[n-2].digest
		whole = s.frames[n-2].boundary == "" // the child of a message part
	} else {
		s.header = bytes.Clone(raw)
	}
	r := fieldReader{part: f.part, left: &s.textLeft}
	r.read(raw, whole)
	r.finish(digest)
	if s.full {
		f.part.Cut = true
	}
	return f
}

// identity reports an encoding under which the body is as it stands.
func identity(encoding string) bool { return encoding != "base64" && encoding != "quoted-printable" }

// Finish says that the message is over and gives its structure. Further calls give the same.
func (s *Scanner) Finish() *Part {
	if s.finished {
		return s.root
	}
	s.finished = true
	end, lines := s.off, s.newlines
	if s.inHeader {
		s.finishHeader()
	} else if len(s.line) > 0 {
		if k, closing := s.match(s.line); k >= 0 {
			start, eol, lfs := s.lineStart, s.eol, s.lineLF
			s.boundary(k, closing, start-eol, lfs-min(eol, 1))
			if s.inHeader {
				s.finishHeader()
			}
		}
	}
	s.closeAbove(0, end, lines)
	s.root.End = end
	s.root.Lines = max(lines-s.frames[0].startLF, 0)
	s.hdr, s.line = nil, nil
	return s.root
}

// finishHeader acts on a message that ends in a header.
func (s *Scanner) finishHeader() {
	line := s.hdr[s.kept:]
	length := s.off - s.lineStart
	if s.open > 0 && length == int64(len(line)) {
		if k, closing := s.match(line); k >= 0 {
			start, eol, lfs := s.lineStart, s.eol, s.lineLF
			s.cutHeader(start, eol, lfs)
			s.boundary(k, closing, start-eol, lfs-min(eol, 1))
			if !s.inHeader {
				return
			}
			length = 0
		}
	}
	if n := len(s.frames); n > 1 && s.frames[n-2].open && s.off == s.frames[n-1].part.HeaderOffset {
		// Nothing at all follows the boundary: it was meant to be the last one.
		parent := s.frames[n-2].part
		if parent.Children = parent.Children[:len(parent.Children)-1]; len(parent.Children) == 0 {
			parent.Children = nil
		}
		s.frames = s.frames[:n-1]
		return
	}
	if length > 0 {
		s.keepLine(length)
	}
	s.describe(s.off, s.newlines)
}

// Header gives the fields of the message itself, as far as MaxHeader let them be kept; before its end has been seen
// it is empty. Each call reads it anew.
func (s *Scanner) Header() Header {
	h, _ := ParseHeader(s.header)
	return h
}

// HeaderDone reports whether the end of the message's own header has been seen.
func (s *Scanner) HeaderDone() bool { return s.finished || !s.inHeader || len(s.frames) > 1 }

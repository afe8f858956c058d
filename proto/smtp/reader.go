package smtp

import (
	"bytes"
	"errors"
	"io"
)

// The ways in which a line or message data breaks the rules of RFC 5321 2.3.8 and 4.5.3.1.
var (
	ErrLineTooLong = errors.New("smtp: line too long")
	ErrLineEndless = errors.New("smtp: line without an end")
	ErrBareCR      = errors.New("smtp: a carriage return without a line feed")
	ErrBareLF      = errors.New("smtp: a line feed without a carriage return")
	ErrNUL         = errors.New("smtp: a NUL octet")
)

// maxDrain bounds what is read, and thrown away, to reach the end of an overlong line.
const maxDrain = 64 << 10

// Reader is the receiving side of a connection: lines, raw octets and message data out of one buffer that the caller
// lends and may exchange. It is for one goroutine.
type Reader struct {
	src  io.Reader
	buf  []byte
	r, w int
	err  error // sticky, from src
}

// NewReader reads from src through buf, whose length (at least 16) is the size of the buffer.
func NewReader(src io.Reader, buf []byte) *Reader { return &Reader{src: src, buf: buf} }

// Buffered is the number of octets that are received and not yet read.
func (r *Reader) Buffered() int { return r.w - r.r }

// Reset drops what is buffered and goes on with another source: the step into TLS (RFC 3207 4.2).
func (r *Reader) Reset(src io.Reader) { r.src, r.r, r.w, r.err = src, 0, 0, nil }

// Swap exchanges the buffer and gives the old one back. When what is buffered does not fit into the new one,
// nothing is exchanged, and buf itself is given back.
func (r *Reader) Swap(buf []byte) []byte {
	if r.Buffered() > len(buf) {
		return buf
	}
	old := r.buf
	r.w = copy(buf, old[r.r:r.w])
	r.r, r.buf = 0, buf
	return old
}

// fill reads more, once. It makes room first by moving what is buffered to the front. The buffer must not be full.
func (r *Reader) fill() error {
	if r.err != nil {
		return r.err
	}
	if r.r > 0 {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	for range 100 {
		n, err := r.src.Read(r.buf[r.w:])
		r.w += n
		r.err = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	r.err = io.ErrNoProgress
	return r.err
}

// Read gives raw octets: what is buffered first, then straight from the source.
func (r *Reader) Read(p []byte) (int, error) {
	if r.r == r.w {
		if r.err != nil {
			return 0, r.err
		}
		if len(p) >= len(r.buf) {
			n, err := r.src.Read(p)
			r.err = err
			return n, err
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buf[r.r:r.w])
	r.r += n
	return n, nil
}

// Next gives up to limit octets that are buffered, after waiting until there is at least one. They stay valid
// until the next call of any method.
func (r *Reader) Next(limit int) ([]byte, error) {
	if r.r == r.w {
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	n := min(limit, r.w-r.r)
	b := r.buf[r.r : r.r+n]
	r.r += n
	return b, nil
}

// ReadLine reads one line and gives it without its CR LF. It stays valid until the next call. A line of more than limit
// octets (CR LF not counted) gives ErrLineTooLong once its end was read, or ErrLineEndless when that is too far. A line that
// ends with LF alone, or holds a bare CR or a NUL, is given with ErrBareLF, ErrBareCR or ErrNUL. A stream that
// ends inside a line gives io.ErrUnexpectedEOF.
func (r *Reader) ReadLine(limit int) ([]byte, error) {
	var long []byte // the beginning of a line that did not fit into the buffer
	for seen, dropped := r.r, 0; ; {
		if i := bytes.IndexByte(r.buf[seen:r.w], '\n'); i >= 0 {
			line := r.buf[r.r : seen+i+1]
			r.r = seen + i + 1
			if long != nil || dropped > 0 {
				line = append(long, line...)
			}
			if dropped > 0 || len(line) > limit+2 {
				return nil, ErrLineTooLong
			}
			return checkLine(line)
		}
		if r.w-r.r == len(r.buf) {
			if dropped > 0 || len(long)+len(r.buf) > limit+2 {
				dropped += len(long) + len(r.buf)
				long = nil
			} else {
				long = append(long, r.buf...)
			}
			r.r, r.w = 0, 0
			if dropped > maxDrain {
				return nil, ErrLineEndless
			}
		}
		unread := r.w - r.r
		if err := r.fill(); err != nil {
			if err == io.EOF && (unread > 0 || long != nil || dropped > 0) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		seen = r.r + unread
	}
}

// checkLine takes the line end off and judges the rest.
func checkLine(line []byte) ([]byte, error) {
	line = line[:len(line)-1]
	if len(line) == 0 || line[len(line)-1] != '\r' {
		return line, ErrBareLF
	}
	line = line[:len(line)-1]
	if bytes.IndexByte(line, '\r') >= 0 {
		return line, ErrBareCR
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return line, ErrNUL
	}
	return line, nil
}

package smtp

import (
	"bytes"
	"io"
)

// DotWriter writes message data as DATA sends it (RFC 5321 4.5.2): lines that start with a dot get another, and Close
// writes the end. A bare CR or LF goes out as CR LF, so that no later host can take it for something else (RFC 5321 2.3.8).
type DotWriter struct {
	w    io.Writer
	cr   bool // a CR was given and is not yet written: an LF may follow
	mid  bool // the last octet written did not end a line
	sent int64
	err  error
}

// NewDotWriter writes to w in pieces as they come: w should have a buffer.
func NewDotWriter(w io.Writer) *DotWriter { return &DotWriter{w: w} }

// Sent is the number of octets written to the underlying writer.
func (d *DotWriter) Sent() int64 { return d.sent }

func (d *DotWriter) put(b []byte) {
	if d.err == nil && len(b) > 0 {
		var n int
		n, d.err = d.w.Write(b)
		d.sent += int64(n)
	}
}

// Write implements io.Writer.
func (d *DotWriter) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 && d.err == nil {
		if d.cr {
			d.cr, d.mid = false, false
			d.put(crlf)
			if p[0] == '\n' {
				p = p[1:]
				continue
			}
		}
		p = p[d.text(p):]
	}
	if d.err != nil {
		return 0, d.err
	}
	return total, nil
}

// text writes as much of p as can go out in one piece, then deals with what stopped it, and tells how many
// octets of p are done.
func (d *DotWriter) text(p []byte) int {
	if !d.mid && p[0] == '.' {
		d.put(dot)
		d.mid = true
	}
	for n := 0; ; {
		if !d.mid && n < len(p) && p[n] == '.' {
			d.put(p[:n])
			return n
		}
		i := bytes.IndexByte(p[n:], '\n')
		line := p[n:]
		if i >= 0 {
			line = p[n : n+i]
		}
		if c := bytes.IndexByte(line, '\r'); c >= 0 && (c < len(line)-1 || i < 0) {
			// A CR that is not before this line's LF: the rest decides later whether it was bare.
			d.put(p[:n+c])
			d.mid, d.cr = true, true
			return n + c + 1
		}
		if i < 0 {
			d.put(p)
			d.mid = d.mid || len(line) > 0
			return len(p)
		}
		if i == 0 || p[n+i-1] != '\r' {
			d.put(p[:n+i])
			d.put(crlf)
			d.mid = false
			return n + i + 1
		}
		n += i + 1
		d.mid = false
	}
}

// Close ends the last line where needed and writes the end of data. It does not close the underlying writer.
func (d *DotWriter) Close() error {
	if d.cr || d.mid {
		d.put(crlf)
	}
	d.cr, d.mid = false, false
	d.put(endOfData[2:])
	return d.err
}

var (
	crlf = []byte("\r\n")
	dot  = []byte(".")
)

package smtp

import (
	"bytes"
	"errors"
	"io"
)

// DataReader reads message data after DATA (RFC 5321 4.1.1.4, 4.5.2): it takes the stuffed dots out and ends with
// io.EOF at CR LF "." CR LF and nowhere else. Its output is lines that end with CR LF. A bare CR, a bare LF or
// a NUL is a lasting error (ErrBareCR, ErrBareLF, ErrNUL); Drain then still finds the end. A stream that
// stops early gives io.ErrUnexpectedEOF: a clean end is never made up.
type DataReader struct {
	in        *Reader
	midLine   bool // the last octet given was not the end of a line
	run       []byte
	err       error // lasting: io.EOF after the end, or what went wrong
	violation error // the first bare CR, bare LF or NUL, also when met by Drain
}

// NewDataReader reads data from in, which stands right behind the DATA command.
func NewDataReader(in *Reader) *DataReader { return &DataReader{in: in} }

// Next gives the next piece of text, valid until the next call, or the lasting error. A piece is never empty.
func (d *DataReader) Next() ([]byte, error) {
	if len(d.run) > 0 {
		run := d.run
		d.run = nil
		return run, nil
	}
	if d.err != nil {
		return nil, d.err
	}
	run, err := d.next()
	if err != nil {
		d.err = err
	}
	return run, err
}

// Read implements io.Reader.
func (d *DataReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	run, err := d.Next()
	if err != nil {
		return 0, err
	}
	n := copy(p, run)
	d.run = run[n:]
	return n, nil
}

// WriteTo implements io.WriterTo: text goes from the receiving buffer to w without another copy.
func (d *DataReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		run, err := d.Next()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(run)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Violation is the first bare CR, bare LF or NUL that was met, by reading or draining; nil for none.
func (d *DataReader) Violation() error { return d.violation }

// Ended reports whether the true end of the data was read, so that the next command follows.
func (d *DataReader) Ended() bool { return d.err == io.EOF }

// Drain reads on to the end of the data and throws away what it reads, at most limit octets (0: no bound). It
// gives nil at the end, whatever the data held; ErrTooMuch when the bound was met first.
func (d *DataReader) Drain(limit int64) error {
	d.run = nil
	for n := int64(0); d.violation == nil; {
		run, err := d.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil && err != d.violation:
			return err
		}
		if n += int64(len(run)); limit > 0 && n > limit {
			return ErrTooMuch
		}
	}
	if d.err == io.EOF {
		return nil
	}
	d.err = d.seekEnd(limit)
	if d.err == io.EOF {
		return nil
	}
	return d.err
}

// seekEnd looks for the end only. After a violation nothing else matters, and judging each octet of
// hostile data would cost more than reading it. A violation always stands in the middle of a line.
func (d *DataReader) seekEnd(limit int64) error {
	in := d.in
	for n := int64(0); ; {
		b := in.buf[in.r:in.w]
		if i := bytes.Index(b, endOfData); i >= 0 {
			in.r += i + len(endOfData)
			return io.EOF
		}
		dead := max(0, len(b)-len(endOfData)+1)
		in.r += dead
		if n += int64(dead); limit > 0 && n > limit {
			return ErrTooMuch
		}
		if err := in.fill(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
}

var endOfData = []byte("\r\n.\r\n")

// ErrTooMuch says that data went on beyond the bound of a Drain.
var ErrTooMuch = errors.New("smtp: message data goes on and on")

// next finds the longest piece of text that lies in the buffer as it is: whole lines up to one that starts with a dot.
func (d *DataReader) next() ([]byte, error) {
	in := d.in
	for {
		b := in.buf[in.r:in.w]
		if !d.midLine && len(b) > 0 && b[0] == '.' {
			skip, end, known := dotLine(b)
			if known {
				in.r += skip
				if end {
					return nil, io.EOF
				}
				d.midLine = true // what is behind the dot belongs to this line even when it is another dot
				continue
			}
		} else if run, err, ok := d.take(); ok {
			return run, err
		}
		if err := in.fill(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// dotLine judges a line that starts with a dot: skip is what to leave out. Not known means that more must be read.
func dotLine(b []byte) (skip int, end, known bool) {
	if len(b) >= 3 && b[1] == '\r' && b[2] == '\n' {
		return 3, true, true
	}
	if len(b) == 1 || (len(b) == 2 && b[1] == '\r') {
		return 0, false, false
	}
	return 1, false, true
}

// take gives the text at the front of the buffer. Not ok means that more must be read first.
func (d *DataReader) take() (run []byte, err error, ok bool) {
	in := d.in
	b := in.buf[in.r:in.w]
	n, lines, mid := scanLines(b, d.midLine)
	if n == 0 {
		return d.takeOdd(b)
	}
	run = b[:n]
	if bad := firstViolation(run, lines); bad >= 0 {
		if bad == 0 {
			return d.refuse(run[0])
		}
		run, mid = run[:bad], run[bad-1] != '\n'
	}
	in.r += len(run)
	d.midLine = mid
	return run, nil, true
}

// takeOdd handles a buffer that starts with a CR (scanLines took nothing): alone it waits for what
// follows; before anything but LF it is bare.
func (d *DataReader) takeOdd(b []byte) (run []byte, err error, ok bool) {
	if len(b) >= 2 && b[0] == '\r' && b[1] != '\n' {
		return d.refuse('\r')
	}
	return nil, nil, false
}

// refuse notes a violation and steps over the octet, so that Drain can go on behind it.
func (d *DataReader) refuse(octet byte) ([]byte, error, bool) {
	err := ErrNUL
	switch octet {
	case '\r':
		err = ErrBareCR
	case '\n':
		err = ErrBareLF
	}
	d.in.r++
	d.midLine = true // a bare CR or LF ends no line, so a dot behind it is only a dot
	if d.violation == nil {
		d.violation = err
	}
	return nil, d.violation, true
}

// scanLines finds how much of b can go on as it is, looking for CR only: it stops before a line that starts with a dot, before a
// CR that is not followed by LF, and before a CR that is the last octet. lines counts the CR LF taken; mid tells
// whether the last line taken lacks its end.
func scanLines(b []byte, midLine bool) (n, lines int, mid bool) {
	mid = midLine
	for n < len(b) {
		if !mid && b[n] == '.' {
			break
		}
		i := bytes.IndexByte(b[n:], '\r')
		if i < 0 {
			return len(b), lines, true
		}
		if n+i+1 >= len(b) || b[n+i+1] != '\n' {
			n += i
			mid = mid || i > 0
			break
		}
		n += i + 2
		lines++
		mid = false
	}
	return n, lines, mid
}

// firstViolation finds the first LF without CR, or NUL, in text of which scanLines counted the line ends; -1 for none.
func firstViolation(b []byte, lines int) int {
	first := bytes.IndexByte(b, 0)
	if bytes.Count(b, lf) == lines {
		return first
	}
	for i := 0; ; {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return first
		}
		i += j
		if i == 0 || b[i-1] != '\r' {
			if first < 0 || i < first {
				return i
			}
			return first
		}
		i++
	}
}

var lf = []byte{'\n'}

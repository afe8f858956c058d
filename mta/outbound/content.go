package outbound

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/postrider/postrider/mail"
)

// content is a queued message's text: our prefix and the stored body. It is for one goroutine; close it in the end.
type content struct {
	blobs  mail.Blobs
	blob   mail.BlobID
	prefix []byte
	ready  mail.BlobReader // opened by check, for the first who opens; nil afterwards
}

// open reads the message from its start.
func (c *content) open(ctx context.Context) (io.ReadCloser, error) {
	body := c.ready
	c.ready = nil
	if body == nil {
		var err error
		if body, err = c.blobs.Open(ctx, c.blob); err != nil {
			return nil, err
		}
	}
	return &text{prefix: c.prefix, body: body}, nil
}

// check finds out whether the message can be read, before a remote is bothered.
func (c *content) check(ctx context.Context) (err error) {
	c.ready, err = c.blobs.Open(ctx, c.blob)
	return err
}

func (c *content) close() {
	if c.ready != nil {
		_ = c.ready.Close()
	}
}

// text is prefix and body in a row.
type text struct {
	prefix []byte // what is left of it
	body   mail.BlobReader
}

// Read implements io.Reader.
func (t *text) Read(b []byte) (int, error) {
	if len(t.prefix) > 0 {
		n := copy(b, t.prefix)
		t.prefix = t.prefix[n:]
		return n, nil
	}
	return t.body.Read(b)
}

// WriteTo implements io.WriterTo: the body goes without a copy where it is in memory.
func (t *text) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(t.prefix)
	t.prefix = t.prefix[n:]
	if err != nil {
		return int64(n), err
	}
	m, err := t.body.WriteTo(w)
	return int64(n) + m, err
}

// Close implements io.Closer.
func (t *text) Close() error { return t.body.Close() }

// headerIsASCII reports whether the header can be sent to a host without SMTPUTF8 (RFC 6532 3.2 is not used in it). It reads up to the
// empty line, however long that takes, in constant memory.
func (c *content) headerIsASCII(ctx context.Context) (bool, error) {
	r, err := c.open(ctx)
	if err != nil {
		return false, err
	}
	defer r.Close()
	br := bufio.NewReader(r)
	lineStart := true
	for {
		chunk, err := br.ReadSlice('\n')
		if lineStart && len(bytes.TrimRight(chunk, "\r\n")) == 0 {
			return true, nil
		}
		if !isASCII(chunk) {
			return false, nil
		}
		switch {
		case err == nil:
			lineStart = true
		case errors.Is(err, bufio.ErrBufferFull):
			lineStart = false
		case errors.Is(err, io.EOF):
			return true, nil
		default:
			return false, err
		}
	}
}

func isASCII[T ~string | ~[]byte](s T) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

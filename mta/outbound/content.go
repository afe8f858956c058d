package outbound

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/postrider/postrider/mail"
)

// content is a queued message's text: our prefix and the stored body.
type content struct {
	blobs  mail.Blobs
	blob   mail.BlobID
	prefix []byte
}

// open reads the message from its start.
func (c content) open(ctx context.Context) (io.ReadCloser, error) {
	blob, err := c.blobs.Open(ctx, c.blob)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(c.prefix), blob), blob}, nil
}

// check finds out whether the message can be read, before a remote is bothered.
func (c content) check(ctx context.Context) error {
	r, err := c.open(ctx)
	if err != nil {
		return err
	}
	return r.Close()
}

// headerIsASCII reports whether the header can be sent to a host without SMTPUTF8 (RFC 6532 3.2 is not used in it). It reads up to the
// empty line, however long that takes, in constant memory.
func (c content) headerIsASCII(ctx context.Context) (bool, error) {
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

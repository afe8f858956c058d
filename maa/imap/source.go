package imap

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// source is a stored message as clients see it: prefix and body as one run of octets. The body is opened when it is
// first needed.
type source struct {
	ctx   context.Context
	s     *session
	m     *mail.Message
	root  *message.Part
	body  mail.BlobReader
	opens error // why it does not open
	room  int   // octets of its contents that may still be kept
}

func (src *source) close() {
	if src.body != nil {
		_ = src.body.Close()
		src.body = nil
	}
}

// tree gives the structure of the message.
func (src *source) tree() (*message.Part, error) {
	if src.root == nil {
		root, err := message.Decode(src.m.Summary)
		if err != nil {
			return nil, mail.Errorf(mail.Internal, "message %d: %w", src.m.ID, err)
		}
		src.root = root
	}
	return src.root, nil
}

// open opens the body. The store has checked a short body by then; a long one is only checked when it is read through.
func (src *source) open() error {
	if src.body != nil || src.opens != nil {
		return src.opens
	}
	src.body, src.opens = src.s.cfg.Blobs.Open(src.ctx, src.m.Blob)
	if src.opens != nil {
		return src.opens
	}
	if want := src.m.Size - int64(len(src.m.Prefix)); src.body.Size() != want {
		src.opens = mail.Errorf(mail.Internal, "message %d: its body has %d octets in place of %d", src.m.ID, src.body.Size(), want)
		src.close()
	}
	return src.opens
}

// verify reads the body through, unless this session did so lately: what comes after it can be relied upon.
func (src *source) verify() error {
	if slices.Contains(src.s.sound[:], src.m.Blob) {
		return nil
	}
	buf := make([]byte, 64<<10)
	for {
		_, err := src.body.Read(buf)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if src.s.c.stop.Err() != nil {
			return mail.Errorf(mail.Unavailable, "the server is stopping")
		}
	}
	src.s.sound[src.s.next] = src.m.Blob
	src.s.next = (src.s.next + 1) % len(src.s.sound)
	return nil
}

// ReadAt reads anywhere in the message. It must be open.
func (src *source) ReadAt(p []byte, off int64) (int, error) {
	prefix := int64(len(src.m.Prefix))
	n := 0
	if off < prefix {
		n = copy(p, src.m.Prefix[off:])
		if n == len(p) {
			return n, nil
		}
	}
	k, err := src.body.ReadAt(p[n:], off+int64(n)-prefix)
	return n + k, err
}

// piece gives octets of the message.
func (src *source) piece(from, to int64) *io.SectionReader {
	return io.NewSectionReader(src, from, to-from)
}

// inBody gives octets of the body, as the structure counts them.
func (src *source) inBody(from, to int64) *io.SectionReader {
	prefix := int64(len(src.m.Prefix))
	return src.piece(prefix+from, prefix+to)
}

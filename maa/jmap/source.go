package jmap

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// source is the octets behind a blob id: a stored message, an upload, or a part of one of them. It must be closed.
type source struct {
	id   string // its blob id
	kind string // media type, as far as it is known
	name string
	size int64 // -1: as many as there are
	// open reads n octets from off on; n below 0: to the end.
	open  func(off, n int64) (io.ReadCloser, error)
	close func()

	// Of a stored message: what stands in front of the body, and the structure of the body. Offsets of root do not count the prefix.
	prefix []byte
	root   *message.Part
}

// blobID of a whole message.
func blobID(id mail.EmailID) string { return "R" + strconv.FormatInt(int64(id), 10) }

// partBlob is the blob id of a part of what base names: "_", and the numbers of the part joined by "-".
func partBlob(base, part string) string { return base + "_" + strings.ReplaceAll(part, ".", "-") }

// maxNesting is how many messages within messages a blob id can go through.
const maxNesting = 4

// blob opens what a blob id names. NotFound when the account has no such thing.
func (v *visit) blob(ctx context.Context, id string) (*source, error) {
	levels := strings.Split(id, "_")
	if len(levels) > maxNesting+1 {
		return nil, noBlob(id)
	}
	src, err := v.wholeBlob(ctx, levels[0])
	if err != nil {
		return nil, err
	}
	for _, path := range levels[1:] {
		if err := src.enter(path); err != nil {
			src.close()
			return nil, err
		}
	}
	src.id = id
	return src, nil
}

func noBlob(id string) error { return mail.Errorf(mail.NotFound, "there is no blob %.100q", id) }

// wholeBlob opens a message or an upload.
func (v *visit) wholeBlob(ctx context.Context, id string) (*source, error) {
	if strings.HasPrefix(id, "U") {
		return v.s.uploads.open(v.account.ID, id)
	}
	n, ok := number('R', id)
	if !ok {
		return nil, noBlob(id)
	}
	m, err := v.s.cfg.Mailboxes.Message(ctx, v.account.ID, mail.EmailID(n))
	if err != nil {
		return nil, err
	}
	return v.stored(ctx, &m)
}

// stored makes the source of a message. Its body is opened when it is first read.
func (v *visit) stored(ctx context.Context, m *mail.Message) (*source, error) {
	root, err := message.Decode(m.Summary)
	if err != nil {
		return nil, mail.Errorf(mail.Internal, "message %d: %w", m.ID, err)
	}
	src := v.octets(ctx, m)
	src.root = root
	return src, nil
}

// octets makes the source of a message whose structure is not asked for.
func (v *visit) octets(ctx context.Context, m *mail.Message) *source {
	var body mail.BlobReader
	src := &source{id: blobID(m.ID), kind: "message/rfc822", size: m.Size, prefix: m.Prefix}
	src.close = func() {
		if body != nil {
			_ = body.Close()
			body = nil
		}
	}
	src.open = func(off, n int64) (io.ReadCloser, error) {
		if body == nil {
			b, err := v.s.cfg.Blobs.Open(ctx, m.Blob)
			if err != nil {
				return nil, err
			}
			body = b
		}
		return io.NopCloser(between(withPrefix{m.Prefix, body}, off, n)), nil
	}
	return src
}

// between reads n octets from off on.
func between(at io.ReaderAt, off, n int64) io.Reader {
	if n < 0 {
		n = 1<<62 - off
	}
	return io.NewSectionReader(at, off, n)
}

// withPrefix reads anywhere in a message.
type withPrefix struct {
	prefix []byte
	body   io.ReaderAt
}

func (w withPrefix) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	if off < int64(len(w.prefix)) {
		if n = copy(p, w.prefix[off:]); n == len(p) {
			return n, nil
		}
	}
	k, err := w.body.ReadAt(p[n:], off+int64(n)-int64(len(w.prefix)))
	return n + k, err
}

// section opens octets of the body as the structure counts them.
func (s *source) section(off, n int64) (io.ReadCloser, error) {
	return s.open(off+int64(len(s.prefix)), n)
}

// tree gives the structure, after reading all of it where it is not known.
func (s *source) tree() (*message.Part, error) {
	if s.root != nil {
		return s.root, nil
	}
	r, err := s.open(0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	scanner := message.NewScanner(message.Limits{})
	if _, err := io.Copy(scanner, r); err != nil {
		return nil, err
	}
	s.root = scanner.Finish()
	return s.root, nil
}

// header reads the header of the message.
func (s *source) header() (message.Header, error) {
	root, err := s.tree()
	if err != nil {
		return message.Header{}, err
	}
	r, err := s.open(0, int64(len(s.prefix))+root.BodyOffset)
	if err != nil {
		return message.Header{}, err
	}
	defer r.Close()
	return readHeader(r)
}

// readHeader reads a header; of one that is too large, what there is room for.
func readHeader(r io.Reader) (message.Header, error) {
	h, err := message.ReadHeader(bufio.NewReader(r), message.DefaultMaxHeader)
	if errors.Is(err, message.ErrHeaderTooLarge) {
		return h, nil
	}
	return h, err
}

// partHeader reads the header of a part.
func (s *source) partHeader(p *message.Part) (message.Header, error) {
	if p == s.root {
		return s.header()
	}
	r, err := s.section(p.HeaderOffset, p.HeaderSize())
	if err != nil {
		return message.Header{}, err
	}
	defer r.Close()
	return readHeader(r)
}

// enter goes from a message to one of its parts, by numbers joined with "-".
func (s *source) enter(path string) error {
	root, err := s.tree()
	if err != nil {
		return err
	}
	p := findPart(root, path)
	if p == nil {
		return noBlob(s.id + "_" + path)
	}
	outer := *s
	mediaType, subtype := p.Announced()
	*s = source{id: partBlob(s.id, path), kind: mediaType + "/" + subtype, name: p.Filename(), size: -1, close: outer.close}
	if isIdentity(p.Encoding) {
		s.size = p.Size()
		s.open = func(off, n int64) (io.ReadCloser, error) {
			off = min(off, p.Size())
			if n < 0 || n > p.Size()-off {
				n = p.Size() - off
			}
			return outer.section(p.BodyOffset+off, n)
		}
		return nil
	}
	s.open = func(off, n int64) (io.ReadCloser, error) { return outer.decoded(p, off, n) }
	return nil
}

// decoded reads a part with its transfer encoding undone; what comes before off is read and dropped.
func (s *source) decoded(p *message.Part, off, n int64) (io.ReadCloser, error) {
	r, err := message.Contents(p, s.section)
	if err != nil {
		return nil, err
	}
	if off > 0 {
		if _, err := io.CopyN(io.Discard, r, off); err != nil && !errors.Is(err, io.EOF) {
			_ = r.Close()
			return nil, err
		}
	}
	if n < 0 {
		return r, nil
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, n), r}, nil
}

func isIdentity(encoding string) bool {
	switch encoding {
	case "base64", "quoted-printable":
		return false
	}
	return true
}

// findPart finds a leaf by its numbers, joined with "-" or ".": what leaves calls by the same.
func findPart(root *message.Part, path string) *message.Part {
	for _, l := range leaves(root) {
		if strings.ReplaceAll(l.id, ".", "-") == path {
			return l.part
		}
	}
	return nil
}

// leaf is a part that is no multipart, with its id.
type leaf struct {
	id   string
	part *message.Part
}

// leaves lists the parts of a message that are no multipart, in order. Messages within the message are leaves (RFC 8621 4.1.4).
func leaves(root *message.Part) []leaf {
	var out []leaf
	var walk func(p *message.Part, id string)
	walk = func(p *message.Part, id string) {
		if !p.Multipart() {
			if id == "" {
				id = "1"
			}
			out = append(out, leaf{id, p})
			return
		}
		for i, k := range p.Children {
			walk(k, childID(id, i))
		}
	}
	walk(root, "")
	return out
}

func childID(parent string, i int) string {
	n := strconv.Itoa(i + 1)
	if parent == "" {
		return n
	}
	return parent + "." + n
}

// contentSize is the length of a part with its transfer encoding undone. Of base64 in the usual form its last octets tell it.
func (s *source) contentSize(p *message.Part) (int64, error) {
	if isIdentity(p.Encoding) {
		return p.Size(), nil
	}
	if digits := p.Size() - 2*p.Lines; p.Encoding == "base64" && digits > 0 && digits%4 == 0 {
		const tail = 4
		r, err := s.section(p.End-min(tail, p.Size()), min(tail, p.Size()))
		if err != nil {
			return 0, err
		}
		end, err := io.ReadAll(r)
		_ = r.Close()
		if err != nil {
			return 0, err
		}
		return digits/4*3 - int64(strings.Count(strings.TrimRight(string(end), "\r\n"), "=")), nil
	}
	r, err := s.decoded(p, 0, -1)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(io.Discard, r)
}

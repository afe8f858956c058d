package client

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/postrider/postrider/mail"
)

// slowest is the pace below which a transfer is given up, in octets a second.
const slowest = 4 << 10

// Upload sends a file's contents (RFC 8620 6.1) as they are read. size is how long it is, in octets, or -1 where that is not known.
func (c *Client) Upload(ctx context.Context, kind string, body io.Reader, size int64) (Part, error) {
	s := c.Session()
	if s.MaxUpload > 0 && size > s.MaxUpload {
		return Part{}, mail.Errorf(mail.TooLarge, "the file has %d octets, and the server takes %d", size, s.MaxUpload)
	}
	patience := c.o.Timeout + time.Duration(max(size, 0)/slowest)*time.Second
	if size < 0 {
		patience = time.Hour
	}
	if size == 0 {
		body = http.NoBody
	}
	var out struct {
		Blob string `json:"blobId"`
		Type string `json:"type"`
		Size int64  `json:"size"`
	}
	q := request{method: http.MethodPost, url: fill(s.upload, "accountId", s.Account), kind: cmp.Or(kind, "application/octet-stream"), body: body, size: size, patience: patience}
	if _, err := c.ask(ctx, q, maxProblem, &out); err != nil {
		return Part{}, err
	}
	if out.Blob == "" || size >= 0 && out.Size != size {
		return Part{}, mail.Errorf(mail.Unavailable, "the server has got %d octets of %d; try again", out.Size, size)
	}
	return Part{Blob: out.Blob, Type: out.Type, Size: out.Size}, nil
}

// Download gives the contents of a part, decoded (RFC 8620 6.2). It must be closed. It breaks off when nothing comes for a while.
func (c *Client) Download(ctx context.Context, p Part) (io.ReadCloser, error) {
	s := c.Session()
	ctx, stop := context.WithCancel(ctx)
	resp, err := c.do(ctx, request{method: http.MethodGet, accept: "*/*", url: fill(s.download, "accountId", s.Account, "blobId", p.Blob,
		"name", cmp.Or(p.Name, "file"), "type", cmp.Or(p.Type, "application/octet-stream"))})
	if err != nil {
		stop()
		return nil, err
	}
	return newPatient(resp.Body, stop, c.o.Timeout), nil
}

// patient reads a stream, and ends it when it is silent for too long.
type patient struct {
	body  io.ReadCloser
	stop  context.CancelFunc
	most  time.Duration
	timer *time.Timer
}

func newPatient(body io.ReadCloser, stop context.CancelFunc, most time.Duration) *patient {
	return &patient{body: body, stop: stop, most: most, timer: time.AfterFunc(most, stop)}
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	n, err := p.body.Read(b)
	if n > 0 && p.timer.Stop() {
		p.timer.Reset(p.most)
	}
	return n, err
}

// Close implements io.Closer.
func (p *patient) Close() error {
	p.timer.Stop()
	p.stop()
	return p.body.Close()
}

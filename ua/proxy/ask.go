package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/postrider/postrider/mail"
)

// ask fetches one picture.
func (p *Proxy) ask(ctx context.Context, address string) (picture, error) {
	resp, err := p.client.Get(ctx, address, accept)
	if err != nil {
		return picture{}, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return picture{}, mail.Errorf(mail.NotFound, "the picture's host answers %d", resp.StatusCode)
	case !plain(resp.Header.Get("Content-Encoding")):
		return picture{}, mail.Errorf(mail.Denied, "the picture comes compressed, which was not asked for")
	}
	if err := claimed(resp.Header.Get("Content-Type")); err != nil {
		return picture{}, err
	}
	need := int64(MaxImage)
	if resp.ContentLength >= 0 {
		need = max(resp.ContentLength, 1)
	}
	if p.memory.Acquire(ctx, need) != nil {
		return picture{}, mail.Errorf(mail.TooMany, "too many pictures are being fetched; try again in a moment")
	}
	defer p.memory.Release(need)
	octets, err := body(resp)
	if err != nil {
		return picture{}, err
	}
	return look(octets)
}

// body reads a picture. One that cannot be one by its first octets is not read to its end.
func body(resp *http.Response) ([]byte, error) {
	head := make([]byte, magicSize)
	n, err := io.ReadFull(resp.Body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	if head = head[:n]; kindOf(head) == "" {
		return nil, notAPicture()
	}
	var b bytes.Buffer
	if resp.ContentLength > 0 {
		b.Grow(int(resp.ContentLength)) //nolint:gosec // bounded by the client
	}
	b.Write(head)
	if _, err := b.ReadFrom(resp.Body); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func plain(encoding string) bool { return encoding == "" || strings.EqualFold(encoding, "identity") }

// claimed refuses what by its host's own word is no picture that is taken.
func claimed(contentType string) error {
	t, _, err := mime.ParseMediaType(contentType)
	if contentType != "" && err != nil {
		return notAPicture()
	}
	switch t {
	case "", "application/octet-stream", "binary/octet-stream", "image/png", "image/x-png", "image/apng", "image/jpeg", "image/jpg", "image/pjpeg", "image/gif", "image/webp",
		"image/avif", "image/bmp", "image/x-ms-bmp", "image/x-icon", "image/vnd.microsoft.icon":
		return nil
	case "image/svg+xml":
		return mail.Errorf(mail.Denied, "drawings (SVG) are not shown, because they can hold programs")
	}
	return notAPicture()
}

func notAPicture() error {
	return mail.Errorf(mail.Denied, "what is there is no picture of a kind that is shown")
}

package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
)

// maxReply bounds a reply, in octets: a list of many thousands of accounts.
const maxReply = 256 << 20

// Client is an admin.Operator that asks a running server. It is safe for use by many at once.
type Client struct {
	http *http.Client
}

var _ admin.Operator = (*Client)(nil)

// Dial finds the server that answers on the socket at path. ErrNotRunning when there is none.
func Dial(ctx context.Context, path string) (*Client, error) {
	conn, err := dial(ctx, path)
	if err != nil {
		return nil, err
	}
	_ = conn.Close() // each request has a connection of its own
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path) },
		DisableKeepAlives: true,
	}}}, nil
}

// Close frees the client's connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// post sends a body to a path and gives the reply's, or the error that the server answered with.
func (c *Client) post(ctx context.Context, path string, body io.Reader) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postrider"+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	reply, err := c.http.Do(r)
	switch {
	case err == nil && reply.StatusCode == http.StatusOK:
		return reply.Body, nil
	case err == nil:
		defer reply.Body.Close()
		var f failed
		if json.NewDecoder(io.LimitReader(reply.Body, MaxRequest)).Decode(&f) != nil || f.Error.Text == "" {
			return nil, mail.Errorf(mail.Internal, "the server answered %s without saying why", reply.Status)
		}
		return nil, f.Error.err()
	}
	return nil, broken(ctx, err)
}

// broken is the error of a request that got no complete reply.
func broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var known *mail.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, ErrNotRunning):
		return mail.Errorf(mail.Unavailable, "the server has just stopped; start it and try again")
	}
	return mail.Errorf(mail.Unavailable, "the server broke off the request; its log may say why: %w", err)
}

func call[Q, A any](ctx context.Context, c *Client, path string, request Q) (reply A, err error) {
	text, err := json.Marshal(request)
	if err != nil {
		return reply, mail.Errorf(mail.Invalid, "the request cannot be written as JSON: %w", err)
	}
	body, err := c.post(ctx, path, bytes.NewReader(text))
	if err != nil {
		return reply, err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, maxReply)).Decode(&reply); err != nil {
		return reply, broken(ctx, err)
	}
	return reply, nil
}

// Send implements admin.MessageOperator.
func (c *Client) Send(ctx context.Context, r admin.SendRequest, message io.Reader) (admin.Sent, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return admin.Sent{}, mail.Errorf(mail.Invalid, "the request cannot be written as JSON: %w", err)
	}
	// A reader that the transport cannot close or measure: the message stays the caller's and goes out in chunks, so that its
	// end is told from a connection that broke.
	body, err := c.post(ctx, PathSend, io.MultiReader(bytes.NewReader(append(line, '\n')), message))
	if err != nil {
		return admin.Sent{}, err
	}
	defer body.Close()
	var sent admin.Sent
	if err := json.NewDecoder(io.LimitReader(body, maxReply)).Decode(&sent); err != nil {
		return sent, broken(ctx, err)
	}
	return sent, nil
}

// Verify implements admin.SystemOperator.
func (c *Client) Verify(ctx context.Context, r admin.VerifyRequest, progress func(admin.Progress)) (admin.VerifyReport, error) {
	return follow[admin.VerifyRequest, admin.VerifyReport](ctx, c, pathVerify, r, progress)
}

// Watch implements admin.SystemOperator.
func (c *Client) Watch(ctx context.Context, r admin.Examination, progress func(admin.Progress)) (admin.Diagnosis, error) {
	return follow[admin.Examination, admin.Diagnosis](ctx, c, pathDoctorRun, r, progress)
}

// follow asks for an operation that tells progress.
func follow[Q, A any](ctx context.Context, c *Client, path string, request Q, progress func(admin.Progress)) (reply A, err error) {
	text, err := json.Marshal(request)
	if err != nil {
		return reply, mail.Errorf(mail.Invalid, "the request cannot be written as JSON: %w", err)
	}
	body, err := c.post(ctx, path, bytes.NewReader(text))
	if err != nil {
		return reply, err
	}
	defer body.Close()
	lines := json.NewDecoder(io.LimitReader(body, maxReply))
	for {
		var s step[A]
		if err := lines.Decode(&s); err != nil {
			return reply, broken(ctx, err)
		}
		switch {
		case s.Error != nil:
			return reply, s.Error.err()
		case s.Reply != nil:
			return *s.Reply, nil
		case s.Progress != nil && progress != nil:
			progress(*s.Progress)
		}
	}
}

package outward

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/postrider/postrider/mail"
)

// Bounds of every request, unless the configuration has others.
const (
	MaxRedirects   = 5
	MaxHeader      = 64 << 10
	DefaultMaxBody = 10 << 20
	DefaultTimeout = 20 * time.Second
	maxURL         = 4096
)

// ClientConfig says how requests are made. Dialer is required.
type ClientConfig struct {
	Dialer *Dialer
	// Agent is the User-Agent that all requests have; it must not be empty.
	Agent string
	// Plain lets http URLs through; without it only https is asked.
	Plain bool
	// Redirects are followed where this is set.
	Redirects bool
	// MaxBody is how many octets of an answer are read; 0: DefaultMaxBody.
	MaxBody int64
	// Timeout is for a request with its redirects and the body; 0: DefaultTimeout.
	Timeout time.Duration
	// TLS is for tests with an authority of their own; nil: the system's authorities.
	TLS *tls.Config
}

// Client makes HTTP requests to the outside. It is safe for concurrent use and must be closed.
type Client struct {
	cfg       ClientConfig
	transport *http.Transport
	http      *http.Client
}

// NewClient makes a client.
func NewClient(cfg ClientConfig) *Client {
	cfg.MaxBody = cmp.Or(cfg.MaxBody, DefaultMaxBody)
	cfg.Timeout = cmp.Or(cfg.Timeout, DefaultTimeout)
	c := &Client{cfg: cfg}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	c.transport = &http.Transport{
		Proxy:       nil, // whatever the environment says
		DialContext: cfg.Dialer.DialContext, TLSClientConfig: cfg.TLS, Protocols: protocols,
		TLSHandshakeTimeout: min(10*time.Second, cfg.Timeout), ResponseHeaderTimeout: cfg.Timeout,
		MaxResponseHeaderBytes: MaxHeader, DisableCompression: true,
		MaxIdleConns: 32, MaxIdleConnsPerHost: 2, MaxConnsPerHost: 8, IdleConnTimeout: 30 * time.Second,
	}
	c.http = &http.Client{Transport: c, Timeout: cfg.Timeout, CheckRedirect: c.redirect}
	return c
}

// HTTP is the client for libraries that want net/http's. Everything that holds here holds there.
func (c *Client) HTTP() *http.Client { return c.http }

// Close ends idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Do makes a request. Its errors are mail.Errors: Denied and Invalid for what is not asked for from here, TooLarge (also while the body is
// read), Unavailable for all trouble on the way. The body must be closed.
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, sentence(r.Context(), err)
	}
	resp.Body = &spoken{ReadCloser: resp.Body, ctx: r.Context()}
	return resp, nil
}

// Get asks for a URL; accept is the Accept field.
func (c *Client) Get(ctx context.Context, rawURL, accept string) (*http.Response, error) {
	if len(rawURL) > maxURL {
		return nil, mail.Errorf(mail.Invalid, "the address is longer than %d octets", maxURL)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "the address cannot be read; it must begin with https://")
	}
	r.Header.Set("Accept", accept)
	return c.Do(r)
}

// sentence makes a mail.Error of what net/http says.
func sentence(ctx context.Context, err error) error {
	var known *mail.Error
	if errors.As(err, &known) {
		return known
	}
	var slow interface{ Timeout() bool }
	if errors.As(err, &slow) && slow.Timeout() && ctx.Err() == nil {
		return mail.Errorf(mail.Unavailable, "the host did not answer in time")
	}
	if ctx.Err() != nil {
		return mail.Errorf(mail.Unavailable, "the request was called off: %w", ctx.Err())
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address, which may hold secrets
	}
	return &mail.Error{Kind: mail.Unavailable, Text: "the host could not be asked: " + cut(err.Error()), Err: err}
}

// redirect says whether a redirect is followed. RFC 9110 15.4.
func (c *Client) redirect(r *http.Request, via []*http.Request) error {
	if !c.cfg.Redirects {
		return http.ErrUseLastResponse
	}
	if len(via) > MaxRedirects {
		return mail.Errorf(mail.Denied, "the host sends on more than %d times", MaxRedirects)
	}
	return nil // RoundTrip checks it
}

// CheckURL says whether a URL would be asked for at all, without resolving anything.
func (c *Client) CheckURL(u *url.URL) error {
	port := uint16(443)
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && c.cfg.Plain:
		port = 80
	default:
		return mail.Errorf(mail.Denied, "an address with the scheme %q is not asked for from here", cut(u.Scheme))
	}
	if u.User != nil {
		return mail.Errorf(mail.Denied, "an address with a user name in it is not asked for from here")
	}
	if len(u.String()) > maxURL {
		return mail.Errorf(mail.Invalid, "the address is longer than %d octets", maxURL)
	}
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return mail.Errorf(mail.Invalid, "%q is not a port", cut(text))
		}
		port = uint16(n)
	}
	host := u.Hostname()
	if len(u.Host) > 0 && u.Host[0] == '[' {
		host = "[" + host + "]"
	}
	_, err := c.cfg.Dialer.check(host, port)
	return err
}

// RoundTrip implements http.RoundTripper: every request, the first and each redirected one, passes here.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := c.CheckURL(r.URL); err != nil {
		return nil, err
	}
	clean := r.Clone(r.Context())
	for _, name := range []string{"Referer", "Cookie", "Origin", "X-Forwarded-For", "Forwarded"} {
		clean.Header.Del(name)
	}
	clean.Header.Set("User-Agent", c.cfg.Agent)
	resp, err := c.transport.RoundTrip(clean)
	if err != nil {
		return nil, err
	}
	if resp.ContentLength > c.cfg.MaxBody {
		resp.Body.Close() //nolint:errcheck // nothing of it is wanted
		return nil, tooLarge(c.cfg.MaxBody)
	}
	resp.Header.Del("Set-Cookie")
	resp.Body = &bounded{ReadCloser: resp.Body, left: c.cfg.MaxBody, most: c.cfg.MaxBody}
	return resp, nil
}

func tooLarge(most int64) error {
	return mail.Errorf(mail.TooLarge, "the answer is larger than the %d octets that are read", most)
}

// bounded ends a body that is too long with an error.
type bounded struct {
	io.ReadCloser
	left, most int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, tooLarge(b.most)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, tooLarge(b.most)
	}
	return n, err
}

// spoken makes mail.Errors of what goes wrong while a body is read.
type spoken struct {
	io.ReadCloser
	ctx context.Context //nolint:containedctx // of the request the body answers
}

func (s *spoken) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = sentence(s.ctx, err)
	}
	return n, err
}

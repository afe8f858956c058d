package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// Bounds of what is read, in octets.
const (
	maxSession  = 1 << 20
	maxResponse = 32 << 20
	maxProblem  = 64 << 10
)

// Options say who reads mail, and where.
type Options struct {
	Server   string // the server's name or URL, https; "" means that it is found from the address
	User     string // the mail address
	Password string

	Roots   *x509.CertPool // the authorities that are believed; nil: the system's
	Timeout time.Duration  // of one request; 0: a minute
	Clock   mail.Clock     // nil: the system's

	// Dial and LookupSRV stand for the network; nil: the system's.
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
	LookupSRV func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// Client talks to one account of one server. It can be used by several goroutines.
type Client struct {
	o    Options
	http *http.Client

	mu      sync.Mutex
	session *Session
}

// Open finds the server, logs in and reads the session.
func Open(ctx context.Context, o Options) (*Client, error) {
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	if o.Clock == nil {
		o.Clock = mail.SystemClock{}
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: 15 * time.Second}).DialContext
	}
	if o.LookupSRV == nil {
		o.LookupSRV = net.DefaultResolver.LookupSRV
	}
	c := &Client{o: o, http: &http.Client{
		CheckRedirect: follow,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: o.Dial, TLSHandshakeTimeout: 15 * time.Second, ForceAttemptHTTP2: true,
			TLSClientConfig:       &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			ResponseHeaderTimeout: o.Timeout, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 4,
		},
	}}
	if strings.ContainsAny(o.User+o.Password, "\r\n\x00") || strings.Contains(o.User, ":") {
		return nil, mail.Errorf(mail.Invalid, "the address or the password has characters that cannot be sent")
	}
	at, err := c.find(ctx)
	if err == nil {
		err = c.login(ctx, at)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close lets go of the connections. Streams that are open stay so until they are closed.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// User is the address the client was opened with.
func (c *Client) User() string { return c.o.User }

// follow follows redirects of questions, over TLS.
func follow(r *http.Request, via []*http.Request) error {
	switch {
	case via[0].Method != http.MethodGet:
		return http.ErrUseLastResponse
	case len(via) > 5:
		return errors.New("it was redirected too often")
	case r.URL.Scheme != "https":
		return errors.New("it was redirected to where there is no TLS")
	}
	return nil
}

// request is one HTTP request.
type request struct {
	method, url string
	kind        string // of the body
	body        io.Reader
	size        int64 // of the body, where it is known
	accept      string
	last        string        // Last-Event-ID
	patience    time.Duration // how long the answer may take; 0: the client's timeout
}

// do sends a request; what is no success is an error. The body of the response must be closed.
func (c *Client) do(ctx context.Context, q request) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, q.method, q.url, q.body)
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "%s is no URL that can be asked: %w", words(q.url), err)
	}
	if q.size > 0 {
		r.ContentLength = q.size
	}
	if q.kind != "" {
		r.Header.Set("Content-Type", q.kind)
	}
	if q.last != "" {
		r.Header.Set("Last-Event-ID", q.last)
	}
	r.Header.Set("Accept", cmp.Or(q.accept, "application/json"))
	r.Header.Set("User-Agent", "postrider")
	r.SetBasicAuth(c.o.User, c.o.Password)
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, unreachable(ctx, r.URL.Host, err)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, refused(resp)
	}
	return resp, nil
}

// ask is do for an answer in JSON, of a bounded size and within the timeout.
func (c *Client) ask(ctx context.Context, q request, most int64, to any) (from *url.URL, err error) {
	ctx, stop := context.WithTimeout(ctx, cmp.Or(q.patience, c.o.Timeout))
	defer stop()
	resp, err := c.do(ctx, q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return nil, unreachable(ctx, resp.Request.URL.Host, err)
	case int64(len(b)) > most:
		return nil, mail.Errorf(mail.TooLarge, "the server's answer is larger than %d octets; ask for less at a time", most)
	}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(to); err != nil {
		return nil, mail.Errorf(mail.Unavailable, "what %s answers is no JMAP; see whether --server is right: %w", words(resp.Request.URL.Host), err)
	}
	return resp.Request.URL, nil
}

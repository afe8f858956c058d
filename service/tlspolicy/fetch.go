package tlspolicy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strconv"

	stdtls "crypto/tls"

	"github.com/postrider/postrider/proto/mtasts"
)

// Dialer connects to hosts by name; *dns.Dialer is one.
type Dialer interface {
	Dial(ctx context.Context, host string, port uint16) (net.Conn, error)
}

// failure is why a policy could not be fetched.
type failure struct {
	fault mtasts.Fault
	text  string // one sentence
}

func failed(fault mtasts.Fault, format string, args ...any) *failure {
	return &failure{fault, fmt.Sprintf(format, args...)}
}

const (
	maxHeaders = 16 << 10
	mediaType  = "text/plain"
)

// fetch gets a domain's policy from its web server. ctx bounds it in time. RFC 8461 3.3.
func (p *Policies) fetch(ctx context.Context, domain string) (mtasts.Policy, *failure) {
	transport := &http.Transport{
		// ctx here is the fetch's: the transport's own would outlive it.
		DialTLSContext: func(_ context.Context, _, address string) (net.Conn, error) { return p.dial(ctx, domain, address) },
		// One request to one host: nothing is kept, nothing is unpacked, and no proxy stands between.
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeaders,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, mtasts.URL(domain), nil)
	if err != nil {
		return mtasts.Policy{}, failed(mtasts.FetchFailed, "the address of its policy is not sound: %v", err)
	}
	req.Header.Set("Accept", mediaType)
	req.Header.Set("User-Agent", "Postrider (MTA-STS)")
	resp, err := client.Do(req)
	if err != nil {
		return mtasts.Policy{}, connectFailure(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return mtasts.Policy{}, failed(mtasts.FetchFailed, "the web server answered %d where only 200 counts", resp.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != mediaType {
		return mtasts.Policy{}, failed(mtasts.FetchFailed, "the policy is served as %q, not as %s", clip(resp.Header.Get("Content-Type")), mediaType)
	}
	policy, err := mtasts.ReadPolicy(resp.Body)
	switch {
	case errors.Is(err, mtasts.ErrInvalid):
		return mtasts.Policy{}, failed(mtasts.PolicyInvalid, "%v", err)
	case err != nil:
		return mtasts.Policy{}, failed(mtasts.FetchFailed, "the policy broke off: %v", err)
	}
	return policy, nil
}

// dial connects and has the web server prove that it is the domain's (RFC 8461 3.3).
func (p *Policies) dial(ctx context.Context, domain, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	conn, err := p.cfg.Dialer.Dial(ctx, host, uint16(n))
	if err != nil {
		return nil, err
	}
	secure := stdtls.Client(conn, p.cfg.Trust.Verified(mtasts.Host(domain)))
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// connectFailure tells a certificate that is not good from everything else.
func connectFailure(err error) *failure {
	var verification *stdtls.CertificateVerificationError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	if errors.As(err, &verification) || errors.As(err, &name) || errors.As(err, &authority) || errors.As(err, &invalid) {
		return failed(mtasts.CertRefused, "the web server's certificate is not good: %v", err)
	}
	return failed(mtasts.FetchFailed, "the web server cannot be asked: %v", err)
}

func clip(s string) string { return s[:min(len(s), 80)] }

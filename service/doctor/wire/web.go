package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/service/doctor/words"
)

// maxPage bounds what is read of a page: one octet more than an MTA-STS policy may have.
const maxPage = mtasts.MaxPolicy + 1

// Page is what a web server gave.
type Page struct {
	Status   int
	Type     string    // Content-Type
	Date     time.Time // of the server's clock; zero: it did not say
	Location string    // where it leads to instead
	Body     []byte    // its beginning: 64 KiB and one octet at most
}

// CertError says that a web server's certificate is not good for its name.
type CertError struct{ Verdict }

func (e CertError) Error() string { return "the certificate " + e.Text }

// Get fetches a page, through the dialer. Redirects are not followed. With strict the certificate must be good, else the error is a
// CertError; without, the clock may be asked for although certificates look expired.
func (l *Looker) Get(ctx context.Context, address string, strict bool) (*Page, error) {
	transport := &http.Transport{
		DialContext: l.dialWeb, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 32 << 10,
		DialTLSContext: func(ctx context.Context, network, at string) (net.Conn, error) {
			return l.dialWebTLS(ctx, network, at, strict)
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "%q is no address of a web page", words.Plain(address))
	}
	r.Header.Set("User-Agent", "Postrider doctor")
	resp, err := client.Do(r)
	if err != nil {
		return nil, webError(err)
	}
	defer resp.Body.Close()
	p := &Page{Status: resp.StatusCode, Type: resp.Header.Get("Content-Type"), Location: resp.Header.Get("Location")}
	if d, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		p.Date = d
	}
	if p.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxPage)); err != nil {
		return nil, webError(err)
	}
	return p, nil
}

// webError takes the address off, which the sentence has already.
func webError(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var cert CertError
	if errors.As(err, &cert) {
		return cert
	}
	return err
}

func (l *Looker) dialWeb(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	return l.Dialer.Dial(ctx, host, uint16(number))
}

func (l *Looker) dialWebTLS(ctx context.Context, network, address string, strict bool) (net.Conn, error) {
	conn, err := l.dialWeb(ctx, network, address)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(address)
	secure := tls.Client(conn, looking(host))
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, mail.Errorf(mail.Unavailable, "TLS with %s failed: %w", words.Plain(host), err)
	}
	if v := l.Judge(secure.ConnectionState().PeerCertificates, host); strict && v.Bad() {
		conn.Close()
		return nil, CertError{v}
	}
	return secure, nil
}

// looking is a TLS client that takes every certificate, because what it is after is the certificate: Judge says what is wrong with it.
func looking(host string) *tls.Config {
	return &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
}

package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// maxWords bounds what of a server's words gets into an error, in characters.
const maxWords = 400

// words makes a server's words harmless: one line, no control characters, none that turn the direction of writing, bounded.
func words(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxWords {
			b.WriteString("…")
			break
		}
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

// unreachable is the error of a request that got no answer.
func unreachable(ctx context.Context, host string, err error) error {
	host = words(host)
	if errors.Is(ctx.Err(), context.Canceled) {
		return mail.Errorf(mail.Unavailable, "interrupted: %w", context.Canceled)
	}
	var timeout net.Error
	var bad *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case errors.As(err, &bad):
		return mail.Errorf(mail.Denied, "the certificate of %s cannot be verified (%s), so nothing was sent there; where a private authority has signed it, name that with --ca: %w",
			host, words(bad.Err.Error()), noted{err})
	case errors.As(err, &dns) && dns.IsNotFound:
		return mail.Errorf(mail.Unavailable, "there is no host %s: %w", words(dns.Name), noted{err})
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return mail.Errorf(mail.Unavailable, "%s does not answer in time; try again: %w", host, noted{err})
	}
	return mail.Errorf(mail.Unavailable, "%s cannot be reached: %w", host, noted{err})
}

// noted is a cause whose text has no control characters.
type noted struct{ error }

func (n noted) Error() string { return words(n.error.Error()) }
func (n noted) Unwrap() error { return n.error }

// refused is the error of an answer that is no success; its problem details (RFC 8620 3.6.1) have the server's words.
func refused(resp *http.Response) error {
	kind := mail.Invalid
	text := "the server refuses this: " + http.StatusText(resp.StatusCode)
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return mail.Errorf(mail.Unauthenticated, "%s does not take this address with this password", words(resp.Request.URL.Host))
	case http.StatusForbidden:
		kind = mail.Denied
	case http.StatusNotFound, http.StatusGone:
		kind, text = mail.NotFound, words(resp.Request.URL.Host)+" has no such thing"
	case http.StatusRequestEntityTooLarge:
		kind = mail.TooLarge
	case http.StatusTooManyRequests:
		kind = mail.TooMany
	case http.StatusInsufficientStorage:
		kind = mail.OverQuota
	default:
		if resp.StatusCode >= 500 || resp.StatusCode < 400 {
			kind = mail.Unavailable
		}
	}
	var p struct{ Detail, Title string }
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err == nil && json.Unmarshal(b, &p) == nil && p.Detail+p.Title != "" {
		text = "the server says: " + words(p.Detail)
		if p.Detail == "" {
			text = "the server says: " + words(p.Title)
		}
	}
	return mail.Errorf(kind, "%s (HTTP %d)", text, resp.StatusCode)
}

// kinds are the kinds of JMAP's errors (RFC 8620 3.6.2, RFC 8620 5.3, RFC 8621 7.5).
var kinds = map[string]mail.Kind{
	wire.ErrServerUnavailable: mail.Unavailable, "serverPartialFail": mail.Unavailable, "serverFail": mail.Internal, "forbidden": mail.Denied,
	"accountReadOnly": mail.Denied, "accountNotFound": mail.NotFound, "notFound": mail.NotFound, "overQuota": mail.OverQuota, "tooLarge": mail.TooLarge,
	"requestTooLarge": mail.TooLarge, "rateLimit": mail.TooMany, "stateMismatch": mail.Conflict, "forbiddenFrom": mail.Denied, "forbiddenMailFrom": mail.Denied,
	"forbiddenToSend": mail.Denied, "alreadyExists": mail.Exists, "anchorNotFound": mail.NotFound, "blobNotFound": mail.NotFound,
}

// Fault is an error of a method or of one object of a /set, as JMAP has it.
type Fault struct {
	Type        string   `json:"type"`
	Description string   `json:"description"`
	Properties  []string `json:"properties"`
	Invalid     []string `json:"invalidRecipients"`
	NotFound    []string `json:"notFound"`
}

// Error implements error.
func (f *Fault) Error() string {
	text := f.Description
	if text == "" {
		text = "the server answers " + f.Type
	}
	if more := slices.Concat(f.Properties, f.Invalid); len(more) > 0 {
		text += " (" + strings.Join(more, ", ") + ")"
	}
	return words(text)
}

// because makes it an error with a kind; what was wanted goes first.
func (f *Fault) because(what string) error {
	kind, ok := kinds[f.Type]
	if !ok {
		kind = mail.Invalid
	}
	return mail.Errorf(kind, "%s: %w", what, f)
}

// IsFault reports an error that is a JMAP error of a type.
func IsFault(err error, kind string) bool {
	var f *Fault
	return errors.As(err, &f) && f.Type == kind
}

package webpush

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// Client makes requests to the outside (infra/outward). Its errors are mail.Errors: Denied and Invalid for what is never asked.
type Client interface {
	Do(r *http.Request) (*http.Response, error)
	CheckURL(u *url.URL) error
}

// Config is what a Sender works with.
type Config struct {
	Client Client
	Key    *Key
	// Subject is how people of a push service reach ours: "mailto:postmaster@example.com" or an https URL (RFC 8292 2.1).
	Subject string
	Clock   mail.Clock // nil: the machine's
}

// Sender sends messages. It is safe for concurrent use.
type Sender struct{ cfg Config }

// New makes a sender.
func New(cfg Config) *Sender {
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	return &Sender{cfg: cfg}
}

// Public is the installation's public key, for clients.
func (s *Sender) Public() string { return s.cfg.Key.Public() }

// maxURL is how many octets the address of a subscription has at most.
const maxURL = 2000

// CheckURL says what is wrong with the address of a subscription, as far as can be told without asking anybody.
func (s *Sender) CheckURL(address string) error {
	if len(address) > maxURL {
		return mail.Errorf(mail.Invalid, "the address has more than %d octets", maxURL)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Fragment != "" || u.Opaque != "" {
		return mail.Errorf(mail.Invalid, "the address must begin with https:// and name a host") // RFC 8620 7.2
	}
	return s.cfg.Client.CheckURL(u)
}

// Message is one message to one subscription.
type Message struct {
	URL     string
	Keys    *Keys // nil: it is sent as it is, which RFC 8620 7.2 allows
	Body    []byte
	TTL     time.Duration // how long the push service keeps it (RFC 8030 5.2)
	Urgency string        // very-low, low, normal, high; "" says none (RFC 8030 5.3)
	Topic   string        // a later message of the same topic takes its place (RFC 8030 5.4); "": none
}

// Outcome is what became of a message.
type Outcome uint8

// The outcomes.
const (
	Taken   Outcome = iota
	Gone            // the subscription is no more: forget it
	Later           // it may be taken after Retry
	Refused         // it will never be taken so; the subscription may be well
)

// Result is an outcome with what the push service said of it.
type Result struct {
	Outcome Outcome
	Status  int           // of HTTP; 0 when there was no answer
	Retry   time.Duration // of Later: how long the push service asks to wait; 0: it does not say
	Err     error         // when there was no answer
}

// maxRetry is how long is waited at most, whatever is asked.
const maxRetry = 24 * time.Hour

// Send sends a message (RFC 8030 5).
func (s *Sender) Send(ctx context.Context, m Message) Result {
	body := m.Body
	if m.Keys != nil {
		var err error
		if body, err = Encrypt(m.Body, *m.Keys); err != nil {
			return Result{Outcome: Refused, Err: err}
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(body))
	if err != nil {
		return Result{Outcome: Refused, Err: mail.Errorf(mail.Invalid, "the address cannot be read")}
	}
	auth, err := s.cfg.Key.authorization("https://"+strings.TrimSuffix(strings.ToLower(r.URL.Host), ":443"), s.cfg.Subject, s.cfg.Clock.Now())
	if err != nil {
		return Result{Outcome: Later, Err: err}
	}
	h := r.Header
	h.Set("Authorization", auth)
	h.Set("Content-Type", "application/json") // RFC 8620 7.2
	h.Set("TTL", strconv.FormatInt(int64(m.TTL/time.Second), 10))
	if m.Keys != nil {
		h.Set("Content-Encoding", "aes128gcm")
	}
	if m.Urgency != "" {
		h.Set("Urgency", m.Urgency)
	}
	if m.Topic != "" {
		h.Set("Topic", m.Topic)
	}
	resp, err := s.cfg.Client.Do(r)
	if err != nil {
		if mail.Is(err, mail.Denied) || mail.Is(err, mail.Invalid) || mail.Is(err, mail.TooLarge) {
			return Result{Outcome: Refused, Err: err}
		}
		return Result{Outcome: Later, Err: err}
	}
	const some = 4 << 10
	_, _ = io.CopyN(io.Discard, resp.Body, some) // so that the connection may be used again
	_ = resp.Body.Close()
	return s.judge(resp)
}

// judge reads an answer.
func (s *Sender) judge(resp *http.Response) Result {
	res := Result{Status: resp.StatusCode}
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		res.Outcome = Taken
	case code == http.StatusNotFound, code == http.StatusGone: // RFC 8030 7.3
		res.Outcome = Gone
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500: // RFC 8030 8.4
		res.Outcome, res.Retry = Later, s.retryAfter(resp.Header.Get("Retry-After"))
	default:
		res.Outcome = Refused // a redirect is not followed (RFC 8620 8.6)
	}
	return res
}

// retryAfter reads the field, seconds or a date (RFC 9110 10.2.3).
func (s *Sender) retryAfter(field string) time.Duration {
	if n, err := strconv.ParseInt(field, 10, 32); err == nil {
		return min(max(time.Duration(n)*time.Second, 0), maxRetry)
	}
	if t, err := http.ParseTime(field); err == nil {
		return min(max(t.Sub(s.cfg.Clock.Now()), 0), maxRetry)
	}
	return 0
}

package scan

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// rspamd asks Rspamd's worker: the message by HTTP, its envelope in header fields, the answer as JSON.
type rspamd struct {
	url       string
	hostname  string
	transport *http.Transport
}

// Bounds of the conversation.
const (
	rspamdAnswer     = 1 << 20 // octets
	rspamdRecipients = 100     // that are told
	rspamdSymbols    = 6       // that a note names
)

func newRspamd(address, hostname string) (*rspamd, error) {
	host := address
	if rest, ok := strings.CutPrefix(address, "http://"); ok {
		u, err := url.Parse(address)
		if err != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return nil, mail.Errorf(mail.Invalid, "%q is not where Rspamd listens; write it as \"http://127.0.0.1:11333\"", address)
		}
		if host = strings.TrimRight(rest, "/"); u.Port() == "" {
			host = net.JoinHostPort(u.Hostname(), "11333")
		}
	}
	at, err := parseEndpoint("Rspamd", host)
	if err != nil {
		return nil, err
	}
	r := &rspamd{hostname: hostname, url: "http://rspamd/checkv2"}
	if at.network == "tcp" {
		r.url = "http://" + at.address + "/checkv2"
	}
	r.transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, at.network, at.address)
		},
		MaxIdleConns: 16, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize: 32 << 10,
	}
	return r, nil
}

// Name implements Scanner.
func (r *rspamd) Name() string {
	return "Rspamd at " + strings.TrimSuffix(strings.TrimPrefix(r.url, "http://"), "/checkv2")
}

// Close ends the connections that are kept.
func (r *rspamd) Close() error {
	r.transport.CloseIdleConnections()
	return nil
}

// Scan implements Scanner.
func (r *rspamd) Scan(ctx context.Context, m Message) (Result, error) {
	opened, err := m.Body.Open()
	if err != nil {
		return Result{}, err
	}
	body := &closing{BlobReader: opened}
	defer body.Close() //nolint:errcheck // it was only read
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, struct{ io.ReadCloser }{body})
	if err != nil {
		return Result{}, err
	}
	req.ContentLength = body.Size()
	r.tell(req.Header, m)
	// Not a Client: an answer that sends us elsewhere is no answer.
	res, err := r.transport.RoundTrip(req)
	if err != nil {
		return Result{}, cause(ctx, err)
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(res.Body, rspamdAnswer+1))
	switch {
	case err != nil:
		return Result{}, cause(ctx, err)
	case len(text) > rspamdAnswer:
		return Result{}, fmt.Errorf("its answer is larger than %d octets", rspamdAnswer)
	case res.StatusCode != http.StatusOK:
		return Result{}, fmt.Errorf("it answered with HTTP status %d", res.StatusCode)
	}
	v, err := parseVerdict(text)
	if err != nil {
		return Result{}, err
	}
	return v.result(), nil
}

// closing is a body that is not read any more once it is closed: a transport may go on sending when the answer is there already.
type closing struct {
	mail.BlobReader
	mu     sync.Mutex
	closed bool
}

func (c *closing) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, io.ErrClosedPipe
	}
	return c.BlobReader.Read(p)
}

func (c *closing) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	return c.BlobReader.Close()
}

// tell writes the envelope.
func (r *rspamd) tell(h http.Header, m Message) {
	set := func(name, value string) {
		if value != "" {
			h.Set(name, field(value))
		}
	}
	if ip := m.IP.Unmap(); ip.IsValid() {
		set("IP", ip.WithZone("").String())
	}
	set("Helo", m.Helo)
	set("Hostname", m.Reverse)
	set("From", string(m.From))
	set("Queue-Id", m.ID)
	set("MTA-Name", r.hostname)
	for _, to := range m.To[:min(len(m.To), rspamdRecipients)] {
		h.Add("Rcpt", field(string(to)))
	}
	h.Set("User-Agent", "Postrider")
}

// field makes a value that can stand in a field of HTTP.
func field(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s[:min(len(s), 1000)])
}

// verdict is the part of Rspamd's answer that we use.
type verdict struct {
	Skipped  bool              `json:"is_skipped"`
	Score    float64           `json:"score"`
	Required float64           `json:"required_score"`
	Action   string            `json:"action"`
	Symbols  map[string]symbol `json:"symbols"`
	Messages struct {
		SMTP string `json:"smtp_message"`
	} `json:"messages"`
	Error string `json:"error"`
}

type symbol struct {
	Score float64 `json:"score"`
}

// parseVerdict reads an answer.
func parseVerdict(text []byte) (v verdict, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&v); err != nil {
		var wrong *json.UnmarshalTypeError
		if !errors.As(err, &wrong) || wrong.Field != "messages" { // "messages" is an empty list where there are none
			return v, fmt.Errorf("its answer cannot be understood: %w", err)
		}
	}
	if v.Error != "" {
		return v, fmt.Errorf("it says %q", clean(v.Error, 100))
	}
	if v.Action == "" && !v.Skipped {
		return v, errors.New("its answer says nothing to do")
	}
	v.Score, v.Required = bounded(v.Score), bounded(v.Required)
	return v, nil
}

func bounded(f float64) float64 { return math.Max(-1e6, math.Min(f, 1e6)) }

// result makes a result of a verdict.
func (v verdict) result() Result {
	r := Result{Score: v.Score}
	if v.Skipped && v.Action == "" {
		r.Notes = []string{"Rspamd passed the message over."}
		return r
	}
	text := clean(v.Messages.SMTP, 200)
	switch v.Action {
	case "no action", "greylist":
	case "add header", "rewrite subject", "quarantine":
		r.Action = Junk
	case "soft reject":
		r.Action, r.Enhanced, r.Text = Defer, "4.7.1", cmp.Or(text, "our spam filter wants the message to be tried again later")
	case "reject":
		r.Action, r.Enhanced, r.Text = Refuse, "5.7.1", cmp.Or(text, "our spam filter takes the message for spam; if it is not, ask our postmaster (docs/problems.md#lands-in-spam)")
	case "discard":
		r.Action = Discard
	default:
		r.Notes = append(r.Notes, fmt.Sprintf("Rspamd wants %q, which is unknown here; it was passed over.", clean(v.Action, 40)))
	}
	r.Notes = append(r.Notes, fmt.Sprintf("Rspamd says %q with a score of %.1f of %.1f%s.", clean(v.Action, 40), v.Score, v.Required, v.top()))
	return r
}

// top names the symbols that count most.
func (v verdict) top() string {
	type named struct {
		name  string
		score float64
	}
	all := make([]named, 0, len(v.Symbols))
	for name, s := range v.Symbols {
		if s.Score != 0 {
			all = append(all, named{name, bounded(s.Score)})
		}
	}
	slices.SortFunc(all, func(a, b named) int {
		return cmp.Or(cmp.Compare(math.Abs(b.score), math.Abs(a.score)), cmp.Compare(a.name, b.name))
	})
	var out []string
	for _, s := range all[:min(len(all), rspamdSymbols)] {
		out = append(out, fmt.Sprintf("%s %.1f", clean(s.name, 60), s.score))
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ", ") + ")"
}

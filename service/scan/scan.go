package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/mail"
)

// DefaultTimeout is how long all programs together have for one message where nothing else is said.
const DefaultTimeout = 30 * time.Second

// Opener is what can be read from its start: a mail.SealedBody.
type Opener interface {
	Open() (mail.BlobReader, error)
}

// Message is what is to be looked at.
type Message struct {
	IP      netip.Addr // of the client
	Reverse string     // its verified name, or ""
	Helo    string
	From    mail.Path
	To      []mail.Path
	ID      string // ours: the trace ID
	Body    Opener // the message as it came, without what we put in front
}

// Action is what is to be done with a message. Greater ones are severer.
type Action uint8

// The actions.
const (
	Accept  Action = iota
	Junk           // to be filed as junk
	Discard        // to be taken and thrown away
	Defer          // refused for now (4xx)
	Refuse         // refused for good (5xx)
)

// String names the action for logs.
func (a Action) String() string {
	names := [...]string{"accept", "junk", "discard", "defer", "refuse"}
	if int(a) < len(names) {
		return names[a]
	}
	return "accept"
}

// Result is what came of a scan.
type Result struct {
	Action Action
	Score  float64  // Rspamd's, on its own scale
	Prefix []byte   // header fields to be put in front, complete CRLF lines
	Notes  []string // one sentence for each finding, for the trail
	// Text is one sentence for the sender of a message that is refused, for good or for now, and Enhanced its status code (RFC 3463).
	Text, Enhanced string
}

// Err is the reply to a message that is refused, for good or for now; nil for all others.
func (r Result) Err() error {
	kind := mail.Denied
	switch r.Action {
	case Refuse:
	case Defer:
		kind = mail.Unavailable
	default:
		return nil
	}
	return &mail.Error{Kind: kind, Enhanced: r.Enhanced, Text: r.Text}
}

// Scanner looks at messages. The error of Scan is that the scanner could not do it.
type Scanner interface {
	// Name says what it is and where, for people.
	Name() string
	Scan(ctx context.Context, m Message) (Result, error)
}

// Config says which programs there are. Addresses are "host:port", or the path of a UNIX socket, alone or after "unix:".
type Config struct {
	Rspamd   string // also as a URL: "http://127.0.0.1:11333"
	ClamAV   string
	Milters  []string // asked in turn
	Timeout  time.Duration
	Required bool // what does not answer refuses mail for now
	Hostname string
}

// Chain is all programs. It is a Scanner whose error is only one of reading the body, and of ctx. It is for any number of goroutines.
type Chain struct {
	cfg     Config
	beside  []Scanner
	closers []io.Closer
}

// New makes a Chain. Without any program it accepts everything. The error is of kind Invalid.
func New(cfg Config) (*Chain, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	c := &Chain{cfg: cfg}
	if cfg.Rspamd != "" {
		r, err := newRspamd(cfg.Rspamd, cfg.Hostname)
		if err != nil {
			return nil, err
		}
		c.beside, c.closers = append(c.beside, r), append(c.closers, r)
	}
	if cfg.ClamAV != "" {
		a, err := newClamd(cfg.ClamAV)
		if err != nil {
			return nil, err
		}
		c.beside = append(c.beside, a)
	}
	if len(cfg.Milters) > 0 {
		m, err := newMilters(cfg)
		if err != nil {
			return nil, err
		}
		c.beside = append(c.beside, m)
	}
	return c, nil
}

// Empty reports that there is no program to ask.
func (c *Chain) Empty() bool { return len(c.beside) == 0 }

// Name implements Scanner.
func (c *Chain) Name() string {
	var names []string
	for _, s := range c.beside {
		names = append(names, s.Name())
	}
	return strings.Join(names, ", ")
}

// Close ends connections that are kept. No scan may be under way.
func (c *Chain) Close() error {
	var errs []error
	for _, cl := range c.closers {
		errs = append(errs, cl.Close())
	}
	return errors.Join(errs...)
}

// Scan asks all programs.
func (c *Chain) Scan(ctx context.Context, m Message) (Result, error) {
	if c.Empty() {
		return Result{}, nil
	}
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	src := &source{Opener: m.Body, cancel: cancel}
	m.Body = src
	type answer struct {
		i int
		r Result
	}
	answers := make(chan answer, len(c.beside))
	for i, s := range c.beside {
		go func() { answers <- answer{i, judge(ctx, s, m, c.cfg.Required)} }()
	}
	results := make([]Result, len(c.beside))
	for range c.beside {
		a := <-answers // each ends with ctx at the latest
		results[a.i] = a.r
		if a.r.Action == Refuse {
			cancel() // nothing can be severer
		}
	}
	if err := src.failed.Load(); err != nil {
		return Result{}, *err
	}
	if err := whole.Err(); err != nil {
		return Result{}, mail.Errorf(mail.Unavailable, "the message was not scanned to the end: %w", err)
	}
	return sum(results), nil
}

// judge asks one program, and makes a result of its failure.
func judge(ctx context.Context, s Scanner, m Message, required bool) Result {
	r, err := s.Scan(ctx, m)
	if err == nil {
		return r
	}
	if errors.Is(err, context.Canceled) {
		return Result{} // nobody waits for it
	}
	if required {
		return Result{Action: Defer, Text: "a filter of ours does not answer at this moment; try again later", Enhanced: "4.7.1",
			Notes: []string{fmt.Sprintf("%s gave no answer, and is required: %s.", s.Name(), clean(plain(err), 200))}}
	}
	return Result{Notes: []string{fmt.Sprintf("%s gave no answer, so the message was judged without it: %s.", s.Name(), clean(plain(err), 200))}}
}

// plain says what is behind an error, without what only programs understand.
func plain(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return "it took too long"
	}
	return err.Error()
}

// sum makes one result of several.
func sum(results []Result) (out Result) {
	for _, r := range results {
		if r.Action > out.Action {
			out.Action, out.Text, out.Enhanced = r.Action, r.Text, r.Enhanced
		}
		out.Score += r.Score
		out.Prefix = append(out.Prefix, r.Prefix...)
		out.Notes = append(out.Notes, r.Notes...)
	}
	return out
}

// source remembers an error of the body, which is nobody else's fault, and ends the scan then.
type source struct {
	Opener
	cancel context.CancelFunc
	failed atomic.Pointer[error]
}

func (s *source) fail(err error) {
	s.failed.CompareAndSwap(nil, &err)
	s.cancel()
}

func (s *source) Open() (mail.BlobReader, error) {
	r, err := s.Opener.Open()
	if err != nil {
		s.fail(err)
		return nil, err
	}
	return &reading{r, s}, nil
}

type reading struct {
	mail.BlobReader
	s *source
}

func (r *reading) note(err error) {
	if err != nil && err != io.EOF { //nolint:errorlint // as io.Reader says
		r.s.fail(err)
	}
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.BlobReader.Read(p)
	r.note(err)
	return n, err
}

// WriteTo goes through Read, so that an error of the writer is not taken for one of the body.
func (r *reading) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{r})
}

// clean makes one short line of what a program says.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), most*4)], " "))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strings.TrimSpace(s)
}

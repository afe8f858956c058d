package tlspolicy

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/proto/tlsrpt"
)

// Texts asks the DNS for texts; dns.Resolver has it.
type Texts interface {
	TXT(ctx context.Context, name string) (dns.Answer[[]string], error)
}

// Config is what Policies work with. Resolver, Dialer, Notes and Journal must be set; zero stands for the default of the rest.
type Config struct {
	Resolver Texts
	Dialer   Dialer // connects to web servers; its Overrides hold for them too
	Notes    mail.Notes
	Journal  mail.Journal
	Trust    *tls.Trust    // whose certificates count; nil: the machine's authorities
	Clock    mail.Clock    // nil: the machine's
	Log      *slog.Logger  // nil: none
	Within   time.Duration // for one fetch: a minute, which is also the most (RFC 8461 3.3)
	Fetches  int           // at once: 16
	Memory   int           // octets kept in memory: 8 MiB
}

// maxWithin is how long one fetch may take. RFC 8461 3.3.
const maxWithin = time.Minute

// Policies are the MTA-STS policies of other domains. They are safe for concurrent use, and must be closed.
type Policies struct {
	cfg    Config
	memory memory
	flight singleflight.Group
	turns  chan struct{} // one for each fetch under way
	life   context.Context
	end    context.CancelFunc
	mu     sync.Mutex // guards closed against work.Add
	closed bool
	work   sync.WaitGroup
}

// New makes Policies. Invalid where a part is missing.
func New(cfg Config) (*Policies, error) {
	if cfg.Resolver == nil || cfg.Dialer == nil || cfg.Notes == nil || cfg.Journal == nil {
		return nil, mail.Errorf(mail.Invalid, "MTA-STS needs a resolver, a dialer, the notes and the journal")
	}
	if cfg.Trust == nil {
		trust, err := tls.NewTrust(cfg.Clock)
		if err != nil {
			return nil, err
		}
		cfg.Trust = trust
	}
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Within <= 0 || cfg.Within > maxWithin {
		cfg.Within = maxWithin
	}
	if cfg.Fetches <= 0 {
		cfg.Fetches = 16
	}
	if cfg.Memory <= 0 {
		cfg.Memory = 8 << 20
	}
	p := &Policies{cfg: cfg, turns: make(chan struct{}, cfg.Fetches), memory: memory{limit: cfg.Memory}}
	p.life, p.end = context.WithCancel(context.Background())
	return p, nil
}

// Close ends what is under way and waits for it. Questions asked afterwards are Unavailable unless the memory has the answer.
func (p *Policies) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.end()
	p.work.Wait()
}

// begin counts one piece of work under way, unless closed.
func (p *Policies) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.work.Add(1)
	}
	return !p.closed
}

// Policy gives the policy that counts for a domain (lower case, A-labels) now; nil: there is none. It is shared: do not change it.
// fault tells, for a TLS report, why the present policy could not be fetched although there is a record; then the policy is an older one
// or nil. A domain never met before is asked about and its policy fetched before Policy comes back, a minute at most; else
// it comes back at once. The error is Unavailable, where ctx ended, what is remembered cannot be read, or too much is asked at once.
func (p *Policies) Policy(ctx context.Context, domain string) (policy *mtasts.Policy, fault tlsrpt.ResultType, err error) {
	if domain == "" || strings.HasPrefix(domain, "[") {
		return nil, "", nil
	}
	now := p.cfg.Clock.Now()
	k := p.memory.get(domain)
	if k == nil || !k.sound(now) {
		return p.ask(ctx, domain)
	}
	switch d := k.entry.Decide(k.id, now); {
	case d.Fetch == mtasts.FetchFirst:
		return p.ask(ctx, domain)
	case d.Fetch == mtasts.FetchBehind, d.Policy != nil && now.Sub(k.wanted) >= wantedEvery:
		p.behind(domain)
	}
	policy, fault = k.counts(now)
	return policy, fault, nil
}

// ask learns anew what is to be known of a domain, together with whoever wants the same.
func (p *Policies) ask(ctx context.Context, domain string) (*mtasts.Policy, tlsrpt.ResultType, error) {
	done := p.flight.DoChan(domain, func() (any, error) {
		if !p.begin() {
			return nil, errClosed
		}
		defer p.work.Done()
		return p.learn(domain, learning{wanted: true, waits: true})
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return nil, "", mail.Errorf(mail.Unavailable, "it cannot be told now whether %s has an MTA-STS policy: %w", domain, r.Err)
		}
		k, now := r.Val.(*known), p.cfg.Clock.Now()
		if k.entry.Decide(k.id, now).Fetch == mtasts.FetchBehind {
			p.behind(domain)
		}
		policy, fault := k.counts(now)
		return policy, fault, nil
	case <-ctx.Done():
		return nil, "", mail.Errorf(mail.Unavailable, "the MTA-STS policy of %s did not come in time: %w", domain, context.Cause(ctx))
	}
}

var (
	errClosed = errors.New("the system is being stopped")
	errBusy   = errors.New("too many policies are being fetched")
)

// behind learns anew while mail goes on.
func (p *Policies) behind(domain string) {
	if !p.begin() {
		return
	}
	go func() {
		defer p.work.Done()
		_, _, _ = p.flight.Do(domain, func() (any, error) { return p.learn(domain, learning{wanted: true}) })
	}()
}

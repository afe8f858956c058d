package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/postrider/postrider/infra/outward"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/answer"
)

// Bounds.
const (
	MaxImage     = 10 << 20 // octets of one picture
	CacheBytes   = 64 << 20 // of all that are kept
	flying       = 48 << 20 // of all that are being fetched
	fetches      = 16       // at a time
	perAccount   = 32       // of one account, being fetched or waiting for their turn
	burst        = 300      // fetches of one account at once; then
	perMinute    = 120      // so many a minute
	maxPixels    = 100_000_000
	keepGood     = 24 * time.Hour
	keepBad      = 5 * time.Minute
	fetchTime    = 20 * time.Second
	patience     = 25 * time.Second // of a reader
	defaultAgent = "Mozilla/5.0 (compatible; image proxy of a mail server)"
	accept       = "image/avif,image/webp,image/png,image/jpeg,image/gif,image/bmp,image/x-icon"
)

// Config is what a proxy works with. Guarded and Dialer are required.
type Config struct {
	Guarded answer.Guarded
	Dialer  *outward.Dialer // for ports 80 and 443
	Agent   string          // the name that hosts are told; "" is one that says nothing
	TLS     *tls.Config     // for tests; nil: the system's authorities
	Clock   mail.Clock
	Log     *slog.Logger
}

// Proxy fetches pictures. It must be closed.
type Proxy struct {
	cfg    Config
	client *outward.Client
	cache  *cache
	flight singleflight.Group
	slots  *semaphore.Weighted
	memory *semaphore.Weighted

	ctx  context.Context //nolint:containedctx // ends with the proxy
	stop context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	spends map[mail.AccountID]*spend
}

// spend is what an account may still ask for.
type spend struct {
	left float64
	at   time.Time
	open int
}

// New makes a proxy.
func New(cfg Config) *Proxy {
	cfg.Agent = cmp.Or(cfg.Agent, defaultAgent)
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Proxy{cfg: cfg, cache: newCache(CacheBytes), slots: semaphore.NewWeighted(fetches), memory: semaphore.NewWeighted(flying), spends: map[mail.AccountID]*spend{}}
	p.client = outward.NewClient(outward.ClientConfig{Dialer: cfg.Dialer, Agent: cfg.Agent, Plain: true, Redirects: true, MaxBody: MaxImage, Timeout: fetchTime, TLS: cfg.TLS})
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// begin counts a piece of work in, unless the proxy is closed.
func (p *Proxy) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return false
	}
	p.work.Add(1)
	return true
}

// Close ends what is being fetched.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.stop()
	p.mu.Unlock()
	p.work.Wait()
	p.client.Close()
}

// Register puts the proxy's path into a Mux, for a host as Mux.Handle takes it.
func (p *Proxy) Register(m *web.Mux, host string) {
	m.Handle(host, "/api/image", p.cfg.Guarded(p.serve))
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, account mail.Account) {
	if !answer.Only(w, r, http.MethodGet) {
		return
	}
	image, err := p.image(r.Context(), account.ID, r.URL.Query().Get("url"))
	if err != nil {
		answer.Fail(w, r, p.cfg.Log, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", image.kind)
	h.Set("Content-Length", strconv.Itoa(len(image.octets)))
	h.Set("Cache-Control", "private, max-age=86400, immutable")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Disposition", "inline")
	w.Write(image.octets) //nolint:errcheck // a reader that is gone
}

// image gives a picture: one that is kept, or a fresh one.
func (p *Proxy) image(ctx context.Context, account mail.AccountID, raw string) (picture, error) {
	u, err := url.Parse(raw)
	if err != nil || raw == "" {
		return picture{}, mail.Errorf(mail.Invalid, "the picture's address cannot be read")
	}
	if err := p.client.CheckURL(u); err != nil {
		return picture{}, err
	}
	u.Fragment, u.RawFragment = "", ""
	key := u.String()
	if e, ok := p.cache.get(key, p.cfg.Clock.Now()); ok {
		return e.picture, e.err
	}
	if err := p.enter(account); err != nil {
		return picture{}, err
	}
	defer p.leave(account)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// Whoever asks first starts the fetch; it goes on when they leave, for those who came later.
	done := p.flight.DoChan(key, func() (any, error) {
		if !p.begin() {
			return picture{}, mail.Errorf(mail.Unavailable, "the server is stopping")
		}
		defer p.work.Done()
		return p.fetch(key)
	})
	select {
	case r := <-done:
		got, _ := r.Val.(picture)
		return got, r.Err
	case <-ctx.Done():
		return picture{}, mail.Errorf(mail.NotFound, "the picture's host did not answer in time")
	}
}

// fetch gets a picture and keeps it, or keeps that it cannot be had.
func (p *Proxy) fetch(key string) (picture, error) {
	ctx, cancel := context.WithTimeout(p.ctx, fetchTime)
	defer cancel()
	if p.slots.Acquire(ctx, 1) != nil {
		return picture{}, mail.Errorf(mail.TooMany, "too many pictures are being fetched; try again in a moment")
	}
	defer p.slots.Release(1)
	got, err := p.ask(ctx, key)
	if mail.Is(err, mail.Unavailable) { // the host's trouble is no trouble of ours
		err = mail.Errorf(mail.NotFound, "the picture cannot be had: %s", mail.Sentence(err))
	}
	if mail.Is(err, mail.TooMany) || p.ctx.Err() != nil {
		return got, err // ours, and passing
	}
	keep := keepGood
	if err != nil {
		keep = keepBad
	}
	p.cache.put(key, entry{picture: got, err: err, until: p.cfg.Clock.Now().Add(keep)})
	return got, err
}

// enter counts a fetch against its account.
func (p *Proxy) enter(account mail.AccountID) error {
	now := p.cfg.Clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.spends) > 10_000 {
		for id, s := range p.spends {
			if s.open == 0 && now.Sub(s.at) > burst/perMinute*time.Minute+time.Minute {
				delete(p.spends, id)
			}
		}
	}
	s := p.spends[account]
	if s == nil {
		s = &spend{left: burst, at: now}
		p.spends[account] = s
	}
	if d := now.Sub(s.at); d > 0 {
		s.left = min(burst, s.left+d.Minutes()*perMinute)
	}
	s.at = now
	switch {
	case s.left < 1:
		return mail.Errorf(mail.TooMany, "too many pictures were asked for; wait a minute")
	case s.open >= perAccount:
		return mail.Errorf(mail.TooMany, "too many pictures are being fetched for you; try again in a moment")
	}
	s.left--
	s.open++
	return nil
}

func (p *Proxy) leave(account mail.AccountID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spends[account].open--
}

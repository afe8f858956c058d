package dns

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/postrider/postrider/mail"
)

// Config says whom a Client asks and how. The zero value asks the system's name servers with the defaults named below.
type Config struct {
	// Servers are the name servers, asked in order. Empty: those of ResolvConf, read again when that file changes.
	Servers []netip.AddrPort
	// ResolvConf is the path of the system's list; "" is /etc/resolv.conf.
	ResolvConf string
	// Trusted makes the servers' word about DNSSEC count although they are not on this machine. Set it only where
	// the path to them cannot be forged.
	Trusted bool
	// Timeout is for one try at one server; 0 is 3 s, or what ResolvConf says.
	Timeout time.Duration
	// Rounds is how often all servers are tried; 0 is 2, or what ResolvConf says.
	Rounds int
	// CacheOctets bounds the cache; 0 is 16 MiB, below 0 nothing is kept.
	CacheOctets int
	// Clock is for the cache; nil is the machine's.
	Clock mail.Clock
	// Shuffle orders MX hosts of one preference; nil is math/rand/v2's.
	Shuffle func(n int, swap func(i, j int))
}

// Client is a Resolver that asks name servers. It must be closed.
type Client struct {
	front
	cfg    Config
	system *resolvConf // nil when the servers are configured
	cache  cache
	flight singleflight.Group
	life   context.Context // of the questions under way, which outlive whoever asked first
	end    context.CancelFunc
	mu     sync.Mutex // guards closed against work.Add
	closed bool
	work   sync.WaitGroup

	validator *validator // nil: DNSSEC is what trusted servers say
}

var _ Resolver = (*Client)(nil)

// New makes a Client.
func New(cfg Config) *Client {
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Shuffle == nil {
		cfg.Shuffle = rand.Shuffle
	}
	if cfg.CacheOctets == 0 {
		cfg.CacheOctets = 16 << 20
	}
	c := &Client{cfg: cfg, cache: cache{limit: cfg.CacheOctets, clock: cfg.Clock}}
	if len(cfg.Servers) == 0 {
		c.system = &resolvConf{path: cmpOr(cfg.ResolvConf, "/etc/resolv.conf"), clock: cfg.Clock}
	}
	c.front = front{source: c, shuffle: cfg.Shuffle}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

func cmpOr[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}

// Close ends the questions under way and waits for them. What is asked later is Unavailable.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.work.Wait()
	return nil
}

// begin counts one question under way, unless the client is closed.
func (c *Client) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.work.Add(1)
	}
	return !c.closed
}

// failureTTL is how long it is remembered that nobody could answer, so that a thousand recipients in one dead
// domain wait for it once (RFC 2308 7.1 allows up to five minutes).
const failureTTL = 5 * time.Second

// ask implements source: from the cache, or together with whoever asks the same right now.
func (c *Client) ask(ctx context.Context, name string, k kind) (set, error) {
	key := cacheKey{name, k}
	if s, err, ok := c.cache.get(key); ok {
		return s, err
	}
	if err := ctx.Err(); err != nil {
		return set{}, interrupted(name, k, err)
	}
	done := c.flight.DoChan(name+"/"+k.String(), func() (any, error) {
		if !c.begin() {
			return set{}, unavailable(name, k, errors.New("the resolver is closed"))
		}
		defer c.work.Done()
		s, err := c.resolve(c.life, name, k)
		if err == nil {
			c.cache.put(key, s, nil, s.ttl)
		} else if c.life.Err() == nil {
			c.cache.put(key, set{}, err, failureTTL)
		}
		return s, err
	})
	select {
	case r := <-done:
		return r.Val.(set), r.Err
	case <-ctx.Done():
		return set{}, interrupted(name, k, ctx.Err())
	}
}

func unavailable(name string, k kind, err error) error {
	return &mail.Error{Kind: mail.Unavailable, Err: err, Enhanced: "4.4.3",
		Text: "DNS cannot tell the " + k.String() + " records of " + name + " now"}
}

func interrupted(name string, k kind, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return unavailable(name, k, errors.New("no answer in time"))
	}
	return unavailable(name, k, err)
}

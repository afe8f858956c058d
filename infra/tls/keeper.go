package tls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// Pair is a certificate (with its chain) and its key, as PEM files. They may be one file.
type Pair struct{ CertFile, KeyFile string }

// KeeperConfig says which certificates there are.
type KeeperConfig struct {
	// Pairs are shown by name (SNI), before all others; the first stands in where no name fits.
	Pairs []Pair
	// ACME fetches certificates for the names that Pairs does not have; nil: none are fetched.
	ACME *ACME
	// Dir keeps the development authority and certificate, which are shown without Pairs, until the first certificate of ACME is there; it is
	// made when needed. Required without Pairs.
	Dir string
	// Names are those of the development certificate: host names and IP addresses. localhost and the loopback addresses
	// are always among them.
	Names []string
	// Check is how often files are looked at, at most; 0 is 10 s.
	Check time.Duration
	Clock mail.Clock   // nil: the machine's
	Log   *slog.Logger // nil: nobody is told of trouble with files
}

// Keeper shows certificates. It is safe for concurrent use. With ACME it must be run, and closed; without, it needs neither.
type Keeper struct {
	cfg  KeeperConfig
	dev  *development // nil with Pairs
	acme *manager     // nil without ACME

	mu      sync.Mutex
	checked time.Time
	stamps  []stamp
	certs   []*tls.Certificate
	trouble string // what was logged last, so that it is logged once
}

// stamp tells whether a pair's files changed.
type stamp struct{ cert, key fileStamp }

type fileStamp struct {
	changed time.Time
	size    int64
}

// Open reads the certificates, those fetched earlier among them, and makes the development ones where none are configured. A file that is
// missing or unfit is an error of kind Invalid that names it.
func Open(cfg KeeperConfig) (*Keeper, error) {
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Check == 0 {
		cfg.Check = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{cfg: cfg}
	if len(cfg.Pairs) == 0 {
		if cfg.Dir == "" {
			return nil, mail.Errorf(mail.Invalid, "neither certificates nor a directory for development ones are configured")
		}
		k.dev = &development{dir: cfg.Dir, names: cfg.Names, clock: cfg.Clock}
	}
	if err := k.reload(); err != nil {
		return nil, err
	}
	k.checked = cfg.Clock.Now()
	if cfg.ACME != nil {
		m, err := openManager(cfg, k.dev)
		if err != nil {
			return nil, err
		}
		k.acme = m
	}
	return k, nil
}

// Run fetches and renews certificates until ctx ends; without ACME it returns at once. Call it once the servers listen that answer the
// challenges.
func (k *Keeper) Run(ctx context.Context) {
	if k.acme != nil {
		k.acme.run(ctx)
	}
}

// Refresh asks for the names of ACME now, and tries again at once what failed: for when a domain was added, or something was mended.
func (k *Keeper) Refresh() {
	if k.acme != nil {
		k.acme.refresh()
	}
}

// Close ends what Open and Run began. Handshakes go on with what is there.
func (k *Keeper) Close() {
	if k.acme != nil {
		k.acme.close()
	}
}

// AnswerHTTP answers a request that is an authority's challenge (RFC 8555 8.3), and reports whether it was one. Ask it first for each request
// on port 80.
func (k *Keeper) AnswerHTTP(w http.ResponseWriter, r *http.Request) bool {
	return k.acme != nil && k.acme.answer(w, r)
}

// Development tells whether the certificates are the self-made ones, which strangers cannot verify. With ACME that is so until the
// first name has its certificate.
func (k *Keeper) Development() bool {
	return k.dev != nil && (k.acme == nil || !k.acme.has(k.acme.first()))
}

// CAFile is the path of the authority that clients must trust to verify a development certificate; "" when that is
// not what they are shown.
func (k *Keeper) CAFile() string {
	if !k.Development() {
		return ""
	}
	return k.dev.path(caCertFile)
}

// Server gives a listener's configuration. It stays right when certificates change.
func (k *Keeper) Server(p Purpose) *Config {
	c := base()
	c.GetCertificate = k.certificate
	c.Time = k.cfg.Clock.Now
	c.SessionTicketsDisabled = p == MX
	if p == Web {
		c.NextProtos = []string{"h2", "http/1.1"}
		if k.acme != nil && k.acme.cfg.has(TLSALPN) {
			c.NextProtos = append(c.NextProtos, alpn)
		}
	}
	return c
}

// certificate chooses for a handshake: of the files the first that has the name and a kind of key the client knows; then ACME's for the name;
// else the first file's or ACME's first, for a client that does not care about the name.
func (k *Keeper) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if k.acme != nil {
		if c, is, err := k.acme.challenged(hello); is {
			return c, err
		}
	}
	k.mu.Lock()
	k.refresh()
	certs := k.certs
	k.mu.Unlock()
	if k.dev == nil {
		for _, c := range certs {
			if hello.SupportsCertificate(c) == nil {
				return c, nil
			}
		}
	}
	if k.acme != nil {
		if c := k.acme.choose(hello); c != nil && (k.dev != nil || c.Leaf.VerifyHostname(hello.ServerName) == nil) {
			return c, nil
		}
	}
	return certs[0], nil
}

// refresh reads the files again when it is time to and they changed.
func (k *Keeper) refresh() {
	now := k.cfg.Clock.Now()
	if now.Sub(k.checked) < k.cfg.Check {
		return
	}
	k.checked = now
	trouble := ""
	if err := k.reload(); err != nil {
		trouble = err.Error()
	}
	if trouble != "" && trouble != k.trouble {
		k.cfg.Log.Error("the certificates cannot be read again; the last good ones stay", "role", "infra/tls", "error", trouble)
	}
	k.trouble = trouble
}

// reload takes all pairs anew if any changed, and all or none of them.
func (k *Keeper) reload() error {
	pairs := k.cfg.Pairs
	if k.dev != nil {
		if err := k.dev.renew(); err != nil {
			return err
		}
		pairs = []Pair{k.dev.pair()}
	}
	stamps := make([]stamp, len(pairs))
	same := len(k.stamps) == len(pairs)
	for i, p := range pairs {
		var err error
		if stamps[i], err = stampOf(p); err != nil {
			return mail.Errorf(mail.Invalid, "certificate: %w", err)
		}
		same = same && stamps[i] == k.stamps[i]
	}
	if same {
		return nil
	}
	certs := make([]*tls.Certificate, len(pairs))
	for i, p := range pairs {
		c, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
		if err != nil {
			return mail.Errorf(mail.Invalid, "certificate %s with key %s: %w", p.CertFile, p.KeyFile, err)
		}
		if c.Leaf == nil {
			if c.Leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
				return mail.Errorf(mail.Invalid, "certificate %s: %w", p.CertFile, err)
			}
		}
		certs[i] = &c
	}
	k.certs, k.stamps = certs, stamps
	return nil
}

func stampOf(p Pair) (stamp, error) {
	cert, err := os.Stat(p.CertFile)
	if err != nil {
		return stamp{}, err
	}
	key, err := os.Stat(p.KeyFile)
	if err != nil {
		return stamp{}, err
	}
	return stamp{fileStamp{cert.ModTime(), cert.Size()}, fileStamp{key.ModTime(), key.Size()}}, nil
}

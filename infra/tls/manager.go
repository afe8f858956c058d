package tls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/postrider/postrider/mail"
)

// manager is the ACME side of a Keeper. certmagic orders, stores and renews; the manager says for which names and when to try again, and tells
// people about it. One goroutine cares for each name until it has a certificate; from then on certmagic's maintenance renews it.
type manager struct {
	cfg     ACME
	clock   mail.Clock
	log     *slog.Logger
	dev     *development // makes what is shown until the authority's certificate is there; nil: nothing
	vault   *vault
	cache   *certmagic.Cache
	magic   *certmagic.Config
	issuers []*certmagic.ACMEIssuer

	ctx  context.Context // of the jobs
	end  context.CancelFunc
	work sync.WaitGroup
	few  chan struct{} // so many order at a time
	poke chan struct{}

	mu      sync.Mutex
	names   []string
	jobs    map[string]*job
	running bool
	trouble string // with the names
}

// job is the care for one name.
type job struct {
	end     context.CancelFunc
	again   chan struct{}
	interim *tls.Certificate
	trouble string // in words
	sort    string // which one, so that it is said once
	seen    *x509.Certificate
}

// ordering is how many certificates are ordered at a time.
const ordering = 4

func openManager(cfg KeeperConfig, dev *development) (*manager, error) {
	a, err := cfg.ACME.complete()
	if err != nil {
		return nil, err
	}
	m := &manager{
		cfg: a, clock: cfg.Clock, log: cfg.Log, dev: dev, vault: newVault(a.Notes, a.Journal, cfg.Clock),
		few: make(chan struct{}, ordering), poke: make(chan struct{}, 1), jobs: map[string]*job{},
	}
	m.ctx, m.end = context.WithCancel(context.Background())
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.magic, nil },
		RenewCheckInterval: a.Renew,
		Logger:             quietLogger(cfg.Log),
	})
	if m.magic, m.issuers, err = a.magic(m.cache, m.vault, cfg.Log, m.event); err != nil {
		m.close()
		return nil, err
	}
	// What was got before is shown from the first handshake on; nobody is asked for more yet.
	names, err := m.wanted(m.ctx)
	if err != nil {
		m.close()
		return nil, err
	}
	m.names = names
	for _, name := range names {
		if _, err := m.magic.CacheManagedCertificate(m.ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			m.log.Warn("a stored certificate cannot be read", "name", name, "error", err)
		}
	}
	return m, nil
}

// wanted asks for the names.
func (m *manager) wanted(ctx context.Context) ([]string, error) {
	given, err := m.cfg.Names(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range given {
		if n, ok := orderable(name); ok && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names, nil
}

// run cares for the names until ctx ends.
func (m *manager) run(ctx context.Context) {
	m.mu.Lock()
	m.running = true
	m.mu.Unlock()
	defer m.stop()
	for {
		m.sync(ctx)
		m.watch()
		select {
		case <-ctx.Done():
			return
		case <-m.clock.After(m.cfg.Look):
		case <-m.poke:
		}
	}
}

// stop ends the jobs and waits for them.
func (m *manager) stop() {
	m.mu.Lock()
	m.running = false
	m.mu.Unlock()
	m.end()
	m.work.Wait()
}

// drain is how long closing waits for renewals to give their locks back; they run out anyway.
const drain = 5 * time.Second

func (m *manager) close() {
	m.stop()
	m.cache.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	m.vault.idle(ctx)
}

// sync begins to care for new names and lets go of those that are not wanted any more.
func (m *manager) sync(ctx context.Context) {
	names, err := m.wanted(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.running || m.ctx.Err() != nil {
		return
	}
	if err != nil {
		if text := mail.Sentence(err); text != m.trouble && ctx.Err() == nil {
			m.trouble = text
			m.log.Warn("the names for certificates cannot be told now; those known stay", "error", text)
		}
		return
	}
	m.names, m.trouble = names, ""
	for name, j := range m.jobs {
		if !slices.Contains(names, name) {
			j.end()
			delete(m.jobs, name)
			m.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: name}})
		}
	}
	for _, name := range names {
		if m.jobs[name] == nil {
			j := &job{again: make(chan struct{}, 1)}
			var jobCtx context.Context
			jobCtx, j.end = context.WithCancel(m.ctx)
			m.jobs[name] = j
			m.work.Go(func() { m.care(jobCtx, name, j) })
		}
	}
}

// refresh asks for the names now, and tries again at once what failed.
func (m *manager) refresh() {
	m.mu.Lock()
	for _, j := range m.jobs {
		select {
		case j.again <- struct{}{}:
		default:
		}
	}
	m.mu.Unlock()
	m.look()
}

// look has run look at everything now.
func (m *manager) look() {
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

// slowest is the longest wait between two tries, and whole how long one may take.
const (
	slowest = 6 * time.Hour
	whole   = 10 * time.Minute
)

// care gets a name its certificate, however long it takes.
func (m *manager) care(ctx context.Context, name string, j *job) {
	defer j.end()
	attempts := 0
	for wait := m.cfg.Retry; ; {
		pause := m.cfg.Look
		if m.prepare(ctx, name, j) {
			err := m.obtain(ctx, name, &attempts)
			if ctx.Err() != nil {
				return
			}
			if m.has(name) {
				m.look()
				return
			}
			if err == nil {
				err = mail.Errorf(mail.Unavailable, "it was given, and is not there")
			}
			m.failed(name, time.Time{}, err)
			if pause, wait = wait, min(2*wait, slowest); limited(err) {
				pause = max(pause, time.Hour)
			}
			attempts++
		}
		select {
		case <-ctx.Done():
			return
		case <-m.clock.After(pause):
		case <-j.again:
			wait = m.cfg.Retry
		}
	}
}

// prepare makes what a name needs before it is ordered for: its key, and something to show. It tells whether to order now.
func (m *manager) prepare(ctx context.Context, name string, j *job) bool {
	if m.has(name) {
		return true
	}
	key, err := m.cfg.key(ctx, m.vault, name)
	if err != nil {
		m.failed(name, time.Time{}, err)
		return false
	}
	if m.dev != nil && (j.interim == nil || m.dev.ends(j.interim.Leaf, leafRenew)) {
		c, err := m.dev.vouch(name, key)
		if err != nil {
			m.log.Warn("no certificate can be made to show meanwhile", "name", name, "error", err)
		} else {
			m.mu.Lock()
			j.interim = c
			m.mu.Unlock()
		}
	}
	if m.cfg.Ready == nil || strings.HasPrefix(name, "*.") {
		return true
	}
	if err := m.cfg.Ready(ctx, name); err != nil {
		if ctx.Err() == nil {
			why := strings.TrimSuffix(clip(mail.Sentence(err)), ".")
			m.tell(slog.LevelWarn, name, "there is no certificate for "+name+" yet: "+why+". It is ordered as soon as that is mended; see "+remedy, why)
		}
		return false
	}
	return true
}

// obtain loads a name's certificate or orders it, once.
func (m *manager) obtain(ctx context.Context, name string, attempts *int) error {
	select {
	case m.few <- struct{}{}:
		defer func() { <-m.few }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, certmagic.AttemptsCtxKey, attempts), whole)
	defer cancel()
	return m.magic.ManageSync(ctx, []string{name})
}

// event hears what certmagic tells.
func (m *manager) event(_ context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	switch event {
	case "cert_failed":
		// The first order's failure is told by care, which knows all that can go wrong with it.
		if err, _ := data["error"].(error); err != nil && data["renewal"] == true && !errors.Is(err, context.Canceled) {
			m.failed(name, m.until(name), err)
		}
	case "cert_obtained":
		m.log.Info("certificate received", "name", name, "renewal", data["renewal"] == true)
	}
	return nil
}

// watch looks whose certificate is another one than before: because it was ordered here, or by another node.
func (m *manager) watch() {
	var changed []string
	m.mu.Lock()
	for _, name := range m.names {
		j, c := m.jobs[name], m.certificate(name, nil)
		if j == nil || c == nil || c.Leaf == j.seen {
			continue
		}
		j.trouble, j.sort = "", ""
		if j.seen == nil || !j.seen.Equal(c.Leaf) {
			changed = append(changed, name)
		}
		j.seen = c.Leaf
	}
	m.mu.Unlock()
	if len(changed) > 0 && m.cfg.Changed != nil {
		m.cfg.Changed(changed)
	}
}

func (m *manager) failed(name string, until time.Time, err error) {
	text, sort := m.cfg.explain(name, until, err)
	m.tell(slog.LevelError, name, text, sort)
}

// tell says what is wrong with a name, unless that is what was said last.
func (m *manager) tell(level slog.Level, name, text, sort string) {
	m.mu.Lock()
	j := m.jobs[name]
	news := j != nil && j.sort != sort && m.ctx.Err() == nil
	if j != nil {
		j.trouble, j.sort = text, sort
	}
	m.mu.Unlock()
	if news {
		m.log.Log(context.Background(), level, text, "name", name)
	}
}

// has tells whether the authority's certificate for a name is there.
func (m *manager) has(name string) bool { return m.certificate(name, nil) != nil }

func (m *manager) until(name string) time.Time {
	if c := m.certificate(name, nil); c != nil {
		return c.Leaf.NotAfter
	}
	return time.Time{}
}

// certificate gives the authority's certificate for a name, one that the client can use where there are several; nil: none.
func (m *manager) certificate(name string, hello *tls.ClientHelloInfo) *tls.Certificate {
	var first *tls.Certificate
	for _, c := range m.cache.AllMatchingCertificates(name) {
		if c.Leaf == nil {
			continue
		}
		if hello == nil || hello.SupportsCertificate(&c.Certificate) == nil {
			return &c.Certificate
		}
		if first == nil {
			first = &c.Certificate
		}
	}
	return first
}

// interim gives what is shown for a name until the authority's certificate is there.
func (m *manager) interim(name string) *tls.Certificate {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.jobs[name]; j != nil {
		return j.interim
	}
	return nil
}

// choose gives the certificate for a handshake: of the name that is asked for, else of the first; nil: there is none.
func (m *manager) choose(hello *tls.ClientHelloInfo) *tls.Certificate {
	asked := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	for _, name := range []string{asked, m.first()} {
		if name == "" {
			continue
		}
		if c := m.certificate(name, hello); c != nil {
			return c
		}
		if c := m.interim(name); c != nil {
			return c
		}
	}
	return nil
}

func (m *manager) first() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.names) == 0 {
		return ""
	}
	return m.names[0]
}

func (m *manager) wants(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.names, name)
}

// challenged gives the certificate that answers the TLS challenge, where the handshake is one. RFC 8737 3.
func (m *manager) challenged(hello *tls.ClientHelloInfo) (_ *tls.Certificate, is bool, err error) {
	if len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != alpn {
		return nil, false, nil
	}
	if !m.cfg.has(TLSALPN) || !m.wants(strings.ToLower(hello.ServerName)) {
		return nil, true, errors.New("no certificate is being ordered for this name")
	}
	c, err := m.magic.GetCertificate(hello)
	return c, true, err
}

// answer serves the HTTP challenge, where the request is one. RFC 8555 8.3.
func (m *manager) answer(w http.ResponseWriter, r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !certmagic.LooksLikeHTTPChallenge(r) || !m.wants(strings.ToLower(host)) {
		return false
	}
	return slices.ContainsFunc(m.issuers, func(i *certmagic.ACMEIssuer) bool { return i.HandleHTTPChallenge(w, r) })
}

// states tells how each name stands.
func (m *manager) states() []NameState {
	m.mu.Lock()
	names := slices.Clone(m.names)
	m.mu.Unlock()
	out := make([]NameState, 0, len(names))
	for _, name := range names {
		s := NameState{Name: name, Until: m.until(name)}
		m.mu.Lock()
		if j := m.jobs[name]; j != nil {
			s.Trouble = j.trouble
		}
		m.mu.Unlock()
		out = append(out, s)
	}
	return out
}

// chains gives what the authority gave.
func (m *manager) chains() []*tls.Certificate {
	m.mu.Lock()
	names := slices.Clone(m.names)
	m.mu.Unlock()
	var out []*tls.Certificate
	for _, name := range names {
		if c := m.certificate(name, nil); c != nil {
			out = append(out, c)
		} else if c := m.interim(name); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// parsed gives a chain's certificates, the leaf first. What cannot be parsed ends it.
func parsed(c *tls.Certificate) []*x509.Certificate {
	out := []*x509.Certificate{c.Leaf}
	for _, der := range c.Certificate[1:] {
		x, err := x509.ParseCertificate(der)
		if err != nil {
			break
		}
		out = append(out, x)
	}
	return out
}

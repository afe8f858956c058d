package transfer

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/postrider/postrider/infra/outward"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/importer"
	"github.com/postrider/postrider/ua/answer"
)

// Bounds.
const (
	MaxUpload  = 32 << 30         // octets of one upload, unless the configuration says otherwise
	uploadsAll = 8                // at a time
	exportsAll = 4                // at a time
	patience   = 60 * time.Second // with somebody who sends or takes nothing
	often      = 5 * time.Second  // how often that is looked at
)

// Extra adds files to an export, beside the mail: contacts, settings. name is a path of safe names.
type Extra func(ctx context.Context, account mail.Account, add func(name string, fill func(io.Writer) error) error) error

// Config is what transfers work with. All but MaxUpload, Extra, TLS, Clock and Log are required.
type Config struct {
	Guarded   answer.Guarded
	Jobs      *importer.Jobs
	Mailboxes mail.Mailboxes
	Blobs     mail.Blobs
	Dialer    *outward.Dialer // for the ports of IMAP, 993 and 143
	MaxUpload int64
	Extra     Extra
	TLS       *tls.Config // for tests with an authority of their own; nil: the system's authorities
	Clock     mail.Clock
	Log       *slog.Logger
}

// Service answers the requests.
type Service struct {
	cfg Config

	mu      sync.Mutex
	uploads gate
	exports gate
}

// New makes a service.
func New(cfg Config) *Service {
	cfg.MaxUpload = cmp.Or(cfg.MaxUpload, MaxUpload)
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg}
	s.uploads = gate{mu: &s.mu, each: importer.PerAccount, all: uploadsAll, open: map[mail.AccountID]int{}}
	s.exports = gate{mu: &s.mu, each: 1, all: exportsAll, open: map[mail.AccountID]int{}}
	return s
}

// Register puts the service's paths into a Mux, for a host as Mux.Handle takes it.
func (s *Service) Register(m *web.Mux, host string) {
	m.Handle(host, "/api/import/upload", large{s.cfg.Guarded(s.serveUpload), s.cfg.MaxUpload})
	for path, h := range map[string]func(http.ResponseWriter, *http.Request, mail.Account){
		"/api/import": s.serveJobs, "/api/import/imap": s.serveIMAP, "/api/import/stop": s.serveStop, "/api/export": s.serveExport, "/api/zip": s.serveZip,
	} {
		m.Handle(host, path, s.cfg.Guarded(h))
	}
}

// large is a handler of large bodies (web.Large).
type large struct {
	http.Handler
	most int64
}

// MaxBody implements web.Large.
func (l large) MaxBody(*http.Request) int64 { return l.most }

// gate bounds how much goes on at a time.
type gate struct {
	mu        *sync.Mutex
	each, all int
	n         int
	open      map[mail.AccountID]int
}

// enter counts somebody in. TooMany.
func (g *gate) enter(account mail.AccountID, what string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.open[account] >= g.each:
		return mail.Errorf(mail.TooMany, "%s runs already; wait for its end", what)
	case g.n >= g.all:
		return mail.Errorf(mail.TooMany, "too many people do this at this moment; try again later")
	}
	g.open[account]++
	g.n++
	return nil
}

func (g *gate) leave(account mail.AccountID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	if g.open[account]--; g.open[account] == 0 {
		delete(g.open, account)
	}
}

// pace keeps a connection open for as long as something goes through it.
type pace struct {
	rc   *http.ResponseController
	next time.Time
}

// mark says that something went through. Where times cannot be set, the server's own hold.
func (p *pace) mark() {
	now := time.Now() // of the machine: connections know no other
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(often)
	_ = p.rc.SetReadDeadline(now.Add(patience))
	_ = p.rc.SetWriteDeadline(now.Add(patience))
}

// cut ends a connection so that its other side sees that something is missing.
func (p *pace) cut() { _ = p.rc.SetWriteDeadline(time.Now().Add(-time.Second)) }

func newPace(w http.ResponseWriter) *pace {
	p := &pace{rc: http.NewResponseController(w)}
	p.mark()
	return p
}

type pacedReader struct {
	io.Reader
	*pace
}

func (r pacedReader) Read(b []byte) (int, error) {
	r.mark()
	return r.Reader.Read(b)
}

type pacedWriter struct {
	io.Writer
	*pace
}

func (w pacedWriter) Write(b []byte) (int, error) {
	w.mark()
	return w.Writer.Write(b)
}

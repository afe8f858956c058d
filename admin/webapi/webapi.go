package webapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/audit"
	"github.com/postrider/postrider/admin/httpapi"
	"github.com/postrider/postrider/infra/obs"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
)

// Prefix is where the pages ask: Prefix + "/v1/domain/list".
const Prefix = "/api/admin"

// Config is what a Handler needs.
type Config struct {
	// Operator does what is asked; it is called for each request.
	Operator func() admin.Operator
	// Guarded lets only requests of a session through, and gives the session's account (ua/account).
	Guarded func(func(w http.ResponseWriter, r *http.Request, a mail.Account)) http.Handler
	Tail    *obs.Tail    // nil: the log cannot be followed
	Clock   mail.Clock   // nil: the machine's
	Log     *slog.Logger // nil: silent
}

// Handler answers. It is safe for use by many at once.
type Handler struct {
	cfg   Config
	inner http.Handler // the operations
	outer http.Handler // with the guard before them
	ended context.Context
	end   context.CancelFunc
}

// New makes a Handler. End it when the server stops.
func New(c Config) *Handler {
	if c.Clock == nil {
		c.Clock = mail.SystemClock{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{cfg: c}
	h.ended, h.end = context.WithCancel(context.Background())
	face := &httpapi.Face{Operator: c.Operator, Without: []string{httpapi.PathSend, httpapi.PathExport}, Check: check, Failure: h.failure}
	h.inner = http.StripPrefix(Prefix, face.Handler())
	h.outer = c.Guarded(h.serve)
	return h
}

// Register puts the handler's paths on a mux, for a host or "" for all.
func (h *Handler) Register(m *web.Mux, host string) { m.Handle(host, Prefix+"/", h) }

// End ends logs that are followed.
func (h *Handler) End() { h.end() }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.outer.ServeHTTP(w, r) }

// MaxBody implements web.Large.
func (h *Handler) MaxBody(*http.Request) int64 { return httpapi.MaxRequest }

// serve answers a request of a session.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, a mail.Account) {
	w.Header().Set("Cache-Control", "no-store")
	if !a.Admin || a.Disabled {
		h.fail(w, r, mail.Errorf(mail.Denied, "%s may not administer this system; who may can allow it with: postrider account set %s --admin", a.Address, a.Address))
		return
	}
	ctx := admin.As(r.Context(), admin.Actor{Way: audit.WayWeb, Name: string(a.Address), From: client(r)})
	r = r.WithContext(context.WithValue(ctx, selfKey{}, a.Address))
	if r.URL.Path == Prefix+"/log" {
		h.log(w, r)
		return
	}
	h.inner.ServeHTTP(w, r)
}

// client is the address that a request comes from.
func client(r *http.Request) string {
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return at.Addr().Unmap().String()
	}
	return r.RemoteAddr
}

// failure tells an error with the kinds as the web has them.
func (h *Handler) failure(ctx context.Context, err error) httpapi.Failure {
	k := mail.KindOf(err)
	if k == mail.Internal && ctx.Err() == nil {
		h.cfg.Log.Error("an operation failed", "role", "admin", "error", err)
	}
	return httpapi.Failure{Kind: strings.ReplaceAll(k.String(), "-", "_"), Text: mail.Sentence(err)}
}

func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	httpapi.Fail(w, httpapi.Status(mail.KindOf(err)), h.failure(r.Context(), err))
}

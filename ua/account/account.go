package account

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/session"
)

// Config is what the handlers work with. All but Clock and Log must be set.
type Config struct {
	Directory mail.Directory
	Journal   mail.Journal
	Notes     mail.Notes
	Sessions  *session.Sessions
	Clock     mail.Clock   // nil: the machine's
	Log       *slog.Logger // nil: silent
}

// Handler answers the requests of /api.
type Handler struct {
	cfg Config
}

// New makes a Handler.
func New(cfg Config) *Handler {
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Handler{cfg: cfg}
}

// visit is one request, of somebody known unless its route is open.
type visit struct {
	h       *Handler
	w       http.ResponseWriter
	r       *http.Request
	ctx     context.Context //nolint:containedctx // of the one request this is
	account mail.Account
	session session.Session
}

// route is one path. What act gives is the body of the answer; nil: there is none.
type route struct {
	method string
	act    func(*visit) (any, error)
	open   bool // to those who are not logged in
}

// Register puts the paths into a Mux, for a host as Mux.Handle takes it.
func (h *Handler) Register(m *web.Mux, host string) {
	for path, methods := range h.routes() {
		m.Handle(host, path, h.serve(methods))
	}
}

func (h *Handler) routes() map[string][]route {
	get := func(act func(*visit) (any, error)) []route { return []route{{http.MethodGet, act, false}} }
	post := func(act func(*visit) (any, error)) []route { return []route{{http.MethodPost, act, false}} }
	return map[string][]route{
		"/api/logout":       post((*visit).logout),
		"/api/sessions":     get((*visit).sessions),
		"/api/sessions/end": post((*visit).endSessions),
	}
}

// serve answers for one path.
func (h *Handler) serve(methods []route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w)
		ctx, cancel := h.context(r)
		defer cancel()
		r = r.WithContext(ctx)
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		for _, k := range methods {
			if k.method == method {
				h.answer(k, &visit{h: h, w: w, r: r, ctx: ctx})
				return
			}
		}
		for _, k := range methods {
			w.Header().Add("Allow", k.method)
		}
		var p problem
		p.Error.Kind, p.Error.Text = "invalid", "this path does not take "+method
		send(w, http.StatusMethodNotAllowed, p)
	})
}

// answer finds out who asks, and does what the route does.
func (h *Handler) answer(k route, v *visit) {
	body, err := h.act(k, v)
	switch {
	case err != nil:
		h.refuse(v.w, v.r, err)
	case body == nil:
		v.w.WriteHeader(http.StatusNoContent)
	default:
		send(v.w, http.StatusOK, body)
	}
}

func (h *Handler) act(k route, v *visit) (any, error) {
	if v.r.TLS == nil {
		return nil, stranger(v.r)
	}
	if err := ours(v.r); err != nil {
		return nil, err
	}
	if !k.open {
		var ok bool
		var err error
		if v.account, v.session, ok, err = h.who(v.r); err != nil {
			return nil, err
		} else if !ok {
			return nil, stranger(v.r)
		}
	}
	return k.act(v)
}

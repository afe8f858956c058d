package account

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
	"github.com/postrider/postrider/service/factor"
	"github.com/postrider/postrider/service/session"
	"github.com/postrider/postrider/ua/answer"
)

// Config is what the handlers work with. All but Services, Clock and Log must be set.
type Config struct {
	Directory mail.Directory
	Journal   mail.Journal
	Notes     mail.Notes
	Auth      *directory.Authenticator // used for the web alone
	Passwords *directory.Passwords
	Sessions  *session.Sessions
	Factors   *factor.Service
	Services  Services
	Hostname  string
	Version   string
	Features  []string     // what else the page may offer: "import", "push"
	Clock     mail.Clock   // nil: the machine's
	Log       *slog.Logger // nil: silent
}

// Services are how mail programs reach our servers.
type Services struct {
	Host             string
	IMAP, POP3, SMTP Port   // SMTP is submission
	Profile          string // path of the configuration profile for an address, which is added as ?email=; "": there is none
	HTTPS            int    // the port that links lead to; 0 is 443
}

// Port is where a service is: by TLS from the first octet, which comes first, and by STARTTLS; 0 is not offered.
type Port struct{ Implicit, StartTLS int }

// Handler answers the requests of /api.
type Handler struct {
	cfg  Config
	auth *directory.Authenticator
}

// New makes a Handler.
func New(cfg Config) *Handler {
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Handler{cfg: cfg, auth: cfg.Auth.For(mail.ScopeWeb)}
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

// Register puts the paths into a Mux, for a host as Mux.Handle takes it: those of routes, and all of /api/ that nobody else has.
func (h *Handler) Register(m *web.Mux, host string) {
	for path, methods := range h.routes() {
		m.Handle(host, path, h.serve(methods))
	}
	m.Handle(host, "/api/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w)
		h.refuse(w, r, mail.Errorf(mail.NotFound, "there is nothing at this path"))
	}))
}

func (h *Handler) routes() map[string][]route {
	get := func(act func(*visit) (any, error)) route { return route{http.MethodGet, act, false} }
	post := func(act func(*visit) (any, error)) route { return route{http.MethodPost, act, false} }
	open := func(act func(*visit) (any, error)) route { return route{http.MethodPost, act, true} }
	return map[string][]route{
		"/api/login":                {open((*visit).login)},
		"/api/login/passkey/begin":  {open((*visit).beginPasskeyLogin)},
		"/api/login/passkey/finish": {open((*visit).finishPasskeyLogin)},
		"/api/logout":               {post((*visit).logout)},
		"/api/me":                   {get((*visit).me)},
		"/api/password":             {post((*visit).changePassword)},
		"/api/sessions":             {get((*visit).sessions)},
		"/api/sessions/end":         {post((*visit).endSessions)},
		"/api/app-passwords":        {get((*visit).appPasswords)},
		"/api/app-passwords/add":    {post((*visit).addAppPassword)},
		"/api/app-passwords/remove": {post((*visit).removeAppPassword)},
		"/api/programs":             {post((*visit).setPrograms)},
		"/api/totp/begin":           {post((*visit).beginTOTP)},
		"/api/totp/confirm":         {post((*visit).confirmTOTP)},
		"/api/totp/remove":          {post((*visit).removeTOTP)},
		"/api/recovery/renew":       {post((*visit).renewRecovery)},
		"/api/passkeys":             {get((*visit).passkeys)},
		"/api/passkeys/begin":       {post((*visit).beginPasskey)},
		"/api/passkeys/finish":      {post((*visit).finishPasskey)},
		"/api/passkeys/remove":      {post((*visit).removePasskey)},
		"/api/settings":             {get((*visit).settings), {http.MethodPut, (*visit).putSettings, false}},
		"/api/clients":              {get((*visit).clients)},
		"/api/correspondents":       {get((*visit).correspondents)},
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
		var known []string
		for _, k := range methods {
			known = append(known, k.method)
		}
		answer.Only(w, r, known...)
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
		answer.JSON(v.w, http.StatusOK, body)
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

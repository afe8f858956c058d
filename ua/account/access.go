package account

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
	"github.com/postrider/postrider/service/session"
)

// Cookie is the name of the session's cookie; Header is what every request of the page has that may change something, with the value "1".
const (
	Cookie = "__Host-postrider"
	Header = "X-Postrider"
)

// Session tells who a request's cookie is of; false when it has none that is valid, and when it brings an Authorization of its own. An error of
// kind Denied says that the request does not come from our own pages. It is the hook of other doors (jmap.Config.Session).
func (h *Handler) Session(r *http.Request) (mail.Account, bool, error) {
	account, _, ok, err := h.who(r)
	return account, ok, err
}

func (h *Handler) who(r *http.Request) (mail.Account, session.Session, bool, error) {
	none := func(err error) (mail.Account, session.Session, bool, error) {
		return mail.Account{}, session.Session{}, false, err
	}
	if r.TLS == nil || r.Header.Get("Authorization") != "" {
		return none(nil)
	}
	c, err := r.Cookie(Cookie)
	if err != nil {
		return none(nil)
	}
	if err := ours(r); err != nil {
		return none(err)
	}
	account, s, err := h.cfg.Sessions.Find(r.Context(), c.Value)
	switch {
	case mail.Is(err, mail.Unauthenticated):
		return none(nil)
	case err != nil:
		return none(err)
	}
	return account, s, true, nil
}

// ours reports, as a Denied error, that a request does not come from our own pages.
func ours(r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return reads(r)
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return foreign()
	}
	if r.Header.Get(Header) != "1" {
		return mail.Errorf(mail.Denied, "the request lacks the header %s that our own pages send; reload the page", Header)
	}
	return nil
}

// reads is ours for requests that only read: a browser says where they come from, in one way or the other. What says nothing is no browser,
// and got the cookie from its owner.
func reads(r *http.Request) error {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return foreign()
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Host, r.Host) {
			return foreign()
		}
	}
	return nil
}

func foreign() error {
	return mail.Errorf(mail.Denied, "the request comes from the page of somebody else, and is not done")
}

// Guarded lets a handler answer those alone who are logged in, from our own pages. To everybody else it says so.
func (h *Handler) Guarded(answer func(w http.ResponseWriter, r *http.Request, account mail.Account)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w)
		account, ok, err := h.Session(r)
		switch {
		case err != nil:
			h.refuse(w, r, err)
		case !ok:
			h.refuse(w, r, stranger(r))
		default:
			answer(w, r, account)
		}
	})
}

// stranger says why somebody without a session is refused.
func stranger(r *http.Request) error {
	if r.TLS == nil {
		return mail.Errorf(mail.Denied, "the webmail is reached by https alone")
	}
	return mail.Errorf(mail.Unauthenticated, "you are not logged in, or your session has ended; log in again")
}

// protect sets the headers of every answer, which is for its asker alone and never shown as a page.
func protect(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox")
}

// peer is the client's address, for the guard before secrets.
func peer(r *http.Request) net.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return &net.UnixAddr{Name: r.RemoteAddr, Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(ap)
}

// client is who a session is made for.
func client(r *http.Request, remember bool) session.Client {
	c := session.Client{Agent: r.UserAgent(), Remember: remember}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		c.Address = ap.Addr().Unmap().WithZone("")
	}
	return c
}

// context is a request's, with its time and with who asks.
func (h *Handler) context(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(directory.WithAgent(r.Context(), r.UserAgent()), requestTime)
}

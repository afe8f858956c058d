package jmap

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// who finds out who a request is from: by the configured session, or by HTTP Basic (RFC 7617).
func (s *Server) who(r *http.Request) (mail.Account, error) {
	if s.cfg.Session != nil {
		if account, ok, err := s.cfg.Session(r); ok || err != nil {
			return account, err
		}
	}
	user, password, ok := r.BasicAuth()
	switch {
	case !ok:
		return mail.Account{}, mail.Errorf(mail.Unauthenticated, "this needs a login; send your mail address and password by HTTP Basic")
	case r.TLS == nil && !s.cfg.CleartextAuth:
		return mail.Account{}, mail.Errorf(mail.Denied, "a password is not taken without TLS; use https")
	}
	return s.cfg.Login.Login(r.Context(), user, password, peer(r))
}

// peer is the client's address, for the guard before passwords.
func peer(r *http.Request) net.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return &net.UnixAddr{Name: r.RemoteAddr, Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(ap)
}

// refuse answers a request whose sender is not known, or that failed as a whole.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	switch mail.KindOf(err) {
	case mail.Unauthenticated:
		status = http.StatusUnauthorized
		if r.Header.Get("X-Postrider") == "" { // the webmail asks for a login itself; a browser's own box would stand before it
			w.Header().Set("WWW-Authenticate", `Basic realm="mail", charset="UTF-8"`)
		}
	case mail.Denied:
		status = http.StatusForbidden
	case mail.NotFound:
		status = http.StatusNotFound
	case mail.TooMany:
		status = http.StatusTooManyRequests
	case mail.TooLarge:
		status = http.StatusRequestEntityTooLarge
	case mail.OverQuota:
		status = http.StatusInsufficientStorage
	case mail.Invalid:
		status = http.StatusBadRequest
	case mail.Unavailable, mail.Conflict:
		status = http.StatusServiceUnavailable
	case mail.Internal, mail.Exists:
		s.cfg.Log.Error("request failed", "peer", r.RemoteAddr, "path", r.URL.Path, "error", err)
	}
	fail(w, status, mail.Sentence(err))
}

// fail answers with a problem (RFC 7807).
func fail(w http.ResponseWriter, status int, detail string) {
	problem(w, &wire.Problem{Type: wire.ProblemOther, Status: status, Detail: detail})
}

func problem(w http.ResponseWriter, p *wire.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a client that is gone
}

// basicCheck is how many looks of still pass between two checks of a password, which cost much more than those of a session.
const basicCheck = 15

// still looks whether the login that opened a stream still is, by a count of the looks so far. What cannot be told now is asked again later.
func (v *visit) still(ctx context.Context, looks int) error {
	if _, _, basic := v.r.BasicAuth(); basic && looks%basicCheck != 0 {
		_, err := (&stateQuery{s: v.s, ctx: ctx, id: v.account.ID}).owner()
		return certain(err)
	}
	account, err := v.s.who(v.r.WithContext(ctx))
	if err == nil && account.ID != v.account.ID {
		err = mail.Errorf(mail.Unauthenticated, "the session is another's")
	}
	return certain(err)
}

// certain drops errors that say nothing of the session.
func certain(err error) error {
	if mail.Is(err, mail.Denied) || mail.Is(err, mail.NotFound) || mail.Is(err, mail.Unauthenticated) {
		return err
	}
	return nil
}

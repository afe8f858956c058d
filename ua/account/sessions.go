package account

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/session"
)

// setCookie gives the browser a session's cookie. One that is not to be remembered goes when the browser is closed.
func (v *visit) setCookie(value string, s session.Session) {
	c := &http.Cookie{Name: Cookie, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if s.Remember {
		c.MaxAge = int(session.Longest.Seconds())
	}
	http.SetCookie(v.w, c)
}

// dropCookie takes a cookie away.
func (v *visit) dropCookie(name string) {
	http.SetCookie(v.w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

type empty struct{}

// logout ends the session that asks.
func (v *visit) logout() (any, error) {
	if err := read(v.w, v.r, &empty{}); err != nil {
		return nil, err
	}
	v.dropCookie(Cookie)
	return nil, v.h.cfg.Sessions.End(v.ctx, v.account.ID, v.session.ID)
}

type sessionJSON struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen"`
	Address string    `json:"address"`
	Agent   string    `json:"agent"`
	Current bool      `json:"current"`
}

func (v *visit) sessions() (any, error) {
	list, err := v.h.cfg.Sessions.List(v.ctx, v.account.ID)
	if err != nil {
		return nil, err
	}
	out := struct {
		Sessions []sessionJSON `json:"sessions"`
	}{[]sessionJSON{}}
	for _, s := range list {
		out.Sessions = append(out.Sessions, sessionJSON{s.ID, s.Created, s.Seen, addressText(s.Address), s.Agent, s.ID == v.session.ID})
	}
	return out, nil
}

// endSessions ends those named, or all others.
func (v *visit) endSessions() (any, error) {
	var in struct {
		IDs    []string `json:"ids"`
		Others bool     `json:"others"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	switch {
	case in.Others && len(in.IDs) == 0:
		return nil, v.h.cfg.Sessions.EndOthers(v.ctx, v.account.ID, v.session.ID)
	case in.Others || len(in.IDs) == 0 || len(in.IDs) > session.MaxSessions:
		return nil, mail.Errorf(mail.Invalid, "say which sessions are to end, or that all others are")
	}
	return nil, v.h.cfg.Sessions.End(v.ctx, v.account.ID, in.IDs...)
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

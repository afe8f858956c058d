package web

import (
	"bufio"
	"net"
	"net/http"
)

// taking notes whether the handler took the connection over.
type taking struct {
	http.ResponseWriter
	taken bool
}

// Hijack implements http.Hijacker.
func (t *taking) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	t.taken = t.taken || err == nil
	return conn, rw, err
}

// Unwrap is for http.ResponseController.
func (t *taking) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// hsts is how long a browser is to come by TLS only. RFC 6797 6.1.
const hsts = "max-age=15552000"

// handler puts around the configured one what holds for every request.
func (s *Server) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		r.Body = http.MaxBytesReader(w, r.Body, s.maxBody(r))
		if r.Header.Get("Upgrade") != "" && r.ProtoMajor == 1 {
			t := &taking{ResponseWriter: w}
			w = t
			defer func() {
				if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok && t.taken {
					s.release(conn)
				}
			}()
		}
		if s.cfg.Challenge != nil && s.cfg.Challenge(w, r) {
			return
		}
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", hsts)
		} else if s.cfg.RedirectTo != "" {
			s.plain(w, r)
			return
		}
		if s.cfg.Handler == nil {
			http.Error(w, "There is nothing here.", http.StatusNotFound)
			return
		}
		s.cfg.Handler.ServeHTTP(w, r)
	})
}

// Large is a handler that takes larger bodies than MaxBody: of at most so many octets.
type Large interface {
	http.Handler
	MaxBody(r *http.Request) int64
}

// maxBody bounds the body of a request by who will read it.
func (s *Server) maxBody(r *http.Request) int64 {
	if m, ok := s.cfg.Handler.(*Mux); ok && m != nil {
		if l, ok := m.Find(r).(Large); ok {
			return l.MaxBody(r)
		}
	}
	return MaxBody
}

// plain serves what may be had without TLS, and sends the rest on.
func (s *Server) plain(w http.ResponseWriter, r *http.Request) {
	if h := s.cfg.Plain.Find(r); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	host := Host(r)
	if host == "" {
		http.Error(w, "The request names no host.", http.StatusBadRequest)
		return
	}
	if s.cfg.RedirectTo != "443" {
		host = net.JoinHostPort(host, s.cfg.RedirectTo)
	}
	// The host is what the client asked for; no cache may keep it for others.
	w.Header().Set("Cache-Control", "private, max-age=3600")
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect)
}

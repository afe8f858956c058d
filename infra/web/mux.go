package web

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// Mux finds the handler for a request's host and path. Register everything before the first request.
type Mux struct{ routes []route }

type route struct {
	host, path string
	fold       bool
	handler    http.Handler
}

// NewMux makes one that knows nothing.
func NewMux() *Mux { return new(Mux) }

// Handle registers a handler.
//
// The host is a name ("mail.example.com"), a first label that any domain may follow ("mta-sts."), or "" for all. The path is exact
// ("/.well-known/mta-sts.txt"), or with a slash at its end everything below it. A more particular host wins over a less particular one, then
// the longer path.
func (m *Mux) Handle(host, path string, h http.Handler) { m.add(route{host, path, false, h}) }

// HandleFold is Handle for a path in whatever case of its letters.
func (m *Mux) HandleFold(host, path string, h http.Handler) {
	m.add(route{host, strings.ToLower(path), true, h})
}

func (m *Mux) add(r route) {
	r.host = strings.ToLower(r.host)
	m.routes = append(m.routes, r)
	slices.SortStableFunc(m.routes, func(a, b route) int {
		if d := b.rank() - a.rank(); d != 0 {
			return d
		}
		return len(b.path) - len(a.path)
	})
}

// rank is how particular a route's host is.
func (r route) rank() int {
	switch {
	case r.host == "":
		return 0
	case strings.HasSuffix(r.host, "."):
		return 1
	}
	return 2
}

func (r route) fits(host, path string) bool {
	switch r.rank() {
	case 1:
		if !strings.HasPrefix(host, r.host) || len(host) == len(r.host) {
			return false
		}
	case 2:
		if host != r.host {
			return false
		}
	}
	if r.fold {
		path = strings.ToLower(path)
	}
	return path == r.path || strings.HasSuffix(r.path, "/") && strings.HasPrefix(path, r.path)
}

// Find gives the handler for a request; nil: there is none.
func (m *Mux) Find(r *http.Request) http.Handler {
	if m == nil {
		return nil
	}
	host := Host(r)
	for _, route := range m.routes {
		if route.fits(host, r.URL.Path) {
			return route.handler
		}
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := m.Find(r); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	http.Error(w, "There is nothing here.", http.StatusNotFound)
}

// Host gives the host a request is for: lower case, without port and final dot; "" when what it names is no host name.
func Host(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_')
	}) {
		return ""
	}
	return host
}

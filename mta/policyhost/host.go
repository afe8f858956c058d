// Package policyhost serves the MTA-STS policies of our domains, https://mta-sts.<domain>/.well-known/mta-sts.txt.
//
// It takes the mode and the mail hosts from the configuration and asks the directory which domains are ours. It hands the policy to whoever asks
// on the web, and the same policy to those who publish its record (ID) and check it (Policy), so that they never differ.
//
// Invariants: a policy is served only for a domain of ours, only under the name of RFC 8461 3.3, only over TLS, and only when it is sound; what
// is served is exactly what Policy says, and its identifier changes with it and never else.
//
// RFCs: RFC 8461 3.2, 3.3 and 8.1.
package policyhost

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/mtasts"
)

// Domains tells which domains are ours (mail.Resolver).
type Domains interface {
	Serves(ctx context.Context, domain string) (bool, error)
}

// Config says what the policies are.
type Config struct {
	Domains Domains
	// Mode is enforce, testing or none; "" is testing.
	Mode mtasts.Mode
	// MX gives the mail hosts of a domain: names, or patterns such as "*.example.com".
	MX func(ctx context.Context, domain string) ([]string, error)
	// MaxAge is how long others may keep a policy; 0 is a week.
	MaxAge time.Duration
	Log    *slog.Logger // nil: silent
}

const week = 7 * 24 * time.Hour

// Path is where a policy is. RFC 8461 3.3.
const Path = "/.well-known/mta-sts.txt"

// Host serves policies. It is an http.Handler, to be registered at "mta-sts." and Path.
type Host struct{ cfg Config }

// New makes a Host.
func New(cfg Config) *Host {
	if cfg.Mode == "" {
		cfg.Mode = mtasts.Testing
	}
	if cfg.MaxAge <= 0 {
		cfg.MaxAge = week
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Host{cfg}
}

// Register puts the host into a server's Mux, that of HTTPS.
func (h *Host) Register(m *web.Mux) { m.Handle(mtasts.Host(""), Path, h) }

// Policy gives the policy of a domain. NotFound when it is not ours; Invalid when its configuration makes no sound policy.
func (h *Host) Policy(ctx context.Context, domain string) (mtasts.Policy, error) {
	name, err := addr.NormalDomain(domain)
	if err != nil || strings.HasPrefix(name, "[") {
		return mtasts.Policy{}, mail.Errorf(mail.NotFound, "%q is not a domain", domain)
	}
	ours, err := h.cfg.Domains.Serves(ctx, name)
	if err != nil {
		return mtasts.Policy{}, err
	}
	if !ours {
		return mtasts.Policy{}, mail.Errorf(mail.NotFound, "%s is not one of our domains", name)
	}
	hosts, err := h.cfg.MX(ctx, name)
	if err != nil {
		return mtasts.Policy{}, err
	}
	p := mtasts.Policy{Mode: h.cfg.Mode, MX: hosts, MaxAge: h.cfg.MaxAge}
	if err := p.Check(); err != nil {
		return mtasts.Policy{}, mail.Errorf(mail.Invalid, "the MTA-STS policy of %s cannot be published: %w; see docs/problems.md#mta-sts", name, err)
	}
	// As a reader takes it, so that what is compared is the same on both sides.
	return mtasts.ParsePolicy(p.String())
}

// ID is the identifier to publish in the record of the domain's policy. Errors as Policy's. RFC 8461 8.1.
func (h *Host) ID(ctx context.Context, domain string) (string, error) {
	p, err := h.Policy(ctx, domain)
	if err != nil {
		return "", err
	}
	return mtasts.ID(p), nil
}

// ServeHTTP implements http.Handler. RFC 8461 3.3.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	domain, ok := strings.CutPrefix(web.Host(r), mtasts.Host(""))
	if !ok || r.URL.Path != Path {
		http.Error(w, "There is no policy here.", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "A policy can only be read.", http.StatusMethodNotAllowed)
		return
	}
	p, err := h.Policy(r.Context(), domain)
	switch {
	case mail.Is(err, mail.NotFound):
		http.Error(w, "There is no policy for this domain.", http.StatusNotFound)
		return
	case err != nil:
		h.cfg.Log.Error("an MTA-STS policy cannot be served", "role", "mta/policyhost", "domain", domain, "error", err)
		http.Error(w, "The policy cannot be told now.", http.StatusServiceUnavailable)
		return
	}
	text, head := p.String(), w.Header()
	head.Set("Content-Type", "text/plain; charset=utf-8")
	head.Set("Cache-Control", "max-age=300")
	head.Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method == http.MethodGet {
		io.WriteString(w, text) //nolint:errcheck // the client went away
	}
}

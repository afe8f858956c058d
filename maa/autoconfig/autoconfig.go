// Package autoconfig tells mail programs, and people, how to reach our servers.
//
// It takes which services are offered from the configuration and which domains are ours from the directory. It hands settings to Thunderbird and
// its kin (Mozilla's autoconfig), to Outlook (Autodiscover), to Apple's devices (a configuration profile, with a QR code of where it is), and
// shows them on one page, /setup.
//
// Invariants:
//
//   - An answer depends on the domain alone and repeats the address: whether somebody has it cannot be learnt here.
//   - Nothing is asked for but an address, and no password is ever taken or told.
//   - What strangers post is read within bounds (MaxRequest octets, MaxDepth levels, MaxTokens tokens); entities and document types are refused.
//   - The page runs no script, loads nothing from elsewhere, and works without styles.
//   - An address has the same profile identifiers for ever, so that installing a profile again replaces it.
//
// RFCs: RFC 8314 3 (TLS from the first octet before STARTTLS), RFC 9562 5.8 (UUIDs), RFC 8615.
package autoconfig

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// Domains tells which domains are ours (mail.Resolver).
type Domains interface {
	Serves(ctx context.Context, domain string) (bool, error)
}

// Config says what is offered and to whom.
type Config struct {
	Domains  Domains
	Hostname string // of our servers, as their certificate has it
	// The ports of our services; 0 is not offered. The first of each pair speaks TLS from the first octet, the second STARTTLS.
	IMAPS, IMAP             int
	POP3S, POP3             int
	Submissions, Submission int
	// HTTPS is the port of the web server, where links lead; 0 is 443.
	HTTPS int
	Log   *slog.Logger // nil: silent
}

// remedy is where operators read on.
const remedy = "docs/problems.md#autoconfig"

// Guide answers programs and people.
type Guide struct{ cfg Config }

// New makes a Guide.
func New(cfg Config) *Guide {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.HTTPS == 0 {
		cfg.HTTPS = 443
	}
	return &Guide{cfg}
}

// Register puts everything into the Mux of HTTPS, and what programs also ask for without TLS (and what tells them no more than the DNS does) into
// that of the plain port; either may be nil.
func (g *Guide) Register(secure, plain *web.Mux) {
	// Ours by name as well, so that whatever else is at our name hides none of it.
	hosts := []string{"", "autodiscover.", "autoconfig.", g.cfg.Hostname}
	for _, m := range []*web.Mux{secure, plain} {
		if m == nil {
			continue
		}
		m.Handle("autoconfig.", "/mail/config-v1.1.xml", http.HandlerFunc(g.mozilla))
		for _, host := range hosts {
			m.Handle(host, "/.well-known/autoconfig/mail/config-v1.1.xml", http.HandlerFunc(g.mozilla))
		}
	}
	if secure == nil {
		return
	}
	for _, host := range hosts {
		secure.HandleFold(host, "/autodiscover/autodiscover.xml", http.HandlerFunc(g.autodiscover))
		secure.HandleFold(host, "/autodiscover/autodiscover.json", http.HandlerFunc(g.autodiscoverJSON))
		secure.HandleFold(host, "/autodiscover/autodiscover.json/", http.HandlerFunc(g.autodiscoverJSON))
		secure.Handle(host, "/setup", http.HandlerFunc(g.page))
		secure.Handle(host, "/setup/style.css", http.HandlerFunc(g.style))
		secure.Handle(host, "/setup/profile.mobileconfig", http.HandlerFunc(g.profile))
		secure.Handle(host, "/setup/qr.png", http.HandlerFunc(g.qrPNG))
		secure.Handle(host, "/setup/qr.svg", http.HandlerFunc(g.qrSVG))
		if strings.HasSuffix(host, ".") {
			secure.Handle(host, "/", http.HandlerFunc(g.page))
		}
	}
}

// service is one way to reach us.
type service struct {
	Kind     string // imap, pop3 or smtp
	Port     int
	Implicit bool // TLS from the first octet, else STARTTLS
}

// services lists what is offered of a kind, the better first. RFC 8314 3.
func (c Config) services(kind string) (out []service) {
	ports := map[string][2]int{"imap": {c.IMAPS, c.IMAP}, "pop3": {c.POP3S, c.POP3}, "smtp": {c.Submissions, c.Submission}}[kind]
	for i, port := range ports {
		if port != 0 {
			out = append(out, service{kind, port, i == 0})
		}
	}
	return out
}

// incoming lists the ways to read mail.
func (c Config) incoming() []service { return append(c.services("imap"), c.services("pop3")...) }

// url is an absolute link to a path of ours.
func (c Config) url(path string, query url.Values) string {
	host := c.Hostname
	if c.HTTPS != 443 {
		host = net.JoinHostPort(host, decimal(c.HTTPS))
	}
	u := url.URL{Scheme: "https", Host: host, Path: path, RawQuery: query.Encode()}
	return u.String()
}

// person is for whom settings are asked.
type person struct {
	Address string // as it was given
	Domain  string // in its normal form
}

// MaxAddress is how long an address may be, in octets. RFC 5321 4.5.3.1.3.
const MaxAddress = 254

// of checks an address. Invalid when it is none, NotFound when its domain is not ours; whether there is such an address is not asked.
func (g *Guide) of(ctx context.Context, text string) (person, error) {
	text = strings.TrimSpace(text)
	if len(text) > MaxAddress {
		return person{}, mail.Errorf(mail.Invalid, "that is too long for a mail address")
	}
	a, err := addr.Parse(text)
	if err != nil {
		return person{}, mail.Errorf(mail.Invalid, "that is not a whole mail address, such as ann@example.com")
	}
	domain, err := g.ours(ctx, a.Domain)
	return person{text, domain}, err
}

// ours gives the normal form of a domain of ours; else NotFound.
func (g *Guide) ours(ctx context.Context, domain string) (string, error) {
	name, err := addr.NormalDomain(domain)
	if err != nil || strings.HasPrefix(name, "[") {
		return "", mail.Errorf(mail.NotFound, "mail for that domain is not here; check what stands after the @")
	}
	ok, err := g.cfg.Domains.Serves(ctx, name)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", mail.Errorf(mail.NotFound, "mail for %s is not here; check what stands after the @", addr.UnicodeDomain(name))
	}
	return name, nil
}

// domainOfHost finds the domain that a request is about when it names no address: that below which the host is.
func (g *Guide) domainOfHost(r *http.Request) (string, error) {
	for host := web.Host(r); strings.Contains(host, "."); _, host, _ = strings.Cut(host, ".") {
		if name, err := g.ours(r.Context(), host); err == nil || !mail.Is(err, mail.NotFound) {
			return name, err
		}
	}
	return "", mail.Errorf(mail.NotFound, "mail for that domain is not here; check what stands after the @")
}

// status is the HTTP status for an error, which is logged where it is not the asker's.
func (g *Guide) status(err error) int {
	switch mail.KindOf(err) {
	case mail.Invalid:
		return http.StatusBadRequest
	case mail.NotFound:
		return http.StatusNotFound
	}
	g.cfg.Log.Error("settings cannot be told", "role", "maa/autoconfig", "error", err, "see", remedy)
	return http.StatusServiceUnavailable
}

// words are what the asker is told about an error.
func words(err error) string {
	if k := mail.KindOf(err); k != mail.Invalid && k != mail.NotFound {
		return "The settings cannot be told now; try again soon."
	}
	s := mail.Sentence(err)
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// readOnly refuses other methods than GET and HEAD.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "This can only be read.", http.StatusMethodNotAllowed)
	return false
}

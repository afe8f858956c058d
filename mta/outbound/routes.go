package outbound

import (
	"net"
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Security says how connections of a route are protected.
type Security uint8

// The ways.
const (
	Opportunistic Security = iota // STARTTLS where offered, plain where it is not or fails
	Plain                         // never TLS
	StartTLS                      // STARTTLS or no mail
	Implicit                      // TLS from the first octet (RFC 8314 3)
)

// Demanded reports whether nothing may be sent without TLS.
func (s Security) Demanded() bool { return s == StartTLS || s == Implicit }

// Hop is where mail goes next by configuration.
type Hop struct {
	Host     string // a name or an IP address; "" goes by the domain's MX
	Port     uint16 // 0: 465 with Implicit, else Config.Port
	Security Security
	Verify   bool   // with StartTLS and Implicit: the certificate must be the host's and trusted
	Username string // "" for no authentication
	Password string
	// Mechanism is PLAIN, LOGIN or SCRAM-SHA-256; "" takes the best that is offered.
	Mechanism string
}

// Routes say where mail goes: by the longest name that fits, else Default, else MX. It is a value to be read only.
type Routes struct {
	Default *Hop            // the smart host for everything; nil: MX
	Domains map[string]*Hop // by recipient domain in canonical spelling; ".example.net" is for all below example.net; nil: MX
}

// smarthost begins the route of mail that goes to a configured host.
const smarthost = "smarthost:"

// RouteFor gives the route a recipient is queued under: "smarthost:host:port" where one is configured, else the
// recipient's domain.
func (r Routes) RouteFor(p mail.Path) string {
	hop := r.hop(p.Domain())
	if hop == nil || hop.Host == "" {
		return p.Domain()
	}
	return smarthost + hop.address(defaultPort)
}

// hop is the configured hop for a domain, or nil.
func (r Routes) hop(domain string) *Hop {
	if h, ok := r.Domains[domain]; ok {
		return h
	}
	for rest := domain; ; {
		i := strings.IndexByte(rest, '.')
		if i < 0 {
			return r.Default
		}
		if h, ok := r.Domains[rest[i:]]; ok && i > 0 {
			return h
		}
		rest = rest[i+1:]
	}
}

// defaultPort is SMTP's.
const defaultPort = 25

// implicitPort is that of submission inside TLS (RFC 8314 7.3).
const implicitPort = 465

func (h *Hop) port(fallback uint16) uint16 {
	switch {
	case h.Port != 0:
		return h.Port
	case h.Security == Implicit:
		return implicitPort
	}
	return fallback
}

func (h *Hop) address(fallback uint16) string {
	return net.JoinHostPort(h.Host, strconv.Itoa(int(h.port(fallback))))
}

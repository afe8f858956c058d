package wire

import (
	"context"
	"net"
	"net/netip"
)

// Dialer opens connections; infra/dns.Dialer is one. Its errors are of kind NotFound (no such host, no address) or Unavailable.
type Dialer interface {
	Dial(ctx context.Context, host string, port uint16) (net.Conn, error)
	DialAddr(ctx context.Context, ip netip.Addr, port uint16) (net.Conn, error)
}

// Proto is what is spoken on a port.
type Proto string

// The protocols.
const (
	SMTP Proto = "smtp"
	IMAP Proto = "imap"
	POP3 Proto = "pop3"
	HTTP Proto = "http"
)

// Port is one that others connect to.
type Port struct {
	Service string // as in the configuration: "smtp", "submissions"
	Number  uint16
	Proto   Proto
	TLS     bool // from the first octet
	Start   bool // by STARTTLS or STLS
}

// PortOf knows the services by their names in the configuration's [listen]: smtp, submission, submissions, imap, imaps, pop3, pop3s, http, https.
func PortOf(service string, number uint16) (Port, bool) {
	p := Port{Service: service, Number: number}
	switch service {
	case "smtp", "submission":
		p.Proto, p.Start = SMTP, true
	case "submissions":
		p.Proto, p.TLS = SMTP, true
	case "imap":
		p.Proto, p.Start = IMAP, true
	case "imaps":
		p.Proto, p.TLS = IMAP, true
	case "pop3":
		p.Proto, p.Start = POP3, true
	case "pop3s":
		p.Proto, p.TLS = POP3, true
	case "http":
		p.Proto = HTTP
	case "https":
		p.Proto, p.TLS = HTTP, true
	default:
		return Port{}, false
	}
	return p, number != 0
}

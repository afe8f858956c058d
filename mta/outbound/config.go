package outbound

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/smtpc"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/proto/tlsrpt"
)

// Resolver finds mail hosts; infra/dns has it.
type Resolver interface {
	MX(ctx context.Context, domain string) (dns.Answer[[]dns.MX], error)
	Addresses(ctx context.Context, host string) (dns.Answer[[]netip.Addr], error)
}

// Dialer opens connections; *dns.Dialer is one. Its errors are of kind NotFound where the host has no address.
type Dialer interface {
	Dial(ctx context.Context, host string, port uint16) (net.Conn, error)
	DialAddr(ctx context.Context, ip netip.Addr, port uint16) (net.Conn, error)
}

// Policies tell what domains ask for by MTA-STS; *tlspolicy.Policies is one.
type Policies interface {
	// Policy gives the policy that counts for a domain now, nil for none, and why the present one could not be fetched, if so. It costs
	// no query for a domain that was asked about lately. An error means that it cannot be told: the mail waits.
	Policy(ctx context.Context, domain string) (policy *mtasts.Policy, fault tlsrpt.ResultType, err error)
}

// Observer hears how connections went, for TLS reports (RFC 8460).
type Observer interface {
	// Session is called once for each connection that got as far as TLS, and for each host that was left out because of a policy; failure
	// is nil where the policy was kept. p is the policy on domain that was applied; its lists are shared, so they are only to be
	// read. It is called while mail waits, and must not block.
	Session(domain string, p tlsrpt.Policy, failure *tlsrpt.Failure)
}

// Config is what a Transport works with. Resolver, Dialer, Blobs and Hello must be set.
type Config struct {
	Resolver Resolver
	Dialer   Dialer
	Blobs    mail.Blobs
	Hello    string     // our host name, for EHLO
	TLS      *tls.Trust // whose certificates count; nil: the machine's authorities
	Routes   Routes
	Port     uint16 // of mail hosts: 0 is 25
	// Policies, TLSA and Observer are for hosts that DNS names, where the route does not say "never TLS". Each may be nil: no MTA-STS,
	// no DANE, nobody to tell. TLSA counts only where Resolver says what is Authentic: with DNSSEC.
	Policies Policies
	TLSA     dns.TLSAResolver
	Observer Observer
	Self     Self
	Limits   Limits
	Timeouts Timeouts
	Log      *slog.Logger // nil: none
}

// Self is what else an MX record may call us. Mail for a domain whose best host is ourselves, and which is not set up
// here, would go round in circles (RFC 5321 5.1). Include the loopback addresses where nothing else listens there.
type Self struct {
	Names []string
	Addrs []netip.Addr
}

// Limits bound connections and transactions. Zero stands for the default.
type Limits struct {
	PerHost      int // connections to one host at once: 20
	Idle         int // idle connections in all, at some 25 KB each: 500
	Transactions int // on one connection: 100
	Recipients   int // in one transaction: 100 (RFC 5321 4.5.3.1.8)
	Sessions     int // connections one attempt makes for one domain: 5
}

// Timeouts of connections. Zero stands for the default.
type Timeouts struct {
	smtpc.Timeouts               // of the dialogue: RFC 5321 4.5.3.2
	Idle           time.Duration // how long an unused connection is kept: 5 seconds
	// Silent is how long a host that could not be reached three times in a row is left alone: a minute. It should be
	// shorter than the wait before a second attempt.
	Silent time.Duration
}

func (c Config) withDefaults() Config {
	def(&c.Port, defaultPort)
	def(&c.Limits.PerHost, 20)
	def(&c.Limits.Idle, 500)
	def(&c.Limits.Transactions, 100)
	def(&c.Limits.Recipients, 100)
	def(&c.Limits.Sessions, 5)
	def(&c.Timeouts.Idle, 5*time.Second)
	def(&c.Timeouts.Silent, time.Minute)
	def(&c.Timeouts.Quit, 2*time.Second) // others may be waiting for the connection's place
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func def[T ~int | ~int64 | ~uint16](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

package app

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta/bounce"
	"github.com/postrider/postrider/mta/outbound"
	"github.com/postrider/postrider/mta/queue"
	"github.com/postrider/postrider/service/tlspolicy"
)

// openResolver is the configured DNS, or the lab's own.
func (a *App) openResolver() (dns.Resolver, error) {
	if zone := a.cfg.Lab.Zone(); zone != "" {
		return dns.NewStatic(dns.StaticConfig{Zone: zone})
	}
	servers, err := a.cfg.DNS.Resolvers()
	if err != nil {
		return nil, err
	}
	c := dns.Config{Trusted: a.cfg.DNS.Trusted, Timeout: a.cfg.DNS.Timeout.Std() / 3, Servers: servers, Clock: a.clock}
	if !a.cfg.DNS.Validate {
		client := dns.New(c)
		a.closers = append(a.closers, client)
		return client, nil
	}
	client, err := dns.NewValidating(c, dns.Validation{Anchors: a.cfg.DNS.Anchors, Exempt: a.cfg.DNS.Exempt})
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, client)
	return client, nil
}

// directDelivery reports whether mail without a route of its own goes to the hosts that DNS names.
func (a *App) directDelivery() bool {
	return a.cfg.Lab.RouteAll == "" && a.cfg.Outbound.Smarthost.Host == ""
}

// domains tells the submission agent which foreign domains exist. Where a host is configured for a domain, that host decides.
type domains struct {
	dns.Resolver
	routes outbound.Routes
}

// Exists implements msa.Domains.
func (d domains) Exists(ctx context.Context, domain string) (dns.Existence, error) {
	if d.routes.RouteFor(mail.Path("postmaster@"+domain)) != domain {
		return dns.Reachable, nil
	}
	return d.Resolver.Exists(ctx, domain)
}

// routes translates the configuration of next hops.
func (a *App) routes() (outbound.Routes, error) {
	r := outbound.Routes{Domains: map[string]*outbound.Hop{}}
	if all := a.cfg.Lab.RouteAll; all != "" {
		hop, err := hopTo(all, config.TLSOpportunistic)
		r.Default = hop
		return r, err
	}
	out := a.cfg.Outbound
	if s := out.Smarthost; s.Host != "" {
		hop := &outbound.Hop{Host: s.Host, Port: uint16(s.Port), Username: s.Username} //nolint:gosec // validated
		secure(hop, s.TLS)
		if s.PasswordFile != "" {
			var err error
			if hop.Password, err = firstLine(s.PasswordFile); err != nil {
				return r, err
			}
		}
		r.Default = hop
	} else if out.TLS != config.TLSOpportunistic {
		r.Default = &outbound.Hop{}
		secure(r.Default, out.TLS)
	}
	for _, route := range a.cfg.Routes {
		policy := route.TLS
		if policy == "" {
			policy = out.TLS
		}
		hop, err := hopTo(route.Host, policy)
		if err != nil {
			return r, err
		}
		r.Domains[strings.TrimPrefix(route.Domain, "*")] = hop
	}
	return r, nil
}

func hopTo(hostport string, policy config.TLSPolicy) (*outbound.Hop, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "%q is not \"host:port\"", hostport)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "%q has no port between 1 and 65535", hostport)
	}
	hop := &outbound.Hop{Host: host, Port: uint16(n)}
	secure(hop, policy)
	return hop, nil
}

func secure(h *outbound.Hop, p config.TLSPolicy) {
	switch p {
	case config.TLSNone:
		h.Security = outbound.Plain
	case config.TLSRequire:
		h.Security = outbound.StartTLS
	case config.TLSVerify:
		h.Security, h.Verify = outbound.StartTLS, true
	case config.TLSImplicit:
		h.Security, h.Verify = outbound.Implicit, true
	case config.TLSOpportunistic:
	}
}

// firstLine reads a secret from a file.
func firstLine(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", mail.Errorf(mail.Invalid, "the password file cannot be read: %w", err)
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", mail.Errorf(mail.Invalid, "the password file %s has no first line (%v)", name, err)
	}
	return line, nil
}

// makeQueue wires what carries mail away.
func (a *App) makeQueue() (*queue.Scheduler, error) {
	routes, err := a.routes()
	if err != nil {
		return nil, err
	}
	trust, err := tls.NewTrust(a.clock, a.rootsFiles()...)
	if err != nil {
		return nil, err
	}
	self, err := a.self()
	if err != nil {
		return nil, err
	}
	c := outbound.Config{
		Resolver: a.resolver, Blobs: a.store, Hello: a.cfg.HelloName(), Routes: routes, Port: uint16(a.cfg.Outbound.Port), Self: self, //nolint:gosec // validated
		Dialer:   a.dialer(),
		TLS:      trust,
		Timeouts: outbound.Timeouts{Silent: min(time.Minute, a.cfg.Queue.RetryFirst.Std()/2)},
		Log:      a.log.With("role", "mta/outbound"),
	}
	if err := a.policiesOutward(&c, trust); err != nil {
		return nil, err
	}
	transport, err := outbound.New(c)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, closerFunc(transport.Close))
	reporter, err := bounce.New(bounce.Config{Hostname: a.cfg.Hostname, Blobs: a.store, Poster: a.intake, Log: a.log.With("role", "mta/bounce")})
	if err != nil {
		return nil, err
	}
	owner, err := filepath.Abs(a.cfg.Data)
	if err != nil {
		owner = a.cfg.Data
	}
	q := a.cfg.Queue
	return queue.New(queue.Config{
		Journal: a.tally, Queue: a.store, Clock: a.clock, Bus: a.bus, Sender: transport,
		Reporter: reporter, Express: a.express,
		Owner:   a.cfg.Hostname + ":" + owner,
		Backoff: queue.Backoff{First: q.RetryFirst.Std(), Max: q.RetryMax.Std()},
		Limits:  queue.Limits{Concurrency: q.Concurrency, PerRoute: q.PerRoute},
		Times:   queue.Times{Delay: delay(q.DelayWarning.Std()), Grace: Grace / 2},
		Log:     a.log.With("role", "mta/queue"),
	})
}

// policiesOutward adds what other domains say about TLS to their hosts, and who counts how it went.
func (a *App) policiesOutward(c *outbound.Config, trust *tls.Trust) error {
	out := a.cfg.Outbound
	if out.DANE {
		c.TLSA, _ = a.resolver.(dns.TLSAResolver)
	}
	if a.cfg.Reports.TLS {
		c.Observer = a.ledger
	}
	if !out.MTASTS {
		return nil
	}
	p, err := tlspolicy.New(tlspolicy.Config{
		Resolver: a.resolver, Notes: a.store, Journal: a.store, Trust: trust, Clock: a.clock, Log: a.log.With("role", "service/tlspolicy"),
		Dialer: a.dialer(),
	})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, closerFunc(p.Close))
	a.tlsPolicies, c.Policies = p, p
	return nil
}

// self is what an MX record may call us: our name, and every address of this machine. In a lab, other systems share
// its addresses.
func (a *App) self() (outbound.Self, error) {
	self := outbound.Self{Names: []string{a.cfg.Hostname}}
	if a.cfg.Lab.Active() {
		return self, nil
	}
	var err error
	if self.Addrs, err = ownAddresses(); err != nil {
		return self, mail.Errorf(mail.Unavailable, "this machine's addresses cannot be listed: %w", err)
	}
	return self, nil
}

// ownAddresses lists the addresses of this machine's interfaces.
func ownAddresses() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	var out []netip.Addr
	for _, l := range list {
		if p, err := netip.ParsePrefix(l.String()); err == nil {
			out = append(out, p.Addr().Unmap())
		}
	}
	return out, err
}

// dialer connects to other hosts, or in a lab to where it says that they are.
func (a *App) dialer() *dns.Dialer {
	return &dns.Dialer{Resolver: a.resolver, Overrides: a.cfg.Lab.Hosts, Timeout: a.cfg.Outbound.ConnectTimeout.Std()}
}

// delay is the scheduler's word for when a sender is told: never is negative there.
func delay(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// closerFunc makes a Closer of what closes without an error.
type closerFunc func()

// Close implements io.Closer.
func (f closerFunc) Close() error { f(); return nil }

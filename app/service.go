package app

import (
	"context"
	cryptotls "crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/netserve"
	"github.com/postrider/postrider/mail"
)

// service is one protocol on its listeners.
type service struct {
	name      string // the key in [listen]
	server    *netserve.Server
	listeners []net.Listener
}

func (s *service) start(running *sync.WaitGroup, log *slog.Logger) {
	for _, l := range s.listeners {
		running.Add(1)
		go func() {
			defer running.Done()
			if err := s.server.Serve(l); err != nil {
				log.Error("listener failed", "service", s.name, "address", l.Addr().String(), "error", err)
			}
		}()
	}
}

// plan says what one service is: bounds, words of refusal, and who serves a connection.
type plan struct {
	name      string
	addresses []string
	mode      fs.FileMode       // of its UNIX sockets
	implicit  *cryptotls.Config // TLS from the first octet
	max       int
	perClient int
	busy      func(why string) string // the words for those there is no room for; nil says nothing
	admit     func(netip.Addr) error  // may be nil
	serve     netserve.Handler
}

// listen opens all services, or fails with the first that cannot be opened.
func (a *App) listen(ctx context.Context) error {
	sockets, err := netserve.NewSockets()
	if err != nil {
		return err
	}
	metrics, err := a.metricsPlan()
	if err != nil {
		return err
	}
	for _, p := range append(a.plans(), metrics...) {
		s := &service{name: p.name, server: netserve.New(a.serverConfig(p))}
		for _, text := range p.addresses {
			l, err := sockets.Listen(ctx, netserve.Address{Text: text, Mode: p.mode})
			if err != nil {
				a.services = append(a.services, s)
				return &mail.Error{Kind: mail.KindOf(err), Text: "listen." + p.name + ": " + err.Error(), Err: err}
			}
			s.listeners = append(s.listeners, l)
		}
		a.services = append(a.services, s)
	}
	for _, name := range sockets.CloseUnused() {
		a.log.Warn("systemd passed a socket that no service is configured for", "socket", name)
	}
	return nil
}

func (a *App) serverConfig(p plan) netserve.Config {
	c := netserve.Config{Handler: p.serve, Max: p.max, MaxPerClient: p.perClient, ProxyFrom: config.Prefixes(a.cfg.Listen.ProxyFrom), Clock: a.clock, Log: a.log.With("service", p.name)}
	if p.name == "http" || p.name == "https" {
		c.ProxyMay = config.Prefixes(loopback) // a web server of this machine that passes our names on
	}
	c.Admit, c.Unbounded = p.admit, append(a.exempt(), config.Prefixes(loopback)...)
	if a.cfg.Lab.NoLimits {
		c.Max, c.MaxPerClient, c.Admit = 0, 0, nil
	}
	// A network that uses a few addresses for its many connections is let be; one that uses all of them is not.
	const addresses = 4
	c.MaxPerNetwork = addresses * c.MaxPerClient
	if p.implicit != nil {
		c.Handler = func(ctx context.Context, conn net.Conn) { p.serve(ctx, cryptotls.Server(conn, p.implicit)) }
	} else if p.busy != nil {
		c.Refuse = func(r netserve.Refusal) []byte { return []byte(p.busy(r.Text)) }
	}
	return c
}

// shutServices stops accepting on all services at once and waits for their conversations.
func (a *App) shutServices(ctx context.Context) error {
	var wait sync.WaitGroup
	errs := make([]error, len(a.services))
	for i, s := range a.services {
		wait.Add(1)
		go func() {
			defer wait.Done()
			errs[i] = s.server.Shutdown(ctx)
			for _, l := range s.listeners {
				l.Close() //nolint:errcheck // closed already, unless it never served
			}
		}()
	}
	wait.Wait()
	a.services = nil
	if err := errors.Join(errs...); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Listening tells what listens where.
func (a *App) Listening() []admin.Listener {
	var out []admin.Listener
	for _, s := range a.services {
		for _, l := range s.listeners {
			out = append(out, admin.Listener{Service: s.name, Address: l.Addr().String()})
		}
	}
	return out
}

// CAFile is the certificate authority that clients must trust while no certificate is configured; else "".
func (a *App) CAFile() string { return a.keeper.CAFile() }

// limit is n, or nothing in a lab without limits.
func (a *App) limit(n int, none int) int {
	if a.cfg.Lab.NoLimits {
		return none
	}
	return n
}

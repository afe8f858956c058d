package app

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/service/doctor"
)

// openDoctor wires what looks at the set-up from the outside in, and what keeps its results.
func (a *App) openDoctor() error {
	trusted, err := tls.NewTrust(a.clock, a.rootsFiles()...)
	if err != nil {
		return err
	}
	c := doctor.Config{
		Resolver: a.resolver, Trust: trusted, Clock: a.clock, Facts: a.doctorFacts,
		Dialer: &dns.Dialer{Resolver: a.resolver, Overrides: a.cfg.Lab.Hosts, Timeout: a.cfg.Outbound.ConnectTimeout.Std()},
	}
	c.TLSA, _ = a.resolver.(doctor.TLSAResolver)
	c.Checker, _ = a.resolver.(doctor.Checker)
	if a.doctor, err = doctor.New(c); err != nil {
		return err
	}
	a.doctorKeeper, err = doctor.NewKeeper(doctor.KeeperConfig{
		Doctor: a.doctor, Hostname: a.cfg.Hostname, Domains: a.domainNames, Notes: a.store, Journal: a.store, Clock: a.clock,
		Log: a.log.With("role", "service/doctor"), Every: cmp.Or(a.cfg.Doctor.Every.Std(), time.Hour),
		Jitter: func(d time.Duration) time.Duration { return rand.N(max(d, 1)) },
	})
	return err
}

// rootsFiles are further authorities to trust when other hosts must prove their names.
func (a *App) rootsFiles() []string {
	if f := a.cfg.Outbound.RootsFile; f != "" {
		return []string{f}
	}
	return nil
}

// doctorFacts are what should be.
func (a *App) doctorFacts(ctx context.Context, domain string) (doctor.Facts, error) {
	f, err := a.facts(ctx, domain)
	if err != nil {
		return doctor.Facts{}, err
	}
	d := a.cfg.Doctor
	out := doctor.Facts{Facts: f, Relays: a.cfg.Relay.Prefixes(), Smarthost: a.cfg.Outbound.Smarthost.Host, Lists: d.Lists, Reach: d.Reach, TimeURLs: d.TimeURLs,
		Translated: !a.ownAddress(f.Addresses)}
	l := a.cfg.Listen
	for _, s := range []struct {
		name string
		at   []string
	}{
		{"smtp", l.SMTP}, {"submission", l.Submission}, {"submissions", l.Submissions}, {"imap", l.IMAP}, {"imaps", l.IMAPS},
		{"pop3", l.POP3}, {"pop3s", l.POP3S}, {"http", l.HTTP}, {"https", l.HTTPS},
	} {
		if p, ok := doctor.PortOf(s.name, port(s.at)); ok && port(s.at) != 0 {
			out.Ports = append(out.Ports, p)
		}
	}
	return out, nil
}

// ownAddress reports whether one of some addresses is this machine's own, and not a router's in front.
func (a *App) ownAddress(list []netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, o := range own {
		p, err := netip.ParsePrefix(o.String())
		for _, ip := range list {
			if err == nil && p.Addr().Unmap() == ip {
				return true
			}
		}
	}
	return false
}

// examine makes all checks of a domain now.
func (a *App) examine(ctx context.Context, domain string) (doctor.Report, error) {
	return a.doctor.Examine(ctx, domain, nil)
}

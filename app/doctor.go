package app

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

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
		Dialer: a.dialer(),
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
	own, _ := ownAddresses() // what cannot be told is taken for a router's
	d := a.cfg.Doctor
	out := doctor.Facts{Facts: f, Relays: a.cfg.Relay.Prefixes(), Smarthost: a.cfg.Outbound.Smarthost.Host, Lists: d.Lists, Reach: d.Reach, TimeURLs: d.TimeURLs,
		Translated: !slices.ContainsFunc(f.Addresses, func(ip netip.Addr) bool { return slices.Contains(own, ip) })}
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

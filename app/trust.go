package app

import (
	"context"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta/inbound"
	"github.com/postrider/postrider/mta/report"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/service/judge"
)

// reportsAfter is how long after the end of a day reports on it are sent.
const reportsAfter = 2 * time.Hour

// inboundDoor wires what takes mail from other hosts.
func (a *App) inboundDoor() *inbound.Door {
	d := &inbound.Door{
		Intake: a.intake, Resolver: a.people, Names: a.resolver, Relay: a.cfg.Relay.Prefixes(), Trusted: config.Prefixes(a.cfg.Judge.Trusted), Log: a.log,
	}
	d.Reader = &report.Reader{Serves: a.people.Serves, Clock: a.clock}
	if a.cfg.Reports.DMARC {
		d.Reports = a.ledger
	}
	if j := a.cfg.Judge; j.Enabled {
		d.Judge = judge.New(judge.Config{
			Resolver: a.resolver, Clock: a.clock, Hostname: a.cfg.Hostname, Own: []string{a.cfg.HelloName()}, Within: j.Within.Std(),
			Policy: judge.Policy{HonourReject: j.HonourReject, JunkSPFFail: j.JunkSPFFail, Forwarders: config.Prefixes(j.Forwarders)},
		})
	}
	return d
}

// reportSender wires what tells other domains' owners what we saw.
func (a *App) reportSender() *report.Sender {
	return report.NewSender(report.SenderConfig{
		Notes: a.store, Journal: a.store, Poster: a.intake.As("mta/report"), Resolver: a.resolver, Clock: a.clock, From: a.reporter,
		DMARC: a.cfg.Reports.DMARC, TLS: a.cfg.Reports.TLS, Wait: reportsAfter, Log: a.log.With("role", "mta/report"),
	})
}

// reporter is who reports come from: the configured address, or the postmaster of the domain that the host lies in, or of our first domain.
func (a *App) reporter(ctx context.Context) (addr.Address, error) {
	if s := a.cfg.Reports.Address; s != "" {
		return addr.Parse(s)
	}
	domains, err := a.store.Domains(ctx)
	if err != nil {
		return addr.Address{}, err
	}
	if len(domains) == 0 {
		return addr.Address{}, mail.Errorf(mail.Unavailable, "no domain is ours yet that reports could come from")
	}
	best := domains[0].Name
	for _, d := range domains {
		if a.cfg.Hostname == d.Name || strings.HasSuffix(a.cfg.Hostname, "."+d.Name) {
			best = d.Name
		}
	}
	return addr.Address{Local: "postmaster", Domain: best}, nil
}

package app

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta/inbound"
	"github.com/postrider/postrider/mta/report"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/service/judge"
	"github.com/postrider/postrider/service/junk"
	"github.com/postrider/postrider/service/limits"
	"github.com/postrider/postrider/service/scan"
)

// reportsAfter is how long after the end of a day reports on it are sent.
const reportsAfter = 2 * time.Hour

// exempt are networks that no limit is for: those that may relay.
func (a *App) exempt() []netip.Prefix { return a.cfg.Relay.Prefixes() }

// openLimits wires what bounds clients, senders and accounts. A lab without limits has none.
func (a *App) openLimits(secret []byte) {
	if a.cfg.Lab.NoLimits {
		return
	}
	l := a.cfg.Limits
	a.limits = limits.New(limits.Config{
		ConnectionsPerMinute: l.ConnectionsPerMinute, MessagesPerMinute: l.MessagesPerMinute, SenderMessagesPerHour: l.SenderMessagesPerHour,
		AccountRecipientsPerDay: l.AccountRecipientsPerDay, AccountNewRecipientsPerDay: l.AccountNewRecipientsPerDay,
		LoginFailures: l.LoginFailures, LoginWindow: l.LoginWindow.Std(), BanFor: l.BanFor.Std(), Exempt: append(a.exempt(), config.Prefixes(loopback)...),
		Notes: a.store, Journal: a.store, Clock: a.clock, Secret: secret, Log: a.log.With("role", "service/limits"),
	})
	a.auth.Guard = a.limits.Guard
	a.agent.Limits = a.limits.Daily
}

// loopback is this machine: a proxy, or a program of its own, whose users are not told apart by address.
var loopback = []string{"127.0.0.0/8", "::1"}

// openFilter wires what tells junk from other mail, and the programs that look at mail while it comes in.
func (a *App) openFilter() error {
	s := a.cfg.Scan
	chain, err := scan.New(scan.Config{Rspamd: s.Rspamd, ClamAV: s.ClamAV, Milters: s.Milters, Timeout: s.Timeout.Std(), Required: s.Required, Hostname: a.cfg.Hostname})
	if err != nil {
		return err
	}
	if !chain.Empty() {
		a.scanner = chain
		a.closers = append(a.closers, chain)
	}
	j := a.cfg.Junk
	if !j.Enabled {
		return nil
	}
	lists, err := junk.ParseLists(j.Lists)
	if err != nil {
		return err
	}
	domainLists, err := junk.ParseLists(j.DomainLists)
	if err != nil {
		return err
	}
	a.filter, err = junk.New(junk.Config{
		Clock: a.clock, Resolver: a.resolver, Hostname: a.cfg.Hostname, Own: []string{a.cfg.HelloName()}, Lists: lists, DomainLists: domainLists,
		Threshold: j.Threshold, Refuse: j.Refuse, Met: junk.MetByNotes(a.store, limits.KindMet, limits.MetKey), Notes: a.store, Journal: a.store,
		Places: a.store, Mailboxes: a.store, Blobs: a.store, Log: a.log.With("role", "service/junk"),
	})
	return err
}

// userJournal is the journal of those who change mailboxes for their owners: what they say is junk is learnt from.
func (a *App) userJournal() mail.Journal {
	if a.filter == nil {
		return a.store
	}
	return &junk.Watch{Journal: a.store, Filter: a.filter}
}

// inboundDoor wires what takes mail from other hosts.
func (a *App) inboundDoor() *inbound.Door {
	d := &inbound.Door{
		Intake: a.intake, Resolver: a.people, Names: a.resolver, Relay: a.cfg.Relay.Prefixes(), Trusted: config.Prefixes(a.cfg.Judge.Trusted), Log: a.log,
	}
	d.Reader = &report.Reader{Serves: a.people.Serves, Clock: a.clock}
	if a.cfg.Reports.DMARC {
		d.Reports = a.ledger
	}
	if a.limits != nil {
		d.Rates = a.limits.Rates
	}
	if a.scanner != nil {
		d.Scanner = a.scanner
	}
	if a.filter != nil {
		d.Assessor = a.filter
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
		HTTP:  a.outsideClient(),
		DMARC: a.cfg.Reports.DMARC, TLS: a.cfg.Reports.TLS, Wait: reportsAfter, Log: a.log.With("role", "mta/report"),
	})
}

// outsideClient talks to web servers whose addresses strangers wrote into the DNS: to none that is inside (a private or loopback address), and
// it follows nobody elsewhere.
func (a *App) outsideClient() *http.Client {
	dial := func(ctx context.Context, _, at string) (net.Conn, error) {
		host, text, err := net.SplitHostPort(at)
		if err != nil {
			return nil, err
		}
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, err
		}
		answer, err := a.resolver.Addresses(ctx, host)
		if err != nil {
			return nil, err
		}
		d := &dns.Dialer{Resolver: a.resolver, Timeout: a.cfg.Outbound.ConnectTimeout.Std()}
		err = mail.Errorf(mail.Denied, "%s has no address outside", host)
		for _, ip := range answer.Value {
			if !public(ip.Unmap()) {
				continue
			}
			var conn net.Conn
			if conn, err = d.DialAddr(ctx, ip, uint16(port)); err == nil {
				return conn, nil
			}
		}
		return nil, err
	}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}
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

package app

import (
	"context"
	"net"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/webapi"
	"github.com/postrider/postrider/infra/outward"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/maa/autoconfig"
	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/maa/jmap/webpush"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta/policyhost"
	"github.com/postrider/postrider/proto/mtasts"
)

// openPolicyHost wires what serves our MTA-STS policy.
func (a *App) openPolicyHost() {
	a.policies = policyhost.New(policyhost.Config{
		Domains: a.people, Mode: mtasts.Mode(a.cfg.TLS.MTASTS), MaxAge: stsMaxAge, Log: a.log.With("role", "mta/policyhost"),
		MX: func(context.Context, string) ([]string, error) { return []string{a.cfg.Hostname}, nil },
	})
}

// stsPolicy is the MTA-STS policy for a domain of ours, or nil where none is served.
func (a *App) stsPolicy(ctx context.Context, domain string) *mtasts.Policy {
	if len(a.cfg.Listen.HTTPS) == 0 || a.cfg.TLS.MTASTS == "none" {
		return nil
	}
	p, err := a.policies.Policy(ctx, domain)
	if err != nil {
		return nil
	}
	return &p
}

// webPlans are the services of the web.
func (a *App) webPlans() []plan {
	if len(a.cfg.Listen.HTTP)+len(a.cfg.Listen.HTTPS) == 0 {
		return nil
	}
	secure, plain := web.NewMux(), web.NewMux()
	if a.cfg.TLS.MTASTS != "none" {
		a.policies.Register(secure)
	}
	a.pages().Register(secure, plain)
	a.userAgent(secure)
	a.jmap = a.openJMAP()
	a.jmap.Register(secure, "")
	a.webAdmin = webapi.New(webapi.Config{
		Operator: func() admin.Operator { return a.operations }, Guarded: a.account.Guarded, Tail: a.tail, Clock: a.clock, Log: a.log.With("role", "admin"),
	})
	a.webAdmin.Register(secure, "")
	log := a.log.With("role", "infra/web")
	tlsServer := web.New(web.Config{Handler: secure, TLS: a.keeper.Server(tls.Web), Log: log})
	redirect := ""
	if _, port, err := net.SplitHostPort(first(a.cfg.Listen.HTTPS)); err == nil {
		redirect = port
	}
	plainServer := web.New(web.Config{Challenge: a.keeper.AnswerHTTP, RedirectTo: redirect, Plain: plain, Log: log})
	a.endWithUs(tlsServer, plainServer)
	const most, each = 2000, 100
	return []plan{
		{name: "http", addresses: a.cfg.Listen.HTTP, max: most, perClient: each, serve: plainServer.Handle},
		{name: "https", addresses: a.cfg.Listen.HTTPS, max: most, perClient: each, serve: tlsServer.Handle},
	}
}

// openJMAP wires the JMAP server.
func (a *App) openJMAP() *jmap.Server {
	outside := outward.NewClient(outward.ClientConfig{
		Agent: "postrider", MaxBody: 64 << 10, Dialer: outward.NewDialer(outward.Config{Resolver: a.resolver, Ports: []uint16{443}}),
	})
	a.closers = append(a.closers, closerFunc(outside.Close))
	s := jmap.New(jmap.Config{
		Contacts:  a.contacts,
		Push:      webpush.New(webpush.Config{Client: outside, Key: a.pushKey, Clock: a.clock, Subject: "mailto:" + "postmaster@" + a.cfg.Hostname}),
		Mailboxes: a.store, Journal: a.userJournal(), Blobs: a.store, Bus: a.bus, Accounts: a.store, Login: a.auth.For(mail.ScopeJMAP), Session: a.account.Session, History: a.store, Search: a.search,
		Submit: a.agent, Senders: a.people, Queue: a.store, Trail: a.store, Notes: a.store, Clock: a.clock, Log: a.log.With("role", "maa/jmap"),
	})
	a.closers = append(a.closers, closerFunc(s.End))
	return s
}

// endWithUs ends servers when the system does. Their conversations had their time when the doors closed.
func (a *App) endWithUs(servers ...*web.Server) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for _, server := range servers {
		a.closers = append(a.closers, closerFunc(func() { server.Shutdown(over) })) //nolint:errcheck // it ends all the same
	}
}

// pages wires what helps people set their mail programs up.
func (a *App) pages() *autoconfig.Guide {
	s := a.userServices()
	return autoconfig.New(autoconfig.Config{
		Domains: a.people, Hostname: a.cfg.Hostname, IMAPS: int(s.IMAPS), IMAP: int(s.IMAP), POP3S: int(s.POP3S), POP3: int(s.POP3),
		Submissions: int(s.Submissions), Submission: int(s.Submission), HTTPS: int(port(a.cfg.Listen.HTTPS)), Log: a.log.With("role", "maa/autoconfig"),
	})
}

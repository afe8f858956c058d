package app

import (
	"net"
	"os"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/outward"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/contacts"
	"github.com/postrider/postrider/service/directory"
	"github.com/postrider/postrider/service/factor"
	"github.com/postrider/postrider/service/importer"
	"github.com/postrider/postrider/service/session"
	"github.com/postrider/postrider/ua/account"
	"github.com/postrider/postrider/ua/proxy"
	"github.com/postrider/postrider/ua/transfer"
	"github.com/postrider/postrider/ua/way"
	webmail "github.com/postrider/postrider/ua/web"
)

// openPeople wires who people are to the web: their passwords, sessions and second factors.
func (a *App) openPeople(secret []byte) {
	a.passwords = &directory.Passwords{Directory: a.store, Journal: a.store, Clock: a.clock}
	a.sessions = &session.Sessions{Notes: a.store, Journal: a.store, Directory: a.store, Clock: a.clock}
	a.factors = factor.New(factor.Config{
		Notes: a.store, Journal: a.store, Directory: a.store, Passwords: a.passwords, Secret: secret, Host: a.cfg.Hostname, Origins: a.origins(),
		Issuer: "Postrider " + a.cfg.Hostname, Clock: a.clock, Log: a.log.With("role", "service/factor"),
	})
	a.clients = directory.NewClients(a.store, a.store, a.clock, a.log.With("role", "service/directory"))
	a.auth.Uses = a.clients
	a.contacts = contacts.New(contacts.Config{Notes: a.store, Journal: a.store, Bus: a.bus, Clock: a.clock})
	s := a.programServices()
	a.account = account.New(account.Config{
		Directory: a.store, Journal: a.store, Notes: a.store, Auth: a.auth, Passwords: a.passwords, Sessions: a.sessions, Factors: a.factors,
		Services: account.Services{
			Host: a.cfg.Hostname, IMAP: account.Port{Implicit: int(s.IMAPS), StartTLS: int(s.IMAP)}, POP3: account.Port{Implicit: int(s.POP3S), StartTLS: int(s.POP3)},
			SMTP: account.Port{Implicit: int(s.Submissions), StartTLS: int(s.Submission)}, Profile: "/setup/profile.mobileconfig", HTTPS: int(port(a.cfg.Listen.HTTPS)),
		},
		Hostname: a.cfg.Hostname, Version: a.version, Features: []string{"way", "import", "export", "push"}, Clock: a.clock, Log: a.log.With("role", "ua/account"),
	})
}

// origins are the addresses that the webmail's pages may have: by the port that we listen on, and by that of a proxy before it.
func (a *App) origins() []string {
	out := []string{"https://" + a.cfg.Hostname}
	for _, at := range a.cfg.Listen.HTTPS {
		if _, p, err := net.SplitHostPort(at); err == nil && p != "443" {
			out = append(out, "https://"+net.JoinHostPort(a.cfg.Hostname, p))
		}
	}
	return out
}

// userAgent puts the user's agent into the mux.
func (a *App) userAgent(m *web.Mux) {
	a.account.Register(m, "")
	way.New(way.Config{
		Guarded: a.account.Guarded, Trail: a.store, Queue: a.store, Mailboxes: a.store, Blobs: a.store, Journal: a.store, Hostname: a.cfg.Hostname,
		Clock: a.clock, Log: a.log.With("role", "ua/way"),
	}).Register(m, "")
	pictures := proxy.New(proxy.Config{
		Guarded: a.account.Guarded, Dialer: outward.NewDialer(outward.Config{Resolver: a.resolver}), Clock: a.clock, Log: a.log.With("role", "ua/proxy"),
	})
	a.closers = append(a.closers, closerFunc(pictures.Close))
	pictures.Register(m, "")
	jobs := importer.New(importer.Config{
		Store: importer.Store{Mailboxes: a.store, Blobs: a.store, Journal: a.store, Clock: a.clock, Log: a.log.With("role", "service/importer")}, Notes: a.store,
	})
	a.closers = append(a.closers, closerFunc(jobs.Close))
	transfer.New(transfer.Config{
		Guarded: a.account.Guarded, Jobs: jobs, Mailboxes: a.store, Blobs: a.store, Extra: a.takeout, Clock: a.clock, Log: a.log.With("role", "ua/transfer"),
		Dialer: outward.NewDialer(outward.Config{Resolver: a.resolver, Ports: []uint16{993, 143}}),
	}).Register(m, "")
	a.webmail.Register(m, "")
}

// openWebmail reads the pages: the built-in ones, or those of another build.
func openWebmail(lab config.Lab) (*webmail.Webmail, error) {
	if lab.Webmail == "" {
		return webmail.New()
	}
	root, err := os.OpenRoot(lab.Webmail)
	if err != nil {
		return nil, mail.Errorf(mail.NotFound, "lab.webmail: %w", err)
	}
	defer root.Close() //nolint:errcheck // it was only read
	return webmail.From(root.FS())
}

package app

import (
	cryptotls "crypto/tls"
	"net/netip"
	"slices"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/maa/imap"
	"github.com/postrider/postrider/maa/pop3"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mda/lmtp"
	"github.com/postrider/postrider/msa"
)

// plans lists the services of the configuration.
func (a *App) plans() []plan {
	var out []plan
	add := func(p plan) {
		if len(p.addresses) > 0 {
			out = append(out, p)
		}
	}
	users := a.keeper.Server(tls.Users)
	in, sub := a.cfg.SMTP, a.cfg.Submission
	host := a.cfg.Hostname

	mx := smtpd.New(a.smtpConfig(in, a.keeper.Server(tls.MX)), a.inboundDoor())
	add(plan{name: "smtp", addresses: a.cfg.Listen.SMTP, max: in.MaxConnections, perClient: in.MaxConnectionsPerIP, busy: busySMTP(host), admit: a.admitHost, serve: mx.Serve})

	door := &msa.Door{Agent: a.agent, Auth: a.auth.For(mail.ScopeSMTP)}
	submission := smtpd.New(a.smtpConfig(sub, users), door)
	add(plan{name: "submission", addresses: a.cfg.Listen.Submission, max: sub.MaxConnections, perClient: sub.MaxConnectionsPerIP, busy: busySMTP(host), admit: a.admitUser, serve: submission.Serve})
	submissions := smtpd.New(a.smtpConfig(sub, nil), door)
	add(plan{name: "submissions", addresses: a.cfg.Listen.Submissions, implicit: users, max: sub.MaxConnections, perClient: sub.MaxConnectionsPerIP, admit: a.admitUser, serve: submissions.Serve})

	local := a.smtpConfig(a.cfg.LMTP, users)
	local.LMTP = true
	lmtpd := smtpd.New(local, &lmtp.Door{Intake: a.intake, Resolver: a.people, Log: a.log})
	at := append([]string{}, a.cfg.Listen.LMTP...)
	if p := a.cfg.LMTPSocketPath(); p != "" {
		at = append(at, "unix:"+p)
	}
	add(plan{name: "lmtp", addresses: at, mode: a.cfg.LMTPSocketPermissions(), max: a.cfg.LMTP.MaxConnections, perClient: a.cfg.LMTP.MaxConnectionsPerIP, busy: busySMTP(host), serve: lmtpd.Serve})

	for _, p := range slices.Concat(a.imapPlans(users), a.pop3Plans(users), a.webPlans()) {
		add(p)
	}
	return out
}

// busySMTP says to an SMTP client why it is not served.
func busySMTP(host string) func(why string) string {
	return func(why string) string { return "421 4.7.0 " + host + ": " + why + "\r\n" }
}

// admitHost and admitUser are asked about each client that wants to bring mail, and each that wants to log in.
func (a *App) admitHost(ip netip.Addr) error {
	if a.limits == nil {
		return nil
	}
	return a.limits.Connection(ip)
}

func (a *App) admitUser(ip netip.Addr) error {
	if a.limits == nil {
		return nil
	}
	return a.limits.Admit(ip)
}

func (a *App) smtpConfig(s config.SMTPServer, starttls *cryptotls.Config) smtpd.Config {
	return smtpd.Config{
		Hostname: a.cfg.Hostname, TLS: starttls, RequireTLS: true, MaxSize: int64(s.MaxMessageSize), MaxRecipients: s.MaxRecipients,
		MaxErrors: a.limit(s.MaxErrors, unlimited), MaxJunk: a.limit(0, unlimited), MaxTransactions: a.limit(0, unlimited), MaxAuthTries: a.limit(0, unlimited),
		AllowCleartextAuth: a.cfg.Lab.AllowAuthWithoutTLS,
		Timeouts:           smtpd.Timeouts{Command: s.CommandTimeout.Std(), DataBlock: s.DataTimeout.Std(), Grace: Grace},
		Log:                a.log.With("role", "infra/smtpd"),
	}
}

const unlimited = 1 << 30

func (a *App) imapPlans(users *cryptotls.Config) []plan {
	c := a.cfg.IMAP
	base := imap.Config{
		Mailboxes: a.store, Journal: a.userJournal(), Blobs: a.store, Bus: a.bus, Search: a.search, Clock: a.clock, Authenticator: a.auth.For(mail.ScopeIMAP),
		RequireTLSForAuth: !a.cfg.Lab.AllowAuthWithoutTLS, Log: a.log.With("role", "maa/imap"),
	}
	base.Limits.Append = int64(c.MaxMessageSize)
	base.Limits.Idle, base.Limits.PreAuth = c.IdleTimeout.Std(), c.LoginTimeout.Std()
	base.Limits.Failures, base.Limits.Errors = a.limit(0, unlimited), a.limit(0, unlimited)
	starttls := base
	starttls.TLS = users
	busy := func(why string) string { return "* BYE [UNAVAILABLE] " + why + "\r\n" }
	return []plan{
		{name: "imap", addresses: a.cfg.Listen.IMAP, max: c.MaxConnections, perClient: c.MaxConnectionsPerIP, busy: busy, admit: a.admitUser, serve: imap.New(starttls).Serve},
		{name: "imaps", addresses: a.cfg.Listen.IMAPS, implicit: users, max: c.MaxConnections, perClient: c.MaxConnectionsPerIP, admit: a.admitUser, serve: imap.New(base).Serve},
	}
}

func (a *App) pop3Plans(users *cryptotls.Config) []plan {
	c := a.cfg.POP3
	base := pop3.Config{
		Mailboxes: a.store, Journal: a.store, Blobs: a.store, Authenticator: a.auth.For(mail.ScopePOP3), RequireTLSForAuth: !a.cfg.Lab.AllowAuthWithoutTLS,
		Limits: pop3.DefaultLimits(), Log: a.log.With("role", "maa/pop3"),
	}
	base.Limits.Idle = c.IdleTimeout.Std()
	base.Limits.Failures, base.Limits.Errors = a.limit(base.Limits.Failures, unlimited), a.limit(base.Limits.Errors, unlimited)
	starttls := base
	starttls.TLS = users
	busy := func(why string) string { return "-ERR [SYS/TEMP] " + why + "\r\n" }
	return []plan{
		{name: "pop3", addresses: a.cfg.Listen.POP3, max: c.MaxConnections, perClient: c.MaxConnectionsPerIP, busy: busy, admit: a.admitUser, serve: pop3.New(starttls).Serve},
		{name: "pop3s", addresses: a.cfg.Listen.POP3S, implicit: users, max: c.MaxConnections, perClient: c.MaxConnectionsPerIP, admit: a.admitUser, serve: pop3.New(base).Serve},
	}
}

package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// DefaultData is the data directory where none is named.
const DefaultData = "./postrider-data"

// Default is what a configuration file starts from: the well-known ports on all addresses, data in the
// given directory.
func Default(data string) Config {
	const (
		second = Duration(time.Second)
		minute = Duration(time.Minute)
		hour   = Duration(time.Hour)
		mib    = Size(1 << 20)
	)
	smtp := SMTPServer{
		MaxMessageSize: 50 * mib, MaxRecipients: 1000, MaxConnections: 1000, MaxConnectionsPerIP: 50,
		CommandTimeout: 5 * minute, DataTimeout: 5 * minute, MaxErrors: 20,
	}
	lmtp := smtp
	lmtp.MaxConnectionsPerIP = 0 // all of its connections come from the one server in front
	return Config{
		Data:     data,
		Hostname: machineName(),
		Log:      Log{Level: "info", Format: "auto"},
		Listen: Listen{
			SMTP: Addresses{":25"}, Submission: Addresses{":587"}, Submissions: Addresses{":465"}, LMTP: Addresses{}, LMTPSocketMode: "0660",
			IMAP: Addresses{":143"}, IMAPS: Addresses{":993"}, POP3: Addresses{":110"}, POP3S: Addresses{":995"},
			HTTP: Addresses{}, HTTPS: Addresses{}, Metrics: Addresses{}, ProxyFrom: []string{},
		},
		TLS:        TLS{MTASTS: "enforce", ACME: ACME{Challenges: []string{"tls-alpn", "http"}, Names: []string{}}},
		SMTP:       smtp,
		Submission: smtp,
		LMTP:       lmtp,
		Relay:      Relay{Networks: []string{}},
		IMAP: IMAP{IdleTimeout: 30 * minute, LoginTimeout: minute, MaxMessageSize: 50 * mib,
			MaxConnections: 5000, MaxConnectionsPerIP: 200},
		POP3:     POP3{IdleTimeout: 10 * minute, MaxConnections: 1000, MaxConnectionsPerIP: 50},
		Queue:    Queue{RetryFirst: 5 * minute, RetryMax: 4 * hour, Expire: 120 * hour, DelayWarning: 4 * hour, Concurrency: 200, PerRoute: 50},
		Outbound: Outbound{Port: 25, TLS: TLSOpportunistic, ConnectTimeout: 30 * second, DANE: true, MTASTS: true, Smarthost: Smarthost{Port: 587, TLS: TLSVerify}},
		DNS:      DNS{Servers: []string{}, Validate: true, Anchors: []string{}, Exempt: []string{}, Timeout: 10 * second},
		DKIM:     DKIM{Enabled: true},
		Judge: Judge{Enabled: true, Within: 15 * second, HonourReject: true, JunkSPFFail: true, Forwarders: []string{},
			Trusted: []string{"127.0.0.0/8", "::1"}},
		Junk: Junk{Enabled: true, Threshold: 5, Lists: []string{}, DomainLists: []string{}},
		Scan: Scan{Milters: []string{}, Timeout: 30 * second},
		Limits: Limits{ConnectionsPerMinute: 300, MessagesPerMinute: 600, SenderMessagesPerHour: 1000,
			AccountRecipientsPerDay: 2000, AccountNewRecipientsPerDay: 500, LoginFailures: 20, LoginWindow: 10 * minute, BanFor: 15 * minute},
		Reports: Reports{DMARC: true, TLS: true},
		Publish: Publish{KeyAlgorithm: "hmac-sha256"},
		Doctor: Doctor{Every: hour, Lists: []string{"zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org"},
			Reach:    []string{"gmail-smtp-in.l.google.com:25", "outlook-com.olc.protection.outlook.com:25"},
			TimeURLs: []string{"http://letsencrypt.org/", "http://deb.debian.org/"}},
		Accounts: Accounts{
			Subaddress: "+",
			Mailboxes:  Mailboxes{Drafts: "Drafts", Sent: "Sent", Junk: "Junk", Trash: "Trash", Archive: "Archive", More: []string{}},
		},
	}
}

// Development is what the server is without a configuration file: one instance on loopback, on high ports, with
// its data in the given directory.
func Development(data string) Config {
	c := Default(data)
	c.Hostname = "localhost"
	c.Listen = Listen{
		SMTP: Addresses{"127.0.0.1:2525"}, Submission: Addresses{"127.0.0.1:2587"}, Submissions: Addresses{"127.0.0.1:2465"},
		LMTP: Addresses{"127.0.0.1:2424"}, IMAP: Addresses{"127.0.0.1:2143"}, IMAPS: Addresses{"127.0.0.1:2993"},
		POP3: Addresses{"127.0.0.1:2110"}, POP3S: Addresses{"127.0.0.1:2995"}, LMTPSocketMode: c.Listen.LMTPSocketMode,
		HTTP: Addresses{"127.0.0.1:2080"}, HTTPS: Addresses{"127.0.0.1:2443"}, Metrics: Addresses{}, ProxyFrom: []string{},
	}
	c.Doctor.Every, c.DKIM.Enabled = 0, false
	c.Reports.DMARC, c.Reports.TLS = false, false
	return c
}

// machineName is the machine's name where it is a full one.
func machineName() string {
	name, err := os.Hostname()
	if err != nil || !strings.Contains(name, ".") {
		return "localhost"
	}
	if name, err = addr.NormalDomain(name); err != nil {
		return "localhost"
	}
	return name
}

// AdminSocket is the path of the UNIX socket on which a running server takes its operator's requests.
func (c Config) AdminSocket() string { return filepath.Join(c.Data, "admin.sock") }

// HelloName is the name said to other hosts.
func (c Config) HelloName() string {
	if c.Outbound.Hello != "" {
		return c.Outbound.Hello
	}
	return c.Hostname
}

// LMTPSocketPath is the path of the LMTP socket, or "".
func (c Config) LMTPSocketPath() string {
	if p := c.Listen.LMTPSocket; p != "" && !filepath.IsAbs(p) {
		return filepath.Join(c.Data, p)
	}
	return c.Listen.LMTPSocket
}

// LMTPSocketPermissions are those of the LMTP socket; 0 when the value is none, which Validate tells.
func (c Config) LMTPSocketPermissions() fs.FileMode {
	mode, err := strconv.ParseUint(c.Listen.LMTPSocketMode, 8, 9)
	if err != nil {
		return 0
	}
	return fs.FileMode(mode)
}

// NewMailboxes are the mailboxes a new account gets, INBOX first, all subscribed.
func (a Accounts) NewMailboxes() []mail.NewMailbox {
	out := []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox, Subscribed: true}}
	m := a.Mailboxes
	for _, b := range []mail.NewMailbox{
		{Name: m.Drafts, Use: mail.UseDrafts}, {Name: m.Sent, Use: mail.UseSent}, {Name: m.Junk, Use: mail.UseJunk},
		{Name: m.Trash, Use: mail.UseTrash}, {Name: m.Archive, Use: mail.UseArch},
	} {
		if b.Name != "" {
			b.Subscribed = true
			out = append(out, b)
		}
	}
	for _, name := range m.More {
		out = append(out, mail.NewMailbox{Name: name, Subscribed: true})
	}
	return out
}

// Active reports whether any setting is made.
func (l Lab) Active() bool {
	return l.AllowAuthWithoutTLS || l.NoLimits || l.RouteAll != "" || len(l.Hosts) > 0 || len(l.DNS) > 0
}

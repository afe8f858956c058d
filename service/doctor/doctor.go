package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/netip"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/service/doctor/wire"
	"github.com/postrider/postrider/service/doctor/words"
	"github.com/postrider/postrider/service/records"
)

// Dialer opens connections; infra/dns.Dialer is one.
type Dialer = wire.Dialer

// Trust says which authorities count: infra/tls.Trust does. Only RootCAs of the result is looked at; nil is the system's.
type Trust interface {
	Verified(host string) *tls.Config
}

// Checker asks for records of any type and says how far DNSSEC vouches for them; a validating infra/dns.Client is one.
type Checker interface {
	Check(ctx context.Context, name, qtype string) (dns.Verdict, error)
}

// TLSAResolver asks for TLSA records: infra/dns.Client does.
type TLSAResolver interface {
	TLSA(ctx context.Context, name string) (dns.Answer[[]dane.Record], error)
}

// Config is what a Doctor works with.
type Config struct {
	Resolver dns.Resolver
	// TLSA and Checker are usually the Resolver again. Without them DANE, DNSSEC, CAA and SRV are not looked at.
	TLSA    TLSAResolver
	Checker Checker
	Dialer  Dialer
	Trust   Trust      // nil: the system's authorities
	Clock   mail.Clock // nil: the machine's
	// Time gives the time by somebody else's clock. Nil: the Date that the web servers of Facts.TimeURLs give.
	Time func(ctx context.Context) (time.Time, error)
	// Facts tells what should be, each time anew: keys, certificates and settings change. domain is A-labels, or "" when only the host is
	// looked at.
	Facts func(ctx context.Context, domain string) (Facts, error)
	// Deadline is for each check; 0 is 30 s.
	Deadline time.Duration
	// Parallel is how many checks run at the same time; 0 is 8.
	Parallel int
}

// Facts are what should be.
type Facts struct {
	// Facts are those that the records to publish are made of. Domain is set by the Doctor. Addresses are those at which others
	// reach us: without them several checks cannot be made. Certificates are the host's own, and only looked at where no port shows any.
	records.Facts
	// Ports are those that should be open to the world; see PortOf.
	Ports []Port
	// Translated says that the addresses are not this machine's own but a router's in front of it: a port that does not answer may
	// still be open to others, for many routers do not lead back in.
	Translated bool
	// Relays are the networks that may send through us without logging in.
	Relays []netip.Prefix
	// Smarthost is the host that all mail goes out by; "" is none.
	Smarthost string
	// Lists are DNS lists on which our addresses are looked for ("zen.spamhaus.org").
	Lists []string
	// Reach are hosts outside, as "host:25", to see whether port 25 is open outward.
	Reach []string
	// TimeURLs are web pages, http:// or https://, whose servers tell the time.
	TimeURLs []string
}

// Port is one that others connect to.
type Port = wire.Port

// PortOf knows the services by their names in the configuration's [listen]: smtp, submission, submissions, imap, imaps, pop3, pop3s, http, https.
func PortOf(service string, number uint16) (Port, bool) { return wire.PortOf(service, number) }

// Doctor examines. It is for any number of goroutines.
type Doctor struct {
	cfg Config
}

// New makes a Doctor. Invalid without Resolver, Dialer or Facts.
func New(cfg Config) (*Doctor, error) {
	if cfg.Resolver == nil || cfg.Dialer == nil || cfg.Facts == nil {
		return nil, mail.Errorf(mail.Invalid, "the doctor needs a resolver, a dialer and the facts")
	}
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	cfg.Deadline = cmp.Or(cfg.Deadline, 30*time.Second)
	cfg.Parallel = cmp.Or(cfg.Parallel, 8)
	return &Doctor{cfg: cfg}, nil
}

// Examine looks at the host and at one domain. each, which may be nil, is told every finding as soon as its check is done, one after the
// other. Errors: Invalid for what is no domain, those of Facts, and that of ctx when it ends; all else is in the report.
func (d *Doctor) Examine(ctx context.Context, domain string, each func(Finding)) (Report, error) {
	return d.examine(ctx, domain, true, each)
}

// Domain is Examine without the checks of the host.
func (d *Doctor) Domain(ctx context.Context, domain string, each func(Finding)) (Report, error) {
	return d.examine(ctx, domain, false, each)
}

// Host is Examine with the checks of the host alone.
func (d *Doctor) Host(ctx context.Context, each func(Finding)) (Report, error) {
	return d.examine(ctx, "", true, each)
}

// normalDomain gives a domain in canonical spelling.
func normalDomain(domain string) (string, error) {
	n, err := addr.NormalDomain(strings.TrimSuffix(strings.TrimSpace(domain), "."))
	if err != nil || strings.HasPrefix(n, "[") || !strings.Contains(n, ".") {
		return "", mail.Errorf(mail.Invalid, "%q is no domain that can have mail; write it as example.com", words.Plain(domain))
	}
	return n, nil
}

package setup

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
)

// The places of a machine's mail system.
const (
	DefaultConfig = "/etc/postrider/postrider.toml"
	DefaultData   = "/var/lib/postrider"
)

// Web says how the ports of the web, 80 and 443, are shared.
type Web string

// The ways.
const (
	WebAny    Web = ""       // as the machine is found: own where the ports are free, else behind
	WebOwn    Web = "own"    // the ports are ours
	WebBehind Web = "behind" // another web server has them and passes our names on
	WebDNS    Web = "dns"    // certificates by DNS records (ACME DNS-01), with [publish]; the ports only where they are free
	WebOff    Web = "off"    // no web, and no certificates by ACME
)

// Options are what is known beforehand. The zero value asks for everything.
type Options struct {
	Domain   string
	Hostname string // "": mail. below the domain, or the configured one
	Admin    string // the person in charge: gets an account where the address is in the domain, and mail for postmaster
	// Password is the account's; "" makes one up and shows it once.
	Password string
	Config   string // path of the configuration file; "" is DefaultConfig
	Data     string // path of the data directory; "" is DefaultData, or the configured one
	Web      Web
	// Certificate and Key are paths of PEM files to use in place of ACME; both or none.
	Certificate, Key string
	// Publish is who writes DNS records for us; with an empty Provider nobody, or the configured one.
	Publish config.Publish
	// Secret is the provider's token, to be written to Publish.SecretFile ("" is a file beside the configuration).
	Secret string
	// Set are further settings, each a line of TOML with a dotted key: dns.servers = ["192.0.2.53"]. They count more than all others.
	Set []string
	// Addresses are those at which others reach this host, where they cannot be seen here (NAT); empty: those of its interfaces.
	Addresses []netip.Addr
	// Reach are hosts, as "name:port", to try port 25 outward with; empty: well-known ones. SkipReach tries none.
	Reach     []string
	SkipReach bool
	// SkipChecks leaves all checks out but the one for ports in use.
	SkipChecks bool
	Yes        bool // ask nothing
	NoUnit     bool // make no user and no systemd unit; files belong to who runs this
	NoStart    bool // do not start the server
	// Wait bounds the time until published records are seen; 0 is three minutes, below 0 does not wait.
	Wait time.Duration
}

// Setup is one run.
type Setup struct {
	Options Options
	Host    Host
	Console Console
	// Open opens the system of a configuration whose data directory exists.
	Open func(ctx context.Context, cfg config.Config) (System, error)
}

// Run does it. The Report tells what was done also beside an error. Errors are of kind Invalid for what was given, Denied for rights that are
// missing, else of what stood in the way.
func Run(ctx context.Context, s Setup) (Report, error) {
	r := &run{o: s.Options, host: s.Host, con: s.Console, open: s.Open, disk: disk{host: s.Host}}
	r.report = Report{Addresses: []netip.Addr{}, Steps: []Step{}, Files: []File{}, Next: []string{}}
	err := r.all(ctx)
	if r.names != nil {
		if closeErr := r.names.Close(); err == nil {
			err = closeErr
		}
	}
	return r.report, err
}

// run is the state of a run.
type run struct {
	o    Options
	host Host
	con  Console
	open func(ctx context.Context, cfg config.Config) (System, error)
	disk disk

	domain, hostname string
	admin            string
	secret           string // the provider's token, to be written
	before           *config.Config
	cfg              config.Config // what is to be
	taken            []Listener
	takenErr         error
	names            Resolver
	owner            *Owner // of the data; nil: who runs this
	userMissing      bool
	blocked          bool // ports that we need are in others' hands
	changed          bool // a file that the server reads has changed
	misplaced        bool // the program is where the service cannot run it
	needsPublishing  bool
	report           Report
}

func (r *run) all(ctx context.Context) error {
	for _, part := range []func(context.Context) error{r.begin, r.ask, r.propose, r.check, r.write, r.fill, r.await, r.start} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := part(ctx); err != nil {
			return err
		}
	}
	r.next()
	return nil
}

// tell records a step and shows it.
func (r *run) tell(s Step) {
	r.report.Steps = append(r.report.Steps, s)
	r.con.Tell(s)
}

// done tells a step that went well.
func (r *run) done(name, text string) { r.tell(Step{Name: name, Level: Done, Text: text}) }

// begin settles paths and reads what an earlier run, or a person, left.
func (r *run) begin(context.Context) error {
	if r.o.Config == "" {
		r.o.Config = DefaultConfig
	}
	if !filepath.IsAbs(r.o.Config) || r.o.Data != "" && !filepath.IsAbs(r.o.Data) {
		return mail.Errorf(mail.Invalid, "the paths of configuration and data must begin with /, since a service reads them")
	}
	if strings.ContainsAny(r.o.Config+r.o.Data, "\n\r\x00") {
		return mail.Errorf(mail.Invalid, "a path cannot have more than one line")
	}
	if !r.host.Superuser && !r.o.NoUnit {
		return mail.Errorf(mail.Denied, "setup makes a user and a service, so it must be run by root: sudo postrider setup; or without those, with --no-unit, --config and --data")
	}
	if (r.o.Certificate == "") != (r.o.Key == "") {
		return mail.Errorf(mail.Invalid, "a certificate and its key belong together; give both files")
	}
	text, there, err := r.disk.read(r.o.Config)
	if err != nil {
		return err
	}
	if there {
		cfg, err := config.Parse(r.o.Config, text)
		if err != nil {
			return mail.Errorf(mail.Invalid, "the configuration that is there is not sound; mend it, or move it away, and run setup again:\n%w", err)
		}
		r.before = &cfg
	}
	r.taken, r.takenErr = r.host.Listeners()
	return nil
}

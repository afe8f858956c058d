package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/httpapi"
	"github.com/postrider/postrider/app/setup"
	"github.com/postrider/postrider/app/setup/machine"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/records"
)

// setupFlags are those that need a word of translation.
type setupFlags struct {
	passwordFile, secretFile string
	addresses                []string
	web                      string
}

func (s *session) setupCommand() *cobra.Command {
	var o setup.Options
	var f setupFlags
	c := &cobra.Command{
		Use: "setup DOMAIN", Short: "Make this machine the mail host of a domain", Args: want(1, 1, "a domain"),
		Long: "Check the machine, write the configuration and a systemd unit, make the domain with its first account and signing keys, and print the\n" +
			"DNS records to publish, or publish them. It asks what it cannot find out; with --yes it asks nothing. Running it again is safe.",
		Example: "  postrider setup example.com\n  postrider setup example.com --admin you@example.com --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Domain = args[0]
			if err := s.setupOptions(&o, f); err != nil {
				return err
			}
			return s.setup(cmd.Context(), o)
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.Admin, "admin", "", "`ADDRESS` of the person in charge, who gets an account")
	flags.StringVar(&o.Hostname, "hostname", "", "`NAME` of this host (default: mail.DOMAIN)")
	flags.StringVar(&f.passwordFile, "password-file", "", "`FILE` with the account's password, - for standard input (default: one is made up)")
	flags.BoolVarP(&o.Yes, "yes", "y", false, "ask nothing; take what flags and defaults say")
	flags.StringVar(&f.web, "web", "", "`WAY` in which ports 80 and 443 are shared: own, behind (another web server), dns (certificates by\nDNS records) or off (default: as they are found)")
	flags.StringVar(&o.Certificate, "certificate", "", "PEM `FILE` of a certificate to use in place of ACME")
	flags.StringVar(&o.Key, "key", "", "PEM `FILE` of its key")
	flags.StringVar(&o.Publish.Provider, "publish", "", "`PROVIDER` that records are written to: rfc2136, cloudflare, hetzner, desec, gandi or porkbun")
	flags.StringVar(&o.Publish.Server, "publish-server", "", "`ADDRESS` of the primary name server, for rfc2136")
	flags.StringVar(&o.Publish.KeyName, "publish-key", "", "`NAME` of the TSIG key, for rfc2136")
	flags.StringVar(&f.secretFile, "publish-secret-file", "", "`FILE` with the provider's token or the TSIG secret")
	flags.StringSliceVar(&f.addresses, "address", nil, "`ADDRESS` at which others reach this host, where it is behind a router")
	flags.StringArrayVar(&o.Set, "set", nil, "a further setting, as `KEY=VALUE` in TOML, such as dns.servers=[\"127.0.0.1\"]; may be repeated")
	flags.StringSliceVar(&o.Reach, "reach", nil, "`HOST:PORT` outside to try port 25 with (default: well-known ones)")
	flags.BoolVar(&o.SkipChecks, "skip-checks", false, "leave the checks out")
	flags.BoolVar(&o.NoUnit, "no-unit", false, "make no system user and no systemd unit")
	flags.BoolVar(&o.NoStart, "no-start", false, "do not start the server")
	flags.DurationVar(&o.Wait, "wait", 0, "how long to wait for published records (default 3m; -1s: not at all)")
	return c
}

// setupOptions reads what flags name, and where configuration and data are.
func (s *session) setupOptions(o *setup.Options, f setupFlags) error {
	o.Config, o.Data, o.Web = s.configPath, s.data, setup.Web(f.web)
	if o.Config == "" {
		o.Config = s.Getenv("POSTRIDER_CONFIG")
	}
	switch o.Web {
	case setup.WebAny, setup.WebOwn, setup.WebBehind, setup.WebDNS, setup.WebOff:
	default:
		return usageError{fmt.Sprintf("--web %q is none of own, behind, dns, off", f.web)}
	}
	for _, text := range f.addresses {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return usageError{fmt.Sprintf("--address %q is no IP address", text)}
		}
		o.Addresses = append(o.Addresses, ip)
	}
	var err error
	if f.passwordFile != "" {
		if o.Password, err = s.readSecret(f.passwordFile, "password"); err != nil {
			return err
		}
	}
	if f.secretFile != "" {
		o.Secret, err = s.readSecret(f.secretFile, "token or secret")
	}
	if !o.Yes && !s.InTerminal && s.json {
		return usageError{"with --json nobody can be asked: add --yes and the flags that are needed"}
	}
	return err
}

func (s *session) setup(ctx context.Context, o setup.Options) error {
	var console setup.Console = setup.Silent{}
	if !s.json {
		console = &setup.Text{In: s.In, Out: s.Out, Live: s.OutTerminal, Paint: s.paintSetup, Secret: s.setupSecret()}
	}
	report, err := setup.Run(ctx, setup.Setup{Options: o, Host: machine.This(), Console: console, Open: s.openForSetup})
	if errors.Is(err, context.Canceled) && !s.json {
		s.note("Nothing is lost: run the same command again, and it goes on from here.")
	}
	if s.json {
		if showErr := s.show(report, nil); err == nil {
			err = showErr
		}
	}
	return err
}

// paintSetup colours a word of the setup's text.
func (s *session) paintSetup(what, text string) string {
	switch what {
	case "title":
		return s.paint.strong(text)
	case string(setup.Done):
		return s.paint.good(text)
	case string(setup.Warn):
		return s.paint.warn(text)
	case string(setup.Fail):
		return s.paint.bad(text)
	case "faint", string(setup.Note):
		return s.paint.faint(text)
	}
	return text
}

func (s *session) setupSecret() func(context.Context, string) (string, error) {
	if s.InTerminal {
		return s.Secret
	}
	return nil
}

// openForSetup gives the system of a configuration: the running server, or its store.
func (s *session) openForSetup(ctx context.Context, cfg config.Config) (setup.System, error) {
	client, err := httpapi.Dial(ctx, cfg.AdminSocket())
	if err == nil {
		return &settler{op: client, closer: client, now: s.Now}, nil
	}
	if !errors.Is(err, httpapi.ErrNotRunning) {
		return nil, err
	}
	log, err := s.logger(config.Log{Level: "warn", Format: "text"})
	if err != nil {
		return nil, err
	}
	op, closer, err := s.Open(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	return &settler{op: op, closer: closer, now: s.Now}, nil
}

// settler does for setup what an operator would. It implements setup.System.
type settler struct {
	op        admin.Operator
	closer    io.Closer
	now       func() time.Time
	domain    string // whose records were asked for last, and with which addresses
	addresses []string
}

// Close implements setup.System.
func (x *settler) Close() error { return x.closer.Close() }

// made tells a success apart from what was there already.
func made(err error) (bool, error) {
	if mail.Is(err, mail.Exists) {
		return false, nil
	}
	return err == nil, err
}

// EnsureDomain implements setup.System.
func (x *settler) EnsureDomain(ctx context.Context, domain string) (bool, error) {
	_, err := x.op.AddDomain(ctx, admin.NewDomain{Name: domain})
	return made(err)
}

// EnsureAccount implements setup.System.
func (x *settler) EnsureAccount(ctx context.Context, address, password string) (bool, error) {
	a, err := x.op.Account(ctx, admin.AccountName{Address: address})
	switch {
	case mail.Is(err, mail.NotFound):
		_, err = x.op.AddAccount(ctx, admin.NewAccount{Address: address, Password: password, Admin: true})
		return err == nil, err
	case err != nil:
		return false, err
	case len(a.Credentials) > 0:
		return false, nil
	}
	_, err = x.op.SetPassword(ctx, admin.PasswordChange{Address: address, Password: password})
	return err == nil, err
}

// EnsureAlias implements setup.System.
func (x *settler) EnsureAlias(ctx context.Context, address, target string) (bool, error) {
	_, err := x.op.AddAlias(ctx, admin.NewAlias{Address: address, Targets: []string{target}})
	return made(err)
}

// EnsureKeys implements setup.System. Keys that are young were made with the domain, in this very run.
func (x *settler) EnsureKeys(ctx context.Context, domain string) (bool, error) {
	list, err := x.op.Keys(ctx, admin.DomainName{Name: domain})
	if err != nil {
		return false, err
	}
	const young = 2 * time.Minute
	for _, k := range list.Keys {
		if k.Seen == nil && x.now().Sub(k.Since) < young {
			return true, nil
		}
	}
	return false, nil
}

// Records implements setup.System.
func (x *settler) Records(ctx context.Context, domain string, addresses []netip.Addr) ([]records.Record, error) {
	x.domain, x.addresses = domain, nil
	for _, ip := range addresses {
		x.addresses = append(x.addresses, ip.String())
	}
	list, err := x.op.Records(ctx, admin.RecordsFor{Name: domain, Addresses: x.addresses})
	return list.Records, err
}

// Publish implements setup.System.
func (x *settler) Publish(ctx context.Context, _ []records.Record) (string, error) {
	list, err := x.op.Publish(ctx, admin.RecordsFor{Name: x.domain, Addresses: x.addresses})
	if err != nil {
		return "", err
	}
	if len(list.Changed) == 0 {
		return "all records are there already", nil
	}
	return plural(len(list.Changed), "set of records was", "sets of records were") + " written", nil
}

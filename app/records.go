package app

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/dnspub"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta/report"
	"github.com/postrider/postrider/service/doctor"
	"github.com/postrider/postrider/service/records"
	"github.com/postrider/postrider/service/seal"
)

// trust implements admin.Trust.
type trust struct{ *App }

// stsMaxAge is how long others may remember our MTA-STS policy (RFC 8461 3.2: weeks, or more).
const stsMaxAge = 14 * 24 * time.Hour

// services are the ports where users' programs reach us.
func (a *App) userServices() records.Services { return a.servicesAt(port) }

// programServices are what our users' programs are told: on a machine that nobody else reaches, what it listens on there.
func (a *App) programServices() records.Services {
	if s := a.userServices(); s != (records.Services{}) {
		return s
	}
	return a.servicesAt(anyPort)
}

func (a *App) servicesAt(of func(config.Addresses) uint16) records.Services {
	l := a.cfg.Listen
	return records.Services{
		Submissions: of(l.Submissions), Submission: of(l.Submission), IMAPS: of(l.IMAPS), IMAP: of(l.IMAP), POP3S: of(l.POP3S), POP3: of(l.POP3),
	}
}

// anyPort is that of the first address, wherever it is.
func anyPort(list config.Addresses) uint16 {
	for _, at := range list {
		if _, text, err := net.SplitHostPort(at); err == nil {
			if n, err := strconv.ParseUint(text, 10, 16); err == nil {
				return uint16(n)
			}
		}
	}
	return 0
}

// port is that of the first address that others can reach; 0: there is none.
func port(list config.Addresses) uint16 {
	for _, at := range list {
		host, text, err := net.SplitHostPort(at)
		if ip, ipErr := netip.ParseAddr(host); err != nil || ipErr == nil && ip.IsLoopback() {
			continue
		}
		if n, err := strconv.ParseUint(text, 10, 16); err == nil {
			return uint16(n)
		}
	}
	return 0
}

// addresses are those at which others reach us: this machine's public ones, or, behind a router, what the DNS has for our name.
func (a *App) addresses(ctx context.Context) []netip.Addr {
	own, _ := ownAddresses() // without them the DNS is asked
	out := slices.DeleteFunc(own, func(ip netip.Addr) bool { return !public(ip) })
	if len(out) > 0 {
		return out
	}
	if answer, err := a.resolver.Addresses(ctx, a.cfg.Hostname); err == nil {
		return answer.Value
	}
	return nil
}

func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !netip.MustParsePrefix("100.64.0.0/10").Contains(ip)
}

// facts are what is known of a domain of ours.
func (a *App) facts(ctx context.Context, domain string) (records.Facts, error) {
	domains, err := a.domainNames(ctx)
	if err != nil {
		return records.Facts{}, err
	}
	keys, err := a.keys.Keys(ctx, domain)
	if err != nil {
		return records.Facts{}, err
	}
	f := records.Facts{
		Domain: domain, Hostname: a.cfg.Hostname, Domains: domains, Addresses: a.addresses(ctx), Keys: keys, MTASTS: a.stsPolicy(ctx, domain),
		Services: a.userServices(), Web: len(a.cfg.Listen.HTTPS) > 0, Certificates: a.certificates(),
		DMARCReports: []string{"dmarc@" + domain}, TLSReports: []string{"tlsrpt@" + domain},
	}
	if f.TLSA, err = a.preparedTLSA(ctx); err != nil {
		return f, err
	}
	if at := a.cfg.Reports.Address; at != "" {
		f.DMARCReports, f.TLSReports = []string{at}, []string{at}
	}
	if acme := a.cfg.TLS.ACME; acme.Enabled && acme.Directory == "" {
		f.CA = records.LetsEncrypt
	}
	if host := a.cfg.Outbound.Smarthost.Host; host != "" {
		f.SPFTerms = []string{"a:" + host}
	}
	return f, nil
}

// Records implements admin.Trust.
func (t trust) Records(ctx context.Context, domain string, addresses []netip.Addr) ([]records.Record, error) {
	f, err := t.facts(ctx, domain)
	if err != nil {
		return nil, err
	}
	if len(addresses) > 0 {
		f.Addresses = addresses
	}
	return records.Of(f), nil
}

// Publish implements admin.Trust.
func (t trust) Publish(ctx context.Context, domain string, all []records.Record) ([]string, error) {
	if t.publisher == nil {
		return nil, mail.Errorf(mail.Unavailable, "nobody is configured to publish records: name a provider in [publish], or copy them by hand from: postrider dns records %s --zone", domain)
	}
	zones := map[string][]dnspub.Record{}
	for _, r := range all {
		if r.Zone != "" {
			zones[r.Zone] = append(zones[r.Zone], dnspub.Record{Name: r.Name, Type: r.Type, TTL: r.TTL, Value: r.Value})
		}
	}
	var said []string
	for zone, list := range zones {
		changes, err := t.publisher.Publish(ctx, zone, list)
		for _, c := range changes {
			said = append(said, c.String())
		}
		if err != nil {
			return said, err
		}
	}
	return said, nil
}

// Examine implements admin.Trust.
func (t trust) Examine(ctx context.Context, domain string, last bool) (doctor.Report, error) {
	if last {
		return t.doctorKeeper.Last(ctx, domain)
	}
	return t.doctor.Examine(ctx, domain, nil)
}

// ExamineTelling is Examine that tells what it finds as it goes.
func (t trust) ExamineTelling(ctx context.Context, domain string, each func(doctor.Finding)) (doctor.Report, error) {
	return t.doctorKeeper.Examine(ctx, domain, each)
}

// Keys implements admin.Trust.
func (t trust) Keys(ctx context.Context, domain string) ([]seal.Key, error) {
	return t.keys.Keys(ctx, domain)
}

// Ensure implements admin.Trust.
func (t trust) Ensure(ctx context.Context, domain string) error {
	if !t.cfg.DKIM.Enabled {
		return nil
	}
	_, err := t.keys.Ensure(ctx, domain)
	return err
}

// Forget implements admin.Trust.
func (t trust) Forget(ctx context.Context, domain string) error {
	keys, err := t.keys.Keys(ctx, domain)
	for _, k := range keys {
		if e := t.keys.RemoveKey(ctx, domain, k.Selector); e != nil && !mail.Is(e, mail.NotFound) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Rotate implements admin.Trust.
func (t trust) Rotate(ctx context.Context, domain string) (seal.Progress, error) {
	return t.keyRunner().Rotate(ctx, domain)
}

// Reports implements admin.Trust.
func (t trust) Reports(ctx context.Context, f admin.ReportFilter) ([]admin.Report, error) {
	list, err := report.List(ctx, t.store, f.Kind, f.Domain, f.Limit)
	if err != nil {
		return nil, err
	}
	var out []admin.Report
	for _, r := range list {
		shown := admin.Report{Kind: r.Kind, Organization: r.Organization, Domain: r.Domain, Begin: r.Begin, End: r.End, Passed: r.Passed, Failed: r.Failed, Policy: r.Policy, Cut: r.Cut}
		for _, s := range r.Sources {
			shown.Details = append(shown.Details, admin.ReportDetail{Subject: s.Address.String(), Count: s.Messages, Result: "DKIM " + s.DKIM + ", SPF " + s.SPF + ", " + s.Disposition})
		}
		for _, x := range r.Failures {
			shown.Details = append(shown.Details, admin.ReportDetail{Subject: x.Host, Count: x.Sessions, Result: x.Type})
		}
		out = append(out, shown)
	}
	return out, nil
}

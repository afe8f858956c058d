package app

import (
	"context"
	"crypto/x509"
	"path/filepath"
	"slices"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/proto/mtasts"
)

func (a *App) openKeeper() (*tls.Keeper, error) {
	k := tls.KeeperConfig{Dir: filepath.Join(a.cfg.Data, "tls"), Names: []string{a.cfg.Hostname}, Clock: a.clock, Log: a.log.With("role", "infra/tls")}
	for _, c := range a.cfg.TLS.Certificates {
		k.Pairs = append(k.Pairs, tls.Pair{CertFile: c.Cert, KeyFile: c.Key})
	}
	if a.cfg.TLS.ACME.Enabled {
		acme := a.acme()
		k.ACME = &acme
	}
	return tls.Open(k)
}

// acme says how certificates are fetched and renewed.
func (a *App) acme() tls.ACME {
	c := a.cfg.TLS.ACME
	out := tls.ACME{
		Directory: c.Directory, Email: c.Email, RootsFile: c.RootsFile, Names: a.certificateNames, Ready: a.nameIsReady, Notes: a.store, Journal: a.store,
		TLSAddress: first(a.cfg.Listen.HTTPS), HTTPAddress: first(a.cfg.Listen.HTTP),
		Changed: func(names []string) { a.log.Info("certificates are new", "role", "infra/tls", "names", names) },
	}
	for _, word := range c.Challenges {
		out.Challenges = append(out.Challenges, map[string]tls.Challenge{"tls-alpn": tls.TLSALPN, "http": tls.HTTP, "dns": tls.DNS}[word])
	}
	servers, _ := a.cfg.DNS.Resolvers() // sound: the resolver was made of them
	for _, at := range servers {
		out.Resolvers = append(out.Resolvers, at.String())
	}
	if a.publisher != nil {
		out.Solver = a.publisher.Solver()
	}
	return out
}

func first(list config.Addresses) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// certificateNames are the names to have certificates for: the host's, those that others and mail programs ask for below each domain
// of ours, and the configured ones.
func (a *App) certificateNames(ctx context.Context) ([]string, error) {
	domains, err := a.domainNames(ctx)
	if err != nil {
		return nil, err
	}
	names := append([]string{a.cfg.Hostname}, a.cfg.TLS.ACME.Names...)
	if len(a.cfg.Listen.HTTPS) > 0 {
		for _, d := range domains {
			if a.cfg.TLS.MTASTS != "none" {
				names = append(names, mtasts.Host(d))
			}
			names = append(names, "autoconfig."+d, "autodiscover."+d)
		}
	}
	return names, nil
}

// nameIsReady tells what keeps a name from having a certificate: authorities count failures, so none is asked before the name leads here.
func (a *App) nameIsReady(ctx context.Context, name string) error {
	if slices.Equal(a.cfg.TLS.ACME.Challenges, []string{"dns"}) {
		return nil // the name itself need not be there
	}
	answer, err := a.resolver.Addresses(ctx, name)
	if err != nil {
		return err
	}
	if len(answer.Value) == 0 {
		return mail.Errorf(mail.NotFound, "%s is not in the DNS yet", name)
	}
	return nil
}

// certificates are the host's own, the one in use first.
func (a *App) certificates() []*x509.Certificate {
	if a.keeper == nil || a.keeper.Development() {
		return nil
	}
	chain := a.keeper.Chain(a.cfg.Hostname)
	return chain[:min(len(chain), 1)]
}

// preparedTLSA is the record for the key that the host's certificate has, or will have, so that it can be published before. RFC 7671 5.1
func (a *App) preparedTLSA(ctx context.Context) ([]dane.Record, error) {
	if !a.cfg.TLS.ACME.Enabled || len(a.cfg.TLS.Certificates) > 0 {
		return nil, nil
	}
	public, err := tls.PrepareKey(ctx, a.acme(), a.clock, a.cfg.Hostname)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, mail.Errorf(mail.Internal, "the key of the certificate cannot be written: %w", err)
	}
	return []dane.Record{dane.OwnKey(spki)}, nil
}

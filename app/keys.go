package app

import (
	"context"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/dnspub"
	"github.com/postrider/postrider/service/seal"
)

// publisher is the configured DNS that records are written to, or nil.
func (a *App) openPublisher(p config.Publish) (*dnspub.Provider, error) {
	if p.Provider == "" {
		return nil, nil
	}
	secret, err := firstLine(p.SecretFile)
	if err != nil {
		return nil, err
	}
	return dnspub.New(dnspub.Config{
		Provider: p.Provider, Secret: secret, Server: p.Server, KeyName: p.KeyName, KeyAlgorithm: p.KeyAlgorithm, Log: a.log.With("role", "infra/dnspub"),
	})
}

// keyRunner wires what looks after DKIM keys: it makes them for every domain, has them published, and changes them when it is time.
func (a *App) keyRunner() *seal.Runner {
	c := seal.RunnerConfig{
		Keeper: a.keys, Schedule: a.keySchedule(), DNS: a.resolver, Domains: a.domainNames, Clock: a.clock, Log: a.log.With("role", "service/seal"),
	}
	if a.publisher != nil {
		c.Publisher = a.publisher
	}
	return seal.NewRunner(c)
}

func (a *App) keySchedule() seal.Schedule {
	return seal.Schedule{Every: a.cfg.DKIM.RotateEvery.Std(), Spare: true}
}

func (a *App) domainNames(ctx context.Context) ([]string, error) {
	domains, err := a.store.Domains(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(domains))
	for i, d := range domains {
		names[i] = d.Name
	}
	return names, nil
}

package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postrider/postrider/mail"
)

// NewAlias asks for an alias.
type NewAlias struct {
	Address string   `json:"address"`
	Targets []string `json:"targets"`
	Replace bool     `json:"replace,omitempty"` // an alias that exists
}

// AliasName names an alias by its address.
type AliasName struct {
	Address string `json:"address"`
}

// AliasFilter restricts a list; "" does not.
type AliasFilter struct {
	Domain string `json:"domain,omitempty"`
}

// Alias sends mail for one address to others.
type Alias struct {
	Address  string    `json:"address"`
	Targets  []string  `json:"targets"`
	Created  time.Time `json:"created"`
	Warnings []string  `json:"warnings,omitempty"`
}

// AliasList is the reply to Aliases.
type AliasList struct {
	Aliases []Alias `json:"aliases"`
}

// maxTargets bounds the targets of one alias.
const maxTargets = 10_000

// AddAlias implements AliasOperator.
func (o *Operations) AddAlias(ctx context.Context, r NewAlias) (Alias, error) {
	path, err := ours(r.Address)
	if err != nil {
		return Alias{}, err
	}
	switch _, err := o.p.Directory.Domain(ctx, path.Domain()); {
	case mail.Is(err, mail.NotFound):
		return Alias{}, notServed(path.Domain())
	case err != nil:
		return Alias{}, err
	}
	a := mail.Alias{Address: path, Created: o.p.Clock.Now()}
	var warnings []string
	if a.Targets, warnings, err = o.targets(ctx, path, r.Targets); err != nil {
		return Alias{}, err
	}
	switch _, err := o.p.Directory.AccountByAddress(ctx, path); {
	case err == nil:
		return Alias{}, mail.Errorf(mail.Exists, "%s is an account; an alias needs an address of its own", path)
	case !mail.Is(err, mail.NotFound):
		return Alias{}, err
	}
	switch old, err := o.p.Directory.Alias(ctx, path); {
	case err == nil && !r.Replace:
		return Alias{}, mail.Errorf(mail.Exists, "there is an alias %s already, to %s; add --replace to change it", path, joinPaths(old.Targets))
	case err != nil && !mail.Is(err, mail.NotFound):
		return Alias{}, err
	}
	if _, err := o.commit(ctx, mail.PutAlias{Alias: a}); err != nil {
		return Alias{}, err
	}
	shown := showAlias(a)
	shown.Warnings = warnings
	return shown, nil
}

// targets reads where an alias leads.
func (o *Operations) targets(ctx context.Context, alias mail.Path, given []string) (paths []mail.Path, warnings []string, err error) {
	if len(given) == 0 {
		return nil, nil, mail.Errorf(mail.Invalid, "alias %s needs at least one target: postrider alias add %s ann@example.com", alias, alias)
	}
	if len(given) > maxTargets {
		return nil, nil, mail.Errorf(mail.TooMany, "an alias can have %d targets at most", maxTargets)
	}
	for _, s := range given {
		path, local, err := o.anywhere(ctx, s)
		switch {
		case err != nil:
			return nil, nil, err
		case path == alias:
			return nil, nil, mail.Errorf(mail.Invalid, "alias %s cannot lead to itself", alias)
		case slices.Contains(paths, path):
			continue
		}
		if local {
			known, err := o.known(ctx, path)
			if err != nil {
				return nil, nil, err
			}
			if !known {
				warnings = append(warnings, missing(path))
			}
		}
		paths = append(paths, path)
	}
	return paths, warnings, nil
}

func showAlias(a mail.Alias) Alias {
	out := Alias{Address: string(a.Address), Targets: make([]string, 0, len(a.Targets)), Created: a.Created.UTC()}
	for _, t := range a.Targets {
		out.Targets = append(out.Targets, string(t))
	}
	return out
}

// Aliases implements AliasOperator.
func (o *Operations) Aliases(ctx context.Context, r AliasFilter) (AliasList, error) {
	domain, err := o.filterDomain(ctx, r.Domain)
	if err != nil {
		return AliasList{}, err
	}
	aliases, err := o.p.Directory.Aliases(ctx, domain)
	if err != nil {
		return AliasList{}, err
	}
	out := AliasList{Aliases: make([]Alias, 0, len(aliases))}
	for _, a := range aliases {
		out.Aliases = append(out.Aliases, showAlias(a))
	}
	return out, nil
}

// RemoveAlias implements AliasOperator.
func (o *Operations) RemoveAlias(ctx context.Context, r AliasName) (Alias, error) {
	path, err := ours(r.Address)
	if err != nil {
		return Alias{}, err
	}
	a, err := o.p.Directory.Alias(ctx, path)
	if mail.Is(err, mail.NotFound) {
		if _, accountErr := o.p.Directory.AccountByAddress(ctx, path); accountErr == nil {
			return Alias{}, mail.Errorf(mail.NotFound, "%s is an account, not an alias; remove it with: postrider account remove %s", path, path)
		}
		return Alias{}, mail.Errorf(mail.NotFound, "there is no alias %s; see which there are with: postrider alias list", path)
	}
	if err != nil {
		return Alias{}, err
	}
	if _, err := o.commit(ctx, mail.RemoveAlias{Address: path}); err != nil {
		return Alias{}, fmt.Errorf("alias %s: %w", path, err)
	}
	return showAlias(a), nil
}

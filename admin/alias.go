package admin

import (
	"context"
	"fmt"
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
	Members  []Member  `json:"members,omitempty"` // of an alias that was just made, changed, checked or shown: what each target is
}

// AliasList is the reply to Aliases.
type AliasList struct {
	Aliases []Alias `json:"aliases"`
}

// maxTargets bounds the targets of one alias.
const maxTargets = 10_000

func (o *Operations) addAlias(ctx context.Context, r NewAlias) (Alias, error) {
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
	members, err := o.members(ctx, path, r.Targets)
	if err != nil {
		return Alias{}, err
	}
	a.Targets = targets(members)
	if err := o.noAccount(ctx, path); err != nil {
		return Alias{}, err
	}
	switch old, err := o.p.Directory.Alias(ctx, path); {
	case err == nil && !r.Replace:
		return Alias{}, mail.Errorf(mail.Exists, "there is an alias %s already, to %s; add --replace to change it", path, joinPaths(old.Targets))
	case err == nil:
		a.Created = old.Created
	case !mail.Is(err, mail.NotFound):
		return Alias{}, err
	}
	if _, err := o.commit(ctx, mail.PutAlias{Alias: a}); err != nil {
		return Alias{}, err
	}
	return showMembers(a, members), nil
}

// noAccount refuses the address of an account.
func (o *Operations) noAccount(ctx context.Context, path mail.Path) error {
	_, err := o.p.Directory.AccountByAddress(ctx, path)
	if err == nil {
		return mail.Errorf(mail.Exists, "%s is an account; an alias needs an address of its own", path)
	}
	if mail.Is(err, mail.NotFound) {
		return nil
	}
	return err
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

func (o *Operations) removeAlias(ctx context.Context, r AliasName) (Alias, error) {
	a, err := o.alias(ctx, r.Address)
	if err != nil {
		return Alias{}, err
	}
	if _, err := o.commit(ctx, mail.RemoveAlias{Address: a.Address}); err != nil {
		return Alias{}, fmt.Errorf("alias %s: %w", a.Address, err)
	}
	return showAlias(a), nil
}

// alias finds an alias by the address an operator named.
func (o *Operations) alias(ctx context.Context, s string) (mail.Alias, error) {
	path, err := ours(s)
	if err != nil {
		return mail.Alias{}, err
	}
	a, err := o.p.Directory.Alias(ctx, path)
	if mail.Is(err, mail.NotFound) {
		if _, accountErr := o.p.Directory.AccountByAddress(ctx, path); accountErr == nil {
			return mail.Alias{}, mail.Errorf(mail.NotFound, "%s is an account, not an alias; remove it with: postrider account remove %s", path, path)
		}
		return mail.Alias{}, mail.Errorf(mail.NotFound, "there is no alias %s; see which there are with: postrider alias list", path)
	}
	return a, err
}

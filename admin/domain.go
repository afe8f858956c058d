package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// NewDomain asks for a domain to become ours.
type NewDomain struct {
	Name     string `json:"name"`
	CatchAll string `json:"catch_all,omitempty"` // where mail for unknown addresses goes; "" refuses it
}

// DomainName names a domain.
type DomainName struct {
	Name string `json:"name"`
}

// DomainUpdate asks for settings to be changed; nil leaves one as it is.
type DomainUpdate struct {
	Name     string  `json:"name"`
	CatchAll *string `json:"catch_all,omitempty"` // "" refuses mail for unknown addresses
}

// Domain is a domain of ours.
type Domain struct {
	Name     string    `json:"name"`              // ASCII
	Unicode  string    `json:"unicode,omitempty"` // as people read it, where that differs
	CatchAll string    `json:"catch_all,omitempty"`
	Accounts int       `json:"accounts"`
	Aliases  int       `json:"aliases"`
	Created  time.Time `json:"created"`
	Warnings []string  `json:"warnings,omitempty"`
}

// DomainList is the reply to Domains.
type DomainList struct {
	Domains []Domain `json:"domains"`
}

func (o *Operations) addDomain(ctx context.Context, r NewDomain) (Domain, error) {
	name, err := domainName(r.Name)
	if err != nil {
		return Domain{}, err
	}
	d := mail.Domain{Name: name, Created: o.p.Clock.Now()}
	var warnings []string
	if r.CatchAll != "" {
		if d.CatchAll, warnings, err = o.catchAll(ctx, name, r.CatchAll); err != nil {
			return Domain{}, err
		}
	}
	switch _, err := o.p.Directory.Domain(ctx, name); {
	case err == nil:
		return Domain{}, mail.Errorf(mail.Exists, "domain %s is served here already", name)
	case !mail.Is(err, mail.NotFound):
		return Domain{}, err
	}
	if _, err := o.commit(ctx, mail.AddDomain{Domain: d}); err != nil {
		return Domain{}, err
	}
	shown := showDomain(d)
	shown.Warnings = append(warnings, o.keysFor(ctx, name)...)
	return shown, nil
}

// catchAll reads the address that mail for a domain's unknown addresses goes to.
func (o *Operations) catchAll(ctx context.Context, domain, target string) (mail.Path, []string, error) {
	path, local, err := o.anywhere(ctx, target)
	if err != nil {
		return "", nil, err
	}
	if !local && path.Domain() != domain {
		return path, []string{fmt.Sprintf("all mail for unknown addresses of %s, spam included, will be sent on to %s, which is not served here", domain, path)}, nil
	}
	if !local { // the domain is being added by this request
		return path, []string{missing(path)}, nil
	}
	known, err := o.known(ctx, path)
	if err != nil || known {
		return path, nil, err
	}
	return path, []string{missing(path)}, nil
}

func missing(path mail.Path) string {
	return fmt.Sprintf("nobody has the address %s yet; add it with: postrider account add %s", path, path)
}

// known reports whether an address in a domain of ours is an account or an alias.
func (o *Operations) known(ctx context.Context, path mail.Path) (bool, error) {
	_, err := o.p.Directory.AccountByAddress(ctx, path)
	if mail.Is(err, mail.NotFound) {
		_, err = o.p.Directory.Alias(ctx, path)
	}
	if mail.Is(err, mail.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// Domains implements DomainOperator.
func (o *Operations) Domains(ctx context.Context, _ Nothing) (DomainList, error) {
	domains, err := o.p.Directory.Domains(ctx)
	if err != nil {
		return DomainList{}, err
	}
	out := DomainList{Domains: make([]Domain, 0, len(domains))}
	for _, d := range domains {
		shown, err := o.countedDomain(ctx, d)
		if err != nil {
			return DomainList{}, err
		}
		out.Domains = append(out.Domains, shown)
	}
	return out, nil
}

func (o *Operations) countedDomain(ctx context.Context, d mail.Domain) (Domain, error) {
	accounts, err := o.p.Directory.Accounts(ctx, d.Name)
	if err != nil {
		return Domain{}, err
	}
	aliases, err := o.p.Directory.Aliases(ctx, d.Name)
	if err != nil {
		return Domain{}, err
	}
	shown := showDomain(d)
	shown.Accounts, shown.Aliases = len(accounts), len(aliases)
	return shown, nil
}

func showDomain(d mail.Domain) Domain {
	out := Domain{Name: d.Name, CatchAll: string(d.CatchAll), Created: d.Created.UTC()}
	if u := addr.UnicodeDomain(d.Name); u != d.Name {
		out.Unicode = u
	}
	return out
}

// domain finds a domain by the name an operator gave.
func (o *Operations) domain(ctx context.Context, s string) (mail.Domain, error) {
	name, err := domainName(s)
	if err != nil {
		return mail.Domain{}, err
	}
	d, err := o.p.Directory.Domain(ctx, name)
	if mail.Is(err, mail.NotFound) {
		return mail.Domain{}, notServed(name)
	}
	return d, err
}

func (o *Operations) updateDomain(ctx context.Context, r DomainUpdate) (Domain, error) {
	d, err := o.domain(ctx, r.Name)
	if err != nil {
		return Domain{}, err
	}
	var warnings []string
	if r.CatchAll != nil {
		if d.CatchAll = ""; *r.CatchAll != "" {
			if d.CatchAll, warnings, err = o.catchAll(ctx, d.Name, *r.CatchAll); err != nil {
				return Domain{}, err
			}
		}
		if _, err := o.commit(ctx, mail.UpdateDomain{Domain: d}); err != nil {
			return Domain{}, err
		}
	}
	shown, err := o.countedDomain(ctx, d)
	shown.Warnings = warnings
	return shown, err
}

func (o *Operations) removeDomain(ctx context.Context, r DomainName) (Domain, error) {
	d, err := o.domain(ctx, r.Name)
	if err != nil {
		return Domain{}, err
	}
	shown, err := o.countedDomain(ctx, d)
	if err != nil {
		return Domain{}, err
	}
	if shown.Accounts+shown.Aliases > 0 {
		return Domain{}, mail.Errorf(mail.Conflict, "domain %s still has %s and %s; remove them first", d.Name,
			count(shown.Accounts, "account", "accounts"), count(shown.Aliases, "alias", "aliases"))
	}
	if _, err = o.commit(ctx, mail.RemoveDomain{Name: d.Name}); err != nil {
		return shown, err
	}
	shown.Warnings = o.withoutKeys(ctx, d.Name)
	return shown, nil
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

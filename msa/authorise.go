package msa

import (
	"context"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
	"github.com/postrider/postrider/service/intake"
)

// mayEnvelope refuses a reverse-path that is not the account's own (RFC 6409 6.1). The null reverse-path is for
// receipts and replies by programs, and is everybody's.
func (a *Agent) mayEnvelope(ctx context.Context, account mail.Account, from mail.Path) error {
	if account.Disabled {
		return &mail.Error{Kind: mail.Denied, Enhanced: "5.7.1", Text: "the account " + string(account.Address) + " is disabled; ask the operator"}
	}
	if from.IsNull() {
		return nil
	}
	return a.mayUse(ctx, account, from, "the sender address")
}

// mayUse refuses an address that is not the account's own.
func (a *Agent) mayUse(ctx context.Context, account mail.Account, p mail.Path, what string) error {
	ok, err := a.Senders.MayUse(ctx, account.ID, p)
	if err != nil {
		return err
	}
	if !ok {
		return &mail.Error{Kind: mail.Denied, Enhanced: "5.7.1",
			Text: what + " " + string(p) + " does not belong to " + string(account.Address) + "; send as your own address, or ask the operator for an alias"}
	}
	return nil
}

// recipient resolves an address of ours, or finds out whether a foreign one can exist at all. What DNS
// cannot tell now is given the benefit of the doubt: the queue tries.
func (a *Agent) recipient(ctx context.Context, p mail.Path, size int64) (intake.Recipient, error) {
	c, err := directory.Canonical(p)
	if err != nil && p.Domain() != "" {
		return intake.Recipient{}, err
	}
	ours := p.Domain() == ""
	if !ours {
		if ours, err = a.Resolver.Serves(ctx, c.Domain()); err != nil {
			return intake.Recipient{}, err
		}
	}
	if ours {
		res, err := a.Resolver.Resolve(ctx, p, size)
		if err != nil {
			return intake.Recipient{}, err
		}
		return intake.Recipient{Path: p, Resolution: res}, nil
	}
	if err := a.exists(ctx, p.Domain()); err != nil {
		return intake.Recipient{}, err
	}
	return intake.Relay(p), nil
}

// exists refuses a domain that DNS says cannot be sent mail. RFC 5321 5.1, RFC 7505 4.1.
func (a *Agent) exists(ctx context.Context, domain string) error {
	if a.Domains == nil || domain[0] == '[' {
		return nil
	}
	e, err := a.Domains.Exists(ctx, domain)
	if err != nil {
		return nil //nolint:nilerr // a doubt is no refusal
	}
	switch e {
	case dns.Missing:
		return &mail.Error{Kind: mail.NotFound, Enhanced: "5.1.2", Text: "the domain " + domain + " does not exist; check the address for a typing error"}
	case dns.Hostless:
		return &mail.Error{Kind: mail.NotFound, Enhanced: "5.1.2", Text: "the domain " + domain + " has no mail host; check the address for a typing error"}
	case dns.Refusing:
		return &mail.Error{Kind: mail.NotFound, Enhanced: "5.1.10", Text: "the domain " + domain + " says that it takes no mail"}
	}
	return nil
}

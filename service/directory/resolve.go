package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// Bounds of one expansion.
const (
	maxAliasDepth   = 10
	maxAliasTargets = 10_000
)

// Resolver answers for envelope recipients. It implements mail.Resolver.
type Resolver struct {
	Directory mail.Directory
	Separator string // between user and detail of a subaddress; "" for none
}

// Serves reports whether domain is one of ours.
func (r *Resolver) Serves(ctx context.Context, domain string) (bool, error) {
	name, err := addr.NormalDomain(domain)
	if err != nil {
		return false, nil
	}
	_, err = r.Directory.Domain(ctx, name)
	if mail.Is(err, mail.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// Resolve says what recipient stands for. Order within our domains: an exact alias, an exact account, then
// both again without the subaddress, then postmaster's fallback, then the domain's catch-all. One full mailbox among
// an alias's targets defers the whole recipient: nothing is delivered twice when it is tried again.
func (r *Resolver) Resolve(ctx context.Context, recipient mail.Path, size int64) (mail.Resolution, error) {
	w := walk{r: r, size: size, given: recipient, seen: map[mail.Path]bool{}}
	first, err := r.canonical(ctx, recipient)
	if err != nil {
		return mail.Resolution{}, err
	}
	if err := w.step(ctx, first, 0); err != nil {
		return mail.Resolution{}, err
	}
	if len(w.out.Local)+len(w.out.Remote) == 0 {
		return mail.Resolution{}, &mail.Error{Kind: mail.NotFound, Enhanced: "5.4.6",
			Text: "the alias " + string(recipient) + " leads nowhere: its targets are missing or point back at it"}
	}
	return w.out, nil
}

// canonical is the spelling look-ups compare. The bare "postmaster" belongs to the first domain (RFC 5321 4.5.1).
func (r *Resolver) canonical(ctx context.Context, p mail.Path) (mail.Path, error) {
	if local, domain := p.Split(); domain == "" && addr.NormalLocal(local) == "postmaster" {
		domains, err := r.Directory.Domains(ctx)
		if err != nil {
			return "", err
		}
		if len(domains) == 0 {
			return "", mail.Errorf(mail.NotFound, "no domain is served here yet")
		}
		return mail.Path("postmaster@" + domains[0].Name), nil
	}
	return Canonical(p)
}

// Canonical is p in the spelling that look-ups compare: lower case, NFC, A-labels. Invalid when it is no address.
func Canonical(p mail.Path) (mail.Path, error) {
	a, err := addr.Parse(string(p))
	if err != nil {
		return "", &mail.Error{Kind: mail.Invalid, Enhanced: "5.1.3", Text: "<" + string(p) + "> is not a mail address", Err: err}
	}
	return mail.Path(a.Normal().String()), nil
}

// walk is one expansion.
type walk struct {
	r     *Resolver
	size  int64
	given mail.Path
	seen  map[mail.Path]bool
	out   mail.Resolution
}

func (w *walk) step(ctx context.Context, p mail.Path, depth int) error {
	if w.seen[p] {
		return nil
	}
	w.seen[p] = true
	if len(w.seen) > maxAliasTargets || depth > maxAliasDepth {
		return &mail.Error{Kind: mail.Denied, Enhanced: "5.4.6",
			Text: "the alias " + string(w.given) + " expands too far; shorten its chain of targets"}
	}
	local, domain := p.Split()
	d, err := w.r.Directory.Domain(ctx, domain)
	if mail.Is(err, mail.NotFound) {
		return w.elsewhere(p, depth)
	}
	if err != nil {
		return err
	}
	found, err := w.lookUp(ctx, local, d, depth)
	if err != nil || found {
		return err
	}
	if depth > 0 {
		return nil // a target that has gone: the others still get the message
	}
	return &mail.Error{Kind: mail.NotFound, Enhanced: "5.1.1", Text: "there is no mailbox " + string(p) + " here; check the address for a typing error"}
}

// elsewhere notes an address of a foreign domain: fine as an alias's target, not as the recipient itself.
func (w *walk) elsewhere(p mail.Path, depth int) error {
	if depth == 0 {
		_, domain := p.Split()
		return &mail.Error{Kind: mail.Denied, Enhanced: "5.7.1", Text: "relaying denied: " + domain + " is not served here; our users send over port 465 or 587 (docs/problems.md#relay-denied)"}
	}
	w.out.Remote = append(w.out.Remote, p)
	return nil
}

// lookUp tries the ways in which local may exist in domain d, most exact first.
func (w *walk) lookUp(ctx context.Context, local string, d mail.Domain, depth int) (bool, error) {
	user, detail := local, ""
	if w.r.Separator != "" {
		user, detail = addr.SplitSub(local, w.r.Separator)
	}
	if found, err := w.exact(ctx, mail.Path(local+"@"+d.Name), "", depth); err != nil || found {
		return found, err
	}
	if user != local {
		if found, err := w.exact(ctx, mail.Path(user+"@"+d.Name), detail, depth); err != nil || found {
			return found, err
		}
	}
	if user == "postmaster" {
		if found, err := w.oldest(ctx, d.Name); err != nil || found {
			return found, err
		}
	}
	if d.CatchAll == "" {
		return false, nil
	}
	w.out.Via = append(w.out.Via, mail.Path("@"+d.Name))
	return true, w.step(ctx, d.CatchAll, depth+1)
}

// exact finds an alias or an account with the address p.
func (w *walk) exact(ctx context.Context, p mail.Path, detail string, depth int) (bool, error) {
	alias, err := w.r.Directory.Alias(ctx, p)
	switch {
	case err == nil:
		w.out.Via = append(w.out.Via, p)
		for _, t := range alias.Targets {
			if err := w.step(ctx, t, depth+1); err != nil {
				return true, err
			}
		}
		return true, nil
	case !mail.Is(err, mail.NotFound):
		return false, err
	}
	account, err := w.r.Directory.AccountByAddress(ctx, p)
	if mail.Is(err, mail.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, w.local(account, detail)
}

// oldest gives postmaster's mail to the domain's first account where nobody else takes it: the address must
// work (RFC 5321 4.5.1).
func (w *walk) oldest(ctx context.Context, domain string) (bool, error) {
	accounts, err := w.r.Directory.Accounts(ctx, domain)
	if err != nil || len(accounts) == 0 {
		return false, err
	}
	first := slices.MinFunc(accounts, func(a, b mail.Account) int { return a.Created.Compare(b.Created) })
	w.out.Via = append(w.out.Via, mail.Path("postmaster@"+domain))
	return true, w.local(first, "")
}

func (w *walk) local(a mail.Account, detail string) error {
	if a.Quota > 0 && a.Used+w.size > a.Quota {
		return &mail.Error{Kind: mail.OverQuota, Enhanced: "4.2.2",
			Text: "the mailbox of " + string(a.Address) + " is full; try again once its owner has made room (docs/problems.md#quota-full)"}
	}
	for _, have := range w.out.Local {
		if have.Account == a.ID {
			return nil
		}
	}
	w.out.Local = append(w.out.Local, mail.LocalRecipient{Account: a.ID, Address: a.Address, Given: w.given, Detail: detail})
	return nil
}

// MayUse reports whether the account may send as the address: its own, with any subaddress, or one that an alias or a
// catch-all brings to it.
func (r *Resolver) MayUse(ctx context.Context, account mail.AccountID, p mail.Path) (bool, error) {
	res, err := r.Resolve(ctx, p, 0)
	var e *mail.Error
	if errors.As(err, &e) && (e.Kind == mail.NotFound || e.Kind == mail.Denied || e.Kind == mail.Invalid) {
		return false, nil
	}
	if err != nil && !mail.Is(err, mail.OverQuota) {
		return false, err
	}
	if mail.Is(err, mail.OverQuota) {
		return r.ownFull(ctx, account, p)
	}
	return slices.ContainsFunc(res.Local, func(l mail.LocalRecipient) bool { return l.Account == account }), nil
}

// ownFull lets an owner whose mailbox is full still send as their primary address, to say so.
func (r *Resolver) ownFull(ctx context.Context, account mail.AccountID, p mail.Path) (bool, error) {
	own, err := r.Directory.Account(ctx, account)
	if err != nil {
		return false, err
	}
	c, err := Canonical(p)
	return err == nil && c == own.Address, nil
}

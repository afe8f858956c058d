package admin

import (
	"context"
	"fmt"
	"slices"

	"github.com/postrider/postrider/mail"
)

// An alias with several targets is a group. What it can do beyond an alias: its members are looked at one by one, come and go one by one,
// and can be tried before anything is changed.

// AliasUpdate asks for targets to come and go. A target that is there already, or not there to go, is no error.
type AliasUpdate struct {
	Address string   `json:"address"`
	Add     []string `json:"add,omitempty"`
	Remove  []string `json:"remove,omitempty"`
}

// The kinds of members.
const (
	MemberAccount = "account" // a mailbox here
	MemberAlias   = "alias"   // leads on, here
	MemberMissing = "missing" // in a domain of ours, and nobody has it
	MemberOutside = "outside" // at another host
)

// Member is one target of an alias.
type Member struct {
	Address string `json:"address"`
	Kind    string `json:"kind"`
	Name    string `json:"name,omitempty"`    // of the person, where it is an account
	Warning string `json:"warning,omitempty"` // what speaks against it, in one sentence
}

// Alias implements AliasOperator.
func (o *Operations) Alias(ctx context.Context, r AliasName) (Alias, error) {
	a, err := o.alias(ctx, r.Address)
	if err != nil {
		return Alias{}, err
	}
	given := make([]string, len(a.Targets))
	for i, t := range a.Targets {
		given[i] = string(t)
	}
	members, err := o.members(ctx, a.Address, given)
	if err != nil {
		return Alias{}, err
	}
	return showMembers(a, members), nil
}

// CheckAlias implements AliasOperator.
func (o *Operations) CheckAlias(ctx context.Context, r NewAlias) (Alias, error) {
	path, err := ours(r.Address)
	if err != nil {
		return Alias{}, err
	}
	if _, err := o.domain(ctx, path.Domain()); err != nil {
		return Alias{}, err
	}
	if err := o.noAccount(ctx, path); err != nil {
		return Alias{}, err
	}
	members, err := o.members(ctx, path, r.Targets)
	if err != nil {
		return Alias{}, err
	}
	return showMembers(mail.Alias{Address: path, Targets: targets(members), Created: o.p.Clock.Now()}, members), nil
}

func (o *Operations) updateAlias(ctx context.Context, r AliasUpdate) (Alias, error) {
	a, err := o.alias(ctx, r.Address)
	if err != nil {
		return Alias{}, err
	}
	if len(r.Add)+len(r.Remove) == 0 {
		return Alias{}, mail.Errorf(mail.Invalid, "nothing says which targets come or go")
	}
	gone := map[mail.Path]bool{}
	for _, s := range r.Remove {
		path, _, err := o.anywhere(ctx, s)
		if err != nil {
			return Alias{}, err
		}
		gone[path] = true
	}
	var want []string
	for _, t := range a.Targets {
		if !gone[t] {
			want = append(want, string(t))
		}
	}
	want = append(want, r.Add...)
	if len(want) == 0 {
		return Alias{}, mail.Errorf(mail.Invalid, "alias %s needs at least one target; remove the alias instead: postrider alias remove %s", a.Address, a.Address)
	}
	members, err := o.members(ctx, a.Address, want)
	if err != nil {
		return Alias{}, err
	}
	if next := targets(members); !slices.Equal(next, a.Targets) {
		a.Targets = next
		if _, err := o.commit(ctx, mail.PutAlias{Alias: a}); err != nil {
			return Alias{}, err
		}
	}
	return showMembers(a, members), nil
}

// members looks at the targets of an alias, each once.
func (o *Operations) members(ctx context.Context, alias mail.Path, given []string) ([]Member, error) {
	if len(given) == 0 {
		return nil, mail.Errorf(mail.Invalid, "alias %s needs at least one target: postrider alias add %s ann@example.com", alias, alias)
	}
	if len(given) > maxTargets {
		return nil, mail.Errorf(mail.TooMany, "an alias can have %d targets at most", maxTargets)
	}
	out := make([]Member, 0, len(given))
	seen := map[mail.Path]bool{}
	for _, s := range given {
		path, local, err := o.anywhere(ctx, s)
		switch {
		case err != nil:
			return nil, err
		case path == alias:
			return nil, mail.Errorf(mail.Invalid, "alias %s cannot lead to itself", alias)
		case seen[path]:
			continue
		}
		seen[path] = true
		m := Member{Address: string(path), Kind: MemberOutside}
		if local {
			m, err = o.member(ctx, alias, path)
		} else {
			m.Warning = sentOn(path)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// member looks at a target in a domain of ours.
func (o *Operations) member(ctx context.Context, alias, path mail.Path) (Member, error) {
	m := Member{Address: string(path), Kind: MemberAccount}
	account, err := o.p.Directory.AccountByAddress(ctx, path)
	if err == nil {
		m.Name = account.Name
		return m, nil
	}
	if !mail.Is(err, mail.NotFound) {
		return m, err
	}
	other, err := o.p.Directory.Alias(ctx, path)
	switch {
	case err == nil:
		m.Kind = MemberAlias
		if slices.Contains(other.Targets, alias) {
			m.Warning = fmt.Sprintf("%s leads back to %s; what only goes round in a circle reaches nobody", path, alias)
		}
		return m, nil
	case !mail.Is(err, mail.NotFound):
		return m, err
	}
	m.Kind, m.Warning = MemberMissing, missing(path)
	return m, nil
}

// sentOn says what it means that a target is at another host: messages keep their sender and their text, so that SPF fails there and DKIM holds.
func sentOn(path mail.Path) string {
	return fmt.Sprintf("%s is not served here, so mail is sent on to it under its sender's name: SPF fails there, and a message whose DKIM signature is missing or broken is refused where its sender's DMARC policy asks for that; spam that is sent on counts against this host", path)
}

func targets(members []Member) []mail.Path {
	out := make([]mail.Path, len(members))
	for i, m := range members {
		out[i] = mail.Path(m.Address)
	}
	return out
}

// maxWarnings bounds the warnings of one reply; a member has its own in any case.
const maxWarnings = 20

func showMembers(a mail.Alias, members []Member) Alias {
	out := showAlias(a)
	out.Members = members
	more := 0
	for _, m := range members {
		switch {
		case m.Warning == "":
		case len(out.Warnings) == maxWarnings:
			more++
		default:
			out.Warnings = append(out.Warnings, m.Warning)
		}
	}
	if more > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("and %s of the same sort", count(more, "warning", "warnings")))
	}
	return out
}

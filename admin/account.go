package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// NewAccount asks for an account.
type NewAccount struct {
	Address      string `json:"address"`
	Name         string `json:"name,omitempty"`
	Password     string `json:"password,omitempty"` // "": one is generated and shown in the reply
	Quota        *int64 `json:"quota,omitempty"`    // octets, 0 is no limit; nil is the default
	CreateDomain bool   `json:"create_domain,omitempty"`
	Admin        bool   `json:"admin,omitempty"` // may administer the system from the web
}

// AccountName names an account by its address.
type AccountName struct {
	Address string `json:"address"`
}

// AccountFilter restricts a list; "" does not.
type AccountFilter struct {
	Domain string `json:"domain,omitempty"`
}

// AccountUpdate asks for settings to be changed; nil leaves one as it is.
type AccountUpdate struct {
	Address  string  `json:"address"`
	Name     *string `json:"name,omitempty"`
	Quota    *int64  `json:"quota,omitempty"` // octets, 0 is no limit
	Disabled *bool   `json:"disabled,omitempty"`
	Admin    *bool   `json:"admin,omitempty"` // may administer the system from the web
}

// PasswordChange asks for a new password; "" has one generated.
type PasswordChange struct {
	Address  string `json:"address"`
	Password string `json:"password,omitempty"`
}

// Account is an account as operators see it.
type Account struct {
	Address  string    `json:"address"`
	Name     string    `json:"name,omitempty"`
	Quota    int64     `json:"quota"` // octets; 0 is no limit
	Used     int64     `json:"used"`
	Messages int64     `json:"messages"`
	Disabled bool      `json:"disabled,omitempty"`
	Admin    bool      `json:"admin,omitempty"`
	Created  time.Time `json:"created"`
}

// AccountList is the reply to Accounts.
type AccountList struct {
	Accounts []Account `json:"accounts"`
}

// AddedAccount is the reply to AddAccount.
type AddedAccount struct {
	Account
	Password      string `json:"password,omitempty"` // only a generated one, and only here
	DomainCreated bool   `json:"domain_created,omitempty"`
}

// PasswordChanged is the reply to SetPassword.
type PasswordChanged struct {
	Address  string `json:"address"`
	Password string `json:"password,omitempty"` // only a generated one, and only here
}

// AccountDetail is an account with what belongs to it.
type AccountDetail struct {
	Account
	Mailboxes   []Mailbox `json:"mailboxes"`
	Aliases     []string  `json:"aliases"`     // addresses whose mail goes to it
	Credentials []string  `json:"credentials"` // labels of the ways it can log in
}

// Mailbox is a mailbox with its counters.
type Mailbox struct {
	Name     string `json:"name"`
	Use      string `json:"use,omitempty"`
	Messages int64  `json:"messages"`
	Unseen   int64  `json:"unseen"`
	Size     int64  `json:"size"`
}

// maxName bounds what an account is called, in octets.
const maxName = 200

func (o *Operations) addAccount(ctx context.Context, r NewAccount) (AddedAccount, error) {
	path, err := ours(r.Address)
	if err != nil {
		return AddedAccount{}, err
	}
	a := mail.Account{Address: path, Name: r.Name, Quota: o.p.Defaults.Quota, Admin: r.Admin, Created: o.p.Clock.Now()}
	if r.Quota != nil {
		a.Quota = *r.Quota
	}
	if err := settings(a); err != nil {
		return AddedAccount{}, err
	}
	var out AddedAccount
	var set []mail.Change
	switch _, err := o.p.Directory.Domain(ctx, path.Domain()); {
	case mail.Is(err, mail.NotFound) && r.CreateDomain:
		name, err := domainName(path.Domain())
		if err != nil {
			return AddedAccount{}, err
		}
		set = append(set, mail.AddDomain{Domain: mail.Domain{Name: name, Created: a.Created}})
		out.DomainCreated = true
	case mail.Is(err, mail.NotFound):
		return AddedAccount{}, notServed(path.Domain())
	case err != nil:
		return AddedAccount{}, err
	}
	if err := o.free(ctx, path); err != nil {
		return AddedAccount{}, err
	}
	credential, generated, err := o.credential(r.Password)
	if err != nil {
		return AddedAccount{}, err
	}
	set = append(set, mail.AddAccount{Account: a, Mailboxes: o.p.Defaults.Mailboxes})
	receipt, err := o.p.Journal.Commit(ctx, mail.ChangeSet{Changes: set})
	if err != nil {
		return AddedAccount{}, err
	}
	// A crash here leaves an account that nobody can log in to; set-password completes it. One set cannot hold both, since the
	// store numbers the account.
	credential.Account = receipt.Results[len(set)-1].Account
	if _, err := o.commit(ctx, mail.PutCredential{Credential: credential}); err != nil {
		return AddedAccount{}, mail.Errorf(mail.KindOf(err), "account %s was made, but its password was not kept; set it with: postrider account set-password %s: %w", path, path, err)
	}
	out.Account, out.Password = showAccount(a), generated
	return out, nil
}

// free says who has an address already.
func (o *Operations) free(ctx context.Context, path mail.Path) error {
	switch _, err := o.p.Directory.AccountByAddress(ctx, path); {
	case err == nil:
		return mail.Errorf(mail.Exists, "there is an account %s already; change it with: postrider account set-password, or account update", path)
	case !mail.Is(err, mail.NotFound):
		return err
	}
	switch _, err := o.p.Directory.Alias(ctx, path); {
	case err == nil:
		return mail.Errorf(mail.Exists, "%s is an alias already; remove it first with: postrider alias remove %s", path, path)
	case !mail.Is(err, mail.NotFound):
		return err
	}
	return nil
}

// settings judges what an operator may set on an account.
func settings(a mail.Account) error {
	switch {
	case a.Quota < 0:
		return mail.Errorf(mail.Invalid, "a quota cannot be negative; 0 is no limit")
	case len(a.Name) > maxName:
		return mail.Errorf(mail.Invalid, "the name is longer than %d octets", maxName)
	case slices.ContainsFunc([]rune(a.Name), func(r rune) bool { return r < ' ' || r == 0x7f }):
		return mail.Errorf(mail.Invalid, "the name holds a control character")
	}
	return nil
}

// credential makes what is stored of a password, generating one where none is given.
func (o *Operations) credential(password string) (c mail.Credential, generated string, err error) {
	if password == "" {
		generated = generatePassword()
		password = generated
	}
	c, err = o.p.Credential(password)
	c.Label, c.Created = mail.Password, o.p.Clock.Now()
	return c, generated, err
}

func showAccount(a mail.Account) Account {
	return Account{Address: string(a.Address), Name: a.Name, Quota: a.Quota, Used: a.Used, Messages: a.Messages,
		Disabled: a.Disabled, Admin: a.Admin, Created: a.Created.UTC()}
}

// Accounts implements AccountOperator.
func (o *Operations) Accounts(ctx context.Context, r AccountFilter) (AccountList, error) {
	domain, err := o.filterDomain(ctx, r.Domain)
	if err != nil {
		return AccountList{}, err
	}
	accounts, err := o.p.Directory.Accounts(ctx, domain)
	if err != nil {
		return AccountList{}, err
	}
	out := AccountList{Accounts: make([]Account, 0, len(accounts))}
	for _, a := range accounts {
		out.Accounts = append(out.Accounts, showAccount(a))
	}
	return out, nil
}

// filterDomain is the canonical name of a domain a list is restricted to; it must be ours, since an empty list
// would hide a slip of the pen.
func (o *Operations) filterDomain(ctx context.Context, s string) (string, error) {
	if s == "" {
		return "", nil
	}
	d, err := o.domain(ctx, s)
	return d.Name, err
}

// Account implements AccountOperator.
func (o *Operations) Account(ctx context.Context, r AccountName) (AccountDetail, error) {
	a, err := o.account(ctx, r.Address)
	if err != nil {
		return AccountDetail{}, err
	}
	out := AccountDetail{Account: showAccount(a), Mailboxes: []Mailbox{}, Aliases: []string{}, Credentials: []string{}}
	boxes, err := o.p.Mailboxes.Mailboxes(ctx, a.ID)
	if err != nil {
		return AccountDetail{}, err
	}
	for _, b := range boxes {
		out.Mailboxes = append(out.Mailboxes, Mailbox{Name: b.Name, Use: string(b.Use), Messages: b.Messages, Unseen: b.Unseen, Size: b.Size})
	}
	aliases, err := o.p.Directory.Aliases(ctx, "")
	if err != nil {
		return AccountDetail{}, err
	}
	for _, alias := range aliases {
		if slices.Contains(alias.Targets, a.Address) {
			out.Aliases = append(out.Aliases, string(alias.Address))
		}
	}
	credentials, err := o.p.Directory.Credentials(ctx, a.ID)
	if err != nil {
		return AccountDetail{}, err
	}
	for _, c := range credentials {
		out.Credentials = append(out.Credentials, c.Label)
	}
	return out, nil
}

func (o *Operations) updateAccount(ctx context.Context, r AccountUpdate) (Account, error) {
	a, err := o.account(ctx, r.Address)
	if err != nil {
		return Account{}, err
	}
	if r.Name != nil {
		a.Name = *r.Name
	}
	if r.Quota != nil {
		a.Quota = *r.Quota
	}
	if r.Disabled != nil {
		a.Disabled = *r.Disabled
	}
	if r.Admin != nil {
		a.Admin = *r.Admin
	}
	if err := settings(a); err != nil {
		return Account{}, err
	}
	_, err = o.commit(ctx, mail.UpdateAccount{Account: a})
	return showAccount(a), err
}

func (o *Operations) setPassword(ctx context.Context, r PasswordChange) (PasswordChanged, error) {
	a, err := o.account(ctx, r.Address)
	if err != nil {
		return PasswordChanged{}, err
	}
	c, generated, err := o.credential(r.Password)
	if err != nil {
		return PasswordChanged{}, err
	}
	c.Account = a.ID
	if c.Scope, err = o.scope(ctx, a.ID); err != nil {
		return PasswordChanged{}, err
	}
	if _, err := o.commit(ctx, mail.PutCredential{Credential: c}); err != nil {
		return PasswordChanged{}, err
	}
	return PasswordChanged{Address: string(a.Address), Password: generated}, nil
}

// scope is what an account's own password is for, which a new one does not change.
func (o *Operations) scope(ctx context.Context, id mail.AccountID) (mail.Scope, error) {
	all, err := o.p.Directory.Credentials(ctx, id)
	if err != nil {
		return 0, err
	}
	for _, c := range all {
		if c.Label == mail.Password {
			return c.Scope, nil
		}
	}
	return 0, nil
}

func (o *Operations) removeAccount(ctx context.Context, r AccountName) (Account, error) {
	a, err := o.account(ctx, r.Address)
	if err != nil {
		return Account{}, err
	}
	if _, err := o.commit(ctx, mail.RemoveAccount{Account: a.ID}); err != nil {
		return Account{}, fmt.Errorf("account %s: %w", a.Address, err)
	}
	return showAccount(a), nil
}

// Canonical is the spelling of an address, or of a domain, in which the system knows it. Invalid when it is neither.
func Canonical(s string) (string, error) {
	if strings.Contains(strings.TrimPrefix(strings.TrimSpace(s), "@"), "@") {
		path, err := ours(s)
		return string(path), err
	}
	return domainName(s)
}

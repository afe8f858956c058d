package mail

import (
	"context"
	"time"
)

// Domain is a domain this system is responsible for.
type Domain struct {
	Name     string // lower-case A-labels
	CatchAll Path   // where mail for unknown local parts goes; "" refuses it
	Created  time.Time
}

// Account is one person or program with mailboxes and the right to send.
type Account struct {
	ID       AccountID
	Address  Path   // its login and primary address, canonical (lower case)
	Name     string // for people, may be empty
	Quota    int64  // octets; 0 is no limit
	Used     int64  // octets of all messages in its mailboxes
	Messages int64  // count of placements
	ModSeq   uint64 // its latest change
	Disabled bool   // may not log in or send; still receives
	Admin    bool   // may administer the system from the web
	Created  time.Time
}

// Alias sends mail for one address to others, local or not. The address is canonical.
type Alias struct {
	Address Path
	Targets []Path
	Created time.Time
}

// Credential is one way an account proves itself. Hash is an argon2id PHC string; the SCRAM
// values are for SCRAM-SHA-256 (RFC 7677). None of it is ever logged or shown.
type Credential struct {
	ID         int64
	Account    AccountID
	Label      string // "password", or what the owner called an app password
	Hash       string
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
	Scope      Scope
	Created    time.Time
	Expires    time.Time // from then on it proves nothing; zero: never
}

// Scope is what a credential may be used for; the zero Scope is everything but the web, where ScopeWeb must be set or the label be Password.
type Scope uint16

// The scopes.
const (
	ScopeIMAP Scope = 1 << iota
	ScopePOP3
	ScopeSMTP // submission
	ScopeJMAP // JMAP by HTTP Basic, and what else takes a password there
	ScopeWeb  // the webmail's own login: the account's password, never an app password
)

// Password is the label of an account's own password; credentials with other labels are app passwords.
const Password = "password"

// Allows reports whether a credential with the scope s may be used for what.
func (s Scope) Allows(what Scope) bool { return s == 0 && what != ScopeWeb || s&what != 0 }

// Directory reads who there is. A thing that does not exist is an error of kind NotFound.
// Addresses and names are given in canonical spelling (proto/addr Normal).
type Directory interface {
	Domain(ctx context.Context, name string) (Domain, error)
	Domains(ctx context.Context) ([]Domain, error)
	Account(ctx context.Context, id AccountID) (Account, error)
	AccountByAddress(ctx context.Context, address Path) (Account, error)
	Accounts(ctx context.Context, domain string) ([]Account, error) // "" lists all, by address
	Alias(ctx context.Context, address Path) (Alias, error)
	Aliases(ctx context.Context, domain string) ([]Alias, error) // "" lists all, by address
	Credentials(ctx context.Context, account AccountID) ([]Credential, error)
}

// LocalRecipient is one account a message is to be filed for.
type LocalRecipient struct {
	Account AccountID
	Address Path   // the account's primary address
	Given   Path   // the recipient as the envelope named it
	Detail  string // the subaddress: "box" of user+box; "" without
}

// Resolution is what one envelope recipient stands for: any number of accounts and of addresses
// elsewhere, at least one in all.
type Resolution struct {
	Local  []LocalRecipient
	Remote []Path // to be relayed: forwards of an alias
	Via    []Path // the aliases it went through, for the trace
}

// Resolver answers for an envelope recipient (service/directory). Kinds of its errors: NotFound
// (our domain, no such address), Denied (not our domain: relaying is not ours to decide here), OverQuota
// (known, no room for size octets), Unavailable (cannot tell now).
type Resolver interface {
	Resolve(ctx context.Context, recipient Path, size int64) (Resolution, error)
	// Serves reports whether the domain is one of ours.
	Serves(ctx context.Context, domain string) (bool, error)
}

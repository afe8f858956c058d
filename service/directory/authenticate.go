package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
)

// Authenticator proves who connects. The access servers and the submission agent share it.
type Authenticator struct {
	// Guard stands before every login that has an IP address; nil: nobody does. It is set before the first login.
	Guard Guard
	// Uses is told which credential proved a login; nil: nobody is. It is set before the first login.
	Uses Uses

	directory mail.Directory
	hasher    *hasher
	secret    []byte
	now       func() time.Time
	root      *Authenticator // whose Guard and Uses a view has; nil: this is no view
	scope     mail.Scope     // of a view
}

// NewAuthenticator makes one. secret stays the same for an installation: made-up SCRAM salts of names that do
// not exist come from it.
func NewAuthenticator(d mail.Directory, clock mail.Clock, secret []byte) *Authenticator {
	return &Authenticator{directory: d, hasher: newHasher(clock.Now), secret: secret, now: clock.Now}
}

// For is a view of the Authenticator for one service: credentials whose Scope does not let them be used there prove nothing. To ScopeWeb
// that is every one but the account's own password. The Guard, the Uses and what is remembered of right passwords are those of a.
func (a *Authenticator) For(scope mail.Scope) *Authenticator {
	root := a
	if a.root != nil {
		root = a.root
	}
	return &Authenticator{directory: a.directory, hasher: a.hasher, secret: a.secret, now: a.now, root: root, scope: scope}
}

// admits reports whether a credential may prove anything here and now. Without a scope, as of an Authenticator that is no view, every
// credential may that has not expired.
func (a *Authenticator) admits(c mail.Credential) bool {
	switch {
	case !c.Expires.IsZero() && !a.now().Before(c.Expires):
		return false
	case a.scope == 0:
		return true
	case a.scope == mail.ScopeWeb:
		return c.Label == mail.Password
	}
	return c.Scope.Allows(a.scope)
}

func refused() error {
	return &mail.Error{Kind: mail.Unauthenticated, Enhanced: "5.7.8",
		Text: "user name or password is wrong; the user name is the whole mail address"}
}

// Mechanisms lists what a connection is offered, strongest first. Without TLS (nil) there is no channel to bind to.
func (a *Authenticator) Mechanisms(state *tls.ConnectionState) []string {
	return a.config(context.Background(), state, nil).Mechanisms()
}

// SASL starts an exchange. After success the server's Username is a canonical account address.
func (a *Authenticator) SASL(ctx context.Context, mechanism string, state *tls.ConnectionState, peer net.Addr) (sasl.Server, error) {
	e := &exchange{}
	c := a.config(ctx, state, peer)
	c.Lookup = func(username string) (_ sasl.Stored, err error) {
		if e.trial, err = a.begin(ctx, username, peer); err != nil {
			return sasl.Stored{}, err
		}
		var stored sasl.Stored
		stored, e.use, err = a.stored(ctx, username)
		e.use.Address = address(peer)
		return stored, err
	}
	e.used = func(u Use) { a.used(ctx, u) }
	var err error
	if e.Server, err = c.NewServer(strings.ToUpper(mechanism)); err != nil {
		return nil, mail.Errorf(mail.Invalid, "authentication mechanism %q is not offered here", mechanism)
	}
	return e, nil
}

// config offers everything; its SCRAM is not guarded yet.
func (a *Authenticator) config(ctx context.Context, state *tls.ConnectionState, peer net.Addr) sasl.Config {
	c := sasl.Config{
		Check: func(authzid, username, password string) error {
			account, err := a.Login(ctx, username, password, peer)
			if err != nil {
				return err
			}
			if authzid != "" && !strings.EqualFold(authzid, username) && !strings.EqualFold(authzid, string(account.Address)) {
				return refused()
			}
			return nil
		},
		Lookup: func(username string) (sasl.Stored, error) {
			stored, _, err := a.stored(ctx, username)
			return stored, err
		},
	}
	if state != nil && state.HandshakeComplete {
		if b, err := sasl.ExporterBinding(state.ExportKeyingMaterial); err == nil {
			c.Bindings = append(c.Bindings, b)
		}
	}
	return c
}

// stored gives SCRAM values: those of the account's password; where that may not be used here, those of its latest app password that
// may, because an exchange has one salt; else made-up ones that nothing matches. The Use says whose they are.
func (a *Authenticator) stored(ctx context.Context, username string) (sasl.Stored, Use, error) {
	account, err := a.Account(ctx, username)
	if err == nil {
		creds, err := a.directory.Credentials(ctx, account.ID)
		if err != nil {
			return sasl.Stored{}, Use{}, err
		}
		if c, ok := a.forSCRAM(creds); ok {
			return sasl.Stored{Salt: c.Salt, Iterations: c.Iterations, StoredKey: c.StoredKey, ServerKey: c.ServerKey},
				Use{Account: account.ID, Label: c.Label, Service: a.scope}, nil
		}
	} else if !mail.Is(err, mail.Unauthenticated) {
		return sasl.Stored{}, Use{}, err
	}
	return sasl.Stored{Salt: a.fake("salt", username)[:saltLength], Iterations: scramIterations,
		StoredKey: a.fake("stored", username), ServerKey: a.fake("server", username)}, Use{}, nil
}

func (a *Authenticator) forSCRAM(creds []mail.Credential) (best mail.Credential, ok bool) {
	for _, c := range creds {
		if len(c.StoredKey) == 0 || !a.admits(c) {
			continue
		}
		if c.Label == mail.Password {
			return c, true
		}
		if !ok || c.Created.After(best.Created) {
			best, ok = c, true
		}
	}
	return best, ok
}

func (a *Authenticator) fake(what, username string) []byte {
	m := hmac.New(sha256.New, a.secret)
	m.Write([]byte(what + "\x00" + strings.ToLower(username)))
	return m.Sum(nil)
}

// Login checks a name and a password against the credentials of the account that may be used. Unauthenticated when they do not fit,
// whatever the reason; what the Guard says when it does not let them try.
func (a *Authenticator) Login(ctx context.Context, user, password string, peer net.Addr) (mail.Account, error) {
	return a.LoginWith(ctx, user, password, peer, nil)
}

// LoginWith is Login where the password is not all that is asked for: further is called once it is right, and its error is the login's.
// An Unauthenticated one is to the Guard what a wrong password is; after another the Guard is told nothing. further may be nil.
func (a *Authenticator) LoginWith(ctx context.Context, user, password string, peer net.Addr, further func(mail.Account) error) (mail.Account, error) {
	var account mail.Account
	err := a.Try(ctx, user, peer, func() (err error) {
		var label string
		if account, label, err = a.check(ctx, user, password); err != nil {
			return err
		}
		if further != nil {
			if err := further(account); err != nil {
				return err
			}
		}
		a.used(ctx, Use{Account: account.ID, Label: label, Service: a.scope, Address: address(peer)})
		return nil
	})
	if err != nil {
		return mail.Account{}, err
	}
	return account, nil
}

// Try lets somebody prove by other means than a password that they are user: the Guard is asked before prove is called, and told of its
// outcome as of a password's.
func (a *Authenticator) Try(ctx context.Context, user string, peer net.Addr, prove func() error) error {
	t, err := a.begin(ctx, user, peer)
	if err != nil {
		return err
	}
	err = prove()
	t.end(err)
	return err
}

// check finds whose name and password they are, and the label of the credential that tells.
func (a *Authenticator) check(ctx context.Context, user, password string) (mail.Account, string, error) {
	account, err := a.Account(ctx, user)
	if mail.Is(err, mail.Unauthenticated) {
		if err := a.decoy(ctx, password); err != nil {
			return mail.Account{}, "", err
		}
		return mail.Account{}, "", refused()
	}
	if err != nil {
		return mail.Account{}, "", err
	}
	creds, err := a.directory.Credentials(ctx, account.ID)
	if err != nil {
		return mail.Account{}, "", err
	}
	if len(password) > maxPassword {
		return mail.Account{}, "", refused()
	}
	slow := false // whether an own password was looked at, which is what takes the time
	for _, c := range creds {
		if !a.admits(c) {
			continue
		}
		for _, p := range spellings(c, password) {
			ok, err := a.hasher.matches(ctx, c.Hash, p)
			if err != nil {
				return mail.Account{}, "", err
			}
			if ok {
				return account, c.Label, nil
			}
		}
		slow = slow || c.Label == mail.Password
	}
	if !slow {
		if err := a.decoy(ctx, password); err != nil {
			return mail.Account{}, "", err
		}
	}
	return mail.Account{}, "", refused()
}

// decoy takes the time that looking at the password of somebody who exists takes.
func (a *Authenticator) decoy(ctx context.Context, password string) error {
	if len(password) > maxPassword {
		return nil
	}
	_, err := a.hasher.matches(ctx, "", password)
	return err
}

// Account is the account a login name means: its address in any spelling, or the bare local part when only one
// domain is served. Unauthenticated when there is none or it is disabled.
func (a *Authenticator) Account(ctx context.Context, user string) (mail.Account, error) {
	p, err := a.path(ctx, user)
	if err != nil {
		return mail.Account{}, err
	}
	account, err := a.directory.AccountByAddress(ctx, p)
	switch {
	case mail.Is(err, mail.NotFound):
		return mail.Account{}, refused()
	case err != nil:
		return mail.Account{}, err
	case account.Disabled:
		return mail.Account{}, refused()
	}
	return account, nil
}

// path is what a login name stands for, whether or not there is such an account. Unauthenticated when it is no address.
func (a *Authenticator) path(ctx context.Context, user string) (mail.Path, error) {
	if !strings.Contains(user, "@") {
		domains, err := a.directory.Domains(ctx)
		if err != nil {
			return "", err
		}
		if len(domains) == 1 {
			user += "@" + domains[0].Name
		}
	}
	p, err := Canonical(mail.Path(user))
	if err != nil {
		return "", refused()
	}
	return p, nil
}

package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"net"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
)

// Authenticator proves who connects. The access servers and the submission agent share it.
type Authenticator struct {
	// Guard stands before every login that has an IP address; nil: nobody does. It is set before the first login.
	Guard Guard

	directory mail.Directory
	hasher    *hasher
	secret    []byte
}

// NewAuthenticator makes one. secret stays the same for an installation: made-up SCRAM salts of names that do
// not exist come from it.
func NewAuthenticator(d mail.Directory, clock mail.Clock, secret []byte) *Authenticator {
	return &Authenticator{directory: d, hasher: newHasher(clock.Now), secret: secret}
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
		return a.stored(ctx, username)
	}
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
		Lookup: func(username string) (sasl.Stored, error) { return a.stored(ctx, username) },
	}
	if state != nil && state.HandshakeComplete {
		if b, err := sasl.ExporterBinding(state.ExportKeyingMaterial); err == nil {
			c.Bindings = append(c.Bindings, b)
		}
	}
	return c
}

// stored gives SCRAM values: the account's, or made-up ones that nothing matches.
func (a *Authenticator) stored(ctx context.Context, username string) (sasl.Stored, error) {
	account, err := a.Account(ctx, username)
	if err == nil {
		creds, err := a.directory.Credentials(ctx, account.ID)
		if err != nil {
			return sasl.Stored{}, err
		}
		for _, c := range creds {
			if c.Label == PasswordLabel && len(c.StoredKey) > 0 {
				return sasl.Stored{Salt: c.Salt, Iterations: c.Iterations, StoredKey: c.StoredKey, ServerKey: c.ServerKey}, nil
			}
		}
	} else if !mail.Is(err, mail.Unauthenticated) {
		return sasl.Stored{}, err
	}
	return sasl.Stored{Salt: a.fake("salt", username)[:saltLength], Iterations: scramIterations,
		StoredKey: a.fake("stored", username), ServerKey: a.fake("server", username)}, nil
}

func (a *Authenticator) fake(what, username string) []byte {
	m := hmac.New(sha256.New, a.secret)
	m.Write([]byte(what + "\x00" + strings.ToLower(username)))
	return m.Sum(nil)
}

// Login checks a name and a password against every credential of the account. Unauthenticated when they do not fit,
// whatever the reason; what the Guard says when it does not let them try.
func (a *Authenticator) Login(ctx context.Context, user, password string, peer net.Addr) (mail.Account, error) {
	t, err := a.begin(ctx, user, peer)
	if err != nil {
		return mail.Account{}, err
	}
	account, err := a.check(ctx, user, password)
	t.end(err)
	return account, err
}

func (a *Authenticator) check(ctx context.Context, user, password string) (mail.Account, error) {
	account, err := a.Account(ctx, user)
	if mail.Is(err, mail.Unauthenticated) {
		_, err = a.hasher.matches(ctx, "", password) // the same time as for a name that exists
		if err != nil {
			return mail.Account{}, err
		}
		return mail.Account{}, refused()
	}
	if err != nil {
		return mail.Account{}, err
	}
	creds, err := a.directory.Credentials(ctx, account.ID)
	if err != nil {
		return mail.Account{}, err
	}
	if len(password) > maxPassword {
		return mail.Account{}, refused()
	}
	for _, c := range creds {
		ok, err := a.hasher.matches(ctx, c.Hash, password)
		if err != nil {
			return mail.Account{}, err
		}
		if ok {
			return account, nil
		}
	}
	return mail.Account{}, refused()
}

// Account is the account a login name means: its address in any spelling, or the bare local part when only one
// domain is served. Unauthenticated when there is none or it is disabled.
func (a *Authenticator) Account(ctx context.Context, user string) (mail.Account, error) {
	p, err := a.address(ctx, user)
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

// address is what a login name stands for, whether or not there is such an account. Unauthenticated when it is no address.
func (a *Authenticator) address(ctx context.Context, user string) (mail.Path, error) {
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

package directory

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
)

// Bounds of app passwords.
const (
	maxAppPasswords = 50 // of an account
	maxLabel        = 64 // characters
	appRandom       = 10 // octets of randomness
)

// Cost of an app password's hash. It has 80 random bits, so nobody finds it by trying, whatever a try costs, and a login may have to look
// at all of an account's.
const (
	appArgonMemory = 64 // KiB
	appArgonTime   = 1
)

// secretLetters are those of RFC 4648 6, in lower case.
var secretLetters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewSecret makes a secret of 80 random bits for people to copy: "abcd efgh ijkl mnop", with between in place of the blanks.
func NewSecret(between string) string {
	b := make([]byte, appRandom)
	rand.Read(b) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
	s := secretLetters.EncodeToString(b)
	return strings.Join([]string{s[:4], s[4:8], s[8:12], s[12:]}, between)
}

// PlainSecret is what somebody typed for a secret of NewSecret, in one spelling.
func PlainSecret(typed string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, typed)
}

// spellings are the ways to read a password that somebody gave for a credential: an app password may come without its blanks.
func spellings(c mail.Credential, password string) []string {
	if c.Label == mail.Password {
		return []string{password}
	}
	return slices.Compact([]string{password, PlainSecret(password)})
}

// newAppCredential makes what is stored of an app password. With SCRAM it is used as it is shown, with blanks.
func newAppCredential(label, shown string) (mail.Credential, error) {
	return makeCredential(label, PlainSecret(shown), shown, phc{memory: appArgonMemory, time: appArgonTime, lanes: argonLanes})
}

// Passwords changes the credentials of accounts, one change at a time, so that none undoes another. The zero value of its mutex is ready.
type Passwords struct {
	Directory mail.Directory
	Journal   mail.Journal
	Clock     mail.Clock

	mu sync.Mutex
}

// Set gives an account a new password of its own, for what the old one was for. also gives the changes that are made with it, or
// nothing is; nil: none. Invalid when it cannot be one.
func (p *Passwords) Set(ctx context.Context, account mail.AccountID, password string, also func(mail.Credential) ([]mail.Change, error)) error {
	c, err := NewCredential(password)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	old, _, err := p.find(ctx, account, mail.Password)
	if err != nil {
		return err
	}
	c.Account, c.Scope, c.Expires = account, old.Scope, old.Expires
	changes := []mail.Change{mail.PutCredential{Credential: c}}
	if also != nil {
		more, err := also(c)
		if err != nil {
			return err
		}
		changes = append(changes, more...)
	}
	return p.commit(ctx, changes)
}

// SetScope says what the account's own password may be used for. The changes of also are made with it, or nothing is; without a password
// they alone are.
func (p *Passwords) SetScope(ctx context.Context, account mail.AccountID, scope mail.Scope, also ...mail.Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok, err := p.find(ctx, account, mail.Password)
	if err != nil {
		return err
	}
	changes := slices.Clone(also)
	if ok && c.Scope != scope {
		c.Scope = scope
		changes = append(changes, mail.PutCredential{Credential: c})
	}
	return p.commit(ctx, changes)
}

// Own is the credential of the account's own password; false when it has none.
func (p *Passwords) Own(ctx context.Context, account mail.AccountID) (mail.Credential, bool, error) {
	return p.find(ctx, account, mail.Password)
}

// AddApp makes an app password and gives it as it is shown to its owner, once. Its label is of 1 to 64 characters, and it never
// expires where expires is zero. Invalid, Exists, TooMany.
func (p *Passwords) AddApp(ctx context.Context, account mail.AccountID, label string, scope mail.Scope, expires time.Time) (string, mail.Credential, error) {
	if err := checkLabel(label); err != nil {
		return "", mail.Credential{}, err
	}
	shown := NewSecret(" ")
	c, err := newAppCredential(label, shown)
	if err != nil {
		return "", mail.Credential{}, err
	}
	c.Account, c.Scope, c.Expires, c.Created = account, scope, expires, p.Clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	have, err := p.Directory.Credentials(ctx, account)
	switch {
	case err != nil:
		return "", mail.Credential{}, err
	case slices.ContainsFunc(have, func(h mail.Credential) bool { return strings.EqualFold(h.Label, label) }):
		return "", mail.Credential{}, mail.Errorf(mail.Exists, "there is an app password called %q already; choose another name", label)
	case len(have) > maxAppPasswords:
		return "", mail.Credential{}, mail.Errorf(mail.TooMany, "an account can have %d app passwords; remove one that is not used any more", maxAppPasswords)
	}
	return shown, c, p.commit(ctx, []mail.Change{mail.PutCredential{Credential: c}})
}

// RemoveApp takes an app password away. NotFound; Denied of the account's own password.
func (p *Passwords) RemoveApp(ctx context.Context, account mail.AccountID, label string) error {
	if label == mail.Password {
		return mail.Errorf(mail.Denied, "that is the account's own password; it can be changed, but not removed")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.commit(ctx, append([]mail.Change{mail.RemoveCredential{Account: account, Label: label}}, forgetClients(account, label)...))
}

func (p *Passwords) find(ctx context.Context, account mail.AccountID, label string) (mail.Credential, bool, error) {
	list, err := p.Directory.Credentials(ctx, account)
	if err != nil {
		return mail.Credential{}, false, err
	}
	i := slices.IndexFunc(list, func(c mail.Credential) bool { return c.Label == label })
	if i < 0 {
		return mail.Credential{}, false, nil
	}
	return list[i], true, nil
}

func (p *Passwords) commit(ctx context.Context, changes []mail.Change) error {
	if len(changes) == 0 {
		return nil
	}
	_, err := p.Journal.Commit(ctx, mail.ChangeSet{Changes: changes})
	return err
}

func checkLabel(label string) error {
	switch {
	case strings.TrimSpace(label) != label || label == "":
		return mail.Errorf(mail.Invalid, "give the app password a name without blanks around it")
	case !utf8.ValidString(label) || utf8.RuneCountInString(label) > maxLabel:
		return mail.Errorf(mail.Invalid, "the name of an app password can have %d characters", maxLabel)
	case strings.ContainsFunc(label, func(r rune) bool { return !unicode.IsPrint(r) || r == '/' }):
		return mail.Errorf(mail.Invalid, "the name of an app password is of letters, digits, blanks and signs, without slashes")
	}
	return nil
}

package factor

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/postrider/postrider/mail"
)

const maxPasskeyLabel = 64 // characters

// Passkey is one that an account has.
type Passkey struct {
	ID      string // in lower-case hexadecimal
	Label   string
	Created time.Time
	Used    time.Time // zero: never

	credential webauthn.Credential
	raw        []byte // the note's value as it was read
}

// passkeyNote is the value of a note.
type passkeyNote struct {
	Label      string              `json:"label"`
	Created    time.Time           `json:"created"`
	Used       time.Time           `json:"used,omitzero"`
	Credential webauthn.Credential `json:"credential"`
}

// newWebAuthn knows how passkeys are bound to us: discoverable, so that nobody has to be told whose they are; users look into the camera if they can.
func newWebAuthn(cfg Config) *webauthn.WebAuthn {
	w, err := webauthn.New(&webauthn.Config{
		RPID: cfg.Host, RPDisplayName: cfg.Issuer, RPOrigins: cfg.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: protocol.ResidentKeyRequired(), ResidentKey: protocol.ResidentKeyRequirementRequired,
			UserVerification: protocol.VerificationPreferred,
		},
		// Managers of passwords tell more than they were asked; nothing of it is used.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		cfg.Log.Warn("passkeys are not offered: they cannot be bound to this host", "role", "service/factor", "host", cfg.Host, "error", err)
		return nil
	}
	return w
}

// Offers reports whether passkeys can be had here.
func (s *Service) Offers() bool { return s.passkeys != nil }

func (s *Service) offered() error {
	if s.passkeys == nil {
		return mail.Errorf(mail.Unavailable, "this server has no name that passkeys can be bound to; an authenticator app works")
	}
	return nil
}

// user is an account as the library sees it.
type user struct {
	account  mail.Account
	passkeys []Passkey
}

// WebAuthnID is the handle that authenticators keep with a passkey. It says nothing about the person.
func (u *user) WebAuthnID() []byte { return handle(u.account.ID) }

// WebAuthnName is what people tell their passkeys apart by.
func (u *user) WebAuthnName() string { return string(u.account.Address) }

// WebAuthnDisplayName is the same with the person's name, where there is one.
func (u *user) WebAuthnDisplayName() string {
	if u.account.Name != "" {
		return u.account.Name
	}
	return string(u.account.Address)
}

// WebAuthnCredentials are the account's passkeys.
func (u *user) WebAuthnCredentials() []webauthn.Credential {
	var out []webauthn.Credential
	for _, p := range u.passkeys {
		out = append(out, p.credential)
	}
	return out
}

func handle(id mail.AccountID) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(id)) //nolint:gosec // ids are positive
}

func ofHandle(b []byte) mail.AccountID {
	if len(b) != 8 {
		return 0
	}
	return mail.AccountID(binary.BigEndian.Uint64(b)) //nolint:gosec // what is negative is nobody's
}

// Passkeys lists an account's, the oldest first.
func (s *Service) Passkeys(ctx context.Context, account mail.AccountID) ([]Passkey, error) {
	notes, err := s.cfg.Notes.Notes(ctx, mail.NoteQuery{Kind: KindPasskey, Prefix: prefix(account)})
	if err != nil {
		return nil, err
	}
	out := make([]Passkey, 0, len(notes))
	for _, n := range notes {
		var v passkeyNote
		if err := json.Unmarshal(n.Value, &v); err != nil {
			return nil, mail.Errorf(mail.Internal, "a passkey of account %d cannot be read: %w", account, err)
		}
		out = append(out, Passkey{strings.TrimPrefix(n.Key, prefix(account)), v.Label, v.Created, v.Used, v.Credential, n.Value})
	}
	slices.SortFunc(out, func(a, b Passkey) int { return a.Created.Compare(b.Created) })
	return out, nil
}

// put is the change that writes a passkey, in place of what was read.
func (p *Passkey) put(account mail.AccountID) (mail.Change, error) {
	value, err := json.Marshal(passkeyNote{p.Label, p.Created, p.Used, p.credential})
	if err != nil {
		return nil, mail.Errorf(mail.Internal, "a passkey cannot be written: %w", err)
	}
	c := mail.PutNote{If: mail.NoteAbsent, Note: mail.Note{Kind: KindPasskey, Key: passkeyKey(account, p.ID), Account: account, Value: value}}
	if p.raw != nil {
		c.If, c.Was = mail.NoteIs, p.raw
	}
	return c, nil
}

// BeginPasskey gives the challenge for a new passkey, and the options for the browser (PublicKeyCredentialCreationOptionsJSON).
func (s *Service) BeginPasskey(ctx context.Context, account mail.Account) (id string, options any, err error) {
	if err := s.offered(); err != nil {
		return "", nil, err
	}
	have, err := s.Passkeys(ctx, account.ID)
	if err != nil {
		return "", nil, err
	}
	if len(have) >= MaxPasskeys {
		return "", nil, tooManyPasskeys()
	}
	u := &user{account, have}
	creation, data, err := s.passkeys.BeginRegistration(u, webauthn.WithExclusions(webauthn.Credentials(u.WebAuthnCredentials()).CredentialDescriptors()))
	if err != nil {
		return "", nil, mail.Errorf(mail.Internal, "a passkey cannot be begun: %w", err)
	}
	id, err = s.seal(challenge{What: forRegistration, Account: account.ID, Data: data})
	return id, creation.Response, err
}

func tooManyPasskeys() error {
	return mail.Errorf(mail.TooMany, "an account can have %d passkeys; remove one that is not used any more", MaxPasskeys)
}

// FinishPasskey takes the browser's answer (RegistrationResponseJSON). When the passkey is the first second factor it gives recovery codes as well.
// For programs see ConfirmTOTP. Unauthenticated for an answer that is not right; Invalid.
func (s *Service) FinishPasskey(ctx context.Context, account mail.Account, id, label string, credential []byte, programs *bool) (Passkey, []string, error) {
	if err := s.offered(); err != nil {
		return Passkey{}, nil, err
	}
	if label == "" || !utf8.ValidString(label) || utf8.RuneCountInString(label) > maxPasskeyLabel || strings.ContainsFunc(label, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return Passkey{}, nil, mail.Errorf(mail.Invalid, "give the passkey a name of 1 to %d characters", maxPasskeyLabel)
	}
	c, err := s.unseal(id, forRegistration)
	if err != nil {
		return Passkey{}, nil, err
	}
	if c.Account != account.ID {
		return Passkey{}, nil, stale()
	}
	made, err := s.create(account, c, credential)
	if err != nil {
		return Passkey{}, nil, err
	}
	p := Passkey{ID: idOf(made.ID), Label: label, Created: s.cfg.Clock.Now(), credential: *made}
	p.credential.Attestation = webauthn.CredentialAttestation{} // nobody asks which make it is
	var recovery []string
	err = s.change(ctx, account.ID, programs, func(k *held) ([]mail.Change, error) {
		recovery = nil
		switch {
		case len(k.passkeys) >= MaxPasskeys:
			return nil, tooManyPasskeys()
		case slices.ContainsFunc(k.passkeys, func(h Passkey) bool { return h.ID == p.ID }):
			return nil, mail.Errorf(mail.Invalid, "that passkey is here already")
		}
		if !k.state().On() {
			recovery, k.Recovery = newRecovery(account.ID)
		}
		k.passkeys = append(k.passkeys, p)
		put, err := p.put(account.ID)
		return []mail.Change{use(id, c), put}, err
	})
	if mail.Is(err, mail.Exists) {
		err = stale()
	}
	if err != nil {
		return Passkey{}, nil, err
	}
	return p, recovery, nil
}

func (s *Service) create(account mail.Account, c challenge, credential []byte) (*webauthn.Credential, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(credential)
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "that is not what a browser says of a new passkey")
	}
	made, err := s.passkeys.CreateCredential(&user{account: account}, *c.Data, parsed)
	if err != nil {
		s.cfg.Log.Info("a new passkey was refused", "role", "service/factor", "account", int64(account.ID), "error", err)
		return nil, mail.Errorf(mail.Unauthenticated, "the passkey's answer is not right; begin again")
	}
	return made, nil
}

// RemovePasskey takes one away. NotFound.
func (s *Service) RemovePasskey(ctx context.Context, account mail.AccountID, id string) error {
	return s.change(ctx, account, nil, func(k *held) ([]mail.Change, error) {
		at := slices.IndexFunc(k.passkeys, func(p Passkey) bool { return p.ID == id })
		if at < 0 {
			return nil, mail.Errorf(mail.NotFound, "there is no such passkey")
		}
		gone := k.passkeys[at]
		k.passkeys = slices.Delete(k.passkeys, at, at+1)
		return []mail.Change{mail.RemoveNote{Kind: KindPasskey, Key: passkeyKey(account, gone.ID), If: mail.NoteIs, Was: gone.raw}}, nil
	})
}

// BeginLogin gives the challenge for a login, and the options for the browser (PublicKeyCredentialRequestOptionsJSON). user is who somebody says
// they are, and may be empty. The answer is the same for everybody: it does not tell who exists or has passkeys.
func (s *Service) BeginLogin(user string) (id string, options any, err error) {
	if err := s.offered(); err != nil {
		return "", nil, err
	}
	if len(user) > maxUser {
		return "", nil, mail.Errorf(mail.Invalid, "that is no mail address")
	}
	assertion, data, err := s.passkeys.BeginDiscoverableLogin()
	if err != nil {
		return "", nil, mail.Errorf(mail.Internal, "a login with a passkey cannot be begun: %w", err)
	}
	id, err = s.seal(challenge{What: forLogin, User: user, Data: data})
	return id, assertion.Response, err
}

// Proof is what a passkey proved.
type Proof struct {
	Account  mail.Account
	User     string // what BeginLogin was given
	Verified bool   // it looked who holds it, by a finger, a face or a PIN: it is as good as a password and a second factor
}

// Claimed is the address of whom a browser's answer says it is from, before anything is proved; "" when it says nobody we know.
func (s *Service) Claimed(ctx context.Context, credential []byte) string {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(credential)
	if err != nil {
		return ""
	}
	account, err := s.cfg.Directory.Account(ctx, ofHandle(parsed.Response.UserHandle))
	if err != nil {
		return ""
	}
	return string(account.Address)
}

// FinishLogin takes the browser's answer (AuthenticationResponseJSON). accept is asked whether the proof will do before the challenge counts as
// answered; its error is the answer. Unauthenticated for an answer that is not right, Invalid for one that is none.
func (s *Service) FinishLogin(ctx context.Context, id string, credential []byte, accept func(Proof) error) (Proof, error) {
	if err := s.offered(); err != nil {
		return Proof{}, err
	}
	c, err := s.unseal(id, forLogin)
	if err != nil {
		return Proof{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(credential)
	if err != nil {
		return Proof{}, mail.Errorf(mail.Invalid, "that is not what a browser says of a passkey")
	}
	u, err := s.owner(ctx, ofHandle(parsed.Response.UserHandle))
	if err != nil {
		return Proof{}, err
	}
	_, made, err := s.passkeys.ValidatePasskeyLogin(func([]byte, []byte) (webauthn.User, error) { return u, nil }, *c.Data, parsed)
	if err != nil {
		s.cfg.Log.Info("a passkey was refused", "role", "service/factor", "account", int64(u.account.ID), "error", err)
		return Proof{}, refused()
	}
	if made.Authenticator.CloneWarning {
		s.cfg.Log.Warn("a passkey was copied: its count of signatures does not rise", "role", "service/factor", "account", int64(u.account.ID))
		return Proof{}, mail.Errorf(mail.Unauthenticated, "this passkey seems to have been copied and is not taken; log in another way and remove it")
	}
	proof := Proof{u.account, c.User, parsed.Response.AuthenticatorData.Flags.HasUserVerified()}
	if err := accept(proof); err != nil {
		return Proof{}, err
	}
	return proof, s.used(ctx, u, id, c, made)
}

// used writes that a challenge was answered, and the passkey as it is now.
func (s *Service) used(ctx context.Context, u *user, id string, c challenge, made *webauthn.Credential) error {
	at := slices.IndexFunc(u.passkeys, func(p Passkey) bool { return p.ID == idOf(made.ID) })
	if at < 0 {
		return refused()
	}
	p := u.passkeys[at]
	p.Used, p.credential = s.cfg.Clock.Now(), *made
	put, err := p.put(u.account.ID)
	if err != nil {
		return err
	}
	c.Account = u.account.ID
	_, err = s.cfg.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{use(id, c), put}})
	switch {
	case mail.Is(err, mail.Exists):
		return stale()
	case mail.Is(err, mail.Conflict):
		return mail.Errorf(mail.Unavailable, "the passkey is used twice at this moment; try again")
	}
	return err
}

// owner is who a handle says they are, if they may log in.
func (s *Service) owner(ctx context.Context, id mail.AccountID) (*user, error) {
	account, err := s.cfg.Directory.Account(ctx, id)
	switch {
	case mail.Is(err, mail.NotFound):
		return nil, refused()
	case err != nil:
		return nil, err
	case account.Disabled:
		return nil, refused()
	}
	have, err := s.Passkeys(ctx, id)
	return &user{account, have}, err
}

func refused() error {
	return mail.Errorf(mail.Unauthenticated, "this passkey is not known here, or its answer is not right")
}

func idOf(credential []byte) string {
	sum := sha256.Sum256(credential)
	return hex.EncodeToString(sum[:])
}

package factor

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
)

// The kinds of notes. The keys are "<account id>/state", "<account id>/<hex SHA-256 of the credential's id>", and the hex SHA-256 of a
// challenge that was used.
const (
	Kind        = "factor"
	KindPasskey = "passkey"
	KindUsed    = "passkey-used"
)

// Bounds.
const (
	RecoveryCodes = 10
	MaxPasskeys   = 20
	enrolFor      = 15 * time.Minute
	tries         = 4 // to write on top of what was read
)

// Config is what a Service works with. All but Clock and Log must be set.
type Config struct {
	Notes     mail.Notes
	Journal   mail.Journal
	Directory mail.Directory
	Passwords *directory.Passwords
	Secret    []byte   // of the installation
	Host      string   // the name that the web is reached by; passkeys are bound to it
	Origins   []string // of the pages that may use passkeys: "https://host" or "https://host:port"
	Issuer    string   // what authenticator apps call us; "" is Host
	Clock     mail.Clock
	Log       *slog.Logger
}

// Service keeps second factors.
type Service struct {
	cfg      Config
	key      []byte
	passkeys *webauthn.WebAuthn // nil: the host's name is none that passkeys can be bound to
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Issuer == "" {
		cfg.Issuer = cfg.Host
	}
	m := hmac.New(sha256.New, cfg.Secret)
	m.Write([]byte("service/factor challenge"))
	return &Service{cfg: cfg, key: m.Sum(nil), passkeys: newWebAuthn(cfg)}
}

// State is what an account has.
type State struct {
	TOTP     bool
	Passkeys int
	Recovery int // codes that are left
}

// On reports whether a password alone is not enough.
func (s State) On() bool { return s.TOTP || s.Passkeys > 0 }

// Ways are the names of what can be given beside a password: "totp", "passkey", "recovery".
func (s State) Ways() []string {
	ways := []string{}
	if s.TOTP {
		ways = append(ways, "totp")
	}
	if s.Passkeys > 0 {
		ways = append(ways, "passkey")
	}
	if s.Recovery > 0 && s.On() {
		ways = append(ways, "recovery")
	}
	return ways
}

// record is the value of an account's note.
type record struct {
	Secret   []byte     `json:"secret,omitempty"`   // TOTP's; none: it is off
	Last     int64      `json:"last,omitempty"`     // step of the last good code
	Enrol    []byte     `json:"enrol,omitempty"`    // a secret whose owner has not shown a code yet
	Until    time.Time  `json:"until,omitzero"`     // of Enrol
	Recovery []string   `json:"recovery,omitempty"` // hashes
	Before   mail.Scope `json:"before,omitempty"`   // what the password was for before a factor was turned on
}

// held is a record as it was read.
type held struct {
	record
	account  mail.AccountID
	raw      []byte // nil: there is none
	passkeys []Passkey
}

func (k *held) state() State {
	return State{TOTP: len(k.Secret) > 0, Passkeys: len(k.passkeys), Recovery: len(k.Recovery)}
}

func (s *Service) read(ctx context.Context, account mail.AccountID) (*held, error) {
	k := &held{account: account}
	n, err := s.cfg.Notes.Note(ctx, Kind, stateKey(account))
	switch {
	case mail.Is(err, mail.NotFound):
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(n.Value, &k.record); err != nil {
			return nil, mail.Errorf(mail.Internal, "the second factors of account %d cannot be read: %w", account, err)
		}
		k.raw = n.Value
	}
	k.passkeys, err = s.Passkeys(ctx, account)
	return k, err
}

// put is the change that writes the record on top of what was read.
func (k *held) put() (mail.Change, error) {
	value, err := json.Marshal(k.record)
	if err != nil {
		return nil, mail.Errorf(mail.Internal, "second factors cannot be written: %w", err)
	}
	p := mail.PutNote{If: mail.NoteAbsent, Note: mail.Note{Kind: Kind, Key: stateKey(k.account), Account: k.account, Value: value}}
	if k.raw != nil {
		p.If, p.Was = mail.NoteIs, k.raw
	}
	return p, nil
}

// change reads an account's factors, lets edit change them, and commits that with what edit gives, on condition that nothing came between;
// else it does it once more. The password's scope follows: programs says what its owner wants when the first factor is turned on.
func (s *Service) change(ctx context.Context, account mail.AccountID, programs *bool, edit func(*held) ([]mail.Change, error)) error {
	for try := 1; ; try++ {
		err := s.changeOnce(ctx, account, programs, edit)
		if again := mail.Is(err, mail.Conflict) || mail.Is(err, mail.Exists); !again || try == tries {
			return err
		}
	}
}

func (s *Service) changeOnce(ctx context.Context, account mail.AccountID, programs *bool, edit func(*held) ([]mail.Change, error)) error {
	k, err := s.read(ctx, account)
	if err != nil {
		return err
	}
	was := k.state().On()
	changes, err := edit(k)
	if err != nil {
		return err
	}
	own, _, err := s.cfg.Passwords.Own(ctx, account)
	if err != nil {
		return err
	}
	scope := own.Scope
	switch is := k.state().On(); {
	case is && !was:
		k.Before = own.Scope
		if programs == nil || !*programs {
			scope = mail.ScopeWeb
		}
	case is && programs != nil:
		if scope = mail.ScopeWeb; *programs {
			scope = k.Before
		}
	case !is && was:
		scope, k.record = k.Before, record{}
	}
	put, err := k.put()
	if err != nil {
		return err
	}
	return s.cfg.Passwords.SetScope(ctx, account, scope, append([]mail.Change{put}, changes...)...)
}

// State tells what an account has.
func (s *Service) State(ctx context.Context, account mail.AccountID) (State, error) {
	k, err := s.read(ctx, account)
	if err != nil {
		return State{}, err
	}
	return k.state(), nil
}

// Programs reports whether mail programs may log in with the account's own password.
func (s *Service) Programs(ctx context.Context, account mail.AccountID) (bool, error) {
	own, ok, err := s.cfg.Passwords.Own(ctx, account)
	return ok && own.Scope != mail.ScopeWeb, err
}

// SetPrograms says whether they may, while a second factor is on. Denied when none is: then they may.
func (s *Service) SetPrograms(ctx context.Context, account mail.AccountID, programs bool) error {
	return s.change(ctx, account, &programs, func(k *held) ([]mail.Change, error) {
		if !k.state().On() {
			return nil, mail.Errorf(mail.Denied, "without a second factor programs may use the password; turn one on first")
		}
		return nil, nil
	})
}

// Enrolment is what an authenticator app is to be told, once.
type Enrolment struct {
	Secret string // base32
	URI    string // otpauth://
}

// BeginTOTP makes a secret that counts once its owner has shown a code of it (ConfirmTOTP), within 15 minutes.
func (s *Service) BeginTOTP(ctx context.Context, account mail.Account) (Enrolment, error) {
	secret := newTOTPSecret()
	err := s.change(ctx, account.ID, nil, func(k *held) ([]mail.Change, error) {
		k.Enrol, k.Until = secret, s.cfg.Clock.Now().Add(enrolFor)
		return nil, nil
	})
	if err != nil {
		return Enrolment{}, err
	}
	return Enrolment{base32Text.EncodeToString(secret), totpURI(s.cfg.Issuer, string(account.Address), secret)}, nil
}

// ConfirmTOTP turns codes on, in place of those of an earlier app, and gives new recovery codes. programs says whether mail programs may go on using
// the password when this is the first factor; nil: they may not, or as it was. Unauthenticated for a wrong code; NotFound when none was begun.
func (s *Service) ConfirmTOTP(ctx context.Context, account mail.AccountID, code string, programs *bool) ([]string, error) {
	codes, hashes := newRecovery(account)
	err := s.change(ctx, account, programs, func(k *held) ([]mail.Change, error) {
		now := s.cfg.Clock.Now()
		if len(k.Enrol) == 0 || !now.Before(k.Until) {
			return nil, mail.Errorf(mail.NotFound, "the secret is not waiting for a code any more; begin again")
		}
		step, ok := totpMatch(k.Enrol, directory.PlainSecret(code), now, 0)
		if !ok {
			return nil, wrong()
		}
		k.Secret, k.Last, k.Enrol, k.Until, k.Recovery = k.Enrol, step, nil, time.Time{}, hashes
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// RemoveTOTP turns codes off. NotFound when they are.
func (s *Service) RemoveTOTP(ctx context.Context, account mail.AccountID) error {
	return s.change(ctx, account, nil, func(k *held) ([]mail.Change, error) {
		if len(k.Secret) == 0 {
			return nil, mail.Errorf(mail.NotFound, "no authenticator app is set up")
		}
		k.Secret, k.Last = nil, 0
		return nil, nil
	})
}

// RenewRecovery makes new recovery codes in place of the old. Denied without a second factor that they could stand for.
func (s *Service) RenewRecovery(ctx context.Context, account mail.AccountID) ([]string, error) {
	codes, hashes := newRecovery(account)
	err := s.change(ctx, account, nil, func(k *held) ([]mail.Change, error) {
		if !k.state().On() {
			return nil, mail.Errorf(mail.Denied, "recovery codes stand for a second factor; turn one on first")
		}
		k.Recovery = hashes
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// Reset takes every second factor of an account away, for an operator whose user has lost them. The password stays.
func (s *Service) Reset(ctx context.Context, account mail.AccountID) error {
	return s.change(ctx, account, nil, func(k *held) ([]mail.Change, error) {
		var gone []mail.Change
		for _, p := range k.passkeys {
			gone = append(gone, mail.RemoveNote{Kind: KindPasskey, Key: passkeyKey(account, p.ID)})
		}
		k.Secret, k.passkeys, k.Enrol = nil, nil, nil
		return gone, nil
	})
}

// Check takes a code of an authenticator app, or a recovery code, as it was typed. Each is good once. Unauthenticated.
func (s *Service) Check(ctx context.Context, account mail.AccountID, code string) error {
	code = directory.PlainSecret(code)
	return s.change(ctx, account, nil, func(k *held) ([]mail.Change, error) {
		switch {
		case !k.state().On():
			return nil, wrong()
		case isCode(code):
			step, ok := totpMatch(k.Secret, code, s.cfg.Clock.Now(), k.Last)
			if len(k.Secret) == 0 || !ok {
				return nil, wrong()
			}
			k.Last = step
			return nil, nil
		}
		sum, at := hashRecovery(account, code), -1
		for i, h := range k.Recovery {
			if subtle.ConstantTimeCompare([]byte(h), []byte(sum)) == 1 {
				at = i
			}
		}
		if at < 0 {
			return nil, wrong()
		}
		k.Recovery = slices.Delete(slices.Clone(k.Recovery), at, at+1)
		return nil, nil
	})
}

func wrong() error {
	return mail.Errorf(mail.Unauthenticated, "the code is wrong, too old, or was used before; take the next one that the app shows")
}

// newRecovery makes codes for people to keep, and what is stored of them.
func newRecovery(account mail.AccountID) (codes, hashes []string) {
	for range RecoveryCodes {
		code := directory.NewSecret("-")
		codes = append(codes, code)
		hashes = append(hashes, hashRecovery(account, directory.PlainSecret(code)))
	}
	return codes, hashes
}

// hashRecovery needs to cost nothing: a code has 80 random bits.
func hashRecovery(account mail.AccountID, code string) string {
	sum := sha256.Sum256([]byte("recovery\x00" + strconv.FormatInt(int64(account), 10) + "\x00" + code))
	return hex.EncodeToString(sum[:])
}

func stateKey(account mail.AccountID) string { return prefix(account) + "state" }

func prefix(account mail.AccountID) string { return strconv.FormatInt(int64(account), 10) + "/" }

func passkeyKey(account mail.AccountID, id string) string {
	return prefix(account) + strings.ToLower(id)
}

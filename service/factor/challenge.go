package factor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/postrider/postrider/mail"
)

// What challenges are for, and how long they and a proved password are good.
const (
	forRegistration = "register"
	forLogin        = "login"
	forStep         = "step"

	challengeFor = 5 * time.Minute
	maxSealed    = 8 << 10
	maxUser      = 1 << 10
)

// challenge is what we tell ourselves through the browser, sealed so that nobody can make or change one.
type challenge struct {
	What    string                `json:"what"`
	Until   time.Time             `json:"until"`
	Account mail.AccountID        `json:"account,omitempty"`
	User    string                `json:"user,omitempty"`
	Data    *webauthn.SessionData `json:"data,omitempty"`
}

// seal gives a challenge as text that is safe in JSON and in a cookie.
func (s *Service) seal(c challenge) (string, error) {
	c.Until = s.cfg.Clock.Now().Add(challengeFor)
	b, err := json.Marshal(c)
	if err != nil {
		return "", mail.Errorf(mail.Internal, "a challenge cannot be written: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(b)
	return text + "." + s.sign(text), nil
}

func (s *Service) sign(text string) string {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// unseal reads one that is ours, is for this, and has not expired. Unauthenticated.
func (s *Service) unseal(sealed, what string) (challenge, error) {
	text, mac, ok := strings.Cut(sealed, ".")
	if !ok || len(sealed) > maxSealed {
		return challenge{}, stale()
	}
	// Compared as text: of a challenge there is one spelling, or it could be answered once in each.
	if !hmac.Equal([]byte(mac), []byte(s.sign(text))) {
		return challenge{}, stale()
	}
	var c challenge
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(b, &c) != nil || c.What != what || !s.cfg.Clock.Now().Before(c.Until) || what != forStep && c.Data == nil {
		return challenge{}, stale()
	}
	return c, nil
}

func stale() error {
	return mail.Errorf(mail.Unauthenticated, "that took too long, or was answered already; begin again")
}

// use is the change that lets a challenge be answered once.
func use(sealed string, c challenge) mail.Change {
	sum := sha256.Sum256([]byte(sealed))
	return mail.PutNote{If: mail.NoteAbsent, Note: mail.Note{Kind: KindUsed, Key: hex.EncodeToString(sum[:]), Account: c.Account, Expires: c.Until}}
}

// Step is a proof that somebody gave an account's password, for five minutes: with it, a passkey that does not look who holds it is a second factor.
func (s *Service) Step(account mail.AccountID) (string, error) {
	return s.seal(challenge{What: forStep, Account: account})
}

// Stepped gives the account of such a proof; 0 when it is none.
func (s *Service) Stepped(step string) mail.AccountID {
	c, err := s.unseal(step, forStep)
	if err != nil {
		return 0
	}
	return c.Account
}

package account

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/factor"
	"github.com/postrider/postrider/service/session"
)

// stepCookie holds the proof that a password was right, while its second factor is asked for.
const stepCookie = "__Host-postrider-step"

// minPassword is how many characters a password has that its owner chooses here.
const minPassword = 8

// Me is who is logged in, as the page knows them.
type Me struct {
	Address      string    `json:"address"`
	Name         string    `json:"name"`
	Account      string    `json:"account"` // JMAP's id
	Admin        bool      `json:"admin"`
	Hostname     string    `json:"hostname"`
	Version      string    `json:"version"`
	SecondFactor bool      `json:"secondFactor"`
	Ways         []string  `json:"ways"` // of the second factor
	Passkeys     int       `json:"passkeys"`
	Recovery     int       `json:"recovery"` // codes that are left
	Programs     bool      `json:"programs"` // mail programs may use the account's own password
	Session      meSession `json:"session"`
	Features     []string  `json:"features"`
}

type meSession struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// me tells who is logged in.
func (v *visit) me() (any, error) {
	c := v.h.cfg
	state, err := c.Factors.State(v.ctx, v.account.ID)
	if err != nil {
		return nil, err
	}
	programs, err := c.Factors.Programs(v.ctx, v.account.ID)
	if err != nil {
		return nil, err
	}
	return Me{
		Address: string(v.account.Address), Name: v.account.Name, Account: "A" + strconv.FormatInt(int64(v.account.ID), 10), Admin: v.account.Admin,
		Hostname: c.Hostname, Version: c.Version, SecondFactor: state.On(), Ways: state.Ways(), Passkeys: state.Passkeys, Recovery: state.Recovery,
		Programs: programs, Session: meSession{v.session.ID, v.session.Created, v.session.Expires}, Features: append([]string{}, c.Features...),
	}, nil
}

// login takes a password and, where it is asked for, a code.
func (v *visit) login() (any, error) {
	var in struct {
		User     string `json:"user"`
		Password string `json:"password"`
		Code     string `json:"code"`
		Remember bool   `json:"remember"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	account, err := v.h.auth.LoginWith(v.ctx, in.User, in.Password, peer(v.r), func(a mail.Account) error { return v.second(a, in.Code) })
	if err != nil {
		return nil, err
	}
	return v.begin(account, in.Remember)
}

// second asks for the second factor of somebody whose password is right.
func (v *visit) second(account mail.Account, code string) error {
	state, err := v.h.cfg.Factors.State(v.ctx, account.ID)
	if err != nil || !state.On() {
		return err
	}
	if code == "" {
		step, err := v.h.cfg.Factors.Step(account.ID)
		if err != nil {
			return err
		}
		http.SetCookie(v.w, &http.Cookie{Name: stepCookie, Value: step, Path: "/", MaxAge: 300, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
		return &needed{state.Ways(), mail.Errorf(mail.Denied, "the password is right; now your second factor is asked for")}
	}
	if err := v.h.cfg.Factors.Check(v.ctx, account.ID, code); mail.Is(err, mail.Unauthenticated) {
		return &needed{state.Ways(), err}
	} else if err != nil {
		return err
	}
	return nil
}

// begin makes the session of somebody who has proved themselves, in place of the one they had.
func (v *visit) begin(account mail.Account, remember bool) (any, error) {
	if old, s, ok, err := v.h.who(v.r); err == nil && ok {
		if err := v.h.cfg.Sessions.End(v.ctx, old.ID, s.ID); err != nil {
			return nil, err
		}
	}
	cookie, s, err := v.h.cfg.Sessions.Make(v.ctx, account, client(v.r, remember))
	if err != nil {
		return nil, err
	}
	v.account, v.session = account, s
	body, err := v.me()
	if err != nil {
		return nil, err
	}
	v.setCookie(cookie, s)
	if _, err := v.r.Cookie(stepCookie); err == nil {
		v.dropCookie(stepCookie)
	}
	return body, nil
}

// beginPasskeyLogin gives a challenge, the same to everybody.
func (v *visit) beginPasskeyLogin() (any, error) {
	var in struct {
		User string `json:"user"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	id, options, err := v.h.cfg.Factors.BeginLogin(in.User)
	return challengeJSON{id, options}, err
}

type challengeJSON struct {
	ID      string `json:"id"`
	Options any    `json:"options"`
}

// finishPasskeyLogin takes a passkey: alone when it looked who holds it, else behind the password.
func (v *visit) finishPasskeyLogin() (any, error) {
	var in struct {
		ID         string          `json:"id"`
		Credential json.RawMessage `json:"credential"`
		Remember   bool            `json:"remember"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	factors, account := v.h.cfg.Factors, mail.Account{}
	err := v.h.auth.Try(v.ctx, factors.Claimed(v.ctx, in.Credential), peer(v.r), func() error {
		proof, err := factors.FinishLogin(v.ctx, in.ID, in.Credential, v.enough)
		account = proof.Account
		return err
	})
	if err != nil {
		return nil, err
	}
	return v.begin(account, in.Remember)
}

// enough reports whether what a passkey proved opens the account.
func (v *visit) enough(p factor.Proof) error {
	if p.User != "" {
		named, err := v.h.auth.Account(v.ctx, p.User)
		if err != nil {
			return err
		}
		if named.ID != p.Account.ID {
			return mail.Errorf(mail.Denied, "that passkey is of another account; choose the one of %.200s", p.User)
		}
	}
	if p.Verified {
		return nil
	}
	if c, err := v.r.Cookie(stepCookie); err == nil && v.h.cfg.Factors.Stepped(c.Value) == p.Account.ID {
		return nil
	}
	return mail.Errorf(mail.Denied, "this passkey does not look who holds it; log in with your password first, and use it then")
}

// prove asks for the password once more before something that matters. A wrong one is Denied: the session has not ended.
func (v *visit) prove(password string) error {
	account, err := v.h.auth.Login(v.ctx, string(v.account.Address), password, peer(v.r))
	if mail.Is(err, mail.Unauthenticated) || err == nil && account.ID != v.account.ID {
		return mail.Errorf(mail.Denied, "the password is wrong")
	}
	return err
}

// changePassword gives the account a new password and ends all other sessions.
func (v *visit) changePassword() (any, error) {
	var in struct {
		Old string `json:"old"`
		New string `json:"new"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(in.New) < minPassword {
		return nil, mail.Errorf(mail.Invalid, "a password has %d characters at least; choose a longer one", minPassword)
	}
	if err := v.prove(in.Old); err != nil {
		return nil, err
	}
	cookie, err := v.r.Cookie(Cookie)
	if err != nil {
		return nil, stranger(v.r)
	}
	for range 3 {
		err = v.h.cfg.Passwords.Set(v.ctx, v.account.ID, in.New, func(c mail.Credential) ([]mail.Change, error) {
			return v.h.cfg.Sessions.Rekey(v.ctx, v.session, c)
		})
		if !mail.Is(err, mail.Conflict) {
			return nil, err
		}
		// The session was used meanwhile, and its note is another.
		var s session.Session
		if _, s, err = v.h.cfg.Sessions.Find(v.ctx, cookie.Value); err != nil {
			return nil, err
		}
		v.session = s
	}
	return nil, mail.Errorf(mail.Unavailable, "your session is being changed; try again")
}

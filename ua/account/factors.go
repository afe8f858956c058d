package account

import (
	"encoding/json"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/qrsvg"
	"github.com/postrider/postrider/service/factor"
)

// withPassword reads a request that is nothing but a password, and looks at it.
func (v *visit) withPassword() error {
	var in struct {
		Password string `json:"password"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return err
	}
	return v.prove(in.Password)
}

// try counts a proof given within a session as one given at the login. A wrong one is Denied: the session has not ended.
func (v *visit) try(prove func() error) error {
	err := v.h.auth.Try(v.ctx, string(v.account.Address), peer(v.r), prove)
	if mail.Is(err, mail.Unauthenticated) {
		return mail.Errorf(mail.Denied, "%s", mail.Sentence(err))
	}
	return err
}

func (v *visit) beginTOTP() (any, error) {
	if err := v.withPassword(); err != nil {
		return nil, err
	}
	e, err := v.h.cfg.Factors.BeginTOTP(v.ctx, v.account)
	if err != nil {
		return nil, err
	}
	svg, err := qrsvg.Draw(e.URI)
	if err != nil {
		return nil, mail.Errorf(mail.Internal, "the secret cannot be drawn: %w", err)
	}
	return struct {
		Secret string `json:"secret"`
		URI    string `json:"uri"`
		QR     string `json:"qr"`
	}{e.Secret, e.URI, svg}, nil
}

type recoveryJSON struct {
	Recovery []string `json:"recovery"`
}

func (v *visit) confirmTOTP() (any, error) {
	var in struct {
		Code     string `json:"code"`
		Programs *bool  `json:"programs"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	var out recoveryJSON
	err := v.try(func() (err error) {
		out.Recovery, err = v.h.cfg.Factors.ConfirmTOTP(v.ctx, v.account.ID, in.Code, in.Programs)
		return err
	})
	return out, err
}

func (v *visit) removeTOTP() (any, error) {
	if err := v.withPassword(); err != nil {
		return nil, err
	}
	return nil, v.h.cfg.Factors.RemoveTOTP(v.ctx, v.account.ID)
}

func (v *visit) renewRecovery() (any, error) {
	if err := v.withPassword(); err != nil {
		return nil, err
	}
	codes, err := v.h.cfg.Factors.RenewRecovery(v.ctx, v.account.ID)
	return recoveryJSON{codes}, err
}

// setPrograms says whether mail programs may use the account's own password while a second factor is on.
func (v *visit) setPrograms() (any, error) {
	var in struct {
		Programs bool   `json:"programs"`
		Password string `json:"password"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	if err := v.prove(in.Password); err != nil {
		return nil, err
	}
	return nil, v.h.cfg.Factors.SetPrograms(v.ctx, v.account.ID, in.Programs)
}

type passkeyJSON struct {
	ID       string    `json:"id"`
	Label    string    `json:"label"`
	Created  time.Time `json:"created"`
	Used     time.Time `json:"used,omitzero"`
	Recovery []string  `json:"recovery,omitempty"` // new codes, with the first second factor
}

func passkeyOf(p factor.Passkey) passkeyJSON {
	return passkeyJSON{ID: p.ID, Label: p.Label, Created: p.Created, Used: p.Used}
}

func (v *visit) passkeys() (any, error) {
	list, err := v.h.cfg.Factors.Passkeys(v.ctx, v.account.ID)
	if err != nil {
		return nil, err
	}
	out := struct {
		Passkeys []passkeyJSON `json:"passkeys"`
	}{[]passkeyJSON{}}
	for _, p := range list {
		out.Passkeys = append(out.Passkeys, passkeyOf(p))
	}
	return out, nil
}

func (v *visit) beginPasskey() (any, error) {
	if err := v.withPassword(); err != nil {
		return nil, err
	}
	id, options, err := v.h.cfg.Factors.BeginPasskey(v.ctx, v.account)
	return challengeJSON{id, options}, err
}

func (v *visit) finishPasskey() (any, error) {
	var in struct {
		ID         string          `json:"id"`
		Label      string          `json:"label"`
		Credential json.RawMessage `json:"credential"`
		Programs   *bool           `json:"programs"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	var out passkeyJSON
	err := v.try(func() error {
		p, recovery, err := v.h.cfg.Factors.FinishPasskey(v.ctx, v.account, in.ID, in.Label, in.Credential, in.Programs)
		out = passkeyOf(p)
		out.Recovery = recovery
		return err
	})
	return out, err
}

func (v *visit) removePasskey() (any, error) {
	var in struct {
		ID       string `json:"id"`
		Password string `json:"password"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	if err := v.prove(in.Password); err != nil {
		return nil, err
	}
	return nil, v.h.cfg.Factors.RemovePasskey(v.ctx, v.account.ID, in.ID)
}

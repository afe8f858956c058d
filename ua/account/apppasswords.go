package account

import (
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
)

// maxDays is how long an app password can last that expires.
const maxDays = 3650

type appPasswordJSON struct {
	Label    string    `json:"label"`
	Scopes   []string  `json:"scopes"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`
	Used     *usedJSON `json:"used,omitempty"`
	Password string    `json:"password,omitempty"` // of a new one, this once
}

type usedJSON struct {
	At      time.Time `json:"at"`
	Address string    `json:"address"`
	Service string    `json:"service"`
}

// appPasswords lists them with their latest use.
func (v *visit) appPasswords() (any, error) {
	list, err := v.h.cfg.Directory.Credentials(v.ctx, v.account.ID)
	if err != nil {
		return nil, err
	}
	seen, err := directory.ClientsOf(v.ctx, v.h.cfg.Notes, v.account.ID)
	if err != nil {
		return nil, err
	}
	latest := map[string]*usedJSON{}
	for _, c := range seen { // the latest comes first
		if latest[c.Label] == nil {
			latest[c.Label] = &usedJSON{c.At, addressText(c.Address), c.Service}
		}
	}
	out := struct {
		Passwords []appPasswordJSON `json:"passwords"`
	}{[]appPasswordJSON{}}
	for _, c := range list {
		if c.Label != mail.Password {
			out.Passwords = append(out.Passwords, appPasswordJSON{Label: c.Label, Scopes: directory.ScopeNames(c.Scope), Created: c.Created, Expires: c.Expires, Used: latest[c.Label]})
		}
	}
	return out, nil
}

func (v *visit) addAppPassword() (any, error) {
	var in struct {
		Label  string   `json:"label"`
		Scopes []string `json:"scopes"`
		Days   *int     `json:"days"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	scope, err := directory.ParseScope(in.Scopes)
	if err != nil {
		return nil, err
	}
	var expires time.Time
	if in.Days != nil {
		if *in.Days < 1 || *in.Days > maxDays {
			return nil, mail.Errorf(mail.Invalid, "an app password that expires is good for 1 to %d days", maxDays)
		}
		expires = v.h.cfg.Clock.Now().Add(time.Duration(*in.Days) * 24 * time.Hour)
	}
	shown, c, err := v.h.cfg.Passwords.AddApp(v.ctx, v.account.ID, in.Label, scope, expires)
	if err != nil {
		return nil, err
	}
	return appPasswordJSON{Label: c.Label, Scopes: directory.ScopeNames(c.Scope), Created: c.Created, Expires: c.Expires, Password: shown}, nil
}

func (v *visit) removeAppPassword() (any, error) {
	var in struct {
		Label string `json:"label"`
	}
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	return nil, v.h.cfg.Passwords.RemoveApp(v.ctx, v.account.ID, in.Label)
}

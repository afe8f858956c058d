package webapi

import (
	"context"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/httpapi"
	"github.com/postrider/postrider/mail"
)

// selfKey is where a request's context has the address of who asks.
type selfKey struct{}

// check looks at what would do harm.
func check(ctx context.Context, path string, request any, confirm string) error {
	self, _ := ctx.Value(selfKey{}).(mail.Path)
	switch r := request.(type) {
	case admin.AccountName:
		if path != httpapi.PathAccountRemove {
			return nil
		}
		if same(r.Address, string(self)) {
			return mail.Errorf(mail.Denied, "you cannot remove your own account here; another administrator can, or: postrider account remove %s", self)
		}
		return confirmed(confirm, r.Address)
	case admin.DomainName:
		if path == httpapi.PathDomainRemove {
			return confirmed(confirm, r.Name)
		}
	case admin.PasswordChange:
		if same(r.Address, string(self)) {
			return mail.Errorf(mail.Denied, "your own password is changed in your settings, where the old one is asked for")
		}
		return confirmed(confirm, r.Address)
	case admin.AccountUpdate:
		if !same(r.Address, string(self)) {
			return nil
		}
		if r.Admin != nil && !*r.Admin {
			return mail.Errorf(mail.Denied, "you cannot take your own right to administer away here; another administrator can, or: postrider account set %s --no-admin", self)
		}
		if r.Disabled != nil && *r.Disabled {
			return mail.Errorf(mail.Denied, "you cannot disable your own account here; another administrator can, or: postrider account disable %s", self)
		}
	}
	return nil
}

// confirmed demands the name of what is meant.
func confirmed(confirm, name string) error {
	if !same(confirm, name) {
		return mail.Errorf(mail.Invalid, "this cannot be undone; give the name of what is meant once more in the field \"confirm\"")
	}
	return nil
}

// same compares two names in whatever spelling. Nothing is the same as what is no name.
func same(a, b string) bool {
	x, err := admin.Canonical(a)
	if err != nil {
		return false
	}
	y, err := admin.Canonical(b)
	return err == nil && x == y
}

package directory

import (
	"slices"

	"github.com/postrider/postrider/mail"
)

// scopes are the names that people and notes have for what a credential may be used for.
var scopes = []struct {
	scope mail.Scope
	name  string
}{
	{mail.ScopeIMAP, "imap"}, {mail.ScopePOP3, "pop3"}, {mail.ScopeSMTP, "smtp"}, {mail.ScopeJMAP, "jmap"}, {mail.ScopeWeb, "web"},
}

// programs is every scope but the web.
const programs = mail.ScopeIMAP | mail.ScopePOP3 | mail.ScopeSMTP | mail.ScopeJMAP

// ScopeNames are the names of what a credential of the scope may be used for: "imap", "pop3", "smtp", "jmap", "web".
func ScopeNames(s mail.Scope) []string {
	names := []string{}
	for _, k := range scopes {
		if s.Allows(k.scope) {
			names = append(names, k.name)
		}
	}
	return names
}

// ParseScope is the scope of an app password for the services named: at least one, none of them the web. Invalid.
func ParseScope(names []string) (mail.Scope, error) {
	var s mail.Scope
	for _, name := range names {
		i := slices.IndexFunc(scopes, func(k struct {
			scope mail.Scope
			name  string
		}) bool {
			return k.name == name
		})
		if i < 0 || scopes[i].scope&programs == 0 {
			return 0, mail.Errorf(mail.Invalid, "an app password can be for imap, pop3, smtp and jmap; %.40q is none of them", name)
		}
		s |= scopes[i].scope
	}
	if s == 0 {
		return 0, mail.Errorf(mail.Invalid, "say what the app password is for: imap, pop3, smtp or jmap")
	}
	return s, nil
}

// scopeName is the name of one scope; "" of none or several.
func scopeName(s mail.Scope) string {
	for _, k := range scopes {
		if k.scope == s {
			return k.name
		}
	}
	return ""
}

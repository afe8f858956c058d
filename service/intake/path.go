package intake

import (
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/smtp"
)

// Path is a path of an SMTP command in canonical spelling: the domain as A-labels, the local part as it was given.
func Path(p smtp.Path) (mail.Path, error) {
	if p.Domain == "" || strings.HasPrefix(p.Domain, "[") {
		return mail.Path(p.String()), nil
	}
	domain, err := addr.NormalDomain(p.Domain)
	if err != nil {
		return "", &mail.Error{Kind: mail.Invalid, Enhanced: "5.1.3", Text: p.Domain + " is not a domain name", Err: err}
	}
	p.Domain = domain
	return mail.Path(p.String()), nil
}

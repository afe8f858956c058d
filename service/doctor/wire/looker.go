// Package wire looks at servers from the outside, as strangers see them.
//
// It takes ports and addresses of web pages from service/doctor, connects through a Dialer, and hands back values: what a port showed (Probe), a page
// (Get), what is wrong with a chain of certificates (Judge), an SMTP dialogue to go on with (Open). It says nothing to a server but greetings,
// STARTTLS and GET.
//
// Invariants:
//   - Every dialogue is over when its context is.
//   - What is read is bounded: replies by proto/smtp, lines by 2 KiB, the head of a page by 32 KiB and its body by 64 KiB and one octet.
//   - TLS is spoken whatever the certificate, because the certificate is what is looked at; only Get with strict trusts what it hears.
//
// RFCs: RFC 5321 3.1, RFC 3207, RFC 9051 6.2.1 and RFC 2595 4 (going over to TLS), RFC 8461 3.3 (fetching without redirects), RFC 5280 6 and RFC 9525
// (certificates).
package wire

import (
	"crypto/x509"

	"github.com/postrider/postrider/mail"
)

// Looker looks. All but Roots are required.
type Looker struct {
	Dialer Dialer
	Roots  *x509.CertPool // authorities that count; nil: the system's
	Clock  mail.Clock
	Host   string // ours: said in EHLO, and asked for in TLS
}

// Me is what we call ourselves in a dialogue.
func (l *Looker) Me() string {
	if l.Host == "" {
		return "localhost"
	}
	return l.Host
}

package smtpd

import (
	"context"
	"crypto/tls"
	"io"
	"net"

	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/proto/smtp"
)

// Conn is what a Session may know about its connection. The engine keeps it current; a Session reads it inside its
// methods only.
type Conn struct {
	ID       string // random, unique among living connections: for logs and traces
	Remote   net.Addr
	Local    net.Addr
	Hello    string               // the client's name for itself; empty before it said any
	TLS      *tls.ConnectionState // nil without TLS
	ESMTP    bool                 // the client said EHLO (or LHLO), not HELO
	LMTP     bool
	UTF8     bool   // the transaction at hand was opened with SMTPUTF8
	AuthUser string // who authenticated; empty for nobody
}

// With gives the protocol word of a Received field: SMTP, ESMTP, LMTP and their forms with S for TLS and A for
// authentication (RFC 3848 1), or UTF8SMTP and its forms (RFC 6531 4.3).
func (c *Conn) With() string {
	word := "SMTP"
	switch {
	case c.LMTP && c.UTF8:
		word = "UTF8LMTP"
	case c.LMTP:
		word = "LMTP"
	case c.UTF8:
		word = "UTF8SMTP"
	case c.ESMTP:
		word = "ESMTP"
	default:
		return word // HELO has no forms
	}
	if c.TLS != nil {
		word += "S"
	}
	if c.AuthUser != "" {
		word += "A"
	}
	return word
}

// Bindings gives the channel bindings of the connection, for SCRAM-SHA-256-PLUS; none without TLS.
func (c *Conn) Bindings() []sasl.Binding {
	if c.TLS == nil {
		return nil
	}
	b, err := sasl.ExporterBinding(c.TLS.ExportKeyingMaterial)
	if err != nil {
		return nil // TLS 1.2 without extended master secret: no binding, so no PLUS
	}
	return []sasl.Binding{b}
}

// Backend makes a Session for each connection. An error refuses the connection: its reply is sent in place of the
// greeting, with code 421 or 554 (RFC 5321 3.1).
type Backend interface {
	NewSession(ctx context.Context, c *Conn) (Session, error)
}

// Session decides. An error that is, or wraps, a *smtp.Reply is sent as it is (one of class 2 accepts with its own
// words; 421 closes the connection); any other error goes through ReplyFor. The context ends when the connection does, or when
// the server stops and the time of grace is over.
type Session interface {
	// Mail opens a transaction.
	Mail(ctx context.Context, m *smtp.Mail) error
	// Rcpt adds a recipient.
	Rcpt(ctx context.Context, r *smtp.Rcpt) error
	// Data takes the message: lines that end with CR LF, without stuffed dots, at most Config.MaxSize octets. It must read to io.EOF
	// before it stores anything, and must not keep body. A nil reply means "250 2.0.0 OK". Where the body ended with
	// an error, the engine has its own reply and what Data returns is not sent.
	Data(ctx context.Context, body io.Reader) (*smtp.Reply, error)
	// Reset ends the transaction that a successful Mail opened, whether it was completed or not.
	Reset()
	// Close ends the session. It is called once, after which nothing is.
	Close()
}

// Authenticator is a Session that offers AUTH. Its Mechanisms are asked for with each EHLO, so they may depend on TLS.
// An error of the exchange refuses: kinds Unavailable, TooMany and Internal with 454, Denied with its own sentence
// (so it must come only after the secret was proven), all others with the same 535.
type Authenticator interface {
	Mechanisms() []string
	Authenticate(ctx context.Context, mechanism string) (sasl.Server, error)
	// Authenticated tells who it was, after success.
	Authenticated(user string)
}

// PerRecipient is a Session for LMTP that answers for each accepted recipient, in the order of RCPT (RFC 2033 4.2). A nil
// reply means "250 2.0.0 OK". An error answers for all. Without it the reply of Data is repeated.
type PerRecipient interface {
	DataLMTP(ctx context.Context, body io.Reader) ([]*smtp.Reply, error)
}

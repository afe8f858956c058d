package msa

import (
	"context"
	cryptotls "crypto/tls"
	"io"
	"log/slog"
	"net"

	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/proto/smtp"
	"github.com/postrider/postrider/service/intake"
)

// Door makes sessions for our users' programs. It implements smtpd.Backend.
type Door struct {
	Agent *Agent
	Auth  Authenticator
}

// Authenticator proves who connects (service/directory).
type Authenticator interface {
	Mechanisms(state *cryptotls.ConnectionState) []string
	SASL(ctx context.Context, mechanism string, state *cryptotls.ConnectionState, peer net.Addr) (sasl.Server, error)
	Account(ctx context.Context, user string) (mail.Account, error)
}

// NewSession greets anybody; nothing but AUTH is open to them yet.
func (d *Door) NewSession(_ context.Context, c *smtpd.Conn) (smtpd.Session, error) {
	return &session{door: d, conn: c, log: d.Agent.Log.With("role", role, "session", c.ID, "peer", c.Remote.String())}, nil
}

// session is one connection's state.
type session struct {
	door    *Door
	conn    *smtpd.Conn
	log     *slog.Logger
	account mail.Account // ID is 0 before authentication

	tx intake.Transaction
}

// Mechanisms implements smtpd.Authenticator.
func (s *session) Mechanisms() []string { return s.door.Auth.Mechanisms(s.conn.TLS) }

// Authenticate implements smtpd.Authenticator.
func (s *session) Authenticate(ctx context.Context, mechanism string) (sasl.Server, error) {
	inner, err := s.door.Auth.SASL(ctx, mechanism, s.conn.TLS, s.conn.Remote)
	if err != nil {
		return nil, err
	}
	return &proving{Server: inner, session: s, ctx: ctx}, nil
}

// Authenticated implements smtpd.Authenticator.
func (s *session) Authenticated(string) {
	s.log = s.log.With("account", string(s.account.Address))
}

// proving finds the account of a name that has proved itself, as the last step of the exchange: what fails there fails
// the authentication.
type proving struct {
	sasl.Server
	session *session
	ctx     context.Context //nolint:containedctx // of the one AUTH command this serves
}

// Next implements sasl.Server.
func (p *proving) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := p.Server.Next(response)
	if err != nil || !done {
		return challenge, done, err
	}
	account, err := p.session.door.Auth.Account(p.ctx, p.Username())
	if err != nil {
		return nil, false, err
	}
	p.session.account = account
	return challenge, true, nil
}

// Mail begins a transaction of somebody we know, as an address of theirs.
func (s *session) Mail(ctx context.Context, m *smtp.Mail) error {
	if s.account.ID == 0 {
		return &mail.Error{Kind: mail.Unauthenticated, Enhanced: "5.7.0",
			Text: "authentication required: this port is for our users; log in, or bring mail for our domains to port 25"}
	}
	var tx intake.Transaction
	if err := tx.Begin(m); err != nil {
		return err
	}
	err := s.door.Agent.mayEnvelope(ctx, s.account, tx.Envelope.From)
	if err == nil {
		err = s.door.Agent.mayMore(ctx, s.account.ID)
	}
	if err != nil {
		s.refused(tx.Envelope.From, "", err)
		return err
	}
	s.tx = tx
	return nil
}

// Rcpt accepts whoever can exist.
func (s *session) Rcpt(ctx context.Context, r *smtp.Rcpt) error {
	p, err := intake.Path(r.To)
	if err != nil {
		return err
	}
	rcpt, err := s.door.Agent.recipient(ctx, p, s.tx.Size)
	if err != nil {
		s.refused(s.tx.Envelope.From, p, err)
		return err
	}
	s.tx.Add(rcpt)
	return nil
}

func (s *session) refused(from, to mail.Path, err error) {
	s.log.Info("submission refused", "from", string(from), "to", string(to), "kind", mail.KindOf(err).String(), "reason", err.Error())
	s.door.Agent.Intake.Rejections.Add(mail.Event{Trace: newTrace(s.door.Agent.Clock), From: from, To: to, Account: s.account.ID, Role: role, Peer: intake.Peer(s.conn), Reason: mail.Sentence(err)})
}

// Data takes the message. Its 250 is given only after the commit.
func (s *session) Data(ctx context.Context, body io.Reader) (*smtp.Reply, error) {
	l, err := s.door.Agent.take(ctx, submission{
		account: s.account, env: s.tx.Envelope, to: s.tx.To, body: body, peer: intake.Peer(s.conn), tls: tls.Describe(s.conn.TLS, false),
		received: func(l *mail.Letter) []byte { return s.door.Agent.Intake.Received(s.conn, l, "") },
	})
	if err != nil {
		s.log.Info("message refused", "from", string(s.tx.Envelope.From), "reason", err.Error())
		return nil, err
	}
	return intake.Taken(l), nil
}

// Reset ends the transaction.
func (s *session) Reset() { s.tx.Reset() }

// Close ends the connection.
func (s *session) Close() {}

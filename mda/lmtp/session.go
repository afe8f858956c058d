package lmtp

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
	"github.com/postrider/postrider/service/intake"
)

const role = "mda/lmtp"

// Door makes sessions. It implements smtpd.Backend.
type Door struct {
	Intake   *intake.Intake
	Resolver mail.Resolver
	Log      *slog.Logger
}

// NewSession greets whoever the listener let in.
func (d *Door) NewSession(_ context.Context, c *smtpd.Conn) (smtpd.Session, error) {
	return &session{door: d, conn: c, log: d.Log.With("role", role, "session", c.ID)}, nil
}

type session struct {
	door *Door
	conn *smtpd.Conn
	log  *slog.Logger

	tx intake.Transaction
}

// Mail begins a transaction.
func (s *session) Mail(_ context.Context, m *smtp.Mail) error {
	return s.tx.Begin(m)
}

// Rcpt accepts a recipient that is ours.
func (s *session) Rcpt(ctx context.Context, r *smtp.Rcpt) error {
	p, err := intake.Path(r.To)
	if err != nil {
		return err
	}
	res, err := s.door.Resolver.Resolve(ctx, p, s.tx.Size)
	if err != nil {
		s.log.Info("recipient refused", "from", string(s.tx.Envelope.From), "to", string(p), "reason", err.Error())
		s.door.Intake.Rejections.Add(mail.Event{From: s.tx.Envelope.From, To: p, Role: role, Peer: intake.Peer(s.conn), Reason: mail.Sentence(err)})
		return err
	}
	s.tx.Add(intake.Recipient{Path: p, Resolution: res})
	return nil
}

// Data is never called: the engine prefers DataLMTP.
func (s *session) Data(context.Context, io.Reader) (*smtp.Reply, error) {
	return nil, mail.Errorf(mail.Internal, "LMTP wants a reply per recipient")
}

// DataLMTP takes the message and answers for each recipient (RFC 2033 4.2).
func (s *session) DataLMTP(ctx context.Context, body io.Reader) ([]*smtp.Reply, error) {
	content, err := s.door.Intake.Receive(ctx, body)
	if err != nil {
		return nil, err
	}
	defer content.Body.Discard()
	l := s.door.Intake.Letter(content, s.tx.Envelope)
	l.Role, l.Peer, l.TLS = role, intake.Peer(s.conn), tls.Describe(s.conn.TLS, false)
	l.Prefix = s.door.Intake.Received(s.conn, l, "")

	replies := make([]*smtp.Reply, len(s.tx.To))
	err = s.door.Intake.Commit(ctx, l, s.tx.To)
	if err == nil {
		for i := range replies {
			replies[i] = intake.Taken(l)
		}
		s.log.Info("message taken", "trace", string(l.Trace), "message_id", l.Thread.MessageID, "from", string(s.tx.Envelope.From), "recipients", len(s.tx.To), "size", l.Size())
		return replies, nil
	}
	if mail.KindOf(err).Temporary() && !errors.As(err, new(*mail.ChangeError)) || len(s.tx.To) == 1 {
		s.log.Warn("message not taken", "trace", string(l.Trace), "error", err)
		return nil, err
	}
	for i, r := range s.tx.To {
		replies[i] = s.alone(ctx, l, r)
	}
	return replies, nil
}

// alone commits the letter for one recipient.
func (s *session) alone(ctx context.Context, l *mail.Letter, r intake.Recipient) *smtp.Reply {
	if err := s.door.Intake.Commit(ctx, l, []intake.Recipient{r}); err != nil {
		s.log.Info("recipient refused after the data", "trace", string(l.Trace), "to", string(r.Path), "reason", err.Error())
		return smtpd.ReplyFor(err)
	}
	return intake.Taken(l)
}

// Reset ends the transaction.
func (s *session) Reset() { s.tx.Reset() }

// Close ends the connection.
func (s *session) Close() {}

package inbound

import (
	"context"
	"io"
	"log/slog"
	"net/netip"

	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
	"github.com/postrider/postrider/service/intake"
)

const role = "mta/inbound"

// Door makes sessions for hosts that bring mail. It implements smtpd.Backend.
type Door struct {
	Intake   *intake.Intake
	Resolver mail.Resolver
	Names    Names          // may be nil: clients are then known by address alone
	Relay    []netip.Prefix // who may send to foreign domains
	Trusted  []netip.Prefix // whose mail is not examined; those who may relay are among them
	Rates    Rates          // may be nil
	Judge    Judge          // nil: everybody is believed
	Scanner  Scanner        // may be nil
	Assessor Assessor       // may be nil
	Reports  Reports        // may be nil
	Reader   Reader         // may be nil
	Log      *slog.Logger
}

// Rates bound what clients and senders bring (service/limits). They wait for nothing.
type Rates interface {
	Message(ip netip.Addr) error
	Sender(path mail.Path, ip netip.Addr) error
}

// NewSession greets anybody.
func (d *Door) NewSession(_ context.Context, c *smtpd.Conn) (smtpd.Session, error) {
	return &session{door: d, conn: c, log: d.Log.With("role", role, "session", c.ID, "peer", c.Remote.String())}, nil
}

// session is one connection's state.
type session struct {
	door *Door
	conn *smtpd.Conn
	log  *slog.Logger
	name *reverse // of the client; started by the first transaction

	tx intake.Transaction
}

// Mail begins a transaction.
func (s *session) Mail(_ context.Context, m *smtp.Mail) error {
	if err := s.tx.Begin(m); err != nil {
		return err
	}
	if err := s.rates(); err != nil {
		s.log.Info("message refused", "from", string(s.tx.Envelope.From), "reason", err.Error())
		s.tx.Reset()
		return err
	}
	if s.name == nil {
		s.name = lookUp(s.door.Names, s.conn.Remote)
	}
	return nil
}

// rates asks whether the client and the sender may bring one more.
func (s *session) rates() error {
	if s.door.Rates == nil {
		return nil
	}
	ip := s.address()
	if err := s.door.Rates.Message(ip); err != nil {
		return err
	}
	return s.door.Rates.Sender(s.tx.Envelope.From, ip)
}

// Rcpt accepts a recipient that is ours and has room, or refuses it with the reason.
func (s *session) Rcpt(ctx context.Context, r *smtp.Rcpt) error {
	p, err := intake.Path(r.To)
	if err != nil {
		return err
	}
	if s.trusted() && p.Domain() != "" {
		ours, err := s.door.Resolver.Serves(ctx, p.Domain())
		if err != nil {
			return err
		}
		if !ours {
			s.tx.Add(intake.Relay(p))
			return nil
		}
	}
	res, err := s.door.Resolver.Resolve(ctx, p, s.tx.Size)
	if err != nil {
		s.refused(p, err)
		return err
	}
	s.tx.Add(intake.Recipient{Path: p, Resolution: res})
	return nil
}

// trusted reports whether the client is of a network that may relay.
func (s *session) trusted() bool { return s.listed(s.door.Relay) }

// refused notes a refusal in log and trail.
func (s *session) refused(p mail.Path, err error) {
	s.log.Info("recipient refused", "from", string(s.tx.Envelope.From), "to", string(p), "kind", mail.KindOf(err).String(), "reason", err.Error())
	s.door.Intake.Rejections.Add(mail.Event{From: s.tx.Envelope.From, To: p, Role: role, Peer: intake.Peer(s.conn), Reason: mail.Sentence(err)})
}

// Data takes the message. Its 250 is given only after the commit.
func (s *session) Data(ctx context.Context, body io.Reader) (*smtp.Reply, error) {
	content, err := s.door.Intake.Receive(ctx, body)
	if err != nil {
		s.log.Info("message refused", "from", string(s.tx.Envelope.From), "reason", err.Error())
		return nil, err
	}
	defer content.Body.Discard()
	l := s.door.Intake.Letter(content, s.tx.Envelope)
	l.Role, l.Peer, l.TLS = role, intake.Peer(s.conn), tls.Describe(s.conn.TLS, false)
	l.Prefix = s.door.Intake.Received(s.conn, l, s.name.wait())
	x, err := s.examine(ctx, l)
	if err != nil {
		for _, r := range s.tx.To {
			s.refused(r.Path, err)
		}
		return nil, err
	}
	if x.discard {
		err = x.throwAway(ctx)
	} else {
		err = s.door.Intake.Commit(ctx, l, s.tx.To)
	}
	if err != nil {
		s.log.Warn("message not taken", "trace", string(l.Trace), "from", string(s.tx.Envelope.From), "error", err)
		return nil, err
	}
	s.log.Info("message taken", "trace", string(l.Trace), "message_id", l.Thread.MessageID, "from", string(s.tx.Envelope.From), "recipients", len(s.tx.Envelope.To), "size", l.Size())
	return intake.Taken(l), nil
}

// Reset ends the transaction.
func (s *session) Reset() { s.tx.Reset() }

// Close ends the connection.
func (s *session) Close() { s.name.end() }

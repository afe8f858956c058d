package pop3

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
)

// Authenticator says who a client is. Errors are of kind Unauthenticated for a wrong name or password, Denied for an
// account that may not log in, TooMany, or Unavailable when it cannot tell now.
type Authenticator interface {
	// Mechanisms lists what AUTH offers on a connection; state is nil without TLS.
	Mechanisms(state *tls.ConnectionState) []string
	// SASL begins an exchange.
	SASL(ctx context.Context, mechanism string, state *tls.ConnectionState, peer net.Addr) (sasl.Server, error)
	// Login checks USER and PASS.
	Login(ctx context.Context, user, password string, peer net.Addr) (mail.Account, error)
	// Account gives the account of a name that a SASL exchange proved.
	Account(ctx context.Context, username string) (mail.Account, error)
}

// Limits bound sessions. Zero fields take the values of DefaultLimits.
type Limits struct {
	Messages int           // how many messages of the INBOX are shown, the newest
	Idle     time.Duration // a client that sends nothing is logged out (RFC 1939 3: at least 10 minutes)
	PreAuth  time.Duration // from the greeting to a login
	Write    time.Duration // for each write of some kilobytes
	Command  time.Duration // for what one command asks of the store
	Failures int           // failed logins on one connection
	Errors   int           // refused commands in a row
}

// DefaultLimits are the limits of a server that was told none.
func DefaultLimits() Limits {
	return Limits{Messages: 100_000, Idle: 10 * time.Minute, PreAuth: 2 * time.Minute, Write: 2 * time.Minute,
		Command: time.Minute, Failures: 5, Errors: 20}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.Messages = cmp.Or(l.Messages, d.Messages)
	l.Idle = cmp.Or(l.Idle, d.Idle)
	l.PreAuth = cmp.Or(l.PreAuth, d.PreAuth)
	l.Write = cmp.Or(l.Write, d.Write)
	l.Command = cmp.Or(l.Command, d.Command)
	l.Failures = cmp.Or(l.Failures, d.Failures)
	l.Errors = cmp.Or(l.Errors, d.Errors)
	return l
}

// Config is what a server works with. All but TLS, Limits and Log must be set.
type Config struct {
	Mailboxes     mail.Mailboxes
	Journal       mail.Journal
	Blobs         mail.Blobs
	Authenticator Authenticator

	TLS               *tls.Config // of STLS; nil: not offered
	RequireTLSForAuth bool        // no login without TLS
	Limits            Limits
	Log               *slog.Logger
}

// Server serves POP3. It holds nothing of a connection and may be shared.
type Server struct {
	cfg Config
}

// New makes a server.
func New(cfg Config) *Server {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg}
}

// handshaker is a connection that is TLS already: a *tls.Conn, or something that wraps one.
type handshaker interface {
	HandshakeContext(ctx context.Context) error
	ConnectionState() tls.ConnectionState
}

// Serve serves one connection until the client is gone or ctx ends, and closes it. A connection that is TLS is implicit TLS (RFC 8314
// 3.2): its handshake is made here. When ctx ends, the command that is running is completed, the client is told, and nothing is
// deleted.
func (srv *Server) Serve(ctx context.Context, nc net.Conn) {
	s := &session{cfg: &srv.cfg, ctx: context.WithoutCancel(ctx), peer: nc.RemoteAddr(), log: srv.cfg.Log.With("peer", nc.RemoteAddr().String())}
	s.c = newConn(ctx, nc, srv.cfg.Limits)
	defer func() { s.c.close() }()
	if t, ok := nc.(handshaker); ok {
		if err := s.c.handshake(t); err != nil {
			s.log.Info("TLS handshake failed", "error", err)
			return
		}
	}
	s.serve()
}

package imap

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
	// Mechanisms lists what AUTHENTICATE offers on a connection; state is nil without TLS.
	Mechanisms(state *tls.ConnectionState) []string
	// SASL begins an exchange.
	SASL(ctx context.Context, mechanism string, state *tls.ConnectionState, peer net.Addr) (sasl.Server, error)
	// Login checks the LOGIN command.
	Login(ctx context.Context, user, password string, peer net.Addr) (mail.Account, error)
	// Account gives the account of a name that a SASL exchange proved.
	Account(ctx context.Context, username string) (mail.Account, error)
}

// Limits bound sessions. Zero fields take the values of DefaultLimits.
type Limits struct {
	Append   int64         // octets of one appended message
	Messages int           // messages of one APPEND (RFC 3502)
	Idle     time.Duration // a client that sends nothing is told BYE (RFC 9051 5.4: at least 30 minutes)
	PreAuth  time.Duration // from the greeting to a login
	Read     time.Duration // for each read within a command
	Write    time.Duration // for each write of some kilobytes
	Command  time.Duration // for the whole of one command
	Failures int           // failed logins on one connection
	Errors   int           // refused commands in a row
}

// DefaultLimits are the limits of a server that was told none.
func DefaultLimits() Limits {
	return Limits{Append: 64 << 20, Messages: 100, Idle: 30 * time.Minute, PreAuth: 2 * time.Minute, Read: 2 * time.Minute,
		Write: 2 * time.Minute, Command: 2 * time.Hour, Failures: 5, Errors: 20}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.Append = cmp.Or(l.Append, d.Append)
	l.Messages = cmp.Or(l.Messages, d.Messages)
	l.Idle = cmp.Or(l.Idle, d.Idle)
	l.PreAuth = cmp.Or(l.PreAuth, d.PreAuth)
	l.Read = cmp.Or(l.Read, d.Read)
	l.Write = cmp.Or(l.Write, d.Write)
	l.Command = cmp.Or(l.Command, d.Command)
	l.Failures = cmp.Or(l.Failures, d.Failures)
	l.Errors = cmp.Or(l.Errors, d.Errors)
	return l
}

// Config is what a server works with. All but Search, TLS, Limits, Clock, Version and Log must be set.
type Config struct {
	Mailboxes     mail.Mailboxes
	Journal       mail.Journal
	Blobs         mail.Blobs
	Bus           mail.Bus
	Search        mail.Searcher // narrows searches for texts; nil: messages are read
	Clock         mail.Clock
	Authenticator Authenticator

	TLS               *tls.Config // of STARTTLS; nil: not offered
	RequireTLSForAuth bool        // no login without TLS: LOGINDISABLED (RFC 9051 6.2.3)
	Limits            Limits
	Name, Version     string // for ID (RFC 2971); Name is "Postrider" unless set
	Log               *slog.Logger
}

// Server serves IMAP. It holds nothing of a connection, but of mailboxes what the next SELECT can use, and may be shared.
type Server struct {
	cfg Config
	hot *hot
}

// New makes a server.
func New(cfg Config) *Server {
	cfg.Limits = cfg.Limits.withDefaults()
	cfg.Name = cmp.Or(cfg.Name, "Postrider")
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, hot: newHot()}
}

// Serve serves one connection until the client is gone or ctx ends, and closes it. A *tls.Conn is implicit TLS (RFC 8314): its
// handshake is made here. When ctx ends, the command that is running is completed as far as it can be, and the client is told BYE.
func (srv *Server) Serve(ctx context.Context, nc net.Conn) {
	c := newConn(ctx, nc, srv.cfg.Limits)
	defer c.close()
	log := srv.cfg.Log.With("peer", nc.RemoteAddr().String())
	if t, ok := nc.(*tls.Conn); ok {
		if err := c.handshake(ctx, t); err != nil {
			log.Info("TLS handshake failed", "err", err)
			return
		}
	}
	s := &session{srv: srv, cfg: &srv.cfg, c: c, log: log}
	defer s.deselect()
	s.serve(context.WithoutCancel(ctx))
}

package imap

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// state is where a session stands (RFC 9051 3).
type state uint8

const (
	notAuthenticated state = 1 << iota
	authenticated
	selected

	loggedIn = authenticated | selected
	anyState = notAuthenticated | loggedIn
)

// session is one connection's dialogue.
type session struct {
	srv *Server
	cfg *Config
	c   *conn
	enc *wire.Encoder
	log *slog.Logger

	account  mail.Account // once logged in
	loggedIn bool
	failures int // logins that failed
	errors   int // refused commands in a row

	utf8      bool // UTF8=ACCEPT or IMAP4rev2 was enabled
	rev2      bool
	condstore bool
	qresync   bool

	box   *view                // the selected mailbox
	saved []wire.Range         // UIDs of the last SEARCH that saved its result (RFC 5182)
	sound [8]mail.BlobID       // long bodies that were read through and found whole
	next  int                  // of sound, the place to overwrite
	over  bool                 // LOGOUT, or trouble after which nothing can be said
	peer  net.Addr             // for the authenticator
	lines func() *wire.Decoder // makes a decoder for what follows a command, as SASL responses
}

// limits before and after a login. What is not known yet gets little room.
var (
	earlyLimits = wire.Limits{Line: 16 << 10, Literal: 4 << 10, Depth: 2, Items: 70}
	fullLimits  = wire.Limits{Line: 256 << 10, Literal: 64 << 10, Depth: 30, Items: 20000}
)

// passOver is how much of a refused command is read past before the connection is given up.
func (s *session) passOver() int64 {
	if !s.loggedIn {
		return 32 << 10
	}
	return s.cfg.Limits.Append + 1<<20
}

func (s *session) state() state {
	switch {
	case !s.loggedIn:
		return notAuthenticated
	case s.box == nil:
		return authenticated
	}
	return selected
}

// serve greets, and answers commands until the end. ctx does not end with the server: a change that
// was begun is completed.
func (s *session) serve(ctx context.Context) {
	s.peer = s.c.base.RemoteAddr()
	s.c.until = time.Now().Add(s.cfg.Limits.PreAuth)
	s.buffers()
	s.untagged("OK [CAPABILITY " + s.capabilities() + "] " + s.cfg.Name + " is ready")
	if s.flush() != nil {
		return
	}
	for !s.over {
		if err := s.c.wait(s.cfg.Limits.Idle); err != nil {
			if err != errNews {
				s.bye(err)
				return
			}
			continue
		}
		s.buffers()
		s.one(ctx)
		if s.over || !s.c.waiting() || s.c.bw.Buffered() > 8<<10 {
			if s.flush() != nil {
				return
			}
		}
	}
}

// buffers makes sure of buffers, and of an encoder on them.
func (s *session) buffers() {
	s.c.acquire()
	s.enc = wire.NewEncoder(s.c.bw)
	s.enc.UTF8 = s.utf8
}

func (s *session) flush() error {
	if s.c.bw == nil {
		return nil
	}
	err := s.c.bw.Flush()
	if err != nil {
		s.over = true
	}
	return err
}

// bye says why the session ends, where the client may still hear it (RFC 9051 7.1.5).
func (s *session) bye(err error) {
	s.over = true
	s.buffers()
	switch {
	case errors.Is(err, errStopping):
		s.untagged("BYE [UNAVAILABLE] the server is stopping; connect again in a moment")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.untagged("BYE autologout: nothing was heard for too long")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return
	default:
		s.log.Debug("connection lost", "err", err)
		return
	}
	_ = s.flush()
}

// untagged writes a response that is one line.
func (s *session) untagged(text string) { s.enc.Raw("* ").Raw(text).CRLF() }

// deadline is a context whose end is looked at and not waited for. A command is many short steps, and looks before each; nothing
// below it needs a goroutine or a timer to be told of the end.
type deadline struct {
	context.Context // never ends
	at              time.Time
}

// Deadline gives the end.
func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

// Err says whether it has come.
func (d deadline) Err() error {
	if time.Now().Before(d.at) {
		return nil
	}
	return context.DeadlineExceeded
}

// call is one command on its way.
type call struct {
	head wire.Head
	d    *wire.Decoder
	args wire.Args
	// changed says that the command changed the selected mailbox: the view is brought up to date though
	// the bus may not have said so yet.
	changed bool
}

// one reads and answers one command.
func (s *session) one(ctx context.Context) {
	ctx = deadline{ctx, time.Now().Add(s.cfg.Limits.Command)}
	limits := fullLimits
	if !s.loggedIn {
		limits = earlyLimits
	}
	decoder := func() *wire.Decoder {
		d := wire.NewDecoder(s.c.br, limits, s.proceed)
		d.UTF8 = s.utf8
		return d
	}
	s.lines = decoder
	c := &call{d: decoder()}
	c.head = c.d.Head()
	r := s.answer(ctx, c)
	if err := c.d.Err(); err != nil {
		var syntax *wire.Error
		if !errors.As(err, &syntax) {
			s.bye(err) // it is the connection that failed
			return
		}
		if r.status == "OK" {
			r = refusal(err)
		}
	}
	if r.status == "OK" {
		s.errors = 0
	}
	if r.status == "" { // it was answered already, or nobody is left to answer
		return
	}
	if s.box != nil && !s.over {
		s.catchUp(ctx, c)
	}
	s.tagged(c.head.Tag, r)
	if r.status == "BAD" {
		s.tooMany()
	}
	s.recover(c.d)
}

// recover puts the connection at the start of the next command.
func (s *session) recover(d *wire.Decoder) {
	if s.over || d.Ended() && d.Err() == nil {
		return
	}
	_ = s.flush() // a client may wait for the answer before it sends the rest
	if s.over {
		return
	}
	err := d.Recover(s.passOver())
	var limit *wire.Error
	switch {
	case errors.As(err, &limit):
		s.over = true
		s.untagged("BYE [TOOBIG] " + limit.Text)
	case err != nil:
		s.bye(err)
	}
}

// tooMany ends a session that only sends what cannot be understood.
func (s *session) tooMany() {
	if s.errors++; s.errors >= s.cfg.Limits.Errors && !s.over {
		s.over = true
		s.untagged("BYE too many commands that cannot be understood")
	}
}

func (s *session) tagged(tag string, r reply) {
	if tag == "" {
		tag = "*"
	}
	s.enc.Raw(tag).SP().Raw(r.status).SP()
	if r.code != "" {
		s.enc.Raw("[").Raw(r.code).Raw("] ")
	}
	s.enc.Text(r.text).CRLF()
}

// answer runs a command.
func (s *session) answer(ctx context.Context, c *call) reply {
	if c.d.Err() != nil {
		return refusal(c.d.Err())
	}
	cmd, known := commands[c.head.Name]
	if known {
		c.args = wire.NewArgs(c.head.Name, c.head.UID)
	}
	if c.args == nil {
		name := c.head.Name
		if c.head.UID {
			name = "UID " + name
		}
		return bad("%s is not a command of this server", name)
	}
	if cmd.states&s.state() == 0 {
		return bad("%s is not possible %s", c.head.Name, map[state]string{notAuthenticated: "before a login",
			authenticated: "while no mailbox is selected, or after a login", selected: "after a login"}[s.state()])
	}
	c.args.Decode(c.d)
	if !cmd.open && !c.d.End() {
		return refusal(c.d.Err())
	}
	if err := c.d.Err(); err != nil {
		return refusal(err)
	}
	r, err := cmd.run(s, ctx, c)
	if err != nil {
		return s.refuse(c, err)
	}
	return r
}

// refuse answers an error, and tells the log what a stranger is not told.
func (s *session) refuse(c *call, err error) reply {
	if c.d.Err() == nil && !isSyntax(err) && mail.KindOf(err) == mail.Internal {
		s.log.Error("command failed", "command", c.head.Name, "account", s.account.Address, "err", err)
	}
	return refusal(err)
}

func isSyntax(err error) bool {
	var syntax *wire.Error
	return errors.As(err, &syntax)
}

// proceed asks the client to go on (RFC 9051 7.6).
func (s *session) proceed() error {
	s.enc.Raw("+ go on").CRLF()
	return s.flush()
}

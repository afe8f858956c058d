package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/postrider/postrider/mail"
)

// session is one client's.
type session struct {
	cfg  *Config
	ctx  context.Context // for the store; it outlives the server's, so that a QUIT is not cut in half
	c    *conn
	peer net.Addr
	log  *slog.Logger

	over     bool
	failures int
	errors   int

	user    string // of USER, until PASS
	account *mail.Account
	box     mail.Mailbox
	drop    []entry // the messages, by number - 1

	ahead []mail.Message // that were read with one before, without summaries
	last  uint32         // UID of the message that was sent last
}

// states a command may be given in.
type states uint8

const (
	authorization states = 1 << iota // RFC 1939 4
	transaction                      // RFC 1939 5
)

// command is one command: where it is allowed, how many arguments it takes, and what it does. Its error becomes the
// refusal.
type command struct {
	in       states
	min, max int // arguments; max -1: all of the rest is one
	run      func(*session, []string) error
}

// commands are all there are.
var commands = map[string]command{
	"CAPA": {authorization | transaction, 0, 0, (*session).capa},
	"QUIT": {authorization | transaction, 0, 0, (*session).quit},
	"STLS": {authorization, 0, 0, (*session).stls},
	"USER": {authorization, 1, -1, (*session).userName},
	"PASS": {authorization, 1, -1, (*session).pass},
	"AUTH": {authorization, 1, 2, (*session).auth},
	"NOOP": {transaction, 0, 0, (*session).noop},
	"STAT": {transaction, 0, 0, (*session).stat},
	"LIST": {transaction, 0, 1, (*session).list},
	"UIDL": {transaction, 0, 1, (*session).uidl},
	"RETR": {transaction, 1, 1, (*session).retr},
	"TOP":  {transaction, 2, 2, (*session).top},
	"DELE": {transaction, 1, 1, (*session).dele},
	"RSET": {transaction, 0, 0, (*session).rset},
}

// refused is an answer to a command that is the client's own fault; its text is the answer.
type refused string

func (r refused) Error() string { return string(r) }

// serve is the whole of a session.
func (s *session) serve() {
	s.ok("Postrider POP3 ready")
	for !s.over && s.c.failed == nil {
		line, err := s.c.readLine()
		switch {
		case err == nil:
			s.do(string(line))
		case errors.Is(err, errLineTooLong):
			s.refuse(refused(err.Error()))
		case errors.Is(err, errShutdown):
			s.say("-ERR [SYS/TEMP] the server is shutting down; nothing was deleted")
			return
		case errors.Is(err, os.ErrDeadlineExceeded): // RFC 1939 3: no UPDATE state after an autologout
			s.say("-ERR no command came in time; nothing was deleted")
			return
		default: // the client is gone, without QUIT: nothing is deleted (RFC 1939 6)
			return
		}
	}
}

// do runs one command line.
func (s *session) do(line string) {
	name, rest, _ := strings.Cut(line, " ")
	cmd, known := commands[strings.ToUpper(name)]
	args := strings.Fields(rest)
	if cmd.max < 0 && rest != "" {
		args = []string{rest} // a password may hold blanks
	}
	state := authorization
	if s.account != nil {
		state = transaction
	}
	err := error(nil)
	switch {
	case !known:
		err = refused("there is no such command")
	case cmd.in&state == 0 && state == authorization:
		err = refused("log in first")
	case cmd.in&state == 0:
		err = refused("already logged in")
	case len(args) < cmd.min || cmd.max >= 0 && len(args) > cmd.max:
		err = refused("wrong number of arguments")
	default:
		err = cmd.run(s, args)
	}
	if err == nil {
		s.errors = 0
		return
	}
	s.refuse(err)
}

// refuse answers a command that failed, in the one place that translates errors (RFC 2449 8, RFC 3206).
func (s *session) refuse(err error) {
	var own refused
	switch {
	case errors.As(err, &own):
		s.say("-ERR " + string(own))
	case errors.Is(err, errBroken):
		s.log.Error("a message could not be sent whole; the connection is closed", "error", err)
		s.c.out.Reset(io.Discard) // not even a final dot
		s.over = true
		return
	default:
		if mail.Is(err, mail.Internal) {
			s.log.Error("command failed", "error", err)
		}
		s.say("-ERR " + responseCode(err) + clip(mail.Sentence(err)))
	}
	if s.errors++; s.errors >= s.cfg.Limits.Errors && !s.over {
		s.say("-ERR too many errors")
		s.over = true
	}
}

// clip keeps a refusal within the 512 octets a reply may have (RFC 2449 4).
func clip(text string) string { return text[:min(len(text), 480)] }

// responseCode is an error's response code and a blank, or nothing.
func responseCode(err error) string {
	switch k := mail.KindOf(err); {
	case k == mail.Unauthenticated || k == mail.Denied:
		return "[AUTH] "
	case k == mail.Conflict:
		return "[IN-USE] "
	case k.Temporary():
		return "[SYS/TEMP] "
	}
	return ""
}

// ok answers +OK with a text that may be formatted.
func (s *session) ok(format string, args ...any) { s.say("+OK " + fmt.Sprintf(format, args...)) }

// say writes one line. Line breaks in it would let a text pass for more than one line, hence they become blanks.
func (s *session) say(line string) {
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, line)
	s.c.out.WriteString(line)
	s.c.out.WriteString("\r\n")
}

// store gives the context for what a command asks of the store.
func (s *session) store() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, s.cfg.Limits.Command)
}

func (s *session) noop([]string) error {
	s.say("+OK")
	return nil
}

// capa lists the capabilities (RFC 2449 5).
func (s *session) capa([]string) error {
	s.ok("capabilities follow")
	s.say("TOP")
	s.say("UIDL")
	s.say("RESP-CODES")
	s.say("AUTH-RESP-CODE")
	s.say("PIPELINING")
	s.say("EXPIRE NEVER")
	if !s.needsTLS() {
		s.say("USER")
		if m := s.cfg.Authenticator.Mechanisms(s.c.tls); len(m) > 0 {
			s.say("SASL " + strings.Join(m, " "))
		}
	}
	if s.account == nil && s.offersTLS() {
		s.say("STLS")
	}
	s.say("IMPLEMENTATION Postrider")
	s.say(".")
	return nil
}

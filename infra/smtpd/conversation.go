package smtpd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/postrider/postrider/proto/smtp"
)

// conversation is the state of one connection. Only the goroutine of Serve touches it; link is for the one that stops it.
type conversation struct {
	srv  *Server
	cfg  *Config
	ctx  context.Context // of the handlers
	log  *slog.Logger
	link *link
	conn net.Conn // what is read and written: link.raw, or TLS over it
	pub  *Conn
	sess Session

	in     *smtp.Reader
	out    []byte // replies that wait to be sent, in outBuf while there are any
	outBuf *[smallBuffer]byte
	large  *[largeBuffer]byte
	small  []byte // the buffer that large stands in for

	blockTime time.Duration // while data is read: the time for its next octets
	dataEnd   time.Time     // and for all of it

	tx           transaction
	errors       int
	junk         int
	transactions int
	authTries    int

	doom     *smtp.Reply // the answer to whatever command comes next
	pending  []byte      // a command line that ended a BDAT sequence and is still to be obeyed
	closing  bool        // no more commands are read
	linger   bool        // see farewell
	panicked bool
}

// transaction is what a MAIL opened.
type transaction struct {
	open  bool
	bdat  bool // its data is being read in chunks
	rcpts int
}

// command is an entry of the table: how a verb is obeyed.
type command struct {
	run  func(*conversation, smtp.Command)
	junk bool // moves no mail
}

func on[T smtp.Command](run func(*conversation, T)) func(*conversation, smtp.Command) {
	return func(c *conversation, cmd smtp.Command) { run(c, cmd.(T)) }
}

// commandTable is built by a function because the commands themselves look into it.
func commandTable(lmtp bool) map[smtp.Verb]command {
	t := map[smtp.Verb]command{
		smtp.MAIL:     {run: on((*conversation).mail)},
		smtp.RCPT:     {run: on((*conversation).rcpt)},
		smtp.DATA:     {run: on((*conversation).data)},
		smtp.BDAT:     {run: on((*conversation).bdat)},
		smtp.RSET:     {run: on((*conversation).rset), junk: true},
		smtp.NOOP:     {run: on((*conversation).noop), junk: true},
		smtp.QUIT:     {run: on((*conversation).quit)},
		smtp.VRFY:     {run: on((*conversation).vrfy), junk: true},
		smtp.EXPN:     {run: on((*conversation).expn), junk: true},
		smtp.HELP:     {run: on((*conversation).help), junk: true},
		smtp.STARTTLS: {run: on((*conversation).starttls)},
		smtp.AUTH:     {run: on((*conversation).auth)},
	}
	hello := command{run: on((*conversation).hello), junk: true}
	if lmtp {
		t[smtp.LHLO] = hello // RFC 2033 4.1: HELO and EHLO are not known
	} else {
		t[smtp.EHLO], t[smtp.HELO] = hello, hello
	}
	return t
}

// run greets and obeys until there is nothing more to obey.
func (c *conversation) run() {
	if !c.implicitTLS() || !c.greet() {
		return
	}
	for !c.closing {
		c.shrink()
		line := c.pending
		c.pending = nil
		if line == nil {
			var err error
			if line, err = c.readLine(smtp.MaxAuthLine, true); err != nil {
				c.badLine(err)
				continue
			}
		}
		c.obey(line)
	}
}

// implicitTLS shakes hands on a connection that is TLS from the start (RFC 8314 3).
func (c *conversation) implicitTLS() bool {
	t, ok := c.conn.(handshaker)
	if !ok {
		return true
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Timeouts.Handshake)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		c.log.Info("TLS handshake failed", "err", err)
		return false
	}
	state := t.ConnectionState()
	c.pub.TLS = &state
	return true
}

// greet asks for a session and opens the conversation (RFC 5321 3.1).
func (c *conversation) greet() bool {
	sess, err := c.srv.backend.NewSession(c.ctx, c.pub)
	if err != nil {
		r := *ReplyFor(err)
		if r.Code/100 != 5 {
			r.Code = 421
		} else {
			r.Code = 554
		}
		c.close(&r)
		return false
	}
	c.sess = sess
	c.reply(&smtp.Reply{Code: 220, Text: c.cfg.Hostname + " " + c.cfg.Greeting})
	return true
}

// readLine reads a command line, or one of an exchange. idle tells that no transaction hangs on it.
func (c *conversation) readLine(limit int, idle bool) ([]byte, error) {
	c.link.waitRead(time.Now().Add(c.cfg.Timeouts.Command), idle)
	line, err := c.in.ReadLine(limit)
	c.link.busy()
	if idle && err == nil && c.link.stopped() {
		err = os.ErrDeadlineExceeded // what was pipelined before the server stopped is not begun any more
	}
	return line, err
}

// badLine answers for a line that could not be read, and closes when there is no going on.
func (c *conversation) badLine(err error) {
	switch {
	case errors.Is(err, smtp.ErrLineTooLong):
		c.fail(smtp.Errorf(500, "5.5.2", "line too long"))
	case errors.Is(err, smtp.ErrLineEndless):
		c.close(smtp.Errorf(421, "4.7.0", "line without an end"))
	case errors.Is(err, smtp.ErrBareLF), errors.Is(err, smtp.ErrBareCR):
		c.fail(smtp.Errorf(500, "5.5.2", "a line ends with CR LF, and holds neither alone"))
	case errors.Is(err, smtp.ErrNUL):
		c.fail(smtp.Errorf(500, "5.5.2", "a NUL does not belong in a command"))
	default:
		c.lost(err)
	}
}

// lost closes after a failure to read: with a reason when the client may still listen.
func (c *conversation) lost(err error) {
	switch {
	case c.link.stopped():
		c.close(stopping())
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.close(smtp.Errorf(421, "4.4.2", "you were silent for too long"))
	default:
		if err != io.EOF {
			c.log.Debug("connection lost", "err", err)
		}
		c.closing = true
		c.out = c.out[:0] // nobody listens
	}
}

// obey runs one command line.
func (c *conversation) obey(line []byte) {
	if c.doom != nil {
		c.close(c.doom)
		return
	}
	verb := smtp.VerbOf(line)
	entry, known := c.srv.table[verb]
	if !known {
		c.fail(smtp.Errorf(500, "5.5.1", "command not recognised"))
		return
	}
	if entry.junk {
		if c.junk++; c.junk > c.cfg.MaxJunk {
			c.close(smtp.Errorf(421, "4.7.0", "too many commands and no mail"))
			return
		}
	}
	cmd, err := smtp.Parse(line)
	if err != nil {
		c.fail(ReplyFor(err))
		if verb == smtp.BDAT {
			// Without its length, the chunk would be taken for commands.
			c.closing, c.linger = true, true
		}
		return
	}
	entry.run(c, cmd)
}

// reply puts a reply into the buffer. One with code 421 announces the end of the connection (RFC 5321 3.8).
func (c *conversation) reply(r *smtp.Reply) {
	if c.pub.Hello != "" && r.Code >= 400 {
		r = withEnhanced(r)
	}
	c.out = r.AppendTo(c.room(), c.pub.UTF8)
	if r.Code == 421 {
		c.closing, c.linger = true, true
	}
	if len(c.out) >= smallBuffer-512 {
		_ = c.flush()
	}
}

// withEnhanced supplies an enhanced status code where a session gave none: every reply of these classes carries one (RFC 2034 4).
func withEnhanced(r *smtp.Reply) *smtp.Reply {
	if r.Enhanced != "" {
		return r
	}
	return &smtp.Reply{Code: r.Code, Enhanced: string('0'+byte(r.Code/100)) + ".0.0", Text: r.Text}
}

// room gives the buffer of replies. An idle connection has none.
func (c *conversation) room() []byte {
	if c.outBuf == nil {
		c.outBuf = c.srv.small.Get().(*[smallBuffer]byte)
		c.out = c.outBuf[:0]
	}
	return c.out
}

// say is reply for the short ones.
func (c *conversation) say(code int, enhanced, text string) {
	c.reply(&smtp.Reply{Code: code, Enhanced: enhanced, Text: text})
}

// fail answers a command that broke the protocol, and counts.
func (c *conversation) fail(r *smtp.Reply) {
	c.reply(r)
	if c.errors++; c.errors >= c.cfg.MaxErrors {
		c.doom = smtp.Errorf(421, "4.7.0", "too many errors")
	}
}

// refuse answers for a session that said no.
func (c *conversation) refuse(err error) {
	r := ReplyFor(err)
	c.reply(r)
	if r.Enhanced == "4.3.0" {
		c.log.Warn("SMTP command failed", "reply", r.Code, "err", err)
	}
}

// close answers and reads no more.
func (c *conversation) close(r *smtp.Reply) {
	if !c.closing {
		c.reply(r)
	}
	c.closing, c.linger = true, true
}

// flush sends what waits. After a failure nothing more is sent, or read.
func (c *conversation) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	c.link.waitWrite(c.cfg.Timeouts.Write)
	_, err := c.conn.Write(c.out)
	c.srv.small.Put(c.outBuf)
	c.out, c.outBuf = nil, nil
	if err != nil {
		c.closing, c.linger = true, false
	}
	return err
}

// source is what c.in reads from. Replies wait until the client's commands are used up and more must be waited for
// (RFC 2920 3.2).
type source struct{ c *conversation }

func (s source) Read(p []byte) (int, error) {
	c := s.c
	if err := c.flush(); err != nil {
		return 0, err
	}
	if c.blockTime > 0 {
		at := time.Now().Add(c.blockTime)
		if at.After(c.dataEnd) {
			at = c.dataEnd
		}
		c.link.waitRead(at, false)
	}
	return c.conn.Read(p)
}

// grow lends the conversation a large buffer to read data with, and sets the clock for it.
func (c *conversation) grow() {
	if c.large == nil {
		c.large = c.srv.large.Get().(*[largeBuffer]byte)
		c.small = c.in.Swap(c.large[:])
	}
	c.blockTime, c.dataEnd = c.cfg.Timeouts.DataBlock, time.Now().Add(c.cfg.Timeouts.DataTotal)
}

// shrink gives the large buffer back as soon as what is left in it fits into the small one.
func (c *conversation) shrink() {
	c.blockTime = 0
	if c.large == nil || c.in.Buffered() > len(c.small) {
		return
	}
	c.pending = bytes.Clone(c.pending)
	c.in.Swap(c.small)
	c.srv.large.Put(c.large)
	c.large, c.small = nil, nil
}

// endTransaction tells the session that the transaction is over.
func (c *conversation) endTransaction() {
	if !c.tx.open {
		return
	}
	c.tx = transaction{}
	c.pub.UTF8 = false
	c.sess.Reset()
}

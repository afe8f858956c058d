package smtpc

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
)

// Options of a client.
type Options struct {
	Hello string // our host name, for EHLO; "localhost" when empty
	LMTP  bool   // speak LMTP (RFC 2033)
	// AllowCleartextAuth lets PLAIN and LOGIN run without TLS, where the password can be read on the way.
	AllowCleartextAuth bool
	Timeouts           Timeouts
}

// Timeouts of the client. Zero means the least that RFC 5321 4.5.3.2 asks for.
type Timeouts struct {
	Greeting  time.Duration // RFC 5321 4.5.3.2.1; 5 minutes
	Hello     time.Duration // EHLO, STARTTLS, AUTH, RSET, NOOP; 5 minutes
	Handshake time.Duration // TLS; 1 minute
	Mail      time.Duration // RFC 5321 4.5.3.2.2; 5 minutes
	Rcpt      time.Duration // RFC 5321 4.5.3.2.3; 5 minutes
	DataInit  time.Duration // the reply to DATA, RFC 5321 4.5.3.2.4; 2 minutes
	DataBlock time.Duration // for the remote to take a block, RFC 5321 4.5.3.2.5; 3 minutes
	DataEnd   time.Duration // the reply to the end of data, RFC 5321 4.5.3.2.6; 10 minutes
	Quit      time.Duration // 10 seconds: nothing hangs on it
}

func (t Timeouts) withDefaults() Timeouts {
	return Timeouts{
		Greeting: cmp.Or(t.Greeting, 5*time.Minute), Hello: cmp.Or(t.Hello, 5*time.Minute),
		Handshake: cmp.Or(t.Handshake, time.Minute), Mail: cmp.Or(t.Mail, 5*time.Minute),
		Rcpt: cmp.Or(t.Rcpt, 5*time.Minute), DataInit: cmp.Or(t.DataInit, 2*time.Minute),
		DataBlock: cmp.Or(t.DataBlock, 3*time.Minute), DataEnd: cmp.Or(t.DataEnd, 10*time.Minute),
		Quit: cmp.Or(t.Quit, 10*time.Second),
	}
}

// Client is one connection to a server. It is for one goroutine at a time.
type Client struct {
	// Ext holds what the server offered to the last Hello: keywords in upper case and their parameters. Do not change it.
	Ext map[string]string
	// Greeting is the server's first reply.
	Greeting *smtp.Reply

	raw    net.Conn // deadlines are set here, below TLS
	conn   net.Conn
	tls    *tls.ConnectionState
	opts   Options
	r      *smtp.Reader
	w      *bufio.Writer
	ctx    context.Context // of the call that is under way
	dirty  bool            // a transaction may be open on the server
	broken bool
}

// New takes a connection over and reads the greeting. A connection that is TLS already has its handshake done. On an error the
// connection is closed; else Close or Quit must be called.
func New(ctx context.Context, conn net.Conn, opts Options) (*Client, error) {
	opts.Hello = cmp.Or(opts.Hello, "localhost")
	opts.Timeouts = opts.Timeouts.withDefaults()
	c := &Client{raw: conn, conn: conn, opts: opts, ctx: ctx}
	if err := c.open(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) open(ctx context.Context) error {
	if _, err := smtp.Parse([]byte("EHLO " + c.opts.Hello)); err != nil {
		return mail.Errorf(mail.Invalid, "%q is no host name to greet with: %w", c.opts.Hello, err)
	}
	defer c.attach(ctx)()
	if t, ok := c.conn.(interface {
		HandshakeContext(context.Context) error
		ConnectionState() tls.ConnectionState
	}); ok {
		if err := c.handshake(t.HandshakeContext); err != nil {
			return err
		}
		state := t.ConnectionState()
		c.tls = &state
	}
	c.r = smtp.NewReader(c.conn, make([]byte, 4<<10))
	c.w = bufio.NewWriterSize(blockWriter{c}, 16<<10)
	reply, err := c.read("greeting", c.opts.Timeouts.Greeting)
	if err != nil {
		return err
	}
	if reply.Code != 220 { // RFC 5321 3.1
		return &CommandError{"greeting", reply}
	}
	c.Greeting = reply
	return nil
}

func (c *Client) handshake(shake func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(c.ctx, c.opts.Timeouts.Handshake)
	defer cancel()
	c.arm(c.opts.Timeouts.Handshake)
	if err := shake(ctx); err != nil {
		return c.failed("TLS handshake", err)
	}
	return nil
}

// attach makes ctx govern the connection until the function it gives is called.
func (c *Client) attach(ctx context.Context) (detach func()) {
	c.ctx = ctx
	stop := context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if !stop() {
			c.broken = true // its deadline is over, and what it was doing may be half done
		}
	}
}

// arm gives the next step of the dialogue its time.
func (c *Client) arm(d time.Duration) {
	at := time.Now().Add(d)
	if end, ok := c.ctx.Deadline(); ok && end.Before(at) {
		at = end
	}
	_ = c.raw.SetDeadline(at)
	if c.ctx.Err() != nil { // it ended before the deadline was set
		_ = c.raw.SetDeadline(time.Unix(1, 0))
	}
}

// blockWriter gives each block that goes out its own time (RFC 5321 4.5.3.2.5).
type blockWriter struct{ c *Client }

func (b blockWriter) Write(p []byte) (int, error) {
	b.c.arm(b.c.opts.Timeouts.DataBlock)
	return b.c.conn.Write(p)
}

func (c *Client) failed(during string, err error) *ConnError {
	c.broken = true
	if cause := context.Cause(c.ctx); cause != nil {
		err = cause
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &ConnError{During: during, Err: err}
}

// read sends what waits and reads one reply. 421 says that the server closes (RFC 5321 3.8).
func (c *Client) read(during string, d time.Duration) (*smtp.Reply, error) {
	if c.w.Buffered() > 0 {
		if err := c.w.Flush(); err != nil {
			return nil, c.failed(during, err)
		}
	}
	c.arm(d)
	reply, err := smtp.ReadReply(c.r)
	if err != nil {
		return nil, c.failed(during, err)
	}
	if reply.Code == 421 {
		c.broken = true
	}
	return reply, nil
}

func (c *Client) write(line string) {
	// An error stays in the writer, and comes out with the next flush.
	_, _ = c.w.WriteString(line)
	_, _ = c.w.WriteString("\r\n")
}

// command runs one simple command.
func (c *Client) command(line string, d time.Duration) (*smtp.Reply, error) {
	verb, _, _ := strings.Cut(line, " ")
	c.write(line)
	return c.read(verb, d)
}

// TLS gives the state of TLS, nil without.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// Broken reports whether the connection can take no more commands: it failed, or the server said 421.
func (c *Client) Broken() bool { return c.broken }

// Reset ends whatever transaction is open.
func (c *Client) Reset(ctx context.Context) error { return c.simple(ctx, smtp.RSET) }

// Noop asks whether the server is there.
func (c *Client) Noop(ctx context.Context) error { return c.simple(ctx, smtp.NOOP) }

func (c *Client) simple(ctx context.Context, verb smtp.Verb) error {
	defer c.attach(ctx)()
	reply, err := c.command(string(verb), c.opts.Timeouts.Hello)
	switch {
	case err != nil:
		return err
	case reply.Code/100 != 2:
		return &CommandError{string(verb), reply}
	}
	if verb == smtp.RSET {
		c.dirty = false
	}
	return nil
}

// Quit says goodbye and closes. It waits a few seconds for the answer at most, and gives no error: nothing hangs on it.
func (c *Client) Quit(ctx context.Context) {
	if !c.broken {
		detach := c.attach(ctx)
		_, err := c.command(string(smtp.QUIT), c.opts.Timeouts.Quit)
		detach()
		if err == nil && c.conn != c.raw {
			_ = c.conn.Close() // tells the end of TLS
		}
	}
	c.Close()
}

// Close closes the connection without a word.
func (c *Client) Close() {
	c.broken = true
	_ = c.raw.Close()
}

package pop3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// Bounds on the wire. RFC 2449 4 bounds a command line at 255 octets; SASL responses and passwords that are access tokens are longer,
// and come in the same lines.
const (
	maxLine  = 12 << 10 // RFC 4422 4 leaves it to the protocol; RFC 4954 4 names 12,288 for SMTP
	readSize = 4 << 10
	sendSize = 16 << 10
)

var (
	errLineTooLong = errors.New("the line is too long")
	errShutdown    = errors.New("the server is shutting down")
)

// conn is the connection with its deadlines and buffers.
type conn struct {
	ctx    context.Context // of the server: its end ends the waiting for commands
	base   net.Conn        // as it came
	raw    net.Conn        // what reads and writes: base, or the TLS of STLS over it
	limits Limits
	in     *bufio.Reader
	out    *bufio.Writer
	tls    *tls.ConnectionState
	until  time.Time // the login must be over by then; zero afterwards
	detach func() bool
	failed error // the first write that failed: the client is gone
}

func newConn(ctx context.Context, nc net.Conn, l Limits) *conn {
	c := &conn{ctx: ctx, base: nc, raw: nc, limits: l, until: time.Now().Add(l.PreAuth)}
	c.in = bufio.NewReaderSize(nc, readSize)
	c.out = bufio.NewWriterSize(deadlineWriter{c}, sendSize)
	c.detach = context.AfterFunc(ctx, c.interrupt)
	return c
}

// interrupt ends a read that is waiting. It may run beside STLS, which replaces raw: base stays.
func (c *conn) interrupt() { c.base.SetReadDeadline(time.Unix(1, 0)) }

// deadlineWriter writes some kilobytes at a time, each within its time, however slow the client reads the whole.
type deadlineWriter struct{ c *conn }

func (w deadlineWriter) Write(b []byte) (int, error) {
	if w.c.failed != nil {
		return 0, w.c.failed
	}
	w.c.raw.SetWriteDeadline(time.Now().Add(w.c.limits.Write))
	n, err := w.c.raw.Write(b)
	w.c.failed = err
	return n, err
}

// await sets how long the client may take for what it sends next.
func (c *conn) await() error {
	at := time.Now().Add(c.limits.Idle)
	if !c.until.IsZero() && c.until.Before(at) {
		at = c.until
	}
	c.raw.SetReadDeadline(at)
	if c.ctx.Err() != nil { // interrupt may have come before the line above
		return errShutdown
	}
	return nil
}

// readLine gives the client's next line without its end; the slice is good until the next call. Replies that wait are sent before it
// blocks, and not while whole commands still wait to be read (RFC 2449 6.6: PIPELINING). A line that is too long is read to its
// end, and then an error.
func (c *conn) readLine() ([]byte, error) {
	if ahead, _ := c.in.Peek(c.in.Buffered()); bytes.IndexByte(ahead, '\n') < 0 {
		if err := c.out.Flush(); err != nil {
			return nil, err
		}
	}
	if err := c.await(); err != nil {
		return nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err == nil {
		return trimEnd(line), nil
	}
	long := append([]byte(nil), line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = c.in.ReadSlice('\n')
		if len(long) <= maxLine {
			long = append(long, line...)
		}
	}
	switch {
	case c.ctx.Err() != nil && err != nil:
		return nil, errShutdown
	case err != nil:
		return nil, err
	case len(long) > maxLine:
		return nil, errLineTooLong
	}
	return trimEnd(long), nil
}

func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

// handshake makes TLS of the connection.
func (c *conn) handshake(t handshaker) error {
	ctx, cancel := context.WithDeadline(c.ctx, c.until)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	state := t.ConnectionState()
	c.tls = &state
	return nil
}

// startTLS does what STLS asked for. The caller has seen to it that nothing of the client waits to be read.
func (c *conn) startTLS(cfg *tls.Config) error {
	if err := c.out.Flush(); err != nil {
		return err
	}
	if err := c.await(); err != nil {
		return err
	}
	t := tls.Server(c.raw, cfg)
	if err := c.handshake(t); err != nil {
		return err
	}
	c.raw = t
	c.in.Reset(t)
	return nil
}

// close sends what waits and ends the connection. What the client has sent meanwhile is read for a moment: closing over it
// would make its host throw our last words away.
func (c *conn) close() {
	c.detach()
	defer c.raw.Close()
	c.out.Flush()
	half, ok := c.raw.(interface{ CloseWrite() error })
	c.raw.SetDeadline(time.Now().Add(time.Second))
	if c.failed != nil || !ok || half.CloseWrite() != nil {
		return
	}
	io.CopyN(io.Discard, c.raw, 64<<10)
}

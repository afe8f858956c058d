package imap

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errStopping = errors.New("the server is stopping")
	errNews     = errors.New("something changed")
)

// Buffers are shared between connections: one that waits for its client has none.
var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 32<<10) }}
)

// conn is a connection with deadlines on every read and write. It reads as a net.Conn does, what came in while
// nothing was expected first.
type conn struct {
	base   net.Conn // takes deadlines
	nc     net.Conn // base, or TLS over it
	tls    *tls.ConnectionState
	limits Limits
	stop   context.Context
	unhook func() bool

	until time.Time   // no read lasts longer; zero: no such bound
	woken atomic.Bool // a waiting read was interrupted because of news

	first   [64]byte // what ended a wait
	pending []byte   // what of it was not read yet

	br *bufio.Reader
	bw *bufio.Writer
}

func newConn(ctx context.Context, nc net.Conn, limits Limits) *conn {
	c := &conn{base: nc, nc: nc, limits: limits, stop: ctx}
	c.unhook = context.AfterFunc(ctx, c.interrupt)
	return c
}

func (c *conn) close() {
	c.unhook()
	c.release()
	_ = c.nc.Close()
}

// interrupt ends a read that waits. Reads check for the reason after they have set their deadline, so none is missed.
func (c *conn) interrupt() { _ = c.base.SetReadDeadline(time.Unix(1, 0)) }

// wake interrupts a wait for the client because there is news for it.
func (c *conn) wake() {
	c.woken.Store(true)
	c.interrupt()
}

// Deadlines are the network's: they are set by the machine's clock, whatever clock the server was given.
func (c *conn) deadline(d time.Duration) time.Time {
	t := time.Now().Add(d)
	if !c.until.IsZero() && c.until.Before(t) {
		return c.until
	}
	return t
}

func (c *conn) read(p []byte, timeout time.Duration) (int, error) {
	if err := c.base.SetReadDeadline(c.deadline(timeout)); err != nil {
		return 0, err
	}
	if c.stop.Err() != nil {
		return 0, errStopping
	}
	if c.woken.Swap(false) {
		return 0, errNews
	}
	n, err := c.nc.Read(p)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		switch {
		case c.stop.Err() != nil:
			return 0, errStopping
		case c.woken.Swap(false):
			return 0, errNews
		}
	}
	return n, err
}

// Read reads within a command.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	for {
		n, err := c.read(p, c.limits.Read)
		if err != errNews {
			return n, err
		}
	}
}

// Write writes all of p.
func (c *conn) Write(p []byte) (int, error) {
	timeout := c.limits.Write
	if c.stop.Err() != nil {
		timeout = min(timeout, 5*time.Second)
	}
	if err := c.base.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	return c.nc.Write(p)
}

// waiting reports input that was received and not read.
func (c *conn) waiting() bool { return len(c.pending) > 0 || c.br != nil && c.br.Buffered() > 0 }

// wait waits for the client's next octet without holding buffers. It gives errNews when wake was called.
func (c *conn) wait(timeout time.Duration) error {
	if c.waiting() {
		return nil
	}
	c.release()
	n, err := c.read(c.first[:], timeout)
	c.pending = c.first[:n]
	if n > 0 {
		return nil
	}
	return err
}

// acquire makes sure that there are buffers.
func (c *conn) acquire() {
	if c.br == nil {
		c.br = readers.Get().(*bufio.Reader)
		c.br.Reset(c)
	}
	if c.bw == nil {
		c.bw = writers.Get().(*bufio.Writer)
		c.bw.Reset(c)
	}
}

// release gives the buffers back. Input that was not read, or output that was not flushed, is lost.
func (c *conn) release() {
	if c.br != nil {
		c.br.Reset(nil)
		readers.Put(c.br)
		c.br = nil
	}
	if c.bw != nil {
		c.bw.Reset(nil)
		writers.Put(c.bw)
		c.bw = nil
	}
}

func (c *conn) handshake(ctx context.Context, t *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, c.limits.Read)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	state := t.ConnectionState()
	c.nc, c.tls = t, &state
	return nil
}

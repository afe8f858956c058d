package dialog

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// conn is one connection of a script. A goroutine writes, so that the script can go on reading.
type conn struct {
	raw  net.Conn
	in   *bufio.Reader
	line *string // read, and not taken yet

	mu      sync.Mutex
	wake    sync.Cond
	queue   []byte
	busy    bool
	err     error
	closed  bool
	writing chan struct{} // closed when the writer ended
}

func newConn(raw net.Conn) *conn {
	c := &conn{raw: raw, in: bufio.NewReader(raw), writing: make(chan struct{})}
	c.wake.L = &c.mu
	go c.write()
	return c
}

// write sends what is queued until the connection is closed.
func (c *conn) write() {
	defer close(c.writing)
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for len(c.queue) == 0 && !c.closed {
			c.wake.Wait()
		}
		if c.closed {
			return
		}
		b, raw := c.queue, c.raw
		c.queue, c.busy = nil, true
		c.mu.Unlock()
		_, err := raw.Write(b)
		c.mu.Lock()
		c.busy = false
		c.err = errors.Join(c.err, err)
		c.wake.Broadcast()
	}
}

// send queues octets. A write that failed earlier shows here only in the reading: the server's last words still count.
func (c *conn) send(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("the client closed this connection")
	}
	c.queue = append(c.queue, b...)
	c.wake.Broadcast()
	return nil
}

// flush waits until all is sent.
func (c *conn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for (len(c.queue) > 0 || c.busy) && c.err == nil {
		c.wake.Wait()
	}
	return c.err
}

func (c *conn) deadline(t time.Time) { c.raw.SetDeadline(t) }

// maxLine bounds what a server may send without an end of line.
const maxLine = 1 << 20

// peekLine gives the next line without its CRLF. A line that ends otherwise is an error.
func (c *conn) peekLine() (string, error) {
	if c.line == nil {
		var b strings.Builder
		for {
			part, err := c.in.ReadSlice('\n')
			b.Write(part)
			if err == nil {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) || b.Len() > maxLine {
				if b.Len() > 0 {
					return "", fmt.Errorf("after %q: %w", b.String(), err)
				}
				return "", err
			}
		}
		s, ok := strings.CutSuffix(b.String(), "\r\n")
		if !ok {
			return "", fmt.Errorf("a line that does not end with CRLF: %q", b.String())
		}
		c.line = &s
	}
	return *c.line, nil
}

func (c *conn) takeLine() { c.line = nil }

// octets expects exactly these.
func (c *conn) octets(want string) error {
	if c.line != nil { // looked at by an S* before
		got := *c.line + "\r\n"
		c.line = nil
		rest, ok := strings.CutPrefix(want, got)
		if !ok {
			return fmt.Errorf("the server says: %q", got)
		}
		want = rest
	}
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.in, got)
	if string(got[:n]) != want {
		return fmt.Errorf("the server says: %q (%w)", got[:n], errors.Join(err, errors.New("want other octets")))
	}
	return nil
}

// eof expects the end of the connection.
func (c *conn) eof() error {
	line, err := c.peekLine()
	switch {
	case err == nil:
		return fmt.Errorf("the server says: %q", line)
	case errors.Is(err, io.EOF) && errors.Unwrap(err) == nil, isReset(err):
		return nil
	}
	return fmt.Errorf("the server does not close: %w", readable(err))
}

// isReset reports a connection that the other side closed without reading what it had been sent.
func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// startTLS turns the connection into a TLS one. Octets that came before the handshake are a failure: a
// server must not have sent any.
func (c *conn) startTLS(cfg *tls.Config) error {
	if err := c.flush(); err != nil {
		return err
	}
	if n := c.in.Buffered(); n > 0 || c.line != nil {
		return fmt.Errorf("the server sent %d octets too many before TLS", n)
	}
	if cfg == nil {
		cfg = &tls.Config{InsecureSkipVerify: true}
	}
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		cfg = cfg.Clone()
		cfg.ServerName = "localhost"
	}
	t := tls.Client(c.raw, cfg)
	if err := t.HandshakeContext(context.Background()); err != nil { // bounded by the act's deadline
		return fmt.Errorf("TLS: %w", err)
	}
	c.mu.Lock()
	c.raw = t
	c.mu.Unlock()
	c.in = bufio.NewReader(t)
	return nil
}

// close ends the connection, once what was queued is on its way or the deadline is over.
func (c *conn) close() error {
	c.mu.Lock()
	over := c.closed
	c.mu.Unlock()
	if over {
		return nil
	}
	c.raw.SetWriteDeadline(time.Now().Add(time.Second))
	c.flush() // a server that does not read any more may be closed on
	c.mu.Lock()
	c.closed = true
	c.wake.Broadcast()
	c.mu.Unlock()
	c.raw.Close()
	<-c.writing
	return nil
}

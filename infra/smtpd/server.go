package smtpd

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/postrider/postrider/proto/smtp"
)

const (
	smallBuffer = 4 << 10
	largeBuffer = 32 << 10
)

// Server holds conversations of one configuration. It may serve any number of connections at a time.
type Server struct {
	cfg     Config
	backend Backend
	tls     *tls.Config
	table   map[smtp.Verb]command
	small   sync.Pool // *[smallBuffer]byte
	large   sync.Pool // *[largeBuffer]byte
}

// New makes a Server. STARTTLS uses a copy of cfg.TLS without session tickets: with them, some large senders close the
// connection after the handshake (golang/go issue 70232). A tls.Config that comes from GetConfigForClient must see to
// that itself.
func New(cfg Config, backend Backend) *Server {
	s := &Server{cfg: cfg.withDefaults(), backend: backend, table: commandTable(cfg.LMTP)}
	if cfg.TLS != nil {
		s.tls = cfg.TLS.Clone()
		s.tls.SessionTicketsDisabled = true
	}
	s.small.New = func() any { return new([smallBuffer]byte) }
	s.large.New = func() any { return new([largeBuffer]byte) }
	return s
}

// handshaker is a connection that is TLS already: a *tls.Conn, or something that wraps one.
type handshaker interface {
	HandshakeContext(ctx context.Context) error
	ConnectionState() tls.ConnectionState
}

// Serve holds the conversation on nc and closes it. When ctx ends, an idle client is told 421 and one that is sending a message may
// finish within Timeouts.Grace.
func (s *Server) Serve(ctx context.Context, nc net.Conn) {
	c := &conversation{srv: s, cfg: &s.cfg, conn: nc}
	c.link = &link{raw: nc, grace: s.cfg.Timeouts.Grace}
	c.pub = &Conn{ID: rand.Text()[:16], Remote: nc.RemoteAddr(), Local: nc.LocalAddr(), LMTP: s.cfg.LMTP}
	c.log = s.cfg.Log.With("conn", c.pub.ID, "remote", addrString(nc.RemoteAddr()))

	handlers, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	c.ctx = handlers
	detach := context.AfterFunc(ctx, func() { c.link.stop(cancel) })
	defer c.guard(c.end)
	defer detach()

	small := s.small.Get().(*[smallBuffer]byte)
	c.in = smtp.NewReader(source{c}, small[:])
	c.guard(c.run)
	c.guard(c.farewell)
	// Pooled only on the way that knows that nobody holds a slice of them any more.
	c.shrink()
	if !c.panicked && c.large == nil {
		s.small.Put(small)
	}
}

func addrString(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// guard runs f and keeps a panic, of a handler or our own, from taking the process with it. It is the one place that does.
func (c *conversation) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.panicked = true
			c.log.Error("panic in an SMTP conversation", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			c.close(smtp.Errorf(421, "4.3.0", "internal error; try again later"))
		}
	}()
	f()
}

// end closes what the conversation holds.
func (c *conversation) end() {
	defer c.link.close()
	if c.sess == nil {
		return
	}
	sess := c.sess
	c.sess = nil
	defer sess.Close()
	if c.tx.open {
		c.tx.open = false
		sess.Reset()
	}
}

// farewell sends what is still to be said. When the client may have sent more than we read, closing at once would make
// its host throw our last reply away, so the rest is read for a moment.
func (c *conversation) farewell() {
	if c.flush() != nil {
		return
	}
	if t, ok := c.conn.(*tls.Conn); ok && c.conn != c.link.raw {
		_ = t.CloseWrite() // closing the raw connection does not tell the end of TLS
	}
	if !c.linger {
		return
	}
	half, ok := c.link.raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.link.raw.SetReadDeadline(time.Now().Add(time.Second))
	var sink [512]byte
	for range 512 {
		if _, err := c.link.raw.Read(sink[:]); err != nil {
			return
		}
	}
}

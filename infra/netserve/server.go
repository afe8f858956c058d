package netserve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"github.com/postrider/postrider/mail"
)

// Handler serves one connection. Its context ends when the server shuts down: the handler should then finish what it owes the
// client and return. The connection is closed after it returned.
type Handler func(ctx context.Context, conn net.Conn)

// Refusal says why a connection is not served.
type Refusal uint8

// The refusals.
const (
	TooManyConnections Refusal = iota // the server as a whole is full
	TooManyFromClient                 // this client has as many as it may
	ShuttingDown
)

// Config says how connections are run.
type Config struct {
	Handler Handler
	// Refuse gives the words for a refusal, such as an SMTP 421 line; nil, or empty words, close without any. A listener whose
	// clients expect TLS at once should give none.
	Refuse func(Refusal) []byte
	// Max bounds the connections at a time over all listeners; 0 is no bound.
	Max int
	// MaxPerClient bounds those of one IPv4 address or IPv6 /64; 0 is no bound. UNIX sockets have no client.
	MaxPerClient int
	// Unbounded are networks to which MaxPerClient does not apply.
	Unbounded []netip.Prefix
	// ProxyFrom are the networks of proxies that put a PROXY header (v1 or v2) in front of each connection.
	ProxyFrom []netip.Prefix
	Clock     mail.Clock   // for the waits after a failed accept; nil is the machine's
	Log       *slog.Logger // nil: silent
}

// Server runs connections of any number of listeners.
type Server struct {
	cfg Config
	ctx context.Context // of the handlers
	end context.CancelFunc

	mu        sync.Mutex
	down      bool
	listeners map[net.Listener]struct{}
	conns     map[net.Conn]struct{}
	clients   map[netip.Prefix]int
	work      sync.WaitGroup // listeners' loops and connections
}

// New makes a server.
func New(cfg Config) *Server {
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, listeners: map[net.Listener]struct{}{}, conns: map[net.Conn]struct{}{}, clients: map[netip.Prefix]int{}}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// Serve accepts connections until Shutdown, which makes it return nil, or until the listener fails for good. It closes
// the listener.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	if s.down {
		s.mu.Unlock()
		return nil
	}
	s.listeners[l] = struct{}{}
	s.work.Add(1)
	s.mu.Unlock()
	defer s.work.Done()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}()
	wait := time.Duration(0)
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			wait = 0
			s.start(conn)
		case s.ctx.Err() != nil || s.isDown():
			return nil
		case !passing(err):
			return mail.Errorf(mail.Unavailable, "listener %s: %w", l.Addr(), err)
		default:
			wait = s.backOff(l, wait, err)
		}
	}
}

// Bounds of the wait after an accept that failed.
const (
	minBackOff = 5 * time.Millisecond
	maxBackOff = time.Second
)

// backOff waits after a failed accept, each time twice as long, and says so once.
func (s *Server) backOff(l net.Listener, wait time.Duration, err error) time.Duration {
	if wait == 0 {
		s.cfg.Log.Warn("connections cannot be accepted now; will keep trying", "role", "infra/netserve", "listener", l.Addr().String(), "error", err)
	}
	wait = min(max(wait*2, minBackOff), maxBackOff)
	select {
	case <-s.cfg.Clock.After(wait):
	case <-s.ctx.Done():
	}
	return wait
}

// passing reports an accept failure that says nothing against the listener itself: no files or memory left, or a
// client that was gone already.
func passing(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR, syscall.EPERM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (s *Server) isDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

// start takes a connection in, or turns it away when the server is full.
func (s *Server) start(conn net.Conn) {
	s.mu.Lock()
	why, ok := Refusal(0), true
	switch {
	case s.down:
		why, ok = ShuttingDown, false
	case s.cfg.Max > 0 && len(s.conns) >= s.cfg.Max:
		why, ok = TooManyConnections, false
	default:
		s.conns[conn] = struct{}{}
		s.work.Add(1)
	}
	s.mu.Unlock()
	if !ok {
		s.refuse(conn, why)
		return
	}
	go s.run(conn)
}

func (s *Server) run(conn net.Conn) {
	defer s.work.Done()
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("a connection's handler failed", "role", "infra/netserve", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	client, ok := s.behindProxy(conn)
	if !ok {
		return
	}
	key, counted := s.client(client.RemoteAddr())
	if counted {
		if !s.enter(key) {
			s.refuse(client, TooManyFromClient)
			return
		}
		defer s.leave(key)
	}
	s.cfg.Handler(s.ctx, client)
}

// proxyTimeout is how long a proxy may take for its header.
const proxyTimeout = 10 * time.Second

// behindProxy reads the PROXY header where the peer is a trusted proxy. ok is false when it did not come or is not one.
func (s *Server) behindProxy(conn net.Conn) (_ net.Conn, ok bool) {
	peer, isIP := addrOf(conn.RemoteAddr())
	if !isIP || !within(peer, s.cfg.ProxyFrom) {
		return conn, true
	}
	p := proxyproto.NewConn(conn, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(proxyTimeout))
	if p.ProxyHeader() == nil {
		s.cfg.Log.Warn("a trusted proxy sent no PROXY header; closed", "role", "infra/netserve", "proxy", peer.String())
		return nil, false
	}
	return proxied{p}, true
}

// proxied can still be closed by halves, which servers do to have their last words heard.
type proxied struct{ *proxyproto.Conn }

func (p proxied) CloseWrite() error {
	if t, ok := p.TCPConn(); ok {
		return t.CloseWrite()
	}
	return errors.ErrUnsupported
}

func addrOf(a net.Addr) (netip.Addr, bool) {
	if t, ok := a.(*net.TCPAddr); ok {
		ip := t.AddrPort().Addr().Unmap().WithZone("")
		return ip, ip.IsValid()
	}
	return netip.Addr{}, false
}

func within(ip netip.Addr, nets []netip.Prefix) bool {
	for _, n := range nets {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// client is what MaxPerClient counts by; counted is false where it does not apply.
func (s *Server) client(a net.Addr) (_ netip.Prefix, counted bool) {
	ip, ok := addrOf(a)
	if !ok || s.cfg.MaxPerClient <= 0 || within(ip, s.cfg.Unbounded) {
		return netip.Prefix{}, false
	}
	bits := 32
	if ip.Is6() {
		bits = 64 // what one customer is given at least
	}
	return netip.PrefixFrom(ip, bits).Masked(), true
}

func (s *Server) enter(key netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[key] >= s.cfg.MaxPerClient {
		return false
	}
	s.clients[key]++
	return true
}

func (s *Server) leave(key netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[key]--; s.clients[key] == 0 {
		delete(s.clients, key)
	}
}

// refuse says why and closes. A new connection's send buffer is empty, so that a line into it does not block; the deadline
// is for the connection that is different.
func (s *Server) refuse(conn net.Conn, why Refusal) {
	if s.cfg.Refuse != nil {
		if words := s.cfg.Refuse(why); len(words) > 0 {
			conn.SetWriteDeadline(time.Now().Add(time.Second))
			conn.Write(words)
		}
	}
	conn.Close()
}

// Connections tells how many are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Shutdown stops accepting, ends the handlers' context and waits for them. When ctx ends before they do, their connections are
// closed under them, and the error is ctx's. Once it returns nothing is left, provided that handlers
// return when their connection fails.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.down = true
	for l := range s.listeners {
		l.Close()
	}
	s.mu.Unlock()
	s.end()
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	<-done
	return ctx.Err()
}

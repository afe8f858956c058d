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

// Reason says why a connection is not served.
type Reason uint8

// The reasons.
const (
	TooManyConnections Reason = iota // the server as a whole is full
	TooManyFromClient                // this client has as many as it may
	ShuttingDown
	TooManyFromNetwork // this client's network has as many as it may
	NotAdmitted        // Admit said no
)

// Refusal is why a connection is not served, for machines and for people.
type Refusal struct {
	Reason Reason
	Text   string // one sentence without a line break; of NotAdmitted it is that of Admit's error
}

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
	// MaxPerNetwork bounds those of one IPv4 /24 or IPv6 /56; 0 is no bound.
	MaxPerNetwork int
	// Unbounded are networks to which MaxPerClient and MaxPerNetwork do not apply.
	Unbounded []netip.Prefix
	// ProxyFrom are the networks of proxies that put a PROXY header (v1 or v2) in front of each connection.
	ProxyFrom []netip.Prefix
	// ProxyMay are the networks of peers that may put one, and need not: such as web servers on this machine.
	ProxyMay []netip.Prefix
	// Admit is asked about each client before its connection takes a place, or, behind a proxy, before it takes one of MaxPerClient; its
	// error refuses. It runs in the loop that accepts, so it must not wait. UNIX sockets have no client. May be nil.
	Admit func(client netip.Addr) error
	Clock mail.Clock   // for the waits after a failed accept; nil is the machine's
	Log   *slog.Logger // nil: silent
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
	clients   map[netip.Prefix]int // connections by client and by network, whose prefixes differ in length
	work      sync.WaitGroup       // listeners' loops and connections
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

// Open is how many connections are served now.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
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
	if ip, ok := addrOf(conn.RemoteAddr()); !ok || !within(ip, s.cfg.ProxyFrom) {
		if err := s.admit(conn); err != nil {
			s.refuse(conn, Refusal{NotAdmitted, mail.Sentence(err)})
			return
		}
	}
	if why := s.place(conn); why.Text != "" {
		s.refuse(conn, why)
		return
	}
	go s.run(conn)
}

// place gives the connection a place, or says why there is none.
func (s *Server) place(conn net.Conn) (why Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.down:
		return Refusal{ShuttingDown, "the service is shutting down; try again soon"}
	case s.cfg.Max > 0 && len(s.conns) >= s.cfg.Max:
		return Refusal{TooManyConnections, "too many connections are open; try again later"}
	}
	s.conns[conn] = struct{}{}
	s.work.Add(1)
	return Refusal{}
}

// admit asks whether the connection's client is welcome.
func (s *Server) admit(conn net.Conn) error {
	ip, ok := addrOf(conn.RemoteAddr())
	if !ok || s.cfg.Admit == nil {
		return nil
	}
	return s.cfg.Admit(ip)
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
	if client != conn { // behind a proxy, and known only now
		if err := s.admit(client); err != nil {
			s.refuse(client, Refusal{NotAdmitted, mail.Sentence(err)})
			return
		}
	}
	places, why := s.enter(s.counted(client.RemoteAddr()))
	if why.Text != "" {
		s.refuse(client, why)
		return
	}
	defer s.leave(places)
	s.cfg.Handler(s.ctx, client)
}

// proxyTimeout is how long a proxy may take for its header.
const proxyTimeout = 10 * time.Second

// behindProxy reads the PROXY header where the peer is a trusted proxy. ok is false when it did not come or is not one.
func (s *Server) behindProxy(conn net.Conn) (_ net.Conn, ok bool) {
	peer, isIP := addrOf(conn.RemoteAddr())
	policy := proxyproto.REQUIRE
	switch {
	case isIP && within(peer, s.cfg.ProxyFrom):
	case isIP && within(peer, s.cfg.ProxyMay):
		policy = proxyproto.USE
	default:
		return conn, true
	}
	p := proxyproto.NewConn(conn, proxyproto.WithPolicy(policy), proxyproto.SetReadHeaderTimeout(proxyTimeout))
	if p.ProxyHeader() == nil && policy == proxyproto.REQUIRE {
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

// place is what a client's connections are counted by, and how many there may be.
type place struct {
	net  netip.Prefix
	most int
	why  Refusal
}

// counted lists the places that a connection of the client takes: none where no bound applies.
func (s *Server) counted(a net.Addr) []place {
	ip, ok := addrOf(a)
	if !ok || within(ip, s.cfg.Unbounded) {
		return nil
	}
	one, wide := 32, 24
	if ip.Is6() {
		one, wide = 64, 56 // what one customer is given at least, and usually
	}
	var out []place
	if most := s.cfg.MaxPerClient; most > 0 {
		out = append(out, place{netip.PrefixFrom(ip, one).Masked(), most, Refusal{TooManyFromClient, "too many connections come from your address; close some or try again later"}})
	}
	if most := s.cfg.MaxPerNetwork; most > 0 {
		out = append(out, place{netip.PrefixFrom(ip, wide).Masked(), most, Refusal{TooManyFromNetwork, "too many connections come from your network; close some or try again later"}})
	}
	return out
}

// enter takes all places, or none and says why.
func (s *Server) enter(places []place) ([]place, Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range places {
		if s.clients[p.net] >= p.most {
			return nil, p.why
		}
	}
	for _, p := range places {
		s.clients[p.net]++
	}
	return places, Refusal{}
}

func (s *Server) leave(places []place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range places {
		if s.clients[p.net]--; s.clients[p.net] == 0 {
			delete(s.clients, p.net)
		}
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

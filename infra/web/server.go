// Package web is the HTTP and HTTPS servers: connections in, requests out.
//
// It takes connections from netserve (or a listener), TLS from infra/tls, and hands each request to the handler of whoever registered for its
// host and path in a Mux: roles know nothing of ports, timeouts and certificates. On the plain port it answers certificate authorities and sends
// everybody else on to HTTPS, except to what must be had without.
//
// Invariants:
//
//   - Nobody is waited for without end: handshake, header, body, answer and idling have their times, and header and body their sizes.
//   - A handler that panics ends its request, not the process.
//   - Every answer carries the headers that keep a browser from guessing and framing; nothing is allowed to run unless the handler says so.
//   - Once Handle's context ends, what is being answered is finished, and then the connections close.
//   - A handler that takes a connection over (http.Hijacker, HTTP/1.1 alone) has it until it returns; then the connection closes.
//   - A handshake for the authority's challenge (RFC 8737 3) serves no request.
//
// RFCs: RFC 9110, RFC 9112, RFC 9113 (HTTP/2, over TLS), RFC 6797 (HSTS), RFC 8615 (well-known), RFC 8737.
package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of every connection.
const (
	HandshakeTime = 10 * time.Second
	HeaderTime    = 10 * time.Second
	ReadTime      = 30 * time.Second // header and body
	WriteTime     = 60 * time.Second
	IdleTime      = 2 * time.Minute
	MaxHeader     = 16 << 10 // octets of a request's header
	MaxBody       = 1 << 20  // octets of its body, unless the handler allows fewer, or is Large
	MaxStreams    = 100      // of HTTP/2, at a time
	// finish is how long requests may take once the server is to end.
	finish = 15 * time.Second
)

// Config says what a server does.
type Config struct {
	// Handler answers requests: a Mux.
	Handler http.Handler
	// TLS is for connections that come bare and speak TLS from the first octet; nil: they are plain, or are *tls.Conn already.
	TLS *tls.Config
	// Challenge answers requests of certificate authorities and tells whether it did (tls.Keeper.AnswerHTTP); nil: there are none.
	Challenge func(http.ResponseWriter, *http.Request) bool
	// RedirectTo is the port of HTTPS, "443", to which requests without TLS are sent unless Plain has them; "" sends nobody.
	RedirectTo string
	// Plain has what is served without TLS all the same; nil: nothing.
	Plain *Mux
	Log   *slog.Logger // nil: silent
}

// Server serves connections. Several listeners may share it.
type Server struct {
	cfg  Config
	http *http.Server
	feed *feed

	mu    sync.Mutex
	open  map[net.Conn]chan struct{} // closed when the HTTP server, or who took it over, is through with the connection
	ended bool
	once  sync.Once
	done  chan struct{} // the HTTP server is through
}

// New makes a server. It must be ended: by the end of the contexts of Handle, or by Shutdown.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, feed: newFeed(), open: map[net.Conn]chan struct{}{}, done: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	s.http = &http.Server{
		Handler:           s.handler(),
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: MaxStreams, SendPingTimeout: time.Minute, PingTimeout: 15 * time.Second},
		ReadHeaderTimeout: HeaderTime,
		ReadTimeout:       ReadTime,
		WriteTimeout:      WriteTime,
		IdleTimeout:       IdleTime,
		MaxHeaderBytes:    MaxHeader,
		ErrorLog:          slog.NewLogLogger(logLevels{cfg.Log.Handler()}, slog.LevelDebug),
		ConnState:         s.state,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	go func() {
		defer close(s.done)
		s.http.Serve(s.feed) //nolint:errcheck // it ends when told to
	}()
	return s
}

// Handle serves one connection until it closes; it is a netserve.Handler. When ctx ends, the whole server finishes what it is answering
// and ends.
func (s *Server) Handle(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, s.end)
	defer stop()
	secure, ok := conn.(*tls.Conn)
	if !ok && s.cfg.TLS != nil {
		secure = tls.Server(conn, s.cfg.TLS)
		conn, ok = secure, true
	}
	if ok && !s.greet(ctx, secure) {
		return
	}
	closed := make(chan struct{})
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.open[conn] = closed
	s.mu.Unlock()
	if !s.feed.give(conn) {
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
		return
	}
	<-closed
}

// greet makes the handshake, and tells whether requests will follow.
func (s *Server) greet(ctx context.Context, conn *tls.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, HandshakeTime)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		s.cfg.Log.Debug("TLS handshake failed", "role", "infra/web", "client", conn.RemoteAddr().String(), "error", err)
		return false
	}
	return conn.ConnectionState().NegotiatedProtocol != "acme-tls/1"
}

// Serve accepts connections of a listener until Shutdown, for programs without netserve. It closes the listener.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-s.done
		l.Close()
	}()
	var work sync.WaitGroup
	defer work.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.ended {
				return nil
			}
			return err
		}
		work.Go(func() {
			defer conn.Close()
			s.Handle(ctx, conn)
		})
	}
}

// Shutdown ends the server: idle connections close, requests are finished until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.feed.Close()
	<-s.done
	s.mu.Lock()
	for c, closed := range s.open { // given, and not yet taken by the HTTP server
		delete(s.open, c)
		close(closed)
	}
	s.mu.Unlock()
	return err
}

func (s *Server) end() {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), finish)
		defer cancel()
		s.Shutdown(ctx) //nolint:errcheck // whoever is not through by then is cut off
	})
}

// connKey finds the connection of a request in its context.
type connKey struct{}

// state hears from the HTTP server what becomes of connections. One that was taken over is its handler's until that returns.
func (s *Server) state(conn net.Conn, state http.ConnState) {
	if state == http.StateClosed {
		s.release(conn)
	}
}

// release ends a connection's Handle, which closes it.
func (s *Server) release(conn net.Conn) {
	s.mu.Lock()
	closed, ok := s.open[conn]
	delete(s.open, conn)
	s.mu.Unlock()
	if ok {
		close(closed)
	}
}

// feed is a listener whose connections are given to it.
type feed struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newFeed() *feed { return &feed{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (f *feed) give(c net.Conn) bool {
	select {
	case f.conns <- c:
		return true
	case <-f.closed:
		return false
	}
}

// Accept implements net.Listener.
func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f *feed) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// Addr implements net.Listener.
func (f *feed) Addr() net.Addr { return &net.TCPAddr{} }

// logLevels makes an error of what net/http says about a panic; the rest, about clients, stays what it is.
type logLevels struct{ slog.Handler }

func (h logLevels) Handle(ctx context.Context, r slog.Record) error {
	if bytes.Contains([]byte(r.Message), []byte("panic")) {
		r.Level = slog.LevelError
	}
	r.AddAttrs(slog.String("role", "infra/web"))
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// Enabled lets everything in, because only Handle knows what it is.
func (h logLevels) Enabled(context.Context, slog.Level) bool { return true }

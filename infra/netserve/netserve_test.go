package netserve_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/netserve"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/clock"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "systemd-child" {
		systemdChild()
		return
	}
	goleak.VerifyTestMain(m)
}

// greet says who the client is, and then waits for its line or for the end.
func greet(ctx context.Context, conn net.Conn) {
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()
	fmt.Fprintf(conn, "hello %s\n", conn.RemoteAddr())
	line, _ := bufio.NewReader(conn).ReadString('\n')
	if ctx.Err() != nil {
		fmt.Fprint(conn, "goodbye\n")
		return
	}
	fmt.Fprint(conn, line)
}

func refusal(why netserve.Refusal) []byte {
	return fmt.Appendf(nil, "refused %d %s\n", why.Reason, why.Text)
}

// start serves a loopback port until the test ends.
func start(t *testing.T, cfg netserve.Config) (*netserve.Server, string) {
	t.Helper()
	if cfg.Handler == nil {
		cfg.Handler = greet
	}
	cfg.Refuse = refusal
	sockets, err := netserve.NewSockets()
	if err != nil {
		t.Fatal(err)
	}
	l, err := sockets.Listen(t.Context(), netserve.Address{Text: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	s := netserve.New(cfg)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
	return s, l.Addr().String()
}

type client struct {
	net.Conn
	*bufio.Reader
}

func (c client) Read(b []byte) (int, error) { return c.Reader.Read(b) }

func dial(t *testing.T, network, address string) client {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return client{conn, bufio.NewReader(conn)}
}

func (c client) line(t *testing.T) string {
	t.Helper()
	s, err := c.ReadString('\n')
	if err != nil && s == "" {
		return "closed"
	}
	return strings.TrimSuffix(s, "\n")
}

func TestServe(t *testing.T) {
	t.Parallel()
	_, addr := start(t, netserve.Config{})
	c := dial(t, "tcp", addr)
	if got := c.line(t); got != "hello "+c.LocalAddr().String() {
		t.Errorf("greeting %q", got)
	}
	fmt.Fprint(c, "echo\n")
	if got := c.line(t) + c.line(t); got != "echoclosed" {
		t.Errorf("echo %q", got)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cfg  netserve.Config
		want string
	}{
		"in all":            {netserve.Config{Max: 2}, "refused 0"},
		"of one client":     {netserve.Config{MaxPerClient: 2}, "refused 1"},
		"not of the exempt": {netserve.Config{MaxPerClient: 2, Unbounded: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, addr := start(t, tc.cfg)
			var open []client
			for range 2 {
				c := dial(t, "tcp", addr)
				if got := c.line(t); !strings.HasPrefix(got, "hello") {
					t.Fatalf("within the bound: %q", got)
				}
				open = append(open, c)
			}
			if got := dial(t, "tcp", addr).line(t); !strings.HasPrefix(got, tc.want) {
				t.Errorf("past the bound: %q, want %q", got, tc.want)
			}
			fmt.Fprint(open[0], "bye\n")
			if got := open[0].line(t) + open[0].line(t); got != "byeclosed" {
				t.Fatalf("end: %q", got)
			}
			// The place is free again soon after its client saw the end.
			for range 1000 {
				if got := dial(t, "tcp", addr).line(t); strings.HasPrefix(got, "hello") {
					return
				}
			}
			t.Error("a place that was left is not free again")
		})
	}
}

func TestPanicEndsTheConnectionOnly(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &logged}, nil))
	_, addr := start(t, netserve.Config{Log: log, Handler: func(ctx context.Context, conn net.Conn) {
		if line, _ := bufio.NewReader(conn).ReadString('\n'); line == "panic\n" {
			panic("told to")
		}
		greet(ctx, conn)
	}})
	c := dial(t, "tcp", addr)
	fmt.Fprint(c, "panic\n")
	if got := c.line(t); got != "closed" {
		t.Errorf("after the panic: %q", got)
	}
	c = dial(t, "tcp", addr)
	fmt.Fprint(c, "\n")
	if got := c.line(t); !strings.HasPrefix(got, "hello") {
		t.Errorf("the next connection: %q", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(logged.String(), "told to") {
		t.Errorf("not logged: %s", logged.String())
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func TestShutdownLetsHandlersFinish(t *testing.T) {
	t.Parallel()
	s, addr := start(t, netserve.Config{})
	c := dial(t, "tcp", addr)
	c.line(t)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if got := c.line(t) + " " + c.line(t); got != "goodbye closed" {
		t.Errorf("the client was told %q", got)
	}
	if _, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a connection after the end: %v", err)
	}
}

func TestShutdownClosesThoseWhoDoNotFinish(t *testing.T) {
	t.Parallel()
	served := make(chan struct{})
	s, addr := start(t, netserve.Config{Handler: func(_ context.Context, conn net.Conn) {
		close(served)
		io.Copy(io.Discard, conn) // deaf to its context
	}})
	dial(t, "tcp", addr)
	<-served
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
}

// failing is a listener whose Accept fails so many times before it is a real one.
type failing struct {
	net.Listener
	errs chan error
}

func (f *failing) Accept() (net.Conn, error) {
	select {
	case err := <-f.errs:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	default:
		return f.Listener.Accept()
	}
}

// The accept loop must wait when files run out, not spin (and not end).
func TestAcceptBacksOff(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &failing{inner, make(chan error, 100)}
	for range 10 {
		l.errs <- syscall.EMFILE
	}
	l.errs <- syscall.ENFILE
	now := clock.New()
	var logged bytes.Buffer
	s := netserve.New(netserve.Config{Handler: greet, Clock: now, Log: slog.New(slog.NewTextHandler(&logged, nil))})
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	for i := range 11 {
		now.Await(t, 1)
		if left := len(l.errs); left != 10-i {
			t.Fatalf("after %d waits %d failures are left: it does not wait after each", i, left)
		}
		now.Step()
	}
	// 5, 10, 20 ... 640 ms, then a second each.
	if got, want := now.Now().Sub(clock.Start), (5*255+3*1000)*time.Millisecond; got != want {
		t.Errorf("waited %v, want %v", got, want)
	}
	if got := dial(t, "tcp", inner.Addr().String()).line(t); !strings.HasPrefix(got, "hello") {
		t.Errorf("afterwards: %q", got)
	}
	s.Shutdown(t.Context())
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if n := strings.Count(logged.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want one: %s", n, logged.String())
	}
}

func TestShutdownDuringBackOffAndBrokenListener(t *testing.T) {
	t.Parallel()
	for _, shut := range []bool{true, false} {
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l := &failing{inner, make(chan error, 1)}
		now := clock.New()
		s := netserve.New(netserve.Config{Handler: greet, Clock: now})
		done := make(chan error, 1)
		if shut {
			l.errs <- syscall.EMFILE
		} else {
			l.errs <- syscall.EBADF
		}
		go func() { done <- s.Serve(l) }()
		if shut {
			now.Await(t, 1)
			s.Shutdown(t.Context())
		}
		if err := <-done; (err == nil) != shut {
			t.Errorf("shut down %v: %v", shut, err)
		}
		if err := s.Serve(inner); err == nil && !shut {
			t.Error("a closed listener serves")
		}
		s.Shutdown(t.Context())
	}
}

// The PROXY protocol, versions 1 and 2, from a trusted network and from another.
func TestProxy(t *testing.T) {
	t.Parallel()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x12\x34\x00\x19"
	local := "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	for name, tc := range map[string]struct {
		trusted      []netip.Prefix
		sends, wants string
	}{
		"version 1":      {loopback, "PROXY TCP4 192.0.2.7 127.0.0.1 4660 25\r\n", "hello 192.0.2.7:4660"},
		"version 1, v6":  {loopback, "PROXY TCP6 2001:db8::7 ::1 4660 25\r\n", "hello [2001:db8::7]:4660"},
		"version 2":      {loopback, v2, "hello 192.0.2.7:4660"},
		"health check":   {loopback, local, "hello 127.0.0.1:"},
		"no header":      {loopback, "EHLO x\r\n", "closed"},
		"half a header":  {loopback, "PROXY TCP4 192.0.2.7\r\n", "closed"},
		"broken header":  {loopback, "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x01\x00", "closed"},
		"not trusted":    {nil, "PROXY TCP4 192.0.2.7 127.0.0.1 4660 25\r\n", "hello 127.0.0.1:"},
		"others trusted": {[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, "PROXY TCP4 192.0.2.7 127.0.0.1 4660 25\r\n", "hello 127.0.0.1:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, addr := start(t, netserve.Config{ProxyFrom: tc.trusted})
			c := dial(t, "tcp", addr)
			fmt.Fprint(c, tc.sends)
			if got := c.line(t); !strings.HasPrefix(got, tc.wants) {
				t.Errorf("got %q, want %q", got, tc.wants)
			}
		})
	}
	// Who may send a header need not.
	for sends, wants := range map[string]string{"PROXY TCP4 192.0.2.7 127.0.0.1 4660 25\r\n": "hello 192.0.2.7:4660", v2: "hello 192.0.2.7:4660", "EHLO x\r\n": "hello 127.0.0.1:"} {
		_, addr := start(t, netserve.Config{ProxyMay: loopback})
		c := dial(t, "tcp", addr)
		fmt.Fprint(c, sends)
		if got := c.line(t); !strings.HasPrefix(got, wants) {
			t.Errorf("%q: got %q, want %q", sends, got, wants)
		}
	}
}

// Servers close by halves, so that their last words are heard: also behind a proxy.
func TestCloseWriteBehindAProxy(t *testing.T) {
	t.Parallel()
	closed := make(chan error, 1)
	_, addr := start(t, netserve.Config{ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Handler: func(_ context.Context, conn net.Conn) {
		closed <- conn.(interface{ CloseWrite() error }).CloseWrite()
		io.Copy(io.Discard, conn)
	}})
	c := dial(t, "tcp", addr)
	fmt.Fprint(c, "PROXY TCP4 192.0.2.7 127.0.0.1 4660 25\r\n")
	if got := c.line(t); got != "closed" {
		t.Errorf("the client reads %q", got)
	}
	if err := <-closed; err != nil {
		t.Errorf("CloseWrite: %v", err)
	}
	c.Close()
}

// MaxPerClient counts whom the proxy names, and an IPv6 customer as one.
func TestBoundsBehindAProxy(t *testing.T) {
	t.Parallel()
	_, addr := start(t, netserve.Config{MaxPerClient: 1, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for _, tc := range []struct{ from, want string }{
		{"TCP4 192.0.2.7 127.0.0.1", "hello"}, {"TCP4 192.0.2.8 127.0.0.1", "hello"}, {"TCP4 192.0.2.7 127.0.0.1", "refused 1 too many connections come from your address; close some or try again later"},
		{"TCP6 2001:db8::1 ::1", "hello"}, {"TCP6 2001:db8::ffff:1 ::1", "refused 1"}, {"TCP6 2001:db8:0:1::1 ::1", "hello"},
	} {
		c := dial(t, "tcp", addr)
		fmt.Fprintf(c, "PROXY %s 1 25\r\n", tc.from)
		if got := c.line(t); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.from, got, tc.want)
		}
	}
}

func TestListenRefuses(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sockets, err := netserve.NewSockets()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]mail.Kind{"": mail.Invalid, "25": mail.Invalid, "localhost": mail.Invalid, "127.0.0.1:999999": mail.Invalid,
		"192.0.2.1:0": mail.Invalid, l.Addr().String(): mail.Exists, "systemd:smtp": mail.NotFound, "unix:": mail.Invalid,
		"unix:/nonexistent/socket": mail.Unavailable} {
		if _, err := sockets.Listen(t.Context(), netserve.Address{Text: text}); !mail.Is(err, want) {
			t.Errorf("%q: %v, want kind %v", text, err, want)
		}
	}
}

// TestAdmit asks about each client before it takes a place, behind a proxy about whom the proxy names, and carries the sentence.
func TestAdmit(t *testing.T) {
	t.Parallel()
	var asked sync.Map
	admit := func(ip netip.Addr) error {
		asked.Store(ip.String(), true)
		if ip == netip.MustParseAddr("192.0.2.7") || ip == netip.MustParseAddr("127.0.0.1") {
			return &mail.Error{Kind: mail.TooMany, Text: "you are banned for 15 minutes"}
		}
		return nil
	}
	t.Run("direct", func(t *testing.T) {
		t.Parallel()
		s, addr := start(t, netserve.Config{Admit: admit, Max: 1})
		for range 3 {
			c := dial(t, "tcp", addr)
			if got := c.line(t) + " " + c.line(t); got != "refused 4 you are banned for 15 minutes closed" {
				t.Errorf("the client is told %q", got)
			}
		}
		if n := s.Connections(); n != 0 {
			t.Errorf("%d places are taken", n)
		}
	})
	t.Run("behind a proxy", func(t *testing.T) {
		t.Parallel()
		_, addr := start(t, netserve.Config{Admit: admit, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
		for from, want := range map[string]string{"192.0.2.7": "refused 4 you are banned for 15 minutes", "192.0.2.8": "hello 192.0.2.8:1"} {
			c := dial(t, "tcp", addr)
			fmt.Fprintf(c, "PROXY TCP4 %s 127.0.0.1 1 25\r\n", from)
			if got := c.line(t); got != want {
				t.Errorf("%s is told %q, want %q", from, got, want)
			}
			if _, ok := asked.Load(from); !ok {
				t.Errorf("nobody asked about %s", from)
			}
		}
	})
	t.Run("an inner fault", func(t *testing.T) {
		t.Parallel()
		_, addr := start(t, netserve.Config{Admit: func(netip.Addr) error { return errors.New("a secret path") }})
		if got := dial(t, "tcp", addr).line(t); !strings.HasPrefix(got, "refused 4 ") || strings.Contains(got, "secret") {
			t.Errorf("the client is told %q", got)
		}
	})
}

// TestBoundsOfANetwork counts the clients of one network together, beside each one's own bound.
func TestBoundsOfANetwork(t *testing.T) {
	t.Parallel()
	_, addr := start(t, netserve.Config{
		MaxPerClient: 2, MaxPerNetwork: 3, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Unbounded: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
	})
	for _, tc := range []struct{ from, want string }{
		{"TCP4 192.0.2.7 127.0.0.1", "hello"},
		{"TCP4 192.0.2.7 127.0.0.1", "hello"},
		{"TCP4 192.0.2.7 127.0.0.1", "refused 1 "}, // and takes nothing of the network's
		{"TCP4 192.0.2.8 127.0.0.1", "hello"},
		{"TCP4 192.0.2.9 127.0.0.1", "refused 3 too many connections come from your network; close some or try again later"},
		{"TCP4 192.0.3.9 127.0.0.1", "hello"},
		{"TCP6 2001:db8:0:1200::1 ::1", "hello"},
		{"TCP6 2001:db8:0:12ff::1 ::1", "hello"},
		{"TCP6 2001:db8:0:1201::1 ::1", "hello"},
		{"TCP6 2001:db8:0:1202::1 ::1", "refused 3 "},
		{"TCP6 2001:db8:0:1300::1 ::1", "hello"},
		{"TCP4 198.51.100.1 127.0.0.1", "hello"}, {"TCP4 198.51.100.1 127.0.0.1", "hello"}, {"TCP4 198.51.100.1 127.0.0.1", "hello"}, {"TCP4 198.51.100.1 127.0.0.1", "hello"},
	} {
		c := dial(t, "tcp", addr)
		fmt.Fprintf(c, "PROXY %s 1 25\r\n", tc.from)
		if got := c.line(t); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.from, got, tc.want)
		}
	}
}

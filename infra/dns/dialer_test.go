package dns_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

// network stands in for TCP: what each address does, and who was tried when.
type network struct {
	mu    sync.Mutex
	tried []string
	does  map[string]func(ctx context.Context) (net.Conn, error)
	open  int // connections that were made and not closed
}

type counted struct {
	net.Conn
	n       *network
	address string
}

func (c counted) Close() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.n.open--
	return nil
}

func (n *network) connect(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	n.tried = append(n.tried, address)
	n.mu.Unlock()
	if do := n.does[address]; do != nil {
		if _, err := do(ctx); err != nil {
			return nil, err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open++
	return counted{n: n, address: address}, nil
}

func refused(context.Context) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
}

func hangs(ctx context.Context) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func slow(context.Context) (net.Conn, error) { // does not listen to its context, and succeeds in the end
	time.Sleep(10 * time.Second)
	return nil, nil
}

const threeHosts = "a.test A 192.0.2.1\na.test A 192.0.2.2\na.test AAAA 2001:db8::1\nempty.test TXT x\nbroken.test FAIL"

func TestDial(t *testing.T) {
	t.Parallel()
	type acts = map[string]func(context.Context) (net.Conn, error)
	for name, tc := range map[string]struct {
		host  string
		does  acts
		tried string
		won   string // or the kind of the failure
	}{
		"the first wins":          {"a.test", nil, "[2001:db8::1]:25", "[2001:db8::1]:25"},
		"the families take turns": {"a.test", acts{"[2001:db8::1]:25": refused}, "[2001:db8::1]:25 192.0.2.1:25", "192.0.2.1:25"},
		"one that hangs": {"a.test", acts{"[2001:db8::1]:25": hangs, "192.0.2.1:25": hangs},
			"[2001:db8::1]:25 192.0.2.1:25 192.0.2.2:25", "192.0.2.2:25"},
		"one that comes too late is closed": {"a.test", acts{"[2001:db8::1]:25": slow}, "[2001:db8::1]:25 192.0.2.1:25", "192.0.2.1:25"},
		"all refuse": {"a.test", acts{"[2001:db8::1]:25": refused, "192.0.2.1:25": refused, "192.0.2.2:25": refused},
			"[2001:db8::1]:25 192.0.2.1:25 192.0.2.2:25", "unavailable"},
		"all hang": {"a.test", acts{"[2001:db8::1]:25": hangs, "192.0.2.1:25": hangs, "192.0.2.2:25": hangs},
			"[2001:db8::1]:25 192.0.2.1:25 192.0.2.2:25", "unavailable"},
		"an address":             {"192.0.2.9", nil, "192.0.2.9:25", "192.0.2.9:25"},
		"no such host":           {"missing.test", nil, "", "not-found"},
		"no address":             {"empty.test", nil, "", "not-found"},
		"DNS fails":              {"broken.test", nil, "", "unavailable"},
		"override of a host":     {"lab.test", nil, "127.0.0.1:2525", "127.0.0.1:2525"},
		"override with a port":   {"LAB2.test.", nil, "127.0.0.1:2526", "127.0.0.1:2526"},
		"override of an address": {"over.test", nil, "127.0.0.1:2527", "127.0.0.1:2527"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{does: tc.does}
				d := dns.Dialer{Connect: n.connect, Resolver: static(t, dns.StaticConfig{Zone: threeHosts + "\nover.test A 198.51.100.1"}),
					Overrides: map[string]string{"lab.test": "127.0.0.1:2525", "lab2.test:25": "127.0.0.1:2526", "lab2.test": "127.0.0.1:1",
						"198.51.100.1": "127.0.0.1:2527"}}
				conn, err := d.Dial(t.Context(), tc.host, 25)
				open := 0
				got := ""
				if err != nil {
					got = mail.KindOf(err).String()
				} else {
					got, open = conn.(counted).address, 1
				}
				if got != tc.won || strings.Join(n.tried, " ") != tc.tried {
					t.Errorf("tried %v, won %s (%v); want %s, %s", n.tried, got, err, tc.tried, tc.won)
				}
				if n.open != open {
					t.Errorf("%d connections are open, want %d", n.open, open)
				}
			})
		})
	}
}

func TestDialSaysWhy(t *testing.T) {
	t.Parallel()
	n := &network{does: map[string]func(context.Context) (net.Conn, error){"192.0.2.1:25": refused, "192.0.2.2:25": refused, "[2001:db8::1]:25": refused}}
	d := dns.Dialer{Connect: n.connect, Resolver: static(t, dns.StaticConfig{Zone: threeHosts})}
	_, err := d.Dial(t.Context(), "a.test", 25)
	if !errors.Is(err, syscall.ECONNREFUSED) || strings.Count(err.Error(), "connection refused") != 3 || !strings.Contains(err.Error(), "192.0.2.2:25") {
		t.Errorf("Dial: %v", err)
	}
}

func TestDialStopsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &network{does: map[string]func(context.Context) (net.Conn, error){"[2001:db8::1]:25": hangs}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		d := dns.Dialer{Connect: n.connect, Resolver: static(t, dns.StaticConfig{Zone: threeHosts})}
		if _, err := d.Dial(ctx, "a.test", 25); !mail.Is(err, mail.Unavailable) || len(n.tried) != 1 {
			t.Errorf("Dial: %v after %v", err, n.tried)
		}
	})
}

func TestDialForReal(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := netip.MustParseAddrPort(l.Addr().String())
	d := dns.Dialer{Resolver: static(t, dns.StaticConfig{Zone: "mx.test A 127.0.0.1"})}
	conn, err := d.Dial(t.Context(), "mx.test", to.Port())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.RemoteAddr().String() != to.String() {
		t.Errorf("connected to %s, want %s", conn.RemoteAddr(), to)
	}
}

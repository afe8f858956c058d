package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// Dialer connects to hosts by name.
type Dialer struct {
	Resolver Resolver
	// Overrides sends connections elsewhere: a host's name, an IP address, or either with ":port", to a "host:port" with
	// an IP address or localhost. The one with the port counts more, a name more than its address. For laboratories, where the MX of a domain
	// listens on a high port of the loopback.
	Overrides map[string]string
	// Timeout is for one address; 0 is 30 s.
	Timeout time.Duration
	// Stagger is the head start of each address over the next; 0 is 250 ms (RFC 8305 5).
	Stagger time.Duration
	// Connect opens one connection; nil is the machine's TCP.
	Connect func(ctx context.Context, network, address string) (net.Conn, error)
}

// maxRace bounds how many addresses of one host are tried.
const maxRace = 16

// Dial connects to a host (a name, or an IP address) at the first of its addresses that answers, IPv6 and IPv4 in turn
// (RFC 8305 4). A host that does not exist or has no address is NotFound, one that cannot be reached now Unavailable.
func (d *Dialer) Dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	if to, ok := d.override(host, port); ok {
		return d.connect(ctx, host, to)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return d.DialAddr(ctx, ip, port)
	}
	addrs, err := d.Resolver.Addresses(ctx, host)
	switch {
	case err != nil:
		return nil, err
	case addrs.Status == NoName:
		return nil, &mail.Error{Kind: mail.NotFound, Text: "the host " + host + " does not exist", Enhanced: "5.4.4"}
	case addrs.Status != Found:
		return nil, &mail.Error{Kind: mail.NotFound, Text: "the host " + host + " has no address", Enhanced: "5.4.4"}
	}
	return d.race(ctx, host, interleave(addrs.Value), port)
}

// DialAddr connects to one address of a host, for callers that go through a host's addresses themselves.
func (d *Dialer) DialAddr(ctx context.Context, ip netip.Addr, port uint16) (net.Conn, error) {
	to, ok := d.override(ip.String(), port)
	if !ok {
		to = netip.AddrPortFrom(ip, port).String()
	}
	return d.connect(ctx, ip.String(), to)
}

func (d *Dialer) override(host string, port uint16) (string, bool) {
	host = text(host)
	if to, ok := d.Overrides[net.JoinHostPort(host, strconv.Itoa(int(port)))]; ok {
		return to, true
	}
	to, ok := d.Overrides[host]
	return to, ok
}

func (d *Dialer) connect(ctx context.Context, host, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cmpOr(d.Timeout, 30*time.Second))
	defer cancel()
	open := d.Connect
	if open == nil {
		var nd net.Dialer
		open = nd.DialContext
	}
	conn, err := open(ctx, "tcp", address)
	if err == nil {
		return conn, nil
	}
	cause := plain(ctx, err)
	text := fmt.Sprintf("cannot connect to %s (%s): %v", host, address, cause)
	return nil, &mail.Error{Kind: mail.Unavailable, Text: text, Enhanced: "4.4.1", Err: cause}
}

// interleave puts the families in turn, the first address's family first (RFC 8305 4).
func interleave(addrs []netip.Addr) []netip.Addr {
	var first, other []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			first = append(first, a)
		} else {
			other = append(other, a)
		}
	}
	var out []netip.Addr
	for i := range max(len(first), len(other)) {
		if i < len(first) {
			out = append(out, first[i])
		}
		if i < len(other) {
			out = append(out, other[i])
		}
	}
	return out[:min(len(out), maxRace)]
}

// race starts the addresses one after the other, each as soon as the one before failed or had its head start, and takes the first
// connection. It returns when all others have ended, so that nothing is left behind.
func (d *Dialer) race(ctx context.Context, host string, addrs []netip.Addr, port uint16) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result)
	running, started := 0, 0
	start := func() {
		ip := addrs[started]
		started++
		running++
		go func() {
			conn, err := d.DialAddr(ctx, ip, port)
			results <- result{conn, err}
		}()
	}
	timer := time.NewTimer(cmpOr(d.Stagger, 250*time.Millisecond))
	defer timer.Stop()
	var won net.Conn
	var failed []error
	for start(); running > 0; {
		select {
		case <-timer.C:
		case r := <-results:
			running--
			switch {
			case r.err != nil:
				failed = append(failed, r.err)
			case won == nil:
				won = r.conn
				cancel()
			default:
				r.conn.Close()
			}
		}
		if won == nil && started < len(addrs) && ctx.Err() == nil {
			start()
			timer.Reset(cmpOr(d.Stagger, 250*time.Millisecond))
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, unreachable(host, failed)
}

// unreachable is one error for all of a host's addresses.
func unreachable(host string, failed []error) error {
	if len(failed) == 1 {
		return failed[0]
	}
	var texts []string
	for _, err := range failed {
		texts = append(texts, err.Error())
	}
	return &mail.Error{Kind: mail.Unavailable, Enhanced: "4.4.1", Err: failed[0],
		Text: "no address of " + host + " can be reached: " + strings.Join(texts, "; ")}
}

package dns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	wire "github.com/miekg/dns"
)

// Sizes of UDP answers: what is asked for passes every path without fragments; what is read may be more, for
// servers that do not listen.
const (
	udpSize = 1232
	udpRead = 4096
)

// maxQuestions bounds how many servers' answers one alias chain may take where each shows one step only.
const maxQuestions = 8

// maxResolve bounds one question in all, whatever the number of servers and aliases.
const maxResolve = time.Minute

// resolve asks until the end of the alias chain.
func (c *Client) resolve(ctx context.Context, name string, k kind) (set, error) {
	ctx, cancel := context.WithTimeout(ctx, maxResolve)
	defer cancel()
	servers := c.servers()
	if c.validator != nil && !servers.trusted && k != kindPTR { // what an address claims proves nothing anyway
		return c.validator.set(ctx, name, k)
	}
	at, authentic, ttl, own := name, true, maxTTL, false
	for n := range maxQuestions {
		r, err := c.exchange(ctx, servers, func() *wire.Msg { return question(at, k) })
		if err != nil {
			return set{}, unavailable(name, k, err)
		}
		s, more, err := read(r.msg, at, k)
		if err != nil {
			return set{}, unavailable(name, k, err)
		}
		authentic = authentic && r.msg.AuthenticatedData && r.trusted
		if n == 0 {
			own = authentic
		}
		ttl = min(ttl, s.ttl)
		if !more {
			s.authentic, s.ttl, s.own = authentic, ttl, own
			return s, nil
		}
		at = s.name
	}
	return set{}, unavailable(name, k, errAliases)
}

var errAliases = errors.New("its aliases (CNAME) form a loop or a chain that is too long")

// servers is whom to ask now.
func (c *Client) servers() upstream {
	u := upstream{servers: c.cfg.Servers, trusted: c.cfg.Trusted, timeout: c.cfg.Timeout, rounds: c.cfg.Rounds}
	if c.system != nil {
		sys := c.system.load()
		u.servers = sys.servers
		u.trusted = u.trusted || sys.trusted
		u.timeout = cmpOr(u.timeout, sys.timeout)
		u.rounds = cmpOr(u.rounds, sys.rounds)
	}
	u.timeout = cmpOr(u.timeout, 3*time.Second)
	u.rounds = cmpOr(u.rounds, 2)
	return u
}

// upstream is a list of servers and how to ask them.
type upstream struct {
	servers []netip.AddrPort
	trusted bool
	timeout time.Duration
	rounds  int
}

type reply struct {
	msg     *wire.Msg
	trusted bool // the way to the server cannot be forged
}

// exchange asks the servers in order, all of them up to rounds times, until one gives a usable answer. ask makes the
// query anew for each.
func (c *Client) exchange(ctx context.Context, u upstream, ask func() *wire.Msg) (reply, error) {
	err := errors.New("no name server is configured")
	for range u.rounds {
		for _, server := range u.servers {
			var msg *wire.Msg
			if msg, err = c.askServer(ctx, server, u.timeout, ask()); err == nil {
				return reply{msg, u.trusted || server.Addr().Unmap().IsLoopback()}, nil
			}
			err = fmt.Errorf("name server %s: %w", server, err)
			if ctx.Err() != nil {
				return reply{}, err
			}
		}
	}
	return reply{}, err
}

var wireTypes = [...]uint16{kindMX: wire.TypeMX, kindA: wire.TypeA, kindAAAA: wire.TypeAAAA, kindTXT: wire.TypeTXT,
	kindPTR: wire.TypePTR, kindTLSA: wire.TypeTLSA, kindCNAME: wire.TypeCNAME}

func question(name string, k kind) *wire.Msg {
	q := new(wire.Msg)
	q.SetQuestion(wire.Fqdn(name), wireTypes[k])
	q.AuthenticatedData = true // RFC 6840 5.7: tell me, I need no signatures
	q.SetEdns0(udpSize, false)
	return q
}

// askServer gets one usable answer of one server: over UDP, over TCP when it is cut short, and without EDNS when the
// server does not know it (RFC 6891 7).
func (c *Client) askServer(ctx context.Context, server netip.AddrPort, timeout time.Duration, q *wire.Msg) (*wire.Msg, error) {
	r, err := converse(ctx, "udp", server, timeout, q)
	if err == nil && q.IsEdns0() != nil && (r.Rcode == wire.RcodeFormatError || r.Rcode == wire.RcodeNotImplemented) {
		q.Extra = nil
		r, err = converse(ctx, "udp", server, timeout, q)
	}
	if err == nil && r.Truncated {
		r, err = converse(ctx, "tcp", server, timeout, q)
		if err == nil && r.Truncated {
			return nil, errors.New("the answer is cut short even over TCP")
		}
	}
	if err != nil {
		return nil, err
	}
	return r, fault(r)
}

// fault says why an answer decides nothing.
func fault(r *wire.Msg) error {
	if r.Rcode != wire.RcodeSuccess && r.Rcode != wire.RcodeNameError {
		if opt := r.IsEdns0(); opt != nil {
			for _, o := range opt.Option {
				if ede, ok := o.(*wire.EDNS0_EDE); ok { // RFC 8914: the resolver's reason, such as a bogus signature
					return fmt.Errorf("%s (%s)", wire.RcodeToString[r.Rcode], wire.ExtendedErrorCodeToString[ede.InfoCode])
				}
			}
		}
		return fmt.Errorf("answers %s", wire.RcodeToString[r.Rcode])
	}
	// A server that neither recurses nor is responsible for the name has no say about what does not exist.
	if len(r.Answer) == 0 && !r.RecursionAvailable && !r.Authoritative {
		return errors.New("is not responsible for the name (lame)")
	}
	return nil
}

// converse sends a query and waits for its answer; datagrams that are not the answer are passed over, so that whoever
// guesses at our port must also guess the id.
func converse(ctx context.Context, network string, server netip.AddrPort, timeout time.Duration, q *wire.Msg) (*wire.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var d net.Dialer
	raw, err := d.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, plain(ctx, err)
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })()
	conn := &wire.Conn{Conn: raw, UDPSize: udpRead}
	if err := conn.WriteMsg(q); err != nil {
		return nil, plain(ctx, err)
	}
	for {
		r, err := conn.ReadMsg()
		var netErr net.Error
		switch {
		case err == nil && answers(r, q):
			return r, nil
		case ctx.Err() != nil || errors.As(err, &netErr):
			return nil, plain(ctx, err)
		case errors.Is(err, io.EOF):
			return nil, errors.New("closes the connection")
		case network == "tcp":
			return nil, errors.New("sends something else than an answer to the question")
		}
	}
}

func answers(r, q *wire.Msg) bool {
	return r.Id == q.Id && r.Response && r.Opcode == wire.OpcodeQuery && len(r.Question) == 1 &&
		r.Question[0].Qtype == q.Question[0].Qtype && r.Question[0].Qclass == q.Question[0].Qclass &&
		wire.CanonicalName(r.Question[0].Name) == wire.CanonicalName(q.Question[0].Name)
}

// plain makes a network error readable: what happened, without addresses and system words.
func plain(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("does not answer in time")
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

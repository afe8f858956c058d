package outbound

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/smtpc"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
	"github.com/postrider/postrider/proto/sasl"
)

// session is a connection that is ready for transactions.
type session struct {
	spot   spot
	client *smtpc.Client
	host   string
	peer   string     // host[ip]
	ip     netip.Addr // where it leads, and from where it comes: for reports
	local  netip.Addr
	proof  proof
	sealed string        // how it is protected, without who says so
	tls    string        // as mail.Event tells it, for the message at hand
	note   string        // what else is to be told about how mail went: without TLS, and why
	used   int           // transactions begun
	reused bool          // it came from the pool and nothing was said on it since
	idle   *list.Element // its place among the idle ones, while it is one
	timer  *time.Timer
}

func (s *session) offers(extension string) bool {
	_, ok := s.client.Ext[extension]
	return ok
}

// open makes a connection to a target ready. It also tells the address it came to, also when it fails afterwards.
// The right to it has been entered in the pool.
func (t *Transport) open(ctx context.Context, to target) (*session, netip.Addr, *trouble) {
	s, ip, tr := t.begin(ctx, to, to.hop.Security != Plain)
	if tr != nil && tr.handshake && !to.strict() && ctx.Err() == nil {
		// Opportunistic: better in the clear than not at all, but the broken connection cannot be used for it (RFC 3207 4.1).
		// The way is the same: a host that an override leads to has no other.
		cause := tr.reason
		s, ip, tr = t.begin(ctx, to, false)
		if s != nil {
			s.note = "; sent without TLS, as " + cause
		}
	}
	return s, ip, tr
}

// begin connects once and goes on to where mail can be sent.
func (t *Transport) begin(ctx context.Context, to target, secure bool) (*session, netip.Addr, *trouble) {
	conn, ip, tr := t.dial(ctx, to)
	if tr != nil {
		return nil, ip, tr
	}
	s := &session{spot: to.spot(), host: to.host, peer: peer(to.host, ip), ip: ip}
	if tcp, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		s.local = tcp.AddrPort().Addr().Unmap()
	}
	if tr := t.prepare(ctx, s, conn, connecting{to, secure}); tr != nil {
		if s.client != nil {
			s.client.Close()
		}
		return nil, ip, tr.of(s)
	}
	return s, ip, nil
}

func peer(host string, ip netip.Addr) string {
	if !ip.IsValid() {
		return host
	}
	return host + "[" + ip.String() + "]"
}

func (t *Transport) dial(ctx context.Context, to target) (net.Conn, netip.Addr, *trouble) {
	var conn net.Conn
	var err error
	if to.ip.IsValid() {
		conn, err = t.Dialer.DialAddr(ctx, to.ip, to.port)
	} else {
		conn, err = t.Dialer.Dial(ctx, to.host, to.port)
	}
	if err != nil {
		tr := &trouble{status: "4.4.1", reason: err.Error(), host: to.host, peer: peer(to.host, to.ip), unspent: calledOff(ctx)}
		if mail.Is(err, mail.NotFound) {
			tr.permanent, tr.status = true, "5.4.4"
		} else if ctx.Err() == nil {
			t.silent.failed(to.spot())
		}
		return nil, to.ip, tr
	}
	t.silent.reached(to.spot())
	ip := to.ip
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok && !ip.IsValid() {
		ip = tcp.AddrPort().Addr().Unmap()
	}
	return conn, ip, nil
}

// connecting is how a connection is to be made ready.
type connecting struct {
	target
	secure bool // TLS where it is offered
}

// prepare takes a fresh connection through greeting, TLS and AUTH. Where it fails, s.client is to be closed if there is one.
func (t *Transport) prepare(ctx context.Context, s *session, conn net.Conn, to connecting) *trouble {
	found := &finding{}
	if to.hop.Security == Implicit {
		var config *tls.Config
		config, found = t.tlsConfig(to.target)
		conn = tls.Client(conn, config)
	}
	options := smtpc.Options{Hello: t.Hello, Timeouts: t.Timeouts.Timeouts, AllowCleartextAuth: to.hop.Security == Plain}
	client, err := smtpc.New(ctx, conn, options)
	if err != nil {
		return t.unready(ctx, s, err)
	}
	s.client = client
	if state := client.TLS(); state != nil {
		s.secured(state, found, to.guard)
	}
	if err := client.Hello(ctx); err != nil {
		return t.unready(ctx, s, err)
	}
	if to.secure && to.hop.Security != Implicit {
		if tr := t.startTLS(ctx, s, to.target); tr != nil {
			return tr
		}
	}
	if to.hop.Username != "" {
		return t.authenticate(ctx, s, to.hop)
	}
	return nil
}

// unready is the trouble of a connection that could not be made ready.
func (t *Transport) unready(ctx context.Context, s *session, err error) *trouble {
	tr := t.fault(ctx, s, err)
	var lost *smtpc.ConnError
	if errors.As(err, &lost) && lost.During == "TLS handshake" {
		tr.handshake, tr.status = true, "4.7.5"
		tr.reason = "the TLS handshake with " + s.peer + " failed: " + cause(lost.Err)
	}
	return tr
}

// startTLS secures the connection where the remote offers it. RFC 3207 4
func (t *Transport) startTLS(ctx context.Context, s *session, to target) *trouble {
	if !s.offers("STARTTLS") {
		t.observe(to, s, notOffered)
		if to.strict() {
			return to.guard.notOffered(s)
		}
		return nil
	}
	config, found := t.tlsConfig(to)
	err := s.client.StartTLS(ctx, config)
	if state := s.client.TLS(); state != nil {
		s.secured(state, found, to.guard)
	}
	if err == nil || !calledOff(ctx) { // who breaks off himself has seen nothing
		t.observe(to, s, found.ended(err))
	}
	var refused *smtpc.CommandError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && refused.Command == "STARTTLS" && !to.strict() && !s.client.Broken():
		s.note = "; sent without TLS, as it was offered but refused: " + mta.OneLine(refused.Reply.Error())
		return nil
	}
	tr := t.unready(ctx, s, err)
	// Whatever goes wrong here went wrong for TLS, also what comes after the handshake: with TLS 1.3 the remote's alert may be read
	// only then. A demand for TLS is not the message's, so it is not at fault.
	tr.handshake, tr.permanent = true, false
	if tr.reply == "" || tr.status[0] != '4' {
		tr.status = "4.7.5"
	}
	return to.guard.failed(s, tr, found)
}

// authenticate proves who we are to a smart host. What goes wrong is for the operator to mend: nobody's mail bounces for it.
func (t *Transport) authenticate(ctx context.Context, s *session, hop Hop) *trouble {
	client, tr := t.mechanism(s, hop)
	if tr != nil {
		return tr
	}
	if err := s.client.Auth(ctx, client); err != nil {
		tr := t.fault(ctx, s, err)
		if tr.permanent {
			tr.permanent, tr.status = false, "4.7.8"
		}
		return tr
	}
	return nil
}

// mechanism picks the configured or the best offered way. PLAIN and LOGIN show the password: only inside TLS, unless
// the route is set to go without.
func (t *Transport) mechanism(s *session, hop Hop) (sasl.Client, *trouble) {
	offered := strings.Fields(strings.ToUpper(s.client.Ext["AUTH"]))
	has := func(m string) bool {
		return slices.Contains(offered, m) && (hop.Mechanism == "" || strings.EqualFold(hop.Mechanism, m))
	}
	open := s.tls == "" && hop.Security != Plain
	switch {
	case has(sasl.ScramSHA256):
		c, err := sasl.NewScramClient(hop.Username, hop.Password, nil)
		if err != nil {
			return nil, &trouble{status: "4.7.8", reason: "the password for " + s.host + " cannot be used: " + err.Error()}
		}
		return c, nil
	case open && (has(sasl.Plain) || has(sasl.Login)):
		return nil, &trouble{status: "4.7.11", reason: s.peer + " wants the password without TLS; it is not sent"}
	case has(sasl.Plain):
		return sasl.NewPlainClient("", hop.Username, hop.Password), nil
	case has(sasl.Login):
		return sasl.NewLoginClient(hop.Username, hop.Password), nil
	}
	return nil, &trouble{status: "4.7.8", reason: s.peer + " offers no way to authenticate that can be used"}
}

package wire

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/postrider/postrider/service/doctor/words"
)

// Probe is what one port showed.
type Probe struct {
	// These are set by the caller.
	Port Port
	At   string     // for people: "192.0.2.1:25"
	IP   netip.Addr // where to look; invalid: at the Looker's Host

	Dial     error      // it could not be connected to
	Greeting error      // it did not greet as its protocol wants
	Name     string     // what it calls itself: of SMTP alone
	Offered  bool       // STARTTLS, STLS
	TLS      error      // it failed
	Self     netip.Addr // from where we came
	Chain    []*x509.Certificate
}

// Probe finds out what a port shows: it connects, hears the greeting, and goes over to TLS where the port has it.
func (l *Looker) Probe(ctx context.Context, p *Probe) {
	t, err := l.dial(ctx, p.Port, p.IP)
	if err != nil {
		p.Dial = err
		return
	}
	defer t.Close()
	if local, err := netip.ParseAddrPort(t.raw.LocalAddr().String()); err == nil {
		p.Self = local.Addr().Unmap()
	}
	if p.Port.TLS {
		if p.TLS = t.secure(ctx, l.Host); p.TLS != nil {
			return
		}
		p.Chain = t.state.PeerCertificates
	}
	switch p.Port.Proto {
	case SMTP:
		l.helloSMTP(ctx, t, p)
	case IMAP:
		l.helloLines(ctx, t, p, dialogue{greets: "* OK", start: "a STARTTLS", consents: "a OK"})
	case POP3:
		l.helloLines(ctx, t, p, dialogue{greets: "+OK", start: "STLS", consents: "+OK"})
	}
}

func (l *Looker) dial(ctx context.Context, p Port, ip netip.Addr) (*Talk, error) {
	var conn net.Conn
	var err error
	if ip.IsValid() {
		conn, err = l.Dialer.DialAddr(ctx, ip, p.Number)
	} else {
		conn, err = l.Dialer.Dial(ctx, l.Host, p.Number)
	}
	if err != nil {
		return nil, err
	}
	return newTalk(ctx, conn), nil
}

// Open connects to a port that speaks SMTP and introduces us. The Talk must be closed.
func (l *Looker) Open(ctx context.Context, p Port, ip netip.Addr) (*Talk, error) {
	t, err := l.dial(ctx, p, ip)
	if err != nil {
		return nil, err
	}
	if _, err = l.introduce(t); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Greeted connects to a host and hears whether it greets as SMTP wants. An answer that is none wraps smtp.ErrBadReply.
func (l *Looker) Greeted(ctx context.Context, host string, port uint16) error {
	conn, err := l.Dialer.Dial(ctx, host, port)
	if err != nil {
		return err
	}
	t := newTalk(ctx, conn)
	defer t.Close()
	if _, err = t.reply(); err == nil {
		t.Quit()
	}
	return err
}

// introduce hears the greeting and says EHLO; it gives the lines of the answer.
func (l *Looker) introduce(t *Talk) ([]string, error) {
	reply, err := t.reply()
	if err == nil && reply.Code != 220 {
		err = reply
	}
	if err != nil {
		return nil, err
	}
	reply, err = t.Command("EHLO %s", l.Me())
	if err == nil && reply.Code != 250 {
		err = reply
	}
	if err != nil {
		return nil, err
	}
	return strings.Split(reply.Text, "\n"), nil
}

// helloSMTP hears what is offered, and goes over to TLS where it is.
func (l *Looker) helloSMTP(ctx context.Context, t *Talk, p *Probe) {
	lines, err := l.introduce(t)
	if err != nil {
		p.Greeting = err
		return
	}
	p.Name, _, _ = strings.Cut(lines[0], " ")
	p.Name = strings.ToLower(p.Name)
	for _, line := range lines[1:] {
		keyword, _, _ := strings.Cut(line, " ")
		p.Offered = p.Offered || strings.EqualFold(keyword, "STARTTLS")
	}
	if p.Port.Start && p.Offered {
		reply, err := t.Command("STARTTLS")
		if err == nil && reply.Code != 220 {
			err = reply
		}
		if p.TLS = err; err == nil {
			l.begin(ctx, t, p)
		}
	}
	if p.TLS == nil {
		t.Quit()
	}
}

// begin makes the handshake after the server's consent.
func (l *Looker) begin(ctx context.Context, t *Talk, p *Probe) {
	if p.TLS = t.secure(ctx, l.Host); p.TLS == nil {
		p.Chain = t.state.PeerCertificates
	}
}

// dialogue is how a protocol whose answers are lines greets and goes over to TLS.
type dialogue struct{ greets, start, consents string }

// helloLines is helloSMTP for IMAP and POP3.
func (l *Looker) helloLines(ctx context.Context, t *Talk, p *Probe, d dialogue) {
	line, err := t.line()
	if err == nil && !strings.HasPrefix(line, d.greets) {
		err = errors.New("its greeting was: " + words.Plain(line))
	}
	if err != nil {
		p.Greeting = err
		return
	}
	if !p.Port.Start {
		return
	}
	if err = t.send(d.start); err == nil {
		line, err = t.line()
	}
	if p.Offered = err == nil && strings.HasPrefix(line, d.consents); p.Offered {
		l.begin(ctx, t, p)
		return
	}
	p.TLS = err
}

// Refused reports an error that says for certain that nobody listens, not only that nothing was heard.
func Refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

package directory

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
)

// Guard stands before passwords (service/limits). user is the account's address in canonical spelling, or what was given
// for one: whether there is such an account makes no difference to it.
type Guard interface {
	// Attempt is asked before a secret is looked at. Its error refuses, without a word about the secret: TooMany or
	// Unavailable. It may wait.
	Attempt(ctx context.Context, ip netip.Addr, user mail.Path) error
	// Failed is told of a wrong name or secret before the client is. It may wait.
	Failed(ctx context.Context, ip netip.Addr, user mail.Path)
	// Succeeded is told of a right one.
	Succeeded(ctx context.Context, ip netip.Addr, user mail.Path)
}

// trial is one attempt that the guard has let through. A nil one is unguarded.
type trial struct {
	guard Guard
	ctx   context.Context //nolint:containedctx // of the one attempt this is
	ip    netip.Addr
	user  mail.Path
}

// address is the client's; the zero one of a client that has none.
func address(peer net.Addr) netip.Addr {
	if tcp, ok := peer.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// begin asks the guard. Who comes over a UNIX socket or inside the process has no address and is not asked about.
func (a *Authenticator) begin(ctx context.Context, user string, peer net.Addr) (*trial, error) {
	guard := a.Guard
	if a.root != nil {
		guard = a.root.Guard
	}
	ip := address(peer)
	if guard == nil || !ip.IsValid() {
		return nil, nil //nolint:nilnil // an unguarded attempt
	}
	t := &trial{guard: guard, ctx: ctx, ip: ip}
	p, err := a.path(ctx, user)
	switch {
	case mail.Is(err, mail.Unauthenticated):
		p = mail.Path(strings.ToLower(user))
	case err != nil:
		return nil, err
	}
	t.user = p
	if err := t.guard.Attempt(ctx, t.ip, t.user); err != nil {
		return nil, err
	}
	return t, nil
}

// end tells the guard what came of it. What was not found out is neither success nor failure.
func (t *trial) end(err error) {
	switch {
	case t == nil:
	case err == nil:
		t.guard.Succeeded(t.ctx, t.ip, t.user)
	case mail.Is(err, mail.Unauthenticated), errors.Is(err, sasl.ErrRefused), errors.Is(err, sasl.ErrBinding):
		t.guard.Failed(t.ctx, t.ip, t.user)
	}
}

// exchange is a SASL exchange whose SCRAM is guarded: the attempt begins when the name is known and ends with the proof. PLAIN and
// LOGIN are guarded by Login, whom they ask, and have no trial here.
type exchange struct {
	sasl.Server
	trial *trial
	use   Use // of the credential whose SCRAM values were given; the zero one of PLAIN and LOGIN
	used  func(Use)
}

// Next implements sasl.Server.
func (e *exchange) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := e.Server.Next(response)
	if done || err != nil {
		e.trial.end(err)
		e.trial = nil
		if err == nil && e.use.Account != 0 {
			e.used(e.use)
			e.use = Use{}
		}
	}
	return challenge, done, err
}

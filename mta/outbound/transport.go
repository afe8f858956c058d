package outbound

import (
	"context"
	"net/netip"

	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

// Transport makes attempts. It is safe for concurrent use; Close it once no attempt runs any more.
type Transport struct {
	Config
	pool   *pool
	silent *silent
	plain  plainHosts
}

// New makes a transport. Invalid when the configuration lacks a part.
func New(c Config) (*Transport, error) {
	if c.Resolver == nil || c.Dialer == nil || c.Blobs == nil || c.Hello == "" {
		return nil, mail.Errorf(mail.Invalid, "outgoing mail needs a resolver, a dialer, the bodies and our host name")
	}
	if c.TLS == nil {
		trust, err := tls.NewTrust(nil)
		if err != nil {
			return nil, err
		}
		c.TLS = trust
	}
	c = c.withDefaults()
	t := &Transport{Config: c, silent: newSilent(c.Timeouts.Silent)}
	t.pool = newPool(t.Limits.PerHost, t.Limits.Idle, t.Timeouts.Idle, t.hangUp)
	return t, nil
}

// Close says good-bye on idle connections and waits for it.
func (t *Transport) Close() { t.pool.close() }

// Attempt tries to hand a job's message to the next hop of its recipients, and gives a verdict for each. It ends soon
// after ctx does: with the cause context.DeadlineExceeded the recipients were tried and are deferred, with another
// cause those that had no verdict yet are Unspent.
func (t *Transport) Attempt(ctx context.Context, job mail.Job) []mta.Verdict {
	m := &job.Message
	a := &attempt{Transport: t, message: m, content: content{blobs: t.Blobs, blob: m.Blob, prefix: m.Prefix}}
	a.verdicts = make([]mta.Verdict, 0, len(m.Recipients))
	defer a.content.close()
	if err := a.content.check(ctx); err != nil {
		a.settle(m.Recipients, &trouble{status: "4.3.0", reason: "the message cannot be read here: " + mail.Sentence(err), unspent: calledOff(ctx)})
		t.Log.Error("queued message cannot be read", "queue", m.ID, "trace", m.Trace, "error", err)
		return a.verdicts
	}
	var good []mail.QueuedRecipient
	for _, r := range m.Recipients {
		if sayable(r.Address) {
			good = append(good, r)
		} else {
			a.settle([]mail.QueuedRecipient{r}, refusal("5.1.3", "the address cannot be written in SMTP"))
		}
	}
	for _, g := range t.groups(good) {
		a.group(ctx, g)
	}
	return a.verdicts
}

// group is recipients that have their next hop in common.
type group struct {
	domain     string // of one of them
	recipients []mail.QueuedRecipient
}

// groups parts recipients by next hop. Those of one route can have several where the configuration changed since.
func (t *Transport) groups(all []mail.QueuedRecipient) (out []group) {
	at := map[string]int{}
	for _, r := range all {
		hop := t.Routes.RouteFor(r.Address)
		i, ok := at[hop]
		if !ok {
			i = len(out)
			at[hop] = i
			out = append(out, group{domain: r.Address.Domain()})
		}
		out[i].recipients = append(out[i].recipients, r)
	}
	return out
}

// hangUp ends a connection politely, in a moment.
func (t *Transport) hangUp(s *session) {
	ctx, cancel := context.WithTimeout(context.Background(), t.Timeouts.Quit)
	defer cancel()
	s.client.Quit(ctx)
}

// attempt is one message under way.
type attempt struct {
	*Transport
	message  *mail.Queued
	content  content
	verdicts []mta.Verdict
	sessions int   // connections made for the present group
	guard    guard // of the present host
}

// settle gives recipients their verdict.
func (a *attempt) settle(list []mail.QueuedRecipient, tr *trouble) {
	for _, r := range list {
		a.verdicts = append(a.verdicts, tr.verdict(r.N))
	}
}

// group offers the message to the hosts for a domain, until every recipient has a verdict or no host is left.
func (a *attempt) group(ctx context.Context, g group) {
	targets, tr := a.plan(ctx, g.domain)
	if tr != nil {
		a.settle(g.recipients, tr)
		return
	}
	asked, tr := a.ask(ctx, targets[0])
	if tr != nil {
		a.settle(g.recipients, tr)
		return
	}
	a.sessions = 0
	rest := g.recipients
	var troubles []*trouble
	for i, to := range targets {
		to.guard = &a.guard
		if tr = a.set(ctx, to, asked); tr == nil {
			rest, tr = a.host(ctx, to, rest)
		}
		if len(rest) == 0 {
			return
		}
		troubles = append(troubles, tr)
		if tr.final || ctx.Err() != nil || a.sessions >= a.Limits.Sessions || i >= maxTried {
			break
		}
	}
	a.settle(rest, worst(troubles))
}

// host offers the message to one host: over an idle connection if there is one, over a new one, and where that fails
// before mail could be sent, at the host's other addresses. It gives back the recipients without a verdict, and why.
func (a *attempt) host(ctx context.Context, to target, rest []mail.QueuedRecipient) ([]mail.QueuedRecipient, *trouble) {
	rest, ip, tr := a.connection(ctx, to, rest)
	if len(rest) == 0 || tr.final || ctx.Err() != nil || to.ip.IsValid() || !ip.IsValid() {
		return rest, tr
	}
	for _, other := range a.otherAddresses(ctx, to.host, ip) {
		if ctx.Err() != nil || a.sessions >= a.Limits.Sessions {
			break
		}
		to.ip = other
		var again *trouble
		if rest, _, again = a.connection(ctx, to, rest); len(rest) == 0 {
			return nil, nil
		}
		tr = worst([]*trouble{tr, again})
	}
	return rest, tr
}

// connection offers the message over one connection, the first that can be had. ip is where it led.
func (a *attempt) connection(ctx context.Context, to target, rest []mail.QueuedRecipient) (_ []mail.QueuedRecipient, ip netip.Addr, tr *trouble) {
	at := to.spot()
	s, err := a.pool.enter(ctx, at, to.guard.need, to.ip.IsValid() && to.host != to.ip.String())
	if err == nil && s != nil {
		s.reused = true
		s.tell(to.guard)
		if rest, tr = a.use(ctx, s, rest); tr == nil || !tr.stale {
			return rest, ip, tr
		}
		_, err = a.pool.enter(ctx, at, to.guard.need, true) // what was idle as long is as dead
	}
	if err != nil {
		return rest, ip, &trouble{status: "4.4.5", reason: "no connection to " + to.host + " was free in time", host: to.host, unspent: calledOff(ctx)}
	}
	if ago, skip := a.silent.lately(at); skip {
		a.pool.leave(at)
		return rest, ip, &trouble{status: "4.4.1", host: to.host, reason: to.host + " could not be reached " + ago.String() + " ago and was not tried again yet"}
	}
	a.sessions++
	if s, ip, tr = a.open(ctx, to); tr != nil {
		a.pool.leave(at)
		return rest, ip, tr
	}
	rest, tr = a.use(ctx, s, rest)
	return rest, ip, tr
}

// otherAddresses lists a host's addresses but one. It is empty when that one is not among them: then the host was reached by an
// override, and its addresses are not to be used at all.
func (t *Transport) otherAddresses(ctx context.Context, host string, used netip.Addr) (out []netip.Addr) {
	answer, err := t.Resolver.Addresses(ctx, host)
	if err != nil {
		return nil
	}
	known := false
	for _, ip := range answer.Value {
		if ip.Unmap() == used {
			known = true
			continue
		}
		out = append(out, ip)
	}
	if !known {
		return nil
	}
	return out
}

package mta_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/bus"
	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta/bounce"
	"github.com/postrider/postrider/mta/outbound"
	"github.com/postrider/postrider/mta/queue"
	"github.com/postrider/postrider/service/intake"
	"github.com/postrider/postrider/testkit/clock"
	"github.com/postrider/postrider/testkit/fakemx"
	"github.com/postrider/postrider/testkit/town"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// post is a town whose mail leaves: queue, outbound and bounce over its store, to one foreign host.
type post struct {
	*town.Town
	t     *testing.T
	clock *clock.Clock
	far   *fakemx.Server
	ended chan outcome // one for each line of the log about a recipient
}

type outcome struct{ to, outcome, reason string }

const zone = `
far.example     MX 10 mx.far.example
mx.far.example  A  192.0.2.1
quiet.example   MX 0 .
`

// open starts everything; it stops with the test.
func open(t *testing.T) *post {
	p := &post{Town: town.New(t), t: t, clock: clock.At(town.Epoch), far: fakemx.Start(t, fakemx.Config{UTF8: true}), ended: make(chan outcome, 1000)}
	p.Intake.Clock = p.clock
	resolver, err := dns.NewStatic(dns.StaticConfig{Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	transport, err := outbound.New(outbound.Config{Resolver: resolver, Blobs: p.Store, Hello: town.Host,
		Dialer: &dns.Dialer{Resolver: resolver, Connect: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != "192.0.2.1:25" {
				return nil, fmt.Errorf("nobody is at %s", address)
			}
			var d net.Dialer
			return d.DialContext(ctx, network, p.far.Addr.String())
		}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.Close)
	reporter, err := bounce.New(bounce.Config{Poster: p.Intake, Blobs: p.Store, Hostname: town.Host})
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.New(queue.Config{Journal: p.Store, Queue: p.Store, Clock: p.clock, Bus: bus.New(), Sender: transport, Reporter: reporter,
		Owner: "test", Backoff: queue.Backoff{Jitter: -1}, Log: slog.New(&lines{p: p})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := q.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return p
}

// lines is a slog.Handler that tells outcomes to the test, and fails it for everything else that is worse than news.
type lines struct{ p *post }

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "outcome" {
		if r.Level >= slog.LevelWarn {
			l.p.t.Errorf("logged: %s", r.Message)
		}
		return nil
	}
	var o outcome
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "to":
			o.to = a.Value.String()
		case "outcome":
			o.outcome = a.Value.String()
		case "reason":
			o.reason = a.Value.String()
		}
		return true
	})
	l.p.ended <- o
	return nil
}

// send hands a message to the town, as if a door had taken it.
func (p *post) send(from mail.Path, to ...mail.Path) {
	p.t.Helper()
	content, err := p.Intake.Receive(p.t.Context(), strings.NewReader("Message-ID: <1@one.example>\r\nSubject: the plan\r\n\r\nhello\r\n"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer content.Body.Discard()
	letter := p.Intake.Letter(content, mail.Envelope{From: from, To: to})
	var all []intake.Recipient
	for _, a := range to {
		all = append(all, intake.Relay(a))
	}
	if err := p.Intake.Commit(p.t.Context(), letter, all); err != nil {
		p.t.Fatal(err)
	}
}

// next waits for an outcome, with time standing still but for the scheduler's pauses.
func (p *post) next() outcome {
	p.t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		select {
		case o := <-p.ended:
			return o
		case <-time.After(200 * time.Millisecond):
			if p.trying() {
				continue // its lease must not run out because this machine is slow
			}
			if due, err := p.Store.NextDue(p.t.Context()); err == nil && !due.IsZero() && due.After(p.clock.Now()) {
				p.clock.Advance(due.Sub(p.clock.Now()))
			} else {
				p.clock.Advance(5 * time.Minute) // the pace of looks at the queue without news
			}
		case <-deadline:
			p.t.Fatal("nothing happens")
		}
	}
}

// trying reports whether an attempt is being made or settled.
func (p *post) trying() bool {
	for _, m := range p.Queue(p.t) {
		for _, r := range m.Recipients {
			if r.Lease.ID != 0 {
				return true
			}
		}
	}
	return false
}

// pass moves the clock to what is due next.
func (p *post) pass() {
	due, err := p.Store.NextDue(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	if !due.IsZero() {
		p.clock.Advance(max(0, due.Sub(p.clock.Now())))
	}
}

func (p *post) want(o outcome, to, word, reason string) {
	p.t.Helper()
	if o.to != to || o.outcome != word || !strings.Contains(o.reason, reason) {
		p.t.Errorf("got %+v, want %s %s with %q", o, to, word, reason)
	}
}

// A refused recipient's report lies in the local sender's mailbox when the refusal is recorded. RFC 5321 6.1
func TestReportReachesLocalSender(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.far.On(fakemx.Rcpt, "no@far.example", fakemx.Refuse())
	p.send("ann@one.example", "no@far.example", "yes@far.example")
	for range 2 {
		if o := p.next(); o.to == "no@far.example" {
			p.want(o, "no@far.example", "bounced", "mx.far.example[127.0.0.1] said: 550 5.1.1 no such user here")
		} else {
			p.want(o, "yes@far.example", "relayed", "said: 250")
		}
	}
	box := p.Mail(t, "ann@one.example", mail.Inbox)
	if len(box) != 1 {
		t.Fatalf("%d messages in the mailbox", len(box))
	}
	for _, part := range []string{"Return-Path: <>", "Subject: Not delivered: the plan", "Final-Recipient: rfc822; no@far.example",
		"Diagnostic-Code: smtp; 550 5.1.1 no such user here", "In-Reply-To: <1@one.example>"} {
		if !strings.Contains(box[0], part) {
			t.Errorf("no %q in\n%s", part, box[0])
		}
	}
	if got := p.far.Received(); len(got) != 1 || got[0].From != "ann@one.example" || len(got[0].To) != 1 {
		t.Errorf("received %v", got)
	}
	if q := p.Queue(t); len(q) != 0 {
		t.Errorf("left in the queue: %+v", q)
	}
}

// A foreign sender's report leaves by the queue, with the null reverse-path, and where it is refused that is the end. RFC 5321 4.5.5
func TestReportToForeignSender(t *testing.T) {
	t.Parallel()
	for _, refused := range []bool{false, true} {
		t.Run(fmt.Sprint("refused ", refused), func(t *testing.T) {
			t.Parallel()
			p := open(t)
			if refused {
				p.far.On(fakemx.Rcpt, "kim@far.example", fakemx.Refuse())
			}
			p.send("kim@far.example", "x@quiet.example")
			p.want(p.next(), "x@quiet.example", "bounced", "null MX")
			if refused {
				p.want(p.next(), "kim@far.example", "bounced", "550 5.1.1")
			} else {
				p.want(p.next(), "kim@far.example", "relayed", "250")
				if got := p.far.Received(); len(got) != 1 || got[0].From != "" || !strings.Contains(got[0].Text(), "Status: 5.1.10") {
					t.Errorf("received %v", got)
				}
			}
			if q := p.Queue(t); len(q) != 0 {
				t.Errorf("left in the queue: %+v", q)
			}
		})
	}
}

// A sender of ours who is not there is not told, and the trail says so.
func TestReportToNobody(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.send("gone@one.example", "x@quiet.example")
	p.want(p.next(), "x@quiet.example", "bounced", "no report sent: nobody takes mail for the sender, gone@one.example")
	if q := p.Queue(t); len(q) != 0 {
		t.Errorf("left in the queue: %+v", q)
	}
}

// RFC 5321 4.5.4.1: five days of a host that is never ready, in as long as its answers take.
func TestFiveDaysOverTheWire(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.far.On(fakemx.Rcpt, "bob@far.example", fakemx.Defer())
	p.send("ann@one.example", "bob@far.example")
	began, tries := p.clock.Now(), 0
	for o := p.next(); ; o = p.next() {
		tries++
		if o.outcome == "bounced" {
			p.want(o, "bob@far.example", "bounced", "given up after 5 days: mx.far.example[127.0.0.1] said: 451 4.7.1 try again later")
			break
		}
		p.want(o, "bob@far.example", "deferred", "451 4.7.1")
		if tries > 100 {
			t.Fatal("no end")
		}
		p.pass()
	}
	if lasted := p.clock.Now().Sub(began); lasted < 5*24*time.Hour || lasted > 5*24*time.Hour+time.Hour {
		t.Errorf("given up after %v", lasted)
	}
	box := p.Mail(t, "ann@one.example", mail.Inbox)
	if len(box) != 2 || !strings.Contains(box[0], "Subject: Not delivered yet: the plan") || !strings.Contains(box[0], "Action: delayed") ||
		!strings.Contains(box[1], "Subject: Not delivered: the plan") || !strings.Contains(box[1], "Status: 4.4.7") {
		t.Errorf("%d reports:\n%s", len(box), strings.Join(box, "\n=====\n"))
	}
	if got := len(p.far.Tried()); got < tries {
		t.Errorf("%d attempts told, %d made", tries, got)
	}
}

// Greylisting: refused for now, taken at the second attempt, and nobody is bothered with a report.
func TestGreylisting(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.far.On(fakemx.Rcpt, "bob@far.example", fakemx.Greylist(1)...)
	p.send("ann@one.example", "bob@far.example")
	p.want(p.next(), "bob@far.example", "deferred", "451 4.7.1")
	p.pass()
	p.want(p.next(), "bob@far.example", "relayed", "250")
	if box := p.Mail(t, "ann@one.example", mail.Inbox); len(box) != 0 {
		t.Errorf("reported: %q", box)
	}
}

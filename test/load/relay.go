package load

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// workRelay names this work in samples.
const workRelay = "relay"

// How the 500 destinations are made up: of every twenty, one refuses connections and one is slow.
const (
	destinations = 500
	oneIn        = 20
	slowness     = 200 * time.Millisecond // of each reply
)

// measureRelay brings mail for other hosts in over SMTP, from a network that may relay, until a sink has it all: for
// one destination, and for many of which some are dead or slow; there the clock stops when the healthy ones have theirs.
func measureRelay(ctx context.Context, b *Bench) error {
	if b.wants(relayOne) {
		if err := relayToOne(ctx, b); err != nil {
			return err
		}
	}
	if b.wants(relayMany) {
		return relayToMany(ctx, b)
	}
	return nil
}

// The cases of the work.
const (
	relayOne  = "one destination"
	relayMany = "500 destinations, 25 dead, 25 slow"
)

const relaySessions = 100

// userNames are n accounts.
func userNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = base(i)
	}
	return names
}

func relayToOne(ctx context.Context, b *Bench) error {
	s := newSink()
	defer s.close()
	at, err := s.listen("127.0.0.1", 0)
	if err != nil {
		return err
	}
	to := func(int) string { return "someone@far.example" }
	return relayRounds(ctx, b, relayJob{kase: relayOne, sink: s, spec: Spec{Routes: map[string]string{"*": at}}, messages: b.pick(40, 10_000), to: to,
		healthy: func(int) bool { return true }})
}

func relayToMany(ctx context.Context, b *Bench) error {
	s := newSink()
	defer s.close()
	routes := map[string]string{}
	for d := range destinations {
		ip := fmt.Sprintf("127.1.%d.%d", d/250, 1+d%250)
		var at string
		var err error
		switch d % oneIn {
		case 0: // a port that nobody listens on
			var port int
			if port, err = freePort(); err == nil {
				at = net.JoinHostPort(ip, strconv.Itoa(port))
			}
		case 1:
			at, err = s.listen(ip, slowness)
		default:
			at, err = s.listen(ip, 0)
		}
		if err != nil {
			return err
		}
		routes[destination(d)] = at
	}
	to := func(i int) string { return "someone@" + destination(i%destinations) }
	return relayRounds(ctx, b, relayJob{kase: relayMany, sink: s, spec: Spec{Routes: routes}, messages: b.pick(40, 10_000), to: to,
		healthy: func(i int) bool { return i%destinations%oneIn > 1 }})
}

func destination(d int) string { return fmt.Sprintf("d%d.example", d) }

// relayJob is one case.
type relayJob struct {
	kase     string
	sink     *sink
	spec     Spec
	messages int
	to       func(i int) string // the recipient of a message
	healthy  func(i int) bool   // whether that is one whose host answers promptly
}

func relayRounds(ctx context.Context, b *Bench, j relayJob) error {
	rigs, err := both(b, j.spec)
	if err != nil {
		return err
	}
	stop, err := fleet(ctx, userNames(1), rigs...)
	if err != nil {
		return err
	}
	defer stop()
	var healthy int64
	for i := range j.messages {
		if j.healthy(i) {
			healthy++
		}
	}
	message := plainMessage(4 << 10)
	for round := range b.Rounds {
		for _, r := range rigs {
			clients, err := dialAll(r, relaySessions)
			if err != nil {
				return err
			}
			before := j.sink.fast.Load()
			err = b.measure(ctx, r, Sample{Work: workRelay, Case: j.kase, Round: round}, int(healthy), func(values map[string]float64) error {
				if err := j.send(clients, message); err != nil {
					return err
				}
				return j.arrive(ctx, before+healthy)
			})
			for _, c := range clients {
				if e := c.quit(); e != nil && err == nil {
					err = e
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// dialAll opens n connections.
func dialAll(r Rig, n int) ([]*smtpClient, error) {
	clients := make([]*smtpClient, n)
	return clients, parallel(20, n, func(i int) (err error) {
		clients[i], err = dialSMTP(r.Addr(SMTP))
		return err
	})
}

// send hands in the messages, client c the ones whose number leaves c when divided by the number of clients.
func (j relayJob) send(clients []*smtpClient, message []byte) error {
	return parallel(len(clients), len(clients), func(c int) error {
		for i := c; i < j.messages; i += len(clients) {
			if _, err := clients[c].send(sender, []string{j.to(i)}, message); err != nil {
				return err
			}
		}
		return nil
	})
}

// arrive waits until the sink has taken want messages of the healthy destinations.
func (j relayJob) arrive(ctx context.Context, want int64) error {
	deadline := time.Now().Add(5 * patience)
	for j.sink.fast.Load() < want {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d messages have not arrived", want-j.sink.fast.Load())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	if got := j.sink.fast.Load(); got > want {
		return fmt.Errorf("%d messages more than were sent", got-want)
	}
	return nil
}

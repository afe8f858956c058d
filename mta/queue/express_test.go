package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

// expressBench is a running scheduler with an express, and a count of the claims it made.
func expressBench(b *bench, change func(*Config)) (claims *atomic.Int32, stop func()) {
	claims = &atomic.Int32{}
	b.fail = func(set mail.ChangeSet) error {
		if _, ok := set.Changes[0].(mail.Claim); ok {
			claims.Add(1)
		}
		return nil
	}
	cfg := b.config()
	cfg.Express = &Express{Journal: b.faulty}
	b.journal = cfg.Express
	if change != nil {
		change(&cfg)
	}
	return claims, b.run(cfg)
}

// Fresh mail is sent at once and without a claim, also to several routes.
func TestExpress(t *testing.T) {
	world(t, func(b *bench) {
		claims, stop := expressBench(b, nil)
		defer stop()
		rest(time.Hour)
		b.started = time.Now()
		b.send("ann@here.example", "bob@there.example", "cy@there.example", "dan@else.example")
		rest(0)
		for _, to := range []mail.Path{"bob@there.example", "cy@there.example", "dan@else.example"} {
			b.want("outcomes", b.outcomes(to), "relayed")
			b.want("wait", b.times[to], []time.Duration{0})
		}
		b.want("empty", b.empty(), true)
		b.want("claims", claims.Load(), 0)
	})
}

// Mail there is no room for waits in the store, and all of it is sent.
func TestExpressOverflows(t *testing.T) {
	world(t, func(b *bench) {
		claims, stop := expressBench(b, func(c *Config) {
			c.Limits = Limits{Concurrency: 4, PerRoute: 2, Batch: 10}
			c.Times.Busy = 10 * time.Minute // so that it is the attempts that end which have the store looked at
		})
		defer stop()
		b.attempt = func(_ context.Context, job mail.Job) (out []mta.Verdict) {
			time.Sleep(time.Second) // the bubble's
			for _, q := range job.Message.Recipients {
				v := ok250
				v.N = q.N
				out = append(out, v)
			}
			return out
		}
		rest(0)
		for i := range 60 {
			b.send("ann@here.example", mail.Path(fmt.Sprintf("bob%d@there.example", i)))
		}
		rest(3 * time.Minute)
		b.want("empty", b.empty(), true)
		if claims.Load() == 0 || claims.Load() > 30 {
			t.Errorf("%d claims", claims.Load())
		}
	})
}

// A caller who does not wait for the commit leaves no message behind with a lease that nobody works under.
func TestExpressCallerLeaves(t *testing.T) {
	world(t, func(b *bench) {
		_, stop := expressBench(b, nil)
		defer stop()
		rest(0)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		body := b.seal()
		defer body.Discard()
		m := message("t1", "ann@here.example", "bob@there.example")
		_, err := b.journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.Enqueue{Message: m, Body: body}}})
		if err != nil && !mail.Is(err, mail.Unavailable) {
			t.Error(err)
		}
		rest(0)
		b.want("outcomes", b.outcomes("bob@there.example"), "relayed")
		b.want("empty", b.empty(), true)
	})
}

// A set that is refused takes no room away.
func TestExpressRefused(t *testing.T) {
	world(t, func(b *bench) {
		_, stop := expressBench(b, func(c *Config) { c.Limits = Limits{Concurrency: 4, PerRoute: 1, Batch: 1} })
		defer stop()
		rest(0)
		for range 50 {
			body := b.seal()
			m := message("t0", "ann@here.example", "bob@there.example")
			_, err := b.journal.Commit(context.Background(), mail.ChangeSet{Changes: []mail.Change{
				mail.Enqueue{Message: m, Body: body}, mail.Settle{Queue: 999, Lease: 999},
			}})
			if !mail.Is(err, mail.Conflict) {
				t.Fatalf("got %v", err)
			}
			body.Discard()
		}
		b.send("ann@here.example", "bob@there.example")
		rest(0)
		b.want("outcomes", b.outcomes("bob@there.example"), "relayed")
	})
}

// What is committed while the scheduler stops is given back, not kept under a lease.
func TestExpressWhileStopping(t *testing.T) {
	world(t, func(b *bench) {
		var running, most atomic.Int32
		blocking(b, &running, &most, nil, unspent)
		_, stop := expressBench(b, nil)
		rest(0)
		b.send("ann@here.example", "bob@there.example")
		rest(0)
		ended := make(chan struct{})
		go func() { stop(); close(ended) }()
		rest(time.Second)
		b.send("ann@here.example", "bob@there.example")
		<-ended
		for _, r := range b.left() {
			if r.Lease.ID != 0 || r.Attempts != 0 {
				t.Errorf("left in the queue: %+v", r)
			}
		}
		b.want("left", len(b.left()), 2)
	})
}

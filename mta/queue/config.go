package queue

import (
	"context"
	"log/slog"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

// Sender makes one attempt to hand a job's message to the next hop.
type Sender interface {
	// Attempt gives a verdict for each recipient of the job. It ends soon after ctx does; a recipient it has no
	// verdict for counts as deferred. It may be called by many at once.
	Attempt(ctx context.Context, job mail.Job) []mta.Verdict
}

// Reporter writes a report to a message's sender, as changes for a set of ours.
type Reporter interface {
	// Report fails with an error whose kind says whether it may work later (Kind.Temporary). The posting must be discarded.
	Report(ctx context.Context, r mta.Report) (mail.Posting, error)
}

// Config is what a scheduler works with. Journal, Queue, Bus, Sender and Reporter must be set.
type Config struct {
	Journal  mail.Journal
	Queue    mail.Queue
	Clock    mail.Clock // nil: the machine's
	Bus      mail.Bus
	Sender   Sender
	Reporter Reporter
	Express  *Express // brings fresh mail at once; nil: all mail is claimed from the store
	// Owner names this scheduler in its leases. It must differ from every other that runs at the same time, and should be the
	// same after a restart: leases it finds under its own name as it starts are of a process that died, and are broken at once
	// instead of being waited for.
	Owner   string
	Backoff Backoff
	Limits  Limits
	Times   Times
	Random  func() float64 // in [0, 1), safe for many at once; nil: the machine's
	Log     *slog.Logger   // nil: none
}

// Limits bound what runs at once. Zero stands for the default.
type Limits struct {
	Concurrency int // attempts at once: 200
	PerRoute    int // attempts of one route at once: 50
	Batch       int // recipients claimed at once: 200; twenty times as many may be in hand, a part of them of one route
}

// Times are the scheduler's spans. Zero stands for the default.
type Times struct {
	Attempt time.Duration // the longest an attempt may take: 20 minutes
	Lease   time.Duration // how long a claim lasts, longer than Attempt: half as long again
	Grace   time.Duration // how long running attempts may go on after Run was told to end: 10 seconds
	Delay   time.Duration // a sender is told once that a message waits, after this: 4 hours; negative: never
	Poll    time.Duration // the longest the queue is not looked at, whatever the news: 5 minutes
	Busy    time.Duration // the pause when what is due cannot be claimed, or the store fails: 2 seconds
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = mail.SystemClock{}
	}
	if c.Random == nil {
		c.Random = defaultRandom
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Backoff = c.Backoff.withDefaults()
	def(&c.Limits.Concurrency, 200)
	def(&c.Limits.PerRoute, 50)
	def(&c.Limits.Batch, 200)
	t := &c.Times
	def(&t.Attempt, 20*time.Minute)
	if t.Lease <= t.Attempt {
		t.Lease = t.Attempt + t.Attempt/2
	}
	def(&t.Grace, 10*time.Second)
	def(&t.Delay, 4*time.Hour)
	def(&t.Poll, 5*time.Minute)
	def(&t.Busy, 2*time.Second)
	return c
}

func def[T ~int | ~int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

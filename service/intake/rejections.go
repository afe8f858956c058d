package intake

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/mail"
)

// Bounds of what is remembered of refusals, so that a guesser of addresses cannot fill the store or slow the mail.
const (
	rejectionsWaiting = 1024
	rejectionsABatch  = 256
	rejectionsEvery   = time.Second
)

// Rejections writes refusals in the session to the trail, behind the session's back: a reply never waits for it, and
// past its bounds refusals are only counted. The log has them all.
type Rejections struct {
	journal mail.Journal
	clock   mail.Clock
	log     *slog.Logger
	waiting chan mail.Event
	missed  atomic.Int64
}

// NewRejections makes one. Run must be running for it to write.
func NewRejections(j mail.Journal, clock mail.Clock, log *slog.Logger) *Rejections {
	return &Rejections{journal: j, clock: clock, log: log, waiting: make(chan mail.Event, rejectionsWaiting)}
}

// Add notes a refusal, under a trace of its own where it has none: what belongs to no message must not be told to whoever asks about
// another. It never blocks; a nil Rejections forgets it.
func (r *Rejections) Add(e mail.Event) {
	if r == nil {
		return
	}
	e.At, e.Outcome = r.clock.Now(), mail.Rejected
	if e.Trace == "" {
		e.Trace = mail.NewTraceID(e.At, rand.Uint32())
	}
	select {
	case r.waiting <- e:
	default:
		r.missed.Add(1)
	}
}

// Run writes what was added, at most one set a second, until ctx ends.
func (r *Rejections) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			r.write(context.WithoutCancel(ctx), nil)
			return
		case e := <-r.waiting:
			r.write(context.WithoutCancel(ctx), []mail.Change{mail.Record{Event: e}}) // which may end at this moment
		}
		select {
		case <-ctx.Done():
		case <-r.clock.After(rejectionsEvery):
		}
	}
}

// write commits one batch: what it is given and what waits.
func (r *Rejections) write(ctx context.Context, set []mail.Change) {
	for len(set) < rejectionsABatch {
		select {
		case e := <-r.waiting:
			set = append(set, mail.Record{Event: e})
			continue
		default:
		}
		break
	}
	if n := r.missed.Swap(0); n > 0 {
		r.log.Info("refusals not written to the trail: too many at once", "count", n)
	}
	if len(set) == 0 {
		return
	}
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	if _, err := r.journal.Commit(ctx, mail.ChangeSet{Changes: set}); err != nil {
		r.log.Warn("refusals not written to the trail", "count", len(set), "error", err)
	}
}

package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// BenchmarkRelay is what a message costs the store on its way through: queued with its event, in somebody's hand, settled with
// its event. "claimed" takes the way of mail that waited, "leased" that of mail which is leased from the start. 64 at once.
func BenchmarkRelay(b *testing.B) {
	b.Run("claimed", func(b *testing.B) { benchRelay(b, false) })
	b.Run("leased", func(b *testing.B) { benchRelay(b, true) })
}

func benchRelay(b *testing.B, leased bool) {
	s, _ := benchStore(b, 0)
	const atOnce = 64
	jobs := make(chan mail.Job, b.N)
	var work sync.WaitGroup
	var next atomic.Int64
	started := usage()
	b.ResetTimer()
	for range atOnce {
		work.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				got, err := enqueue(b.Context(), s, n, leased)
				if err != nil {
					b.Error(err)
					return
				}
				for _, j := range got {
					jobs <- j
				}
			}
		})
	}
	if !leased {
		work.Go(func() { claimAll(b, s, jobs) })
	}
	for range atOnce {
		work.Go(func() {
			for range b.N / atOnce {
				if err := settleDone(b.Context(), s, <-jobs); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(float64((usage()-started).Microseconds())/float64(b.N), "cpu-µs/message")
}

// claimAll hands over what is due, 200 at a time.
func claimAll(b *testing.B, s *store.Store, jobs chan<- mail.Job) {
	for done := 0; done < b.N/64*64; {
		now := time.Now()
		r, err := s.Commit(b.Context(), mail.ChangeSet{Changes: []mail.Change{mail.Claim{Owner: "bench", Now: now, Until: now.Add(time.Hour), Limit: 200, PerRoute: 1000}}})
		if err != nil {
			b.Error(err)
			return
		}
		for _, j := range r.Results[0].Claimed {
			jobs <- j
			done++
		}
	}
}

func enqueue(ctx context.Context, s *store.Store, n int64, leased bool) ([]mail.Job, error) {
	w, err := s.Create(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Discard()
	if _, err := w.Write(make([]byte, 4096)); err != nil {
		return nil, err
	}
	body, err := w.Seal()
	if err != nil {
		return nil, err
	}
	defer body.Discard()
	now := time.Now()
	m := mail.Queued{Trace: mail.TraceID(fmt.Sprintf("%016x", n)), From: "someone@sender.example", Prefix: make([]byte, 300),
		MessageID: fmt.Sprintf("%d@sender.example", n), Created: now, Expires: now.Add(5 * 24 * time.Hour)}
	to := mail.Path(fmt.Sprintf("u%d@d%d.example", n, n%500))
	m.Recipients = []mail.QueuedRecipient{{Address: to, Original: to, Route: to.Domain(), Next: now}}
	if leased {
		m.Recipients[0].Lease = mail.Lease{Owner: "bench", Until: now.Add(time.Hour)}
	}
	e := mail.Event{At: now, Trace: m.Trace, Outcome: mail.Accepted, MessageID: m.MessageID, From: m.From, Role: "mta/inbound", Peer: "mx[192.0.2.1]"}
	r, err := s.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.Enqueue{Message: m, Body: body}, mail.Record{Event: e}}})
	if err != nil {
		return nil, err
	}
	return r.Results[0].Claimed, nil
}

func settleDone(ctx context.Context, s *store.Store, j mail.Job) error {
	m, r := j.Message, j.Message.Recipients[0]
	e := mail.Event{At: time.Now(), Trace: m.Trace, Outcome: mail.Relayed, MessageID: m.MessageID, From: m.From, To: r.Address, Queue: m.ID,
		Role: "mta/outbound", Peer: "mx[192.0.2.2]", Reason: "mx[192.0.2.2] said: 250 2.0.0 Ok"}
	_, err := s.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{
		mail.Settle{Queue: m.ID, Lease: j.Lease.ID, Results: []mail.Settlement{{N: r.N, Done: true}}}, mail.Record{Event: e},
	}})
	return err
}

// usage is the CPU time the process has taken.
func usage() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

package store_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// quiet drops what a store logs.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// benchStore opens a store with n accounts and gives their inboxes.
func benchStore(b testing.TB, n int) (*store.Store, []mail.Result) {
	b.Helper()
	s, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), Log: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	set := mail.ChangeSet{}
	set.Add(mail.AddDomain{Domain: mail.Domain{Name: "example.org"}})
	for i := range n {
		set.Add(mail.AddAccount{
			Account:   mail.Account{Address: mail.Path(fmt.Sprintf("u%d@example.org", i))},
			Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}},
		})
	}
	rec, err := s.Commit(b.Context(), set)
	if err != nil {
		b.Fatal(err)
	}
	boxes := make([]mail.Result, n)
	for i := range n {
		list, err := s.Mailboxes(b.Context(), rec.Results[i+1].Account)
		if err != nil {
			b.Fatal(err)
		}
		boxes[i] = mail.Result{Account: list[0].Account, Mailbox: list[0].ID}
	}
	return s, boxes
}

// deliver commits one message as the MTA does: filed, with its two events.
func deliver(ctx context.Context, s *store.Store, box mail.Result, n int64, body []byte) error {
	w, err := s.Create(ctx)
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := w.Write(body); err != nil {
		return err
	}
	sealed, err := w.Seal()
	if err != nil {
		return err
	}
	defer sealed.Discard()
	now := time.Now()
	trace := mail.TraceID(fmt.Sprintf("%016x", now.UnixMicro()<<12|n&0xfff))
	id := fmt.Sprintf("%d.%d@sender.example", now.UnixNano(), n)
	prefix := make([]byte, 400)
	summary := make([]byte, 600)
	to := mail.Path(fmt.Sprintf("u%d@example.org", box.Account))
	event := mail.Event{At: now, Trace: trace, Outcome: mail.Accepted, MessageID: id, From: "someone@sender.example", Role: "mta/inbound", Peer: "mx[192.0.2.1]"}
	set := mail.ChangeSet{}
	set.Add(mail.AddMessage{Account: box.Account, Mailbox: box.Mailbox, Body: sealed, Prefix: prefix, Summary: summary, Received: now, Saved: now,
		Thread: mail.ThreadKeys{MessageID: id, Subject: "hello"}, CheckQuota: true}, mail.Record{Event: event})
	event.Outcome, event.To, event.Role = mail.Delivered, to, "mda"
	set.Add(mail.Record{Event: event})
	_, err = s.Commit(ctx, set)
	return err
}

// BenchmarkDeliver is the figure promised: durable deliveries of 4 KB bodies by 256 writers at a time.
func BenchmarkDeliver(b *testing.B) {
	for _, accounts := range []int{1, 1000} {
		b.Run(fmt.Sprintf("accounts=%d", accounts), func(b *testing.B) {
			s, boxes := benchStore(b, accounts)
			body := make([]byte, 4<<10)
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu(b)
			deliverAll(b, s, boxes, body, b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/delivery")
		})
	}
}

// BenchmarkGrown shows what a delivery costs once there are many: STORE_FILL says how many, over 1000 accounts. It
// must stay within 1.3 times of what it costs in an empty store.
func BenchmarkGrown(b *testing.B) {
	fill, _ := strconv.Atoi(os.Getenv("STORE_FILL"))
	if fill == 0 {
		b.Skip("set STORE_FILL to a number of messages, as 1000000")
	}
	s, boxes := benchStore(b, 1000)
	body := make([]byte, 4<<10)
	measure := func(when string) float64 {
		const n = 30_000
		start, before := time.Now(), cpu(b)
		deliverAll(b, s, boxes, body, n)
		used := float64((cpu(b) - before).Microseconds()) / n
		b.Logf("%s: %.0f µs CPU, %.0f deliveries/s", when, used, n/time.Since(start).Seconds())
		return used
	}
	deliverAll(b, s, boxes, body, 30_000) // caches
	empty := measure("empty")
	for done := 0; done < fill; done += fill / 10 {
		deliverAll(b, s, boxes, body[:200], fill/10)
		b.Logf("%d filed", done+fill/10)
	}
	grown := measure("grown")
	b.ReportMetric(grown/empty, "times-empty")
	b.ReportMetric(0, "ns/op")
}

// cpu is what the process has used of its processors.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// deliverAll delivers n messages with 256 writers.
func deliverAll(b testing.TB, s *store.Store, boxes []mail.Result, body []byte, n int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(n) {
					return
				}
				if err := deliver(context.Background(), s, boxes[int(i)%len(boxes)], i, body); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

package queue

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/bus"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

// instant relays everything at once.
type instant struct{ done chan int }

func (s instant) Attempt(_ context.Context, job mail.Job) (out []mta.Verdict) {
	for _, q := range job.Message.Recipients {
		v := ok250
		v.N = q.N
		out = append(out, v)
	}
	s.done <- len(out)
	return out
}

// BenchmarkQueue is how many messages a second the queue can claim and settle, on a disk, with remotes that take no time.
func BenchmarkQueue(b *testing.B) {
	news := bus.New()
	s, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), Bus: news, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range b.N {
		w, err := s.Create(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(w, "Subject: %d\r\n\r\nhello\r\n", i)
		body, err := w.Seal()
		if err != nil {
			b.Fatal(err)
		}
		m := message(mail.TraceID(fmt.Sprint(i)), "ann@here.example", mail.Path(fmt.Sprintf("bob@r%d.example", i%50)))
		if _, err := s.Commit(b.Context(), mail.ChangeSet{Changes: []mail.Change{mail.Enqueue{Message: m, Body: body}}}); err != nil {
			b.Fatal(err)
		}
		body.Discard()
	}
	sender := instant{make(chan int, b.N)}
	q, err := New(Config{Journal: s, Queue: s, Bus: news, Sender: sender, Reporter: (*benchReporter)(nil), Owner: "bench", Times: Times{Grace: time.Minute}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	b.ResetTimer()
	go func() { ended <- q.Run(ctx) }()
	for range b.N {
		<-sender.done
	}
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

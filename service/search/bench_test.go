package search_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/search"
)

// BenchmarkDeliveries measures what the indexer costs deliveries, in rounds that take turns: without it; with it as it runs; and with it at
// work, because a search asked for an account's index.
func BenchmarkDeliveries(b *testing.B) {
	s, err := store.Open(context.Background(), store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	r, err := s.Commit(b.Context(), mail.ChangeSet{Changes: []mail.Change{mail.AddDomain{Domain: mail.Domain{Name: "example.org"}},
		mail.AddAccount{Account: mail.Account{Address: "ann@example.org"}, Mailboxes: []mail.NewMailbox{{Name: "INBOX"}}}}})
	if err != nil {
		b.Fatal(err)
	}
	account := r.Results[1].Account
	list, err := s.Mailboxes(b.Context(), account)
	if err != nil {
		b.Fatal(err)
	}
	text := make([]byte, 0, 4096)
	text = append(text, "Subject: one of many\r\nFrom: Bea <bea@example.net>\r\n\r\n"...)
	for i := 0; len(text) < 4000; i++ {
		text = append(text, "word"...)
		text = append(text, byte('a'+i%26), byte('a'+i/26), ' ')
	}
	deliver := func(ctx context.Context, limit time.Duration) float64 {
		var n atomic.Int64
		var wg sync.WaitGroup
		began := time.Now()
		for range 64 {
			wg.Go(func() {
				for time.Since(began) < limit {
					scanner := message.NewScanner(message.Limits{})
					_, _ = scanner.Write(text)
					w, err := s.Create(ctx)
					if err != nil {
						return
					}
					_, _ = w.Write(text)
					body, err := w.Seal()
					if err != nil {
						return
					}
					_, err = s.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.AddMessage{Account: account, Mailbox: list[0].ID, Body: body,
						Summary: message.Encode(scanner.Finish()), Received: began, Saved: began}}})
					body.Discard()
					if err == nil {
						n.Add(1)
					}
				}
			})
		}
		wg.Wait()
		return float64(n.Load()) / time.Since(began).Seconds()
	}
	var sums [3]float64
	rounds := 0
	for b.Loop() {
		for i := range sums {
			way := (i + rounds) % len(sums) // none is always first
			ctx, cancel := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			if way > 0 {
				index := search.New(search.Config{Store: s, Mailboxes: s, Blobs: s})
				wg.Go(func() { index.Run(ctx) })
				if way == 2 {
					ids, err := s.AccountEmails(ctx, account, 0)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := index.Find(ctx, account, mail.TextQuery{Text: "words"}, ids); err != nil {
						b.Fatal(err)
					}
				}
			}
			sums[way] += deliver(context.Background(), 2*time.Second)
			cancel()
			wg.Wait()
		}
		rounds++
	}
	b.ReportMetric(sums[0]/float64(rounds), "without/s")
	b.ReportMetric(sums[1]/float64(rounds), "with/s")
	b.ReportMetric(sums[2]/float64(rounds), "at-work/s")
}

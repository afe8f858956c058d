package bus_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/infra/bus"
	"github.com/postrider/postrider/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func account(id mail.AccountID) mail.Topic {
	return mail.Topic{Kind: mail.TopicAccount, Account: id}
}

// woke reports whether news waits, and takes it.
func woke(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestPublishReachesWatchersOfTheTopicOnly(t *testing.T) {
	t.Parallel()
	b := bus.New()
	one, stopOne := b.Watch(account(1))
	again, stopAgain := b.Watch(account(1))
	two, stopTwo := b.Watch(account(2))
	queue, stopQueue := b.Watch(mail.Topic{Kind: mail.TopicQueue, Account: 7})
	b.Publish(account(1), mail.Topic{Kind: mail.TopicQueue})
	for name, c := range map[string]struct {
		news <-chan struct{}
		want bool
	}{"one": {one, true}, "again": {again, true}, "two": {two, false}, "queue": {queue, true}} {
		if got := woke(c.news); got != c.want {
			t.Errorf("%s woke: %v, want %v", name, got, c.want)
		}
	}
	for _, stop := range []func(){stopOne, stopAgain, stopTwo, stopQueue} {
		stop()
		stop()
	}
	if n := b.Watchers(); n != 0 {
		t.Errorf("%d watches stay after all were stopped", n)
	}
	b.Publish(account(1))
	if woke(one) {
		t.Error("a stopped watch got news")
	}
}

func TestNewsIsMerged(t *testing.T) {
	t.Parallel()
	var b bus.Bus
	news, stop := b.Watch(account(1))
	defer stop()
	for range 1000 {
		b.Publish(account(1))
	}
	if !woke(news) || woke(news) {
		t.Error("a thousand pieces of news are not exactly one wake-up")
	}
}

// A watcher that reads the state after each wake-up must see the last change, however they interleave.
func TestNoWakeUpIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b bus.Bus
		var state atomic.Int64
		const last = 2000
		var all sync.WaitGroup
		for range 8 {
			news, stop := b.Watch(account(1))
			all.Go(func() {
				defer stop()
				for state.Load() < last {
					<-news // a lost wake-up is a deadlock, which synctest reports
				}
			})
		}
		all.Go(func() {
			for range last {
				state.Add(1)
				b.Publish(account(1))
			}
		})
		all.Wait()
	})
}

// The bus against a plain model: a set of open watches with one bit each.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type watch struct {
			id   mail.AccountID
			news <-chan struct{}
			stop func()
			want bool
			open bool
		}
		var b bus.Bus
		var all []*watch
		pick := func() *watch { return all[rapid.IntRange(0, len(all)-1).Draw(t, "watch")] }
		t.Repeat(map[string]func(*rapid.T){
			"watch": func(t *rapid.T) {
				id := mail.AccountID(rapid.IntRange(1, 3).Draw(t, "account"))
				news, stop := b.Watch(account(id))
				all = append(all, &watch{id: id, news: news, stop: stop, open: true})
			},
			"publish": func(t *rapid.T) {
				id := mail.AccountID(rapid.IntRange(1, 3).Draw(t, "account"))
				b.Publish(account(id))
				for _, w := range all {
					w.want = w.want || w.open && w.id == id
				}
			},
			"stop": func(t *rapid.T) {
				if len(all) > 0 {
					w := pick()
					w.stop()
					w.open = false
				}
			},
			"take": func(t *rapid.T) {
				if len(all) > 0 {
					w := pick()
					if got := woke(w.news); got != w.want {
						t.Fatalf("woke %v, want %v", got, w.want)
					}
					w.want = false
				}
			},
			"": func(t *rapid.T) {
				open := 0
				for _, w := range all {
					if w.open {
						open++
					}
				}
				if n := b.Watchers(); n != open {
					t.Fatalf("%d watches, want %d", n, open)
				}
			},
		})
	})
}

// One piece of news costs the same beside ten thousand watchers of other accounts.
func BenchmarkPublishBeside10000Watchers(b *testing.B) {
	var news bus.Bus
	for id := range mail.AccountID(10000) {
		_, stop := news.Watch(account(id + 1))
		defer stop()
	}
	b.ReportAllocs()
	for b.Loop() {
		news.Publish(account(5000))
	}
}

func TestPublishAllocatesNothingBeside10000Watchers(t *testing.T) {
	var news bus.Bus
	for id := range mail.AccountID(10000) {
		_, stop := news.Watch(account(id + 1))
		defer stop()
	}
	topics := []mail.Topic{account(5000)}
	if n := testing.AllocsPerRun(100, func() { news.Publish(topics...) }); n != 0 {
		t.Errorf("Publish allocates %v times", n)
	}
}

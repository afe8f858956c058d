package outbound

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/mail"
)

func mailPath(s string) mail.Path { return mail.Path(s) }

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func TestConnectionIsReused(t *testing.T) {
	t.Parallel()
	r := &remote{ext: esmtp()}
	b := newBench(t, oneHost+"other.example MX 10 mx.there.example\n", at1(r))
	for range 3 {
		b.want(b.attempt(bob), "bob: relayed *")
	}
	b.want(b.attempt("cy@other.example"), "cy: relayed *")
	if r.connections() != 1 || len(r.got()) != 4 {
		t.Errorf("%d connections for %d messages", r.connections(), len(r.got()))
	}
}

// After a refusal the connection is good for the next message.
func TestConnectionIsReusedAfterRefusal(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"mail", "rcpt", "data", "."} {
		r := &remote{ext: esmtp(), script: map[string][]string{at: {"550 5.7.1 no", ""}}}
		b := newBench(t, oneHost, at1(r))
		b.want(b.attempt(bob), "bob: bounced 5.7.1 *")
		b.want(b.attempt(bob), "bob: relayed *")
		if r.connections() != 1 {
			t.Errorf("%s: %d connections", at, r.connections())
		}
	}
}

// A connection that died while idle is replaced, and nobody's attempt is counted for it.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"drop", "reset", "drop:421 4.4.2 idle too long"} {
		r := &remote{ext: esmtp(), script: map[string][]string{"mail": {"", how, ""}}}
		b := newBench(t, oneHost, at1(r))
		b.want(b.attempt(bob), "bob: relayed *")
		b.want(b.attempt(bob), "bob: relayed *")
		if r.connections() != 2 || len(r.got()) != 2 {
			t.Errorf("%s: %d connections for %d messages", how, r.connections(), len(r.got()))
		}
	}
}

func TestConnectionIsNotKeptForEver(t *testing.T) {
	t.Parallel()
	r := &remote{ext: esmtp()}
	b := newBench(t, oneHost, at1(r))
	b.config.Limits.Transactions = 2
	for range 4 {
		b.want(b.attempt(bob), "bob: relayed *")
	}
	if r.connections() != 2 {
		t.Errorf("%d connections", r.connections())
	}
	b.transport().Close()
	if r.saw("QUIT") != 2 {
		t.Errorf("good-bye was said %d times", r.saw("QUIT"))
	}
}

func TestConnectionsPerHost(t *testing.T) {
	t.Parallel()
	r := &remote{ext: esmtp()}
	b := newBench(t, oneHost, at1(r))
	b.config.Limits.PerHost = 3
	tr := b.transport()
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			if v := tr.Attempt(t.Context(), b.job(mail.Path(fmt.Sprintf("u%d@there.example", i)))); v[0].Outcome != mail.Relayed {
				t.Errorf("%+v", v)
			}
		})
	}
	all.Wait()
	r.mu.Lock()
	most := r.most
	r.mu.Unlock()
	if most > 3 || len(r.got()) != 30 {
		t.Errorf("%d connections at once, %d messages", most, len(r.got()))
	}
}

// The pool alone, in its own order.
func TestPool(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var ended []string
	p := newPool(2, 2, time.Hour, func(s *session) {
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, s.peer)
	})
	at := spot{host: "a"}
	enter := func(at spot, name string) *session {
		t.Helper()
		s, err := p.enter(t.Context(), at, need{}, false)
		if err != nil {
			t.Fatal(err)
		}
		if s == nil {
			s = &session{spot: at, peer: name}
		}
		return s
	}
	one, two := enter(at, "one"), enter(at, "two")
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := p.enter(short, at, need{}, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third connection: %v", err)
	}
	p.put(one)
	p.put(two)
	if got := enter(at, "new"); got != two {
		t.Errorf("got %s, want the youngest", got.peer)
	}
	p.put(two)
	three := enter(spot{host: "b"}, "three")
	p.put(three) // one too many idle: the oldest goes
	p.ending.Wait()
	if len(ended) != 1 || ended[0] != "one" {
		t.Errorf("ended %q", ended)
	}
	got := make(chan *session)
	four := enter(at, "four")
	five := enter(at, "five")
	go func() {
		s, _ := p.enter(context.Background(), at, need{}, false)
		got <- s
	}()
	p.put(five)
	if s := <-got; s != five {
		t.Error("who waits does not get what comes free")
	}
	p.leave(at)
	p.retire(four)
	p.close()
	if len(p.places) != 0 || p.idle.Len() != 0 {
		t.Errorf("still open: %v", p.places)
	}
}

// A crowd on few places: nobody is forgotten, also where others stop waiting, and no place has more connections than it may.
func TestPoolCrowd(t *testing.T) {
	t.Parallel()
	const perHost = 2
	p := newPool(perHost, 3, time.Millisecond, func(*session) {})
	spots := []spot{{host: "a"}, {host: "b"}, {host: "c"}}
	var inUse [3]atomic.Int32
	var crowd sync.WaitGroup
	for i := range 60 {
		crowd.Go(func() {
			for n := range 200 {
				at := (i + n) % len(spots)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				if (i+n)%5 == 0 {
					ctx, cancel = context.WithTimeout(t.Context(), 20*time.Microsecond)
				}
				want := need{level: level(i % 2)} // anything, or encrypted
				s, err := p.enter(ctx, spots[at], want, n%7 == 0)
				cancel()
				if s != nil && !want.metBy(s.proof) {
					t.Error("a connection was given out that is not good enough")
				}
				if err != nil {
					if (i+n)%5 != 0 {
						t.Errorf("forgotten: %v", err)
					}
					continue
				}
				if now := inUse[at].Add(1); now > perHost {
					t.Errorf("%d connections of one host", now)
				}
				runtime.Gosched()
				inUse[at].Add(-1)
				switch {
				case s == nil && n%3 == 0:
					p.leave(spots[at])
				case s == nil:
					p.put(&session{spot: spots[at], proof: proof{encrypted: want.level == encrypted}})
				case n%4 == 0:
					p.retire(s)
				default:
					p.put(s)
				}
			}
		})
	}
	crowd.Wait()
	p.close()
	if len(p.places) != 0 || p.idle.Len() != 0 {
		t.Errorf("still open: %v", p.places)
	}
}

// BenchmarkPool takes and gives back connections of 500 hosts that are all kept.
func BenchmarkPool(b *testing.B) {
	p := newPool(20, 500, time.Minute, func(*session) {})
	defer p.close()
	for n := 0; b.Loop(); n++ {
		at := spot{host: "h" + strconv.Itoa(n%500)}
		s, err := p.enter(b.Context(), at, need{}, false)
		if err != nil {
			b.Fatal(err)
		}
		if s == nil {
			s = &session{spot: at}
		}
		p.put(s)
	}
}

// Called off, an attempt ends at once; whether it counts depends on why and on how far it came.
func TestCalledOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at    string
		cause error
		want  string
	}{
		{"greeting", errors.New("stopping"), "bob: deferred 4.* UNSPENT"},
		{"ehlo", errors.New("stopping"), "bob: deferred 4.* UNSPENT"},
		{"mail", errors.New("stopping"), "bob: deferred 4.* UNSPENT"},
		{"data", errors.New("stopping"), "bob: deferred 4.* UNSPENT"},
		{".", errors.New("stopping"), "bob: deferred 4.4.2 * UNSURE"},
		{"greeting", context.DeadlineExceeded, "bob: deferred 4.4.2 the connection to mx1.there.example[192.0.2.1] failed during * it took too long"},
		{"rcpt", context.DeadlineExceeded, "bob: deferred 4.4.2 the connection to mx1.there.example[192.0.2.1] failed during * it took too long"},
		{".", context.DeadlineExceeded, "bob: deferred 4.4.2 * UNSURE"},
	} {
		t.Run(c.at+" "+c.cause.Error(), func(t *testing.T) {
			t.Parallel()
			r := &remote{ext: []string{"8BITMIME"}, script: map[string][]string{c.at: {"hang"}}}
			b := newBench(t, threeHosts, map[string]*remote{"192.0.2.1": r})
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(100*time.Millisecond, func() { cancel(c.cause) })
			began := time.Now()
			b.want(b.try(ctx, b.job(bob)), c.want)
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// A host that is dead is not waited for by each message of a long queue.
func TestSilentHost(t *testing.T) {
	t.Parallel()
	b := newBench(t, oneHost, nil)
	for range 3 {
		b.want(b.attempt(bob), "bob: deferred 4.4.1 cannot connect to *")
	}
	b.want(b.attempt(bob), "bob: deferred 4.4.1 mx.there.example could not be reached * ago and was not tried again yet")
	if len(b.dialled) != 3 {
		t.Errorf("dialled %d times", len(b.dialled))
	}
}

func TestSilentForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSilent(time.Minute)
		at := spot{host: "mx.there.example"}
		for range silentAfter {
			if _, skip := s.lately(at); skip {
				t.Fatal("too soon")
			}
			s.failed(at)
		}
		if _, skip := s.lately(at); !skip {
			t.Error("a dead host is tried")
		}
		time.Sleep(time.Minute)
		if _, skip := s.lately(at); skip {
			t.Error("not forgotten")
		}
		s.failed(at)
		if _, skip := s.lately(at); skip {
			t.Error("old failures count")
		}
		for range silentAfter {
			s.failed(at)
		}
		s.reached(at)
		if _, skip := s.lately(at); skip {
			t.Error("a host that was reached is not tried")
		}
	})
}

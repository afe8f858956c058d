package limits_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/limits"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ann, bob = mail.Path("ann@one.example"), mail.Path("bob@one.example")

// guess has somebody try wrong passwords until they are refused, n times at most.
func guess(t testing.TB, l *limits.Limits, from netip.Addr, user mail.Path, n int) error {
	for range n {
		if err := l.Attempt(t.Context(), from, user); err != nil {
			return err
		}
		l.Failed(t.Context(), from, user)
	}
	return nil
}

// TestBan bans who guesses, and nobody else, for as long as it says.
func TestBan(t *testing.T) {
	t.Parallel()
	l, now, _ := newLimits(t, nil)
	passes(t, guess(t, l, ip("192.0.2.7"), ann, 2))
	now.Advance(10 * time.Minute) // the window is over
	passes(t, guess(t, l, ip("192.0.2.7"), ann, 2))
	passes(t, l.Attempt(t.Context(), ip("192.0.2.7"), ann))
	passes(t, guess(t, l, ip("192.0.2.7"), "nobody@one.example", 1)) // any account counts
	for _, user := range []mail.Path{ann, bob, "nobody@one.example", ""} {
		refused(t, l.Attempt(t.Context(), ip("192.0.2.7"), user), "4.7.0", "authentication-fails")
	}
	refused(t, l.Attempt(t.Context(), ip("::ffff:192.0.2.7"), bob), "4.7.0", "authentication-fails")
	refused(t, l.Admit(ip("192.0.2.7")), "4.7.0", "authentication-fails")
	if err := l.Admit(ip("192.0.2.7")); !strings.Contains(err.Error(), "192.0.2.7; try again in 15 minutes,") {
		t.Errorf("the sentence is %q", err)
	}
	passes(t, l.Admit(ip("192.0.2.8")))
	passes(t, l.Attempt(t.Context(), ip("192.0.2.8"), bob))
	now.Advance(15*time.Minute - 1)
	refused(t, l.Admit(ip("192.0.2.7")), "4.7.0", "authentication-fails")
	now.Advance(1)
	passes(t, l.Admit(ip("192.0.2.7")))
	passes(t, l.Attempt(t.Context(), ip("192.0.2.7"), ann))
}

// TestBanDoubles makes each further ban twice as long, up to a week, and forgets after another.
func TestBanDoubles(t *testing.T) {
	t.Parallel()
	l, now, _ := newLimits(t, nil)
	for i, want := range []time.Duration{15, 30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 10080, 10080} {
		want *= time.Minute
		passes(t, guess(t, l, ip("2001:db8::1"), ann, 3))
		list, err := l.Bans(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatalf("bans: %v, %v", list, err)
		}
		b := list[0]
		if b.Prefix.String() != "2001:db8::/64" || b.Until.Sub(b.Since) != want || b.Times != i+1 || b.Failures != 3 || !b.Since.Equal(now.Now()) {
			t.Fatalf("ban %d is %+v, want one of %v", i+1, b, want)
		}
		refused(t, l.Admit(ip("2001:db8::ffff:2")), "4.7.0", "authentication-fails") // the same /64
		passes(t, l.Admit(ip("2001:db8:0:1::1")))
		now.Advance(want)
	}
	now.Advance(7 * 24 * time.Hour)
	passes(t, guess(t, l, ip("2001:db8::1"), ann, 3))
	if list, _ := l.Bans(t.Context()); len(list) != 1 || list[0].Times != 1 {
		t.Errorf("after a quiet week: %+v", list)
	}
}

// TestBansOutliveTheProcess shows bans to another node, and after a restart.
func TestBansOutliveTheProcess(t *testing.T) {
	t.Parallel()
	l, _, m := newLimits(t, nil)
	passes(t, guess(t, l, ip("192.0.2.7"), ann, 3))
	other := limits.New(config(m))
	passes(t, other.Admit(ip("192.0.2.7"))) // it has not looked yet
	passes(t, other.Load(t.Context()))
	refused(t, other.Admit(ip("192.0.2.7")), "4.7.0", "authentication-fails")
	if err := other.Unban(t.Context(), netip.MustParsePrefix("192.0.2.8/32")); !mail.Is(err, mail.NotFound) {
		t.Errorf("lifting a ban that is none: %v", err)
	}
	passes(t, other.Unban(t.Context(), netip.MustParsePrefix("192.0.2.7/32")))
	passes(t, other.Admit(ip("192.0.2.7")))
	refused(t, l.Admit(ip("192.0.2.7")), "4.7.0", "authentication-fails") // it has not looked yet
	passes(t, l.Load(t.Context()))
	passes(t, l.Admit(ip("192.0.2.7")))
	if list, err := l.Bans(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("bans: %v, %v", list, err)
	}
	passes(t, guess(t, l, ip("2001:db8::7"), bob, 3))                         // ann is guessed at, so that strangers wait there
	passes(t, l.Unban(t.Context(), netip.MustParsePrefix("2001:db8::9/128"))) // an address stands for its /64
	passes(t, l.Admit(ip("2001:db8::7")))
	m.of["ban\x00rubbish"] = mail.Note{Kind: "ban", Key: "rubbish", Value: []byte("{")}
	if list, err := l.Bans(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("bans beside a damaged one: %v, %v", list, err)
	}
}

// TestRunReadsBans reads the bans of other nodes within a quarter of a minute, and goes on when it cannot.
func TestRunReadsBans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(mail.SystemClock{})
		here, there := limits.New(config(m)), limits.New(config(m))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			here.Run(ctx)
		}()
		synctest.Wait()
		passes(t, guess(t, there, ip("192.0.2.7"), ann, 3))
		passes(t, here.Admit(ip("192.0.2.7")))
		time.Sleep(16 * time.Second) // of the bubble
		refused(t, here.Admit(ip("192.0.2.7")), "4.7.0", "authentication-fails")
		m.mu.Lock()
		m.fail = mail.Errorf(mail.Unavailable, "the store is away")
		m.mu.Unlock()
		passes(t, guess(t, here, ip("192.0.2.8"), bob, 3)) // holds here, though nobody can write it down
		refused(t, here.Admit(ip("192.0.2.7")), "4.7.0", "authentication-fails")
		m.mu.Lock()
		m.fail = nil
		m.mu.Unlock()
		time.Sleep(16 * time.Second)
		if err := here.Attempt(t.Context(), ip("192.0.2.8"), bob); !mail.Is(err, mail.TooMany) {
			t.Errorf("the ban that was not written: %v", err)
		}
		stop()
		<-done
	})
}

// TestKnownClient lets the owner in where they have been before, whatever others do.
func TestKnownClient(t *testing.T) {
	t.Parallel()
	l, now, m := newLimits(t, nil)
	l.Succeeded(t.Context(), ip("192.0.2.7"), ann)
	refused(t, guess(t, l, ip("192.0.2.7"), bob, 10), "4.7.0", "authentication-fails")
	passes(t, l.Attempt(t.Context(), ip("192.0.2.7"), ann))
	passes(t, l.Admit(ip("192.0.2.7"))) // somebody lives there: ask who it is
	refused(t, l.Attempt(t.Context(), ip("192.0.2.7"), bob), "4.7.0", "authentication-fails")
	again := limits.New(config(m)) // after a restart too
	passes(t, again.Load(t.Context()))
	passes(t, again.Admit(ip("192.0.2.7")))
	passes(t, again.Attempt(t.Context(), ip("192.0.2.7"), ann))
	refused(t, again.Attempt(t.Context(), ip("192.0.2.7"), bob), "4.7.0", "authentication-fails")

	// Their own wrong passwords, a forgotten program's say, slow them and do not ban their house.
	l.Succeeded(t.Context(), ip("192.0.2.9"), ann)
	passes(t, guess(t, l, ip("192.0.2.9"), ann, 3)) // the clock stands still: a wait would not end
	passes(t, l.Attempt(t.Context(), ip("192.0.2.9"), ann))
	passes(t, l.Attempt(t.Context(), ip("192.0.2.9"), "carol@one.example"))

	// It is remembered for so long, and longer for who comes back.
	now.Advance(limits.KnownFor - time.Hour)
	l.Succeeded(t.Context(), ip("192.0.2.9"), ann)
	now.Advance(2 * time.Hour)
	again = limits.New(config(m))
	passes(t, guess(t, again, ip("192.0.2.9"), bob, 3))
	passes(t, again.Attempt(t.Context(), ip("192.0.2.9"), ann))
	passes(t, guess(t, again, ip("192.0.2.7"), "carol@one.example", 3))
	refused(t, again.Attempt(t.Context(), ip("192.0.2.7"), ann), "4.7.0", "authentication-fails")
}

// TestLoginsAreCheap writes and reads nothing for who logs in again and again.
func TestLoginsAreCheap(t *testing.T) {
	t.Parallel()
	l, _, m := newLimits(t, nil)
	for range 100 {
		passes(t, l.Attempt(t.Context(), ip("192.0.2.7"), ann))
		l.Succeeded(t.Context(), ip("192.0.2.7"), ann)
	}
	if m.reads > 1 {
		t.Errorf("100 logins read %d notes", m.reads)
	}
}

// TestSlowed measures the waits: after a wrong password, and, while an account is guessed at from everywhere, before the password
// of who was never there.
func TestSlowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(mail.SystemClock{})
		cfg := config(m)
		cfg.LoginFailures = 10
		l := limits.New(cfg)
		took := func(f func()) time.Duration {
			start := time.Now()
			f()
			return time.Since(start)
		}
		for i, want := range []time.Duration{0, 0, 0, 250, 500, 1000, 2000, 4000, 5000, 5000} {
			if got := took(func() { l.Failed(t.Context(), ip("192.0.2.7"), ann) }); got != want*time.Millisecond {
				t.Errorf("wrong password %d is told after %v, want %vms", i+1, got, int(want))
			}
		}
		l.Succeeded(t.Context(), ip("192.0.2.100"), bob)
		for i := range 200 {
			l.Failed(t.Context(), ip(fmt.Sprintf("198.51.100.%d", i)), bob)
		}
		if got := took(func() { passes(t, l.Attempt(t.Context(), ip("203.0.113.1"), bob)) }); got != 5*time.Second {
			t.Errorf("a stranger waits %v", got)
		}
		if got := took(func() { passes(t, l.Attempt(t.Context(), ip("192.0.2.100"), bob)) }); got != 0 {
			t.Errorf("the owner waits %v", got)
		}
		if got := took(func() { passes(t, l.Attempt(t.Context(), ip("203.0.113.1"), ann)) }); got > 250*time.Millisecond {
			t.Errorf("at another account a stranger waits %v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Attempt(ctx, ip("203.0.113.1"), bob); !mail.Is(err, mail.Unavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait that was cut short: %v", err)
		}
	})
}

// TestRoomIsBounded has a thousand wait for one account, and a thousand for one each: no more than so many do, the others are
// refused at once, the owner passes.
func TestRoomIsBounded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		user func(i int) mail.Path
		most int64
	}{
		"one account":   {func(int) mail.Path { return ann }, 16},
		"many accounts": {func(i int) mail.Path { return mail.Path(fmt.Sprintf("user%d@one.example", i)) }, 256},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(mail.SystemClock{})
				l := limits.New(config(m))
				l.Succeeded(t.Context(), ip("192.0.2.7"), ann)
				from := func(i int) netip.Addr { return ip(fmt.Sprintf("198.%d.%d.1", 51+i>>8, i&255)) }
				for i := range 1000 {
					for n := range 3 {
						l.Failed(t.Context(), ip(fmt.Sprintf("10.%d.%d.%d", i>>8, i&255, n)), tc.user(i))
					}
				}
				var wait sync.WaitGroup
				var passed, turned atomic.Int64
				for i := range 1000 {
					wait.Go(func() {
						switch err := l.Attempt(t.Context(), from(i), tc.user(i)); {
						case err == nil:
							passed.Add(1)
						case mail.Is(err, mail.TooMany):
							turned.Add(1)
						default:
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				if n := turned.Load(); n != 1000-tc.most || passed.Load() != 0 {
					t.Errorf("%d were turned away at once and %d passed, want %d and none", n, passed.Load(), 1000-tc.most)
				}
				passes(t, l.Attempt(t.Context(), ip("192.0.2.7"), ann))
				wait.Wait()
				if passed.Load() != tc.most {
					t.Errorf("%d passed after a wait, want %d", passed.Load(), tc.most)
				}
			})
		})
	}
}

// TestNobodyLocksOutAKnownClient lets attackers do whatever they like, from anywhere and with any name, also from the owner's own
// address and at the owner's account: the owner is neither refused nor made to wait, on this node, on another, and after a restart.
func TestNobodyLocksOutAKnownClient(t *testing.T) {
	t.Parallel()
	addresses := []netip.Addr{ip("192.0.2.7"), ip("192.0.2.8"), ip("198.51.100.1"), ip("2001:db8::1"), ip("2001:db8::2"), ip("2001:db8:0:1::1")}
	users := []mail.Path{ann, bob, "nobody@one.example", "", "ann"}
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		// The wrapper hides Deadline, which has no meaning in a bubble.
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			m := newMemory(mail.SystemClock{})
			cfg := config(m)
			cfg.LoginFailures = rapid.IntRange(1, 5).Draw(rt, "failures")
			nodes := []*limits.Limits{limits.New(cfg), limits.New(cfg)}
			home := addresses[rapid.SampledFrom([]int{0, 3}).Draw(rt, "home")]
			nodes[0].Succeeded(ctx, home, ann)
			for range rapid.IntRange(1, 60).Draw(rt, "acts") {
				n := rapid.IntRange(0, 1).Draw(rt, "node")
				l := nodes[n]
				from, user := rapid.SampledFrom(addresses).Draw(rt, "from"), rapid.SampledFrom(users).Draw(rt, "user")
				switch rapid.IntRange(0, 9).Draw(rt, "act") {
				case 0:
					passes(rt, l.Load(ctx))
				case 1:
					nodes[n] = limits.New(cfg) // a restart
				case 2:
					time.Sleep(time.Duration(rapid.IntRange(1, 3600).Draw(rt, "seconds")) * time.Second)
				case 3:
					if user != ann { // they have an account of their own
						l.Succeeded(ctx, from, user)
					}
				default:
					for range rapid.IntRange(1, 5).Draw(rt, "times") {
						if l.Admit(from) == nil && l.Attempt(ctx, from, user) == nil {
							l.Failed(ctx, from, user)
						}
					}
				}
				start := time.Now()
				for i, l := range nodes {
					if err := errors.Join(l.Admit(home), l.Attempt(ctx, home, ann)); err != nil {
						rt.Fatalf("the owner is refused on node %d: %v", i, err)
					}
				}
				if d := time.Since(start); d != 0 {
					rt.Fatalf("the owner waits %v", d)
				}
			}
		})
	})
}

// TestNothingSecretIsKept looks for names in notes and logs: addresses of clients are there only where they are banned.
func TestNothingSecretIsKept(t *testing.T) {
	t.Parallel()
	log := &logs{}
	l, _, m := newLimits(t, func(c *limits.Config) { c.Log = log.logger() })
	l.Succeeded(t.Context(), ip("203.0.113.5"), ann)
	passes(t, guess(t, l, ip("192.0.2.7"), ann, 3))
	m.fail = mail.Errorf(mail.Unavailable, "the store is away")
	l.Succeeded(t.Context(), ip("203.0.113.6"), bob)
	l.Failed(t.Context(), ip("203.0.113.6"), bob)
	if err := l.Attempt(t.Context(), ip("192.0.2.7"), bob); !mail.Is(err, mail.Unavailable) {
		t.Errorf("without a store: %v", err)
	}
	kept := log.text()
	if !strings.Contains(kept, "address banned") || !strings.Contains(kept, "192.0.2.7") {
		t.Errorf("the ban is not in the log: %s", kept)
	}
	for k, n := range m.of {
		kept += k + string(n.Value)
		if n.Kind == limits.KindKnown && strings.Contains(k, "203.0.113") {
			t.Errorf("a known client is kept in clear: %q", k)
		}
	}
	for _, word := range []string{"ann", "bob", "one.example", string(secret)} {
		if strings.Contains(kept, word) && word != "ann" || strings.Contains(kept, "ann@") {
			t.Errorf("%q is kept: %s", word, kept)
		}
	}
}

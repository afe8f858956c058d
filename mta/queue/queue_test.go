package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

const day = 24 * time.Hour

func TestDeliveredAtOnce(t *testing.T) {
	world(t, func(b *bench) {
		defer b.run(b.config())()
		rest(time.Hour)
		b.started = time.Now()
		b.send("ann@here.example", "bob@there.example", "cy@there.example", "dan@else.example")
		rest(0)
		b.want("outcomes", b.outcomes("bob@there.example"), "relayed")
		b.want("tries", b.tries["dan@else.example"], 1)
		b.want("wait", b.times["bob@there.example"], []time.Duration{0})
		b.want("empty", b.empty(), true)
		b.want("reports", b.reported(), []string(nil))
		lines := b.logged("bob@there.example")
		b.want("log lines", len(lines), 1)
		for _, key := range []string{"trace=t1", "queue=1", "from=ann@here.example", "outcome=relayed", "status=2.0.0", "attempts=1",
			"peer=mx[192.0.2.1]", "tls=", "age=", "next=", "report=", `reason="mx[192.0.2.1] said: 250 ok"`} {
			if !strings.Contains(lines[0], key) {
				t.Errorf("no %s in %s", key, lines[0])
			}
		}
	})
}

// RFC 5321 4.5.4.1: tried at growing intervals, given up after days; told once that it waits, once that it failed.
func TestFiveDays(t *testing.T) {
	world(t, func(b *bench) {
		b.on("bob@there.example", later)
		stop := b.run(b.config())
		b.send("ann@here.example", "bob@there.example")
		rest(6 * day)
		stop()
		got := b.times["bob@there.example"]
		b.want("first tries", ages(got[:8]), []time.Duration{0, 5 * time.Minute, 15 * time.Minute, 35 * time.Minute, 75 * time.Minute,
			155 * time.Minute, 4 * time.Hour, 8 * time.Hour})
		b.want("last try", got[len(got)-1], 5*day)
		b.want("reports", b.reported(), []string{
			"ann@here.example: delayed bob@there.example 4.2.0", "ann@here.example: failed bob@there.example 4.4.7",
		})
		b.want("delay told at", b.reports[0].At.Sub(b.started), 4*time.Hour)
		b.want("until", b.reports[0].Recipients[0].Until.Sub(b.started), 5*day)
		b.want("words", b.reports[1].Recipients[0].Reply, "450 later")
		outcomes := b.outcomes("bob@there.example")
		b.want("final", strings.Count(outcomes, "bounced"), 1)
		b.want("reported", strings.Count(outcomes, "reported"), 2)
		b.want("end", strings.HasSuffix(outcomes, "bounced reported"), true)
		b.want("log lines", len(b.logged("bob@there.example")), len(got))
		b.want("empty", b.empty(), true)
	})
}

// RFC 5321 4.5.5: no report about a message without a sender, so no loop of reports.
func TestNullSender(t *testing.T) {
	world(t, func(b *bench) {
		b.on("bob@there.example", refused)
		b.on("cy@there.example", later)
		defer b.run(b.config())()
		b.send("", "bob@there.example", "cy@there.example")
		rest(6 * day)
		b.want("reports", b.reported(), []string(nil))
		b.want("outcomes", b.outcomes("bob@there.example"), "bounced")
		b.want("final", strings.HasSuffix(b.outcomes("cy@there.example"), "deferred bounced"), true)
		b.want("empty", b.empty(), true)
	})
}

// A report that fails itself is dropped, with its event.
func TestReportFails(t *testing.T) {
	world(t, func(b *bench) {
		b.on("bob@there.example", refused)
		b.on("ann@here.example", refused)
		defer b.run(b.config())()
		b.send("ann@here.example", "bob@there.example")
		rest(day)
		b.want("reports", b.reported(), []string{"ann@here.example: failed bob@there.example 5.1.1"})
		b.want("the report's end", b.outcomes("ann@here.example"), "bounced")
		b.want("empty", b.empty(), true)
	})
}

func TestMixedRecipientsInOneReport(t *testing.T) {
	world(t, func(b *bench) {
		b.on("fails@there.example", later, later, later, later, later, later, refused)
		b.on("waits@there.example", later)
		b.on("works@there.example", later, ok250)
		defer b.run(b.config())()
		b.send("ann@here.example", "fails@there.example", "waits@there.example", "works@there.example")
		rest(4*time.Hour + time.Minute)
		b.want("reports", b.reported(), []string{
			"ann@here.example: failed fails@there.example 5.1.1, delayed waits@there.example 4.2.0",
		})
		b.want("works", b.outcomes("works@there.example"), "deferred relayed")
	})
}

// What was permanently refused is never tried again, though its report could not be written, and through restarts.
func TestRefusalSurvivesWithoutReplay(t *testing.T) {
	world(t, func(b *bench) {
		b.on("bob@there.example", refused)
		b.on("cy@there.example", later)
		down := true
		b.reportOf = func() error {
			if down {
				return mail.Errorf(mail.Unavailable, "the disk is full")
			}
			return nil
		}
		stop := b.run(b.config())
		b.send("ann@here.example", "bob@there.example", "cy@there.example")
		rest(time.Hour)
		stop()
		b.want("outcome is recorded before its report", b.outcomes("bob@there.example"), "bounced")
		b.want("reports", b.reported(), []string(nil))
		down = false
		defer b.run(b.config())()
		rest(time.Hour)
		b.want("reports", b.reported(), []string{"ann@here.example: failed bob@there.example 5.1.1"})
		r := b.reports[0].Recipients[0]
		b.want("words kept", []string{r.Host, r.Reply, r.Reason}, []string{"mx", "550 5.1.1 nobody", "mx[192.0.2.1] said: 550 5.1.1 nobody"})
		b.want("tries", b.tries["bob@there.example"], 1)
		b.want("outcomes", b.outcomes("bob@there.example"), "bounced reported")
		b.want("log lines", len(b.logged("bob@there.example")), 2)
		b.want("cy goes on", strings.HasPrefix(b.outcomes("cy@there.example"), "deferred deferred"), true)
	})
}

func TestReportThatNeverCanBe(t *testing.T) {
	world(t, func(b *bench) {
		b.on("bob@there.example", refused)
		b.reportOf = func() error { return mail.Errorf(mail.NotFound, "nobody is called ann") }
		defer b.run(b.config())()
		b.send("ann@here.example", "bob@there.example")
		rest(day)
		b.want("outcomes", b.outcomes("bob@there.example"), "bounced")
		b.want("empty", b.empty(), true)
		if !strings.Contains(b.logged("bob@there.example")[0], "no report sent: nobody is called ann") {
			t.Error(b.log.String())
		}
	})
}

// A report whose plan the store refuses is planned anew once, then dropped.
func TestReportRefusedByStore(t *testing.T) {
	world(t, func(b *bench) {
		b.on("bob@there.example", refused)
		b.faulty.fail = func(set mail.ChangeSet) error {
			for i, c := range set.Changes {
				if _, ok := c.(mail.Enqueue); ok && i > 0 {
					return &mail.ChangeError{Index: i, Err: mail.Errorf(mail.NotFound, "no such mailbox")}
				}
			}
			return nil
		}
		defer b.run(b.config())()
		b.send("ann@here.example", "bob@there.example")
		rest(day)
		b.want("plans", len(b.reports), 2)
		b.want("outcomes", b.outcomes("bob@there.example"), "bounced")
		b.want("tries", b.tries["bob@there.example"], 1)
		b.want("empty", b.empty(), true)
	})
}

func TestStoreFailsWhileSettling(t *testing.T) {
	world(t, func(b *bench) {
		failures := 0
		b.faulty.fail = func(set mail.ChangeSet) error {
			if _, ok := set.Changes[0].(mail.Settle); ok && failures < 5 {
				failures++
				return mail.Errorf(mail.Unavailable, "the store is away")
			}
			return nil
		}
		defer b.run(b.config())()
		b.send("ann@here.example", "bob@there.example")
		rest(5 * time.Minute)
		b.want("tries", b.tries["bob@there.example"], 1)
		b.want("outcomes", b.outcomes("bob@there.example"), "relayed")
		b.want("log lines", len(b.logged("bob@there.example")), 1)
	})
}

func TestStoreFailsWhileClaiming(t *testing.T) {
	world(t, func(b *bench) {
		failures := 0
		b.faulty.fail = func(set mail.ChangeSet) error {
			if _, ok := set.Changes[0].(mail.Claim); ok && failures < 5 {
				failures++
				return mail.Errorf(mail.Unavailable, "the store is away")
			}
			return nil
		}
		defer b.run(b.config())()
		b.send("ann@here.example", "bob@there.example")
		rest(time.Minute)
		b.want("outcomes", b.outcomes("bob@there.example"), "relayed")
	})
}

// A process that dies between attempt and settlement: its successor breaks the lease, the attempt counts.
func TestCrashBetweenAttemptAndSettle(t *testing.T) {
	for _, c := range []struct {
		name, owner string
		after       time.Duration
	}{
		{"same owner starts again", "one", 0},
		{"another owner waits for the lease", "two", 30 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			world(t, func(b *bench) {
				b.send("ann@here.example", "bob@there.example")
				now := time.Now()
				b.do(mail.Claim{Owner: "one", Now: now, Until: now.Add(30 * time.Minute), Limit: 1})
				b.tries["bob@there.example"]++ // the dead process sent it
				cfg := b.config()
				cfg.Owner = c.owner
				defer b.run(cfg)()
				rest(time.Hour)
				b.want("tries", b.tries["bob@there.example"], 2)
				b.want("second try", b.times["bob@there.example"], []time.Duration{c.after})
				b.want("outcomes", b.outcomes("bob@there.example"), "relayed")
				attempts := "attempts=2"
				if c.owner != "one" {
					attempts = "attempts=1" // the store alone ended that lease
				}
				if line := b.logged("bob@there.example")[0]; !strings.Contains(line, attempts) {
					t.Error(line)
				}
			})
		})
	}
}

func TestLeaseLostWhileTrying(t *testing.T) {
	world(t, func(b *bench) {
		b.attempt = func(_ context.Context, job mail.Job) []mta.Verdict {
			b.do(mail.QueueAct{Queue: job.Message.ID, Act: mail.ActHold, Now: time.Now()}) // an operator
			v := ok250
			v.N = 1
			return []mta.Verdict{v}
		}
		defer b.run(b.config())()
		b.send("ann@here.example", "bob@there.example")
		rest(day)
		b.want("outcomes", b.outcomes("bob@there.example"), "")
		b.want("still there", b.empty(), false)
		if !strings.Contains(b.log.String(), "lease lost") {
			t.Error("the log does not tell that the lease was lost")
		}
	})
}

func TestTwoWorkersOneStore(t *testing.T) {
	world(t, func(b *bench) {
		two := b.config()
		two.Owner = "two"
		stop1, stop2 := b.run(b.config()), b.run(two)
		for range 50 {
			b.send("ann@here.example", "bob@a.example", "bob@b.example", "cy@b.example")
		}
		rest(time.Hour)
		stop1()
		stop2()
		for _, to := range []mail.Path{"bob@a.example", "bob@b.example", "cy@b.example"} {
			b.want("tries", b.tries[to], 50)
		}
		b.want("empty", b.empty(), true)
	})
}

// blocking makes attempts that last until release is closed or they are called off.
func blocking(b *bench, running *atomic.Int32, most *atomic.Int32, release chan struct{}, late mta.Verdict) {
	b.attempt = func(ctx context.Context, job mail.Job) (out []mta.Verdict) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		v := ok250
		select {
		case <-release:
		case <-ctx.Done():
			v = late
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				v = later
			}
		}
		for _, q := range job.Message.Recipients {
			v.N = q.N
			out = append(out, v)
		}
		return out
	}
}

func TestLimits(t *testing.T) {
	world(t, func(b *bench) {
		var running, most atomic.Int32
		release := make(chan struct{})
		blocking(b, &running, &most, release, unspent)
		cfg := b.config()
		cfg.Limits = Limits{Concurrency: 20, PerRoute: 3, Batch: 100}
		defer b.run(cfg)()
		for range 10 {
			b.send("ann@here.example", "bob@a.example")
		}
		rest(0)
		b.want("of one route", running.Load(), 3)
		for i := range 30 {
			b.send("ann@here.example", mail.Path(fmt.Sprintf("bob@b%d.example", i)))
		}
		rest(0)
		b.want("in all", running.Load(), 20)
		close(release)
		rest(time.Second)
		b.want("empty", b.empty(), true)
		b.want("most", most.Load(), 20)
	})
}

// However many routes are stuck with however much mail, one that is not finds room at once, for fresh mail and for mail that waits.
func TestStuckRoutesLeaveRoom(t *testing.T) {
	for _, express := range []bool{false, true} {
		t.Run(fmt.Sprintf("express %v", express), func(t *testing.T) {
			world(t, func(b *bench) {
				release := make(chan struct{})
				b.attempt = func(ctx context.Context, job mail.Job) (out []mta.Verdict) {
					if strings.HasPrefix(job.Route, "stuck") {
						<-release
					}
					for _, q := range job.Message.Recipients {
						v := ok250
						v.N = q.N
						out = append(out, v)
					}
					return out
				}
				cfg := b.config()
				cfg.Limits = Limits{Concurrency: 40, PerRoute: 10, Batch: 20}
				if express {
					cfg.Express = &Express{Journal: b.faulty}
					b.journal = cfg.Express
				}
				defer b.run(cfg)()
				rest(0)
				for range 40 {
					for i := range 25 {
						b.send("ann@here.example", mail.Path(fmt.Sprintf("bob@stuck%d.example", i)))
					}
				}
				for range 10 {
					b.send("ann@here.example", "cy@good.example")
				}
				rest(10 * time.Second)
				b.want("good ones", b.outcomes("cy@good.example"), strings.TrimSpace(strings.Repeat("relayed ", 10)))
				close(release)
				rest(time.Minute)
				b.want("empty", b.empty(), true)
			})
		})
	}
}

func TestAttemptHasADeadline(t *testing.T) {
	world(t, func(b *bench) {
		var running, most atomic.Int32
		blocking(b, &running, &most, nil, unspent)
		defer b.run(b.config())()
		b.send("ann@here.example", "bob@a.example")
		rest(20*time.Minute + time.Second)
		b.want("running", running.Load(), 0)
		b.want("outcomes", b.outcomes("bob@a.example"), "deferred")
	})
}

// What waited too long for room goes back uncounted instead of running past its lease.
func TestBacklogGoesBackBeforeItsLeaseEnds(t *testing.T) {
	world(t, func(b *bench) {
		var running, most atomic.Int32
		blocking(b, &running, &most, nil, unspent)
		cfg := b.config()
		cfg.Limits.Concurrency = 1
		defer b.run(cfg)()
		b.send("ann@here.example", "bob@a.example")
		b.send("ann@here.example", "bob@b.example")
		b.send("ann@here.example", "bob@c.example")
		rest(4 * time.Hour)
		b.want("at once", most.Load(), 1)
		for _, to := range []mail.Path{"bob@a.example", "bob@b.example", "bob@c.example"} {
			if !strings.HasPrefix(b.outcomes(to), "deferred") {
				t.Errorf("%s: %q", to, b.outcomes(to))
			}
		}
	})
}

func TestStop(t *testing.T) {
	for _, c := range []struct {
		name     string
		release  time.Duration // 0: never
		verdict  mta.Verdict   // of one that is called off
		took     time.Duration
		outcomes string
		attempts int
	}{
		{"attempts end within the grace", 3 * time.Second, unspent, 3 * time.Second, "relayed", 0},
		{"called off and not counted", 0, unspent, 10 * time.Second, "", 0},
		{"called off after the message was sent", 0, mta.Verdict{Outcome: mail.Deferred, Status: "4.4.2", Unsure: true, Reason: "answer lost"}, 10 * time.Second, "deferred", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			world(t, func(b *bench) {
				var running, most atomic.Int32
				release := make(chan struct{})
				blocking(b, &running, &most, release, c.verdict)
				cfg := b.config()
				cfg.Limits.Concurrency = 1
				stop := b.run(cfg)
				b.send("ann@here.example", "bob@a.example")
				b.send("ann@here.example", "waits@b.example")
				rest(time.Second)
				if c.release > 0 {
					time.AfterFunc(c.release, func() { close(release) })
				}
				began := time.Now()
				stop()
				b.want("took", time.Since(began), c.took)
				b.want("outcomes", b.outcomes("bob@a.example"), c.outcomes)
				b.want("what was not begun", b.outcomes("waits@b.example"), "")
				for _, r := range b.left() {
					if r.Lease.ID != 0 || r.Address == "bob@a.example" && r.Attempts != c.attempts || r.Address == "waits@b.example" && r.Attempts != 0 {
						t.Errorf("left in the queue: %+v", r)
					}
				}
			})
		})
	}
}

func TestSenderThatBreaks(t *testing.T) {
	world(t, func(b *bench) {
		broken := true
		b.attempt = func(_ context.Context, job mail.Job) []mta.Verdict {
			if broken {
				broken = false
				panic("odd message")
			}
			return nil // no verdict at all
		}
		defer b.run(b.config())()
		b.send("ann@here.example", "bob@a.example")
		rest(6 * time.Minute)
		b.want("outcomes", b.outcomes("bob@a.example"), "deferred deferred")
	})
}

// A held recipient is left alone, and a message released after its time gets one last attempt.
func TestHeldPastItsTime(t *testing.T) {
	world(t, func(b *bench) {
		b.on("bob@a.example", later)
		defer b.run(b.config())()
		b.send("ann@here.example", "bob@a.example")
		rest(0)
		b.do(mail.QueueAct{Queue: 1, Act: mail.ActHold, Now: time.Now()})
		rest(10 * day)
		b.want("tries", b.tries["bob@a.example"], 1)
		b.on("bob@a.example", ok250)
		b.do(mail.QueueAct{Queue: 1, Act: mail.ActRelease, Now: time.Now()})
		rest(0)
		b.want("outcomes", b.outcomes("bob@a.example"), "deferred relayed")
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{}); !mail.Is(err, mail.Invalid) {
		t.Errorf("got %v", err)
	}
	c := Config{Times: Times{Attempt: time.Hour, Lease: time.Minute}}.withDefaults()
	if c.Times.Lease <= c.Times.Attempt {
		t.Errorf("a lease of %v is not longer than an attempt of %v", c.Times.Lease, c.Times.Attempt)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	b := Backoff{}.withDefaults()
	for _, c := range []struct {
		attempts int
		random   float64
		want     time.Duration
	}{
		{1, 0.5, 5 * time.Minute}, {2, 0.5, 10 * time.Minute}, {3, 0.5, 20 * time.Minute}, {4, 0.5, 40 * time.Minute},
		{7, 0.5, 4 * time.Hour}, {1000, 0.5, 4 * time.Hour}, {1, 0, 4 * time.Minute}, {1, 1, 6 * time.Minute}, {0, 0.5, 5 * time.Minute},
	} {
		if got := b.delay(c.attempts, func() float64 { return c.random }); got.Round(time.Second) != c.want {
			t.Errorf("after %d attempts with %v: %v, want %v", c.attempts, c.random, got, c.want)
		}
	}
}

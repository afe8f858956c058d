package queue

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

// life is one drawn run: how each remote behaves, when the process stops, when the store and the reporter fail.
type life struct {
	scripts  [][]mta.Verdict // per recipient of the one message
	routes   []int
	null     bool
	restarts []time.Duration // pauses after which the scheduler is stopped and started again
	faults   []bool          // which commits fail
	noReport []bool          // which reports cannot be written at first
}

func drawLife(t *rapid.T) (l life) {
	verdict := rapid.SampledFrom([]mta.Verdict{ok250, later, later, later, refused, unspent})
	n := rapid.IntRange(1, 5).Draw(t, "recipients")
	for i := range n {
		script := rapid.SliceOfN(verdict, 1, 8).Draw(t, "script")
		if script[len(script)-1].Unspent {
			script = append(script, later) // a remote that is never spoken to has no end
		}
		l.scripts = append(l.scripts, script)
		l.routes = append(l.routes, rapid.IntRange(0, 2).Draw(t, fmt.Sprint("route ", i)))
	}
	l.null = rapid.Bool().Draw(t, "null sender")
	for _, h := range rapid.SliceOfN(rapid.IntRange(0, 30), 0, 4).Draw(t, "restarts") {
		l.restarts = append(l.restarts, time.Duration(h)*time.Hour/4)
	}
	l.faults = rapid.SliceOfN(rapid.Bool(), 0, 20).Draw(t, "faults")
	l.noReport = rapid.SliceOfN(rapid.Bool(), 0, 4).Draw(t, "no report")
	return l
}

// expect plays a recipient's script by hand: what it ends in.
func expect(script []mta.Verdict) mail.Outcome {
	for _, v := range script {
		if v.Outcome != mail.Deferred {
			return v.Outcome
		}
	}
	return mail.Bounced // waited until its time was over
}

// live runs a life and tells what is wrong with it.
func live(t *testing.T, l life) (wrong []string) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var to []mail.Path
		for i, script := range l.scripts {
			a := mail.Path(fmt.Sprintf("u%d@r%d.example", i, l.routes[i]))
			to = append(to, a)
			b.on(a, script...)
		}
		commits, reports := 0, 0
		b.faulty.fail = func(mail.ChangeSet) error {
			commits++
			if commits <= len(l.faults) && l.faults[commits-1] {
				return mail.Errorf(mail.Unavailable, "the store is away")
			}
			return nil
		}
		b.reportOf = func() error {
			reports++
			if reports <= len(l.noReport) && l.noReport[reports-1] {
				return mail.Errorf(mail.Unavailable, "the disk is full")
			}
			return nil
		}
		from := mail.Path("ann@here.example")
		if l.null {
			from = ""
		}
		b.send(from, to...)
		c := b.config()
		c.Backoff = Backoff{First: time.Hour, Max: 16 * time.Hour, Jitter: -1} // fewer attempts, more lives
		c.Times.Poll = 12 * time.Hour
		for _, pause := range l.restarts {
			stop := b.run(c)
			rest(pause)
			stop()
		}
		stop := b.run(c)
		rest(7 * day)
		stop()
		wrong = judge(b, l, from, to)
	})
	return wrong
}

func judge(b *bench, l life, from mail.Path, to []mail.Path) (wrong []string) {
	failed := map[mail.Path]int{}
	for _, a := range to {
		for _, e := range b.eventsOf(a) { // of what was committed
			if e.Outcome == mail.Reported && strings.HasPrefix(e.Reason, "failure report r") {
				failed[e.To]++
			}
		}
	}
	for i, a := range to {
		final := slices.DeleteFunc(strings.Fields(b.outcomes(a)), func(o string) bool { return !mail.Outcome(o).Final() })
		want := expect(l.scripts[i])
		if len(final) != 1 || final[0] != string(want) {
			wrong = append(wrong, fmt.Sprintf("%s ended in %q, want %s once", a, b.outcomes(a), want))
		}
		wantReports := 0
		if want == mail.Bounced && from != "" {
			wantReports = 1
		}
		if failed[a] != wantReports {
			wrong = append(wrong, fmt.Sprintf("%s: %d failure reports, want %d", a, failed[a], wantReports))
		}
	}
	if !b.empty() {
		wrong = append(wrong, fmt.Sprintf("%d entries stay in the queue", len(b.left())))
	}
	return wrong
}

// Whatever the remotes, the store and the operator's restarts do: each recipient ends once, with the right number of reports.
func TestEveryRecipientEndsOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l := drawLife(rt)
		if wrong := live(t, l); len(wrong) > 0 {
			rt.Fatalf("%s\n%+v", strings.Join(wrong, "\n"), l)
		}
	})
}

package outbound

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

// drawRemote makes a host that behaves in any of the ways hosts do.
func drawRemote(t *rapid.T, recipients int) *remote {
	answers := []string{"", "", "", "", "", "", "450 4.2.0 later", "550 5.7.1 never", "421 4.3.2 closing", "drop:421 4.3.2 closing", "drop", "reset",
		"250 odd", "354 odd", "no reply at all", "552 5.5.3 too many recipients", "452 4.5.3 too many recipients"}
	script := map[string][]string{}
	for _, at := range []string{"greeting", "ehlo", "helo", "mail", "data", ".", "rset"} {
		script[at] = rapid.SliceOfN(rapid.SampledFrom(answers), 1, 3).Draw(t, at)
	}
	for i := range recipients {
		at := fmt.Sprintf("rcpt to:<u%d@", i)
		script[at] = rapid.SliceOfN(rapid.SampledFrom(answers), 1, 3).Draw(t, at)
	}
	r := &remote{script: script}
	if rapid.Bool().Draw(t, "esmtp") {
		r.ext = []string{"8BITMIME"}
		if rapid.Bool().Draw(t, "pipelining") {
			r.ext = esmtp()
		}
	}
	return r
}

// count tells in how many messages a recipient was taken over: those whose sender was told so, and all.
func count(remotes map[string]*remote, to string) (confirmed, all int) {
	for _, r := range remotes {
		for _, m := range r.took() {
			if slices.ContainsFunc(m.to, func(s string) bool { return strings.HasPrefix(s, "<"+to+">") }) {
				all++
				if m.confirmed {
					confirmed++
				}
			}
		}
	}
	return confirmed, all
}

// Whatever hosts do, each recipient gets one verdict, and it is true: relayed says that exactly one host took the message for it;
// deferred or bounced that none did, except that an unsure one may have.
func TestVerdictsAreTrue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		recipients := rapid.IntRange(1, 5).Draw(rt, "recipients")
		remotes := map[string]*remote{}
		for i := range rapid.IntRange(1, 3).Draw(rt, "hosts") {
			remotes[fmt.Sprintf("192.0.2.%d", i+1)] = drawRemote(rt, recipients)
		}
		limit := rapid.IntRange(1, 6).Draw(rt, "recipients of a transaction")
		t.Run("", func(t *testing.T) {
			b := newBench(t, threeHosts, remotes)
			b.config.Limits.Recipients = limit
			b.config.Timeouts.Timeouts = waits(time.Second)
			for round := range 2 { // the second may find idle connections
				before := map[string][2]int{}
				var to []mail.Path
				for i := range recipients {
					a := fmt.Sprintf("u%d@there.example", i)
					to = append(to, mail.Path(a))
					confirmed, all := count(remotes, a)
					before[a] = [2]int{confirmed, all}
				}
				job := b.job(to...)
				verdicts := b.transport().Attempt(context.Background(), job)
				for i, a := range to {
					at := slices.IndexFunc(verdicts, func(v mta.Verdict) bool { return v.N == i+1 })
					if at < 0 || len(verdicts) != recipients {
						t.Fatalf("round %d: %d verdicts for %d recipients: %+v", round, len(verdicts), recipients, verdicts)
					}
					v := verdicts[at]
					confirmed, all := count(remotes, string(a))
					confirmed, all = confirmed-before[string(a)][0], all-before[string(a)][1]
					relayed := v.Outcome == mail.Relayed
					if relayed != (confirmed == 1) || confirmed > 1 || !v.Unsure && all != confirmed || all > 1 ||
						v.Status == "" || v.Unspent || relayed && v.Unsure {
						t.Errorf("round %d: %s: taken %d times and confirmed %d: %+v", round, a, all, confirmed, v)
					}
				}
			}
		})
		if t.Failed() {
			rt.Fatal("a verdict was not true")
		}
	})
}

package load

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// workGrowth names this work in samples.
const workGrowth = "growth"

// The cases of the work.
const (
	emptyStore = "an empty store"
	fullStore  = "a store of a million messages"
)

// What the large store holds: messages come to thousand recipients at a time, so that a hundred thousand placements share
// a hundred bodies; accounts and placements are what there are a million of.
const (
	growthAccounts = 10_000
	growthEach     = 100
	growthAtOnce   = 1000
)

// measureGrowth compares what a message costs Postrider when its store is empty with what it costs when the store holds a million
// messages in ten thousand accounts. Both stores are there at the same time and are measured in turn.
func measureGrowth(ctx context.Context, b *Bench) error {
	accounts := numbered(b.pick(20, growthAccounts))
	var rigs []Rig
	watchers := map[Rig]*watcher{}
	for range 2 {
		r, err := NewPostrider(b, Spec{})
		if err != nil {
			return err
		}
		begin := time.Now()
		stop, err := fleet(ctx, accounts, r)
		if err != nil {
			return err
		}
		defer stop()
		b.say("%d accounts after %s", len(accounts), time.Since(begin).Round(time.Second))
		rigs = append(rigs, r)
	}
	if err := fillStore(ctx, b, rigs[1], accounts); err != nil {
		return err
	}
	for i, r := range rigs {
		w, err := newWatcher(r, accounts[:min(100, len(accounts))])
		if err != nil {
			return err
		}
		defer w.close()
		for name := range w.conns {
			w.expect(name, i*b.pick(2, growthEach))
		}
		watchers[r] = w
	}
	names := accounts[:min(100, len(accounts))]
	each := b.pick(2, 40)
	for round := range b.Rounds {
		for i, r := range rigs {
			s := Sample{Work: workGrowth, Case: []string{emptyStore, fullStore}[i], Round: round}
			err := b.measure(ctx, r, s, len(names)*each, func(values map[string]float64) error {
				return sendTimed(ctx, r, watchers[r], timed{names: names, each: each, message: plainMessage(4 << 10), values: values})
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// numbered are n accounts.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "p" + strconv.Itoa(i)
	}
	return names
}

// fillStore sends messages to a thousand accounts at a time until every account has its share.
func fillStore(ctx context.Context, b *Bench, r Rig, accounts []string) error {
	begin := time.Now()
	l := newLetters()
	runs := (len(accounts) + growthAtOnce - 1) / growthAtOnce
	return parallel(4, runs, func(part int) error {
		c, err := dialSMTP(r.Addr(SMTP))
		if err != nil {
			return err
		}
		var to []string
		for _, name := range accounts[part*growthAtOnce : min(len(accounts), (part+1)*growthAtOnce)] {
			to = append(to, Address(name))
		}
		for k := range b.pick(2, growthEach) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := c.send(sender, to, l.make(part*growthEach+k)); err != nil {
				return fmt.Errorf("filling: %w", err)
			}
		}
		b.say("accounts from %d on are filled after %s", part*growthAtOnce, time.Since(begin).Round(time.Second))
		return c.quit()
	})
}

package load

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
)

// workMailbox names this work in samples.
const workMailbox = "mailbox"

// mailboxMessages is how many messages the large mailbox has; copied is how many of them COPY copies.
const (
	mailboxMessages = 100_000
	copied          = 10_000
)

// mailboxStep is one command whose time is measured; after puts things back.
type mailboxStep struct {
	name, command string
	after         []string
	hits          func(n int) int // how many hits a search must have among n messages; nil checks nothing
	slow          bool            // takes Dovecot so long that three rounds must do
}

func mailboxSteps(l *letters, n int) []mailboxStep {
	rare := func(n int) int { return (n + rareEvery/2 - 1) / rareEvery }
	return []mailboxStep{
		{name: "SELECT", command: "SELECT INBOX"},
		{name: "FETCH 1:* FLAGS", command: "FETCH 1:* (FLAGS)"},
		{name: "FETCH 1:* ENVELOPE", command: "FETCH 1:* (ENVELOPE)"},
		{name: "SEARCH SUBJECT", command: "SEARCH SUBJECT " + l.words[300]},
		{name: "SEARCH FROM", command: "SEARCH FROM " + l.words[77]},
		{name: "SEARCH HEADER X-Ticket", command: "SEARCH HEADER X-Ticket 123"},
		{name: "SEARCH BODY, a rare word", command: "SEARCH BODY " + rareWord, hits: rare, slow: true},
		{name: "SEARCH TEXT, a rare word", command: "SEARCH TEXT " + rareWord, hits: rare, slow: true},
		{name: "SEARCH TEXT, a common word", command: "SEARCH TEXT " + l.common(), slow: true},
		{name: "STORE 1:* +FLAGS", command: "STORE 1:* +FLAGS.SILENT (\\Flagged)", after: []string{"STORE 1:* -FLAGS.SILENT (\\Flagged)"}},
		{name: fmt.Sprintf("COPY of %d", min(n, copied)), command: fmt.Sprintf("COPY 1:%d Copies", min(n, copied)), after: []string{"DELETE Copies", "CREATE Copies"}},
	}
}

// measureMailbox times commands on one large mailbox, warm: what the first round takes is not counted.
func measureMailbox(ctx context.Context, b *Bench) error {
	rigs, err := both(b, Spec{})
	if err != nil {
		return err
	}
	stop, err := fleet(ctx, []string{base(0)}, rigs...)
	if err != nil {
		return err
	}
	defer stop()
	n := b.pick(500, mailboxMessages)
	for _, r := range rigs {
		begin := time.Now()
		if err := fill(ctx, r, base(0), n); err != nil {
			return err
		}
		if _, err := rest(ctx, r); err != nil {
			return err
		}
		b.say("%s holds %d messages after %s", r.Name(), n, time.Since(begin).Round(time.Second))
	}
	l := newLetters()
	for round := -1; round < b.Rounds; round++ {
		for _, step := range mailboxSteps(l, n) {
			if step.slow && round > 2 || !b.wants(step.name) && step.name != "SELECT" {
				continue
			}
			for _, r := range rigs {
				if err := b.timeStep(ctx, r, step, round, n); err != nil {
					return fmt.Errorf("%s: %s: %w", r.Name(), step.name, err)
				}
			}
		}
	}
	return nil
}

// timeStep runs one command on a connection of its own. Round -1 warms up.
func (b *Bench) timeStep(ctx context.Context, r Rig, step mailboxStep, round, n int) error {
	c, err := dialIMAPBuffer(r.Addr(IMAP), base(0), nil, 256<<10)
	if err != nil {
		return err
	}
	defer c.close()
	if round < 0 && strings.HasPrefix(step.name, "COPY") {
		if err := c.do("CREATE Copies", nil); err != nil {
			return err
		}
	}
	if step.name != "SELECT" {
		if err := c.do("SELECT INBOX", nil); err != nil {
			return err
		}
	}
	before, err := rest(ctx, r)
	if err != nil {
		return err
	}
	hits := 0
	begin := time.Now()
	err = c.do(step.command, func(line []byte) {
		if bytes.HasPrefix(line, []byte("* SEARCH")) {
			hits = len(bytes.Fields(line)) - 2
		}
	})
	wall := time.Since(begin)
	if err != nil {
		return err
	}
	if step.hits != nil && hits != step.hits(n) {
		return fmt.Errorf("%d hits, want %d", hits, step.hits(n))
	}
	after, err := r.Usage()
	if err != nil {
		return err
	}
	for _, command := range step.after {
		if err := c.do(command, nil); err != nil {
			return err
		}
	}
	if round >= 0 {
		values := map[string]float64{Wall: wall.Seconds() * 1e3, CPU: (after.CPU - before.CPU).Seconds() * 1e3}
		b.add(Sample{Work: workMailbox, Case: step.name, System: r.Name(), Round: round, Values: values})
	}
	return nil
}

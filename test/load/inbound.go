package load

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// workInbound names this work in samples.
const workInbound = "inbound"

// bases is how many accounts smtp-source is told of; with ten recipients it puts a number before each of them.
const (
	bases  = 10
	crowd  = 10
	sender = "someone@elsewhere.example"
)

// inboundCase is one kind of mail stream.
type inboundCase struct {
	sessions, size, recipients, messages int
	reconnect                            bool // a new connection for each message
}

func (c inboundCase) String() string {
	s := fmt.Sprintf("%d KB, %d sessions, %d recipients", c.size/1024, c.sessions, c.recipients)
	if c.sessions == 1 {
		s = fmt.Sprintf("%d KB, one session, %d recipients", c.size/1024, c.recipients)
	}
	if c.recipients == 1 {
		s = s[:len(s)-len("1 recipients")] + "one recipient"
	}
	if c.reconnect {
		s += ", connection per message"
	}
	return s
}

func inboundCases(b *Bench) []inboundCase {
	var cases []inboundCase
	for _, recipients := range []int{1, crowd} {
		for _, size := range []int{4 << 10, 50 << 10} {
			for _, sessions := range []int{1, 20, 100} {
				messages := map[int]int{1: 400, 20: 1000, 100: 2000}[sessions]
				if recipients > 1 {
					messages /= 4
				}
				if size > 10<<10 {
					messages /= 2
				}
				cases = append(cases, inboundCase{sessions: sessions, size: size, recipients: recipients, messages: messages})
			}
		}
	}
	cases = append(cases, inboundCase{sessions: 100, size: 4 << 10, recipients: 1, messages: 2000, reconnect: true})
	if b.Quick {
		cases = []inboundCase{{sessions: 1, size: 4 << 10, recipients: 1, messages: 10}, {sessions: 20, size: 50 << 10, recipients: crowd, messages: 20, reconnect: true}}
	}
	return slices.DeleteFunc(cases, func(c inboundCase) bool { return !b.wants(c.String()) })
}

// inboundAccounts are those that smtp-source's recipients u0 to u9 become.
func inboundAccounts() []string {
	var names []string
	for i := range bases {
		names = append(names, base(i))
		for n := 2; n <= crowd; n++ {
			names = append(names, strconv.Itoa(n)+base(i))
		}
	}
	return names
}

func base(i int) string { return "u" + strconv.Itoa(i) }

// measureInbound sends mail with smtp-source until every message can be read over IMAP, and to the null servers until they have
// answered, and measures what the disk alone gives.
func measureInbound(ctx context.Context, b *Bench) error {
	rigs, err := both(b, Spec{})
	if err != nil {
		return err
	}
	for _, sync := range []bool{false, true} {
		n, err := NewNull(b, sync)
		if err != nil {
			return err
		}
		rigs = append(rigs, n)
	}
	names := inboundAccounts()
	stop, err := fleet(ctx, names, rigs...)
	if err != nil {
		return err
	}
	defer stop()
	watchers := map[Rig]*watcher{}
	for _, r := range rigs {
		if watchers[r], err = newWatcher(r, names); err != nil {
			return fmt.Errorf("%s: %w", r.Name(), err)
		}
		defer watchers[r].close()
	}
	for round := range b.Rounds {
		for _, c := range inboundCases(b) {
			for _, r := range rigs {
				s := Sample{Work: workInbound, Case: c.String(), Round: round}
				if err := b.measure(ctx, r, s, c.messages, func(map[string]float64) error { return c.run(ctx, r, watchers[r]) }); err != nil {
					return err
				}
			}
		}
		if err := diskLimit(b, round); err != nil {
			return err
		}
	}
	return latency(ctx, b, rigs, watchers)
}

// run sends the messages and waits for all of them.
func (c inboundCase) run(ctx context.Context, r Rig, w *watcher) error {
	senders := min(c.sessions, bases)
	err := parallel(senders, senders, func(i int) error {
		argv := []string{"-s", strconv.Itoa(c.sessions / senders), "-l", strconv.Itoa(c.size), "-m", strconv.Itoa(c.messages / senders),
			"-r", strconv.Itoa(c.recipients), "-C", "20", "-M", "client.example", "-f", sender, "-t", Address(base(i))}
		if !c.reconnect {
			argv = append(argv, "-d")
		}
		return source(ctx, append(argv, "inet:"+r.Addr(SMTP)))
	})
	if err != nil {
		return err
	}
	for i := range senders {
		w.expect(base(i), c.messages/senders)
		for n := 2; n <= c.recipients; n++ {
			w.expect(strconv.Itoa(n)+base(i), c.messages/senders)
		}
	}
	return w.wait(ctx)
}

// source runs smtp-source, and ends it when ctx does.
func source(ctx context.Context, argv []string) error {
	out, err := exec.CommandContext(ctx, "smtp-source", argv...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("smtp-source %v: %w\n%s", argv, err, out)
	}
	return nil
}

// diskLimit measures the disk alone.
func diskLimit(b *Bench, round int) error {
	for _, size := range []int{4 << 10, 50 << 10} {
		for _, group := range []int{1, 100} {
			rate, err := appendAndSync(b.Root, size, group, time.Duration(b.pick(50, 1000))*time.Millisecond)
			if err != nil {
				return err
			}
			kase := fmt.Sprintf("%d KB, one at a time", size/1024)
			if group > 1 {
				kase = fmt.Sprintf("%d KB, %d at a time", size/1024, group)
			}
			b.add(Sample{Work: workDisk, Case: kase, System: Disk, Round: round, Values: map[string]float64{Rate: rate}})
		}
	}
	return nil
}

// workDisk is the name of the disk's own figures.
const workDisk = "disk"

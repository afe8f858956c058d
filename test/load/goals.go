package load

import (
	"fmt"
	"strings"
)

// goal is a bar that Postrider has set itself: a value of the samples, and what it has to be at least or at most.
type goal struct {
	text   string
	want   float64
	unit   string
	atMost bool
	got    func(Samples) (float64, bool)
}

// against gives how many times better Postrider is than a system in one case.
func against(work, kase, system string, c column) func(Samples) (float64, bool) {
	return func(s Samples) (float64, bool) {
		ours, ok := s.Median(work, kase, Postrider, c.metric)
		theirs, ok2 := s.Median(work, kase, system, c.metric)
		if !ok || !ok2 || ours <= 0 || theirs <= 0 {
			return 0, false
		}
		if c.less {
			return theirs / ours, true
		}
		return ours / theirs, true
	}
}

// plain gives a figure of Postrider's own.
func plain(work, kase, metric string) func(Samples) (float64, bool) {
	return func(s Samples) (float64, bool) { return s.Median(work, kase, Postrider, metric) }
}

// costRatio tells what a message costs in a full store, as a multiple of what it costs in an empty one.
func costRatio(s Samples) (float64, bool) {
	full, ok := s.Median(workGrowth, fullStore, Postrider, CPU)
	empty, ok2 := s.Median(workGrowth, emptyStore, Postrider, CPU)
	if !ok || !ok2 || empty <= 0 {
		return 0, false
	}
	return full / empty, true
}

func goals() []goal {
	rate, less := column{metric: Rate}, func(metric string) column { return column{metric: metric, less: true} }
	hundred, one := inboundCase{sessions: 100, size: 4 << 10, recipients: 1}.String(), inboundCase{sessions: 1, size: 4 << 10, recipients: 1}.String()
	list := []goal{
		{text: "inbound, " + hundred + ", smtp-source, against the peers", want: 20, unit: "x", got: against(workInbound, hundred, Peers, rate)},
		{text: "inbound, " + latencyCase + ", against the peers", want: 20, unit: "x", got: against(workInbound, latencyCase, Peers, rate)},
		{text: "inbound, " + hundred + ", smtp-source, share of the null server that syncs", want: 0.5, unit: "x", got: against(workInbound, hundred, NullSync, rate)},
		{text: "inbound, " + latencyCase + ", share of the null server that syncs", want: 0.5, unit: "x", got: against(workInbound, latencyCase, NullSync, rate)},
		{text: "inbound, " + one + ", against the peers", want: 1, unit: "x", got: against(workInbound, one, Peers, rate)},
		{text: "inbound, p99 of the reply at 100 sessions, against the peers", want: 1, unit: "x", got: against(workInbound, latencyCase, Peers, less(P99))},
		{text: "relay, " + relayOne + ", against the peers", want: 10, unit: "x", got: against(workRelay, relayOne, Peers, rate)},
		{text: "relay, " + relayMany + ", against the peers", want: 10, unit: "x", got: against(workRelay, relayMany, Peers, rate)},
		{text: "IMAP, mixed, commands for the same CPU, against the peers", want: 2, unit: "x", got: against(workIMAP, mixedCase(), Peers, less(CPU))},
	}
	for _, step := range mailboxSteps(newLetters(), mailboxMessages) {
		want := 1.0
		if strings.HasPrefix(step.name, "SEARCH TEXT") {
			want = 10
		}
		list = append(list, goal{text: "100,000 messages, " + step.name + ", against the peers", want: want, unit: "x", got: against(workMailbox, step.name, Peers, less(Wall))})
	}
	return append(list,
		goal{text: "an idle IMAP connection", want: 30, unit: " KiB", atMost: true, got: plain(workIdle, idleCase, PerIdler)},
		goal{text: "a message at a million stored, against an empty store", want: 1.3, unit: "x CPU", atMost: true, got: costRatio},
		goal{text: "memory, " + memoryCase(1000, 1<<20), want: 150, unit: " MiB", atMost: true, got: plain(workMemory, memoryCase(1000, 1<<20), Memory)})
}

// goalTable says of each goal that was measured whether it is reached.
func goalTable(b *strings.Builder, samples Samples) {
	rows := 0
	for _, g := range goals() {
		got, ok := g.got(samples)
		if !ok {
			continue
		}
		if rows == 0 {
			b.WriteString("\n### The bars\n\n| | bar | measured | |\n|---|--:|--:|---|\n")
		}
		rows++
		word, verdict := "at least", "no"
		if g.atMost {
			word = "at most"
		}
		if g.atMost == (got <= g.want) || got == g.want {
			verdict = "reached"
		}
		fmt.Fprintf(b, "| %s | %s %s%s | %s%s | %s |\n", g.text, word, strings.TrimSuffix(fmt.Sprint(g.want), ".0"), g.unit, number(got), g.unit, verdict)
	}
}

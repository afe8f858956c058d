package load

import (
	"fmt"
	"slices"
	"strings"
)

// section is how the report shows one work.
type section struct {
	work, title string
	metrics     []column
	systems     []string // beside Postrider and its peers, whose ratio is shown
}

// column is a metric of a section.
type column struct {
	metric, title string
	less          bool // less is better
}

func sections() []section {
	return []section{
		{work: workInbound, title: "Inbound: until every message is readable",
			metrics: []column{{Rate, "messages/s", false}, {CPU, "CPU ms a message", true}, {Memory, "peak MiB", true},
				{P50, "reply p50 ms", true}, {P99, "reply p99 ms", true}, {Read50, "readable p50 ms", true}, {Read99, "readable p99 ms", true}},
			systems: []string{NullSync, Null}},
		{work: workRelay, title: "Relay: until the sink has every message for a healthy host", metrics: []column{{Rate, "messages/s", false}, {CPU, "CPU ms a message", true}, {Memory, "peak MiB", true}}},
		{work: workSubmission, title: "Submission with TLS and AUTH, a connection per message", metrics: []column{{Rate, "messages/s", false}, {CPU, "CPU ms a message", true},
			{Memory, "peak MiB", true}, {P50, "reply p50 ms", true}, {P99, "reply p99 ms", true}}},
		{work: workIMAP, title: "IMAP: mixed work", metrics: []column{{Rate, "commands/s", false}, {CPU, "CPU ms a command", true}, {Memory, "peak MiB", true}}},
		{work: workMailbox, title: "IMAP: one mailbox of 100,000 messages", metrics: []column{{Wall, "ms", true}, {CPU, "CPU ms", true}}},
		{work: workPOP3, title: "POP3", metrics: []column{{Rate, "messages/s", false}, {CPU, "CPU ms a message", true}, {Memory, "peak MiB", true}}},
		{work: workIdle, title: "Idle IMAP connections", metrics: []column{{PerIdler, "KiB a connection", true}}},
		{work: workMemory, title: "Memory under load", metrics: []column{{Memory, "peak MiB", true}, {Rate, "messages/s", false}, {CPU, "CPU ms a message", true}}},
		{work: workGrowth, title: "Growth", metrics: []column{{Rate, "messages/s", false}, {CPU, "CPU ms a message", true}, {P99, "reply p99 ms", true}}},
		{work: workDisk, title: "The disk alone", metrics: []column{{Rate, "bodies/s", false}}, systems: []string{Disk}},
	}
}

// Report is the generated part of the page.
func Report(samples Samples, machine string) string {
	var b strings.Builder
	b.WriteString("\n" + machine + "\n")
	goalTable(&b, samples)
	for _, s := range sections() {
		if len(samples.Cases(s.work)) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n", s.title)
		for _, c := range s.metrics {
			s.table(&b, samples, c)
		}
	}
	b.WriteString("\n")
	return b.String()
}

// table writes one metric: a row for each case that has it, a column for each system.
func (s section) table(b *strings.Builder, samples Samples, c column) {
	systems := slices.DeleteFunc(append([]string{Postrider, Peers}, s.systems...), func(system string) bool {
		return !slices.ContainsFunc(samples, func(one Sample) bool {
			_, has := one.Values[c.metric]
			return has && one.Work == s.work && one.System == system
		})
	})
	if len(systems) == 0 {
		return
	}
	compared := slices.Contains(systems, Postrider) && slices.Contains(systems, Peers)
	fmt.Fprintf(b, "\n| %s | %s |", c.title, strings.Join(systems, " | "))
	if compared {
		b.WriteString(" Postrider is |")
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(systems)))
	if compared {
		b.WriteString("--:|")
	}
	b.WriteString("\n")
	for _, kase := range samples.Cases(s.work) {
		cells := []string{kase}
		any := false
		for _, system := range systems {
			cell := ""
			if v, ok := samples.Median(s.work, kase, system, c.metric); ok {
				cell, any = number(v), true
			}
			cells = append(cells, cell)
		}
		if !any {
			continue
		}
		if compared {
			cells = append(cells, ratioText(samples, s.work, kase, c))
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
}

// ratioText says how Postrider stands to its peers: of medians, more than 1 is better for Postrider.
func ratioText(samples Samples, work, kase string, c column) string {
	ours, ok := samples.Median(work, kase, Postrider, c.metric)
	theirs, ok2 := samples.Median(work, kase, Peers, c.metric)
	if !ok || !ok2 || ours == 0 || theirs == 0 {
		return ""
	}
	r := ours / theirs
	if c.less {
		r = theirs / ours
	}
	return number(r) + "x"
}

package load

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// bar is one line of the plot: how many times better Postrider is than its peers.
type bar struct {
	label, value string
	ratio        float64
}

// plotted names what the plot shows: the cases of a work, and the metric.
func plotted() []struct {
	work, title string
	column      column
} {
	return []struct {
		work, title string
		column      column
	}{
		{workInbound, "inbound", column{metric: Rate}},
		{workRelay, "relay", column{metric: Rate}},
		{workSubmission, "submission", column{metric: Rate}},
		{workIMAP, "IMAP, commands per CPU", column{metric: CPU, less: true}},
		{workMailbox, "100,000 messages", column{metric: Wall, less: true}},
		{workPOP3, "POP3", column{metric: Rate}},
		{workIdle, "memory of an idle connection", column{metric: PerIdler, less: true}},
		{workMemory, "peak memory", column{metric: Memory, less: true}},
	}
}

// bars collects what was measured on both sides.
func bars(samples Samples) []bar {
	var out []bar
	for _, p := range plotted() {
		for _, kase := range samples.Cases(p.work) {
			ours, ok := samples.Median(p.work, kase, Postrider, p.column.metric)
			theirs, ok2 := samples.Median(p.work, kase, Peers, p.column.metric)
			if !ok || !ok2 || ours <= 0 || theirs <= 0 {
				continue
			}
			ratio := ours / theirs
			if p.column.less {
				ratio = theirs / ours
			}
			out = append(out, bar{label: p.title + ": " + kase, value: number(ratio) + "x", ratio: ratio})
		}
	}
	return out
}

// Measures of the plot, in pixels.
const (
	plotWidth = 960
	plotLeft  = 490
	plotRight = 70
	plotTop   = 56
	lineHigh  = 20
)

// Plot draws the ratios as bars on a logarithmic scale: to the right of the line at 1x Postrider is better. Its colours are
// readable on light and on dark ground, and follow what the reader prefers.
func Plot(samples Samples) string {
	all := bars(samples)
	low, high := 0.5, 10.0
	for _, b := range all {
		low, high = min(low, b.ratio), max(high, b.ratio)
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	x := func(v float64) float64 {
		return plotLeft + (math.Log10(v)-math.Log10(low))/(math.Log10(high)-math.Log10(low))*(plotWidth-plotLeft-plotRight)
	}
	height := plotTop + lineHigh*len(all) + 12
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="12" role="img">`+"\n", plotWidth, height, plotWidth, height)
	s.WriteString("<title>How many times better Postrider is than Postfix + Dovecot</title>\n<style>\n" +
		"text { fill: #24292f } .grid { stroke: #d0d7de } .one { stroke: #57606a; stroke-width: 2 } .more { fill: #2f81b7 } .less { fill: #cf6a2f } .ground { fill: #ffffff }\n" +
		"@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .grid { stroke: #3d444d } .one { stroke: #9198a1 } .ground { fill: #0d1117 } }\n</style>\n")
	fmt.Fprintf(&s, `<rect class="ground" width="%d" height="%d" rx="6"/>`+"\n", plotWidth, height)
	fmt.Fprintf(&s, `<text x="12" y="22" font-size="15" font-weight="600">Postrider against Postfix + Dovecot, times better (logarithmic)</text>`+"\n")
	for v := low; v <= high*1.001; v *= 10 {
		class := "grid"
		if math.Abs(v-1) < 1e-9 {
			class = "one"
		}
		fmt.Fprintf(&s, `<line class="%s" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/><text x="%.1f" y="%d" text-anchor="middle">%sx</text>`+"\n", class, x(v), plotTop-4, x(v), height-8, x(v), plotTop-9, power(v))
	}
	for i, b := range all {
		y := plotTop + i*lineHigh
		from, to, class := x(1), x(b.ratio), "more"
		if b.ratio < 1 {
			from, to, class = to, from, "less"
		}
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text><rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d" rx="2"/><text x="%.1f" y="%d">%s</text>`+"\n",
			plotLeft-10, y+13, html.EscapeString(b.label), class, from, y+3, max(1, to-from), lineHigh-7, max(from, to)+6, y+13, html.EscapeString(b.value))
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// power writes a power of ten in full.
func power(v float64) string {
	if v < 0.99 {
		return fmt.Sprintf("%.*f", int(math.Round(-math.Log10(v))), v)
	}
	return fmt.Sprintf("%.0f", v)
}

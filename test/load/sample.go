package load

import (
	"fmt"
	"slices"
	"strings"
)

// The systems that take part.
const (
	Postrider = "Postrider"
	Peers     = "Postfix + Dovecot"
	Null      = "null server"
	NullSync  = "null server + sync"
	Disk      = "append + fdatasync"
)

// The metrics of a sample.
const (
	Rate     = "rate"     // units of work a second
	CPU      = "cpu"      // milliseconds of CPU of the system's processes for one unit
	Memory   = "memory"   // MiB at the peak: resident for one process, proportional set sizes for several
	Wall     = "wall"     // milliseconds that one command took
	P50      = "p50"      // milliseconds to the reply
	P99      = "p99"      // the same
	Read50   = "read50"   // milliseconds until a message can be read over IMAP
	Read99   = "read99"   // the same
	PerIdler = "perIdler" // KiB of memory for one idle connection
)

// Sample is one measurement of one system.
type Sample struct {
	Work   string             `json:"work"`
	Case   string             `json:"case"`
	System string             `json:"system"`
	Round  int                `json:"round"`
	Values map[string]float64 `json:"values"`
}

// Samples are all measurements of a run, in the order they were made.
type Samples []Sample

// Median of a metric over the rounds; ok is false when nobody measured it.
func (s Samples) Median(work, kase, system, metric string) (value float64, ok bool) {
	var values []float64
	for _, one := range s {
		if v, has := one.Values[metric]; has && one.Work == work && one.Case == kase && one.System == system {
			values = append(values, v)
		}
	}
	return median(values)
}

// Cases lists the cases of a work in the order of their first measurement.
func (s Samples) Cases(work string) []string {
	var cases []string
	for _, one := range s {
		if one.Work == work && !slices.Contains(cases, one.Case) {
			cases = append(cases, one.Case)
		}
	}
	return cases
}

// rounds says how often each work was measured.
func (s Samples) rounds() string {
	var all []string
	for _, work := range s.Works() {
		seen := map[int]bool{}
		for _, one := range s {
			if one.Work == work {
				seen[one.Round] = true
			}
		}
		all = append(all, fmt.Sprintf("%s %d", work, len(seen)))
	}
	return strings.Join(all, ", ")
}

// Works lists the works likewise.
func (s Samples) Works() []string {
	var works []string
	for _, one := range s {
		if !slices.Contains(works, one.Work) {
			works = append(works, one.Work)
		}
	}
	return works
}

// median of values, which it sorts; the mean of the middle two of an even number. ok is false when there is none.
func median(values []float64) (m float64, ok bool) {
	if len(values) == 0 {
		return 0, false
	}
	slices.Sort(values)
	return (values[len(values)/2] + values[(len(values)-1)/2]) / 2, true
}

// quantile gives the value that a share q of the values does not exceed; 0 of none. It sorts them.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}

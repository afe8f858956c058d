package overview

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// Report is one report that somebody sent about a domain of ours.
type Report struct {
	Kind         string         `json:"kind"`
	Organization string         `json:"organization"`
	Domain       string         `json:"domain"`
	Begin        time.Time      `json:"begin"`
	End          time.Time      `json:"end"`
	Passed       int64          `json:"passed"` // messages, or TLS sessions
	Failed       int64          `json:"failed"`
	Policy       string         `json:"policy,omitempty"`
	Details      []ReportDetail `json:"details,omitempty"`
	Cut          bool           `json:"cut,omitempty"` // it told more than is kept
}

// ReportDetail is one line of a report: a host that sent mail in our name, or a kind of failure of TLS.
type ReportDetail struct {
	Subject string `json:"subject"` // an address, or the host
	Count   int64  `json:"count"`
	Result  string `json:"result"`
}

// ChartQuery says which days are shown.
type ChartQuery struct {
	Days   int    `json:"days,omitempty"`   // today and before; 0: 30, at most 400
	Domain string `json:"domain,omitempty"` // reports about this one alone
}

// Charts is the reply to Charts: sums by day (UTC). All counts are in the order of Days.
type Charts struct {
	Days    []string    `json:"days"`    // 2026-11-24, every day, the earliest first
	DMARC   ReportChart `json:"dmarc"`   // messages in our name, as others saw them
	TLS     ReportChart `json:"tls"`     // their TLS sessions with us
	Volumes []ChartLine `json:"volumes"` // mail of this system: in, out, bounced, refused, junk
}

// ReportChart sums reports of one kind.
type ReportChart struct {
	Reports int         `json:"reports"`
	Passed  ChartLine   `json:"passed"`
	Failed  ChartLine   `json:"failed"`
	Sources []ChartLine `json:"sources"` // the hosts with most, with each result of theirs; those beyond 20 are together in one, Rest
	Senders []ChartLine `json:"senders"` // who reported, the most first
	Cut     bool        `json:"cut,omitempty"`
}

// ChartLine is one line of a chart.
type ChartLine struct {
	Name   string  `json:"name"`
	Result string  `json:"result,omitempty"`
	Rest   bool    `json:"rest,omitempty"` // all that have no line of their own
	Total  int64   `json:"total"`
	Counts []int64 `json:"counts"`
}

// Bounds of charts.
const (
	defaultDays = 30
	maxDays     = 400
	maxReports  = 1000 // of one kind, the latest
	maxLines    = 20
	maxSources  = 2000 // told apart while summing
)

// Charts sums up. reports gives the latest so many reports of a kind, dmarc or tls, that are to be in it.
func (o *Overview) Charts(ctx context.Context, days int, reports func(ctx context.Context, kind string, limit int) ([]Report, error)) (Charts, error) {
	switch {
	case days < 0 || days > maxDays:
		return Charts{}, mail.Errorf(mail.Invalid, "charts show between 1 and %d days", maxDays)
	case days == 0:
		days = defaultDays
	}
	out := Charts{Days: daysUpto(o.cfg.Clock.Now(), days)}
	var err error
	if out.Volumes, err = o.volumeLines(ctx, out.Days); err != nil {
		return Charts{}, err
	}
	for kind, into := range map[string]*ReportChart{"dmarc": &out.DMARC, "tls": &out.TLS} {
		list, err := reports(ctx, kind, maxReports)
		if err != nil {
			return Charts{}, err
		}
		s := newSum(out.Days)
		for _, r := range list {
			s.add(r)
		}
		s.chart.Cut = s.chart.Cut || len(list) >= maxReports
		*into = s.done()
	}
	return out, nil
}

// daysUpto lists the days up to and with a time's.
func daysUpto(now time.Time, n int) []string {
	now = now.UTC()
	out := make([]string, n)
	for i := range out {
		out[i] = time.Date(now.Year(), now.Month(), now.Day()-(n-1-i), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	}
	return out
}

// compact is a day as keys have it.
func compact(day string) string { return strings.ReplaceAll(day, "-", "") }

// indexOf finds days by their compact form.
func indexOf(days []string) map[string]int {
	at := make(map[string]int, len(days))
	for i, d := range days {
		at[compact(d)] = i
	}
	return at
}

// sum adds reports up.
type sum struct {
	days    int
	at      map[string]int
	chart   ReportChart
	sources map[[2]string]*ChartLine
	senders map[[2]string]*ChartLine
}

func newSum(days []string) *sum {
	s := &sum{days: len(days), at: indexOf(days), sources: map[[2]string]*ChartLine{}, senders: map[[2]string]*ChartLine{}}
	s.sources[[2]string{restName, ""}], s.senders[[2]string{restName, ""}] = s.line(restName, ""), s.line(restName, "")
	s.chart.Passed, s.chart.Failed = *s.line("passed", ""), *s.line("failed", "")
	return s
}

func (s *sum) line(name, result string) *ChartLine {
	return &ChartLine{Name: name, Result: result, Counts: make([]int64, s.days)}
}

func (l *ChartLine) count(day int, n int64) {
	l.Counts[day] += n
	l.Total += n
}

// add takes a report in, where it is of one of the days. A report counts for the day that it begins on.
func (s *sum) add(r Report) {
	day, ok := s.at[r.Begin.UTC().Format(dayForm)]
	if !ok {
		return
	}
	s.chart.Reports++
	s.chart.Passed.count(day, r.Passed)
	s.chart.Failed.count(day, r.Failed)
	s.chart.Cut = s.chart.Cut || r.Cut
	s.of(s.senders, r.Organization, "").count(day, r.Passed+r.Failed)
	for _, d := range r.Details {
		s.of(s.sources, d.Subject, d.Result).count(day, d.Count)
	}
}

// of finds the line for a name and result among some; beyond what is told apart it is that of the rest.
func (s *sum) of(lines map[[2]string]*ChartLine, name, result string) *ChartLine {
	key := [2]string{name, result}
	if l := lines[key]; l != nil {
		return l
	}
	if len(lines) >= maxSources {
		return s.of(lines, restName, "")
	}
	lines[key] = s.line(name, result)
	return lines[key]
}

// restName is no name of a host or an organization.
const restName = "\x00"

func (s *sum) done() ReportChart {
	s.chart.Sources, s.chart.Senders = s.most(s.sources), s.most(s.senders)
	return s.chart
}

// most gives the lines with the highest totals, and one for the rest.
func (s *sum) most(all map[[2]string]*ChartLine) []ChartLine {
	lines := slices.Collect(maps.Values(all))
	slices.SortFunc(lines, func(a, b *ChartLine) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), strings.Compare(a.Name, b.Name), strings.Compare(a.Result, b.Result))
	})
	out := make([]ChartLine, 0, min(len(lines), maxLines)+1)
	rest := s.line("", "")
	rest.Rest = true
	for _, l := range lines {
		if len(out) < maxLines && l.Name != restName {
			out = append(out, *l)
			continue
		}
		for i, n := range l.Counts {
			rest.count(i, n)
		}
	}
	if rest.Total > 0 {
		out = append(out, *rest)
	}
	return out
}
